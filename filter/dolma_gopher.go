package filter

import (
	"bytes"
	"slices"
	"strconv"

	"curate/text"
)

const (
	dolmaTagger = "dolma 1.2.1, python/dolma/taggers/gopher.py"
	dolmaMixer  = "dolma 1.2.1, configs/dolma-v1_6/mixing/cc-middle.yaml"
)

// The two versions of dolma's Gopher tagger differ in what a line is: v1 cuts at each line feed, v2 at runs of
// them, so that empty lines do not count. The reasons are the names of the attributes.
var (
	dolmaGopherV1 = dolmaGopher("v1", "cut at each line feed, empty ones included",
		func(v *View) *dolmaLines { return v.dolmaLinesV1() })
	dolmaGopherV2 = dolmaGopher("v2", "cut at runs of line feeds; an empty one stands before a leading and after a trailing one",
		func(v *View) *dolmaLines { return v.dolmaLinesV2() })
)

func dolmaGopher(version, lines string, of func(*View) *dolmaLines) Rule {
	words := func(reason, measure string, compare Comparison, param string, value func(*View, Values) (float64, bool)) Test {
		return Test{
			Reason: reason, Signal: "dolma_" + reason, Measure: measure, Compare: compare, Param: param, ZeroOff: true,
			Value: func(v *View, p Values) (float64, bool) { return dolmaRounded(value(v, p)) },
		}
	}
	share := func(reason, measure, param string, count func(*dolmaLines) int) Test {
		return Test{
			Reason: reason, Signal: "dolma_" + version + "_" + reason, Measure: measure + "; lines are " + lines,
			Compare: Above, Param: param, ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) {
				l := of(v)
				return dolmaRounded(ratio(count(l), l.lines))
			},
		}
	}
	const (
		count  = "number of words at white space"
		median = "median of the lengths in characters of the words, the mean of two in the middle"
	)
	wordCount := func(v *View, _ Values) (float64, bool) { return float64(len(v.Fields())), true }
	medianLength := func(v *View, p Values) (float64, bool) { return v.dolmaWords(p).median, true }
	rule := Rule{
		Name:    "dolma_gopher_" + version,
		Version: 1,
		Summary: "drops documents by the attributes of dolma's Gopher tagger, lines " + lines,
		Source:  dolmaTagger + " gopher_" + version + "; scores are compared as the tagger writes them, rounded to five digits",
		Params: append([]Param{
			{Name: "min_character_count", Default: 0, Unit: "characters; 0 is no limit", Source: "the mixers test no limit"},
			{Name: "min_word_count", Default: 50, Unit: "words", Source: dolmaMixer},
			{Name: "max_word_count", Default: 100000, Unit: "words", Source: dolmaMixer},
			{Name: "min_median_word_length", Default: 3, Unit: "characters", Source: dolmaMixer},
			{Name: "max_median_word_length", Default: 10, Unit: "characters", Source: dolmaMixer},
			{Name: "max_symbol_to_word_ratio", Default: 0.1, Unit: "of all words", Source: dolmaMixer},
			{Name: "min_words_with_alpha_character", Default: 0.8, Unit: "of all words", Source: dolmaMixer},
			{Name: "min_required_word_count", Default: 2, Unit: "occurrences", Source: dolmaMixer},
			{Name: "max_lines_starting_with_bullet_point", Default: 0.9, Unit: "of all lines", Source: dolmaMixer},
			{Name: "max_lines_ending_with_ellipsis", Default: 0.3, Unit: "of all lines", Source: dolmaMixer},
			{Name: "max_duplicate_lines", Default: 0.3, Unit: "of all lines", Source: dolmaMixer},
			{Name: "max_characters_in_duplicate_lines", Default: 0.3, Unit: "per character that is not white space", Source: dolmaMixer + "; the paper's is 0.2"},
		}, dolmaNGramParams()...),
		Lists: []List{
			{Name: "stop_words", Default: gopherStopWords, Help: "at most 64, looked for in their very spelling", Source: dolmaTagger},
		},
		Prepare: func(p Values) (any, error) { return newStopWords(p.List("stop_words")) },
		Tests: []Test{
			words("character_count", "number of characters", Below, "min_character_count",
				func(v *View, _ Values) (float64, bool) { return float64(v.CodePoints()), true }),
			words("word_count", count, Below, "min_word_count", wordCount),
			words("word_count", count, Above, "max_word_count", wordCount),
			words("median_word_length", median, Below, "min_median_word_length", medianLength),
			words("median_word_length", median, Above, "max_median_word_length", medianLength),
			words("symbol_to_word_ratio", "share of words that hold \"#\" or \"…\" (not \"...\")", Above, "max_symbol_to_word_ratio",
				func(v *View, p Values) (float64, bool) {
					return float64(v.dolmaWords(p).symbols) / dolmaPart(len(v.Fields())), true
				}),
			words("fraction_of_words_with_alpha_character", "share of words with at least one letter", Below, "min_words_with_alpha_character",
				func(v *View, p Values) (float64, bool) {
					return float64(v.dolmaWords(p).alpha) / dolmaPart(len(v.Fields())), true
				}),
			words("required_word_count", "number of words that are stop words, in their very spelling, one that occurs twice counted twice", Below, "min_required_word_count",
				func(v *View, p Values) (float64, bool) { return float64(v.dolmaWords(p).required), true }),
			share("fraction_of_lines_starting_with_bullet_point", "share of lines that begin with \"*\" or \"-\", without white space before it", "max_lines_starting_with_bullet_point",
				func(l *dolmaLines) int { return l.bullets }),
			share("fraction_of_lines_ending_with_ellipsis", "share of lines that end with \"…\", without white space after it", "max_lines_ending_with_ellipsis",
				func(l *dolmaLines) int { return l.ellipses }),
			share("fraction_of_duplicate_lines", "share of lines that occur more than once, their first occurrence included", "max_duplicate_lines",
				func(l *dolmaLines) int { return l.copies }),
			{
				Reason: "fraction_of_characters_in_duplicate_lines", Signal: "dolma_" + version + "_fraction_of_characters_in_duplicate_lines",
				Measure: "characters in lines that occur more than once, all occurrences, by the characters of words; may be more than 1; lines are " + lines,
				Compare: Above, Param: "max_characters_in_duplicate_lines", ZeroOff: true,
				Value: func(v *View, p Values) (float64, bool) {
					return dolmaRounded(float64(of(v).copied)/dolmaPart(v.dolmaWords(p).points), true)
				},
			},
		},
	}
	for _, g := range topNGrams {
		n := strconv.Itoa(g.n)
		rule.Tests = append(rule.Tests, words("fraction_of_characters_in_most_common_"+n+"grams",
			"characters of the most frequent "+n+"-gram of words (of several the first) times its count, overlapping occurrences included, by the characters of words; may be more than 1",
			Above, "max_characters_in_most_common_"+n+"grams",
			func(v *View, p Values) (float64, bool) { return v.dolmaMostCommon(p, g.n) }))
	}
	for _, g := range dupNGrams {
		n := strconv.Itoa(g.n)
		rule.Tests = append(rule.Tests, words("fraction_of_characters_in_duplicate_"+n+"grams",
			"characters of the "+n+"-grams of words that occur more than once, all occurrences, by those of all "+n+"-grams, a word counted once for each "+n+"-gram that holds it",
			Above, "max_characters_in_duplicate_"+n+"grams",
			func(v *View, p Values) (float64, bool) { return v.dolmaDuplicate(p, g.n) }))
	}
	return rule
}

func dolmaNGramParams() (params []Param) {
	for _, g := range topNGrams {
		params = append(params, Param{Name: "max_characters_in_most_common_" + strconv.Itoa(g.n) + "grams", Default: g.frac,
			Unit: "per character that is not white space; 0 is no limit", Source: dolmaMixer})
	}
	for _, g := range dupNGrams {
		params = append(params, Param{Name: "max_characters_in_duplicate_" + strconv.Itoa(g.n) + "grams", Default: g.frac,
			Unit: "of the characters of all n-grams; 0 is no limit", Source: dolmaMixer})
	}
	return params
}

// dolmaPart is a denominator, which the reference keeps from being 0.
func dolmaPart(n int) float64 { return float64(max(n, 1)) }

// dolmaRounded is a score as the attribute files hold it (core/taggers.py TAGGER_SCORE_PRECISION), which is what
// the mixer compares. Python's round is the nearest number of five decimal digits to the exact value.
func dolmaRounded(score float64, ok bool) (float64, bool) {
	if score == float64(int64(score)) {
		return score, ok
	}
	var digits [32]byte
	rounded, err := strconv.ParseFloat(string(strconv.AppendFloat(digits[:0], score, 'f', 5, 64)), 64)
	if err != nil {
		return score, ok // no finite number comes here
	}
	return rounded, ok
}

// dolmaWordCounts is what one walk over the words finds.
type dolmaWordCounts struct {
	points   int // code points of all words
	median   float64
	symbols  int // words with "#" or "…"
	alpha    int
	required int // stop words
}

// manyPoints is where lengths of words are no longer counted one by one for the median.
const manyPoints = 64

func (v *View) dolmaWords(p Values) *dolmaWordCounts {
	n := &v.dolma.words
	if !v.first(haveDolmaWords) {
		return n
	}
	*n = dolmaWordCounts{}
	words := v.Fields()
	stop := p.Made().(*stopWords)
	ascii := v.CodePoints() == len(v.doc)
	symbols := bytes.IndexByte(v.doc, '#') >= 0 || !ascii && bytes.Contains(v.doc, ellipsis)
	var lengths [manyPoints]int32
	v.dolma.long = v.dolma.long[:0]
	v.dolma.ends = append(v.dolma.ends[:0], 0)
	for _, w := range words {
		word := w.Of(v.doc)
		points := len(word)
		if !ascii {
			points = text.CodePoints(word)
		}
		n.points += points
		v.dolma.ends = append(v.dolma.ends, int32(n.points))
		if points < manyPoints {
			lengths[points]++
		} else {
			v.dolma.long = append(v.dolma.long, int32(points))
		}
		if symbols && (bytes.IndexByte(word, '#') >= 0 || bytes.Contains(word, ellipsis)) {
			n.symbols++
		}
		if text.HasLetter(word) {
			n.alpha++
		}
		if stop.bit(word) != 0 {
			n.required++
		}
	}
	if len(words) > 0 {
		slices.Sort(v.dolma.long)
		a, b := orderStatistic(&lengths, v.dolma.long, (len(words)-1)/2), orderStatistic(&lengths, v.dolma.long, len(words)/2)
		n.median = float64(a+b) / 2
	}
	return n
}

// orderStatistic is the k-th smallest length, from 0 on.
func orderStatistic(counts *[manyPoints]int32, long []int32, k int) int {
	for length, c := range counts {
		if k < int(c) {
			return length
		}
		k -= int(c)
	}
	return int(long[k])
}

// dolmaMostCommon does not apply to a text without an n-gram, as the tagger writes no attribute.
func (v *View) dolmaMostCommon(p Values, n int) (float64, bool) {
	at, count := v.fieldGrams().MostFrequentAt(n, text.Space)
	if count == 0 {
		return 0, false
	}
	all := v.dolmaWords(p).points
	ends := v.dolma.ends
	return float64(count*int(ends[at+n]-ends[at])) / dolmaPart(all), true
}

func (v *View) dolmaDuplicate(p Values, n int) (float64, bool) {
	m := len(v.Fields()) - n + 1
	if m <= 0 {
		return 0, false
	}
	v.dolmaWords(p)
	ends := v.dolma.ends
	all, repeated := 0, 0
	for i := range m {
		all += int(ends[i+n] - ends[i])
	}
	v.again = v.fieldGrams().Again(v.again[:0], n, text.Space)
	for _, a := range v.again {
		points := int(ends[a.At+int32(n)] - ends[a.At])
		repeated += points
		if a.Second {
			repeated += points // of the first one
		}
	}
	return float64(repeated) / dolmaPart(all), true
}

// dolmaLines is what one walk over the lines finds.
type dolmaLines struct {
	lines, bullets, ellipses int
	copies, copied           int // lines that occur more than once, and their code points
}

func (v *View) dolmaLinesV1() *dolmaLines {
	if v.first(haveDolmaLinesV1) {
		v.countDolmaLines(&v.dolma.v1, v.FeedLines())
	}
	return &v.dolma.v1
}

func (v *View) dolmaLinesV2() *dolmaLines {
	if v.first(haveDolmaLinesV2) {
		v.countDolmaLines(&v.dolma.v2, v.Pieces())
	}
	return &v.dolma.v2
}

func (v *View) countDolmaLines(n *dolmaLines, lines []text.Span) {
	*n = dolmaLines{lines: len(lines)}
	for _, l := range lines {
		line := l.Of(v.doc)
		if len(line) == 0 {
			continue
		}
		if line[0] == '*' || line[0] == '-' {
			n.bullets++
		}
		if bytes.HasSuffix(line, ellipsis) {
			n.ellipses++
		}
	}
	n.copies, n.copied = v.repeats.Copies(v.doc, lines)
}

// dolmaView is what a View knows for the rules of dolma.
type dolmaView struct {
	words  dolmaWordCounts
	ends   []int32 // code points of the words up to each, 0 first
	long   []int32 // code points of long words
	v1, v2 dolmaLines
}

func (d *dolmaView) size() int { return 4 * (cap(d.ends) + cap(d.long)) }
