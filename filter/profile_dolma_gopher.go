package filter

const dolmaEnglish = "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is"

const dolmaGopherRules = "Rules about personal data, repeated tokens, toxic sentences and duplicates, which the mixer has besides, are stages of their own"

// The mixer's names of the attributes have no plural s.
const dolmaMeant = "The released configuration asks for attributes fraction_of_characters_in_most_common_2gram, _3gram and _4gram, " +
	"but the tagger writes _2grams, _3grams and _4grams, and a missing attribute passes: these three rules never dropped a document. "

var dolmaGopherV1Profile = Profile{
	Name:    "dolma/gopher-v1",
	Version: 1,
	Summary: "Gopher's rules as dolma's first tagger counts, with the thresholds of Dolma v1.6, as they were meant",
	Reproduces: "dolma 1.2.1: tagger gopher_v1 with configs/dolma-v1_6/mixing/cc-middle.yaml (the files for head, tail and C4 test the same, as those of v1.5 do). " + dolmaMeant +
		"Here they do; dolma/gopher-v1@released is what was released. " + dolmaGopherRules,
	Language: dolmaEnglish,
	Words:    "whitespace",
	Rules:    []RuleUse{{Rule: "dolma_gopher_v1"}},
}

var dolmaGopherV1ReleasedProfile = Profile{
	Name:    "dolma/gopher-v1@released",
	Version: 1,
	Summary: "Gopher's rules as dolma's first tagger counts, with the thresholds of Dolma v1.6, as they worked",
	Reproduces: "dolma 1.2.1: tagger gopher_v1 with configs/dolma-v1_6/mixing/cc-middle.yaml, whose rules about most frequent n-grams are without effect. " + dolmaMeant +
		"dolma/gopher-v1 is what was meant. " + dolmaGopherRules,
	Language: dolmaEnglish,
	Words:    "whitespace",
	Rules:    []RuleUse{{Rule: "dolma_gopher_v1", Set: withoutMostCommon}},
}

var withoutMostCommon = []Setting{
	{Param: "max_characters_in_most_common_2grams", Value: 0, Why: "the mixer looks for the attribute under another name"},
	{Param: "max_characters_in_most_common_3grams", Value: 0, Why: "the mixer looks for the attribute under another name"},
	{Param: "max_characters_in_most_common_4grams", Value: 0, Why: "the mixer looks for the attribute under another name"},
}

var dolmaGopherV2Profile = Profile{
	Name:    "dolma/gopher-v2",
	Version: 1,
	Summary: "Gopher's rules as dolma's second tagger counts (empty lines do not), with the thresholds of Dolma v1.6",
	Reproduces: "dolma 1.2.1: tagger gopher_v2 with the thresholds of configs/dolma-v1_6/mixing/cc-middle.yaml. No released configuration asks for this tagger (those of v1.7 only sample and tokenize), " +
		"so this is what v1.6 meant with the later tagger. " + dolmaGopherRules,
	Language: dolmaEnglish,
	Words:    "whitespace",
	Rules:    []RuleUse{{Rule: "dolma_gopher_v2"}},
}
