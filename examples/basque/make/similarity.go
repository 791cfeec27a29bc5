package main

import (
	"strings"
	"unicode"
)

// gram is the length, in words, of the runs that similarity compares.
const gram = 5

// words are the runs of letters, digits and underscores of the lower-cased text: Python's
// re.findall(r"\w+", text.lower()).
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !inWord(r) })
}

// inWord is \w of Python's re: str.isalnum or the underscore.
func inWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// grams is the set of the text's word 5-grams; a shorter text has one gram of all its words, and one without words none.
func grams(text string) map[string]bool {
	w := words(text)
	set := map[string]bool{}
	if len(w) > 0 && len(w) < gram {
		set[strings.Join(w, " ")] = true
	}
	for i := 0; i+gram <= len(w); i++ {
		set[strings.Join(w[i:i+gram], " ")] = true
	}
	return set
}

// jaccard is |a ∩ b| / |a ∪ b|; of two empty sets 1.
func jaccard(a, b map[string]bool) float64 {
	if len(a) == 0 && len(b) == 0 {
		return 1
	}
	if len(b) < len(a) {
		a, b = b, a
	}
	shared := 0
	for g := range a {
		if b[g] {
			shared++
		}
	}
	return float64(shared) / float64(len(a)+len(b)-shared)
}

// lonely tells for each set whether it is below limit similar to every other one. Only sets that share a gram
// are compared.
func lonely(sets []map[string]bool, limit float64) []bool {
	having := map[string][]int{}
	for i, set := range sets {
		for g := range set {
			having[g] = append(having[g], i)
		}
	}
	alone := make([]bool, len(sets))
	for i, set := range sets {
		alone[i] = true
		shared := map[int]int{}
		for g := range set {
			for _, j := range having[g] {
				if j != i {
					shared[j]++
				}
			}
		}
		for j, n := range shared {
			if float64(n) >= limit*float64(len(set)+len(sets[j])-n) {
				alone[i] = false
			}
		}
	}
	return alone
}
