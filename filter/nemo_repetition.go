package filter

import (
	"bytes"
	"strconv"

	"curate/text"
)

const nemoRepetition = "NeMo-Curator 1.4.0, stages/text/filters/heuristic/repetition/repetition.py"

// Rules of NeMo-Curator about what repeats. The names of the parameters are the reference's, so
// max_repeated_line_fraction is the SMALLEST share of lines that are left without their repetitions.
var (
	nemoRepeatedLines = Rule{
		Name:    "nemo_repeated_lines",
		Version: 1,
		Summary: "drops documents with too many repeated lines",
		Source:  nemoRepetition + " RepeatedLinesFilter",
		Params: []Param{
			{Name: "max_repeated_line_fraction", Default: 0.7, Unit: "of all lines: the smallest share of different ones", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "repeated_lines", Signal: "nemo_different_lines",
			Measure: "number of different lines by the number of lines; a line is what lies between line feeds and is not only white space",
			Compare: Below, Param: "max_repeated_line_fraction",
			Value: func(v *View, _ Values) (float64, bool) {
				n := len(v.TextLines())
				return ratio(n-v.duplicateTextLines().elements, n)
			},
		}},
	}
	nemoRepeatedLinesByChar = Rule{
		Name:    "nemo_repeated_lines_by_char",
		Version: 1,
		Summary: "drops documents with too many characters in repeated lines",
		Source:  nemoRepetition + " RepeatedLinesByCharFilter",
		Params: []Param{
			{Name: "max_repeated_lines_char_ratio", Default: 0.8, Unit: "of all characters of lines: the smallest share in different ones", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "repeated_lines_char", Signal: "nemo_different_lines_by_char",
			Measure: "characters of the different lines by those of all lines; lines that are only white space do not count",
			Compare: Below, Param: "max_repeated_lines_char_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				n := v.nemoLines().points
				return ratio(n-v.duplicateTextLines().points, n)
			},
		}},
	}
	nemoRepeatedParagraphs = Rule{
		Name:    "nemo_repeated_paragraphs",
		Version: 1,
		Summary: "drops documents with too many repeated paragraphs",
		Source:  nemoRepetition + " RepeatedParagraphsFilter",
		Params: []Param{
			{Name: "max_repeated_paragraphs_ratio", Default: 0.7, Unit: "of all paragraphs: the smallest share of different ones", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "repeated_paragraphs", Signal: "nemo_different_paragraphs",
			Measure: "number of different paragraphs by the number of paragraphs, cut at each two line feeds, empty ones included",
			Compare: Below, Param: "max_repeated_paragraphs_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				n := len(v.nemoParagraphs())
				return ratio(n-v.nemoDuplicateParagraphs().elements, n)
			},
		}},
	}
	nemoRepeatedParagraphsByChar = Rule{
		Name:    "nemo_repeated_paragraphs_by_char",
		Version: 1,
		Summary: "drops documents with too many characters in repeated paragraphs",
		Source:  nemoRepetition + " RepeatedParagraphsByCharFilter",
		Params: []Param{
			{Name: "max_repeated_paragraphs_char_ratio", Default: 0.8, Unit: "of all characters of paragraphs: the smallest share in different ones", Source: nemoEnglish},
		},
		Tests: []Test{{
			Reason: "repeated_paragraphs_char", Signal: "nemo_different_paragraphs_by_char",
			Measure: "characters of the different paragraphs by those of all paragraphs, cut at each two line feeds",
			Compare: Below, Param: "max_repeated_paragraphs_char_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				n := v.CodePoints() - len(twoFeeds)*(len(v.nemoParagraphs())-1)
				return ratio(n-v.nemoDuplicateParagraphs().points, n)
			},
		}},
	}
	nemoRepeatingDuplicateNGrams = Rule{
		Name:    "nemo_repeating_duplicate_n_grams",
		Version: 1,
		Summary: "drops documents with too many characters in repeated n-grams of words",
		Source:  nemoRepetition + " RepeatingDuplicateNGramsFilter with n = 5 to 10; the class's own default is n = 2, 0.2",
		Params:  nemoNGramParams(dupNGrams, "max_repeating_duplicate_ngram_ratio_"),
		Tests:   nemoDuplicateTests(),
	}
	nemoRepeatingTopNGrams = Rule{
		Name:    "nemo_repeating_top_n_grams",
		Version: 1,
		Summary: "drops documents whose most frequent n-gram of words holds too many characters",
		Source:  nemoRepetition + " RepeatingTopNGramsFilter with n = 2, 3, 4; where several n-grams are most frequent, the reference takes one that depends on Python's hash seed",
		Params:  nemoNGramParams(topNGrams, "max_repeating_ngram_ratio_"),
		Tests:   nemoTopTests(),
	}
)

func nemoNGramParams(grams []nGram, name string) (params []Param) {
	for _, g := range grams {
		params = append(params, Param{Name: name + strconv.Itoa(g.n), Default: g.frac, Unit: "of all characters", Source: nemoEnglish})
	}
	return params
}

// A document with fewer words than n has the largest score in the reference, and is dropped.

func nemoTopTests() (tests []Test) {
	for _, g := range topNGrams {
		n := strconv.Itoa(g.n)
		tests = append(tests, Test{
			Reason: "repeating_top_" + n + "grams", Signal: "nemo_top_" + n + "_gram",
			Measure: "share of characters in the most frequent " + n + "-gram of words (of several the first), wherever the text holds it with single blanks between its words, parts of longer words included, occurrences that overlap counted once; 1 without any " + n + "-gram",
			Compare: Above, Param: "max_repeating_ngram_ratio_" + n,
			Value: func(v *View, _ Values) (float64, bool) { return v.nemoTop(g.n) },
		})
	}
	return tests
}

func nemoDuplicateTests() (tests []Test) {
	for _, g := range dupNGrams {
		n := strconv.Itoa(g.n)
		tests = append(tests, Test{
			Reason: "repeating_dup_" + n + "gram", Signal: "nemo_dup_" + n + "_gram",
			Measure: "share of characters in " + n + "-grams of words that occurred before, words that two of them share counted once, and a blank for nearly each word; 1 without any " + n + "-gram",
			Compare: Above, Param: "max_repeating_duplicate_ngram_ratio_" + n,
			Value: func(v *View, _ Values) (float64, bool) {
				words := v.Fields()
				if len(words) < g.n {
					return 1, true
				}
				return ratio(v.nemoDuplicated(words, g.n), v.CodePoints())
			},
		})
	}
	return tests
}

// nemoTop is what the text would shrink by without its most frequent n-gram.
func (v *View) nemoTop(n int) (float64, bool) {
	words := v.Fields()
	if len(words) < n {
		return 1, true
	}
	at, _ := v.fieldGrams().MostFrequentAt(n, text.Space)
	gram := v.line[:0]
	for i, w := range words[at : at+n] {
		if i > 0 {
			gram = append(gram, ' ')
		}
		gram = append(gram, w.Of(v.doc)...)
	}
	v.line = gram
	return ratio(bytes.Count(v.doc, gram)*text.CodePoints(gram), v.CodePoints())
}

// nemoDuplicated counts as the reference does: of an n-gram that occurred before, the words that the one before it
// did not count, and blanks.
func (v *View) nemoDuplicated(words []text.Span, n int) (characters int) {
	v.again = v.fieldGrams().Again(v.again[:0], n, text.Space)
	counted := 0 // words up to here
	for _, a := range v.again {
		from, end := max(int(a.At), counted), int(a.At)+n
		for _, w := range words[from:end] {
			characters += text.CodePoints(w.Of(v.doc))
		}
		characters += min(end-from, n-1)
		counted = end
	}
	return characters
}

func (v *View) nemoDuplicateParagraphs() duplicates {
	if v.first(haveNemoDuplicates) {
		v.nemo.duplicates.elements, v.nemo.duplicates.points = v.repeats.Duplicates(v.doc, v.nemoParagraphs())
	}
	return v.nemo.duplicates
}

// nemoView is what a View knows for the rules of NeMo-Curator.
type nemoView struct {
	characters nemoCharacters
	urls       nemoFound
	words      nemoWordCounts
	lines      nemoLineCounts
	paragraphs []text.Span
	duplicates duplicates // of paragraphs
}

func (n *nemoView) size() int { return spanSize * cap(n.paragraphs) }
