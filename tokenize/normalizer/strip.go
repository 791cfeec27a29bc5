package normalizer

import (
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
)

// Strip takes white space away at the ends (normalizers/strip.rs; char::is_whitespace of Rust).
type Strip struct{ left, right bool }

func readStrip(path string, v jsontext.Value) (Normalizer, error) {
	var c struct {
		Type  string `json:"type"`
		Left  *bool  `json:"strip_left"`
		Right *bool  `json:"strip_right"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	switch {
	case c.Left == nil:
		return nil, component.Missing(path, "strip_left")
	case c.Right == nil:
		return nil, component.Missing(path, "strip_right")
	}
	return Strip{*c.Left, *c.Right}, nil
}

// Type is "Strip".
func (Strip) Type() string { return "Strip" }

// Normalize implements [Normalizer].
func (s Strip) Normalize(t *aligned.Text) error {
	from, to := 0, len(t.B)
	for s.left && from < to {
		r, n := utf8.DecodeRune(t.B[from:])
		if !unicode.IsSpace(r) {
			break
		}
		from += n
	}
	for s.right && from < to {
		r, n := utf8.DecodeLastRune(t.B[from:to])
		if !unicode.IsSpace(r) {
			break
		}
		to -= n
	}
	if from == 0 && to == len(t.B) {
		return nil
	}
	t.Begin()
	t.Skip(from)
	t.Keep(to - from)
	t.Skip(len(t.Rest()))
	t.End()
	return nil
}
