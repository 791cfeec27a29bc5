package filter

var repairProfile = Profile{
	Name:       "repair",
	Version:    1,
	Summary:    "mends mojibake, takes out control characters, puts the text into normalization form C; edits the text, drops nothing",
	Reproduces: "nobody's texts: of what ftfy 6.3.1 does, what is sure. Right text stays as it is",
	Language:   "for all languages",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "text_repair"}},
}

var symbolLinesProfile = Profile{
	Name:       "datatrove/symbol-lines",
	Version:    1,
	Summary:    "takes out lines of punctuation and symbols; edits the text, drops nothing",
	Reproduces: "datatrove 0.10.1, SymbolLinesFormatter with its defaults",
	Language:   "for all languages",
	Words:      "whitespace",
	Rules:      []RuleUse{{Rule: "symbol_lines"}},
}
