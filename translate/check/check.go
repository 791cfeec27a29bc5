// Package check says what is wrong with a translation, without a model: named signals and the thresholds at which they
// reject. It also knows which tasks are bound to a language.
//
// Read check.go first, then signals.go (the table; one file a signal that needs more than a line), profile.go (thresholds
// and where they come from), language.go, repair.go, tasks.go.
package check

import "slices"

// Pair is a segment or a whole row, protected spans taken out.
type Pair struct {
	From, To       string // ISO 639-1
	Source, Target string
	Values         []string // of the protected spans, which may stand in both
}

// Finding is a signal beyond its threshold.
type Finding struct {
	Check  string // "length_ratio", "echo", "repetition", "language", "numbers", "chatter", …
	Hard   bool   // the translation is not accepted; a soft one is only noted
	Value  float64
	Detail string // "0.31 times as long as the source, at least 0.5"
}

// Identify says how sure an engine is of a text being in language a, and of its being in b or in any other, 0 to 1 each; NaN
// where it can say nothing. It is asked only where cheap evidence does not decide. nil: it is never asked, and doubt accepts.
type Identify func(text string, a, b string) (pa, pb float64)

// Checker checks. It is immutable and may be shared.
type Checker struct {
	profile  Profile
	identify Identify
}

// New makes one.
func New(p Profile, identify Identify) (*Checker, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Checker{profile: p, identify: identify}, nil
}

// Segment appends what is wrong with one translated segment to dst: hard findings first, and of each kind in the order of the
// table of signals.
func (c *Checker) Segment(dst []Finding, p Pair) []Finding { return c.run(dst, p, false) }

// Row appends what can only be said of a row's texts together, such as their language. Source and Target are its units, one a
// line and in the same order.
func (c *Checker) Row(dst []Finding, p Pair) []Finding { return c.run(dst, p, true) }

func (c *Checker) run(dst []Finding, p Pair, row bool) []Finding {
	v := newView(p)
	first := len(dst)
	for i := range signals {
		measure := signals[i].segment
		if row {
			measure = signals[i].row
		}
		if measure == nil {
			continue
		}
		if f, found := measure(c, v); found {
			f.Check = signals[i].Name
			dst = append(dst, f)
		}
	}
	slices.SortStableFunc(dst[first:], func(a, b Finding) int {
		switch {
		case a.Hard == b.Hard:
			return 0
		case a.Hard:
			return -1
		}
		return 1
	})
	return dst
}

// soft and hard are the two kinds of findings; the signal's name is filled in by run.
func soft(value float64, detail string) (Finding, bool) {
	return Finding{Value: value, Detail: detail}, true
}
func hard(value float64, detail string) (Finding, bool) {
	return Finding{Hard: true, Value: value, Detail: detail}, true
}

var nothing = Finding{}
