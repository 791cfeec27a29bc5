package text

import (
	"encoding/binary"
	"math/bits"
)

// wcSet has a bit for each of 64 code points: those that are part of a word, and those that part words. Those
// that are in neither set do nothing.
type wcSet struct{ word, space uint64 }

// WordsWC counts the words of text, valid UTF-8, as `LC_ALL=C.UTF-8 wc -w` of GNU coreutils 9.1 with glibc
// 2.36 (Unicode 14.0): the number that people compare with.
//
// A character is one of three kinds. It parts words if it is white space of the locale and printable, or one of
// the non-breaking spaces U+00A0, U+2007, U+202F and U+2060, which wc adds unless POSIXLY_CORRECT is set. It
// belongs to a word if it is printable otherwise: private use and U+200B too. All others (controls, U+2028,
// U+2029, code points that Unicode 14.0 does not assign) neither begin a word nor end one: "a\x01b" is one word,
// "\x01" none. So the number may be above or below that of [Words]. The table of kinds was observed:
// testdata/wc/main.go.
func WordsWC(text []byte) int {
	n := 0
	inside := uint64(0) // 1 within a word
	i := 0
	for ; i+block <= len(text); i += block {
		b := (*[block]byte)(text[i:])
		word, other := wcWord(b)
		if other == 0 {
			n += bits.OnesCount64(word &^ (word<<1 | inside))
			inside = word >> 63
			continue
		}
		var k int
		k, inside = wcMixed(text[i:], b, word, other, inside)
		n += k
	}
	if i < len(text) {
		var tail [block]byte // zeros do nothing
		copy(tail[:], text[i:])
		word, other := wcWord(&tail)
		k, _ := wcMixed(text[i:], &tail, word, other, inside)
		n += k
	}
	return n
}

// wcMixed counts the words that begin in b, the first 64 bytes of text or what there is of it and zeros. word
// and other are what wcWord says of b.
func wcMixed(text []byte, b *[block]byte, word, other, inside uint64) (words int, after uint64) {
	wide, plain := wcWide(b)
	space := ^(word | wide)
	if other&wcControls != 0 {
		space = wcSpace(b)
	}
	if plain {
		word |= wide
		// Bytes whose character began before b do nothing: what it is has been seen to.
		for i := 0; i < 3 && b[i]&0xC0 == 0x80; i++ {
			word &^= 1 << i
		}
	} else {
		leads := wcLeads(b)
		word |= leads // a character's first byte stands for it; the bytes after it do nothing
		for ; leads != 0; leads &= leads - 1 {
			at := bits.TrailingZeros64(leads) & 63
			if wcPlain[b[at]] {
				continue
			}
			set, bit := wcLookup(text[at:])
			if set.word&bit == 0 {
				word &^= 1 << at
				if set.space&bit != 0 {
					space |= 1 << at
				}
			}
		}
	}
	// A word reaches on over what does nothing. Adding a bit where such a run begins carries through the run
	// and clears it.
	nothing := ^(word | space)
	first := (word<<1 | inside) & nothing
	reach := word | nothing&^(nothing+first)
	return bits.OnesCount64(word &^ (reach<<1 | inside)), reach >> 63
}

// wcPlain are the first bytes of which every character belongs to a word.
var wcPlain = [256]bool{
	0xC3: true, 0xC4: true, 0xC5: true, 0xC6: true, 0xC7: true, // Latin
	0xC8: true, 0xC9: true, 0xCA: true, 0xCB: true, 0xCC: true,
	0xCF: true,                                     // Greek, the second half
	0xD0: true, 0xD1: true, 0xD2: true, 0xD3: true, // Cyrillic
	0xD8: true, 0xD9: true, 0xDA: true, 0xDB: true, // Arabic
	0xE4: true, 0xE5: true, 0xE6: true, 0xE7: true, 0xE8: true, 0xE9: true, // Han
	0xEB: true, 0xEC: true, // Hangul
	0xEE: true, // private use
}

// wcLookup finds the set and the bit of the character beyond ASCII that begins text.
func wcLookup(text []byte) (set *wcSet, bit uint64) {
	row, col, low := byte(0), byte(0), byte(0)
	switch c := text[0]; {
	case c < 0xE0 && len(text) >= 2:
		col, low = c&0x1F, text[1]
	case c < 0xF0 && len(text) >= 3:
		row, col, low = wcTop[c&0x0F], text[1]&0x3F, text[2]
	case c >= 0xF0 && len(text) >= 4:
		if top := int(c&7)<<6 | int(text[1]&0x3F); top < len(wcTop) {
			row, col, low = wcTop[top], text[2]&0x3F, text[3]
		}
	} // else it is not UTF-8; any answer will do
	return &wcSets[wcRows[row][col]], 1 << (low & 0x3F)
}

// wcControls are the bits of other, see wcWord, that are set only by ASCII characters that do nothing.
const wcControls = each

// wcWord has a bit for each of 64 bytes that is a printable ASCII character and not a space. other is 0 if all
// other bytes are ASCII white space.
func wcWord(b *[block]byte) (word, other uint64) {
	var wide, controls uint64
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		l := v & low7
		above := l + (0x80-' '-1)*each // '!' and up
		del := l + (0x80-0x7F)*each
		// Below ' ' and not '\t' to '\r'.
		low := ^(l + (0x80-' ')*each) &^ ((l + (0x80-'\t')*each) &^ (l + (0x80-'\r'-1)*each))
		wide |= v
		controls |= (low | del) &^ v
		m := above &^ del &^ v & high
		word |= (m >> 7 * pack) >> 56 << k
	}
	return word, wide&high | controls&high>>7
}

// wcWide has a bit for each of 64 bytes that is not ASCII. plain says that all characters that begin there are of
// wcPlain, as in most Latin and Cyrillic text.
func wcWide(b *[block]byte) (wide uint64, plain bool) {
	var doubt uint64
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		l := v & low7
		wide |= (v & high >> 7 * pack) >> 56 << k
		latin := (l + (0x80-0x43)*each) &^ (l + (0x80-0x4D)*each) // 0xC3 to 0xCC
		cyrillic := (l + (0x80-0x50)*each) &^ (l + (0x80-0x54)*each)
		doubt |= v & (v << 1) &^ (latin | cyrillic) // bits 7 and 6 are set
	}
	return wide, doubt&high == 0
}

// wcLeads has a bit for each of 64 bytes that begins a character beyond ASCII.
func wcLeads(b *[block]byte) (leads uint64) {
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		leads |= (v & (v << 1) & high >> 7 * pack) >> 56 << k // bits 7 and 6 are set
	}
	return leads
}

// wcSpace has a bit for each of 64 bytes that is ASCII white space.
func wcSpace(b *[block]byte) (space uint64) {
	for k := 0; k < block; k += 8 {
		v := binary.LittleEndian.Uint64(b[k:])
		l := v & low7
		tabs := (l + (0x80-'\t')*each) &^ (l + (0x80-'\r'-1)*each)
		blanks := (l + (0x80-' ')*each) &^ (l + (0x80-' '-1)*each)
		m := (tabs | blanks) &^ v & high
		space |= (m >> 7 * pack) >> 56 << k
	}
	return space
}
