package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// bert is BertPreTokenizer: white space goes, and each punctuation character is a piece (pre_tokenizers/bert.rs).
type bert struct{ space, punctuation *characters }

func readBert(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	return &bert{whiteSpace(), punctuationMarks()}, nil
}

func (t *bert) Type() string          { return "BertPreTokenizer" }
func (t *bert) Split(p *Pieces) error { return alone(t, p) }

func (t *bert) split(p *Pieces, _ bool) error {
	if err := p.cut(t.space, removed, false); err != nil {
		return err
	}
	return p.cut(t.punctuation, isolated, false)
}
