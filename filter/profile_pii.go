package filter

var piiProfile = Profile{
	Name:       "pii",
	Version:    1,
	Summary:    "masks e-mail addresses, public IP addresses, telephone numbers, IBANs and card numbers; edits the text, drops nothing",
	Reproduces: "nobody's decisions: the scanners are curate's own, and would rather miss a number than take another one for it",
	Language:   "for all languages",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "pii"}},
}

var datatrovePIIProfile = Profile{
	Name:       "datatrove/pii",
	Version:    1,
	Summary:    "replaces e-mail addresses and public IPv4 addresses as datatrove's formatter does; edits the text, drops nothing",
	Reproduces: "datatrove 0.10.1, PIIFormatter with its defaults, under CPython 3.11. Its lists of replacements go on from one document to the next, so that its texts depend on the order and on the number of tasks; here each document begins anew",
	Language:   "for all languages",
	Words:      "whitespace",
	Rules: []RuleUse{{Rule: "pii", Set: []Setting{
		{Param: "scanner", Value: piiScanDatatrove}, {Param: "action", Value: piiReplace},
	}}},
}

var dolmaPIIProfile = Profile{
	Name:       "dolma/pii",
	Version:    1,
	Summary:    "masks e-mail addresses, telephone numbers and IP addresses as Dolma 1.6 was masked, and drops documents with more than five; edits the text",
	Reproduces: "dolma 1.2.1, tagger pii_regex_with_counts_fast_v2, and the mixer's settings of Dolma 1.6 (configs/dolma-v1_6/mixing/cc-head.yaml): a score above 5 goes, other spans are replaced. Of spans that overlap the first is replaced",
	Language:   "MADE FOR NORTH AMERICA: telephone numbers are three, three and four digits",
	Words:      "whitespace",
	Rules: []RuleUse{{Rule: "pii", Set: []Setting{
		{Param: "scanner", Value: piiScanDolmaFast},
		{Param: "mask_email", Value: " |||EMAIL_ADDRESS||| "}, {Param: "mask_ip", Value: " |||IP_ADDRESS||| "}, {Param: "mask_phone", Value: " |||PHONE_NUMBER||| "},
		{Param: "max_spans", Value: 5},
	}}},
}
