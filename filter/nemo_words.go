package filter

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

// Rules of NeMo-Curator about the words of a document. Its words are those of Python's str.split, whatever the
// words of the profile are.
var (
	nemoCommonEnglishWords = Rule{
		Name:    "nemo_common_english_words",
		Version: 1,
		Summary: "drops documents with too few occurrences of eight common English words",
		Source:  nemoStrings + " CommonEnglishWordsFilter",
		Params: []Param{
			{Name: "min_num_common_words", Default: 2, Unit: "occurrences", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "common_english_words", Signal: "nemo_common_english_words",
			Measure: "number of words that are the, be, to, of, and, that, have or with in lower case, one that occurs twice counted twice (the reference stops counting at the threshold)",
			Compare: Below, Param: "min_num_common_words",
			Value: func(v *View, _ Values) (float64, bool) { return float64(v.nemoWords().common), true },
		}},
	}
	nemoLongWord = Rule{
		Name:    "nemo_long_word",
		Version: 1,
		Summary: "drops documents with a very long word",
		Source:  nemoStrings + " LongWordFilter",
		Params: []Param{
			{Name: "max_word_length", Default: 1000, Unit: "characters", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "max_word_length", Signal: "nemo_longest_word",
			Measure: "length in characters of the longest word at white space",
			Compare: Above, Param: "max_word_length",
			Value: func(v *View, _ Values) (float64, bool) { return float64(v.nemoWords().longest), len(v.Fields()) > 0 },
		}},
	}
	nemoMeanWordLength = Rule{
		Name:    "nemo_mean_word_length",
		Version: 1,
		Summary: "drops documents whose words are too short or too long on average",
		Source:  nemoStrings + " MeanWordLengthFilter",
		Params: []Param{
			{Name: "min_mean_word_length", Default: 3, Unit: "characters", Source: nemoEnglish},
			{Name: "max_mean_word_length", Default: 10, Unit: "characters", Source: nemoEnglish},
		},
		Tests: []Test{
			nemoMeanLength(Below, "min_mean_word_length"),
			nemoMeanLength(Above, "max_mean_word_length"),
		},
	}
	nemoSymbolsToWords = Rule{
		Name:    "nemo_symbols_to_words",
		Version: 1,
		Summary: "drops documents with too many words that are ellipses or hash signs",
		Source:  nemoStrings + " SymbolsToWordsFilter",
		Params: []Param{
			{Name: "max_symbol_to_word_ratio", Default: 0.1, Unit: "of all words", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "symbol_to_word", Signal: "nemo_symbol_words",
			Measure: "share of words that are one of ... [...] … (...) […] -» or whose runs of \"#\" are more than half as many as its characters (so \"#\" and \"#1#\", not \"##\")",
			Compare: Above, Param: "max_symbol_to_word_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoWords().symbols, len(v.Fields())) },
		}},
	}
	nemoWordCount = Rule{
		Name:    "nemo_word_count",
		Version: 1,
		Summary: "drops documents with too few or too many words",
		Source:  nemoStrings + " WordCountFilter",
		Params: []Param{
			{Name: "min_words", Default: 50, Unit: "words", Source: nemoEnglish},
			{Name: "max_words", Default: 100000, Unit: "words", Source: nemoEnglish},
		},
		Tests: []Test{nemoCount(Below, "min_words"), nemoCount(Above, "max_words")},
	}
	nemoWordsWithoutAlphabets = Rule{
		Name:    "nemo_words_without_alphabets",
		Version: 1,
		Summary: "drops documents with too few words that hold a letter",
		Source:  nemoStrings + " WordsWithoutAlphabetsFilter",
		Params: []Param{
			{Name: "min_words_with_alphabets", Default: 0.8, Unit: "of all words", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "words_without_alphabets", Signal: "nemo_alphabetic_words",
			Measure: "share of words with at least one character of the Unicode property Alphabetic (letters, and the vowel signs of Indic scripts)",
			Compare: Below, Param: "min_words_with_alphabets",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoWords().alphabetic, len(v.Fields())) },
		}},
	}
)

func nemoCount(compare Comparison, param string) Test {
	return Test{
		Reason: "word_count", Signal: "nemo_words",
		Measure: "number of words at white space",
		Compare: compare, Param: param,
		Value: func(v *View, _ Values) (float64, bool) { return float64(len(v.Fields())), true },
	}
}

func nemoMeanLength(compare Comparison, param string) Test {
	return Test{
		Reason: "mean_word_length", Signal: "nemo_mean_word_length",
		Measure: "mean length in characters of the words at white space",
		Compare: compare, Param: param,
		Value: func(v *View, _ Values) (float64, bool) { return ratio(v.nemoWords().points, len(v.Fields())) },
	}
}

// nemoWordCounts is what one walk over the words finds.
type nemoWordCounts struct {
	points     int // code points of all words
	longest    int
	symbols    int // words that are ellipses or hash signs
	common     int // of gopherStopWords
	alphabetic int
}

func (v *View) nemoWords() *nemoWordCounts {
	n := &v.nemo.words
	if !v.first(haveNemoWords) {
		return n
	}
	*n = nemoWordCounts{}
	ascii := v.CodePoints() == len(v.doc)
	for _, w := range v.Fields() {
		word := w.Of(v.doc)
		points := len(word)
		if !ascii {
			points = text.CodePoints(word)
		}
		n.points += points
		n.longest = max(n.longest, points)
		if c := word[0] | 0x20; c >= 'a' && c <= 'z' || isAlphabetic(word) {
			n.alphabetic++
			if isGopherStopWord(word) {
				n.common++
				continue
			}
		} else if isNemoEllipsis(word) {
			n.symbols++
			continue
		}
		if i := bytes.IndexByte(word, '#'); i >= 0 && 2*hashRuns(word[i:]) > points {
			n.symbols++
		}
	}
	return n
}

// isGopherStopWord tells whether a word is one of gopherStopWords.
func isGopherStopWord(w []byte) bool {
	switch string(w) {
	case "the", "be", "to", "of", "and", "that", "have", "with":
		return true
	}
	return false
}

// isNemoEllipsis looks for those of ellipsis_marks that hold no white space.
func isNemoEllipsis(w []byte) bool {
	switch string(w) {
	case "...", "[...]", "…", "(...)", "[…]", "-»":
		return true
	}
	return false
}

// hashRuns counts the runs of "#".
func hashRuns(w []byte) (runs int) {
	last := byte(0)
	for _, c := range w {
		if c == '#' && last != '#' {
			runs++
		}
		last = c
	}
	return runs
}

// isAlphabetic looks for a character of Alphabetic, as [[:alpha:]] of Python's regex module does.
func isAlphabetic(w []byte) bool {
	for i := 0; i < len(w); {
		c := w[i]
		if c < utf8.RuneSelf {
			if c|0x20 >= 'a' && c|0x20 <= 'z' {
				return true
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(w[i:])
		if unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Other_Alphabetic) {
			return true
		}
		i += n
	}
	return false
}
