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
	if len(p.StopWords) > 0 {
		fmt.Fprintf(&b, "Stop words: %s.\n", strings.Join(p.StopWords, " "))
	}
	for i := range p.Rules {
		rule, values := mustThresholds(&p.Rules[i])
		fmt.Fprintf(&b, "\n%s, version %d: %s\n", rule.Name, rule.Version, rule.Summary)
		for k := range rule.Tests {
			t := &rule.Tests[k]
			at, _ := rule.param(t.Param)
			fmt.Fprintf(&b, "  %-29s %s %s %s\n", t.Reason, t.Signal, t.Compare.sign(), number(values[at]))
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
	b.WriteString("\nreasons, in order\n")
	for _, t := range r.Tests {
		fmt.Fprintf(&b, "  %-29s %s %s %s\n", t.Reason, t.Signal, t.Compare, t.Param)
	}
	b.WriteString("\nsignals\n")
	for _, t := range r.signals() {
		fmt.Fprintf(&b, "  %-19s %s\n", t.Signal, t.Measure)
	}
	return b.String()
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

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// mustThresholds is for the profiles of the table, which TestRegistry has found whole.
func mustThresholds(u *RuleUse) (*Rule, []float64) {
	rule, values, err := u.thresholds()
	if err != nil {
		panic(err)
	}
	return rule, values
}

func (c Comparison) sign() string {
	if c == Above {
		return ">"
	}
	return "<"
}
