package translate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/go-json-experiment/json"

	"curate/record"
	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/memory"
	"curate/translate/protect"
	"curate/translate/rows"
	"curate/translate/segment"
)

// rowWork is a row on its way: read, then resolved, then put together. Only resolving waits for others.
type rowWork struct {
	rec     *record.Record
	row     rows.Row
	nodes   []nodeWork
	list    []*wanted
	seen    map[memory.Key]*wanted
	tasks   []string
	action  string // of the tasks: "" , "copy", "translate"
	failure *Failure
	look    bool // the row is only looked at: nothing is written into its record

	mu    sync.Mutex // of what follows: a row's requests run side by side
	spent backends.Spent
}

// nodeWork is a text of the row.
type nodeWork struct {
	units []segment.Unit
	parts []part
}

// part is a unit of a text: what is protected at its edges, and the pieces between.
type part struct {
	masked protect.Masked
	pieces []piece   // with their white space; one where sentences go together
	wants  []*wanted // one a piece, nil where there is nothing to translate
}

func (r *rowWork) spend(s backends.Spent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent.Add(s)
}

// read takes a record apart. It decides about rows that are not translated at all.
func (t *translator) read(reader *rows.Reader, r *rowWork) {
	if err := reader.Read(r.rec, &r.row); err != nil {
		r.rec.QuarantineFor(err)
		return
	}
	if t.p.Schema != nil {
		t.p.Schema(r.row.Schema)
	}
	if t.bound(r); r.rec.Outcome != record.Keep || r.action == "copy" {
		return
	}
	for i := range r.row.Nodes {
		n := &r.row.Nodes[i]
		work := nodeWork{units: segment.Units(nil, n.Text)}
		for _, u := range work.units {
			p := part{masked: protect.Mask(u.Text(n.Text), protect.Options{Numbers: t.cfg.Numbers, Glossary: t.p.Glossary})}
			if t.cfg.Sentences {
				p.pieces = sentences(p.masked.Template)
			} else {
				p.pieces = cutAt(p.masked.Template, nil)
			}
			for _, c := range p.pieces {
				p.wants = append(p.wants, t.want(r, n.Path, c, p.masked.Values))
			}
			work.parts = append(work.parts, p)
		}
		r.nodes = append(r.nodes, work)
	}
}

// want notes a piece as a segment, unless the row has it already.
func (t *translator) want(r *rowWork, path string, c piece, values []string) *wanted {
	if !c.ask {
		return nil
	}
	key := memory.KeyOf(t.engine, t.cfg.From, t.cfg.To, c.template)
	if w := r.seen[key]; w != nil {
		return w
	}
	w := &wanted{template: c.template, key: key, path: path, at: len(r.list)}
	for _, h := range c.holes {
		w.values = append(w.values, values[h])
	}
	r.seen[key] = w
	r.list = append(r.list, w)
	return w
}

// bound looks for tasks that are bound to the source language, and does what the configuration says about them.
func (t *translator) bound(r *rowWork) {
	instruction := r.row.Instruction()
	if instruction == "" || r.row.Schema == "text" {
		return
	}
	var answers []string
	for _, n := range r.row.Nodes {
		switch n.Role {
		case "assistant", "chosen", "rejected", "completion", "output":
			answers = append(answers, n.Text)
		}
	}
	r.tasks = check.Tasks(instruction, answers)
	for _, name := range r.tasks { // a row that is bound in two ways goes the way that keeps less of it
		for _, a := range t.cfg.Tasks {
			switch {
			case a.Task != name:
			case a.Action == "drop":
				t.drop(r, name)
				return
			case a.Action == "copy" || r.action == "":
				r.action = a.Action
			}
		}
	}
}

// drop drops a row for its task. Its verdict goes with it.
func (t *translator) drop(r *rowWork, task string) {
	rec := r.rec
	if r.look {
		rec.DropFor(TaskRule, task)
		return
	}
	b, err := json.Marshal(struct {
		Verdict string `json:"verdict"`
		Rule    string `json:"rule"`
		Reason  string `json:"reason"`
	}{"drop", TaskRule, task})
	if err == nil {
		err = rec.Set(notePath, b)
	}
	if err != nil {
		rec.QuarantineFor(err)
		return
	}
	rec.DropFor(TaskRule, task)
}

// TaskRule is the rule by which rows are dropped whose task is bound to their language; the reason is the task.
const TaskRule = "language_task"

// resolve finds the translations of a row's segments.
func (r *rowWork) resolve(ctx context.Context, t *translator) error {
	if len(r.list) == 0 {
		return nil
	}
	if err := t.resolve(ctx, r, r.list); err != nil {
		return err
	}
	for _, w := range r.list {
		if w.failure != nil {
			r.failure = w.failure
			break
		}
	}
	return nil
}

// targets puts the texts of the row together, and checks the row as a whole.
func (t *translator) targets(r *rowWork) []string {
	targets := make([]string, len(r.nodes))
	var source, target strings.Builder
	var values []string
	for i := range r.nodes {
		n, work := &r.row.Nodes[i], &r.nodes[i]
		var texts []string
		for k := range work.parts {
			p := &work.parts[k]
			done := make([]protect.Template, len(p.pieces))
			for j, w := range p.wants {
				if w != nil {
					done[j] = w.target
				}
			}
			whole := joined(p.pieces, done)
			texts = append(texts, p.masked.Before+whole.Fill(p.masked.Targets)+p.masked.After)
			source.WriteString(p.masked.Template.Plain() + "\n")
			target.WriteString(whole.Plain() + "\n")
			values = append(values, p.masked.Values...)
		}
		targets[i] = segment.Replace(n.Text, work.units, texts)
		if what := segment.SameStructure(n.Text, targets[i]); what != "" {
			r.failure = &Failure{Check: "structure", Detail: what, Path: n.Path}
			return nil
		}
	}
	if name, detail := r.row.Verify(targets); name != "" {
		r.failure = &Failure{Check: name, Detail: detail}
		return nil
	}
	for _, f := range t.checker.Row(nil, check.Pair{From: t.cfg.From, To: t.cfg.To, Source: source.String(), Target: target.String(), Values: values}) {
		if f.Hard {
			r.failure = &Failure{Check: f.Check, Detail: f.Detail}
			return nil
		}
	}
	return targets
}

// note is what a record says about its translation, under "curate".
type note struct {
	Backend    string          `json:"backend,omitempty"`
	Model      string          `json:"model,omitempty"`
	Schema     string          `json:"schema,omitempty"`
	Checks     map[string]bool `json:"checks,omitempty"` // false: a check that notes, and rejects nothing
	Score      *float64        `json:"score,omitempty"`  // the least one
	Attempts   int             `json:"attempts,omitzero"`
	Tasks      []string        `json:"tasks,omitempty"`
	Action     string          `json:"action,omitempty"`
	KeptSource string          `json:"kept_source,omitempty"` // why the row is not translated
	Source     []sourceNote    `json:"source,omitempty"`
}

// sourceNote is the source of one text.
type sourceNote struct {
	Path string `json:"path"`
	Text string `json:"text"`
	// Protected are the spans that were taken over as they are, in code points: [from, to).
	Protected [][2]int `json:"protected,omitempty"`
}

var notePath = record.MustPath(record.CurateKey + ".translate")

// finish puts a resolved row back into its record, or sets it aside.
func (t *translator) finishRow(r *rowWork) error {
	if r.rec.Outcome != record.Keep {
		return nil
	}
	n := note{Tasks: r.tasks, Action: r.action}
	if r.action != "copy" {
		var targets []string
		if r.failure == nil {
			targets = t.targets(r)
		}
		switch {
		case r.failure != nil && t.cfg.OnFail != OnFailKeepSource:
			r.rec.QuarantineFor(r.failure)
			return nil
		case r.failure != nil:
			n.KeptSource = r.failure.Error()
		default:
			if err := r.row.Write(r.rec, targets); err != nil {
				r.rec.QuarantineFor(err)
				return nil
			}
			if t.cfg.KeepSource {
				n.Source = r.sources()
			}
		}
	}
	if t.cfg.Annotate {
		n.Backend, n.Model, n.Schema = t.p.Kind, t.p.Model, r.row.Schema
		for _, w := range r.list {
			n.Attempts = max(n.Attempts, w.attempts)
			for name := range w.soft {
				if n.Checks == nil {
					n.Checks = map[string]bool{}
				}
				n.Checks[name] = false
			}
			if w.score != nil && (n.Score == nil || *w.score < *n.Score) {
				n.Score = w.score
			}
		}
	} else if len(n.Tasks) == 0 && n.KeptSource == "" && n.Source == nil {
		return nil
	}
	b, err := json.Marshal(n, json.Deterministic(true), jsontext.EscapeForHTML(false))
	if err != nil {
		return fmt.Errorf("translate: %w", err)
	}
	if err := r.rec.Set(notePath, b); err != nil {
		r.rec.QuarantineFor(err)
	}
	return nil
}

// sources are the row's texts before, with what was protected in them.
func (r *rowWork) sources() []sourceNote {
	var list []sourceNote
	for i := range r.nodes {
		n, work := &r.row.Nodes[i], &r.nodes[i]
		s := sourceNote{Path: n.Path, Text: n.Text}
		runes, at := 0, 0 // of Text
		to := func(off int) int {
			runes += utf8.RuneCountInString(n.Text[at:off])
			at = off
			return runes
		}
		for k, u := range work.units {
			if len(u.Lines) != 1 { // where lines were joined, offsets are others
				continue
			}
			m := &work.parts[k].masked
			off := u.Lines[0].Start + len(m.Before)
			for h, v := range m.Values {
				off += len(m.Template.Text[h])
				from := to(off)
				off += len(v)
				s.Protected = append(s.Protected, [2]int{from, to(off)})
			}
		}
		list = append(list, s)
	}
	return list
}
