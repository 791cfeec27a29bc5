package component

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Replace reads a component Replace, which is both a normalizer and a decoder: a string or a regex, and what comes in
// the place of each match.
func Replace(path string, v jsontext.Value) (pattern string, isRegex bool, content string, err error) {
	var c struct {
		Type    string `json:"type"`
		Pattern *struct {
			String *string `json:"String"`
			Regex  *string `json:"Regex"`
		} `json:"pattern"`
		Content *string `json:"content"`
	}
	if err := Decode(path, v, &c); err != nil {
		return "", false, "", err
	}
	switch {
	case c.Pattern == nil:
		return "", false, "", Missing(path, "pattern")
	case (c.Pattern.String == nil) == (c.Pattern.Regex == nil):
		return "", false, "", fmt.Errorf(`%s.pattern: needs either "String" or "Regex"`, path)
	case c.Content == nil:
		return "", false, "", Missing(path, "content")
	case c.Pattern.Regex != nil:
		return *c.Pattern.Regex, true, *c.Content, nil
	}
	return *c.Pattern.String, false, *c.Content, nil
}
