package report

import (
	"cmp"
	"context"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Examples are documents that were dropped for one reason.
type Examples struct {
	Reason    string    `json:"reason"` // "RULE:REASON"
	Documents int64     `json:"documents"`
	Chosen    []Example `json:"chosen"`
}

// Example is a dropped document.
type Example struct {
	ID      string         `json:"id,omitzero"`
	File    string         `json:"file"`   // input it came from
	Part    string         `json:"part"`   // where it is kept, below the step
	Offset  int64          `json:"offset"` // of its line in the uncompressed part
	Text    string         `json:"text"`   // the first characters
	Bytes   int            `json:"bytes"`  // of the whole text
	Verdict jsontext.Value `json:"verdict,omitzero"`
	hash    uint64
	place   place
}

const (
	exampleLimit       = 10 // of a reason
	exampleReasonLimit = 60 // reasons of a step that have examples; those that dropped most
)

func readExamples(_ context.Context, in files, s *Step) error {
	var err error
	if s.text, err = s.textField(); err != nil {
		return damaged(in.path(configName), err)
	}
	return nil
}

// takeExamples chooses those whose line has the smallest hash: a sample that does not depend on order, workers or splits.
func takeExamples(s *Step) func(*dropped) {
	for _, l := range s.Funnel.Stages {
		for _, r := range l.Dropped {
			s.Examples = append(s.Examples, Examples{Reason: r.key(), Documents: r.Documents})
		}
	}
	slices.SortStableFunc(s.Examples, func(a, b Examples) int { return cmp.Compare(b.Documents, a.Documents) })
	s.Examples = s.Examples[:min(len(s.Examples), exampleReasonLimit)]
	at := map[string]int{}
	for i, e := range s.Examples {
		at[e.Reason] = i
	}
	return func(d *dropped) {
		i, ok := at[d.reason]
		if !ok {
			if d.reason != unknownReason {
				return
			}
			i = len(s.Examples)
			at[d.reason] = i
			s.Examples = append(s.Examples, Examples{Reason: d.reason})
		}
		if d.reason == unknownReason {
			s.Examples[i].Documents++
		}
		s.Examples[i].Chosen = s.choose(s.Examples[i].Chosen, d)
	}
}

// choose keeps the list sorted by hash, and short.
func (s *Step) choose(list []Example, d *dropped) []Example {
	k, _ := slices.BinarySearchFunc(list, d, func(e Example, d *dropped) int {
		if c := cmp.Compare(e.hash, d.hash); c != 0 {
			return c
		}
		if e.place.before(d.place) {
			return -1
		}
		return 1
	})
	if k == exampleLimit {
		return list
	}
	return slices.Insert(list, k, s.example(d))[:min(len(list)+1, exampleLimit)]
}

func (s *Step) example(d *dropped) Example {
	text, size := d.text(s.text)
	return Example{
		ID: d.id(), File: s.input(d.file), Part: d.part, Offset: d.offset, Text: text, Bytes: size,
		Verdict: slices.Clone(d.verdict), hash: d.hash, place: d.place,
	}
}

func hasExamples(s *Step) bool {
	return slices.ContainsFunc(s.Examples, func(e Examples) bool { return e.Documents > 0 })
}

const examplesAbout = `Up to ten documents for each reason, chosen by the hash of their lines, with the beginning of their text and where they are kept. They are there only if the step kept what it dropped (--dropped; a recipe's steps do).`

const examplesPage = `
{{range .Examples}}<details><summary>{{.Reason}}: {{group .Documents}}{{if not .Chosen}} (not kept){{end}}</summary>
{{range .Chosen}}{{template "example" .}}{{end}}</details>
{{end}}`

// examplePage is the template "example". Text is isolated, so that writing from right to left stays in its box.
const examplePage = `<div class="example"><p><bdi>{{.ID}}</bdi> <span>from <bdi>{{.File}}</bdi>; {{.Part}} at byte {{group .Offset}}; text of {{bytes .Bytes}} bytes</span></p>
<pre dir="auto">{{.Text}}</pre>
{{if .Verdict}}<p class="verdict"><code>{{verdict .Verdict}}</code></p>{{end}}</div>
`
