package filter

import (
	"context"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/text"
)

// Config of the stage.
type Config struct {
	// Profile is the name of a profile; there is no default.
	Profile string
	// TextField is where a record has its text; "text" by default.
	TextField record.Path
	// Fields says where a record has what rules look at besides its text, by the names of the rules' Fields.
	Fields map[string]record.Path
	// Open reads the files that parameters name. Without it such a rule is an error.
	Open func(name string) (io.ReadCloser, error)
	// Annotate drops nothing: verdict and all signals are written into every record.
	Annotate bool
	// Verdicts writes verdict and signals into dropped records. Ask for it when somebody keeps them; it
	// changes no decision, so it is no part of the stage's identity.
	Verdicts bool
	// Signals notes a row of the sidecar for each record (record.SetSignals). It changes no decision and is no part of the
	// stage's identity.
	Signals bool
	// IDField is where a record has an id of its own, for those rows; "id" by default.
	IDField record.Path
	// Histograms tallies each signal that was computed for a decision, as "SIGNAL@BIN" with the bins of
	// stage.Bin. It changes no decision and is no part of the stage's identity.
	Histograms bool
	// Overlap tallies which tests dropped documents fail together (OverlapMark), for which all tests are made on those. It
	// changes no decision and is no part of the stage's identity.
	Overlap bool
}

// Rule and reason of a document without any text: no rule can be asked about it, since shares of nothing do
// not exist.
const (
	EmptyRule   = "filter"
	EmptyReason = "empty_text"
)

// Filter is a profile made ready. It is immutable and serves any number of goroutines.
type Filter struct {
	cfg     Config
	profile Profile
	tests   []check
	// languages are the tests for documents of these languages, nil if all have the same.
	languages  map[string][]check
	signals    int
	names      []string // of the signals
	edits      bool     // a rule may edit the text
	conditions bool     // there are expressions
	cuts       []*wordCut
	rules      []Values // all that were prepared
	fields     []field  // of the record, that rules look at
	spec       stage.Spec
	head       []byte   // {"profile":"…","verdict":"
	bases      []string // by check.basis: what signals depend on
	basis      string   // all of them, for a row
}

// check is a test with its threshold.
type check struct {
	rule      string
	test      *Test // none of a rule that only edits
	params    Values
	threshold float64
	off       bool
	signal    int                 // index of the signal; tests that share one have the same
	edit      func(*View, Values) // of the rule, on its first test
	last      bool                // of a rule that edits: its edit counts if none of its tests has failed
	// recut, if it is not 0, makes the view forget its cuts before this check, and cut words by cuts[recut-1].
	recut      int
	asked      bool // an expression asks for the signal
	only       bool // it is there for that alone
	expression *condition
	basis      int // in Filter.bases
}

// condition is an expression in a filter.
type condition struct {
	*program
	from []int // which signals it asks for, by the order of program.signals
}

// field of the record.
type field struct {
	name   string
	path   record.Path
	absent string // the tally of the documents without it
}

// New makes the filter of a profile.
func New(cfg Config) (*Filter, error) {
	p, err := Lookup(cfg.Profile)
	if err != nil {
		return nil, err
	}
	return build(p, cfg)
}

// NewOf makes the filter of a profile that need not be in the table: a user's, or a composition. cfg.Profile is not
// looked at.
func NewOf(p Profile, cfg Config) (*Filter, error) { return build(p, cfg) }

// NewView makes the reusable scratch for Check and Verdict: one for each goroutine.
func (f *Filter) NewView() *View {
	v := &View{values: make([]value, f.signals), given: make([]viewField, len(f.fields)), scratch: make([]any, len(f.rules))}
	for _, c := range f.cuts {
		v.cuts = append(v.cuts, c.newView())
	}
	v.viewCut = v.cuts[0]
	if f.conditions {
		v.expressions = newEvaluator()
	}
	for i := range f.fields {
		v.given[i].name = f.fields[i].name
	}
	for i, p := range f.rules {
		if p.rule.NewScratch != nil {
			v.scratch[i] = p.rule.NewScratch(p.more.made)
		}
	}
	return v
}

// Check decides about a document: rule and reason of the first test that fails, or "" to keep it. v comes
// from NewView of the same filter; doc is valid UTF-8. v.Text is then what the rules leave of a kept document.
func (f *Filter) Check(v *View, doc []byte) (rule, reason string) {
	v.Reset(doc)
	return f.decideBriefly(v)
}

// CheckWords is Check for a caller who has cut the words: spans in order that do not overlap, none empty.
func (f *Filter) CheckWords(v *View, doc []byte, words []text.Span) (rule, reason string) {
	v.ResetWords(doc, words)
	return f.decideBriefly(v)
}

// Verdict is Check that appends the signals to dst, each once, in the order of the tests: all of them, or
// those up to the test that failed. Signals that do not apply to the document are left out.
func (f *Filter) Verdict(dst []Signal, v *View, doc []byte, all bool) (signals []Signal, rule, reason string) {
	v.Reset(doc)
	rule, reason = f.decide(v, all)
	return f.appendSignals(dst, v), rule, reason
}

// decideBriefly is decide where nobody asks for signals. Those of the view are not to be looked at then.
func (f *Filter) decideBriefly(v *View) (rule, reason string) {
	v.brief = !f.conditions // expressions ask for signals
	rule, reason = f.decide(v, false)
	v.brief = false
	return rule, reason
}

// decide asks the tests in order about the document of v. With all it goes on after one has failed, so that
// every signal is known. v turns to the text that the rules leave of the document.
func (f *Filter) decide(v *View, all bool) (rule, reason string) {
	if len(v.doc) == 0 {
		return EmptyRule, EmptyReason
	}
	tests := f.testsFor(v)
	failed := false // a test of a rule that edits
	for i := range tests {
		c := &tests[i]
		if c.recut != 0 {
			v.recut(c.recut - 1)
		}
		if c.edit != nil {
			v.fresh = false // an edit before it may have been given up
			c.edit(v, c.params)
			failed = false
		}
		if (!c.off || all || c.asked) && c.test != nil && !(v.brief && c.test.Passes != nil && c.test.Passes(v, c.threshold)) {
			s := &v.values[c.signal]
			if !s.known {
				s.v, s.ok = c.test.Value(v, c.params)
				s.known = true
			}
			if s.ok && !c.off && c.fails(s.v) {
				failed = true
				if reason == "" && v.problem == nil {
					rule, reason = c.rule, c.test.Reason
				}
				if !all {
					break
				}
			}
		}
		if c.last && !failed {
			v.applyEdit()
		}
	}
	return rule, reason
}

// testsFor are the tests for the language of the document, and the view's first words.
func (f *Filter) testsFor(v *View) []check {
	if len(f.cuts) > 1 {
		v.viewCut = v.cuts[0]
	}
	if f.languages != nil {
		if language, ok := v.Field(languageField); ok {
			if tests, ok := f.languages[string(language)]; ok {
				return tests
			}
		}
	}
	return f.tests
}

func (c *check) fails(v float64) bool { return c.test.Compare.fails(v, c.threshold) }

func (f *Filter) appendSignals(dst []Signal, v *View) []Signal {
	next := 0 // signals are numbered in the order of the tests
	for i := range f.tests {
		if c := &f.tests[i]; c.signal == next {
			next++
			if s := v.values[c.signal]; s.known && s.ok {
				dst = append(dst, Signal{f.names[next-1], s.v})
			}
		}
	}
	return dst
}

// Spec is the same at every call.
func (f *Filter) Spec() stage.Spec { return f.spec }

// NewWorker implements stage.Mapper.
func (f *Filter) NewWorker() stage.Worker {
	w := &worker{f: f, view: f.NewView(), brief: !(f.cfg.Annotate || f.cfg.Signals || f.cfg.Verdicts || f.cfg.Histograms), fields: make([][]byte, len(f.fields)), absent: make([]int64, len(f.fields))}
	if f.cfg.Histograms {
		w.counts = make([]uint32, f.signals*stage.Bins)
		w.names = make([]string, len(w.counts))
	}
	if f.cfg.Overlap {
		w.overlap = newOverlap(f)
	}
	return w
}

// EditedTally counts the kept documents whose text the rules have edited.
const EditedTally = "edited"

// curateFilter is where the verdict is written.
var curateFilter = record.MustPath("curate.filter")

// scratchLimit is what a worker keeps between documents, in bytes. Nearly all documents need less: scratch is
// about five times the text.
const scratchLimit = 4 << 20

type worker struct {
	f       *Filter
	view    *View
	brief   bool   // nobody asks for signals
	text    []byte // decoded
	fields  [][]byte
	absent  []int64 // documents of this batch without the field
	signals []Signal
	json    []byte
	edited  int64 // documents of this batch

	counts []uint32 // with Histograms: signal * stage.Bins + bin
	filled []int32  // those that are not 0
	names  []string // of the tallies, made when first needed

	overlap *overlap // with Overlap
}

// Map implements stage.Worker.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome == record.Keep {
			w.one(r)
		}
		if w.view.Size()+cap(w.text)+cap(w.json) > scratchLimit {
			w.view.Shrink(scratchLimit / 2)
			if cap(w.text) > scratchLimit/2 {
				w.text = nil
			}
			if cap(w.json) > scratchLimit/2 {
				w.json = nil
			}
		}
	}
	w.view.Reset(nil) // the batch's bytes are the engine's again
	w.tally(b)
	return nil
}

func (w *worker) tally(b *record.Batch) {
	if w.edited > 0 {
		b.Tally(EditedTally, w.edited)
		w.edited = 0
	}
	for i, n := range w.absent {
		if n > 0 {
			b.Tally(w.f.fields[i].absent, n)
			w.absent[i] = 0
		}
	}
	slices.Sort(w.filled)
	for _, i := range w.filled {
		if w.names[i] == "" {
			w.names[i] = w.f.names[i/stage.Bins] + "@" + strconv.Itoa(int(i%stage.Bins))
		}
		b.Tally(w.names[i], int64(w.counts[i]))
		w.counts[i] = 0
	}
	w.filled = w.filled[:0]
	if w.overlap != nil {
		w.overlap.tally(b)
	}
}

func (w *worker) count() {
	for s, v := range w.view.values {
		if v.known && v.ok {
			i := s*stage.Bins + stage.Bin(v.v)
			if w.counts[i] == 0 {
				w.filled = append(w.filled, int32(i))
			}
			w.counts[i]++
		}
	}
}

func (w *worker) one(r *record.Record) {
	f := w.f
	if err := f.look(w.view, r, &w.text, w.fields); err != nil {
		r.QuarantineFor(err)
		return
	}
	for i := range w.view.given {
		if !w.view.given[i].known {
			w.absent[i]++
		}
	}
	var rule, reason string
	if w.brief {
		rule, reason = f.decideBriefly(w.view)
	} else {
		rule, reason = f.decide(w.view, f.cfg.Annotate || f.cfg.Signals)
	}
	if w.view.problem != nil && reason == "" { // before any test has failed
		r.QuarantineFor(w.view.problem)
		return
	}
	if f.cfg.Signals {
		r.SetSignals(w.row(r, rule == EmptyRule && reason == EmptyReason))
	}
	if w.counts != nil {
		w.count()
	}
	if f.cfg.Annotate || reason != "" {
		var err error
		if f.cfg.Annotate || f.cfg.Verdicts {
			err = r.Set(curateFilter, w.verdict(rule, reason))
		} else {
			err = r.CanSet(curateFilter) // whether somebody keeps dropped records decides nothing
		}
		if err != nil {
			r.QuarantineFor(err)
			return
		}
	}
	switch {
	case reason == "":
		if f.edits && !f.cfg.Annotate && w.view.changed {
			if err := w.setText(r); err != nil {
				r.QuarantineFor(err)
				return
			}
			w.edited++
		}
	case f.cfg.Annotate:
		r.Flag(rule, reason)
	default:
		r.DropFor(rule, reason)
		if w.overlap != nil {
			w.overlap.count(w, r)
		}
	}
}

// look turns a view to a record. scratch and fields are memory for what has to be decoded.
func (f *Filter) look(v *View, r *record.Record, scratch *[]byte, fields [][]byte) error {
	doc, err := r.Text(f.cfg.TextField, scratch)
	if err != nil {
		return err
	}
	v.Reset(doc)
	for i := range f.fields {
		// A field that is not there, or no string, is absent to the rules.
		if value, err := r.Text(f.fields[i].path, &fields[i]); err == nil {
			v.SetField(f.fields[i].name, value)
		}
	}
	v.SetRecord(r)
	return nil
}

// setText stages what the rules have left of the text.
func (w *worker) setText(r *record.Record) error {
	var err error
	if w.json, err = jsontext.AppendQuote(w.json[:0], w.view.Text()); err != nil {
		return err // invalid UTF-8, which no record holds
	}
	return r.Set(w.f.cfg.TextField, w.json)
}

// verdict is the JSON text of curate.filter. Names are constants of the rules, which need no escapes
// (TestRegistry).
func (w *worker) verdict(rule, reason string) []byte {
	j := append(w.json[:0], w.f.head...)
	if reason == "" {
		j = append(j, `keep"`...)
	} else {
		j = append(j, `drop","rule":"`...)
		j = append(j, rule...)
		j = append(j, `","reason":"`...)
		j = append(j, reason...)
		j = append(j, '"')
	}
	j = append(j, `,"signals":{`...)
	w.signals = w.f.appendSignals(w.signals[:0], w.view)
	for i, s := range w.signals {
		if i > 0 {
			j = append(j, ',')
		}
		j = append(j, '"')
		j = append(j, s.Name...)
		j = append(j, `":`...)
		j = appendRounded(j, s.Value)
	}
	j = append(j, `}}`...)
	w.json = j
	return j
}

// appendRounded writes a number rounded to 1e-6 in its shortest form: 0.25, 31.
func appendRounded(dst []byte, v float64) []byte {
	return strconv.AppendFloat(dst, math.Round(float64(v*1e6))/1e6, 'f', -1, 64)
}
