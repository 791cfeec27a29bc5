package filter

import (
	"strconv"

	"curate/text"
)

const (
	datatroveRepetition = "datatrove 0.10.1, pipeline/filters/gopher_repetition_filter.py"
	gopherTableA1       = "Rae et al. 2021 (arXiv:2112.11446), table A1"
)

// gopherRepetition drops documents that repeat themselves. Shares of characters are of all the document's
// code points, those of white space included.
var gopherRepetition = Rule{
	Name:    "gopher_repetition",
	Version: 1,
	Summary: "drops documents with too many repeated paragraphs, lines or n-grams of words",
	Source:  datatroveRepetition + "; " + gopherTableA1,
	Params: append([]Param{
		{Name: "dup_para_frac", Default: 0.3, Unit: "of all paragraphs", Source: gopherTableA1},
		{Name: "dup_para_char_frac", Default: 0.2, Unit: "of all characters", Source: gopherTableA1},
		{Name: "dup_line_frac", Default: 0.3, Unit: "of all lines", Source: gopherTableA1},
		{Name: "dup_line_char_frac", Default: 0.2, Unit: "of all characters", Source: gopherTableA1},
	}, nGramParams()...),
	Tests: append([]Test{
		{
			Reason: "dup_para_frac", Signal: "dup_para_frac",
			Measure: "share of paragraphs (cut at two or more line feeds, white space at both ends of the document ignored) that occurred before in the document",
			Compare: Above, Param: "dup_para_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				return ratio(v.duplicateParagraphs().elements, len(v.Paragraphs()))
			},
		}, {
			Reason: "dup_para_char_frac", Signal: "dup_para_char_frac",
			Measure: "share of characters in paragraphs that occurred before",
			Compare: Above, Param: "dup_para_char_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.duplicateParagraphs().points, v.CodePoints()) },
		}, {
			Reason: "dup_line_frac", Signal: "dup_line_frac",
			Measure: "share of lines (cut at runs of line feeds; an empty one stands before a leading and after a trailing line feed) that occurred before",
			Compare: Above, Param: "dup_line_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.duplicatePieces().elements, len(v.Pieces())) },
		}, {
			Reason: "dup_line_char_frac", Signal: "dup_line_char_frac",
			Measure: "share of characters in lines that occurred before",
			Compare: Above, Param: "dup_line_char_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.duplicatePieces().points, v.CodePoints()) },
		},
	}, nGramTests()...),
}

// topNGrams and dupNGrams are the n-grams looked at and the thresholds of table A1.
var (
	topNGrams = []nGram{{2, 0.20}, {3, 0.18}, {4, 0.16}}
	dupNGrams = []nGram{{5, 0.15}, {6, 0.14}, {7, 0.13}, {8, 0.12}, {9, 0.11}, {10, 0.10}}
)

type nGram struct {
	n    int
	frac float64
}

func nGramParams() (params []Param) {
	for _, g := range topNGrams {
		params = append(params, Param{Name: "top_" + strconv.Itoa(g.n) + "_gram", Default: g.frac, Unit: "of all characters", Source: gopherTableA1})
	}
	for _, g := range dupNGrams {
		params = append(params, Param{Name: "dup_" + strconv.Itoa(g.n) + "_gram", Default: g.frac, Unit: "of all characters", Source: gopherTableA1})
	}
	return params
}

// nGramTests have no ZeroOff: the reference compares with a threshold of 0 too.
func nGramTests() (tests []Test) {
	for _, g := range topNGrams {
		n := strconv.Itoa(g.n)
		tests = append(tests, Test{
			Reason: "top_" + n + "_gram", Signal: "top_" + n + "_gram",
			Measure: "length of the most frequent " + n + "-gram (words joined by a space; of several the first) times its count, overlapping occurrences included, as a share of characters",
			Compare: Above, Param: "top_" + n + "_gram",
			Value: func(v *View, _ Values) (float64, bool) {
				points, count := v.nGrams().MostFrequent(g.n, text.Space)
				if count == 0 {
					return 0, false
				}
				return ratio(points*count, v.CodePoints())
			},
			Passes: func(v *View, threshold float64) bool { return atMost(v.frequentBound(), v.CodePoints(), threshold) },
		})
	}
	for _, g := range dupNGrams {
		n := strconv.Itoa(g.n)
		tests = append(tests, Test{
			Reason: "duplicated_" + n + "_n_grams", Signal: "dup_" + n + "_gram",
			Measure: "share of characters in " + n + "-grams (words joined by nothing, counted without overlap) that occurred before",
			Compare: Above, Param: "dup_" + n + "_gram",
			Value: func(v *View, _ Values) (float64, bool) {
				return ratio(v.nGrams().Repeated(g.n, text.Nothing), v.CodePoints())
			},
			Passes: func(v *View, threshold float64) bool {
				return atMost(v.repeatedBound(g.n), v.CodePoints(), threshold)
			},
		})
	}
	return tests
}

// atMost says that a ratio whose numerator is bound or less is not above the threshold.
func atMost(bound, b int, threshold float64) bool {
	share, ok := ratio(bound, b)
	return !ok || share <= threshold
}

// ratio of two counts; a test that would divide by zero does not apply.
func ratio(a, b int) (float64, bool) {
	if b == 0 {
		return 0, false
	}
	return float64(a) / float64(b), true
}
