package translate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"curate/record"
	"curate/stage"
	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/memory"
	"curate/translate/protect"
	"curate/translate/rows"
)

// Parts are what a Stage works with. They are the caller's to close, after the run.
type Parts struct {
	// Backend translates; nil: only what the memory has.
	Backend backends.Backend
	// Offline says that Backend is there for its name alone, under which the memory has its answers: nobody is asked. A segment
	// that the memory does not have ends the run with a *NotFetchedError, or, with SetAside, is a failure of its row.
	Offline, SetAside bool
	// Fallback is asked for what the Backend cannot do; nil: nobody.
	Fallback backends.Backend
	Judge    backends.Judge // nil: nobody
	// Memory opens the memory, when the first record comes.
	Memory func(ctx context.Context) (*memory.Store, error)
	// TM is the engine under which translation memories that were given stand in Memory; "" for none.
	TM string
	// Corrections identify the files of corrections that were given; "" for none.
	Corrections string
	Glossary    *protect.Glossary
	Identify    check.Identify // nil: nobody is asked for a language
	// Kind and Model are what records and reports call the backend.
	Kind, Model string
	// Schema is told the schema of every row, from any goroutine; nil: nobody.
	Schema func(name string)
	// Dry counts what there is to do, and translates nothing.
	Dry bool
	// InFlight is how many requests may be on their way at a time; 0 for those of a backend that computes.
	InFlight int
}

// Stage is the stage "translate".
type Stage struct {
	cfg    Config
	t      *translator
	reader *rows.Reader
	flight int
}

// version of the stage: raised when the same configuration gives other results.
const version = 1

// New makes it.
func New(cfg Config, p Parts) (*Stage, error) {
	first, forms, err := formsOf(p.Backend, cfg.Placeholder)
	if err != nil {
		return nil, err
	}
	cfg.Placeholder = first
	if cfg, err = cfg.Resolve(); err != nil {
		return nil, err
	}
	_, fallbackForms, err := formsOf(p.Fallback, first)
	if err != nil { // it does not take this form, and has a choice of its own
		if _, fallbackForms, err = formsOf(p.Fallback, ""); err != nil {
			return nil, err
		}
	}
	checker, err := check.New(cfg.Profile, p.Identify)
	if err != nil {
		return nil, err
	}
	reader, err := rows.New(cfg.Rows)
	if err != nil {
		return nil, err
	}
	t := &translator{cfg: cfg, p: p, checker: checker, forms: forms, fallbackForms: fallbackForms, engine: "memory", flights: map[memory.Key]*flight{}, lost: map[memory.Key]*Failure{}, dry: map[memory.Key]struct{}{}}
	if p.Backend != nil {
		t.engine = p.Backend.Engine()
	}
	_, t.computed = p.Backend.(Computed)
	if p.Glossary != nil {
		t.engine += " glossary " + p.Glossary.Digest()
	}
	if cfg.Numbers {
		t.engine += " numbers"
	}
	t.final = t.engine
	if p.Judge != nil {
		t.final = fmt.Sprintf("judged %v %s %s", cfg.MinScore, p.Judge.Name(), t.engine)
	}
	t.failed = "failed " + cfg.strictness(p) + " " + t.engine
	return &Stage{cfg: cfg, t: t, reader: reader, flight: batches(p.InFlight)}, nil
}

// batches in hand for so many requests on their way: enough rows that those which are known already, or are waiting for others,
// leave no request unused.
func batches(requests int) int { return 2 + requests/4 }

// Spec says what it is called and how it is set.
func (s *Stage) Spec() stage.Spec {
	c := struct {
		Config
		Engine      string `json:"engine"`
		TM          string `json:"tm,omitzero"`          // of the files
		Corrections string `json:"corrections,omitzero"` // likewise
		Fallback    string `json:"fallback,omitzero"`
		Judge       string `json:"judge,omitzero"`
	}{Config: s.cfg, Engine: s.t.engine, TM: s.t.p.TM, Corrections: s.t.p.Corrections}
	if f := s.t.p.Fallback; f != nil {
		c.Fallback = f.Engine()
	}
	if j := s.t.p.Judge; j != nil {
		c.Judge = j.Name()
	}
	return stage.Spec{Name: "translate", Version: version, Config: c, InFlight: s.flight, Accepts: s.accepts}
}

func (s *Stage) accepts(r *record.Record) error {
	_, err := s.reader.Recognise(r)
	return err
}

// NewWorker makes the half of one goroutine.
func (s *Stage) NewWorker() stage.Worker { return &worker{s: s} }

// worker keeps nothing between batches: there are hundreds, and a book of a row would stay in each.
type worker struct{ s *Stage }

// Settled is how many segments of rows have a translation, or were given up, so far. It may be called at any time.
func (s *Stage) Settled() int64 { return s.t.settled.Load() }

// Map reads the batch's rows, lets all of them find their translations side by side, and puts them together in order.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	t := w.s.t
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	list := make([]*rowWork, 0, len(b.Records))
	for i := range b.Records {
		rec := &b.Records[i]
		if rec.Outcome != record.Keep {
			continue
		}
		r := &rowWork{rec: rec, seen: map[memory.Key]*wanted{}}
		t.read(w.s.reader, r)
		list = append(list, r)
	}
	if t.p.Dry {
		return t.count(list, b)
	}
	err := all(ctx, list, func(ctx context.Context, r *rowWork) error {
		if r.rec.Outcome != record.Keep {
			return nil
		}
		return r.resolve(ctx, t)
	})
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := t.finishRow(r); err != nil {
			return err
		}
		t.tally(b, r)
	}
	return nil
}

// all resolves rows side by side. After an error the others' requests that are on their way are still waited for: they are
// paid for.
func all(ctx context.Context, list []*rowWork, f func(context.Context, *rowWork) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for _, r := range list {
		wg.Go(func() {
			if err := f(ctx, r); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	wg.Wait()
	return first
}

// Names of the stage's counters, which a run that was killed and goes on counts as one that was not.
const (
	TallySegments = "segments" // distinct ones of each row
	TallyRung     = "rung:"    // by rung, of the segments accepted
	TallyFailed   = "failed:"  // by check, of the segments given up
	TallyNoted    = "noted:"   // by check that only notes, of the segments accepted
	TallyTask     = "task:"    // by task, of rows that were not dropped for it
	TallyCopied   = "copied"   // rows that stay in their language
	TallyKept     = "kept_source"
	ratioSignal   = "length_ratio"
)

// Names of what the stage has spent on its rows (record.Batch.Spend): another run, which has other segments in its memory, or asks in
// another order, spends something else.
const (
	TallyKnown     = "memory_hits" // accepted segments that no backend had to be asked for
	TallyRequests  = "requests"    // retries included
	TallyRetries   = "retries:"    // by class of error
	TallyPrompt    = "prompt_tokens"
	TallyOutput    = "completion_tokens"
	TallyCached    = "cached_tokens"    // of the prompt's
	TallyEstimated = "estimated_tokens" // rows whose tokens are a guess
	TallyCost      = "cost_micro"       // in millionths of the prices' currency
)

func (t *translator) tally(b *record.Batch, r *rowWork) {
	n := func(name string, k int64) {
		if k != 0 {
			b.Tally(name, k)
		}
	}
	t.tallySegments(b, r)
	if r.rec.Outcome != record.Keep {
		return
	}
	for _, name := range r.tasks {
		n(TallyTask+name, 1)
	}
	if r.action == "copy" {
		n(TallyCopied, 1)
	} else if r.failure != nil {
		n(TallyKept, 1)
	}
}

// tallySegments counts what became of a row's segments, and what they have cost.
func (t *translator) tallySegments(b *record.Batch, r *rowWork) {
	n := func(name string, k int64) {
		if k != 0 {
			b.Tally(name, k)
		}
	}
	spend := func(name string, k int64) {
		if k != 0 {
			b.Spend(name, k)
		}
	}
	n(TallySegments, int64(len(r.list)))
	t.settled.Add(int64(len(r.list)))
	for _, w := range r.list {
		if w.failure != nil {
			n(TallyFailed+w.failure.Check, 1)
			continue
		}
		n(TallyRung+w.rung, 1)
		if w.known {
			spend(TallyKnown, 1)
		}
		for name := range w.soft {
			n(TallyNoted+name, 1)
		}
		if ratio, ok := check.Ratio(check.Pair{Source: w.template.Plain(), Target: w.target.Plain()}); ok {
			n(ratioSignal+"@"+strconv.Itoa(stage.Bin(ratio)), 1)
		}
	}
	spend(TallyRequests, r.spent.Requests)
	for class, k := range r.spent.Retries {
		spend(TallyRetries+class, k)
	}
	spend(TallyPrompt, r.spent.Prompt)
	spend(TallyOutput, r.spent.Completion)
	spend(TallyCached, r.spent.Cached)
	spend(TallyCost, r.spent.Cost)
	if r.spent.Estimated {
		spend(TallyEstimated, 1)
	}
}

// Names of what a dry run counts.
const (
	DryDistinct = "distinct"       // segments that are not in the memory and differ from each other
	DryKnown    = "distinct_known" // that are in the memory, or given up there
	DryTokens   = "tokens"         // of the distinct ones, about
)

// count is what a dry run does instead.
func (t *translator) count(list []*rowWork, b *record.Batch) error {
	for _, r := range list {
		if r.rec.Outcome != record.Keep {
			continue
		}
		b.Tally(TallySegments, int64(len(r.list)))
		for _, w := range r.list {
			t.mu.Lock()
			_, had := t.dry[w.key]
			t.dry[w.key] = struct{}{}
			t.mu.Unlock()
			if had {
				continue
			}
			if known, err := t.remembered(w); err != nil {
				return err
			} else if known { // or was given up, and is not asked for again
				b.Tally(DryKnown, 1)
				continue
			}
			b.Tally(DryDistinct, 1)
			b.Tally(DryTokens, int64(tokensOf(w.template)))
		}
		if r.action == "copy" {
			b.Tally(TallyCopied, 1)
		}
	}
	return nil
}

// Counters sorts out a stage's tallies by prefix: "failed:" gives {"numbers": 3}. For summaries.
func Counters(tallies map[string]int64, prefix string) (names []string, counts map[string]int64) {
	counts = map[string]int64{}
	for k, n := range tallies {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			counts[name] += n
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	return names, counts
}
