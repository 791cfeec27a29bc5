package filter

import "curate/text"

const (
	datatroveC4Paragraph = "datatrove 0.10.1, pipeline/filters/c4_filters.py C4ParagraphFilter"
	c4ParagraphCode      = "tensorflow/datasets, text/c4_utils.py paragraph_filter"
)

// c4Paragraph is the rule of mC4: a page that is worth reading has three lines that are paragraphs.
var c4Paragraph = Rule{
	Name:    "c4_paragraph",
	Version: 1,
	Summary: "drops documents with fewer than three long lines",
	Source:  datatroveC4Paragraph + "; Xue et al. 2021 (arXiv:2010.11934), section 3.1",
	Params: []Param{
		{Name: "min_paragraphs", Default: 3, Unit: "lines", Source: c4ParagraphCode},
		{Name: "min_paragraph_len", Default: 200, Unit: "characters", Source: c4ParagraphCode, Inside: true},
	},
	Tests: []Test{{
		Reason: "< 3 paragraphs", Signal: "paragraph_lines",
		Measure: "number of lines (cut at line feeds, their white space counted) of at least min_paragraph_len characters",
		Compare: Below, Param: "min_paragraphs", ZeroOff: true,
		Value: func(v *View, p Values) (float64, bool) {
			n, least := 0, int(p.Of("min_paragraph_len"))
			for _, l := range v.Pieces() {
				if l.Len() >= least && text.CodePoints(l.Of(v.doc)) >= least {
					n++
				}
			}
			return float64(n), true
		},
	}},
}
