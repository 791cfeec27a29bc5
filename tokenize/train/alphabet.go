package train

import (
	"sync"
	"unicode/utf8"
)

// The alphabet of byte-level BPE spells each byte as one printable character: the bytes of ! to ~, ¡ to ¬ and ® to ÿ
// as the characters of those code points, the other 68, in their order, as U+0100 and on (bytes_to_unicode in
// encoder.py of github.com/openai/gpt-2; ByteLevel::alphabet in Hugging Face's tokenizers).

func printable(b int) bool {
	return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE && b <= 0xFF
}

// spelling is the character that stands for a byte.
func spelling(b byte) string {
	if printable(int(b)) {
		return string(rune(b))
	}
	n := rune(0x100)
	for c := range int(b) {
		if !printable(c) {
			n++
		}
	}
	return string(n)
}

// alphabetOrder is the 256 bytes in the order of the characters that spell them.
func alphabetOrder() []byte {
	order := make([]byte, 0, 256)
	for _, want := range []bool{true, false} {
		for b := range 256 {
			if printable(b) == want {
				order = append(order, byte(b))
			}
		}
	}
	return order
}

// byteOf is the byte that s spells, or -1.
func byteOf(s string) int {
	if utf8.RuneCountInString(s) == 1 {
		for b := range 256 {
			if spelling(byte(b)) == s {
				return b
			}
		}
	}
	return -1
}

// spellings are the characters that spell each byte.
var spellings = sync.OnceValue(func() *[256]rune {
	var all [256]rune
	for b := range all {
		all[b], _ = utf8.DecodeRuneInString(spelling(byte(b)))
	}
	return &all
})

// unspelled is the bytes that s spells, which has no other characters.
func unspelled(s string) []byte {
	var out []byte
	for _, r := range s {
		if r < 0x100 {
			out = append(out, byte(r))
			continue
		}
		for b, c := range spellings() {
			if c == r {
				out = append(out, byte(b))
			}
		}
	}
	return out
}
