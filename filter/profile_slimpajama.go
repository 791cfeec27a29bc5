package filter

var slimpajamaProfile = Profile{
	Name:    "slimpajama",
	Version: 1,
	Summary: "SlimPajama's rule of short documents; brings the text to NFC",
	Reproduces: slimPajama + ": the second step, after the normal form of the first. The first also repairs mojibake, HTML entities and line ends and straightens quotation marks (ftfy.fix_text), " +
		"which is a stage of its own; without it a curly quotation mark counts as a character, where the reference counts none. Deduplication is a stage of its own",
	Language: "ANY LANGUAGE. 200 characters say less in Chinese than in English",
	Words:    "whitespace",
	Rules:    []RuleUse{{Rule: "slimpajama_short"}},
}
