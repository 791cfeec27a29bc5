package dedup

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// Scratch is memory that Shingles uses again from text to text. A worker has one.
type Scratch struct {
	before []byte  // the text before it is cut into words
	words  []byte  // the words, one space between them, or the text itself
	ends   []int32 // where each ends in words
}

// Shingles appends the hashes of the text's shingles, in the order of the text, repeats included. When there are
// none the document has no signature and is nobody's duplicate.
func (s *Scheme) Shingles(dst []uint64, text []byte, sc *Scratch) []uint64 {
	s.normal(sc, text)
	if len(sc.words) == 0 || len(sc.ends) < s.Least && s.Short != "characters" {
		return dst
	}
	if s.Gram == Words && (s.Short != "characters" || len(sc.ends) >= max(s.Length, s.Least) && spaced(sc.words)) {
		if len(sc.ends) >= s.Length {
			return s.appendWordGrams(dst, sc.words, sc.ends)
		}
	} else if n := characters(sc.words); n >= s.Length {
		return s.appendCharacterGrams(slices.Grow(dst, n-s.Length+1), sc.words)
	}
	if s.Short == "none" {
		return dst
	}
	return append(dst, s.hash(sc.words))
}

// appendWordGrams appends the hash of each gram. A gram lies in words as it is to be hashed, with one space between its
// words, so none is copied.
func (s *Scheme) appendWordGrams(dst []uint64, words []byte, ends []int32) []uint64 {
	dst = slices.Grow(dst, len(ends)-s.Length+1)
	lo := 0
	for i, hi := range ends[s.Length-1:] {
		dst = append(dst, s.hash(words[lo:hi]))
		lo = int(ends[i]) + 1
	}
	return dst
}

// appendCharacterGrams does the same with characters, of which there are as many as a gram has.
func (s *Scheme) appendCharacterGrams(dst []uint64, b []byte) []uint64 {
	lo, hi := 0, 0
	for range s.Length - 1 {
		hi = nextCharacter(b, hi)
	}
	for hi < len(b) {
		hi = nextCharacter(b, hi)
		dst = append(dst, s.hash(b[lo:hi]))
		lo = nextCharacter(b, lo)
	}
	return dst
}

// characters counts those of b, which is valid UTF-8.
func characters(b []byte) (n int) {
	for _, c := range b {
		if c&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

// nextCharacter is where the character at i ends.
func nextCharacter(b []byte, i int) int {
	if b[i] < utf8.RuneSelf {
		return i + 1
	}
	_, n := utf8.DecodeRune(b[i:])
	return i + n
}

// unspaced are the scripts that are written without spaces between words.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Khmer, unicode.Lao, unicode.Myanmar, unicode.Thai, unicode.Tibetan,
}

// spaced says whether at most half of the characters of words are of scripts without spaces.
func spaced(words []byte) bool {
	all, without := 0, 0
	for i := 0; i < len(words); all++ {
		if words[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(words[i:])
		if r >= 0x0E00 && unicode.In(r, unspaced...) { // Thai comes first
			without++
		}
		i += n
	}
	return 2*without <= all
}
