package protect

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Fill puts values into the holes. A hole that has no value is a bug of the caller.
func (t Template) Fill(values []string) string {
	if len(t.Holes) == 0 && len(t.Text) == 1 {
		return t.Text[0]
	}
	return t.join(func(b []byte, hole int) []byte { return append(b, values[hole]...) })
}

// join writes the template with what write appends for each hole.
func (t Template) join(write func(b []byte, hole int) []byte) string {
	n := 16 * len(t.Holes)
	for _, s := range t.Text {
		n += len(s)
	}
	b := make([]byte, 0, n)
	for k, s := range t.Text {
		b = append(b, s...)
		if k < len(t.Holes) {
			b = write(b, t.Holes[k])
		}
	}
	return string(b)
}

// Letters says whether the template holds a letter outside its holes: if not, there is nothing to translate.
func (t Template) Letters() bool {
	for _, s := range t.Text {
		if strings.IndexFunc(s, unicode.IsLetter) >= 0 {
			return true
		}
	}
	return false
}

// Plain is the template's text with each hole replaced by a space, for checks that look at language.
func (t Template) Plain() string { return strings.Join(t.Text, " ") }

// AppendText writes the template unambiguously, for hashing: equal bytes exactly for equal templates. It is the number of holes, then
// texts with their lengths and holes in turn, numbers as unsigned varints.
func (t Template) AppendText(dst []byte) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(len(t.Holes)))
	for k := 0; k <= len(t.Holes); k++ {
		s := ""
		if k < len(t.Text) {
			s = t.Text[k]
		}
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
		if k < len(t.Holes) {
			dst = binary.AppendUvarint(dst, uint64(t.Holes[k]))
		}
	}
	return dst, nil
}

// MarshalJSON writes it as an array of strings and numbers: ["Open ",0," now."], a template without holes as one string. Empty
// strings are left out of the array.
func (t Template) MarshalJSON() ([]byte, error) {
	if len(t.Holes) == 0 {
		s := ""
		if len(t.Text) > 0 {
			s = t.Text[0]
		}
		return jsontext.AppendQuote(nil, s)
	}
	b := []byte{'['}
	var err error
	for k := 0; k <= len(t.Holes); k++ {
		if s := t.Text[k]; s != "" {
			if b, err = jsontext.AppendQuote(b, s); err != nil {
				return nil, err
			}
			b = append(b, ',')
		}
		if k < len(t.Holes) {
			b = fmt.Appendf(b, "%d,", t.Holes[k])
		}
	}
	b[len(b)-1] = ']'
	return b, nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Template) UnmarshalJSON(b []byte) error {
	d := jsontext.NewDecoder(strings.NewReader(string(b)))
	bad := func(what string) error {
		return fmt.Errorf("byte %d: %s in a template; write a string, or an array of strings and numbers of holes", d.InputOffset(), what)
	}
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case jsontext.KindString:
		*t = Template{Text: []string{tok.String()}}
		return nil
	case jsontext.KindBeginArray:
	default:
		return bad(tok.Kind().String())
	}
	u := Template{Text: []string{""}}
	text := false // the last was a string
	for {
		if tok, err = d.ReadToken(); err != nil {
			return err
		}
		switch tok.Kind() {
		case jsontext.KindString:
			if text {
				return bad("two strings side by side")
			}
			text = true
			u.Text[len(u.Text)-1] = tok.String()
		case jsontext.KindNumber:
			n, err := tok.Float()
			if err != nil || n < 0 || n > math.MaxInt32 || n != math.Trunc(n) {
				return bad("the number " + tok.String())
			}
			text = false
			u.Holes = append(u.Holes, int(n))
			u.Text = append(u.Text, "")
		case jsontext.KindEndArray:
			*t = u
			return nil
		default:
			return bad(tok.Kind().String())
		}
	}
}
