package check

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is a run of letters (with their combining marks).
type word struct {
	written string // as it stands in the text
	lower   string
	letters int // code points
}

func (w word) capital() bool { return w.written != w.lower }

// shout says that a word of two letters or more has no lower-case letter: an abbreviation, a name of a function.
func (w word) shout() bool {
	return w.letters > 1 && w.capital() && strings.ToUpper(w.written) == w.written
}

// appendWords cuts text into words. A letter beyond UTF-8 is none.
func appendWords(dst []word, text string) []word {
	start, letters := -1, 0
	for i := 0; i <= len(text); {
		r, n := rune(-1), 1
		if i < len(text) {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case r >= 0 && unicode.IsLetter(r):
			if start < 0 {
				start, letters = i, 0
			}
			letters++
		case r >= 0 && start >= 0 && unicode.Is(unicode.Mn, r):
		default:
			if start >= 0 {
				w := text[start:i]
				dst = append(dst, word{written: w, lower: strings.ToLower(w), letters: letters})
				start = -1
			}
		}
		i += n
	}
	return dst
}

func countLetters(words []word) (n int) {
	for _, w := range words {
		n += w.letters
	}
	return n
}

// view is a pair with what several signals want to know of it.
type view struct {
	Pair
	source, target               []word
	sourceLetters, targetLetters int
	inSource                     map[string]struct{} // words as written, and in lower case
	kept                         map[string]struct{} // words of Values in lower case
}

func newView(p Pair) *view {
	v := &view{Pair: p}
	v.source = appendWords(make([]word, 0, len(p.Source)/6+1), p.Source)
	v.target = appendWords(make([]word, 0, len(p.Target)/6+1), p.Target)
	v.sourceLetters, v.targetLetters = countLetters(v.source), countLetters(v.target)
	v.inSource = make(map[string]struct{}, len(v.source))
	for _, w := range v.source {
		v.inSource[w.written] = struct{}{}
		v.inSource[w.lower] = struct{}{}
	}
	if len(p.Values) > 0 {
		v.kept = make(map[string]struct{})
		var words []word
		for _, value := range p.Values {
			words = appendWords(words[:0], value)
			for _, w := range words {
				v.kept[w.lower] = struct{}{}
			}
		}
	}
	return v
}

// copied says that the source has the word exactly as it is written, or a protected span has it.
func (v *view) copied(w word) bool {
	if _, ok := v.kept[w.lower]; ok {
		return true
	}
	_, ok := v.inSource[w.written]
	return ok
}

func (v *view) keeps(w word) bool { _, ok := v.kept[w.lower]; return ok }
