package pretokenizer

import (
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// charDelimiter is CharDelimiterSplit: a character is taken out, and cuts (pre_tokenizers/delimiter.rs).
type charDelimiter struct{ delimiter literal }

func readCharDelimiter(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type      string `json:"type"`
		Delimiter string `json:"delimiter"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(c.Delimiter) != 1 {
		return nil, fmt.Errorf("%s.delimiter: %q; want one character", path, c.Delimiter)
	}
	return &charDelimiter{literal(c.Delimiter)}, nil
}

func (t *charDelimiter) Type() string          { return "CharDelimiterSplit" }
func (t *charDelimiter) Split(p *Pieces) error { return alone(t, p) }

func (t *charDelimiter) split(p *Pieces, _ bool) error { return p.cut(t.delimiter, removed, false) }
