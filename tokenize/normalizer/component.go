package normalizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
)

// Normalizer is a component normalizer of tokenizer.json. It is immutable and may be shared.
type Normalizer interface {
	// Type is the component's type as the file names it.
	Type() string
	// Normalize changes t as HF tokenizers does, offsets included. A text that has the form already is left as it is,
	// without an edit.
	Normalize(t *aligned.Text) error
}

// New reads the component at path in the file. A Sequence has normalizers one behind the other. An error is a
// *component.UnsupportedError where the type is not known.
func New(path string, v jsontext.Value) (Normalizer, error) { panic("unwritten") }
