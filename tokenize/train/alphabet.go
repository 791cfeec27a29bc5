package train

import (
	"cmp"
	"slices"

	"curate/tokenize/pretokenizer"
)

// spelling is the character that stands for a byte in a byte-level vocabulary.
func spelling(b byte) string { return string(pretokenizer.Letter(b)) }

// alphabetOrder is the 256 bytes in the order of the characters that spell them.
func alphabetOrder() []byte {
	order := make([]byte, 256)
	for b := range order {
		order[b] = byte(b)
	}
	slices.SortFunc(order, func(a, b byte) int { return cmp.Compare(pretokenizer.Letter(a), pretokenizer.Letter(b)) })
	return order
}

// byteOf is the byte that s spells, or -1.
func byteOf(s string) int {
	if b, ok := pretokenizer.AppendBytes(nil, []byte(s)); ok && len(b) == 1 {
		return int(b[0])
	}
	return -1
}

// unspelled is the bytes that s spells, which has no other characters.
func unspelled(s string) []byte {
	b, _ := pretokenizer.AppendBytes(nil, []byte(s))
	return b
}
