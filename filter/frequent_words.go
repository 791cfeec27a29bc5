package filter

import (
	"cmp"
	"slices"

	"curate/text"
)

// frequentWords counts the words of a text that have a letter, in bounded memory: lossy counting (Manku and Motwani,
// "Approximate Frequency Counts over Data Streams", VLDB 2002). After n words it lacks at most n/100,000 of a word's
// count, and every word that is more frequent than that is known.
type frequentWords struct {
	n      int64 // all words, those without a letter included
	counts map[string]*wordCount
}

// wordBucket is the number of words between two clearings.
const wordBucket = 100_000

type wordCount struct {
	n      int64
	missed int64 // at most, before it was seen
}

func (f *frequentWords) add(w []byte) {
	if f.counts == nil {
		f.counts = map[string]*wordCount{}
	}
	f.n++
	if c := f.counts[string(w)]; c != nil {
		c.n++
	} else if text.HasLetter(w) {
		f.counts[string(w)] = &wordCount{1, (f.n - 1) / wordBucket}
	}
	if f.n%wordBucket == 0 {
		bucket := f.n / wordBucket
		for w, c := range f.counts {
			if c.n+c.missed <= bucket {
				delete(f.counts, w)
			}
		}
	}
}

// above are the words whose share of all words is at least share, or the least most frequent ones if those are fewer; no
// more than a profile can have. The most frequent come first, and of equally frequent ones that which sorts first.
func (f *frequentWords) above(share float64, least int) []StopWord {
	var all []StopWord
	for w, c := range f.counts {
		all = append(all, StopWord{w, float64(c.n) / float64(f.n)})
	}
	slices.SortFunc(all, func(a, b StopWord) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Word, b.Word))
	})
	n := 0
	for n < len(all) && (all[n].Share >= share || n < least) && n < mostStop {
		n++
	}
	return slices.Clone(all[:n])
}
