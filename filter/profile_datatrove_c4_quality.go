package filter

var datatroveC4QualityProfile = Profile{
	Name:       "datatrove/c4-quality",
	Version:    1,
	Summary:    "the line and document rules of C4 as datatrove has them; edits the text",
	Reproduces: "datatrove 0.10.1, C4QualityFilter with its defaults",
	Language:   "MADE FOR ENGLISH. Its phrases and its sentences are English; that lines end in . ? ! \" or ' holds for most languages in Latin script",
	Words:      "spacy-en",
	Rules:      []RuleUse{{Rule: "c4_quality"}},
}
