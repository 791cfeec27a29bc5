package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// punctuation is Punctuation: cuts at each punctuation character (pre_tokenizers/punctuation.rs).
type punctuation struct {
	marks    *characters
	behavior behavior
}

func readPunctuation(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	c := struct {
		Type     string   `json:"type"`
		Behavior behavior `json:"behavior"`
	}{Behavior: isolated}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	return &punctuation{punctuationMarks(), c.Behavior}, nil
}

func (t *punctuation) Type() string          { return "Punctuation" }
func (t *punctuation) Split(p *Pieces) error { return alone(t, p) }

func (t *punctuation) split(p *Pieces, _ bool) error { return p.cut(t.marks, t.behavior, false) }
