package rows

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// The functions below walk JSON that record has found valid. They check nothing but that they stay inside it: a file may
// have been changed between two phases.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	begin := i + 1
	for i = begin; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		i += n
		escapes := 0 // in front of it; counted backwards, no byte is looked at more than twice, however many escapes there are
		for i-escapes > begin && b[i-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the index after the value that begins at i, and i where none does.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return len(b)
	}
	for i < len(b) {
		switch b[i] {
		case ',', ':', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

// kindAt is the first byte of the value at i, which says what it is; 0 if there is none.
func kindAt(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// kindName says the same in words.
func kindName(kind byte) string {
	switch kind {
	case 0:
		return "cut off"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	}
	return "a number"
}

// elements goes through an array.
type elements struct {
	b      []byte
	at     int // after the last element
	n      int // index of the element
	lo, hi int // the element
}

func elementsOf(b []byte, bracket int) elements { return elements{b: b, at: bracket + 1, n: -1} }

func (e *elements) next() bool {
	i := skipSpace(e.b, e.at)
	if e.n >= 0 && kindAt(e.b, i) == ',' {
		i = skipSpace(e.b, i+1)
	}
	if c := kindAt(e.b, i); c == 0 || c == ']' {
		return false
	}
	j := skipValue(e.b, i)
	if j == i {
		return false
	}
	e.n++
	e.at, e.lo, e.hi = j, i, j
	return true
}

// entries goes through an object.
type entries struct {
	b      []byte
	at     int    // after the last value
	name   []byte // with its quotes
	lo, hi int    // the value
}

func entriesOf(b []byte, brace int) entries { return entries{b: b, at: brace + 1} }

func (e *entries) next() bool {
	i := skipSpace(e.b, e.at)
	if kindAt(e.b, i) == ',' {
		i = skipSpace(e.b, i+1)
	}
	if kindAt(e.b, i) != '"' {
		return false
	}
	j := skipString(e.b, i)
	colon := skipSpace(e.b, j)
	if kindAt(e.b, colon) != ':' || j-i < 2 {
		return false
	}
	v := skipSpace(e.b, colon+1)
	end := skipValue(e.b, v)
	if end <= v {
		return false
	}
	e.name, e.at, e.lo, e.hi = e.b[i:j], end, v, end
	return true
}

// nameOf decodes a quoted name.
func nameOf(quoted []byte) string {
	if len(quoted) < 2 {
		return ""
	}
	if raw := quoted[1 : len(quoted)-1]; bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	s, _ := jsontext.AppendUnquote(nil, quoted) // of a text that was not checked: U+FFFD in place of what is wrong
	return string(s)
}

// pick finds one of the names, which must be plain, among an object's; where is the index of its value, -1 if it has none.
func pick(b []byte, brace int, names ...string) (where [8]int) {
	for i := range where {
		where[i] = -1
	}
	for e := entriesOf(b, brace); e.next(); {
		name := e.name[1 : len(e.name)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(nameOf(e.name))
		}
		for i, n := range names {
			if string(name) == n {
				where[i] = e.lo
			}
		}
	}
	return where
}

// appendToken appends a name to a JSON pointer (RFC 6901 section 3).
func appendToken(pointer []byte, name string) []byte {
	pointer = append(pointer, '/')
	for i := range len(name) {
		switch name[i] {
		case '~':
			pointer = append(pointer, "~0"...)
		case '/':
			pointer = append(pointer, "~1"...)
		default:
			pointer = append(pointer, name[i])
		}
	}
	return pointer
}

func appendIndex(pointer []byte, n int) []byte {
	return strconv.AppendInt(append(pointer, '/'), int64(n), 10)
}

// pathOf is the record's own member with that name. A path cannot say the empty name.
func pathOf(name string) (record.Path, error) {
	if strings.ContainsAny(name, `.\`) {
		name = strings.NewReplacer(`.`, `\.`, `\`, `\\`).Replace(name)
	}
	return record.ParsePath(name)
}
