package normalizer

import (
	"unicode"
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// StripAccents takes combining marks out, those that stand alone: it takes nothing apart first
// (normalizers/strip.rs).
type StripAccents struct{}

// Type is "StripAccents".
func (StripAccents) Type() string { return "StripAccents" }

// Normalize implements [Normalizer].
func (StripAccents) Normalize(t *aligned.Text) error {
	stripMarks(t, marks)
	return nil
}

// stripMarks takes out what is in table, none of which is below U+0300.
func stripMarks(t *aligned.Text, table *unicode.RangeTable) {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && text[j] < 0xcc { // the first byte of U+0300
			j++
		}
		if e.keep(j - i); j == len(text) {
			break
		}
		i = j
		r, n := utf8.DecodeRune(text[i:])
		if unicode.Is(table, r) {
			e.skip(n)
		} else {
			e.keep(n)
		}
		i += n
	}
	e.end()
}
