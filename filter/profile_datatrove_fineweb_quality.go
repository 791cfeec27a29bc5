package filter

var datatroveFinewebQualityProfile = Profile{
	Name:       "datatrove/fineweb-quality",
	Version:    1,
	Summary:    "the rules of FineWeb about lines as datatrove has them",
	Reproduces: "datatrove 0.10.1, FineWebQualityFilter with its defaults",
	Language:   datatroveEnglishWords,
	Words:      "spacy-en",
	Rules:      []RuleUse{{Rule: "fineweb_quality"}},
}
