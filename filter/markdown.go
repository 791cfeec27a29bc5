package filter

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// exampleLine is the record that docs/filter.md shows annotated: what is left of a page that is a menu.
const exampleLine = `{"id":"page-17","text":"Home\nProducts\nSupport\nContact\n\nRead more...\n\nHome\nProducts\nSupport\nContact\n"}`

// Markdown is docs/filter.md, made from the tables.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for i := range profiles {
		fmt.Fprintf(&b, "| [`%s`](#profile-%s) | %s |\n", profiles[i].Name, anchor(profiles[i].Name), cell(profiles[i].Summary))
	}
	b.WriteString(markdownVerdict)
	fmt.Fprintf(&b, "\n```json\n%s\n```\n", annotated("gopher", exampleLine))
	b.WriteString(markdownSignals)
	b.WriteString(markdownOwn)
	for i := range profiles {
		markdownProfile(&b, profiles[i])
	}
	for i := range rules {
		markdownRule(&b, &rules[i])
	}
	return b.String()
}

const markdownHead = `# curate filter

<!-- Made from the tables of package filter; do not edit. To make it anew: go test ./filter -run TestDocs -update -->

` + "`curate filter --profile NAME`" + ` keeps the documents that pass a profile and says of each other one which rule it
failed, and why. A profile is a list of rules with their thresholds; a rule is a list of tests, each of which
compares a signal (a number that is computed from the text) with a parameter. The tests are made in order, and
the first that fails gives rule and reason. There is no default profile, since each is made for a language.

| profile | |
|---|---|
`

const markdownVerdict = `
A document whose text is empty is dropped before any test, by rule ` + "`" + EmptyRule + "`, reason `" + EmptyReason + "`" + `. A record without a
text field, or with something else than a string in it, is quarantined. Reasons are the words of the
implementation that the rule reproduces, so that numbers can be compared; some of them read oddly.

## Reading the signals

With ` + "`--annotate`" + ` nothing is dropped, and every record gets the verdict and all signals under
` + "`curate.filter`" + `. This is a real record (one line in the file, indented here):
`

const markdownSignals = `
* ` + "`verdict`" + ` is ` + "`keep` or `drop`" + `; ` + "`rule` and `reason`" + ` stand only beside ` + "`drop`" + ` and name the first test that fails.
  Others may fail too: compare the signals with the thresholds below.
* Signals stand in the order of the tests, rounded to 1e-6. A decision is made on the number before rounding.
* Comparisons are strict, unless they say "at or": a document at the threshold passes.
* A signal that does not apply is left out, and its test passes: there is no most frequent 4-gram in a text of
  three words.
* ` + "`--dropped PATH`" + ` writes the same object into each dropped record, with the signals up to the test that failed;
  the tests after it were not made.
* A rule may edit the text (` + "`c4_quality`" + ` takes lines out). The rules after it and the stages after the filter see what it left;
  a kept record is written with the new text, a dropped one as it was read, and the ledger's tally ` + "`" + EditedTally + "`" + ` of the stage
  says how many kept texts were edited. With ` + "`--annotate`" + ` no text is edited, but the signals are those of the edited text.
* A record whose ` + "`curate`" + ` is something else than an object cannot be annotated and is quarantined.
`

func markdownProfile(b *strings.Builder, p *Profile) {
	fmt.Fprintf(b, "\n## Profile %s\n\nVersion %d: %s.\n\n**%s.**\n\n", p.Name, p.Version, p.Summary, p.Language)
	fmt.Fprintf(b, "Reproduces %s.\n\n", p.Reproduces)
	if w, err := wordCutNamed(p.Words); err == nil { // TestRegistry has found it
		fmt.Fprintf(b, "Words are %s.\n", w.summary)
	}
	for i := range p.Rules {
		values := mustValues(&p.Rules[i])
		for k, l := range values.rule.Lists {
			if list := values.more.lists[k]; len(list) > 0 {
				fmt.Fprintf(b, "\n`%s` of `%s`: `%s`.\n", l.Name, p.Rules[i].Rule, strings.Join(list, "`, `"))
			}
		}
	}
	b.WriteString("\n| | rule | reason | dropped when |\n|---:|---|---|---|\n")
	n := 0
	for k := range p.Rules {
		values := mustValues(&p.Rules[k])
		rule := values.rule
		for i := range rule.Tests {
			t := &rule.Tests[i]
			n++
			fmt.Fprintf(b, "| %d | [`%s`](#rule-%s) | `%s` | `%s` |\n", n, rule.Name, rule.Name, t.Reason, t.condition(values))
		}
	}
	head := "\nParameters with another value than the rule's default:\n\n| rule | parameter | default | here | why |\n|---|---|---:|---:|---|\n"
	for k := range p.Rules {
		values := mustValues(&p.Rules[k])
		rule := values.rule
		for _, s := range p.Rules[k].Set {
			was, is := "", ""
			if at, ok := rule.param(s.Param); ok {
				was, is = number(rule.Params[at].Default), number(values.v[at])
			} else if v, ok := s.Value.(string); ok {
				is = v
			} else {
				is = "see above"
			}
			fmt.Fprintf(b, "%s| `%s` | `%s` | %s | %s | %s |\n", head, rule.Name, s.Param, was, is, cell(s.Why))
			head = ""
		}
	}
}

func markdownRule(b *strings.Builder, r *Rule) {
	fmt.Fprintf(b, "\n## Rule %s\n\nVersion %d: %s.\n\nSource: %s.\n\n", r.Name, r.Version, r.Summary, r.Source)
	if r.Edits != "" {
		fmt.Fprintf(b, "**Edits the text**: %s.\n\n", r.Edits)
	}
	b.WriteString("| parameter | default | unit | source of the default |\n|---|---:|---|---|\n")
	for i := range r.Params {
		p := &r.Params[i]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, number(p.Default), cell(p.Unit), cell(p.Source))
	}
	for _, t := range r.Texts {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", t.Name, orNone(t.Default), cell(t.Help), cell(strings.Join(t.Choices, ", ")+source(t.Source, t.Required)))
	}
	for _, l := range r.Lists {
		fmt.Fprintf(b, "| `%s` | %d lines | %s | %s |\n", l.Name, len(l.Default), cell(l.Help), cell(strings.TrimSpace(source(l.Source, l.Required))))
	}
	for _, f := range r.Fields {
		fmt.Fprintf(b, "\nLooks at the record's `%s`, by default `%s`: %s.\n", f.Name, f.Path, f.Help)
	}
	b.WriteString("\n| reason | signal | dropped when | what the signal is |\n|---|---|---|---|\n")
	off, always := 0, 0
	for i := range r.Tests {
		t := &r.Tests[i]
		if t.ZeroOff {
			off++
		} else if t.Param != "" && t.Compare != Found {
			always++
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s%s | %s |\n", t.Reason, t.Signal, t.against(), zeroMark(t), cell(t.Measure))
	}
	switch {
	case off > 0:
		b.WriteString("\n\\* 0 switches the test off.\n")
	case always > 0:
		b.WriteString("\nA threshold of 0 is one like any other.\n")
	}
}

func zeroMark(t *Test) string {
	if t.ZeroOff {
		return " \\*"
	}
	return ""
}

// anchor is what a heading's link has of a name: GitHub leaves out all but letters, digits, "-" and "_".
func anchor(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '@' {
			return -1
		}
		return r
	}, name)
}

// cell escapes what would end a table's cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// annotated is a record after the stage with Annotate, indented.
func annotated(profile, line string) string {
	f, err := New(Config{Profile: profile, Annotate: true})
	if err != nil {
		panic(err) // a profile of the table
	}
	var b record.Batch
	b.Append(record.MakeID(0, 0), 1, []byte(line))
	b.Parse()
	if err := f.NewWorker().Map(context.Background(), &b); err != nil {
		panic(err) // the context is not cancelled
	}
	out := jsontext.Value(b.Records[0].AppendLine(nil))
	if err := out.Indent(jsontext.WithIndent("  ")); err != nil {
		panic(err) // the stage writes JSON
	}
	return string(out)
}
