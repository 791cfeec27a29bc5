package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentences appends the ends of the sentences of a unit's text to dst, in bytes; the last is len(text). White space behind a
// sentence belongs to it. An empty text has none.
//
// The marks are those of Unicode's property Sentence_Terminal and the ellipsis; as in Unicode Standard Annex 29 no full stop
// ends a sentence before a small letter. Here no other mark does either, nor a full stop behind an abbreviation or an initial.
func Sentences(dst []int, text string) []int {
	word := 0 // where the current word begins
	start := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if !ends(r) {
			if unicode.IsSpace(r) || strings.ContainsRune("([{\"'«“‘¿¡*_/", r) {
				word = i + n
			}
			i += n
			continue
		}
		mark := i
		only := r == '.' // one full stop and no other mark
		i += n
		for i < len(text) {
			if r, n = utf8.DecodeRuneInString(text[i:]); !ends(r) {
				break
			}
			only = false
			i += n
		}
		// Marks that close belong to the sentence.
		behind := i
		for behind < len(text) {
			if r, n = utf8.DecodeRuneInString(text[behind:]); !closes(r) {
				break
			}
			behind += n
		}
		wide, _ := utf8.DecodeRuneInString(text[mark:])
		spaced := behind
		for spaced < len(text) {
			if r, n = utf8.DecodeRuneInString(text[spaced:]); !unicode.IsSpace(r) {
				break
			}
			spaced += n
		}
		i = behind
		switch {
		case spaced == len(text):
			i = spaced
			continue
		case spaced == behind && wide < 0x3000:
			continue // within a word or number: 3.14, example.org
		case small(text[spaced:]):
			continue
		case only && behind == mark+1 && abbreviated(text[word:mark], text[spaced:], word == start):
			continue
		}
		dst = append(dst, spaced)
		i, word, start = spaced, spaced, spaced
	}
	if len(text) > 0 {
		dst = append(dst, len(text))
	}
	return dst
}

// ends says of the marks that end sentences, and of the ellipsis.
func ends(r rune) bool {
	if r < 0x80 {
		return r == '.' || r == '!' || r == '?'
	}
	return r == '…' || unicode.Is(unicode.STerm, r)
}

// closes says of what may stand between such a mark and the white space: quotes, brackets, marks of emphasis, and what joins
// the last character.
func closes(r rune) bool {
	if r < 0x80 {
		return strings.IndexByte("\"')]}*_`", byte(r)) >= 0
	}
	return unicode.In(r, unicode.Pe, unicode.Pf, unicode.Mn, unicode.Cf)
}

// small says whether s begins with a small letter, behind at most a few marks that open.
func small(s string) bool {
	for k := 0; k < 8 && s != ""; k++ {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case unicode.IsLower(r):
			return true
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '`': // code has its own case
			return false
		}
		s = s[n:]
	}
	return false
}

// abbreviated says whether the full stop behind word ends no sentence before next.
func abbreviated(word, next string, first bool) bool {
	if word == "" || len(word) > longestAbbreviation {
		return false
	}
	r, n := utf8.DecodeRuneInString(word)
	if n == len(word) && unicode.IsUpper(r) {
		return true // an initial
	}
	digits := strings.Trim(word, "0123456789") == ""
	if digits {
		return first // "1. First"
	}
	w := strings.ToLower(word)
	nr, _ := utf8.DecodeRuneInString(next)
	switch abbreviations[w] {
	case never:
		return true
	case title:
		return unicode.IsUpper(r)
	case beforeNumber:
		return unicode.IsDigit(nr)
	case beforeName:
		return !sentenceStart(next)
	}
	// "U.S. Army", "S.A.": letters with full stops between them, and more of the name behind.
	if n < len(w) && w[n] == '.' && !sentenceStart(next) {
		for i := 0; i < len(w); {
			_, n := utf8.DecodeRuneInString(w[i:])
			if i += n; i < len(w) && w[i] != '.' {
				return false
			}
			i++
		}
		return true
	}
	return false
}

// sentenceStart says whether s begins with a word that often begins a sentence.
func sentenceStart(s string) bool {
	n := strings.IndexByte(s, ' ')
	if n < 0 || n > 12 {
		return n > 12
	}
	return starters[strings.Trim(s[:n], "\"'“«¿¡(,")]
}
