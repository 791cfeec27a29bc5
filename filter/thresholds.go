package filter

import "fmt"

// Thresholds are the tests of a profile, asked about signals that are known already. It is immutable.
type Thresholds struct {
	f       *Filter
	tests   []int    // of f.tests: those that are on
	columns []int    // of signals, by test
	of      [][]int  // by signal, the numbers of its tests, the last one first
	signals []string // that the tests compare, each once
	asks    []bool   // by Filter.bases: a test that is on compares a signal of it
}

// Decisions that are no number of a test.
const (
	Passes = -1 // every test
	Empty  = -2 // dropped before any test: EmptyRule, EmptyReason
)

// Thresholds are the filter's tests without its rules.
func (f *Filter) Thresholds() (*Thresholds, error) {
	if f.languages != nil {
		return nil, fmt.Errorf("profile %q has thresholds by language, and a sidecar does not say in which language a document is; filter the text", f.profile.Name)
	}
	t := &Thresholds{f: f, asks: make([]bool, len(f.bases))}
	at := map[string]int{}
	for i := range f.tests {
		c := &f.tests[i]
		if c.off || c.test == nil {
			continue
		}
		if near, ok := onStep(c.threshold); ok && near != c.threshold {
			return nil, fmt.Errorf("profile %q: %s.%s is %s, and signals in a sidecar are known to six decimals; round it, or filter the text", f.profile.Name, c.rule, c.test.Param, number(c.threshold))
		}
		k, ok := at[f.names[c.signal]]
		if !ok {
			k = len(t.signals)
			at[f.names[c.signal]] = k
			t.signals = append(t.signals, f.names[c.signal])
			t.of = append(t.of, nil)
		}
		t.of[k] = append([]int{len(t.tests)}, t.of[k]...)
		t.tests = append(t.tests, i)
		t.columns = append(t.columns, k)
		t.asks[c.basis] = true
	}
	return t, nil
}

// Signals are the names of those that the tests compare, each once, in the order of the tests.
func (t *Thresholds) Signals() []string { return t.signals }

// Decide sets first[i] to the number of the first test that row i fails, or to Passes. columns are the values by signal, in
// the order of Signals, each as long as first; NaN for one that does not apply.
func (t *Thresholds) Decide(first []int32, columns [][]float64) {
	for i := range first {
		first[i] = Passes
	}
	for k, values := range columns {
		t.DecideSignal(first, k, values)
	}
}

// DecideSignal is Decide for one signal, by its number in Signals, the others being asked before or after: first[i], in the
// beginning Passes, becomes the number of the first test that row i fails of this signal, if it is smaller.
func (t *Thresholds) DecideSignal(first []int32, k int, values []float64) {
	for _, n := range t.of[k] {
		c := &t.f.tests[t.tests[n]]
		failing(first, uint32(n), values[:len(first)], c.test.Compare, c.threshold)
	}
}

// failing sets first[i] to n where the value fails and no smaller number stands there: a loop for each comparison. Passes is
// the largest number without a sign.
func failing(first []int32, n uint32, values []float64, compare Comparison, threshold float64) {
	switch compare {
	case Below:
		for i, v := range values {
			if v < threshold {
				first[i] = int32(min(uint32(first[i]), n))
			}
		}
	case AtOrAbove:
		for i, v := range values {
			if v >= threshold {
				first[i] = int32(min(uint32(first[i]), n))
			}
		}
	case AtOrBelow:
		for i, v := range values {
			if v <= threshold {
				first[i] = int32(min(uint32(first[i]), n))
			}
		}
	default:
		for i, v := range values {
			if v > threshold {
				first[i] = int32(min(uint32(first[i]), n))
			}
		}
	}
}

// Reason is what a decision says: rule and reason, "" to keep the document.
func (t *Thresholds) Reason(decision int32) (rule, reason string) {
	switch {
	case decision == Empty:
		return EmptyRule, EmptyReason
	case decision < 0:
		return "", ""
	}
	c := &t.f.tests[t.tests[decision]]
	return c.rule, c.test.Reason
}

// Tests are how many tests there are, for a table of decisions.
func (t *Thresholds) Tests() int { return len(t.tests) }

// Grounds are what a decision was made on; signal is its number in Signals, -1 if there is none.
func (t *Thresholds) Grounds(decision int32) (g Grounds, signal int) {
	if decision < 0 {
		g.Rule, g.Reason = t.Reason(decision)
		return g, -1
	}
	c := &t.f.tests[t.tests[decision]]
	return t.f.grounds(c, 0), t.columns[decision]
}
