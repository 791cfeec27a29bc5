package normalizer

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// Sequence is normalizers one behind the other.
type Sequence []Normalizer

func readSequence(path string, v jsontext.Value, depth int) (Normalizer, error) {
	if depth > component.MaxDepth {
		return nil, component.TooDeep(path)
	}
	var c struct {
		Type        string           `json:"type"`
		Normalizers []jsontext.Value `json:"normalizers"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.Normalizers == nil {
		return nil, component.Missing(path, "normalizers")
	}
	s := make(Sequence, len(c.Normalizers))
	for i, v := range c.Normalizers {
		n, err := read(fmt.Sprintf("%s.normalizers[%d]", path, i), v, depth+1)
		if err != nil {
			return nil, err
		}
		s[i] = n
	}
	return s, nil
}

// Type is "Sequence".
func (Sequence) Type() string { return "Sequence" }

// Normalize implements [Normalizer].
func (s Sequence) Normalize(t *aligned.Text) error {
	for _, n := range s {
		if err := n.Normalize(t); err != nil {
			return err
		}
	}
	return nil
}
