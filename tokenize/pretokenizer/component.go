package pretokenizer

import (
	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
)

// Pieces is a text cut into pieces, the pretokens: what a model sees one by one.
type Pieces struct {
	// Text is the pieces one behind the other. What pre-tokenizers remove is not in it.
	Text aligned.Text
	// Ends has where in Text.B each piece ends, rising: there are no empty pieces.
	Ends []int
	// AtStart says that the text begins where its document does: Metaspace's prepend_scheme "first" asks.
	AtStart bool
	// InAlphabet says that ByteLevel has spelled the text's bytes in its alphabet of 256 characters. At the end of all
	// pre-tokenizers the bytes are spelled back: models see bytes.
	InAlphabet bool
}

// PreTokenizer is a component pre_tokenizer of tokenizer.json. It is immutable and may be shared.
type PreTokenizer interface {
	// Type is the component's type as the file names it.
	Type() string
	// Split cuts each piece of p, and may change its text, as HF tokenizers does, offsets included.
	Split(p *Pieces) error
}

// New reads the component at path in the file. A Sequence has pre-tokenizers one behind the other. An error is a
// *component.UnsupportedError where the type is not known.
func New(path string, v jsontext.Value) (PreTokenizer, error) { return shimNew(path, v) }
