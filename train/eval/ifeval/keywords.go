package ifeval

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"curate/text"
)

// literal finds a text whatever its case. The reference takes keywords for regular expressions, which none of its data are
// meant to be.
func literal(s string) *regexp.Regexp { return regexp.MustCompile("(?i)" + regexp.QuoteMeta(s)) }

// existence: the answer has all keywords, also within words.
func existence(a *args) func(*answer) bool {
	var list []*regexp.Regexp
	for _, k := range a.texts("keywords") {
		list = append(list, literal(k))
	}
	return func(a *answer) bool {
		for _, k := range list {
			if !k.MatchString(a.text) {
				return false
			}
		}
		return true
	}
}

// forbidden: the answer has none of the words, as a whole word each.
func forbidden(a *args) func(*answer) bool {
	var list []*regexp.Regexp
	for _, w := range a.texts("forbidden_words") {
		list = append(list, literal(w))
	}
	return func(a *answer) bool {
		for _, w := range list {
			if hasWhole(a.text, w) {
				return false
			}
		}
		return true
	}
}

// hasWhole finds \bword\b, where \b lies between a character of \w and one that is none.
func hasWhole(s string, word *regexp.Regexp) bool {
	border := func(at int) bool {
		before, _ := utf8.DecodeLastRuneInString(s[:at])
		after, _ := utf8.DecodeRuneInString(s[at:])
		return (at > 0 && text.IsWord(before)) != (at < len(s) && text.IsWord(after))
	}
	for from := 0; ; {
		m := word.FindStringIndex(s[from:])
		if m == nil {
			return false
		}
		lo, hi := from+m[0], from+m[1]
		if border(lo) && border(hi) {
			return true
		}
		_, size := utf8.DecodeRuneInString(s[lo:])
		from = lo + size
	}
}

// frequency: the keyword occurs so often, also within words.
func frequency(a *args) func(*answer) bool {
	k := literal(trim(a.text("keyword")))
	ok := a.relation("frequency", "relation", 1)
	return func(a *answer) bool { return ok(len(k.FindAllStringIndex(a.text, -1))) }
}

// letterFrequency: the letter occurs so often. Any one character is a letter; the reference takes a random letter instead of
// those that are none of a to z.
func letterFrequency(a *args) func(*answer) bool {
	letter := trim(a.text("letter"))
	if a.err == nil && utf8.RuneCountInString(letter) != 1 {
		a.fail(`parameter "letter" is %q; it is one character`, letter)
	}
	letter = lower(letter)
	ok := a.relation("let_frequency", "let_relation", 1)
	return func(a *answer) bool { return ok(strings.Count(a.lowered(), letter)) }
}
