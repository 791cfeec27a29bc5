package score

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// slowTokens13a is the tokenizer as it is published: four substitutions, one after the other, and a split.
func slowTokens13a(text string) []string {
	text = strings.TrimRightFunc(text, isSpace)
	text = strings.ReplaceAll(text, "<skipped>", "")
	text = strings.ReplaceAll(text, "-\n", "")
	text = strings.ReplaceAll(text, "\n", " ")
	if strings.Contains(text, "&") {
		for _, e := range [][2]string{{"&quot;", `"`}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}} {
			text = strings.ReplaceAll(text, e[0], e[1])
		}
	}
	text = " " + text + " "
	for _, s := range substitutions {
		text = s.find.ReplaceAllString(text, s.put)
	}
	return strings.FieldsFunc(text, isSpace)
}

var substitutions = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile("([\\{-\\~\\[-\\` -\\&\\(-\\+\\:-\\@\\/])"), " $1 "},
	{regexp.MustCompile(`([^0-9])([\.,])`), "$1 $2 "},
	{regexp.MustCompile(`([\.,])([^0-9])`), " $1 $2"},
	{regexp.MustCompile(`([0-9])(-)`), "$1 $2 "},
}

// slowMatches is how many n-grams of a are in b, each as often as both have it.
func slowMatches[T any](a, b []T, n int, key func([]T) string) (matches, ofA, ofB int64) {
	have := map[string]int64{}
	for i := 0; i+n <= len(a); i++ {
		have[key(a[i:i+n])]++
		ofA++
	}
	for i := 0; i+n <= len(b); i++ {
		if k := key(b[i : i+n]); have[k] > 0 {
			have[k]--
			matches++
		}
		ofB++
	}
	return matches, ofA, ofB
}

func FuzzSegment(f *testing.F) {
	sets, _ := sacrebleu()
	for _, s := range sets["nasty"] {
		f.Add(s.Hypothesis, s.References[0])
	}
	f.Add("a..5 1..5 ..a 5.,5", "\xff.\xff,\xe3\x81 5-\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		tokens, other := slowTokens13a(a), slowTokens13a(b)
		if got := appendTokens13a(nil, a); !slices.Equal(got, tokens) {
			t.Fatalf("tokens of %q: %q, want %q", a, got, tokens)
		}
		bleu, joined := Metrics()[0].Segment(a, []string{b}), func(w []string) string { return strings.Join(w, " ") }
		for n := 1; n <= bleuOrder; n++ {
			matches, all, _ := slowMatches(tokens, other, n, joined)
			if bleu[1+n] != matches || bleu[1+bleuOrder+n] != all {
				t.Fatalf("%q, %q: %v, but of order %d there are %d of %d", a, b, bleu, n, matches, all)
			}
		}
		// Spaces go from the characters, not from the bytes: without them, broken UTF-8 might be whole.
		chars := func(s string) []rune { return slices.DeleteFunc([]rune(s), isSpace) }
		stats := Metrics()[1].Segment(a, []string{b})
		for n := 1; n <= charOrder; n++ {
			matches, ofA, ofB := slowMatches(chars(a), chars(b), n, func(r []rune) string { return string(r) })
			if ofB == 0 {
				ofA = 0
			}
			if want := []int64{ofA, ofB, matches}; !slices.Equal(stats[3*(n-1):3*n], want) {
				t.Fatalf("%q, %q: %v, but of order %d it is %v", a, b, stats, n, want)
			}
		}
		for _, m := range Metrics() {
			if score := m.Score(m.Segment(a, []string{b, a})); !(score >= 0 && score <= 100+1e-9) {
				t.Fatalf("%s of %q, %q: %v", m.Name(), a, b, score)
			}
		}
	})
}
