package filter

var nemoFasttextQualityProfile = Profile{
	Name:       "nemo-curator/fasttext-quality",
	Version:    1,
	Summary:    "a fastText classifier and a draw that lets some documents with low scores through; needs model",
	Reproduces: "NeMo-Curator 01c440b, FastTextQualityFilter with its defaults: its scores. Which documents are drawn is not NeMo's choice, which depends on all documents before them",
	Language:   "FOR THE LANGUAGE OF ITS MODEL",
	Words:      "whitespace",
	Rules: []RuleUse{{Rule: "fasttext_quality", Set: []Setting{
		{Param: "label", Value: "hq"},
		{Param: "score", Value: "top"},
		{Param: "pareto_alpha", Value: 3},
		{Param: "newline_replacement", Value: " "},
		{Param: "strip", Value: 0},
		{Param: "replace_label_prefix", Value: 1},
	}}},
}
