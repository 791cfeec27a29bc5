package filter

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// TestPunctuation compares the tables with digests of the reference's sets: sha256 of the sorted code points in
// decimal, joined by commas.
func TestPunctuation(t *testing.T) {
	for _, c := range []struct {
		name   string
		has    func(rune) bool
		n      int
		sha256 string
	}{
		{"PUNCTUATION", func(r rune) bool { return inRanges(punctuation, r) }, 129, "fa2cc9b8d09437b55795668e3db545482be64ca99f37080fc3a1c6109565e0ee"},
		{"TERMINAL_PUNCTUATION", func(r rune) bool { return inRanges(terminalPunctuation, r) }, 159, "b9349799b67605e9b98165946fe13d84decf4fa9ade41782bdbff7238d68a0a7"},
		{"PUNCTUATION_SET", isPunctuation, 281, "cc4bff7c9448fa5f5b613693feb766a647799b25888e835797a0d22c8a5cb538"},
	} {
		var points []string
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if c.has(r) {
				points = append(points, strconv.Itoa(int(r)))
				if unicode.IsLetter(r) {
					t.Errorf("U+%04X of %s is a letter, and wideClass thinks that none is", r, c.name)
				}
			}
		}
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(points, ","))))
		if len(points) != c.n || sum != c.sha256 {
			t.Errorf("%s has %d characters, sha256 %s; want %d, %s", c.name, len(points), sum, c.n, c.sha256)
		}
	}
}
