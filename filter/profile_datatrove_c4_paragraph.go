package filter

var datatroveC4ParagraphProfile = Profile{
	Name:       "datatrove/c4-paragraph",
	Version:    1,
	Summary:    "the paragraph rule of mC4 as datatrove has it",
	Reproduces: "datatrove 0.10.1, C4ParagraphFilter",
	Language:   "FOR ANY LANGUAGE. It counts characters, so it asks for more where a character says more",
	Words:      "spacy-en",
	Rules:      []RuleUse{{Rule: "c4_paragraph"}},
}
