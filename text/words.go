package text

import (
	"encoding/binary"
	"math/bits"
)

// Words appends the runs of characters without the Unicode property White_Space. It differs from Python's
// str.split at U+001C to U+001F, which are not White_Space.
func Words(dst []Span, text []byte) []Span {
	i := 0
	inside := uint64(0) // 1 within a word
	lo := int32(0)      // where it began
	rest := uint64(0)   // first bytes of the block that belong to a character before it
	for ; i+64 <= len(text); i += 64 {
		if cap(dst)-len(dst) <= block/2 && len(text) > longText {
			dst = growFor(dst, i, len(text))
		}
		space, leads := whiteBits(text[i : i+64])
		space |= rest
		rest = 0
		for ; leads != 0; leads &= leads - 1 {
			b := bits.TrailingZeros64(leads)
			if n := wideWhite(text, i+b); n > 0 {
				space |= (1<<n - 1) << b
				rest = (1<<n - 1) >> (64 - b) // 0 unless the character goes beyond the block
			}
		}
		// A bit of edges is where a word begins or has ended.
		edges := ^space ^ (^space<<1 | inside)
		inside = ^space >> 63
		at := int32(i)
		if edges != 0 && space>>bits.TrailingZeros64(edges)&1 != 0 {
			dst = append(dst, Span{lo, at + int32(bits.TrailingZeros64(edges))})
			edges &= edges - 1
		}
		for edges != 0 {
			lo = at + int32(bits.TrailingZeros64(edges))
			edges &= edges - 1
			if edges == 0 {
				break
			}
			dst = append(dst, Span{lo, at + int32(bits.TrailingZeros64(edges))})
			edges &= edges - 1
		}
	}
	i += bits.Len64(rest) // white space of up to two bytes
	if rest != 0 {
		inside = 0
	}
	for i < len(text) {
		c := classes[text[i]] & (white | leadWhite)
		n := 0
		if c&white != 0 {
			n = 1
		} else if c != 0 {
			n = wideWhite(text, i)
		}
		switch {
		case n == 0:
			if inside == 0 {
				lo, inside = int32(i), 1
			}
			i++
		default:
			if inside != 0 {
				dst = append(dst, Span{lo, int32(i)})
				inside = 0
			}
			i += n
		}
	}
	if inside != 0 {
		dst = append(dst, Span{lo, int32(len(text))})
	}
	return dst
}

// HasSeparators says that text holds one of U+001C to U+001F, which Python takes for white space and Unicode does
// not.
func HasSeparators(text []byte) bool {
	for len(text) >= 8 {
		v := binary.LittleEndian.Uint64(text)
		l := v & low7
		if ((l+(0x80-0x1C)*each)&^(l+(0x80-0x20)*each))&^v&high != 0 {
			return true
		}
		text = text[8:]
	}
	for _, c := range text {
		if c >= 0x1C && c <= 0x1F {
			return true
		}
	}
	return false
}

// Fields appends the words of Python's str.split: those of Words, cut at U+001C to U+001F too.
func Fields(dst []Span, text []byte) []Span {
	from := len(dst)
	dst = Words(dst, text)
	if !HasSeparators(text) {
		return dst
	}
	to := len(dst)
	for k := from; k < to; k++ { // the pieces go behind the words, then take their place
		w := dst[k]
		lo := w.Lo
		for i := w.Lo; i <= w.Hi; i++ {
			if i == w.Hi || classes[text[i]]&pySpace != 0 {
				if lo < i {
					dst = append(dst, Span{lo, i})
				}
				lo = i + 1
			}
		}
	}
	n := copy(dst[from:], dst[to:])
	return dst[:from+n]
}

// longText is where the garbage of growing by doubling begins to matter under a memory limit.
const longText = 1 << 20

// growFor makes room for the words of a whole long text, going by those of its first i bytes: doubling would
// leave behind more than it ends up with.
func growFor(dst []Span, i, n int) []Span {
	want := 2*len(dst) + block
	if i > longText/16 {
		want = len(dst) + int(float64(len(dst))/float64(i)*float64(n-i)*1.02) + 4*block
	}
	return append(make([]Span, 0, want), dst...)
}

// Eight bytes at once. Sums of low halves (7 bits) with a constant carry into the high bit of their own byte
// and no further.
const (
	low7  = 0x7F7F7F7F7F7F7F7F
	high  = 0x8080808080808080
	each  = 0x0101010101010101
	pack  = 0x0102040810204080 // moves the bits 0, 8, 16 ... 56 to 56, 57 ... 63
	block = 64
)

// whiteBits has a bit for each of 64 bytes: those that are white space, and those that may begin a wider one
// (0xC2 and 0xE0 to 0xE3).
func whiteBits(b []byte) (space, leads uint64) {
	_ = b[block-1]
	var any uint64
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		any |= v
		l := v & low7
		tabs := (l + (0x80-'\t')*each) &^ (l + (0x80-'\r'-1)*each) // '\t' to '\r'
		blanks := (l + (0x80-' ')*each) &^ (l + (0x80-' '-1)*each) // ' '
		m := (tabs | blanks) &^ v & high
		space |= (m >> 7 * pack) >> 56 << k
	}
	if any&high == 0 {
		return space, 0
	}
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		l := v & low7
		c2 := (l + (0x80-0x42)*each) &^ (l + (0x80-0x43)*each)
		e0 := (l + (0x80-0x60)*each) &^ (l + (0x80-0x64)*each)
		m := (c2 | e0) & v & high
		leads |= (m >> 7 * pack) >> 56 << k
	}
	return space, leads
}
