package text

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Lines appends the lines of text without their ends, as Python's str.splitlines: a line ends at LF, CR,
// CR LF, VT, FF, U+001C to U+001E, U+0085, U+2028 or U+2029, and text that ends so has no empty line after.
func Lines(dst []Span, text []byte) []Span {
	const look = lineBreak | leadBreak
	lo := 0
	for i := 0; i < len(text); {
		if i+block <= len(text) {
			n := breakAhead(text[i : i+block])
			if i += n; n == block {
				continue
			}
		}
		c := classes[text[i]] & look
		if c == 0 {
			i++
			continue
		}
		n := 1
		if c&lineBreak == 0 {
			if n = wideBreak(text, i); n == 0 {
				i++
				continue
			}
		} else if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			n = 2
		}
		dst = append(dst, Span{int32(lo), int32(i)})
		i += n
		lo = i
	}
	if lo < len(text) {
		dst = append(dst, Span{int32(lo), int32(len(text))})
	}
	return dst
}

// breakAhead is how many of 64 bytes come before the first that may end a line: LF to CR, 0x1C to 0x1E, 0xC2,
// 0xE2. Without one it is 64.
func breakAhead(b []byte) int {
	_ = b[block-1]
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		l := v & low7
		ends := (l + (0x80-'\n')*each) &^ (l + (0x80-'\r'-1)*each)
		seps := (l + (0x80-0x1C)*each) &^ (l + (0x80-0x1F)*each)
		c2 := (l + (0x80-0x42)*each) &^ (l + (0x80-0x43)*each)
		e2 := (l + (0x80-0x62)*each) &^ (l + (0x80-0x63)*each)
		if m := ((ends|seps)&^v | (c2|e2)&v) & high; m != 0 {
			return k + bits.TrailingZeros64(m)>>3
		}
	}
	return block
}

// SplitNewlines appends what lies between runs of LF, as Python's re.split("\n+", text): there is always at
// least one piece, and text that begins or ends with LF has an empty piece there.
func SplitNewlines(dst []Span, text []byte) []Span {
	lo := 0
	for {
		n := bytes.IndexByte(text[lo:], '\n')
		if n < 0 {
			return append(dst, Span{int32(lo), int32(len(text))})
		}
		dst = append(dst, Span{int32(lo), int32(lo + n)})
		lo += n
		for lo < len(text) && text[lo] == '\n' {
			lo++
		}
	}
}

var emptyLine = []byte("\n\n")

// Paragraphs appends what lies between runs of two or more LF after white space is cut off both ends, as
// Python's re.split("\n{2,}", text.strip()). There is always at least one piece.
func Paragraphs(dst []Span, text []byte) []Span {
	lo := len(text) - len(TrimLeft(text))
	hi := lo + len(TrimRight(text[lo:]))
	for {
		n := bytes.Index(text[lo:hi], emptyLine)
		if n < 0 {
			return append(dst, Span{int32(lo), int32(hi)})
		}
		dst = append(dst, Span{int32(lo), int32(lo + n)})
		lo += n
		for lo < hi && text[lo] == '\n' {
			lo++
		}
	}
}
