package normalizer

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// Prepend puts a string in front of texts that are not empty (normalizers/prepend.rs). It stands for what the first
// character stood for.
type Prepend struct{ prepend string }

func readPrepend(path string, v jsontext.Value) (Normalizer, error) {
	var c struct {
		Type    string  `json:"type"`
		Prepend *string `json:"prepend"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.Prepend == nil {
		return nil, component.Missing(path, "prepend")
	}
	return Prepend{*c.Prepend}, nil
}

// Type is "Prepend".
func (Prepend) Type() string { return "Prepend" }

// Normalize implements [Normalizer].
func (p Prepend) Normalize(t *aligned.Text) error {
	if len(t.B) == 0 || p.prepend == "" && !t.Aligned() {
		return nil
	}
	_, n := utf8.DecodeRune(t.B)
	first := t.B[:n]
	t.Begin()
	if p.prepend != "" {
		t.Replace(n, p.prepend)
		t.Insert(string(first))
	} else { // the reference loses where the first character was
		t.Insert(string(first))
		t.Skip(n)
	}
	t.End()
	return nil
}
