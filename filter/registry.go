package filter

import "slices"

// rules is the registry, sorted by name.
var rules = []Rule{
	c4Quality,
	finewebQuality,
	gopherQuality,
	gopherRepetition,
	piiRule,
	symbolLines,
	textRepair,
	urlRule,
}

// Rules are all rules, sorted by name.
func Rules() []Rule { return slices.Clone(rules) }

func ruleNamed(name string) (*Rule, bool) {
	for i := range rules {
		if rules[i].Name == name {
			return &rules[i], true
		}
	}
	return nil, false
}

// profiles is sorted by name.
var profiles = []*Profile{
	&basqueProfile,
	&c4Profile,
	&datatrovePIIProfile,
	&symbolLinesProfile,
	&dolmaPIIProfile,
	&finewebProfile,
	&gopherProfile,
	&piiProfile,
	&repairProfile,
}

// Profiles are all profiles, sorted by name.
func Profiles() []Profile {
	all := make([]Profile, len(profiles))
	for i, p := range profiles {
		all[i] = *p
	}
	return all
}
