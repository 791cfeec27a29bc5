// Package decoder makes a text of tokens: the component decoder of tokenizer.json.
package decoder

import "github.com/go-json-experiment/json/jsontext"

// Decoder is a component decoder of tokenizer.json. It is immutable and may be shared.
type Decoder interface {
	// Type is the component's type as the file names it.
	Type() string
	// Decode changes tokens, as their vocabulary spells them, into parts of the text: all of them joined are the text
	// (decode_chain in HF tokenizers). It may write into tokens and return it or a part of it.
	Decode(tokens []string) []string
}

// New reads the component at path in the file. A Sequence has decoders one behind the other. An error is a
// *component.UnsupportedError where the type is not known.
func New(path string, v jsontext.Value) (Decoder, error) { panic("unwritten") }
