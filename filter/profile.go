package filter

import (
	"fmt"
	"slices"

	"curate/stage"
)

// Profile is a list of rules with their thresholds: what "--profile NAME" names.
type Profile struct {
	Name       string
	Version    int // raised when the same document gives another answer
	Summary    string
	Reproduces string // whose decisions these are
	Language   string // what it is made for, and what it does to others
	Words      string // how words are cut; "whitespace" is the only way
	StopWords  []string
	Rules      []RuleUse // in the order in which they are asked
}

// RuleUse is a rule in a profile, with the parameters that differ from its defaults.
type RuleUse struct {
	Rule string
	Set  []Setting
}

// Setting is a parameter's value.
type Setting struct {
	Param string
	Value float64
}

// profiles is sorted by name.
var profiles = []Profile{
	{
		Name:       "c4",
		Version:    1,
		Summary:    "the line and document rules of C4; edits the text",
		Reproduces: "datatrove 0.10.1, C4QualityFilter with its defaults, its sentences included",
		Language:   "MADE FOR ENGLISH. Its phrases are English; that lines end in . ? ! \" or ' holds for most languages in Latin script",
		Words:      "whitespace",
		Rules:      []RuleUse{{Rule: "c4_quality"}},
	},
	{
		Name:       "fineweb",
		Version:    1,
		Summary:    "the text rules of FineWeb: Gopher, C4 without its terminal punctuation, FineWeb quality; edits the text",
		Reproduces: "datatrove 0.10.1, examples/fineweb.py between its language filter and its deduplication: GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter, on words cut at white space (datatrove cuts them with spaCy, which also separates punctuation); URL and language filters are stages of their own",
		Language:   "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
		Words:      "whitespace",
		StopWords:  gopherStopWords,
		Rules: []RuleUse{
			{Rule: "gopher_repetition"},
			{Rule: "gopher_quality"},
			{Rule: "c4_quality", Set: []Setting{{"filter_no_terminal_punct", 0}}},
			{Rule: "fineweb_quality"},
		},
	},
	{
		Name:       "gopher",
		Version:    1,
		Summary:    "the repetition and quality rules of Gopher (MassiveText)",
		Reproduces: "datatrove 0.10.1: GopherRepetitionFilter, then GopherQualityFilter, with their defaults, on words cut at white space (datatrove cuts them with spaCy, which also separates punctuation)",
		Language:   "ENGLISH ONLY. Its stop words are English: a text in another language nearly always holds fewer than two of them and is dropped, however good it is",
		Words:      "whitespace",
		StopWords:  gopherStopWords,
		Rules:      []RuleUse{{Rule: "gopher_repetition"}, {Rule: "gopher_quality"}},
	},
}

// Profiles are all profiles, sorted by name.
func Profiles() []Profile { return slices.Clone(profiles) }

// Lookup finds a profile. The error names the nearest one.
func Lookup(name string) (Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, stage.UnknownName("profile", name, names)
}

// thresholds are all parameters of the rule in force, by the order of its Params.
func (u *RuleUse) thresholds() (*Rule, []float64, error) {
	rule, ok := ruleNamed(u.Rule)
	if !ok {
		var names []string
		for i := range rules {
			names = append(names, rules[i].Name)
		}
		return nil, nil, stage.UnknownName("rule", u.Rule, names)
	}
	var values []float64
	var names []string
	for _, p := range rule.Params {
		values = append(values, p.Default)
		names = append(names, p.Name)
	}
	for _, s := range u.Set {
		i, ok := rule.param(s.Param)
		if !ok {
			return nil, nil, stage.UnknownName("parameter of "+rule.Name, s.Param, names)
		}
		if s.Value != s.Value || s.Value < 0 {
			return nil, nil, fmt.Errorf("%s.%s is %v; a threshold is a number from 0 on", rule.Name, s.Param, s.Value)
		}
		values[i] = s.Value
	}
	return rule, values, nil
}
