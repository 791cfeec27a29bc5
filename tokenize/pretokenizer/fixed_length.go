package pretokenizer

import (
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// fixedLength is FixedLength: pieces of so many characters (pre_tokenizers/fixed_length.rs).
type fixedLength struct{ length int }

func readFixedLength(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type   string `json:"type"`
		Length *int64 `json:"length"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	t := &fixedLength{length: 5} // default_length
	if c.Length != nil {
		if *c.Length < 1 {
			return nil, fmt.Errorf("%s.length: %d; want 1 or more", path, *c.Length)
		}
		t.length = int(min(*c.Length, 1<<31-1)) // no text has more
	}
	return t, nil
}

func (t *fixedLength) Type() string          { return "FixedLength" }
func (t *fixedLength) Split(p *Pieces) error { return alone(t, p) }

func (t *fixedLength) split(p *Pieces, _ bool) error { return p.cut(t, isolated, false) }

func (t *fixedLength) find(_ *Pieces, text []byte, found []span) ([]span, error) {
	from, n := 0, 0
	for i := 0; i < len(text); {
		_, w := utf8.DecodeRune(text[i:])
		i += w
		if n++; n == t.length || i == len(text) {
			found = append(found, part(from, i, true))
			from, n = i, 0
		}
	}
	return found, nil
}
