// Package normalizer brings text into the form that a tokenizer was made for: the component normalizer of
// tokenizer.json, each kind as HF tokenizers 0.23.3 has it. A file is a kind; unicode.go has the four normalization
// forms, and nfc.go what needs NFC alone.
package normalizer

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// Normalizer is a component normalizer of tokenizer.json. It is immutable and may be shared.
type Normalizer interface {
	// Type is the component's type as the file names it.
	Type() string
	// Normalize changes t as HF tokenizers does, offsets included. A text that has the form already is left as it is,
	// without an edit. Bytes that are not UTF-8 are taken for U+FFFD, one each; a normalizer that has no business
	// with U+FFFD leaves them as they are. Where a Replace has put something at a text's very beginning that stands for
	// no character, most normalizers behind it in a Sequence panic in HF tokenizers, and some repeat a part of the text
	// (transform in tokenizer/normalizer.rs takes the range of the wrong characters); here they do what they are for.
	Normalize(t *aligned.Text) error
}

// New reads the component at path in the file. A Sequence has normalizers one behind the other. An error is a
// *component.UnsupportedError where the type is not known.
func New(path string, v jsontext.Value) (Normalizer, error) { return read(path, v, 0) }

// read reads a component that stands in depth Sequences.
func read(path string, v jsontext.Value, depth int) (Normalizer, error) {
	if component.IsNull(v) {
		return nil, fmt.Errorf("%s: null is no normalizer", path)
	}
	kind, err := component.Type(path, v)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "Bert", "BertNormalizer": // serde takes both
		return readBert(path, v)
	case "ByteLevel":
		return ByteLevel{}, component.Plain(path, v)
	case "Lowercase":
		return Lowercase{}, component.Plain(path, v)
	case "NFC":
		return NFC, component.Plain(path, v)
	case "NFD":
		return NFD, component.Plain(path, v)
	case "NFKC":
		return NFKC, component.Plain(path, v)
	case "NFKD":
		return NFKD, component.Plain(path, v)
	case "Nmt":
		return Nmt{}, component.Plain(path, v)
	case "Precompiled":
		return readPrecompiled(path, v)
	case "Prepend":
		return readPrepend(path, v)
	case "Replace":
		return readReplace(path, v)
	case "Sequence":
		return readSequence(path, v, depth)
	case "Strip":
		return readStrip(path, v)
	case "StripAccents":
		return StripAccents{}, component.Plain(path, v)
	}
	return nil, &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("normalizer %q is not known", kind)}
}
