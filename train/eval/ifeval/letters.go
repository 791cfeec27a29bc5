package ifeval

import (
	"strings"
	"unicode"
)

// responseLanguage: all of the answer is in a language.
func responseLanguage(a *args) func(*answer) bool {
	lang := trim(a.text("language"))
	return func(a *answer) bool { return a.in(lang) }
}

func englishCapital(*args) func(*answer) bool {
	return func(a *answer) bool { return isUpper(a.text) && a.in(English) }
}

func englishLower(*args) func(*answer) bool {
	return func(a *answer) bool { return isLower(a.text) && a.in(English) }
}

func allCapital(*args) func(*answer) bool { return func(a *answer) bool { return isUpper(a.text) } }

func allLower(*args) func(*answer) bool { return func(a *answer) bool { return isLower(a.text) } }

// capitalWords: so many words are in capital letters. Words are NLTK's in English, as in the reference, and spaCy's in others.
func capitalWords(a *args) func(*answer) bool {
	ok := a.relation("capital_frequency", "capital_relation", 0)
	return func(a *answer) bool {
		c := a.c
		if a.lang == English {
			c.spans = c.nltk.Words(c.spans[:0], []byte(a.text))
		} else {
			c.spans = spacyOf(a.lang).Words(c.spans[:0], []byte(a.text), &c.scratch)
		}
		n := 0
		for _, w := range c.spans {
			if isUpper(a.text[w.Lo:w.Hi]) {
				n++
			}
		}
		return ok(n)
	}
}

// isUpper is Python's str.isupper: there is a letter with case, and none is small.
func isUpper(s string) bool {
	return strings.ContainsFunc(s, upperCase) && !strings.ContainsFunc(s, func(r rune) bool { return lowerCase(r) || unicode.IsTitle(r) })
}

// isLower is Python's str.islower.
func isLower(s string) bool {
	return strings.ContainsFunc(s, lowerCase) && !strings.ContainsFunc(s, func(r rune) bool { return upperCase(r) || unicode.IsTitle(r) })
}

func upperCase(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }

func lowerCase(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

// noComma: the answer has none.
func noComma(*args) func(*answer) bool {
	return func(a *answer) bool { return !strings.Contains(a.text, ",") }
}
