package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"curate/stage"
)

// Set is the profile with another value of a parameter, in each place where it has the rule. value is as it is typed: a
// number, "on" or "off", a text, or a list's lines.
func (p Profile) Set(rule, param, value string) (Profile, error) {
	if len(p.parts) > 0 {
		found := false
		parts := slices.Clone(p.parts)
		for i := range parts {
			if slices.ContainsFunc(parts[i].Rules, func(u RuleUse) bool { return u.Rule == rule }) {
				var err error
				if parts[i], err = parts[i].Set(rule, param, value); err != nil {
					return p, err
				}
				found = true
			}
		}
		if !found {
			return p, p.noRule(rule)
		}
		p.parts = parts
		return p, nil
	}
	r, ok := ruleNamed(rule)
	if !ok || !slices.ContainsFunc(p.Rules, func(u RuleUse) bool { return u.Rule == rule }) {
		return p, p.noRule(rule)
	}
	s := Setting{Param: param, Value: value}
	switch {
	case r.hasParam(param):
		v, err := typedNumber(value)
		if err != nil {
			return p, fmt.Errorf("%s.%s: %w", rule, param, err)
		}
		s.Value = v
	case slices.ContainsFunc(r.Lists, func(l List) bool { return l.Name == param }):
		var lines []string
		for line := range strings.Lines(value) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				lines = append(lines, line)
			}
		}
		s.Value = lines
	}
	p.Rules = slices.Clone(p.Rules)
	for i := range p.Rules {
		u := &p.Rules[i]
		if u.Rule != rule {
			continue
		}
		u.Set = append(slices.DeleteFunc(slices.Clone(u.Set), func(s Setting) bool { return s.Param == param }), s)
		if _, err := u.values(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (r *Rule) hasParam(name string) bool {
	_, ok := r.param(name)
	return ok
}

// noRule is the error about a rule that the profile does not have.
func (p Profile) noRule(name string) error {
	var names []string
	for _, part := range append([]Profile{p}, p.parts...) {
		for _, u := range part.Rules {
			names = append(names, u.Rule)
		}
	}
	slices.Sort(names)
	return stage.UnknownName("rule of profile "+p.Name, name, slices.Compact(names))
}

func typedNumber(s string) (float64, error) {
	switch s {
	case "on", "true":
		return 1, nil
	case "off", "false":
		return 0, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number, nor on or off", s)
	}
	return v, nil
}
