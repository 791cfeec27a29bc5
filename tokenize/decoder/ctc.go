package decoder

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// CTC joins what models of speech write several times (decoders/ctc.rs).
type CTC struct {
	pad, delimiter string
	cleanup        bool
}

func readCTC(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type      string  `json:"type"`
		Pad       *string `json:"pad_token"`
		Delimiter *string `json:"word_delimiter_token"`
		Cleanup   *bool   `json:"cleanup"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	switch {
	case c.Pad == nil:
		return nil, component.Missing(path, "pad_token")
	case c.Delimiter == nil:
		return nil, component.Missing(path, "word_delimiter_token")
	case c.Cleanup == nil:
		return nil, component.Missing(path, "cleanup")
	}
	return CTC{*c.Pad, *c.Delimiter, *c.Cleanup}, nil
}

// Type is "CTC".
func (CTC) Type() string { return "CTC" }

// Decode implements [Decoder].
func (d CTC) Decode(tokens []string) []string {
	out := tokens[:0]
	last := ""
	for i, token := range tokens {
		if i > 0 && token == last {
			continue
		}
		last = token
		token = strings.ReplaceAll(token, d.pad, "")
		if d.cleanup { // without, the delimiter stays too
			token = strings.ReplaceAll(cleanUp(token), d.delimiter, " ")
		}
		if token != "" {
			out = append(out, token)
		}
	}
	return out
}
