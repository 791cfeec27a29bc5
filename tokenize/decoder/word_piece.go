package decoder

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// WordPiece puts a space before each token but the first, unless it begins with the prefix of what continues a word,
// which it takes away (decoders/wordpiece.rs).
type WordPiece struct {
	prefix  string
	cleanup bool
}

func readWordPiece(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type    string  `json:"type"`
		Prefix  *string `json:"prefix"`
		Cleanup *bool   `json:"cleanup"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	switch {
	case c.Prefix == nil:
		return nil, component.Missing(path, "prefix")
	case c.Cleanup == nil:
		return nil, component.Missing(path, "cleanup")
	}
	return WordPiece{*c.Prefix, *c.Cleanup}, nil
}

// Type is "WordPiece".
func (WordPiece) Type() string { return "WordPiece" }

// Decode implements [Decoder].
func (d WordPiece) Decode(tokens []string) []string {
	for i, token := range tokens {
		if i > 0 {
			rest, ok := strings.CutPrefix(token, d.prefix)
			if !ok {
				rest = " " + token
			}
			token = rest
		}
		if d.cleanup {
			token = cleanUp(token)
		}
		tokens[i] = token
	}
	return tokens
}

// cleanUp undoes what tokenizing English with spaces around its punctuation left (cleanup in decoders/wordpiece.rs): one
// after the other, as each sees what those before it made.
func cleanUp(s string) string {
	if !strings.Contains(s, " ") { // all of them begin with one
		return s
	}
	for _, r := range [...][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
		{" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}
