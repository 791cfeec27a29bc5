package filter

var dolmaC4V1Profile = Profile{
	Name:    "dolma/c4-v1",
	Version: 1,
	Summary: "takes lines out that do not end as a sentence does or have too few words, as dolma's first C4 tagger and its mixer; edits the text",
	Reproduces: "dolma 1.2.1: tagger c4_v1 with the mixer's configuration tests/config/c4-cleaned.json, the one that names this tagger: it takes lines out and drops nothing, " +
		"though the tagger also tags curly braces, \"lorem ipsum\", JavaScript and naughty words (their tests are off here). The mixers of Dolma v1.5 and v1.6 read \"v1-c4-cleaned\", text from which lines had been taken so. " +
		"Where a text holds U+0130, the mixer's offsets are right with this tagger and off by one with c4_v2",
	Language: "MADE FOR ENGLISH. That lines end in . ? ! or \" holds for most languages in Latin script",
	Words:    "whitespace",
	Rules: []RuleUse{{Rule: "dolma_c4_v1", Set: []Setting{
		{Param: "filter_curly_brace", Value: 0},
		{Param: "filter_lorem_ipsum", Value: 0},
		{Param: "filter_javascript", Value: 0},
		{Param: "filter_naughty_word", Value: 0},
	}}},
}

var dolmaC4V2Profile = Profile{
	Name:    "dolma/c4-v2",
	Version: 1,
	Summary: "the documents and lines of C4 as dolma's second C4 tagger and its mixer choose them; edits the text",
	Reproduces: "dolma 1.2.1: tagger c4_v2 with configs/c4-replication/mixer.yaml, but for its language test (a stage of its own) and its list of naughty words, which does not come with this program: " +
		"give naughty_words of dolma_c4_v2 to have that test. A document whose lines all go is kept with an empty text, as the mixer keeps it",
	Language: "MADE FOR ENGLISH. Its phrases are English; that lines end in . ? ! or \" holds for most languages in Latin script",
	Words:    "whitespace",
	Rules:    []RuleUse{{Rule: "dolma_c4_v2"}},
}
