package filter

import (
	"cmp"
	"slices"

	"curate/record"
)

// Grounds are what a decision about a document was made on. Those of a document that is kept are empty; without a
// signal it was dropped before any test.
type Grounds struct {
	Rule, Reason string
	Signal       string
	Value        float64
	Compare      Comparison // not Found
	Threshold    float64
}

// Kept says whether they are those of a document that is kept.
func (g *Grounds) Kept() bool { return g.Reason == "" }

// Condition is how the signal fails: "> 0.3".
func (g *Grounds) Condition() string { return g.Compare.sign() + " " + number(g.Threshold) }

// Name is "RULE:REASON" as in a ledger, "" to keep.
func (g *Grounds) Name() string {
	if g.Kept() {
		return ""
	}
	return g.Rule + ":" + g.Reason
}

func (f *Filter) grounds(c *check, v float64) Grounds {
	g := Grounds{Rule: c.rule, Reason: c.test.Reason, Signal: f.names[c.signal], Value: v, Compare: c.test.Compare, Threshold: c.threshold}
	if g.Compare == Found { // the switch is on
		g.Compare = Above
	}
	return g
}

// groundsOf are those of the decision about the document in the view.
func (f *Filter) groundsOf(v *View, rule, reason string) Grounds {
	tests := f.testsFor(v)
	for i := range tests {
		c := &tests[i]
		if c.off || c.test == nil {
			continue
		}
		if s := v.values[c.signal]; c.rule == rule && c.test.Reason == reason && s.known && s.ok && c.fails(s.v) {
			return f.grounds(c, stepped(s.v)) // as it is known from a sidecar
		}
	}
	return Grounds{Rule: rule, Reason: reason}
}

// Differences are what two profiles make of the same documents.
type Differences struct {
	Documents, BothKeep, OnlyA, OnlyB, BothDrop int64 // OnlyA: A alone keeps it
	// Changes are by pair of decisions that are not the same, those with most documents first.
	Changes []Change
}

// Change is what A says and what B says, "" to keep it, else "RULE:REASON".
type Change struct {
	A, B      string
	Documents int64
	Examples  []Example // the first ones
}

// Example is a document on which A and B differ.
type Example struct {
	ID   string // as it is shown
	A, B Grounds
}

// Comparing adds up differences. The zero value shows no examples.
type Comparing struct {
	Examples int // how many are shown of each change, at most
	total    Differences
	changes  map[[2]string]*Change
}

// Add takes in a document. id is asked only for an example.
func (c *Comparing) Add(a, b Grounds, id func() string) {
	t := &c.total
	t.Documents++
	switch {
	case a.Kept() && b.Kept():
		t.BothKeep++
	case a.Kept():
		t.OnlyA++
	case b.Kept():
		t.OnlyB++
	default:
		t.BothDrop++
	}
	if a.Rule == b.Rule && a.Reason == b.Reason {
		return
	}
	key := [2]string{a.Name(), b.Name()}
	ch := c.changes[key]
	if ch == nil {
		if c.changes == nil {
			c.changes = map[[2]string]*Change{}
		}
		ch = &Change{A: key[0], B: key[1]}
		c.changes[key] = ch
	}
	ch.Documents++
	if len(ch.Examples) < c.Examples {
		ch.Examples = append(ch.Examples, Example{id(), a, b})
	}
}

// Differences are those of the documents so far.
func (c *Comparing) Differences() Differences {
	d := c.total
	d.Changes = nil
	for _, ch := range c.changes {
		d.Changes = append(d.Changes, *ch)
	}
	slices.SortFunc(d.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Documents, a.Documents), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
	return d
}

// Decider asks a profile about records, one at a time. It is used by one goroutine.
type Decider struct {
	f      *Filter
	view   *View
	text   []byte
	fields [][]byte
}

// NewDecider makes one.
func (f *Filter) NewDecider() *Decider {
	return &Decider{f: f, view: f.NewView(), fields: make([][]byte, len(f.fields))}
}

// Record decides about a record; an error says why it is to be quarantined.
func (d *Decider) Record(r *record.Record) (Grounds, error) {
	if err := d.f.look(d.view, r, &d.text, d.fields); err != nil {
		return Grounds{}, err
	}
	rule, reason := d.f.decide(d.view, false)
	if d.view.problem != nil && reason == "" {
		return Grounds{}, d.view.problem
	}
	return d.f.groundsOf(d.view, rule, reason), nil
}
