package filter

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"curate/record"
)

// A sidecar holds the signals of a corpus: row n is what the rules have computed of record n, whatever became of it. From
// it thresholds are applied again without the text (thresholds.go). docs/formats/signals.md is its page.

// Members of a sidecar's row that are no signals. A signal cannot have one of these names.
const (
	RowRecord  = "record"  // the record's ID
	RowID      = "id"      // the user's own, if the record has one
	RowBasis   = "basis"   // what the signals were computed by
	RowWithout = "without" // why there are no signals
)

// WithoutText is why an empty document has no signals.
const WithoutText = EmptyReason

var rowMembers = []string{RowRecord, RowID, RowBasis, RowWithout}

// maxRowID is the longest id of a user's, in bytes of JSON, that is worth a place in every row.
const maxRowID = 1 << 10

// Signals are the names of all signals of the profile, in the order of the tests.
func (f *Filter) Signals() []string { return slices.Clone(f.names) }

// checkSignals refuses a profile whose signals a row cannot hold.
func (f *Filter) checkSignals() error {
	for _, n := range f.names {
		if slices.Contains(rowMembers, n) {
			return fmt.Errorf("profile %q: a signal is called %q, as a member of every row of a sidecar is; give it another name", f.profile.Name, n)
		}
	}
	return nil
}

// row is the sidecar's row of the document in the view, all of whose signals are known; an empty one has none.
func (w *worker) row(r *record.Record, empty bool) []byte {
	j := append(w.json[:0], `{"`+RowRecord+`":`...)
	j = strconv.AppendUint(j, uint64(r.ID), 10)
	if id := r.OwnID(w.f.cfg.IDField, maxRowID); id != nil {
		j = append(j, `,"`+RowID+`":`...)
		j = append(j, id...)
	}
	j = append(j, `,"`+RowBasis+`":"`...)
	j = append(j, w.f.basis...)
	j = append(j, '"')
	if empty {
		j = append(j, `,"`+RowWithout+`":"`+WithoutText+`"`...)
	}
	w.signals = w.f.appendSignals(w.signals[:0], w.view)
	for _, s := range w.signals {
		if s.Value != s.Value { // it fails no test, as one that does not apply
			continue
		}
		j = append(j, ',', '"')
		j = append(j, s.Name...)
		j = append(j, '"', ':')
		j = appendStep(j, s.Value)
	}
	j = append(j, '}')
	w.json = j
	return j
}

// Step is between the thresholds that can be applied to a sidecar: they have up to six decimals.
const Step = 1e-6

// onStep is the multiple of Step that is nearest to v, and whether there are such: beyond 2^53 steps each number is one.
func onStep(v float64) (step float64, ok bool) {
	k := math.Round(float64(v * 1e6))
	return k / 1e6, math.Abs(k) < 1<<53
}

// stepped rounds a signal to a multiple of Step if it is one, and else to the middle between the two that it lies
// between: so it stays on its side of every threshold of six decimals.
func stepped(v float64) float64 {
	near, ok := onStep(v)
	switch {
	case math.IsInf(v, 0):
		return math.Copysign(math.MaxFloat64, v)
	case !ok || near == v:
		return v
	}
	k := math.Round(float64(v * 1e6))
	if v > near {
		return float64(10*k+5) / 1e7
	}
	return float64(10*k-5) / 1e7
}

// appendStep writes stepped(v) in its shortest form: 0.25, 31, 0.3333335.
func appendStep(dst []byte, v float64) []byte {
	v = stepped(v)
	format := byte('f')
	if math.Abs(v) >= 1e21 { // as ECMAScript does
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, 64)
}

// ruleBasis is everything that the values of a rule's signals depend on, besides the document.
type ruleBasis struct {
	Rule    string       `json:"rule"`
	Version int          `json:"version"`
	Kept    string       `json:"kept"`    // lists, texts, files and parameters that are no thresholds; an expression
	Signals []string     `json:"signals"` // the columns that hold them
	Fields  []string     `json:"fields"`  // of the record; of an expression what its signals depend on
	Words   string       `json:"words"`
	Behind  string       `json:"behind"`        // the rules before it that edit the text
	All     []ruleConfig `json:"all,omitempty"` // of a rule that edits, for those behind it
}

// basis notes what the signals of a rule depend on: "RULE@VERSION#DIGEST".
func (b *builder) basis(r *ruleBasis) error {
	sum, err := r.digest()
	b.f.bases = append(b.f.bases, fmt.Sprintf("%s@%d#%s", r.Rule, r.Version, sum))
	return err
}

// basisOf is the basis of a signal.
func (b *builder) basisOf(signal int) int {
	i := slices.IndexFunc(b.f.tests, func(c check) bool { return c.test != nil && c.signal == signal })
	return b.f.tests[i].basis
}

func (b *ruleBasis) digest() (string, error) {
	raw, err := json.Marshal(b, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%016x", xxhash.Sum64(raw)), nil
}

// CheckBasis says whether the signals of a row with this basis are those that the profile compares. The error names the
// signals that are missing, or that were computed otherwise.
func (t *Thresholds) CheckBasis(basis string) error {
	has := strings.Split(basis, ",")
	for i, want := range t.f.bases {
		if slices.Contains(has, want) || !t.asks[i] {
			continue
		}
		rule, _, _ := strings.Cut(want, "@")
		var signals []string
		for _, c := range t.f.tests {
			if c.test != nil && c.basis == i && !slices.Contains(signals, t.f.names[c.signal]) {
				signals = append(signals, t.f.names[c.signal])
			}
		}
		if slices.ContainsFunc(has, func(s string) bool { return strings.HasPrefix(s, rule+"@") }) {
			return fmt.Errorf("the signals of %s (%s) were not computed as profile %q computes them: its version, words, lists or parameters that are no thresholds differ, or a rule before it that edits the text; write the sidecar anew with this profile", rule, strings.Join(signals, ", "), t.f.profile.Name)
		}
		return fmt.Errorf("it lacks the signals of %s (%s), which profile %q compares; write the sidecar anew with this profile", rule, strings.Join(signals, ", "), t.f.profile.Name)
	}
	return nil
}

// Basis is what the rows of the filter have as theirs.
func (f *Filter) Basis() string { return f.basis }
