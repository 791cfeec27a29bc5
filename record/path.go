package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Path names a field, inside objects too: "meta.source" is the member "source" of the object "meta". A dot
// that belongs to a name is written `\.`, a backslash `\\`.
type Path struct {
	names []string
	text  string
}

// ParsePath reads a dotted path.
func ParsePath(s string) (Path, error) {
	p := Path{text: s}
	var name strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '.':
			p.names = append(p.names, name.String())
			name.Reset()
		case '\\':
			if i++; i == len(s) || s[i] != '.' && s[i] != '\\' {
				return Path{}, fmt.Errorf("field path %q: a backslash stands before a dot or a backslash only", s)
			}
			name.WriteByte(s[i])
		default:
			name.WriteByte(c)
		}
	}
	p.names = append(p.names, name.String())
	for _, n := range p.names {
		if n == "" {
			return Path{}, fmt.Errorf("field path %q has an empty name", s)
		}
	}
	return p, nil
}

// NamePath is the path of a record's own member, whatever its name is made of.
func NamePath(name string) Path {
	return Path{names: []string{name}, text: joinNames([]string{name})}
}

// MustPath is ParsePath for constants.
func MustPath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

func (p Path) String() string { return p.text }

// Names are the decoded names on the way down.
func (p Path) Names() []string { return slices.Clone(p.names) }

// MarshalText lets a path stand in a stage's configuration, and so in its identity.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// Names of the record's own members, decoded, in order. For messages.
func (r *Record) Names() []string {
	var names []string
	for _, f := range r.members() {
		n, err := jsontext.AppendUnquote(nil, r.Line[f.name.lo:f.name.hi])
		if err == nil {
			names = append(names, string(n))
		}
	}
	return names
}

// original finds the value at p in the line as read.
func (r *Record) original(names []string) ([]byte, bool) {
	for _, f := range r.members() {
		if nameIs(r.Line[f.name.lo:f.name.hi], names[0]) {
			return descend(r.Line[f.value.lo:f.value.hi], names[1:])
		}
	}
	return nil, false
}

func descend(value []byte, names []string) ([]byte, bool) {
	for _, n := range names {
		if value[0] != '{' {
			return nil, false
		}
		var ok bool
		if value, ok = member(value, n); !ok {
			return nil, false
		}
	}
	return value, true
}

// Value is the JSON text at p, edits of earlier stages included. It is valid until the batch is reset; the
// caller does not change it.
func (r *Record) Value(p Path) (json []byte, ok bool) {
	below := false
	for i := range r.edits {
		e := &r.edits[i]
		if isPrefix(e.names, p.names) {
			return descend(e.value(r.b), p.names[len(e.names):])
		}
		below = below || isPrefix(p.names, e.names)
	}
	v, ok := r.original(p.names)
	if !below {
		return v, ok
	}
	if !ok {
		v = emptyObject
	}
	lo := len(r.b.text)
	r.b.text = r.splice(r.b.text, v, len(p.names), p.names, anyEdit)
	return r.b.text[lo:len(r.b.text):len(r.b.text)], true
}

// OwnID is the JSON text of the record's own id at p: a string or a number, of at most so many bytes. It is nil where there is
// none.
func (r *Record) OwnID(p Path, most int) []byte {
	v, ok := r.Value(p)
	if !ok || len(v) > most || v[0] != '"' && v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return nil
	}
	return v
}

// Has says whether there is a value at p, of any kind.
func (r *Record) Has(p Path) bool {
	_, ok := r.Value(p)
	return ok
}

// Text is the decoded string at p. Without escapes it is a view of the line; otherwise it is decoded into
// *scratch, which grows as needed and is overwritten by the next call. The error is a *FieldError.
func (r *Record) Text(p Path, scratch *[]byte) ([]byte, error) {
	v, ok := r.Value(p)
	if !ok {
		return nil, &FieldError{p.text, "is missing"}
	}
	if v[0] != '"' {
		return nil, &FieldError{p.text, "is " + kindName(v) + ", not a string"}
	}
	if len(v) < 2 { // no such text has passed parse
		return nil, &FieldError{p.text, "is cut off"}
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	if cap(*scratch) < len(v) {
		*scratch = make([]byte, 0, len(v)+len(v)/8)
	}
	*scratch = appendUnescaped((*scratch)[:0], v[1:len(v)-1])
	return *scratch, nil
}

func kindName(v []byte) string {
	switch v[0] {
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
