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
	Reproduces string // whose decisions these are, or what they are made after
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
	Why   string // it differs from the default, where that is no part of what the profile reproduces
}

// profiles is sorted by name.
var profiles = []Profile{
	{
		Name:       "basque",
		Version:    1,
		Summary:    "Gopher's rules and FineWeb's rules of lines, with thresholds for Basque",
		Reproduces: "nobody's decisions: the rules are those of datatrove 0.10.1 on words cut at white space; the thresholds that differ were chosen from the distributions of the signals on Basque pages, and pages on both sides of each were looked at. gopher_quality comes first, so that a short page or one in another language is called so",
		Language:   "MADE FOR BASQUE. Its stop words are Basque: a text in another language is dropped for lack of them",
		Words:      "whitespace",
		StopWords:  basqueStopWords,
		Rules: []RuleUse{
			{Rule: "gopher_quality", Set: []Setting{
				{"min_doc_words", 25, "Basque says with 100 words what takes 132 in English (median of the same pages): Gopher's 50 are 38; of the pages that were looked at, those from 25 on hold whole paragraphs, those below a sentence and its headings"},
				{"max_avg_word_length", 12, "an agglutinative language: prose about compound terms reaches 11.3; above 12 words have run together"},
			}},
			{Rule: "gopher_repetition", Set: []Setting{
				{"top_3_gram", 0.2, "in a page of 30 words a single trigram of long words holds 0.18 of the characters; from 0.2 on there are lists of menu paths"},
				{"top_4_gram", 0.25, "in a page of 25 to 40 words a 4-gram that occurs once or twice holds 0.16 of the characters; from 0.25 on there are lists of one phrase"},
				{"dup_line_frac", 0.4, "a short page whose heading stands at its start and its end repeats a third of its lines; dup_line_char_frac still drops it if the lines are long"},
			}},
			{Rule: "fineweb_quality", Set: []Setting{
				{"short_line_thr", 0.8, "up to 0.8 there are sentences between one-word headings, above there are tables and lists of names"},
				{"char_duplicates_ratio", 0.2, "0.01 drops a page for one repeated heading, and the paper's 0.1 still drops prose with a heading to each step; 0.2 is Gopher's value for lines"},
				{"new_line_ratio", 0.4, "0.3 divided by the 0.76 words that Basque needs for one of English"},
			}},
		},
	},
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
			{Rule: "c4_quality", Set: []Setting{{Param: "filter_no_terminal_punct", Value: 0}}},
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
