package text

import (
	"unicode"
	"unicode/utf8"
)

// AppendLower appends the text in lower case as Python's str.lower.
func AppendLower(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch r {
		case 0x130: // the only character whose lower case is two
			dst = append(dst, "i̇"...)
		case 'Σ':
			if finalSigma(text, i, i+n) {
				r = 'ς'
			} else {
				r = 'σ'
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		i += n
	}
	return dst
}

func finalSigma(text []byte, lo, hi int) bool {
	before := false
	for lo > 0 {
		r, n := utf8.DecodeLastRune(text[:lo])
		lo -= n
		if caseIgnorable(r) {
			continue
		}
		before = cased(r)
		break
	}
	if !before {
		return false
	}
	for hi < len(text) {
		r, n := utf8.DecodeRune(text[hi:])
		hi += n
		if caseIgnorable(r) {
			continue
		}
		return !cased(r)
	}
	return true
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func caseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '\u00b7', '\u0387', '\u055f', '\u05f4', '\u2018', '\u2019', '\u2024', '\u2027', '\ufe13', '\ufe52', '\ufe55', '\uff07', '\uff0e', '\uff1a', '^', '`':
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

// NextWord finds the next run of word characters (Python's \w) from byte i on. lo == hi: there is none.
func NextWord(text []byte, i int) (lo, hi int) {
	lo = -1
	for i < len(text) {
		r, n := utf8.DecodeRune(text[i:])
		if r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) {
			if lo < 0 {
				lo = i
			}
		} else if lo >= 0 {
			return lo, i
		}
		i += n
	}
	if lo < 0 {
		return len(text), len(text)
	}
	return lo, len(text)
}
