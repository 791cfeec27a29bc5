package filter

import (
	"unicode/utf8"

	"curate/text"
)

const datatrove02FineWeb = "datatrove 0.2.0, pipeline/filters/fineweb_quality_filter.py"

// fineweb1Quality is fineweb_quality as it was when FineWeb was made: empty lines count, quotation marks end a sentence
// and characters beyond ASCII do not, and a document at a threshold of lines is dropped.
var fineweb1Quality = Rule{
	Name:    "fineweb1_quality",
	Version: 1,
	Summary: "fineweb_quality of FineWeb's generation: empty lines count, quotation marks end a line, and a document at a threshold is dropped",
	Source:  datatrove02FineWeb + "; " + finewebPaper,
	Params: []Param{
		{Name: "line_punct_thr", Default: 0.12, Unit: "of all lines", Source: finewebPaper},
		{Name: "line_punct_exclude_zero", Default: 0, Unit: "1 on, 0 off: a document without any such line passes", Source: datatrove02FineWeb, Inside: true},
		{Name: "short_line_thr", Default: 0.67, Unit: "of all lines", Source: finewebPaper},
		{Name: "short_line_length", Default: 30, Unit: "characters: the longest short line", Source: finewebPaper, Inside: true},
		{Name: "char_duplicates_ratio", Default: 0.01, Unit: "of all characters but line feeds", Source: datatrove02FineWeb + "; the paper's is 0.1"},
		{Name: "new_line_ratio", Default: 0.3, Unit: "per word", Source: datatrove02FineWeb},
	},
	Tests: []Test{
		{
			Reason: "line_punct_ratio", Signal: "fineweb1_line_punct",
			Measure: "share of lines (cut at each line feed, empty ones included) whose last character is one of . ' \" ! ?",
			Compare: AtOrBelow, Param: "line_punct_thr",
			Value: func(v *View, p Values) (float64, bool) {
				n := v.fineweb1Lines(p).punct
				if n == 0 && p.On("line_punct_exclude_zero") {
					return 0, false
				}
				return ratio(n, len(v.FeedLines()))
			},
		}, {
			Reason: "short_line_ratio", Signal: "fineweb1_short_lines",
			Measure: "share of lines (cut at each line feed, empty ones included) of at most short_line_length characters",
			Compare: AtOrAbove, Param: "short_line_thr",
			Value: func(v *View, p Values) (float64, bool) { return ratio(v.fineweb1Lines(p).short, len(v.FeedLines())) },
		}, {
			Reason: "char_dup_ratio", Signal: "fineweb1_dup_line_chars",
			Measure: "share of characters, line feeds not counted, in lines that occurred before; lines of white space do not count",
			Compare: AtOrAbove, Param: "char_duplicates_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				return ratio(v.duplicateTextLines().points, v.CodePoints()-v.lineFeeds())
			},
		}, {
			Reason: "list_ratio", Signal: "lines_per_word",
			Measure: "number of line feeds per word",
			Compare: Above, Param: "new_line_ratio",
			Value: func(v *View, _ Values) (float64, bool) { return ratio(v.lineFeeds(), len(v.Words())) },
		},
	},
}

func (v *View) fineweb1Lines(p Values) *finewebLines {
	f := &v.fineweb1Shape
	if !v.first(haveFineweb1Lines) {
		return f
	}
	*f = finewebLines{}
	longest := int(p.Of("short_line_length"))
	for _, l := range v.FeedLines() {
		line := l.Of(v.doc)
		if len(line) > 0 {
			switch line[len(line)-1] {
			case '.', '\'', '"', '!', '?':
				f.punct++
			}
		}
		if len(line) <= longest || len(line) <= utf8.UTFMax*longest && text.CodePoints(line) <= longest {
			f.short++
		}
	}
	return f
}
