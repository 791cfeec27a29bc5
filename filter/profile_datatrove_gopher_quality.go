package filter

var datatroveGopherQualityProfile = Profile{
	Name:       "datatrove/gopher-quality",
	Version:    1,
	Summary:    "the quality rules of Gopher as datatrove has them",
	Reproduces: "datatrove 0.10.1, GopherQualityFilter with its defaults",
	Language:   "ENGLISH ONLY. Its stop words are English, for every language in the reference: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
	Words:      "spacy-en",
	Rules:      []RuleUse{{Rule: "gopher_quality"}},
}
