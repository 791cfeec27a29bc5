package filter

var datatroveGopherRepetitionProfile = Profile{
	Name:       "datatrove/gopher-repetition",
	Version:    1,
	Summary:    "the repetition rules of Gopher as datatrove has them",
	Reproduces: "datatrove 0.10.1, GopherRepetitionFilter with its defaults",
	Language:   datatroveEnglishWords,
	Words:      "spacy-en",
	Rules:      []RuleUse{{Rule: "gopher_repetition"}},
}

const datatroveEnglishWords = "WORDS ARE CUT AS ENGLISH, the reference's default. A text in another language is cut by those rules, too, which is of little consequence where words have spaces between them"
