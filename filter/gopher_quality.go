package filter

import (
	"bytes"
	"math/bits"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

const (
	datatroveQuality = "datatrove 0.10.1, pipeline/filters/gopher_quality_filter.py"
	gopherA11        = "Rae et al. 2021 (arXiv:2112.11446), appendix A.1.1"
)

// gopherQuality drops documents whose words and lines do not look like prose. The names of the parameters
// and reasons are the reference's, so max_non_alpha_words_ratio is the smallest share of words WITH a letter,
// and gopher_enough_stop_words means that there were not enough.
var gopherQuality = Rule{
	Name:    "gopher_quality",
	Version: 1,
	Summary: "drops documents by their number of words, word length, symbols, bullets, ellipses, words without letters and stop words",
	Source:  datatroveQuality + "; " + gopherA11,
	Params: []Param{
		{Name: "min_doc_words", Default: 50, Unit: "words that are not only punctuation", Source: gopherA11},
		{Name: "max_doc_words", Default: 100000, Unit: "words that are not only punctuation", Source: gopherA11},
		{Name: "min_avg_word_length", Default: 3, Unit: "characters", Source: gopherA11},
		{Name: "max_avg_word_length", Default: 10, Unit: "characters", Source: gopherA11},
		{Name: "max_symbol_word_ratio", Default: 0.1, Unit: "per word", Source: gopherA11},
		{Name: "max_bullet_lines_ratio", Default: 0.9, Unit: "of all lines", Source: gopherA11},
		{Name: "max_ellipsis_lines_ratio", Default: 0.3, Unit: "of all lines", Source: gopherA11},
		{Name: "max_non_alpha_words_ratio", Default: 0.8, Unit: "of all words", Source: gopherA11},
		{Name: "min_stop_words", Default: 2, Unit: "different stop words", Source: gopherA11},
	},
	Lists: []List{
		{Name: "stop_words", Default: gopherStopWords, Help: "at most 64, looked for in their very spelling", Source: gopherA11},
	},
	Prepare: func(p Values) (any, error) { return newStopWords(p.List("stop_words")) },
	Tests: []Test{
		{
			Reason: "gopher_short_doc", Signal: "words",
			Measure: "number of words with a character that is not punctuation",
			Compare: Below, Param: "min_doc_words", ZeroOff: true, Value: notSymbols,
		}, {
			Reason: "gopher_long_doc", Signal: "words",
			Measure: "number of words with a character that is not punctuation",
			Compare: Above, Param: "max_doc_words", ZeroOff: true, Value: notSymbols,
		}, {
			Reason: "gopher_below_avg_threshold", Signal: "mean_word_length",
			Measure: "mean length in characters of the words that are not only punctuation",
			Compare: Below, Param: "min_avg_word_length", ZeroOff: true, Value: meanWordLength,
		}, {
			Reason: "gopher_above_avg_threshold", Signal: "mean_word_length",
			Measure: "mean length in characters of the words that are not only punctuation",
			Compare: Above, Param: "max_avg_word_length", ZeroOff: true, Value: meanWordLength,
		}, {
			Reason: "gopher_too_many_hashes", Signal: "hash_ratio",
			Measure: "number of \"#\" per word (all words)",
			Compare: Above, Param: "max_symbol_word_ratio", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(bytes.Count(v.doc, hash), len(v.Words())) },
		}, {
			Reason: "gopher_too_many_ellipsis", Signal: "ellipsis_ratio",
			Measure: "number of \"...\" and \"…\" per word (all words)",
			Compare: Above, Param: "max_symbol_word_ratio", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				return ratio(bytes.Count(v.doc, dots)+bytes.Count(v.doc, ellipsis), len(v.Words()))
			},
		}, {
			Reason: "gopher_too_many_bullets", Signal: "bullet_lines",
			Measure: "share of lines that begin with \"•\" or \"-\" after white space",
			Compare: Above, Param: "max_bullet_lines_ratio", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				n := 0
				for _, l := range v.Lines() {
					if s := text.TrimLeft(l.Of(v.doc)); len(s) > 0 && (s[0] == '-' || s[0] == bullet[0] && bytes.HasPrefix(s, bullet)) {
						n++
					}
				}
				return ratio(n, len(v.Lines()))
			},
		}, {
			Reason: "gopher_too_many_end_ellipsis", Signal: "end_ellipsis_lines",
			Measure: "share of lines that end with \"...\" or \"…\" before white space",
			Compare: Above, Param: "max_ellipsis_lines_ratio", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				n := 0
				for _, l := range v.Lines() {
					if s := text.TrimRight(l.Of(v.doc)); bytes.HasSuffix(s, dots) || bytes.HasSuffix(s, ellipsis) {
						n++
					}
				}
				return ratio(n, len(v.Lines()))
			},
		}, {
			Reason: "gopher_below_alpha_threshold", Signal: "alpha_words",
			Measure: "share of words (all words) with at least one letter",
			Compare: Below, Param: "max_non_alpha_words_ratio", ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return ratio(v.gopherWords(p).alpha, len(v.Words())) },
		}, {
			Reason: "gopher_enough_stop_words", Signal: "stop_words",
			Measure: "number of different stop words that occur as words, in their very spelling",
			Compare: Below, Param: "min_stop_words", ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return float64(bits.OnesCount64(v.gopherWords(p).stop)), true },
		},
	},
}

// gopherStopWords are English, and the reference's default for every language.
var gopherStopWords = []string{"the", "be", "to", "of", "and", "that", "have", "with"}

var (
	hash     = []byte("#")
	dots     = []byte("...")
	ellipsis = []byte("…")
	bullet   = []byte("•")
)

func notSymbols(v *View, p Values) (float64, bool) { return float64(v.gopherWords(p).notSymbols), true }

func meanWordLength(v *View, p Values) (float64, bool) {
	g := v.gopherWords(p)
	return ratio(g.points, g.notSymbols)
}

// gopherWords is what one walk over the words finds.
type gopherWords struct {
	notSymbols int    // words with a character outside of PUNCTUATION_SET
	points     int    // their code points
	alpha      int    // words with a letter
	stop       uint64 // set of stop words
}

// Classes of bytes for the walk.
const (
	letter uint8 = 1 << iota
	other        // ASCII, not in PUNCTUATION_SET; letters are
	notASCII
)

var wordBytes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= 0x80:
			t[c] = notASCII
		case unicode.IsLetter(rune(c)):
			t[c] = letter | other
		case !isPunctuation(rune(c)):
			t[c] = other
		}
	}
	return t
}()

func (v *View) gopherWords(p Values) *gopherWords {
	g := &v.gopher
	if !v.first(haveGopher) {
		return g
	}
	*g = gopherWords{}
	words := v.Words()
	stop := p.Made().(*stopWords)
	// The document's code points, less those beside the words and those of words that do not count: so no word that
	// begins with a letter need be looked at again.
	points := v.CodePoints()
	doc, next, symbols := v.doc, 0, 0
	for _, w := range words {
		word := doc[w.Lo:w.Hi]
		if gap := int(w.Lo) - next; gap <= 1 {
			points -= gap // one byte is one character
		} else {
			points -= text.CodePoints(doc[next:w.Lo])
		}
		next = int(w.Hi)
		g.stop |= stop.bit(word)
		if wordBytes[word[0]]&letter != 0 {
			continue
		}
		class := wordClass(word)
		g.alpha -= int(^class & letter)
		if class&other == 0 {
			symbols++
			points -= text.CodePoints(word)
		}
	}
	g.alpha += len(words)
	g.notSymbols = len(words) - symbols
	g.points = points - text.CodePoints(doc[next:])
	return g
}

// wordClass is what the characters of a word are together.
func wordClass(word []byte) (class uint8) {
	for _, c := range word {
		class |= wordBytes[c]
	}
	if class&(notASCII|letter) == notASCII {
		class |= wideClass(word)
	}
	return class
}

// wideClass looks at the characters beyond ASCII of a word without ASCII letters. No letter is in
// PUNCTUATION_SET, so the first one decides both questions. str.isalpha is the same five categories as
// unicode.IsLetter (of Unicode 14 in CPython 3.11).
func wideClass(word []byte) (class uint8) {
	for i := 0; i < len(word); {
		r, n := rune(word[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(word[i:])
			if unicode.IsLetter(r) {
				return letter | other
			}
			if class == 0 && !isPunctuation(r) {
				class = other
			}
		}
		i += n
	}
	return class
}
