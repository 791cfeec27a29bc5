package jinja

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Python's classes of characters and its changes of case.

// isSpace is Python's str.isspace for one character, and \s of its regular expressions.
func isSpace(c rune) bool {
	switch {
	case c <= ' ':
		return c >= '\t' && c <= '\r' || c >= 0x1c && c <= ' '
	case c < 0x1680:
		return c == 0x85 || c == 0xa0
	}
	return c == 0x1680 || c >= 0x2000 && c <= 0x200a || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000
}

// isPrintable is false for what Python's repr escapes.
func isPrintable(c rune) bool { return unicode.IsPrint(c) && !unicode.Is(since15, c) }

// isLetter, isNd and the following do not know what came with Unicode 15 either.
func isLetter(c rune) bool { return unicode.IsLetter(c) && (c < 0xcf3 || !unicode.Is(since15, c)) }

func isNd(c rune) bool { return unicode.Is(unicode.Nd, c) && (c < 0xcf3 || !unicode.Is(since15, c)) }

func isLower(c rune) bool {
	if c >= 0x10fc && (unicode.Is(since15, c) || c == 0x10fc || c >= 0xa7f2 && c <= 0xa7f4 || c == 0xab69) {
		return false // these modifier letters have the property since Unicode 15
	}
	return unicode.IsLower(c) || unicode.Is(unicode.Other_Lowercase, c)
}

func isUpper(c rune) bool {
	return unicode.IsUpper(c) || unicode.Is(unicode.Other_Uppercase, c)
}

func isCased(c rune) bool { return isLower(c) || isUpper(c) || unicode.IsTitle(c) }

func isDigit(c rune) bool { return isNd(c) || unicode.Is(digits, c) }

func isNumeric(c rune) bool {
	return unicode.IsNumber(c) && (c < 0xcf3 || !unicode.Is(since15, c)) || unicode.Is(numerals, c)
}

func isAlnum(c rune) bool { return isLetter(c) || isNumeric(c) }

// isIgnorable is Case_Ignorable, for the sigma at the end of words.
func isIgnorable(c rune) bool {
	switch c {
	case '\'', '.', ':', '^', '`', 0xa8, 0xad, 0xaf, 0xb4, 0xb7, 0xb8, 0x2018, 0x2019, 0x2024, 0x2027:
		return true
	}
	return unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

func lookSpecial(table []special, c rune) (string, bool) {
	i := sort.Search(len(table), func(i int) bool { return table[i].c >= c })
	if i < len(table) && table[i].c == c {
		return table[i].to, true
	}
	return "", false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func toUpper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	b := make([]byte, 0, len(s))
	for _, c := range s {
		b = appendUpper(b, c)
	}
	return string(b)
}

func appendUpper(b []byte, c rune) []byte {
	if to, ok := lookSpecial(specialUpper[:], c); ok {
		return append(b, to...)
	}
	return utf8.AppendRune(b, unicode.ToUpper(c))
}

func appendTitle(b []byte, c rune) []byte {
	if to, ok := lookSpecial(specialTitle[:], c); ok {
		return append(b, to...)
	}
	return utf8.AppendRune(b, unicode.ToTitle(c))
}

func toLower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	b := make([]byte, 0, len(s))
	var look sigma
	for i, c := range s {
		b = look.appendLower(b, s, i, c)
	}
	return string(b)
}

// sigma knows whether a sigma ends a word. It looks at each character at most twice.
type sigma struct {
	cased bool // the last character that is not ignorable in front of it is cased
	next  int  // from where on the next such character was looked for,
	after bool // and whether it is cased
	known bool
}

func (k *sigma) appendLower(b []byte, s string, i int, c rune) []byte {
	switch {
	case c == 'Σ':
		if k.cased && !k.casedAfter(s, i+utf8.RuneLen(c)) {
			b = utf8.AppendRune(b, 'ς')
		} else {
			b = utf8.AppendRune(b, 'σ')
		}
	case c == 'İ':
		b = append(b, "i\u0307"...)
	default:
		b = utf8.AppendRune(b, unicode.ToLower(c))
	}
	if !isIgnorable(c) {
		k.cased = isCased(c)
	}
	return b
}

func (k *sigma) casedAfter(s string, from int) bool {
	if k.known && from <= k.next {
		return k.after
	}
	k.known, k.next, k.after = true, len(s), false
	for i, c := range s[from:] {
		if !isIgnorable(c) {
			k.next, k.after = from+i, isCased(c)
			break
		}
	}
	return k.after
}

// capitalize is Python's str.capitalize.
func capitalize(s string) string {
	b := make([]byte, 0, len(s))
	var look sigma
	for i, c := range s {
		if i == 0 {
			b = appendTitle(b, c)
			look.appendLower(nil, s, i, c)
			continue
		}
		b = look.appendLower(b, s, i, c)
	}
	return string(b)
}

// title is Python's str.title.
func title(s string) string {
	b := make([]byte, 0, len(s))
	var look sigma
	inWord := false
	for i, c := range s {
		if inWord {
			b = look.appendLower(b, s, i, c)
		} else {
			b = appendTitle(b, c)
			look.appendLower(nil, s, i, c)
		}
		inWord = isCased(c)
	}
	return string(b)
}

func swapcase(s string) string {
	b := make([]byte, 0, len(s))
	var look sigma
	for i, c := range s {
		switch {
		case isUpper(c):
			b = look.appendLower(b, s, i, c)
			continue
		case isLower(c):
			b = appendUpper(b, c)
		default:
			b = utf8.AppendRune(b, c)
		}
		look.appendLower(nil, s, i, c)
	}
	return string(b)
}

// isLineEnd says whether str.splitlines cuts at a character.
func isLineEnd(c rune) bool {
	switch c {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// splitLines is Python's str.splitlines.
func splitLines(s string, keep bool) []string {
	var lines []string
	from := 0
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if !isLineEnd(c) {
			i += n
			continue
		}
		end := i
		i += n
		if c == '\r' && i < len(s) && s[i] == '\n' {
			i++
		}
		if keep {
			end = i
		}
		lines = append(lines, s[from:end])
		from = i
	}
	if from < len(s) {
		lines = append(lines, s[from:])
	}
	return lines
}
