package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"curate/corpus"
	"curate/internal/human"
	"curate/pipeline"
)

// Funnel is what became of the records of a step.
type Funnel struct {
	Read        int64 `json:"read"`
	Kept        int64 `json:"kept"`
	Quarantined int64 `json:"quarantined"`
	BlankLines  int64 `json:"blank_lines"`
	Repaired    int64 `json:"repaired"`
	BytesIn     int64 `json:"bytes_in"`
	BytesOut    int64 `json:"bytes_out"`
	// Stages in order; the first, "read", is the reading itself, so that its In is what there was.
	Stages []Level `json:"stages"`
}

// Level is one stage of the funnel.
type Level struct {
	Name        string           `json:"name"`
	Version     int              `json:"version,omitzero"`
	Read        int64            `json:"read"`
	Kept        int64            `json:"kept"`
	Quarantined int64            `json:"quarantined"`
	Dropped     []Reason         `json:"dropped,omitzero"`   // most first
	Annotated   []Reason         `json:"annotated,omitzero"` // would-be drops
	Measured    map[string]int64 `json:"measured,omitzero"`  // text_bytes, words, tokens of what came through
	Tallies     map[string]int64 `json:"tallies,omitzero"`   // the stage's counters that are no histogram
	signals     []histogram
	overlaps    map[string]int64
}

// Reason of drops.
type Reason struct {
	Rule      string  `json:"rule"`
	Reason    string  `json:"reason"`
	Documents int64   `json:"documents"`
	Share     float64 `json:"share"` // of what the stage has read, to six decimals
}

func (r Reason) key() string { return r.Rule + ":" + r.Reason }

func (l *Level) has(key string) bool {
	return slices.ContainsFunc(l.Dropped, func(r Reason) bool { return r.key() == key })
}

// reasons sorts them by their number.
func reasons(counts map[string]int64, of int64) []Reason {
	var list []Reason
	for key, n := range counts {
		rule, reason, _ := strings.Cut(key, ":")
		list = append(list, Reason{rule, reason, n, share(n, of)})
	}
	slices.SortFunc(list, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Documents, a.Documents), strings.Compare(a.key(), b.key()))
	})
	return list
}

func readFunnel(ctx context.Context, in files, s *Step) error {
	if s.settings.task() {
		return nil
	}
	name := corpus.Dir + "/ledger.json"
	var c pipeline.Counts
	if err := in.json(ctx, name, &c); err != nil {
		return err
	}
	if len(c.Stages) == 0 {
		return damaged(in.path(name), fmt.Errorf("it has no stages"))
	}
	if err := balanced(&c); err != nil {
		return damaged(in.path(name), err)
	}
	s.Funnel, s.accounts = funnelOf(&c), c
	return nil
}

// funnelOf is what an account says.
func funnelOf(c *pipeline.Counts) *Funnel {
	f := &Funnel{
		Read: c.Read, Kept: c.Kept, Quarantined: c.Quarantined, BlankLines: c.BlankLines, Repaired: c.Repaired,
		BytesIn: c.BytesIn, BytesOut: c.BytesOut,
	}
	for _, st := range c.Stages {
		l := Level{
			Name: st.Name, Version: st.Version, Read: st.Read, Kept: st.Kept, Quarantined: st.Quarantined,
			Dropped: reasons(st.Dropped, st.Read), Annotated: reasons(st.Annotated, st.Read), Measured: st.Measured,
		}
		l.Tallies, l.signals = histograms(st.Tallies)
		l.Tallies, l.overlaps = overlaps(l.Tallies)
		if len(l.Tallies) == 0 {
			l.Tallies = nil
		}
		f.Stages = append(f.Stages, l)
	}
	return f
}

// balanced looks for what no run writes, for it has added up its numbers: whoever reads a report takes them for true.
func balanced(c *pipeline.Counts) error {
	level := func(what string, read, kept, quarantined int64, dropped map[string]int64) error {
		sum := kept + quarantined
		least := min(read, kept, quarantined)
		for _, n := range dropped {
			sum += n
			least = min(least, n)
		}
		if least < 0 || sum != read {
			return fmt.Errorf("%s do not add up: %d read, and %d kept, dropped and quarantined", what, read, sum)
		}
		return nil
	}
	if err := level("its records", c.Read, c.Kept, c.Quarantined, c.Dropped); err != nil {
		return err
	}
	reached := c.Read
	for _, st := range c.Stages {
		if err := level(fmt.Sprintf("those of stage %q", st.Name), st.Read, st.Kept, st.Quarantined, st.Dropped); err != nil {
			return err
		}
		if st.Read != reached {
			return fmt.Errorf("stage %q read %d records, and %d reached it", st.Name, st.Read, reached)
		}
		reached = st.Kept
	}
	if reached != c.Kept {
		return fmt.Errorf("the last stage kept %d records, and the run %d", reached, c.Kept)
	}
	return nil
}

func hasFunnel(s *Step) bool { return s.Funnel != nil }

// measures are the columns of the funnel beside documents, as the ledger and as readers know them.
var measures = []struct{ key, title string }{
	{"text_bytes", "text bytes"},
	{"words", "words"},
	{"tokens", "tokens"},
}

// columns are the measures that are there for any stage of the run. What has never been measured, such as the tokens of
// documents that no stage has tokenized, is 0 in the ledger.
func (r *Run) columns() (keys, titles []string) {
	for _, m := range measures {
		if slices.ContainsFunc(r.Steps, func(s *Step) bool {
			return s.Funnel != nil && slices.ContainsFunc(s.Funnel.Stages, func(l Level) bool { return l.Measured[m.key] > 0 })
		}) {
			keys, titles = append(keys, m.key), append(titles, m.title)
		}
	}
	return keys, titles
}

// cell is a measure of a level: what came through, and its share of what the stage before it has let through.
type cell struct{ Number, Share string }

// cells are the columns of stage i: documents, then the measures.
func (f *Funnel) cells(i int, keys []string) []cell {
	l := &f.Stages[i]
	row := []cell{{human.Thousands(l.Kept), ""}}
	if i > 0 || l.Kept != l.Read {
		row[0].Share = percent(l.Kept, l.Read)
	}
	for _, k := range keys {
		n, ok := l.Measured[k]
		measured := ok && (n > 0 || l.Kept == 0)
		c := cell{"–", ""}
		if measured {
			c.Number = human.Thousands(n)
			if i > 0 {
				c.Share = percent(n, f.Stages[i-1].Measured[k])
			}
		}
		row = append(row, c)
	}
	return row
}

// topReasons are the first few in words.
func topReasons(list []Reason, most int) string {
	var b strings.Builder
	for i, r := range list {
		if i == most && len(list) > most+1 {
			rest := int64(0)
			for _, r := range list[i:] {
				rest += r.Documents
			}
			fmt.Fprintf(&b, ", %d others %s", len(list)-i, human.Thousands(rest))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", human.Printable(r.Reason), human.Thousands(r.Documents))
	}
	return b.String()
}

// notes are what else became of the records of a level, in words.
func (l *Level) notes(most int) string {
	var parts []string
	if len(l.Dropped) > 0 {
		parts = append(parts, "dropped "+topReasons(l.Dropped, most))
	}
	if len(l.Annotated) > 0 {
		parts = append(parts, "would drop "+topReasons(l.Annotated, most))
	}
	if l.Quarantined > 0 {
		parts = append(parts, "quarantined "+human.Thousands(l.Quarantined))
	}
	return strings.Join(parts, "; ")
}

// WriteFunnel writes the funnel as a table for a terminal: a line for each stage of each step, with what came through
// it and the share of what came in.
func (r *Run) WriteFunnel(w io.Writer) error {
	keys, titles := r.columns()
	header := append([]string{"step", "stage", "documents", ""}, twice(titles)...)
	rows := [][]string{append(header, "")}
	named := false
	for _, s := range r.Steps {
		named = named || s.Name != ""
		if !s.Finished {
			rows = append(rows, []string{human.Printable(s.Name), "not finished"})
			continue
		}
		if s.Funnel == nil {
			continue
		}
		for i := range s.Funnel.Stages {
			l := &s.Funnel.Stages[i]
			row := []string{"", human.Printable(l.Name)}
			if i == 0 {
				row[0] = human.Printable(s.Name)
			}
			for _, c := range s.Funnel.cells(i, keys) {
				row = append(row, c.Number, c.Share)
			}
			rows = append(rows, append(row, l.notes(3)))
		}
	}
	var width []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, c := range row {
			if i == 0 && !named {
				continue
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			switch {
			case i < 2 || i == len(width)-1:
				line += c + pad + "  "
			case i%2 == 0: // numbers
				line += pad + c + " "
			default: // shares
				line += pad + c + "  "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// twice puts an empty title behind each.
func twice(titles []string) (all []string) {
	for _, t := range titles {
		all = append(all, t, "")
	}
	return all
}

const funnelAbout = `What each stage let through, and its share of what had reached it. The first line of a step is what was read.`

const funnelPage = `
<table>
<tr><th>stage<th class="n">documents<th class="n">of those in{{range titles}}<th class="n">{{.}}<th class="n">of those in{{end}}<th>left of what was read
{{$f := .Funnel}}{{range $i, $l := .Funnel.Stages}}<tr><td>{{$l.Name}}{{range cells $f $i}}<td class="n">{{.Number}}<td class="n">{{.Share}}{{end}}<td>{{bar $l.Kept $f.Read}}
{{end}}</table>
<p>Read: {{group .Funnel.BytesIn}} bytes of {{group .Funnel.Read}} records
{{- if .Funnel.BlankLines}} and {{group .Funnel.BlankLines}} blank {{if eq .Funnel.BlankLines 1}}line{{else}}lines{{end}}{{end}}
{{- if .Funnel.Repaired}}, {{group .Funnel.Repaired}} of them repaired{{end}}. Written: {{group .Funnel.BytesOut}} bytes of {{group .Funnel.Kept}} records.
{{- if .Funnel.Quarantined}} Quarantined: {{group .Funnel.Quarantined}}.{{end}}</p>
{{$translation := .Translation}}{{$contamination := .Contamination}}{{range .Funnel.Stages}}{{if and $translation (eq .Name "translate")}}<p>What {{.Name}} has counted is under <a href="#translation">Translation</a>.</p>
{{else if and $contamination (eq .Name "decontaminate")}}<p>What {{.Name}} has counted is under <a href="#contamination">Benchmarks in the corpus</a>.</p>
{{else if .Tallies}}<p>Counted by {{.Name}}:{{range $k, $n := .Tallies}} {{$k}} {{group $n}};{{end}}</p>
{{end}}{{end}}`
