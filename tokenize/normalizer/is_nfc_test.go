package normalizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// TestIsNFC compares with package norm.
func TestIsNFC(t *testing.T) {
	letters := []string{
		"a", "e", "o", " ", "é", "ü", "\u00a0", "\u02ff", "\u0300", "\u0301", "\u0323", "\u0338", "\u0344", "\u0374", "\u1100", "\u1161", "\u11a8", "가", "각", "日",
		"\u0958", "\u212b", "\u0627", "\u0653", "\U0001d15e", "😀", "=", "<", "\u2260", "\u0340", "\u09c7", "\u09be", "\xff", "\xcc", "\x80", "\xe2\x80", "\xc3",
	}
	const seed = 15
	rnd := rand.New(rand.NewPCG(seed, 16))
	normal := 0
	for range 200000 {
		var b strings.Builder
		for range rnd.IntN(14) {
			k := rnd.IntN(len(letters))
			if rnd.IntN(2) == 0 {
				k = rnd.IntN(7)
			}
			b.WriteString(letters[k])
		}
		text := b.String()
		want := norm.NFC.IsNormalString(text)
		if got := isNFC([]byte(text)); got != want {
			t.Fatalf("seed %d: %+q: %v, package norm says %v", seed, text, got, want)
		}
		if want {
			normal++
		}
	}
	if normal < 1000 || normal > 199000 {
		t.Error("one-sided:", normal)
	}
}
