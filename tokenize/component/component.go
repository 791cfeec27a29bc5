// Package component reads the parts that the components of tokenizer.json have in common: a type, and keys that are
// that type's.
package component

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep Sequences may stand in one another. Real files have one; each level is read again with all that
// is in it, so that without a limit a small file could take minutes.
const MaxDepth = 8

// UnsupportedError is about a part of a tokenizer's file that may be valid, and that this version does not know.
type UnsupportedError struct {
	Path    string // in the file: pre_tokenizer.pretokenizers[0]
	Problem string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %s; this version cannot encode with such a tokenizer", e.Path, e.Problem)
}

// TooDeep is the error for a Sequence at path in more than [MaxDepth] others.
func TooDeep(path string) error {
	return &UnsupportedError{path, fmt.Sprintf("more than %d Sequences in one another", MaxDepth)}
}

// IsNull says that there is no such component.
func IsNull(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

// Type is the type of the component at path in the file; "" if it has none.
func Type(path string, v jsontext.Value) (string, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(v, &c, jsontext.AllowDuplicateNames(true)); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return c.Type, nil
}

// Decode reads the component at path into out, a struct with json tags, one of them "type". A key that is not in out
// is refused: it could mean anything.
func Decode(path string, v []byte, out any) error {
	if err := json.Unmarshal(v, out, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(true)); err != nil {
		if path == "" {
			return fmt.Errorf("not a tokenizer.json: %w", err)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Plain reads a component that has nothing but its type.
func Plain(path string, v jsontext.Value) error {
	var c struct {
		Type string `json:"type"`
	}
	return Decode(path, v, &c)
}

// Missing is the error for a key that HF tokenizers wants.
func Missing(path, key string) error { return fmt.Errorf("%s: no %q", path, key) }
