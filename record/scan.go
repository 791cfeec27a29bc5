package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// span is a byte range of the line. int32 halves the tables; longer lines are refused in parse.
type span struct{ lo, hi int32 }

// field is one member of the line's object.
type field struct {
	name  span // with its quotes
	value span
}

const (
	recordSize = int(unsafe.Sizeof(Record{}))
	fieldSize  = int(unsafe.Sizeof(field{}))
)

// scanner is the reused state of the strict check.
type scanner struct {
	dec *jsontext.Decoder
	src bytes.Buffer
}

// SyntaxError is a line that is not one strict JSON object.
type SyntaxError struct {
	Cause  string
	Field  string // dotted path, empty at the top
	Offset int64  // byte of the line, from 0
}

func (e *SyntaxError) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s in %q at byte %d of the line", e.Cause, e.Field, e.Offset)
	}
	return fmt.Sprintf("%s at byte %d of the line", e.Cause, e.Offset)
}

// parse checks a line against RFC 8259 and, beyond it, RFC 7493 (I-JSON): valid UTF-8, no lone surrogates,
// no duplicate names at any depth; and that it is one object with nothing but space after it.
func (b *Batch) parse(r *Record) error {
	r.fields = [2]int32{}
	line := r.Line
	if len(line) > math.MaxInt32 {
		return &SyntaxError{Cause: "line above 2 GiB"}
	}
	first := skipSpace(line, 0)
	if first == len(line) || line[first] != '{' {
		return &SyntaxError{Cause: "not a JSON object", Offset: int64(first)}
	}
	// A bytes.Buffer as the source lets jsontext read the line in place.
	b.scan.src = *bytes.NewBuffer(line)
	if b.scan.dec == nil {
		b.scan.dec = jsontext.NewDecoder(&b.scan.src)
	} else {
		b.scan.dec.Reset(&b.scan.src)
	}
	if _, err := b.scan.dec.ReadValue(); err != nil {
		return syntaxError(err, line)
	}
	end := int(b.scan.dec.InputOffset())
	if i := skipSpace(line, end); i < len(line) {
		return &SyntaxError{Cause: "bytes after the object", Offset: int64(i)}
	}
	b.note(r, first)
	return nil
}

// note takes down the spans of the record's members. brace is where its line's object begins.
func (b *Batch) note(r *Record, brace int) {
	lo := len(b.fields)
	for m := members(r.Line, brace); m.next(); {
		b.fields = append(b.fields, field{m.name, m.value})
	}
	r.fields = [2]int32{int32(lo), int32(len(b.fields))}
}

// members are the record's, noted at the first question for one if that was put off.
func (r *Record) members() []field {
	if r.fields[0] < 0 {
		r.b.note(r, skipSpace(r.Line, 0))
	}
	return r.b.fields[r.fields[0]:r.fields[1]]
}

func syntaxError(err error, line []byte) error {
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return &SyntaxError{Cause: "line ends inside the object", Offset: int64(len(line))}
		}
		return err
	}
	cause := se.Err.Error()
	switch {
	case errors.Is(se.Err, io.ErrUnexpectedEOF):
		cause = "line ends inside the object"
	case errors.Is(se.Err, jsontext.ErrDuplicateName):
		cause = "duplicate key"
	case strings.HasPrefix(cause, "invalid surrogate pair"): // it would quote the rest of the line
		cause = "lone surrogate"
	}
	field := strings.TrimPrefix(strings.ReplaceAll(string(se.JSONPointer), "/", "."), ".")
	field = strings.NewReplacer("~1", "/", "~0", "~").Replace(field)
	return &SyntaxError{Cause: cause, Field: field, Offset: se.ByteOffset}
}

// The functions below walk text that parse has found valid, now or in an earlier phase. They check nothing but that
// they stay inside it: a file may have been changed between two phases.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; ; i++ {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return len(b)
		}
		i += j
		// A quote is escaped by an odd number of backslashes before it.
		k := i
		for b[k-1] == '\\' {
			k--
		}
		if (i-k)&1 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the index after the value that begins at i.
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
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

// appendUnescaped appends what the inside of a string means.
func appendUnescaped(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		if i+1 == len(s) {
			return dst
		}
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			if len(s) < 4 {
				return dst
			}
			u := rune(hex4(s))
			s = s[4:]
			if utf16.IsSurrogate(u) && len(s) >= 6 { // two escapes make one character
				u = utf16.DecodeRune(u, rune(hex4(s[2:])))
				s = s[6:]
			}
			dst = utf8.AppendRune(dst, u)
			continue
		}
		dst = append(dst, c)
	}
}

func hex4(s []byte) (v uint32) {
	for _, c := range s[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		v = v<<4 | uint32(c)
	}
	return v
}

// memberWalk goes through the members of an object.
type memberWalk struct {
	b           []byte
	at          int // before the next member, or after the closing brace
	name, value span
}

func members(b []byte, brace int) memberWalk { return memberWalk{b: b, at: brace + 1} }

func (m *memberWalk) next() bool {
	i := skipSpace(m.b, m.at)
	if i < len(m.b) && m.b[i] == ',' {
		i = skipSpace(m.b, i+1)
	}
	if i >= len(m.b) || m.b[i] != '"' {
		m.at = i // of the closing brace
		return false
	}
	j := skipString(m.b, i)
	m.name = span{int32(i), int32(j)}
	i = skipSpace(m.b, skipSpace(m.b, j)+1) // over the colon
	j = skipValue(m.b, i)
	if j <= i || m.name.hi-m.name.lo < 2 { // no such text has passed parse
		m.at = len(m.b)
		return false
	}
	m.value = span{int32(i), int32(j)}
	m.at = j
	return true
}

// nameIs compares a quoted name with a decoded one.
func nameIs(quoted []byte, name string) bool {
	raw := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	dec, err := jsontext.AppendUnquote(nil, quoted)
	return err == nil && string(dec) == name
}

// member finds a name in the object text obj, which begins with its brace.
func member(obj []byte, name string) (value []byte, ok bool) {
	for m := members(obj, 0); m.next(); {
		if nameIs(obj[m.name.lo:m.name.hi], name) {
			return obj[m.value.lo:m.value.hi], true
		}
	}
	return nil, false
}
