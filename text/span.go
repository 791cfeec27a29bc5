package text

import (
	"encoding/binary"
	"math/bits"
)

// Span is the byte range [Lo, Hi) of a text. int32 halves the lists; a text is shorter than 2 GiB.
type Span struct{ Lo, Hi int32 }

// Of is the part of text that the span names.
func (s Span) Of(text []byte) []byte { return text[s.Lo:s.Hi] }

// Len is the length in bytes.
func (s Span) Len() int { return int(s.Hi - s.Lo) }

// Classes of bytes. A lead class says that a character beginning with this byte may be of the class; the
// bytes after it decide.
const (
	white     uint8 = 1 << iota // White_Space of PropList.txt
	pySpace                     // Python's str.isspace
	lineBreak                   // Python's str.splitlines ends a line here
	leadWhite                   // of White_Space and of str.isspace: beyond ASCII they agree
	leadBreak
)

var classes = [256]uint8{
	'\t': white | pySpace,
	'\n': white | pySpace | lineBreak,
	'\v': white | pySpace | lineBreak,
	'\f': white | pySpace | lineBreak,
	'\r': white | pySpace | lineBreak,
	0x1C: pySpace | lineBreak,
	0x1D: pySpace | lineBreak,
	0x1E: pySpace | lineBreak,
	0x1F: pySpace,
	' ':  white | pySpace,
	0xC2: leadWhite | leadBreak, // U+0085, U+00A0
	0xE1: leadWhite,             // U+1680
	0xE2: leadWhite | leadBreak, // U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F
	0xE3: leadWhite,             // U+3000
}

// wideWhite is the length of the white space beyond ASCII that begins at i, or 0.
func wideWhite(text []byte, i int) int {
	if i+1 >= len(text) {
		return 0
	}
	a, b := text[i], text[i+1]
	if a == 0xC2 {
		if b == 0x85 || b == 0xA0 {
			return 2
		}
		return 0
	}
	if i+2 >= len(text) {
		return 0
	}
	c := text[i+2]
	switch {
	case a == 0xE2 && b == 0x80 && (c >= 0x80 && c <= 0x8A || c == 0xA8 || c == 0xA9 || c == 0xAF),
		a == 0xE2 && b == 0x81 && c == 0x9F,
		a == 0xE1 && b == 0x9A && c == 0x80,
		a == 0xE3 && b == 0x80 && c == 0x80:
		return 3
	}
	return 0
}

// wideBreak is the length of the line end beyond ASCII that begins at i (U+0085, U+2028, U+2029), or 0.
func wideBreak(text []byte, i int) int {
	switch {
	case i+1 < len(text) && text[i] == 0xC2 && text[i+1] == 0x85:
		return 2
	case i+2 < len(text) && text[i] == 0xE2 && text[i+1] == 0x80 && (text[i+2] == 0xA8 || text[i+2] == 0xA9):
		return 3
	}
	return 0
}

// TrimLeft cuts white space off the start, as Python's str.lstrip.
func TrimLeft(text []byte) []byte {
	i := 0
	for i < len(text) {
		c := classes[text[i]]
		if c&pySpace != 0 {
			i++
			continue
		}
		n := 0
		if c&leadWhite != 0 {
			n = wideWhite(text, i)
		}
		if n == 0 {
			break
		}
		i += n
	}
	return text[i:]
}

// TrimRight cuts white space off the end, as Python's str.rstrip.
func TrimRight(text []byte) []byte {
	i := len(text)
	for i > 0 {
		c := text[i-1]
		switch {
		case classes[c]&pySpace != 0:
			i--
			continue
		case c < 0x80:
		case i >= 2 && wideWhite(text[:i], i-2) == 2:
			i -= 2
			continue
		case i >= 3 && wideWhite(text[:i], i-3) == 3:
			i -= 3
			continue
		}
		break
	}
	return text[:i]
}

// CodePoints counts the characters as Python's len does: every byte that is not a continuation byte.
func CodePoints(text []byte) int {
	n := len(text)
	for len(text) >= 8 {
		if len(text) >= 32 { // most text is ASCII: look at four words at once
			a, b := binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[8:])
			c, d := binary.LittleEndian.Uint64(text[16:]), binary.LittleEndian.Uint64(text[24:])
			if (a|b|c|d)&0x8080808080808080 == 0 {
				text = text[32:]
				continue
			}
		}
		v := binary.LittleEndian.Uint64(text)
		n -= bits.OnesCount64(v >> 7 & (^v >> 6) & 0x0101010101010101) // bytes 10xxxxxx
		text = text[8:]
	}
	for _, c := range text {
		if c&0xC0 == 0x80 {
			n--
		}
	}
	return n
}
