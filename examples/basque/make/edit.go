package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// An edit makes a near-duplicate whose similarity to the text is as close to target as its steps allow. The
// source of words and lines of other pages is material.
type edit struct {
	kind string
	make func(text string, target float64, from *material, rng *rand.Rand) string
}

// edits are what happens to pages that are copied: words are changed, a part is cut out, something is added.
var edits = []edit{
	{"append", appendLines},
	{"delete", deleteSpan},
	{"substitute", substitute},
}

// material is what other pages lend to an edit.
type material struct {
	words []string // distinct words, in the case they stand in
	lines []string // whole lines
}

// tokens cuts a text into runs of word characters and runs of others, which joined are the text again; the
// positions are those of the words.
func tokens(text string) (runs []string, positions []int) {
	for len(text) > 0 {
		r, _ := utf8.DecodeRuneInString(text)
		kind := inWord(r)
		end := strings.IndexFunc(text, func(r rune) bool { return inWord(r) != kind })
		if end < 0 {
			end = len(text)
		}
		if kind {
			positions = append(positions, len(runs))
		}
		runs = append(runs, text[:end])
		text = text[end:]
	}
	return runs, positions
}

// nearest returns the text of the step, of 0 to most, whose similarity to original is closest to target, given
// that more steps never bring a text closer to the original. Of two that are equally close it is the earlier one.
func nearest(original string, most int, target float64, step func(n int) string) string {
	set := grams(original)
	low, high := 0, most // low is at least target similar, or 0
	for low+1 < high {
		mid := (low + high) / 2
		if jaccard(set, grams(step(mid))) >= target {
			low = mid
		} else {
			high = mid
		}
	}
	best, distance := step(low), 0.0
	distance = math.Abs(jaccard(set, grams(best)) - target)
	if s := step(high); math.Abs(jaccard(set, grams(s))-target) < distance {
		best = s
	}
	return best
}

// substitute puts words of other pages in the place of words chosen at random.
func substitute(text string, target float64, from *material, rng *rand.Rand) string {
	runs, at := tokens(text)
	order := rng.Perm(len(at))
	put := make([]string, len(at))
	for i := range put {
		put[i] = from.words[rng.IntN(len(from.words))]
	}
	return nearest(text, len(at), target, func(n int) string {
		edited := append([]string(nil), runs...)
		for i := range n {
			edited[at[order[i]]] = put[i]
		}
		return strings.Join(edited, "")
	})
}

// deleteSpan cuts out consecutive words with what stands between them.
func deleteSpan(text string, target float64, _ *material, rng *rand.Rand) string {
	runs, at := tokens(text)
	place := rng.Float64()
	return nearest(text, len(at)-1, target, func(n int) string {
		if n == 0 {
			return text
		}
		first := int(place * float64(len(at)-n))
		rest := append([]string(nil), runs[:at[first]]...)
		return strings.Join(append(rest, runs[at[first+n-1]+1:]...), "")
	})
}

// appendLines adds lines of other pages, each from anywhere, so that the copy resembles none of those pages.
func appendLines(text string, target float64, from *material, rng *rand.Rand) string {
	have := len(words(text))
	var added []string // words with what stands before them
	for float64(len(added)) < float64(have)*(1/target-1)+2*gram {
		line := "\n" + from.lines[rng.IntN(len(from.lines))]
		runs, at := tokens(line)
		for i, p := range at {
			between := ""
			if p > 0 {
				between = runs[p-1]
			}
			if i == 0 && p == 0 {
				between = "\n"
			}
			added = append(added, between+runs[p])
		}
	}
	return nearest(text, len(added), target, func(n int) string { return text + strings.Join(added[:n], "") })
}

// reformat changes what words alone do not show: white space, quotation marks and commas, and in one of three copies the case.
func reformat(text string, rng *rand.Rand) string {
	t := strings.NewReplacer(",", " ", ". ", ".\n", "\"", "'", ": ", " : ").Replace(text)
	if rng.IntN(3) == 0 {
		if upper := strings.ToUpper(t); jaccard(grams(text), grams(upper)) == 1 { // ß and others do not come back
			t = upper
		}
	}
	if t == text {
		t = text + "\n"
	}
	return t
}
