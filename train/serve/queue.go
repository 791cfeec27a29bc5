package serve

import (
	"context"
	"io"
	"slices"
	"sync"

	"curate/train/generate"
)

// queue is where prompts wait for the writer. Requests take turns: one with many prompts does not hold up those behind it.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	list   []*waiting
	closed bool
}

// waiting are a request's prompts that the writer has not taken.
type waiting struct{ jobs []*generate.Job }

func newQueue() *queue {
	q := &queue{}
	q.more.L = &q.mu
	return q
}

// add puts a request's prompts behind the others.
func (q *queue) add(jobs []*generate.Job) *waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiting{jobs}
	if len(jobs) > 0 {
		q.list = append(q.list, w)
		q.more.Signal()
	}
	return w
}

// remove takes out what is left of a request.
func (q *queue) remove(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.list, w); i >= 0 {
		q.list = slices.Delete(q.list, i, i+1)
	}
}

// close ends the queue when what is in it is taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Signal()
}

// next is for generate.Writer.Each.
func (q *queue) next(wait bool) (*generate.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) == 0 {
		switch {
		case q.closed:
			return nil, io.EOF
		case !wait:
			return nil, nil
		}
		q.more.Wait()
	}
	w := q.list[0]
	j := w.jobs[0]
	w.jobs = w.jobs[1:]
	q.list = slices.Delete(q.list, 0, 1)
	if len(w.jobs) > 0 {
		q.list = append(q.list, w)
	}
	return j, nil
}

// room is what there is for requests in hand: so many of them, and bytes for their bodies and for their answers. Who finds no room
// for a body is refused; for its answer a request waits its turn. Only those that are answered hold room of the second kind, so
// that it comes back.
type room struct {
	mu              sync.Mutex
	requests        int
	bodies, answers int64 // that are left
	now             int
	turns           []*turn
}

// turn is a request that waits.
type turn struct {
	bytes int64
	ready chan struct{}
}

// enter lets a request in, with so many bytes of a body.
func (r *room) enter(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == r.requests || bytes > r.bodies {
		return false
	}
	r.now++
	r.bodies -= bytes
	return true
}

// leave is for a request that has entered.
func (r *room) leave(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
	r.bodies += bytes
}

// take waits for so many bytes for an answer, which must not be more than there are in all.
func (r *room) take(ctx context.Context, bytes int64) error {
	t := &turn{bytes, make(chan struct{})}
	r.mu.Lock()
	r.turns = append(r.turns, t)
	r.grant()
	r.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.turns, t); i >= 0 {
		r.turns = slices.Delete(r.turns, i, i+1)
	} else {
		r.answers += bytes
	}
	r.grant() // those behind it may be smaller
	return context.Cause(ctx)
}

// give gives them back.
func (r *room) give(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers += bytes
	r.grant()
}

// grant lets those in whose turn it is.
func (r *room) grant() {
	for len(r.turns) > 0 && r.turns[0].bytes <= r.answers {
		r.answers -= r.turns[0].bytes
		close(r.turns[0].ready)
		r.turns = slices.Delete(r.turns, 0, 1)
	}
}

func (r *room) inHand() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}
