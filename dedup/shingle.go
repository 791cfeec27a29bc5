package dedup

import (
	"github.com/cespare/xxhash/v2"

	"curate/text"
)

// Scratch is memory that Shingles uses again from text to text. A worker has one.
type Scratch struct {
	lower []byte // lower-cased text
	words []byte // the words, one space between them
	ends  []int  // where each ends in words
}

// gramLen is how many words a shingle has: the field's value (datatrove's MinhashConfig.n_grams; C4 and FineWeb
// take 5).
const gramLen = 5

// Shingles appends the hashes of the text's shingles, in the order of the text, repeats included. When there are
// none the document has no signature and is nobody's duplicate.
func (s *Scheme) Shingles(dst []uint64, text []byte, sc *Scratch) []uint64 {
	return s.shingles(dst, text, sc)
}

// wordShingles are the grams of words \w+ of the lower-cased text, and one gram of all words where they are fewer
// than gramLen.
func wordShingles(dst []uint64, txt []byte, sc *Scratch) []uint64 {
	sc.lower = text.AppendLower(sc.lower[:0], txt)
	sc.words, sc.ends = sc.words[:0], sc.ends[:0]
	for i := 0; ; {
		lo, hi := text.NextWord(sc.lower, i)
		if lo == hi {
			break
		}
		if len(sc.words) > 0 {
			sc.words = append(sc.words, ' ')
		}
		sc.words = append(sc.words, sc.lower[lo:hi]...)
		sc.ends = append(sc.ends, len(sc.words))
		i = hi
	}
	if n := len(sc.ends); 0 < n && n < gramLen {
		return append(dst, xxhash.Sum64(sc.words))
	}
	return appendGrams(dst, sc)
}

// appendGrams hashes the grams of gramLen words: a gram lies in words as it is to be hashed, with one space
// between its words.
func appendGrams(dst []uint64, sc *Scratch) []uint64 {
	lo := 0
	for i := gramLen - 1; i < len(sc.ends); i++ {
		dst = append(dst, xxhash.Sum64(sc.words[lo:sc.ends[i]]))
		lo = sc.ends[i-gramLen+1] + 1
	}
	return dst
}
