package filter

// Rule is a list of tests on a document. Adding one is a file with a variable of this type, a line in the
// table of registry.go, and rows in the table of rules_test.go that meet each of its reasons.
type Rule struct {
	Name    string // as in a ledger's "RULE:REASON"
	Version int    // raised when the same document and parameters give another answer
	Summary string
	// Source is where the rule comes from: the peer's file@version, the paper.
	Source string
	Params []Param
	Tests  []Test // in the order in which they are made
}

// Param is a threshold.
type Param struct {
	Name    string
	Default float64
	Unit    string // what 1 means: "words", "of all lines"
	Source  string // of the default
}

// Comparison of a signal with its threshold. Both are strict: a signal at the threshold passes.
type Comparison string

const (
	Above Comparison = "above" // fails above the threshold
	Below Comparison = "below" // fails below the threshold
)

// Test compares one signal with one parameter.
type Test struct {
	// Reason of the drop: the reference implementation's own word.
	Reason string
	// Signal is the name under which the value is written, snake_case. A name means one thing: tests that
	// share it have equal values.
	Signal  string
	Measure string // what the signal is, for help
	Compare Comparison
	Param   string
	// ZeroOff says that a threshold of 0 switches the test off, as where the reference asks "if threshold
	// and value > threshold".
	ZeroOff bool
	// Value of the signal, exactly as the reference computes it. Without ok the test does not apply to the
	// document.
	Value func(*View) (value float64, ok bool)
}

// Signal is a value that a rule computed.
type Signal struct {
	Name  string
	Value float64
}

func (r *Rule) param(name string) (int, bool) {
	for i := range r.Params {
		if r.Params[i].Name == name {
			return i, true
		}
	}
	return 0, false
}
