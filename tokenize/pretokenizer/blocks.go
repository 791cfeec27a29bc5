package pretokenizer

import (
	"encoding/binary"
	"math/bits"
)

// The regexes know no look-behind, so that what follows a piece depends on nothing before its end. From there on, 64
// bytes at a time are cut at once: block says of each byte what it is, as one bit in a word for each class, and a few
// operations on such words, the functions starts… in starts.go, say where pieces begin. The next block begins with the
// last piece of this one, whose end was not seen. What the words cannot say is left to the scanner itself, which is
// also what the tests compare with. (The idea, words that say where tokens start, is simdjson's, Langdale and Lemire
// 2019, and gigatoken's, src/pretokenize/fast/mask.rs.)

// block is 64 bytes of text by class. Bytes of one character have the same class.
type block struct {
	letter, upper uint64 // \p{L}, and of those [\p{Lu}\p{Lt}]
	number        uint64 // [0-9]
	blank         uint64 // the space, U+0020
	newline       uint64 // [\r\n]
	space         uint64 // \s: those two, and \t, \v and \f
	quote, slash  uint64
	caseless      uint64 // letters of neither case: [\p{Lm}\p{Lo}]
	// wide are the first bytes of punctuation of two, three and four bytes.
	wide  [3]uint64
	marks uint64 // \p{M}, which is punctuation too
	// stop is what the words above cannot say: numbers and spaces outside of ASCII.
	stop uint64

	// What ascii does not fill in.
	high uint64 // bytes outside of ASCII
	cjk  uint64 // letters of [一-龥぀-ゟ゠-ヿ]
	odd  uint64 // punctuation outside of ASCII that is not [\p{P}\p{S}], and what else cjk should have
}

// blockSize is how many bytes a block has.
const blockSize = 64

// punctuation is [^\s\p{L}\p{N}].
func (b *block) punctuation() uint64 { return ^(b.letter | b.number | b.space) }

// Eight bytes at a time in a word: a byte's high bit is the answer.
const (
	every = 0x0101010101010101
	high  = 0x80 * every
)

// from is the high bit of each byte of x, all below 0x80, that is at least c.
func from(x uint64, c uint64) uint64 { return x + (0x80-c)*every }

// not is the high bit of each byte of x, all below 0x80, that is not c.
func not(x uint64, c uint64) uint64 { return x ^ c*every + 0x7f*every }

// gather makes the bytes' high bits one byte.
func gather(x uint64) uint64 { return x & high * 0x0002040810204081 >> 56 }

// ascii fills in what 64 bytes are, and gives those that are not ASCII, whose place in the words is not yet right.
func (b *block) ascii(text *[blockSize]byte) (rest uint64) {
	if hasAVX2 {
		return asciiAVX2(b, text)
	}
	return asciiGeneric(b, text)
}

func asciiGeneric(b *block, text *[blockSize]byte) (rest uint64) {
	*b = block{}
	for k := 0; k < blockSize; k += 8 {
		w := binary.LittleEndian.Uint64(text[k:])
		x := w &^ high
		small := x | 0x20*every
		letter := from(small, 'a') &^ from(small, 'z'+1) &^ w
		blank := ^(not(x, ' ') | w)
		newline := ^(not(x, '\n')&not(x, '\r') | w)
		b.letter |= gather(letter) << k
		b.upper |= gather(letter&^(w<<2)) << k // bit 5 is of small letters alone
		b.number |= gather(from(x, '0')&^from(x, '9'+1)&^w) << k
		b.blank |= gather(blank) << k
		b.newline |= gather(newline) << k
		b.space |= gather(from(x, '\t')&^from(x, '\r'+1)&^w|blank) << k
		b.quote |= gather(^(not(x, '\'') | w)) << k
		b.slash |= gather(^(not(x, '/') | w)) << k
		rest |= gather(w) << k
	}
	return rest
}

// classify says what the bytes of the block text[i:i+64] are.
func (b *block) classify(t *classes, text []byte, i int) {
	rest := b.ascii((*[blockSize]byte)(text[i:]))
	b.high, b.cjk, b.odd = rest, 0, 0
	for rest != 0 {
		at := bits.TrailingZeros64(rest)
		c, n := t.multi(text, i+at)
		m := (uint64(1)<<n - 1) << at
		rest &^= m
		switch c.kind() {
		case lower:
			b.letter |= m
		case upper:
			b.letter |= m
			b.upper |= m
		case caseless:
			b.letter |= m
			b.caseless |= m
			if c&isCJK != 0 {
				b.cjk |= m
			}
		case other:
			if c != isSign {
				b.odd |= m
			}
			if n > 1 {
				b.wide[n-2] |= 1 << at
			}
		case mark:
			if n > 1 {
				b.wide[n-2] |= 1 << at
			}
			b.marks |= m
			if c != mark {
				b.odd |= m
			}
		default:
			b.stop |= m
		}
	}
}

// minEnds is how many places Ends wants at least.
const minEnds = 2 * blockSize

// Ends fills ends with where the pieces of text end that begin at text[at], as Next says one by one, and is how many
// those are: all that there are, or nearly as many as there is room for, which are at least 64. ends must have room for
// 128. It is much faster than Next.
func (s *Scanner) Ends(ends []int, text []byte, at int) int {
	_ = ends[minEnds-1]
	t, n := s.classes, 0
	var b block
	for at < len(text) && len(ends)-n >= blockSize {
		slow := len(text) // up to where Next is asked
		if s.blocks != 0 && len(text)-at >= blockSize {
			b.classify(t, text, at)
			starts, stop := s.blocks.starts(&b, text, at)
			// Whether a piece begins at the last byte depends on the next one's class; the same holds before a stop.
			valid := uint64(1)<<(blockSize-1) - 1
			if slow = at; stop != 0 {
				valid = (stop&-stop - 1) >> 1
				slow = at + blockSize
			}
			// The piece at hand begins at bit 0.
			first := at
			for v := starts & valid &^ 1; v != 0; v &= v - 1 {
				at = first + bits.TrailingZeros64(v)
				ends[n] = at
				n++
			}
			// What stops late may be seen from nearer.
			if at > first && (stop == 0 || bits.TrailingZeros64(stop) >= blockSize/2) {
				continue
			}
		}
		for ok := true; ok && n < len(ends); ok = at < slow && at < len(text) {
			at = s.next(t, text, at)
			ends[n] = at
			n++
		}
	}
	return n
}
