package decoder

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// Metaspace makes its character a space; in the first token it takes it out if the pre-tokenizer has put one there
// (pre_tokenizers/metaspace.rs).
type Metaspace struct {
	replacement string
	prepended   bool
}

func readMetaspace(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type           string  `json:"type"`
		Replacement    *string `json:"replacement"`
		AddPrefixSpace *bool   `json:"add_prefix_space"` // files of early versions
		PrependScheme  *string `json:"prepend_scheme"`
		Split          *bool   `json:"split"`   // of the pre-tokenizer
		StrRep         *string `json:"str_rep"` // not looked at
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	replacement, err := readChar(path, "replacement", c.Replacement)
	if err != nil {
		return nil, err
	}
	scheme := "always"
	if c.PrependScheme != nil {
		scheme = *c.PrependScheme
	}
	switch scheme {
	case "always", "first", "never":
	default:
		return nil, fmt.Errorf(`%s.prepend_scheme: %q is neither "always", "first" nor "never"`, path, scheme)
	}
	if c.AddPrefixSpace != nil && !*c.AddPrefixSpace && scheme != "never" {
		return nil, fmt.Errorf(`%s: add_prefix_space is false, and prepend_scheme is %q, not "never"`, path, scheme)
	}
	return Metaspace{replacement, scheme != "never"}, nil
}

// Type is "Metaspace".
func (Metaspace) Type() string { return "Metaspace" }

// Decode implements [Decoder].
func (d Metaspace) Decode(tokens []string) []string {
	for i, token := range tokens {
		space := " "
		if i == 0 && d.prepended {
			space = ""
		}
		tokens[i] = strings.ReplaceAll(token, d.replacement, space)
	}
	return tokens
}
