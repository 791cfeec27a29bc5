package normalizer

import (
	"encoding/binary"

	"golang.org/x/text/unicode/norm"
)

// Code points below U+0300 are in the normalization form C, begin what normalization looks at together, and join
// nothing before them (UAX #15, NFC_Quick_Check and Canonical_Combining_Class of DerivedNormalizationProps.txt). In UTF-8
// they are all that have no byte from 0xCC on. Package norm is asked only about the rest.
const firstByte = 0xcc

// isNFC says whether text is in the normalization form C.
func isNFC(text []byte) bool {
	for i := 0; ; {
		i = skipLow(text, i)
		if i == len(text) {
			return true
		}
		from := i // with the character before, which may join
		for from > 0 && i-from < 4 {
			if from--; text[from]&0xc0 != 0x80 {
				break
			}
		}
		// Up to two low characters in a row: the second stands alone.
		low := 0
		for i < len(text) && low < 2 {
			switch c := text[i]; {
			case c >= firstByte:
				low = 0
			case c < 0x80 || c >= 0xc0:
				low++
			}
			if low < 2 {
				i++
			}
		}
		if !norm.NFC.IsNormal(text[from:i]) {
			return false
		}
	}
}

// skipLow is the first byte from i on that is at least firstByte.
func skipLow(text []byte, i int) int {
	const every, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		if (x&^high+(0x100-firstByte)*every)&x&high != 0 {
			break
		}
	}
	for i < len(text) && text[i] < firstByte {
		i++
	}
	return i
}
