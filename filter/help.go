package filter

import (
	"fmt"
	"strconv"
	"strings"
)

// Help is made from the tables of rules and profiles, as docs/filter.md is (markdown.go).

// ProfilesHelp lists the profiles, one a line, for a help text or for the error about a missing profile.
func ProfilesHelp() string {
	var b strings.Builder
	for _, p := range profiles {
		fmt.Fprintf(&b, "  %s  %s (%s)\n", p.Name, p.Summary, firstSentence(p.Language))
	}
	return b.String()
}

func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, ".")
	return s
}

// Help describes a profile: what it is, and each rule's tests with the thresholds in force.
func (p Profile) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile %s, version %d: %s\n", p.Name, p.Version, p.Summary)
	fmt.Fprintf(&b, "%s.\nReproduces %s.\nWords: %s.\n", p.Language, p.Reproduces, p.Words)
	for i := range p.Rules {
		values := mustValues(&p.Rules[i])
		rule := values.rule
		fmt.Fprintf(&b, "\n%s, version %d: %s\n", rule.Name, rule.Version, rule.Summary)
		for k, p := range rule.Params {
			if p.Inside {
				fmt.Fprintf(&b, "  %s = %s\n", p.Name, number(values.v[k]))
			}
		}
		for k, t := range rule.Texts {
			fmt.Fprintf(&b, "  %s = %s\n", t.Name, orNone(values.more.texts[k]))
		}
		for k, l := range rule.Lists {
			fmt.Fprintf(&b, "  %s: %s\n", l.Name, orNone(strings.Join(values.more.lists[k], " ")))
		}
		for k := range rule.Tests {
			t := &rule.Tests[k]
			fmt.Fprintf(&b, "  %-29s %s\n", t.Reason, t.condition(values))
		}
		for _, s := range p.Rules[i].Set {
			if at, ok := rule.param(s.Param); ok && s.Why != "" {
				fmt.Fprintf(&b, "  %s %s instead of %s: %s\n", s.Param, number(values.v[at]), number(rule.Params[at].Default), s.Why)
			}
		}
	}
	return b.String()
}

// Help describes a rule with its defaults.
func (r Rule) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, version %d: %s\nAfter %s.\n\nparameters\n", r.Name, r.Version, r.Summary, r.Source)
	for _, p := range r.Params {
		fmt.Fprintf(&b, "  %-26s %s  %s (%s)\n", p.Name, number(p.Default), p.Unit, p.Source)
	}
	for _, t := range r.Texts {
		fmt.Fprintf(&b, "  %-26s %s  %s\n", t.Name, orNone(t.Default), t.describe())
	}
	for _, l := range r.Lists {
		fmt.Fprintf(&b, "  %-26s %s  %s\n", l.Name, orNone(strings.Join(l.Default, " ")), l.describe())
	}
	for _, f := range r.Fields {
		fmt.Fprintf(&b, "  field %-20s %s  %s\n", f.Name, f.Path, f.Help)
	}
	if r.Edits != "" {
		fmt.Fprintf(&b, "\nedits the text: %s\n", r.Edits)
	}
	b.WriteString("\nreasons, in order\n")
	for _, t := range r.Tests {
		fmt.Fprintf(&b, "  %-29s %s %s\n", t.Reason, t.Signal, t.against())
	}
	b.WriteString("\nsignals\n")
	for _, t := range r.signals() {
		fmt.Fprintf(&b, "  %-19s %s\n", t.Signal, t.Measure)
	}
	return b.String()
}

// against is what the signal is compared with: "below min_doc_words".
func (t *Test) against() string {
	switch {
	case t.Param == "":
		return t.Compare.words() + " " + number(t.Fixed)
	case t.Compare == Found:
		return "above 0 if " + t.Param
	}
	return t.Compare.words() + " " + t.Param
}

// signals are the tests that are the first to have theirs.
func (r *Rule) signals() (tests []*Test) {
	seen := map[string]bool{}
	for i := range r.Tests {
		if t := &r.Tests[i]; !seen[t.Signal] {
			seen[t.Signal] = true
			tests = append(tests, t)
		}
	}
	return tests
}

// condition is when the test fails: "words < 50".
func (t *Test) condition(p Values) string {
	threshold, on := t.threshold(p)
	if !on {
		return t.Signal + ": off"
	}
	return t.Signal + " " + t.Compare.sign() + " " + number(threshold)
}

// words is the comparison in words.
func (c Comparison) words() string { return strings.ReplaceAll(string(c), "_", " ") }

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// describe says what a text can be.
func (t *Text) describe() string {
	s := t.Help
	if len(t.Choices) > 0 {
		s += ": " + strings.Join(t.Choices, ", ")
	}
	return s + source(t.Source, t.Required)
}

func (l *List) describe() string { return l.Help + source(l.Source, l.Required) }

func source(s string, required bool) string {
	switch {
	case required:
		return " (required)"
	case s != "":
		return " (" + s + ")"
	}
	return ""
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// mustValues is for the profiles of the table, which TestRegistry has found whole.
func mustValues(u *RuleUse) Values {
	p, err := u.values()
	if err != nil {
		panic(err)
	}
	return p
}
