// Package decoder makes a text of tokens: the component decoder of tokenizer.json, each kind as HF tokenizers 0.23.3
// has it. A file is a kind.
package decoder

import (
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

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
func New(path string, v jsontext.Value) (Decoder, error) { return read(path, v, 0) }

// read reads a component that stands in depth Sequences.
func read(path string, v jsontext.Value, depth int) (Decoder, error) {
	if component.IsNull(v) {
		return nil, fmt.Errorf("%s: null is no decoder", path)
	}
	kind, err := component.Type(path, v)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "BPEDecoder":
		return readBPE(path, v)
	case "ByteFallback":
		return ByteFallback{}, component.Plain(path, v)
	case "ByteLevel":
		return readByteLevel(path, v)
	case "CTC":
		return readCTC(path, v)
	case "Fuse":
		return Fuse{}, component.Plain(path, v)
	case "Metaspace":
		return readMetaspace(path, v)
	case "Replace":
		return readReplace(path, v)
	case "Sequence":
		return readSequence(path, v, depth)
	case "Strip":
		return readStrip(path, v)
	case "WordPiece":
		return readWordPiece(path, v)
	}
	return nil, &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("decoder %q is not known", kind)}
}

// readChar reads the one character that key of the component at path has.
func readChar(path, key string, s *string) (string, error) {
	if s == nil {
		return "", component.Missing(path, key)
	}
	if utf8.RuneCountInString(*s) != 1 {
		return "", fmt.Errorf("%s.%s: %q is not one character", path, key, *s)
	}
	return *s, nil
}
