package filter

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"curate/text"
)

// TestGopherWords compares the walk over the words with one that looks at every character of each, for words that touch
// and words with anything between them.
func TestGopherWords(t *testing.T) {
	f := only(t, "gopher_quality")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	characters := []rune("  \n\u00a0\u3000abtheoT9.-#…•«é́一")
	for range 3000 {
		var b strings.Builder
		for range 1 + rng.IntN(60) {
			b.WriteRune(characters[rng.IntN(len(characters))])
		}
		doc := []byte(b.String())
		var words []text.Span
		at := 0
		for lo := range b.String() { // every character may begin or end a word
			if lo > at && rng.IntN(3) > 0 {
				if rng.IntN(4) > 0 {
					words = append(words, text.Span{Lo: int32(at), Hi: int32(lo)})
				}
				at = lo
			}
		}
		v := f.NewView()
		v.ResetWords(doc, words)
		got := *v.gopherWords(f.tests[0].params)
		want := gopherWords{stop: got.stop}
		for _, w := range words {
			letters, others, points := 0, 0, 0
			for _, r := range string(w.Of(doc)) {
				points++
				if unicode.IsLetter(r) {
					letters++
				}
				if !isPunctuation(r) {
					others++
				}
			}
			if letters > 0 {
				want.alpha++
			}
			if others > 0 {
				want.notSymbols++
				want.points += points
			}
		}
		if got != want {
			t.Fatalf("%q, words %v: %+v, want %+v", doc, words, got, want)
		}
	}
}
