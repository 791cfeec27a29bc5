package filter

import (
	"curate/stage"
	"curate/text"
)

// wordCut is a way to cut words.
type wordCut struct {
	name    string
	summary string // for help
	// new makes a cutter for one goroutine. It appends the words of a document, which is valid UTF-8, as spans in
	// order that do not overlap, none of them empty.
	new func() func(dst []text.Span, doc []byte) []text.Span
}

// wordCuts are sorted by name.
var wordCuts = []wordCut{
	{"whitespace", "the runs of characters between white space (the Unicode property White_Space)",
		func() func([]text.Span, []byte) []text.Span { return text.Words }},
}

// wordCutNamed finds a way to cut words. The error names the nearest.
func wordCutNamed(name string) (*wordCut, error) {
	for i := range wordCuts {
		if wordCuts[i].name == name {
			return &wordCuts[i], nil
		}
	}
	return nil, stage.UnknownName("way to cut words", name, wordCutNames())
}

func wordCutNames() []string {
	var names []string
	for i := range wordCuts {
		names = append(names, wordCuts[i].name)
	}
	return names
}
