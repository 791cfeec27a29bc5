package tokenize

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendDecoded appends the text that ids stand for, special tokens as they are written. Ids that stand for nothing
// are left out, as in HF tokenizers. Ids that do not come from a whole text may decode to bytes that are not UTF-8.
func (t *Tokenizer) AppendDecoded(dst []byte, ids []uint32) []byte {
	for _, id := range ids {
		dst = append(dst, t.vocab.Bytes(id)...)
	}
	return dst
}

// readDecoder wants ByteLevel: each token's characters become their bytes, and a token that has others stays as it
// is written. Its flags do not count (byte_level.rs in HF tokenizers 0.23.3).
func (t *Tokenizer) readDecoder(path string, v jsontext.Value) error {
	kind := "null"
	if !isNull(v) {
		var err error
		if kind, err = typeOf(path, v); err != nil {
			return err
		}
	}
	if kind != "ByteLevel" {
		return &UnsupportedError{path, fmt.Sprintf("decoder %q; only ByteLevel is known", kind)}
	}
	t.info.Decoder = kind
	return nil
}
