package filter

import (
	"curate/record"
)

// OverlapMark begins the names of the tallies that say which tests dropped documents fail together, with
// Config.Overlap: "&RULE:REASON" counts those that fail it, "&RULE:REASON&" those that fail no other, and
// "&RULE:REASON&RULE:REASON" those that fail both, the test that is made first in front. Tests with the same rule and
// reason count as one.
const OverlapMark = "&"

// overlap counts for a worker.
type overlap struct {
	keys  []string // "RULE:REASON", in the order of the tests
	of    []int    // by test, the index of its key; -1 if it is not made
	fails []int    // keys that the document in hand fails, ascending
	n     []uint32 // by first and second key; in the diagonal those that fail it
	alone []uint32
	names []string // of the tallies, as n; made when first needed
	some  bool
}

func newOverlap(f *Filter) *overlap {
	o := &overlap{of: make([]int, len(f.tests))}
	at := map[string]int{}
	for i := range f.tests {
		c := &f.tests[i]
		if o.of[i] = -1; c.only || c.test == nil {
			continue
		}
		key := c.rule + ":" + c.test.Reason
		k, ok := at[key]
		if !ok {
			k = len(o.keys)
			at[key] = k
			o.keys = append(o.keys, key)
		}
		o.of[i] = k
	}
	o.n = make([]uint32, len(o.keys)*len(o.keys))
	o.names = make([]string, len(o.n))
	o.alone = make([]uint32, len(o.keys))
	return o
}

// count asks the tests that have not been made about the document that w has just dropped. What is known of it by then is
// written already, and stays as it is.
func (o *overlap) count(w *worker, r *record.Record) {
	f, v := w.f, w.view
	if r.Rule == EmptyRule {
		return // no test was made
	}
	if f.edits || len(f.cuts) > 1 { // v may be at another text, or other words, than the first tests saw
		if f.look(v, r, &w.text, w.fields) != nil {
			return // it was there a moment ago
		}
	}
	tests := f.testsFor(v)
	f.decide(v, true)
	o.fails = o.fails[:0]
	for i, k := range o.of {
		if k < 0 {
			continue
		}
		c := &tests[i]
		if s := v.values[c.signal]; c.off || !s.known || !s.ok || !c.fails(s.v) {
			continue
		}
		at := len(o.fails)
		for at > 0 && o.fails[at-1] > k {
			at--
		}
		if at > 0 && o.fails[at-1] == k {
			continue
		}
		o.fails = append(o.fails, 0)
		copy(o.fails[at+1:], o.fails[at:])
		o.fails[at] = k
	}
	for i, a := range o.fails {
		for _, b := range o.fails[i:] {
			o.n[a*len(o.keys)+b]++
		}
	}
	if len(o.fails) == 1 {
		o.alone[o.fails[0]]++
	}
	o.some = true
}

// tally hands the counts on.
func (o *overlap) tally(b *record.Batch) {
	if !o.some {
		return
	}
	o.some = false
	for i, n := range o.n {
		if n == 0 {
			continue
		}
		first, second := i/len(o.keys), i%len(o.keys)
		if o.names[i] == "" {
			if o.names[i] = OverlapMark + o.keys[first]; first != second {
				o.names[i] += OverlapMark + o.keys[second]
			}
		}
		b.Tally(o.names[i], int64(n))
		o.n[i] = 0
	}
	for k, n := range o.alone {
		if n > 0 {
			b.Tally(OverlapMark+o.keys[k]+OverlapMark, int64(n))
			o.alone[k] = 0
		}
	}
}

// NewMeasure makes a function that computes all signals of a record, as Annotate does, and decides nothing: the signals of
// a record without text are none. It is for one goroutine, and what it returns is valid until the next call.
func (f *Filter) NewMeasure() func(r *record.Record) []Signal {
	w := f.NewWorker().(*worker)
	return func(r *record.Record) []Signal {
		if f.look(w.view, r, &w.text, w.fields) != nil || len(w.view.Text()) == 0 {
			return nil
		}
		f.decide(w.view, true)
		w.signals = f.appendSignals(w.signals[:0], w.view)
		return w.signals
	}
}
