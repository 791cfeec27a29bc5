package pretokenizer

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
	"curate/tokenize/regex"
)

// whitespace is Whitespace: the matches of \w+|[^\w\s]+, and nothing between them (pre_tokenizers/whitespace.rs).
type whitespace struct{ word, space *regex.Set }

func readWhitespace(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	return &whitespace{wordCharacters(), whiteSpace().set}, nil
}

func (t *whitespace) Type() string          { return "Whitespace" }
func (t *whitespace) Split(p *Pieces) error { return alone(t, p) }

func (t *whitespace) split(p *Pieces, _ bool) error { return p.cut(t, removed, false) }

func (t *whitespace) find(_ *Pieces, text []byte, found []span) ([]span, error) {
	const word, space, other = 0, 1, 2
	from, last := 0, -1
	for i := 0; i < len(text); {
		kind, n := other, 0
		if n = t.word.Width(text, i); n > 0 {
			kind = word
		} else if n = t.space.Width(text, i); n > 0 {
			kind = space
		} else {
			_, n = utf8.DecodeRune(text[i:])
		}
		if kind != last && i > 0 {
			found = append(found, part(from, i, last == space))
			from = i
		}
		last = kind
		i += n
	}
	return append(found, part(from, len(text), last == space)), nil
}
