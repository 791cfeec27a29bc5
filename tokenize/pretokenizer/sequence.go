package pretokenizer

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// sequence is Sequence: pre-tokenizers one behind the other.
type sequence struct{ parts []PreTokenizer }

func readSequence(path string, v jsontext.Value, depth int) (PreTokenizer, error) {
	if depth == component.MaxDepth {
		return nil, component.TooDeep(path)
	}
	var c struct {
		Type          string           `json:"type"`
		PreTokenizers []jsontext.Value `json:"pretokenizers"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	t := &sequence{}
	for i, v := range c.PreTokenizers {
		part, err := read(fmt.Sprintf("%s.pretokenizers[%d]", path, i), v, depth+1)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, part)
	}
	return t, nil
}

func (t *sequence) Type() string          { return "Sequence" }
func (t *sequence) Split(p *Pieces) error { return alone(t, p) }

func (t *sequence) split(p *Pieces, last bool) error {
	for i, part := range t.parts {
		if err := part.split(p, last && !looks(t.parts[i+1:])); err != nil {
			return err
		}
	}
	return nil
}

// looks says whether one of parts looks at characters: all do but a Sequence of none.
func looks(parts []PreTokenizer) bool {
	for _, p := range parts {
		if s, ok := p.(*sequence); !ok || looks(s.parts) {
			return true
		}
	}
	return false
}
