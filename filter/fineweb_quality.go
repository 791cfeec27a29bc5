package filter

import (
	"bytes"
	"unicode/utf8"

	"curate/text"
)

const (
	datatroveFineWeb = "datatrove 0.10.1, pipeline/filters/fineweb_quality_filter.py"
	finewebPaper     = "Penedo et al. 2024 (arXiv:2406.17557), section 3.6"
)

// finewebQuality drops documents whose lines do not look like prose: lists, menus, repeated lines. A line is what
// lies between line feeds and is not only white space.
var finewebQuality = Rule{
	Name:    "fineweb_quality",
	Version: 1,
	Summary: "drops documents by their lines: those that end as a sentence does, short ones, repeated ones, and their number per word",
	Source:  datatroveFineWeb + "; " + finewebPaper,
	Params: []Param{
		{Name: "line_punct_thr", Default: 0.12, Unit: "of all lines", Source: finewebPaper},
		{Name: "line_punct_exclude_zero", Default: 0, Unit: "1 on, 0 off: a document without any such line passes", Source: datatroveFineWeb, Inside: true},
		{Name: "short_line_thr", Default: 0.67, Unit: "of all lines", Source: finewebPaper},
		{Name: "short_line_length", Default: 30, Unit: "characters: the longest short line", Source: finewebPaper, Inside: true},
		{Name: "char_duplicates_ratio", Default: 0.01, Unit: "of all characters but line feeds", Source: datatroveFineWeb + "; the paper's is 0.1"},
		{Name: "new_line_ratio", Default: 0.3, Unit: "per word", Source: datatroveFineWeb},
	},
	Tests: []Test{
		{
			Reason: "empty", Signal: "text_lines",
			Measure: "number of lines that are not only white space (of this rule, cut at line feeds)",
			Compare: Below, Fixed: 1,
			Value: func(v *View, _ Values) (float64, bool) { return float64(len(v.TextLines())), true },
		}, {
			Reason: "line_punct_ratio", Signal: "line_punct",
			Measure: "share of lines whose last character is of TERMINAL_PUNCTUATION: 159 of them, no quotation mark, no ellipsis, no white space",
			Compare: Below, Param: "line_punct_thr",
			Value: func(v *View, p Values) (float64, bool) {
				n := v.finewebLines(p).punct
				if n == 0 && p.On("line_punct_exclude_zero") {
					return 0, false
				}
				return ratio(n, len(v.TextLines()))
			},
		}, {
			Reason: "short_line_ratio", Signal: "short_lines",
			Measure: "share of lines of at most short_line_length characters",
			Compare: Above, Param: "short_line_thr",
			Value: func(v *View, p Values) (float64, bool) {
				return ratio(v.finewebLines(p).short, len(v.TextLines()))
			},
		}, {
			Reason: "char_dup_ratio", Signal: "dup_text_line_chars",
			Measure: "share of characters, line feeds not counted, in lines that occurred before",
			Compare: Above, Param: "char_duplicates_ratio",
			Value: func(v *View, _ Values) (float64, bool) {
				if len(v.TextLines()) == 0 {
					return 0, false
				}
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

// finewebLines is what one walk over the lines finds.
type finewebLines struct{ punct, short int }

func (v *View) finewebLines(p Values) *finewebLines {
	f := &v.fineweb
	if !v.first(haveFineweb) {
		return f
	}
	*f = finewebLines{}
	longest := int(p.Of("short_line_length"))
	for _, l := range v.TextLines() {
		line := l.Of(v.doc)
		if endsInTerminal(line) {
			f.punct++
		}
		if len(line) <= longest || len(line) <= utf8.UTFMax*longest && text.CodePoints(line) <= longest {
			f.short++
		}
	}
	return f
}

func endsInTerminal(line []byte) bool {
	c := line[len(line)-1]
	if c < utf8.RuneSelf {
		return c == '.' || c == '!' || c == '?'
	}
	r, _ := utf8.DecodeLastRune(line)
	return inRanges(terminalPunctuation, r)
}

func (v *View) lineFeeds() int { return bytes.Count(v.doc, lineFeed) }

var lineFeed = []byte("\n")
