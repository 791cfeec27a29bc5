package filter

var c4Profile = Profile{
	Name:       "c4",
	Version:    1,
	Summary:    "the line and document rules of C4; edits the text",
	Reproduces: "datatrove 0.10.1, C4QualityFilter with its defaults, its sentences included",
	Language:   "MADE FOR ENGLISH. Its phrases are English; that lines end in . ? ! \" or ' holds for most languages in Latin script",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "c4_quality"}},
}
