package normalizer

import (
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// Nmt takes out control characters and makes many others that are not seen spaces (do_nmt in normalizers/unicode.rs).
type Nmt struct{}

// Type is "Nmt".
func (Nmt) Type() string { return "Nmt" }

// Normalize implements [Normalizer].
func (Nmt) Normalize(t *aligned.Text) error {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		if n := visible(text[i:]); n > 0 {
			e.keep(n)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case 1 <= r && r <= 8, r == 0xb, 0xe <= r && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			e.skip(n)
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, 0x200b <= r && r <= 0x200f, r == 0x2028,
			r == 0x2029, r == 0x2581, r == 0xfeff, r == utf8.RuneError:
			e.replace(n, " ")
		default:
			e.keep(n)
		}
		i += n
	}
	e.end()
	return nil
}
