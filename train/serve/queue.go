package serve

import (
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

// room is what there is for requests in hand.
type room struct {
	mu       sync.Mutex
	requests int
	bytes    int64
	now      int
	taken    int64
}

// enter lets a request in, with so many bytes.
func (r *room) enter(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == r.requests || bytes > r.bytes-r.taken {
		return false
	}
	r.now++
	r.taken += bytes
	return true
}

// more gives a request that is in more bytes.
func (r *room) more(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes > r.bytes-r.taken {
		return false
	}
	r.taken += bytes
	return true
}

// leave is for a request that had so many bytes in all.
func (r *room) leave(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
	r.taken -= bytes
}

func (r *room) inHand() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}
