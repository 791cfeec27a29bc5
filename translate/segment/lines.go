package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

// line is text[start:end], ended by text[end:next].
type line struct {
	start, end, next int
	lo, hi           int // the body of a line of prose, the row of a table without its outer white space; lo == hi if there is none
	kind             Kind
	first            bool // of its block
	marked           bool // the prefix holds more than white space and quote marks
	whole            bool // prose that must not be joined with the next line
}

// cutLines cuts text at line feeds, CR LF, CR, all other control characters of C0 but tab and escape, U+0085, U+2028 and
// U+2029. What translates would hardly give any of these back, so none may be part of a unit.
func cutLines(text string) []line {
	lines := make([]line, 0, strings.Count(text, "\n")+1)
	start := 0
	for i := 0; i < len(text); {
		n := lineEnd(text, i)
		if n == 0 {
			i++
			continue
		}
		lines = append(lines, line{start: start, end: i, next: i + n})
		i += n
		start = i
	}
	if start < len(text) {
		lines = append(lines, line{start: start, end: len(text), next: len(text)})
	}
	return lines
}

// lineEnd is the length of what ends a line at i, or 0.
func lineEnd(text string, i int) int {
	switch c := text[i]; {
	case c == '\r':
		if i+1 < len(text) && text[i+1] == '\n' {
			return 2
		}
		return 1
	case c < ' ':
		if c == '\t' || c == 0x1B {
			return 0
		}
		return 1
	case c == 0xC2 && i+1 < len(text) && text[i+1] == 0x85:
		return 2
	case c == 0xE2 && i+2 < len(text) && text[i+1] == 0x80 && text[i+2]|1 == 0xA9:
		return 3
	}
	return 0
}

// isSpace says of white space and of what is as invisible at the edges of a line: marks of direction, BOM, zero-width
// space. Joiners are not, they belong to words and emoji.
func isSpace(r rune) bool {
	switch {
	case r <= ' ':
		return r == ' ' || r == '\t'
	case r < 0x80:
		return false
	}
	return unicode.IsSpace(r) || isInvisible(r)
}

func isInvisible(r rune) bool {
	switch {
	case r == 0x200B, r == 0x200E, r == 0x200F, r == 0xFEFF, r == 0x061C:
		return true
	case r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x2069:
		return true
	}
	return false
}

// skipSpace is the first place from lo on, at most hi, where no white space stands.
func skipSpace(text string, lo, hi int) int {
	for lo < hi {
		r, n := utf8.DecodeRuneInString(text[lo:hi])
		if !isSpace(r) {
			break
		}
		lo += n
	}
	return lo
}

// trimSpace is the last place up to hi, at least lo, behind something else than white space.
func trimSpace(text string, lo, hi int) int {
	for lo < hi {
		r, n := utf8.DecodeLastRuneInString(text[lo:hi])
		if !isSpace(r) {
			break
		}
		hi -= n
	}
	return hi
}

// hasLetter is text.HasLetter, where a variable is called text.
func hasLetter(s string) bool { return text.HasLetter(s) }

// finder finds a string from ever later places on, in linear time all together.
type finder struct {
	text, want string
	at         int
	asked      bool
}

// from is the first place of what is wanted from i on, or -1.
func (f *finder) from(i int) int {
	if !f.asked || f.at >= 0 && f.at < i {
		f.asked = true
		if f.at = strings.Index(f.text[i:], f.want); f.at >= 0 {
			f.at += i
		}
	}
	return f.at
}
