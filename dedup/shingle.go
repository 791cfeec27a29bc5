package dedup

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"curate/text"
)

// Scratch is memory that Shingles uses again from text to text. A worker has one.
type Scratch struct {
	simplified []byte
	words      []byte  // the words, one space between them
	ends       []int32 // where each ends in words
}

// gramLen is how many words a shingle has: n_grams of datatrove's MinhashConfig, and so in FineWeb.
const gramLen = 5

// Shingles appends the hashes of the text's shingles, in the order of the text, repeats included. When there are
// none the document has no signature and is nobody's duplicate.
func (s *Scheme) Shingles(dst []uint64, text []byte, sc *Scratch) []uint64 {
	return s.shingles(dst, text, sc)
}

// wordShingles are the grams of the words \w+ of the lower-cased text, and one gram of all words where they are
// fewer than gramLen, so that short texts have duplicates too. datasketch's and text-dedup's users take words so;
// the labelled pairs that thresholds are measured on are counted so.
func wordShingles(dst []uint64, b []byte, sc *Scratch) []uint64 {
	sc.words, sc.ends = text.AppendLowerWords(sc.words[:0], sc.ends[:0], b)
	if n := len(sc.ends); 0 < n && n < gramLen {
		return append(dst, xxhash.Sum64(sc.words))
	}
	return appendGrams(dst, sc.words, sc.ends)
}

// simplifiedShingles are the grams of the English words of the simplified text; a text of fewer words than gramLen
// has none (datatrove 0.10.1, pipeline/dedup/minhash.py, get_shingles).
func simplifiedShingles(dst []uint64, b []byte, sc *Scratch) []uint64 {
	sc.simplified = text.AppendSimplified(sc.simplified[:0], b)
	sc.words, sc.ends = text.AppendSimplifiedWords(sc.words[:0], sc.ends[:0], sc.simplified)
	return appendGrams(dst, sc.words, sc.ends)
}

// appendGrams appends XXH64, seed 0, of each gram of gramLen words. A gram lies in words as it is to be hashed,
// with one space between its words, so none is copied.
func appendGrams(dst []uint64, words []byte, ends []int32) []uint64 {
	if len(ends) < gramLen {
		return dst
	}
	dst = slices.Grow(dst, len(ends)-gramLen+1)
	lo := 0
	for i, hi := range ends[gramLen-1:] {
		dst = append(dst, xxhash.Sum64(words[lo:hi]))
		lo = int(ends[i]) + 1
	}
	return dst
}
