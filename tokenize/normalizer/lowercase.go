package normalizer

import (
	"unicode"
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// Lowercase makes each character lower case, whatever stands around it (char::to_lowercase of Rust).
type Lowercase struct{}

// Type is "Lowercase".
func (Lowercase) Type() string { return "Lowercase" }

// Normalize implements [Normalizer].
func (Lowercase) Normalize(t *aligned.Text) error {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && text[j] < utf8.RuneSelf && text[j]-'A' > 'Z'-'A' {
			j++
		}
		if e.keep(j - i); j == len(text) {
			break
		}
		i = j
		if b := text[i]; b < utf8.RuneSelf {
			e.replaceRune(1, rune(b)+('a'-'A'))
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == 'İ' { // the only one that becomes two
			e.replace(n, "i")
			e.insert("\u0307")
		} else if l := toLower(r); l != r && r != utf8.RuneError {
			e.replaceRune(n, l)
		} else {
			e.keep(n)
		}
		i += n
	}
	e.end()
	return nil
}

// newer are the capital letters that Unicode got after 15.0.0, which package unicode of Go 1.26 has: from, to, and
// how far the small ones are. The reference has those of Unicode 17.0.0.
var newer = [...][3]rune{
	{0x1c89, 0x1c89, 1},
	{0xa7cb, 0xa7cb, 0x264 - 0xa7cb},
	{0xa7cc, 0xa7cc, 1},
	{0xa7ce, 0xa7ce, 1},
	{0xa7d2, 0xa7d2, 1},
	{0xa7d4, 0xa7d4, 1},
	{0xa7da, 0xa7da, 1},
	{0xa7dc, 0xa7dc, 0x19b - 0xa7dc},
	{0x10d50, 0x10d65, 0x20},
	{0x16ea0, 0x16eb8, 0x1b},
}

func toLower(r rune) rune {
	if r < newer[0][0] || 0x2e80 <= r && r < 0xa640 { // ideographs have no case
		return unicode.ToLower(r)
	}
	for _, n := range newer {
		if n[0] <= r && r <= n[1] {
			return r + n[2]
		}
	}
	return unicode.ToLower(r)
}
