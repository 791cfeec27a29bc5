package filter

import "slices"

// rules is the registry, sorted by name.
var rules = []Rule{
	c4Quality,
	finewebQuality,
	gopherQuality,
	gopherRepetition,
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
