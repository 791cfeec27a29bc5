package text

import (
	"bytes"
	"unicode/utf8"
)

// The expressions of spaCy's lang/punctuation.py and lang/CODE/punctuation.py, by hand. A prefix is the first
// alternative that matches, a suffix the longest (all end where the text ends, and re.search takes the leftmost), and
// infixes are found from left to right.

// spacyClass is a set of classes of lang/char_classes.py that a character belongs to; one class is Unicode's and
// one the sentencizer's.
type spacyClass uint16

const (
	spacyAlpha    spacyClass = 1 << iota // ALPHA
	spacyLower                           // ALPHA_LOWER; letters without case are in this and the next
	spacyUpper                           // ALPHA_UPPER
	spacyIcon                            // LIST_ICONS
	spacyPunct                           // of LIST_PUNCT what is one character
	spacyQuote                           // LIST_QUOTES
	spacyCurrency                        // of LIST_CURRENCY what is one character
	spacyP                               // general category P: Token.is_punct
	spacyEnd                             // Sentencizer.default_punct_chars
	spacyDigit                           // \d of re
)

func spacyClassOf(r rune) spacyClass {
	if uint32(r) > 0x10FFFF {
		return 0
	}
	return spacyClasses[spacyBlocks[spacyRows[spacyTop[r>>12]][r>>6&63]][r&63]]
}

// runeAt and runeBefore are the character that begins at i or ends there; size is 0 where there is none.
func runeAt(t []byte, i int) (r rune, size int) {
	if i < len(t) && t[i] < utf8.RuneSelf {
		return rune(t[i]), 1
	}
	return utf8.DecodeRune(t[i:])
}

func runeBefore(t []byte, i int) (r rune, size int) {
	if i > 0 && t[i-1] < utf8.RuneSelf {
		return rune(t[i-1]), 1
	}
	return utf8.DecodeLastRune(t[:i])
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isWord says that Python's \w matches.
func isWord(r rune) bool { return kindOf(r)&kindWord != 0 }

// runOf is how many bytes c stand at the start of t.
func runOf(t []byte, c byte) int {
	n := 0
	for n < len(t) && t[n] == c {
		n++
	}
	return n
}

// prefix is the length of the match of prefix_search, or 0. t is not empty; digits is how many it begins with, for a
// language with prefixDegrees, whose caller looks once for all suffixes that are cut off after them.
func (s *Spacy) prefix(t []byte, digits int) int {
	r, n := runeAt(t, 0)
	switch {
	case r >= 'a' && r <= 'z' && s.rules&prefixMoney == 0:
		return 0
	case r == '.':
		if n := runOf(t, '.'); n > 1 {
			return n
		}
		return 0
	case r == '+':
		if len(t) > 1 && isDigit(rune(t[1])) {
			return 0
		}
		return 1
	case r == '\'':
		if s.rules&prefixYear != 0 && len(t) > 2 && isDigit(rune(t[1])) && isDigit(rune(t[2])) {
			return 3
		}
		return 1
	case r == '`':
		if s.rules&prefixBackTick != 0 && len(t) > 1 && t[1] == '`' {
			return 2
		}
		return 1
	case r == '-':
		if s.rules&prefixHyphen != 0 {
			return 1
		}
		return 0
	case r == '%', r == '=', r == '§', r == '—', r == '–':
		return n
	case s.rules&prefixDegrees != 0 && isDigit(r) && bytes.HasPrefix(t[min(digits, len(t)):], degree):
		return digits + len(degree)
	}
	if s.rules&prefixMoney != 0 {
		if n := money(t); n > 0 {
			return n
		}
	}
	switch r {
	case 'U':
		if bytes.HasPrefix(t, usDollar) {
			return len(usDollar)
		}
	case 'C', 'A':
		if len(t) > 1 && t[1] == '$' {
			return 2
		}
	}
	if spacyClassOf(r)&(spacyPunct|spacyQuote|spacyCurrency|spacyIcon) != 0 {
		return n
	}
	return 0
}

var (
	usDollar  = []byte("US$")
	twoDots   = []byte("……")
	twoQuotes = []byte("''")
	degree    = []byte("°")
)

// money is the length of the match of \w{1,3}\$.
func money(t []byte) int {
	i := 0
	for k := 0; k <= 3; k++ {
		if i < len(t) && t[i] == '$' && k > 0 {
			return i + 1
		}
		r, n := runeAt(t, i)
		if n == 0 || !isWord(r) {
			return 0
		}
		i += n
	}
	return 0
}

// suffix is the length of the match of suffix_search, or 0.
func (s *Spacy) suffix(t []byte) int {
	r, n := runeBefore(t, len(t))
	if n == 0 {
		return 0
	}
	at := len(t) - n
	if amount := s.amount(t); amount > 0 {
		return amount // longer than any other match behind a digit, or as long
	}
	switch r {
	case '.':
		if dots := dotsBefore(t); dots > 1 {
			return dots
		}
		if s.isStop(t[:at]) {
			return 1
		}
		return 0
	case 's', 'S':
		if before, size := runeBefore(t, at); s.rules&suffixGenitive != 0 && (before == '\'' || before == '’') {
			return n + size
		}
		return 0
	case '…':
		if bytes.HasSuffix(t, twoDots) {
			return len(twoDots)
		}
		return n
	case '\'':
		if s.rules&suffixSlash != 0 && bytes.HasSuffix(t, twoQuotes) {
			return len(twoQuotes)
		}
		return n
	case '—', '–':
		if s.rules&suffixDash != 0 {
			return n
		}
		return 0
	case '-':
		if s.rules&suffixHyphen != 0 {
			return 1
		}
		return 0
	case '/':
		if s.rules&suffixSlash != 0 {
			return 1
		}
		return 0
	}
	if spacyClassOf(r)&(spacyPunct|spacyQuote|spacyIcon) != 0 {
		return n
	}
	return 0
}

// dotsBefore is how many full stops t ends with.
func dotsBefore(t []byte) int {
	n := 0
	for n < len(t) && t[len(t)-1-n] == '.' {
		n++
	}
	return n
}

// longestAmount is the longest unit or currency in bytes.
const longestAmount = 16

// amount is the length of a unit, a currency or a plus behind the last digit, or 0.
func (s *Spacy) amount(t []byte) int {
	for i := len(t) - 1; i >= 0 && i >= len(t)-1-longestAmount; i-- {
		if isDigit(rune(t[i])) {
			u := t[i+1:]
			if len(u) > 0 && isAmount(u) && (s.rules&suffixPercent != 0 || u[0] != '%') {
				return len(u)
			}
			return 0
		}
	}
	return 0
}

// isStop says that a full stop behind t is cut off: (?<=[0-9{al}{e}{p}(?:{q})])\. and the two rules beside it.
func (s *Spacy) isStop(t []byte) bool {
	r, n := runeBefore(t, len(t))
	if n == 0 {
		return false
	}
	class := spacyClassOf(r)
	if class&(spacyLower|spacyPunct|spacyQuote) != 0 {
		return true
	}
	switch {
	case isDigit(r):
		return s.rules&stopAfterDigit != 0
	case r == '%', r == '²', r == '-', r == '+', r == '|': // PUNCT is joined by "|"
		return true
	case r == '—', r == '–':
		return s.rules&stopAfterDash != 0
	}
	before, _ := runeBefore(t, len(t)-n)
	switch r {
	case 'F', 'C', 'K':
		if before == '°' {
			return true
		}
	}
	return class&spacyUpper != 0 && spacyClassOf(before)&spacyUpper != 0
}

// infixSearch finds the infixes of one text from left to right.
type infixSearch struct {
	rules    spacyRule
	t        []byte
	at       int // where to look
	wordsEnd int // before it no compound begins
}

// next is the next match; it may be empty.
func (f *infixSearch) next() (lo, hi int, ok bool) {
	t := f.t
	for f.at < len(t) {
		i := f.at
		c := t[i]
		if f.rules&infixCompound != 0 && i >= f.wordsEnd {
			if n := f.compound(i); n > 0 {
				f.at = i + n
				return i, i + n, true
			}
		}
		if isASCIILetter(c) || isDigit(rune(c)) {
			f.at++
			continue
		}
		r, n := runeAt(t, i)
		f.at = i + n
		if m := f.match(i, r, n); m > 0 {
			f.at = i + m
			return i, i + m, true
		}
		if f.rules&infixElision != 0 && (r == '\'' || r == '’') && f.elides(i, i+n) {
			return i + n, i + n, true
		}
	}
	return 0, 0, false
}

// elides says that the text is cut behind the apostrophe from lo to hi.
func (f *infixSearch) elides(lo, hi int) bool {
	before, _ := runeBefore(f.t, lo)
	if spacyClassOf(before)&spacyAlpha == 0 {
		return false
	}
	after, n := runeAt(f.t, hi)
	return n > 0 && (spacyClassOf(after)&spacyAlpha != 0 && spacyClassOf(after)&spacyIcon == 0 || isDigit(after) || after == '"' && f.rules&infixElisionQuote != 0)
}

// compound is the length of \w+-\w+(-\w+)* at i, or 0.
func (f *infixSearch) compound(i int) int {
	t := f.t
	end := f.word(i)
	if end == i {
		return 0
	}
	f.wordsEnd = end
	for end < len(t) && t[end] == '-' {
		e := f.word(end + 1)
		if e == end+1 {
			break
		}
		end = e
	}
	if end == f.wordsEnd {
		return 0
	}
	f.wordsEnd = end
	return end - i
}

// word is where the run of \w ends that begins at i.
func (f *infixSearch) word(i int) int {
	for i < len(f.t) {
		r, n := runeAt(f.t, i)
		if !isWord(r) {
			break
		}
		i += n
	}
	return i
}

// match is the length of the match that begins with r, the n bytes at i, and is no compound; or 0.
func (f *infixSearch) match(i int, r rune, n int) int {
	t := f.t
	class := spacyClassOf(r)
	switch {
	case r == '.':
		if dots := runOf(t[i:], '.'); dots > 1 {
			return dots
		}
	case r == '…' || class&spacyIcon != 0:
		return n
	}
	if r == '-' || r == '\'' {
		if f.rules&infixClitic != 0 {
			if m := clitic(t[i:]); m > 0 {
				return m
			}
		}
	}
	if i == 0 || i+n == len(t) {
		return 0
	}
	before, _ := runeBefore(t, i)
	after, _ := runeAt(t, i+n)
	b, a := spacyClassOf(before), spacyClassOf(after)
	switch r {
	case '+', '*', '^':
		if f.rules&infixArithmetic != 0 && isDigit(before) && (isDigit(after) || after == '-') {
			return 1
		}
	case '.':
		if f.rules&infixStopQuote == 0 {
			if b&spacyLower != 0 && a&spacyUpper != 0 {
				return 1
			}
		} else if (b&(spacyLower|spacyQuote) != 0 || f.isDash(before)) && (a&(spacyUpper|spacyQuote) != 0 || f.isDash(after)) {
			return 1
		}
	case ',':
		if b&a&spacyAlpha != 0 {
			return 1
		}
	case '-', '–', '—', '~':
		if r == '-' {
			if f.isArithmetic(i) || f.rules&infixRange != 0 && isDigit(before) && isDigit(after) {
				return 1
			}
			if f.rules&infixDoubleDash != 0 && after == '-' && b&spacyAlpha != 0 && f.alphaAt(i+2) {
				return 2
			}
		}
		if f.rules&infixHyphen != 0 && (b&spacyAlpha != 0 || f.rules&infixHyphenDigit != 0 && isDigit(before)) {
			return f.hyphens(i, r, n)
		}
	case ':', '<', '>', '=':
		if a&spacyAlpha != 0 && (b&spacyAlpha != 0 || f.rules&infixRelation != 0 && isDigit(before)) {
			return 1
		}
	case '/':
		switch {
		case f.rules&infixRelation != 0:
			if a&spacyAlpha != 0 && (b&spacyAlpha != 0 || isDigit(before)) {
				return 1
			}
		case f.rules&infixSlash != 0:
			if (a&spacyAlpha != 0 || isDigit(after)) && (b&spacyAlpha != 0 || isDigit(before)) {
				return 1
			}
		}
	}
	if f.rules&infixMarks != 0 && b&a&spacyAlpha != 0 {
		switch r {
		case '!', '?', '(', ')', '[', ']':
			return 1
		case '\'':
		default:
			if class&spacyQuote != 0 {
				return n
			}
		}
	}
	return 0
}

// isArithmetic says that the hyphen at i is a minus.
func (f *infixSearch) isArithmetic(i int) bool {
	t := f.t
	return f.rules&infixMinus != 0 && t[i] == '-' && i > 0 && i+1 < len(t) && isDigit(rune(t[i-1])) && (isDigit(rune(t[i+1])) || t[i+1] == '-')
}

func (f *infixSearch) isDash(r rune) bool {
	return f.rules&infixDash != 0 && (r == '—' || r == '–')
}

func (f *infixSearch) alphaAt(i int) bool {
	r, n := runeAt(f.t, i)
	return n > 0 && spacyClassOf(r)&spacyAlpha != 0
}

// hyphens is the length of the first of HYPHENS (one to three "-", one or two "—", one "–" or "~") before a letter.
func (f *infixSearch) hyphens(i int, r rune, n int) int {
	most := 1
	switch r {
	case '-':
		most = 3
	case '—':
		most = 2
	}
	before := spacyAlpha
	if f.rules&infixHyphenLower != 0 {
		before = spacyLower
	}
	for k := 1; k <= most; k++ {
		a, size := runeAt(f.t, i+k*n)
		if size == 0 {
			return 0
		}
		if spacyClassOf(a)&before != 0 {
			return k * n
		}
		if a != r {
			return 0
		}
	}
	return 0
}

// clitic is the length of a pronoun or an article of Catalan at the start of t, which is ' or -.
func clitic(t []byte) int {
	n := 1
	for n < len(t) && n <= 4 && isASCIILetter(t[n]) {
		n++
	}
	switch string(t[:n]) { // no ASCII letter follows
	case "'ls", "'l", "'ns", "'t", "'m", "'n", "-les", "-la", "-lo", "-li", "-los", "-me", "-nos", "-te", "-vos", "-se", "-hi", "-ne", "-ho":
		return n
	case "-l", "-m", "-t", "-n":
		if n < len(t) && t[n] == '\'' {
			return n + 1
		}
	}
	return 0
}
