package decoder

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// Sequence is decoders one behind the other.
type Sequence []Decoder

func readSequence(path string, v jsontext.Value, depth int) (Decoder, error) {
	if depth > component.MaxDepth {
		return nil, component.TooDeep(path)
	}
	var c struct {
		Type     string           `json:"type"`
		Decoders []jsontext.Value `json:"decoders"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.Decoders == nil {
		return nil, component.Missing(path, "decoders")
	}
	s := make(Sequence, len(c.Decoders))
	for i, v := range c.Decoders {
		d, err := read(fmt.Sprintf("%s.decoders[%d]", path, i), v, depth+1)
		if err != nil {
			return nil, err
		}
		s[i] = d
	}
	return s, nil
}

// Type is "Sequence".
func (Sequence) Type() string { return "Sequence" }

// Decode implements [Decoder].
func (s Sequence) Decode(tokens []string) []string {
	for _, d := range s {
		tokens = d.Decode(tokens)
	}
	return tokens
}
