package audit

import (
	"unicode"
	"unicode/utf8"
)

// characters counts the characters of a text by their kind.
type characters struct {
	all, white, letters, upper, digits, punctuation int64
	control, replacement                            int64
	firstControl, firstReplacement                  int // byte offsets
}

// kinds of ASCII characters.
const (
	isWhite = 1 << iota
	isLetter
	isUpper
	isDigit
	isPunctuation
	isControl
)

// ascii is the kind of each.
func ascii(c byte) uint8 {
	switch {
	case 'a' <= c && c <= 'z':
		return isLetter
	case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		return isWhite
	case 'A' <= c && c <= 'Z':
		return isLetter | isUpper
	case '0' <= c && c <= '9':
		return isDigit
	case c == '\v' || c == '\f':
		return isWhite | isControl
	case c < ' ' || c == 0x7F:
		return isControl
	}
	return isPunctuation
}

// kindOf is the kind of a character. Marks count as letters: they are parts of them.
func kindOf(r rune) uint8 {
	switch {
	case r < utf8.RuneSelf:
		return ascii(byte(r))
	case r < 0xA0:
		if r == 0x85 { // next line
			return isWhite | isControl
		}
		return isControl
	case unicode.IsUpper(r):
		return isLetter | isUpper
	case unicode.IsLetter(r), unicode.IsMark(r):
		return isLetter
	case unicode.IsSpace(r):
		return isWhite
	case unicode.IsDigit(r):
		return isDigit
	case unicode.IsPunct(r), unicode.IsSymbol(r):
		return isPunctuation
	}
	return 0
}

// count takes in a text of valid UTF-8.
func (c *characters) count(doc []byte) {
	*c = characters{}
	for i := 0; i < len(doc); {
		r, size := rune(doc[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(doc[i:])
		}
		k := kindOf(r)
		c.all++
		switch {
		case k&isLetter != 0:
			c.letters++
			if k&isUpper != 0 {
				c.upper++
			}
		case k&isWhite != 0:
			c.white++
		case k&isDigit != 0:
			c.digits++
		case k&isPunctuation != 0:
			c.punctuation++
		}
		if k&isControl != 0 {
			if c.control == 0 {
				c.firstControl = i
			}
			c.control++
		}
		if r == utf8.RuneError {
			if c.replacement == 0 {
				c.firstReplacement = i
			}
			c.replacement++
		}
		i += size
	}
}
