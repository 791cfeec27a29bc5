package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// whitespaceSplit is WhitespaceSplit: white space goes, and cuts (pre_tokenizers/whitespace.rs).
type whitespaceSplit struct{ space *characters }

func readWhitespaceSplit(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	return &whitespaceSplit{whiteSpace()}, nil
}

func (t *whitespaceSplit) Type() string          { return "WhitespaceSplit" }
func (t *whitespaceSplit) Split(p *Pieces) error { return alone(t, p) }

func (t *whitespaceSplit) split(p *Pieces, _ bool) error { return p.cut(t.space, removed, false) }
