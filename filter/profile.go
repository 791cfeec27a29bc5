package filter

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"curate/stage"
)

// Profile is a list of rules with their thresholds: what "--profile NAME" names.
type Profile struct {
	Name       string
	Version    int // raised when the same document gives another answer
	Summary    string
	Reproduces string    // whose decisions these are, or what they are made after
	Language   string    // what it is made for, and what it does to others
	Words      string    // how words are cut: a name of words.go
	Rules      []RuleUse // in the order in which they are asked
	// LanguageField is where a record says its language, for Languages; "" is "language".
	LanguageField string
	Languages     []LanguageUse // sorted by language
	// Conditions over fields alone are asked before the rules, the others behind them, in this order.
	Conditions []Condition
	// parts are the profiles of a composition (Compose), which has nothing else but a name.
	parts []Profile
}

// LanguageUse are the settings of a profile for the documents of a language.
type LanguageUse struct {
	Language string    // as the records have it
	Rules    []RuleUse // what differs from the profile's own settings; each stands for all uses of its rule
}

// RuleUse is a rule in a profile, with the parameters that differ from its defaults.
type RuleUse struct {
	Rule string
	Set  []Setting
}

// Setting is a parameter's value.
type Setting struct {
	Param string
	// Value is a number or a bool for a Param, a string for a Text, a []string for a List.
	Value any
	Why   string // it differs from the default, where that is no part of what the profile reproduces
}

// Lookup finds a profile. The error names the nearest one.
func Lookup(name string) (Profile, error) {
	for _, p := range profiles {
		if p.Name == name {
			return *p, nil
		}
	}
	return Profile{}, stage.UnknownName("profile", name, profileNames())
}

func profileNames() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}

// values are the parameters of the rule in force. Nothing is prepared.
func (u *RuleUse) values() (Values, error) {
	rule, ok := ruleNamed(u.Rule)
	if !ok {
		var names []string
		for i := range rules {
			names = append(names, rules[i].Name)
		}
		return Values{}, stage.UnknownName("rule", u.Rule, names)
	}
	p := Values{rule: rule, more: &moreValues{}}
	for i := range rule.Params {
		p.v = append(p.v, rule.Params[i].Default)
	}
	for i := range rule.Texts {
		p.more.texts = append(p.more.texts, rule.Texts[i].Default)
	}
	for i := range rule.Lists {
		p.more.lists = append(p.more.lists, rule.Lists[i].Default)
	}
	for _, s := range u.Set {
		if err := p.set(s); err != nil {
			return Values{}, err
		}
	}
	return p, nil
}

// missing names the first parameter without which the rule cannot be used.
func (p Values) missing() error {
	for i, t := range p.rule.Texts {
		if t.Required && p.more.texts[i] == "" {
			return fmt.Errorf("%s.%s is not set, and has no default: %s", p.rule.Name, t.Name, t.Help)
		}
	}
	for i, l := range p.rule.Lists {
		if l.Required && len(p.more.lists[i]) == 0 {
			return fmt.Errorf("%s.%s is not set, and has no default: %s", p.rule.Name, l.Name, l.Help)
		}
	}
	return nil
}

func (p Values) set(s Setting) error {
	rule := p.rule
	wants := func(what string) error {
		return fmt.Errorf("%s.%s is %v; it is %s", rule.Name, s.Param, s.Value, what)
	}
	if i, ok := rule.param(s.Param); ok {
		v, ok := asNumber(s.Value)
		if !ok || v != v || v < 0 {
			return wants("a number from 0 on")
		}
		p.v[i] = v
		return nil
	}
	for i, t := range rule.Texts {
		if t.Name == s.Param {
			v, ok := s.Value.(string)
			if !ok {
				return wants("a text")
			}
			if len(t.Choices) > 0 && !slices.Contains(t.Choices, v) {
				return stage.UnknownName(rule.Name+"."+t.Name, v, t.Choices)
			}
			p.more.texts[i] = v
			return nil
		}
	}
	for i, l := range rule.Lists {
		if l.Name == s.Param {
			v, ok := s.Value.([]string)
			if !ok {
				return wants("a list of texts")
			}
			p.more.lists[i] = v
			return nil
		}
	}
	return stage.UnknownName("parameter of "+rule.Name, s.Param, rule.names())
}

// identity is what decisions depend on, by name: numbers and texts as they are, and digests of files and of long lists.
func (p Values) identity() (map[string]any, error) {
	all := map[string]any{}
	for i := range p.v {
		all[p.rule.Params[i].Name] = p.v[i]
	}
	for i, t := range p.rule.Texts {
		all[t.Name] = p.more.texts[i]
		if t.File && p.more.texts[i] != "" {
			digest, ok := p.more.read[t.Name]
			if !ok { // the registry's test asks for it
				return nil, fmt.Errorf("%s.%s names a file that the rule has not read", p.rule.Name, t.Name)
			}
			all[t.Name] = digest
		}
	}
	for i, l := range p.rule.Lists {
		list := p.more.lists[i]
		all[l.Name] = append([]string{}, list...)
		if len(list) > longList {
			h := sha256.New()
			for _, line := range list {
				fmt.Fprintf(h, "%d:%s", len(line), line) // no two lists are the same text
			}
			all[l.Name] = fmt.Sprintf("%d lines, sha256:%x", len(list), h.Sum(nil))
		}
	}
	return all, nil
}

// longList is the length of a list from which on the identity has its digest alone.
const longList = 100

// asNumber takes what a table of this package and a YAML file write for a number.
func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case bool:
		return one(v), true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// names are those of all parameters.
func (r *Rule) names() []string {
	var names []string
	for i := range r.Params {
		names = append(names, r.Params[i].Name)
	}
	for i := range r.Texts {
		names = append(names, r.Texts[i].Name)
	}
	for i := range r.Lists {
		names = append(names, r.Lists[i].Name)
	}
	return names
}
