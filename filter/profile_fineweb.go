package filter

var finewebProfile = Profile{
	Name:       "fineweb",
	Version:    1,
	Summary:    "the text rules of FineWeb: Gopher, C4 without its terminal punctuation, FineWeb quality; edits the text",
	Reproduces: "datatrove 0.10.1, examples/fineweb.py between its language filter and its deduplication: GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter, on words cut at white space (datatrove cuts them with spaCy, which also separates punctuation); URL and language filters are stages of their own",
	Language:   "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
	Words:      "whitespace",
	Rules: []RuleUse{
		{Rule: "gopher_repetition"},
		{Rule: "gopher_quality"},
		{Rule: "c4_quality", Set: []Setting{{Param: "filter_no_terminal_punct", Value: 0}}},
		{Rule: "fineweb_quality"},
	},
}
