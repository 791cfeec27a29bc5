package filter

import (
	"cmp"
	"slices"
)

// Grounds are what a decision about a document was made on. Those of a document that is kept are empty; without a
// signal it was dropped before any test.
type Grounds struct {
	Rule, Reason string
	Signal       string
	Value        float64
	Compare      Comparison // Above or Below
	Threshold    float64
}

// Kept says whether they are those of a document that is kept.
func (g *Grounds) Kept() bool { return g.Reason == "" }

// Name is "RULE:REASON" as in a ledger, "" to keep.
func (g *Grounds) Name() string {
	if g.Kept() {
		return ""
	}
	return g.Rule + ":" + g.Reason
}

func (c *check) grounds(v float64) Grounds {
	g := Grounds{Rule: c.rule, Reason: c.test.Reason, Signal: c.test.Signal, Value: v, Compare: Above, Threshold: c.threshold}
	if c.test.Compare == Below {
		g.Compare = Below
	}
	return g
}

// Decide is Check that says on what grounds.
func (f *Filter) Decide(v *View, doc []byte) Grounds {
	rule, reason := f.Check(v, doc)
	for i := range f.tests {
		c := &f.tests[i]
		if s := v.values[c.signal]; c.rule == rule && c.test.Reason == reason && !c.off && s.known && s.ok && c.fails(s.v) {
			return c.grounds(s.v)
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
