package decoder

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// BPEDecoder makes the suffix of a word's last token a space, but in the last token of all (decoders/bpe.rs).
type BPEDecoder struct{ suffix string }

func readBPE(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type   string  `json:"type"`
		Suffix *string `json:"suffix"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.Suffix == nil {
		return nil, component.Missing(path, "suffix")
	}
	return BPEDecoder{*c.Suffix}, nil
}

// Type is "BPEDecoder".
func (BPEDecoder) Type() string { return "BPEDecoder" }

// Decode implements [Decoder].
func (d BPEDecoder) Decode(tokens []string) []string {
	for i, token := range tokens {
		space := " "
		if i == len(tokens)-1 {
			space = ""
		}
		tokens[i] = strings.ReplaceAll(token, d.suffix, space)
	}
	return tokens
}
