package pipeline

import (
	"context"
	"sync"

	"curate/stage"
)

// A Serial stage is a map of its phase, whose workers wait for their turn behind its Key. The phase reads one file after the
// other, in chunks of about a batch, so that what comes before a chunk is in some worker's hands already and nobody waits
// for long.

// serialMap is a Serial's Map side among the maps of a phase.
type serialMap struct {
	stage.Mapper
	of stage.Serial
}

// turns gives workers the Decider of a phase, chunk after chunk in read order.
type turns struct {
	at      int // of the Serial among the maps
	decider stage.Decider
	handed  int64 // chunks so far; of the one lane that reads

	mu      sync.Mutex
	next    int64                   // the chunk whose turn it is
	over    error                   // of the first chunk that was not decided about to its end: nobody behind it decides
	waiting map[int64]chan struct{} // of those behind it
}

// newTurns finds the Serial among the maps; nil if there is none.
func newTurns(maps []stage.Mapper) *turns {
	for i, m := range maps {
		if s, ok := m.(serialMap); ok {
			return &turns{at: i, decider: s.of.NewDecider(), waiting: map[int64]chan struct{}{}}
		}
	}
	return nil
}

// wait blocks until it is the chunk's turn. An error before that is the context's.
func (t *turns) wait(ctx context.Context, chunk int64) error {
	t.mu.Lock()
	if t.next == chunk {
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	t.waiting[chunk] = turn
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pass ends the chunk's turn, which it had or is still waiting for. Passing it twice is no harm. A chunk whose worker has
// given up, for which over is the reason, passes its turn, too, for the sake of those that wait, and they give up as well.
func (t *turns) pass(ctx context.Context, chunk int64, over error) {
	t.mu.Lock()
	passed := chunk < t.next
	t.mu.Unlock()
	if passed || t.wait(ctx, chunk) != nil {
		return
	}
	t.mu.Lock()
	t.next++
	if t.over == nil {
		t.over = over
	}
	turn := t.waiting[t.next]
	delete(t.waiting, t.next)
	t.mu.Unlock()
	if turn != nil {
		close(turn)
	}
}

// leave passes the turn of a job that its worker is through with.
func (t *turns) leave(ctx context.Context, j *job, err error) {
	if err == nil && j.strict {
		err = errStrict
	}
	t.pass(ctx, j.turn, err)
}

// decide lets the Decider look at the batch when it is its chunk's turn, which ends with its last batch. Behind a chunk that
// was given up it does not: the Decider has not seen all that comes before.
func (w *worker) decide(ctx context.Context, j *job) error {
	t := w.run.turns
	if err := t.wait(ctx, j.turn); err != nil {
		return err
	}
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if over != nil {
		return over
	}
	if err := t.decider.Decide(ctx, &w.batch); err != nil {
		return by(w.run.maps[t.at], err)
	}
	if j.last {
		t.pass(ctx, j.turn, nil)
	}
	return nil
}
