package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// slowAgain is Again with a map of joined n-grams.
func slowAgain(words []string, n int, join Join) (again []Again, first, count int) {
	sep := ""
	if join != Nothing {
		sep = string(rune(join))
	}
	firsts, counts := map[string]int{}, map[string]int{}
	for i := 0; i+n <= len(words); i++ {
		g := strings.Join(words[i:i+n], sep)
		if counts[g] == 0 {
			firsts[g] = i
		} else {
			again = append(again, Again{int32(i), int32(firsts[g]), counts[g] == 1})
		}
		counts[g]++
		if c := counts[g]; c > count || c == count && firsts[g] < first {
			count, first = c, firsts[g]
		}
	}
	return again, first, count
}

func TestAgain(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	var r Repeats
	var again []Again
	var spans []Span
	for round := range 400 {
		var words []string
		for range rng.IntN(120) {
			words = append(words, strings.Repeat("é", rng.IntN(2))+string(rune('a'+rng.IntN(1+round%4)))+strings.Repeat("xyz", rng.IntN(3)))
		}
		doc := []byte(strings.Join(words, " "))
		spans = Words(spans[:0], doc)
		r.Words(doc, spans, CodePoints(doc))
		for _, join := range []Join{Space, Nothing} {
			for _, n := range []int{2, 5, 3, 4, 5, 6, 1, 10} {
				want, first, count := slowAgain(words, n, join)
				again = r.Again(again[:0], n, join)
				if !slices.Equal(again, want) {
					t.Fatalf("seed %d, round %d, n %d, join %d, %q:\n%v, want\n%v", seed, round, n, join, doc, again, want)
				}
				if at, c := r.MostFrequentAt(n, join); c != count || count > 0 && at != first {
					t.Fatalf("seed %d, round %d, n %d, join %d, %q: %d times at %d, want %d at %d", seed, round, n, join, doc, c, at, count, first)
				}
				if n == 5 {
					r.Repeated(n, join) // leaves another sieve behind
				}
			}
		}
		counts := map[string]int{}
		for _, w := range words {
			counts[w]++
		}
		elements, points := 0, 0
		for w, c := range counts {
			if c > 1 {
				elements += c
				points += c * utf8.RuneCountInString(w)
			}
		}
		if e, p := r.Copies(doc, spans); e != elements || p != points {
			t.Fatalf("seed %d, round %d, %q: %d copies of %d characters, want %d of %d", seed, round, doc, e, p, elements, points)
		}
	}
	doc := []byte("a b c a b c a b")
	if n := testing.AllocsPerRun(50, func() {
		spans = Words(spans[:0], doc)
		r.Words(doc, spans, len(doc))
		again = r.Again(again[:0], 2, Space)
		r.Copies(doc, spans)
		r.MostFrequentAt(3, Space)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
