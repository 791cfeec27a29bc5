package dedup

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"curate/text"
)

// plainWord is a word in lower case without punctuation, as a hash, and where it stands in the text.
type plainWord struct {
	hash   uint64
	lo, hi int32 // from its first character that counts to behind its last
}

// plainWords are the words of a text in the form in which GPT-3's authors looked for benchmarks: "lowercase, whitespace
// delimited word with no punctuation" (Brown et al. 2020, appendix C). A punctuation mark, one of string.punctuation of Python or of
// Unicode's category P, is as if it were not there, inside a word too: don't is dont. Where a script has no spaces between words, each
// character is a word; the paper, which is about English, says nothing of it.
//
// Any number of words in a row has a hash, a polynomial of theirs mod 2^64 by which window answers at once. Equal words have
// equal hashes. Others have by chance: 10^12 words against a million n-grams meet one with a probability of 5 %.
type plainWords struct {
	words    []plainWord
	sums     []uint64 // sums[i] is the hash of the first i words
	raw, low []byte
}

// gramBase is the polynomial's: 2^64 over the golden ratio, odd.
const gramBase = 0x9E3779B97F4A7C15

// gramPower is gramBase^n.
func gramPower(n int) uint64 {
	p := uint64(1)
	for b := uint64(gramBase); n > 0; n >>= 1 {
		if n&1 == 1 {
			p *= b
		}
		b *= b
	}
	return p
}

// windowOf is the hash of the n words from i on. power is gramPower(n).
func windowOf(sums []uint64, i, n int, power uint64) uint64 { return sums[i+n] - sums[i]*power }

func (p *plainWords) window(i, n int, power uint64) uint64 { return windowOf(p.sums, i, n, power) }

// appendSums appends the hashes of the beginnings of words, from none on.
func appendSums(dst []uint64, words []uint64) []uint64 {
	sum := uint64(0)
	dst = append(dst, 0)
	for _, h := range words {
		sum = sum*gramBase + h
		dst = append(dst, sum)
	}
	return dst
}

// cut finds the words of a text.
func (p *plainWords) cut(b []byte) {
	p.words = p.words[:0]
	word, ascii := p.raw[:0], true
	lo, hi := 0, 0
	end := func() {
		if len(word) == 0 {
			return
		}
		w := word
		if !ascii {
			p.low = text.AppendLower(p.low[:0], word)
			w = p.low
		}
		p.words = append(p.words, plainWord{xxhash.Sum64(w), int32(lo), int32(hi)})
		word, ascii = word[:0], true
	}
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			switch {
			case c <= ' ' && text.SpaceAt(b, i) > 0:
				end()
			case c >= 'A' && c <= 'Z':
				c |= 0x20
				fallthrough
			case c <= ' ', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == 0x7F:
				if len(word) == 0 {
					lo = i
				}
				word = append(word, c)
				hi = i + 1
			}
			i++
			continue
		}
		if n := text.SpaceAt(b, i); n > 0 {
			end()
			i += n
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case unicode.Is(unicode.P, r):
		case r >= 0x0E00 && unicode.In(r, unspaced...):
			end()
			word, ascii, lo, hi = append(word, b[i:i+n]...), false, i, i+n
			end()
		default:
			if len(word) == 0 {
				lo = i
			}
			word, ascii, hi = append(word, b[i:i+n]...), false, i+n
		}
		i += n
	}
	end()
	p.raw = word[:0]
	p.sums = slices.Grow(p.sums[:0], len(p.words)+1)
	sum := uint64(0)
	p.sums = append(p.sums, 0)
	for i := range p.words {
		sum = sum*gramBase + p.words[i].hash
		p.sums = append(p.sums, sum)
	}
}

// shrink gives the memory of a giant text back.
func (p *plainWords) shrink() {
	if 24*cap(p.words) > scratchLimit {
		*p = plainWords{}
	}
}
