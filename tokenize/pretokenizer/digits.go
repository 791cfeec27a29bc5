package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// digits is Digits: numbers are pieces, or each of their digits is (pre_tokenizers/digits.rs).
type digits struct {
	numeric  *characters
	behavior behavior
}

func readDigits(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type       string `json:"type"`
		Individual bool   `json:"individual_digits"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	t := &digits{numeric: numericCharacters(), behavior: contiguous}
	if c.Individual {
		t.behavior = isolated
	}
	return t, nil
}

func (t *digits) Type() string          { return "Digits" }
func (t *digits) Split(p *Pieces) error { return alone(t, p) }

func (t *digits) split(p *Pieces, _ bool) error { return p.cut(t.numeric, t.behavior, false) }
