package filter

var datatroveFasttextProfile = Profile{
	Name:       "datatrove/fasttext",
	Version:    1,
	Summary:    "a fastText classifier and a threshold; needs model, label and min_score",
	Reproduces: "datatrove 0.10.1, FastTextClassifierFilter with keep_labels=[(label, min_score)] and its defaults",
	Language:   "FOR THE LANGUAGE OF ITS MODEL",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "fasttext_quality"}},
}
