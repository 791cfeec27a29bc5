package filter

import (
	"strconv"

	"curate/text"
)

const (
	datatrove02Repetition = "datatrove 0.2.0, pipeline/filters/gopher_repetition_filter.py"
	datatrove02Quality    = "datatrove 0.2.0, pipeline/filters/gopher_quality_filter.py"
)

// fineweb1GopherRepetition is gopher_repetition as it was when FineWeb was made: lines are those of splitlines, so that
// empty ones repeat each other, and words are NLTK's, quotation marks as NLTK writes them.
var fineweb1GopherRepetition = func() Rule {
	r := gopherRepetition
	r.Name = "fineweb1_gopher_repetition"
	r.Summary = "gopher_repetition of FineWeb's generation: empty lines count and repeat each other, words are NLTK's"
	r.Source = datatrove02Repetition + "; " + gopherTableA1
	r.NewScratch = func(any) any { return new(nltkGrams) }
	r.Tests = append([]Test(nil), gopherRepetition.Tests[:2]...)
	r.Tests = append(r.Tests,
		Test{
			Reason: "dup_line_frac", Signal: "fineweb1_dup_line_frac",
			Measure: "share of lines (of Python's splitlines, empty ones included) that occurred before",
			Compare: Above, Param: "dup_line_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.duplicateLines().elements, len(v.Lines())) },
		}, Test{
			Reason: "dup_line_char_frac", Signal: "fineweb1_dup_line_char_frac",
			Measure: "share of characters in lines (of Python's splitlines) that occurred before",
			Compare: Above, Param: "dup_line_char_frac", ZeroOff: true,
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.duplicateLines().points, v.CodePoints()) },
		})
	for _, g := range topNGrams {
		n := strconv.Itoa(g.n)
		r.Tests = append(r.Tests, Test{
			Reason: "top_" + n + "_gram", Signal: "fineweb1_top_" + n + "_gram",
			Measure: "length of the most frequent " + n + "-gram (NLTK's words joined by a space; of several the first) times its count, overlapping occurrences included, by the characters of the text",
			Compare: Above, Param: "top_" + n + "_gram",
			Value: func(v *View, p Values) (float64, bool) {
				points, count := v.Scratch(p).(*nltkGrams).of(v).MostFrequent(g.n, text.Space)
				if count == 0 {
					return 0, false
				}
				return ratio(points*count, v.CodePoints())
			},
		})
	}
	for _, g := range dupNGrams {
		n := strconv.Itoa(g.n)
		r.Tests = append(r.Tests, Test{
			Reason: "duplicated_" + n + "_n_grams", Signal: "fineweb1_dup_" + n + "_gram",
			Measure: "characters of " + n + "-grams (NLTK's words joined by nothing, counted without overlap) that occurred before, by those of the text",
			Compare: Above, Param: "dup_" + n + "_gram",
			Value: func(v *View, p Values) (float64, bool) {
				return ratio(v.Scratch(p).(*nltkGrams).of(v).Repeated(g.n, text.Nothing), v.CodePoints())
			},
		})
	}
	return r
}()

// nltkGrams are the words of a text as NLTK writes them.
type nltkGrams struct {
	nltk    text.NLTK
	text    []byte
	words   []text.Span
	repeats text.Repeats
}

func (g *nltkGrams) Size() int {
	return g.nltk.Size() + cap(g.text) + spanSize*cap(g.words) + g.repeats.Size()
}

func (g *nltkGrams) Shrink() { *g = nltkGrams{} }

// of is ready for questions about n-grams of the document of v.
func (g *nltkGrams) of(v *View) *text.Repeats {
	if v.first(haveNLTKGrams) {
		g.text, g.words = g.nltk.AppendWords(g.text[:0], g.words[:0], v.doc)
		g.repeats.Words(g.text, g.words, text.CodePoints(g.text))
	}
	return &g.repeats
}

func (v *View) duplicateLines() duplicates {
	if v.first(haveDupAllLines) {
		v.dupAllLines.elements, v.dupAllLines.points = v.repeats.Duplicates(v.doc, v.Lines())
	}
	return v.dupAllLines
}

// fineweb1GopherQuality is gopher_quality as it was when FineWeb was made: punctuation is PUNCTUATION alone, and a stop
// word that occurs twice counts twice.
var fineweb1GopherQuality = func() Rule {
	r := gopherQuality
	r.Name = "fineweb1_gopher_quality"
	r.Summary = "gopher_quality of FineWeb's generation: fewer characters are punctuation, and each occurrence of a stop word counts"
	r.Source = datatrove02Quality + "; " + gopherA11
	r.Tests = append([]Test(nil), gopherQuality.Tests...)
	for i := range r.Tests {
		t := &r.Tests[i]
		switch t.Signal {
		case "words":
			t.Signal, t.Measure = "fineweb1_words", "number of words with a character that is not in PUNCTUATION (129 characters)"
			t.Value = func(v *View, p Values) (float64, bool) { return float64(v.fineweb1Words(p).notSymbols), true }
		case "mean_word_length":
			t.Signal, t.Measure = "fineweb1_mean_word_length", "mean length in characters of the words that are not only of PUNCTUATION"
			t.Value = func(v *View, p Values) (float64, bool) {
				w := v.fineweb1Words(p)
				return ratio(w.points, w.notSymbols)
			}
		case "alpha_words": // the other walk would make a set of stop words besides
			t.Value = func(v *View, p Values) (float64, bool) { return ratio(v.fineweb1Words(p).alpha, len(v.Words())) }
		case "stop_words":
			t.Signal, t.Measure = "fineweb1_stop_words", "number of words that are stop words, in their very spelling, one that occurs twice counted twice"
			t.Value = func(v *View, p Values) (float64, bool) { return float64(v.fineweb1Words(p).stop), true }
		}
	}
	return r
}()

// fineweb1Words is what one walk over the words finds.
type fineweb1Words struct{ notSymbols, points, alpha, stop int }

func (v *View) fineweb1Words(p Values) *fineweb1Words {
	n := &v.fineweb1
	if !v.first(haveFineweb1Words) {
		return n
	}
	*n = fineweb1Words{}
	stop := p.Made().(*stopWords)
	for _, w := range v.Words() {
		word := w.Of(v.doc)
		letters := text.HasLetter(word)
		if letters {
			n.alpha++
		}
		if letters || !onlyPunctuation(word) {
			n.notSymbols++
			n.points += text.CodePoints(word)
		}
		if stop.bit(word) != 0 {
			n.stop++
		}
	}
	return n
}

// onlyPunctuation tells whether all characters are in PUNCTUATION, which is no part of TERMINAL_PUNCTUATION here.
func onlyPunctuation(word []byte) bool {
	for _, r := range string(word) {
		if !inRanges(punctuation, r) {
			return false
		}
	}
	return true
}
