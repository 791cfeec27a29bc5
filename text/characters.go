package text

import "unicode/utf8"

// What Python's re knows of characters, for scanners that do what a pattern of the reference does. As all that python.go knows
// it is pinned to Unicode 14.0.

// IsWord says whether r is matched by \w.
func IsWord(r rune) bool { return kindOf(r)&kindWord != 0 }

// IsDigit says whether r is matched by \d.
func IsDigit(r rune) bool { return kindOf(r)&kindDigit != 0 }

// SpaceAt is the length of the white space character, as Python's str.isspace and \s have it, that begins at i, or 0.
func SpaceAt(text []byte, i int) int {
	if i >= len(text) {
		return 0
	}
	c := classes[text[i]]
	if c&pySpace != 0 {
		return 1
	}
	if c&leadWhite != 0 {
		return wideWhite(text, i)
	}
	return 0
}

// SpaceBefore is the length of the white space character that ends at i, or 0.
func SpaceBefore(text []byte, i int) int {
	if i == 0 {
		return 0
	}
	c := text[i-1]
	switch {
	case c < utf8.RuneSelf:
		if classes[c]&pySpace != 0 {
			return 1
		}
	case i >= 2 && wideWhite(text[:i], i-2) == 2:
		return 2
	case i >= 3 && wideWhite(text[:i], i-3) == 3:
		return 3
	}
	return 0
}
