package text

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkBounds compares the bounds of a text with what the slow twins count in bytes.
func checkBounds(t *testing.T, r *Repeats, words []string) {
	t.Helper()
	if most, ok := r.FrequentAtMost(); ok {
		for n := 2; n <= longestFrequent; n++ {
			counts := map[string]int{}
			for i := 0; i+n <= len(words); i++ {
				g := strings.Join(words[i:i+n], " ")
				if counts[g] += len(g); counts[g] > most {
					t.Fatalf("FrequentAtMost of %q is %d; %q has %d", words, most, g, counts[g])
				}
			}
		}
	} else if len(r.text) <= boundedText && !strings.Contains(strings.Join(words, ""), " ") {
		t.Fatalf("FrequentAtMost of %q is not known", words)
	}
	if most, ok := r.RepeatedAtMost(); ok {
		for n := ShortestRepeated; n <= LongestRepeated; n++ {
			if p := slowRepeated(words, n, ""); p > most[n-ShortestRepeated] {
				t.Fatalf("RepeatedAtMost of %q is %d for n = %d; %d code points are repeated", words, most[n-ShortestRepeated], n, p)
			}
		}
	}
}

// TestBounds holds bounds against what they have to be where nothing, and where something, is repeated: a bound that is
// always true and never of use would pass checkBounds.
func TestBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 0))
	words := func(n int) string {
		var b strings.Builder
		for range n {
			for range 4 + rng.IntN(9) { // so that five are longer than what is looked at first
				b.WriteByte(byte('a' + rng.IntN(26)))
			}
			b.WriteByte(' ')
		}
		return b.String()
	}
	phrase := "the same eleven words that stand in this text once more "
	var r Repeats
	for _, c := range []struct {
		name, text         string
		frequent, repeated int // no bound may be above; of repeated, for n = 5
	}{
		{"nothing repeated", words(2000), 400, 0},
		{"a phrase", words(500) + phrase + words(500) + phrase + words(500), 400, len(phrase)},
		{"words in another order", words(200) + "alpha beta gamma delta epsilon " + words(200) + "gamma delta epsilon alpha beta ", 400, 0},
		{"a long word", words(100) + strings.Repeat("w", 900) + words(100), 2000, 0},
	} {
		text := []byte(c.text)
		cut := Words(nil, text)
		r.WordsAtSpaces(text, cut, CodePoints(text))
		frequent, ok := r.FrequentAtMost()
		if !ok || frequent > c.frequent {
			t.Errorf("%s: FrequentAtMost is %d, %v; at most %d is wanted", c.name, frequent, ok, c.frequent)
		}
		repeated, ok := r.RepeatedAtMost()
		if !ok || repeated[0] > c.repeated {
			t.Errorf("%s: RepeatedAtMost is %v, %v; at most %d is wanted", c.name, repeated, ok, c.repeated)
		}
	}
	// One phrase over and over that goes on differently: there are too many earlier places to look at them all.
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "aa bb cc dd ee ff gg hh ii %d\n", i)
	}
	text := []byte(b.String())
	r.WordsAtSpaces(text, Words(nil, text), len(text))
	if _, ok := r.RepeatedAtMost(); ok {
		t.Error("RepeatedAtMost looked at millions of places")
	}
}
