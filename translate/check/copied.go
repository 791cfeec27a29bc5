package check

import (
	"fmt"
	"slices"
	"unicode"
)

// copyShare is the share of the target's lower-case words of four letters or more that the source has, and their number.
func copyShare(v *view) (rate float64, words int) {
	copied := 0
	for _, w := range v.target {
		if w.letters < 4 || w.capital() || v.keeps(w) {
			continue
		}
		words++
		if _, ok := v.inSource[w.lower]; ok {
			copied++
		}
	}
	return float64(copied) / float64(max(words, 1)), words
}

func copyRate(c *Checker, v *view) (Finding, bool) {
	if v.From == v.To {
		return nothing, false
	}
	p := &c.profile
	rate, words := copyShare(v)
	switch {
	case rate > p.CopyRateMaxHard && words >= 5:
		return hard(rate, fmt.Sprintf("%.0f %% of %d words are the source's, at most %.0f %%", 100*rate, words, 100*p.CopyRateMaxHard))
	case rate > p.CopyRateMax && words >= 3:
		return soft(rate, fmt.Sprintf("%.0f %% of %d words are the source's, rarely above %.0f %%", 100*rate, words, 100*p.CopyRateMax))
	}
	return nothing, false
}

const (
	chrfOrders = 6 // Popović 2015
	chrfBeta2  = 4 // beta 2: recall counts twice
	chrfRunes  = 4096
)

// appendNgrams appends hashes of the n-grams of code points, sorted.
func appendNgrams(dst []uint64, text []rune, n int) []uint64 {
	for i := 0; i+n <= len(text); i++ {
		h := uint64(14695981039346656037)
		for _, r := range text[i : i+n] {
			h = (h ^ uint64(r)) * 1099511628211
		}
		dst = append(dst, h)
	}
	slices.Sort(dst)
	return dst
}

func unspaced(s string) []rune {
	var out []rune
	for _, r := range s {
		if !unicode.IsSpace(r) {
			if out = append(out, r); len(out) == chrfRunes {
				break
			}
		}
	}
	return out
}

// chrf is Popović's F-score over n-grams of one to six code points, 0 to 100, white space left out. Of long texts the first
// 4096 code points are compared.
func chrf(hypothesis, reference string) float64 {
	h, r := unspaced(hypothesis), unspaced(reference)
	var precision, recall float64
	var a, b []uint64
	orders := 0
	for n := 1; n <= chrfOrders; n++ {
		a, b = appendNgrams(a[:0], h, n), appendNgrams(b[:0], r, n)
		if len(a) == 0 || len(b) == 0 {
			break
		}
		same := 0
		for i, j := 0, 0; i < len(a) && j < len(b); {
			switch {
			case a[i] < b[j]:
				i++
			case a[i] > b[j]:
				j++
			default:
				same, i, j = same+1, i+1, j+1
			}
		}
		precision += float64(same) / float64(len(a))
		recall += float64(same) / float64(len(b))
		orders++
	}
	if precision+recall == 0 {
		return 0
	}
	precision, recall = precision/float64(orders), recall/float64(orders)
	return 100 * (1 + chrfBeta2) * precision * recall / (chrfBeta2*precision + recall)
}

// chrfLetters is the shortest text of which the score says something.
const chrfLetters = 20

func chrfToSource(c *Checker, v *view) (Finding, bool) {
	if v.From == v.To || v.targetLetters < chrfLetters || v.sourceLetters < chrfLetters {
		return nothing, false
	}
	score := chrf(v.Target, v.Source)
	if score <= c.profile.ChrfMax {
		return nothing, false
	}
	return soft(score, fmt.Sprintf("chrF to the source %.1f, rarely above %g", score, c.profile.ChrfMax))
}
