package filter

var gopherProfile = Profile{
	Name:       "gopher",
	Version:    1,
	Summary:    "the repetition and quality rules of Gopher (MassiveText)",
	Reproduces: "datatrove 0.10.1: GopherRepetitionFilter, then GopherQualityFilter, with their defaults, on words cut at white space (datatrove cuts them with spaCy, which also separates punctuation)",
	Language:   "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "gopher_repetition"}, {Rule: "gopher_quality"}},
}
