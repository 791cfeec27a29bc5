package filter

var fineweb1Profile = Profile{
	Name:    "fineweb@1",
	Version: 1,
	Summary: "the text rules with which FineWeb was made, as datatrove was then; edits the text",
	Reproduces: "datatrove 0.2.0 (April 2024) with NLTK 3.8.1, examples/fineweb.py between its language filter and its deduplication: GopherRepetitionFilter, GopherQualityFilter, " +
		"C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter. What differs from profile fineweb, which is the same list of filters in datatrove 0.10.1: words and sentences are NLTK's; " +
		"empty lines count as lines and as repetitions; quotation marks end a line; a document at a threshold of lines is dropped; each occurrence of a stop word counts; URL and language filters are stages of their own",
	Language: "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
	Words:    "nltk-en",
	Rules: []RuleUse{
		{Rule: "fineweb1_gopher_repetition"},
		{Rule: "fineweb1_gopher_quality"},
		{Rule: "c4_quality", Set: []Setting{{Param: "filter_no_terminal_punct", Value: 0}, {Param: "sentences", Value: "nltk-en"}}},
		{Rule: "fineweb1_quality"},
	},
}
