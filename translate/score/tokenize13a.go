package score

import (
	"strings"
	"unicode/utf8"
)

// isSpace is what Python's str.split and str.rstrip take for white space: Unicode's White_Space, and the four separators
// U+001C to U+001F.
func isSpace(r rune) bool {
	switch {
	case r < 0x80:
		return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1c && r <= 0x1f
	case r < 0x1680:
		return r == 0x85 || r == 0xa0
	}
	return r == 0x1680 || r >= 0x2000 && r <= 0x200a || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000
}

// What an ASCII byte is to the tokenizer.
const (
	letter = iota // part of a word; all that is not one of the following
	space
	digit
	alone // a token of its own: ASCII punctuation without ' , - .
	point // . and , are tokens unless they stand in a number
	dash  // a token behind a digit
)

var classes = func() (c [utf8.RuneSelf]uint8) {
	for b := range c {
		switch {
		case isSpace(rune(b)):
			c[b] = space
		case b >= '0' && b <= '9':
			c[b] = digit
		case strings.IndexByte("!\"#$%&()*+/:;<=>?@[\\]^_`{|}~", byte(b)) >= 0:
			c[b] = alone
		case b == '.' || b == ',':
			c[b] = point
		case b == '-':
			c[b] = dash
		}
	}
	return c
}()

// appendTokens13a appends the tokens of mteval-v13a.pl, NIST's script for machine translation, in sacrebleu's version
// (tokenizers/tokenizer_13a.py, tokenizer_re.py). Tokens are parts of the text once its entities are resolved.
//
// There, four substitutions run over the text, one after the other, and put spaces around what is cut off:
//
//	([\{-\~\[-\` -\&\(-\+\:-\@\/])   punctuation
//	([^0-9])([\.,])                  point not behind a digit
//	([\.,])([^0-9])                  point not before a digit
//	([0-9])(-)                       dash behind a digit
//
// They are one pass here. A match of the second takes two characters, so a point that follows one which was cut off by it is
// left to the third: "a..5" is a, ".", ".5". What the third meets has no point behind it without a space between, so there
// matches cannot overlap.
func appendTokens13a(dst []string, text string) []string {
	text = strings.TrimRightFunc(text, isSpace)
	text = strings.ReplaceAll(text, "<skipped>", "")
	text = strings.ReplaceAll(text, "-\n", "")
	if strings.IndexByte(text, '&') >= 0 {
		// One after the other: "&amp;lt;" becomes "<".
		text = strings.ReplaceAll(text, "&quot;", `"`)
		text = strings.ReplaceAll(text, "&amp;", "&")
		text = strings.ReplaceAll(text, "&lt;", "<")
		text = strings.ReplaceAll(text, "&gt;", ">")
	}
	start := -1            // of a word, or none
	before := uint8(space) // class of the character before
	taken := false         // that one is a point which the second substitution has cut off
	for i := 0; i < len(text); {
		class, size := uint8(letter), 1
		if b := text[i]; b < utf8.RuneSelf {
			class = classes[b]
		} else {
			var r rune
			if r, size = utf8.DecodeRuneInString(text[i:]); isSpace(r) {
				class = space
			}
		}
		cut, take := false, false
		switch class {
		case space, alone:
			cut = true
		case point:
			take = before != digit && !taken
			cut = take || i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9'
		case dash:
			cut = before == digit
		}
		if cut {
			if start >= 0 {
				dst = append(dst, text[start:i])
			}
			if start = -1; class != space {
				dst = append(dst, text[i:i+size])
			}
		} else if start < 0 {
			start = i
		}
		before, taken = class, take
		i += size
	}
	if start >= 0 {
		dst = append(dst, text[start:])
	}
	return dst
}
