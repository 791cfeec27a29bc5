package text

import (
	"unicode"
	"unicode/utf8"
)

// HasLetter says whether s holds a letter, as Unicode has them (category L, which is Python's str.isalpha).
func HasLetter[T string | []byte](s T) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c |= 0x20; 'a' <= c && c <= 'z' {
				return true
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])) // so short that nothing is allocated
		if unicode.IsLetter(r) {
			return true
		}
		i += n
	}
	return false
}
