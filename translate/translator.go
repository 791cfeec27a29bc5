package translate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"curate/translate/backends"
	"curate/translate/check"
	"curate/translate/memory"
	"curate/translate/protect"
)

// wanted is a distinct segment of a row, on its way to a translation.
type wanted struct {
	template protect.Template
	key      memory.Key
	values   []string // of the place where it stands first
	path     string   // of that place
	at       int      // its number in the row

	// The outcome: a target, or a failure.
	target  protect.Template
	failure *Failure
	known   bool    // from memory
	flight  *flight // while others may wait for it
	part    bool    // a piece of a segment, which is neither judged nor kept by itself

	rung     string // on which the target was accepted
	attempts int
	soft     map[string]float64 // checks that only note
	score    *float64           // of a judge
	answer   string             // the last one
}

func (w *wanted) done() bool { return w.failure != nil || w.target.Text != nil }

// take takes over the outcome of another row's request for the same segment.
func (w *wanted) take(o *wanted) {
	w.target, w.known, w.rung, w.attempts, w.soft, w.score = o.target, true, o.rung, o.attempts, o.soft, o.score
	if f := o.failure; f != nil {
		w.target = protect.Template{}
		own := *f
		own.Path, own.Source = w.path, w.template.Fill(w.values)
		w.failure = &own
	}
}

// translator answers for segments: each is asked for once, however many rows want it. It may be used from any goroutine.
type translator struct {
	cfg     Config
	p       Parts
	checker *check.Checker
	forms   []protect.Form // for the backend, in the order in which they are tried
	// fallbackForms are for the fallback, likewise.
	fallbackForms []protect.Form
	computed      bool   // the backend is Computed
	engine        string // of the keys under which answers stand that have passed the checks
	final         string // and of those that the judge has accepted; without one the same
	failed        string // of the keys under which failures stand

	once    sync.Once
	memory  *memory.Store
	opening error

	settled atomic.Int64 // segments of rows

	mu      sync.Mutex
	flights map[memory.Key]*flight
	lost    map[memory.Key]*Failure // given up in this run: a dead text of many rows costs its retries once
	dry     map[memory.Key]struct{} // what a dry run has counted
}

// maxLost bounds lost; segments beyond it are asked for again.
const maxLost = 100_000

// flight is a segment that one row asks for, while others wait.
type flight struct {
	done chan struct{}
	w    *wanted
	err  error // the run ends
}

// open opens the memory, once.
func (t *translator) open(ctx context.Context) error {
	t.once.Do(func() { t.memory, t.opening = t.p.Memory(ctx) })
	return t.opening
}

// resolve finds a translation, or a failure, for each of list. It returns an error only if the run must end.
func (t *translator) resolve(ctx context.Context, r *rowWork, list []*wanted) (err error) {
	for len(list) > 0 && err == nil {
		list, err = t.settle(ctx, r, list)
	}
	return err
}

// settle does what resolve says, but for segments whose failure another row's request is the cause of: these it returns.
func (t *translator) settle(ctx context.Context, r *rowWork, list []*wanted) (again []*wanted, err error) {
	type waiting struct {
		w *wanted
		f *flight
	}
	var own []*wanted
	var others []waiting
	defer func() { // whatever happens, nobody waits for ever
		for _, w := range own {
			t.land(w, err)
		}
	}()
	for _, w := range list {
		if found, err := t.remembered(w); err != nil {
			return nil, err
		} else if found {
			continue
		}
		t.mu.Lock()
		f := t.flights[w.key]
		if f != nil {
			t.mu.Unlock()
			others = append(others, waiting{w, f})
			continue
		}
		w.flight = &flight{done: make(chan struct{})}
		t.flights[w.key] = w.flight
		t.mu.Unlock()
		own = append(own, w)
		// Another row may have finished it between the look and the flight.
		if _, err := t.remembered(w); err != nil {
			return nil, err
		}
	}
	var ask []*wanted
	for _, w := range own {
		if !w.done() {
			ask = append(ask, w)
		}
	}
	if err := t.ask(ctx, r, ask); err != nil {
		return nil, err
	}
	// Those of this row are done, and need nobody: so two rows never wait for each other.
	for _, w := range own {
		t.land(w, nil)
	}
	for _, o := range others {
		select {
		case <-o.f.done:
			switch failure := o.f.w.failure; {
			case o.f.err != nil:
				return nil, o.f.err
			case failure != nil && failure.shared:
				again = append(again, o.w)
			default:
				o.w.take(o.f.w)
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return again, nil
}

// land ends the wait for a segment: it has its outcome, or err ends the run. Nothing changes the outcome afterwards.
func (t *translator) land(w *wanted, err error) {
	if w.flight == nil {
		return
	}
	if err == nil && !w.done() {
		err = fmt.Errorf("segment %q has no outcome; this is a bug of curate", excerpt(w.template.Fill(w.values)))
	}
	t.mu.Lock()
	delete(t.flights, w.key)
	t.mu.Unlock()
	w.flight.w, w.flight.err = w, err
	close(w.flight.done)
	w.flight = nil
}

// remembered looks a segment up: corrections first, then what this engine has said, then translation memories that were given,
// then what was given up.
func (t *translator) remembered(w *wanted) (bool, error) {
	t.mu.Lock()
	lost := t.lost[w.key]
	t.mu.Unlock()
	if lost != nil {
		w.take(&wanted{failure: lost, attempts: lost.Attempts})
		return true, nil
	}
	for i, from := range []struct{ engine, rung string }{{"", RungCorrection}, {t.final, ""}, {t.p.TM, RungTM}} {
		if i > 0 && from.engine == "" { // no files were given
			continue
		}
		found, err := t.recall(w, from.engine)
		if found && from.rung != "" {
			w.rung = from.rung
		}
		if found || err != nil {
			return found, err
		}
	}
	if t.cfg.RetryFailed || t.backend() == nil {
		return false, nil
	}
	e, ok, err := t.memory.Get(memory.KeyOf(t.failed, t.cfg.From, t.cfg.To, w.template))
	if err != nil || !ok {
		return false, err
	}
	f := &Failure{Attempts: e.Attempts, Answer: e.Answer}
	f.Check, f.Detail, _ = strings.Cut(e.Failed, ": ")
	w.take(&wanted{failure: f, attempts: e.Attempts})
	return true, nil
}

// recall takes over what the memory has of an engine.
func (t *translator) recall(w *wanted, engine string) (bool, error) {
	e, ok, err := t.memory.Get(memory.KeyOf(engine, t.cfg.From, t.cfg.To, w.template))
	if err != nil || !ok || e.Failed != "" || !sameHoles(e.Target, len(w.template.Holes)) {
		return false, err
	}
	w.target, w.known, w.rung, w.attempts, w.soft, w.score = e.Target, true, cmp.Or(e.Rung, RungImported), e.Attempts, e.Checks, e.Score
	return true, nil
}

// sameHoles says whether a target has each of n holes exactly once: what comes from a file may not.
func sameHoles(t protect.Template, n int) bool {
	if len(t.Holes) != n || len(t.Text) != n+1 {
		return false
	}
	seen := make([]bool, n)
	for _, h := range t.Holes {
		if h < 0 || h >= n || seen[h] {
			return false
		}
		seen[h] = true
	}
	return true
}

// keepAll keeps under engine's name what has a target, at once: it is paid for, and a kill may come.
func (t *translator) keepAll(list []*wanted, engine string) error {
	for _, w := range list {
		if w.part || w.failure != nil || w.target.Text == nil {
			continue
		}
		err := t.memory.Put(memory.Entry{Engine: engine, From: t.cfg.From, To: t.cfg.To, Source: w.template, Target: w.target, Rung: w.rung, Attempts: w.attempts, Checks: w.soft, Score: w.score})
		if _, ours := errors.AsType[*memory.EntryError](err); ours {
			w.failure = w.fail(checkUnfit, err.Error())
		} else if err != nil {
			return err
		}
	}
	return t.memory.Flush()
}

// giveUp keeps a failure where it is found again.
func (t *translator) giveUp(w *wanted) error {
	if err := t.keepFailure(w); err != nil {
		return err
	}
	t.land(w, nil)
	return nil
}

func (t *translator) keepFailure(w *wanted) error {
	f := w.failure
	if f.shared {
		return nil
	}
	if f.passing || f.Check == checkUnfit || t.cfg.RetryFailed {
		t.mu.Lock()
		if len(t.lost) < maxLost {
			t.lost[w.key] = &Failure{Check: f.Check, Detail: f.Detail, Answer: f.Answer, Attempts: f.Attempts, passing: f.passing}
		}
		t.mu.Unlock()
	}
	if f.passing || f.Check == checkUnfit {
		return nil
	}
	e := memory.Entry{Engine: t.failed, From: t.cfg.From, To: t.cfg.To, Source: w.template, Attempts: f.Attempts, Failed: f.Check, Answer: f.Answer}
	if f.Detail != "" {
		e.Failed += ": " + f.Detail
	}
	if err := t.memory.Put(e); err != nil {
		return err
	}
	return t.memory.Flush()
}

func (t *translator) backend() backends.Backend { return t.p.Backend }
