package backends

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// limiter decides how many requests are in flight. It starts small and doubles every round trip until the server first says
// that it is too much; then it grows by one a round trip and halves on each further sign (additive increase, multiplicative
// decrease: Chiu and Jain 1989; the slow start and the cut at most once a window are TCP's, RFC 5681). A server that asks
// for a pause pauses everybody. What the server says is left of its quota is not overdrawn.
//
// Latency is no sign here, although servers such as vLLM queue without a word. The gradient rule of Netflix's
// concurrency-limits, by the latency of an output token, was simulated against a server that decodes 32 or 256 sequences at a
// time: it halved what waits in the server's queue, lost 7 to 14 % of the throughput where the server had room for more
// (0 to 0.3 % if it began after the slow start), and never gained any. A request that waits in the server's queue waits at
// its own; only one that waits beyond its timeout is lost, and a timeout is a sign of congestion.
type limiter struct {
	mu       sync.Mutex
	max      float64
	limit    float64
	inFlight int
	slow     bool   // slow start
	peak     int    // most in flight in this window
	window   uint64 // which ends with the first answer to a request beyond this one
	sent     uint64 // requests so far
	cut      uint64 // those up to here were sent before the last cut, and are no reason for another
	paused   time.Time
	requests quota
	tokens   quota
	spent    float64 // estimated tokens of what was sent
	queue    []*waiter
	timer    *time.Timer // wakes the queue
	timerAt  time.Time
}

const startConcurrency = 4

type waiter struct {
	ready    chan struct{}
	estimate float64
	got      ticket
	state    waiterState
}

type waiterState uint8

const (
	queued waiterState = iota
	granted
	left
)

// ticket is the right to one request.
type ticket struct {
	number   uint64
	requests float64 // sent before it, itself included
	tokens   float64 // likewise, estimated
	at       time.Time
}

func newLimiter(most int) *limiter {
	return &limiter{max: float64(most), limit: float64(min(most, startConcurrency)), slow: true}
}

// enter waits its turn, first come, first served.
func (l *limiter) enter(ctx context.Context, estimate int64) (ticket, error) {
	w := &waiter{estimate: float64(estimate)}
	l.mu.Lock()
	l.queue = append(l.queue, w)
	l.serve()
	if w.state == granted {
		l.mu.Unlock()
		return w.got, nil
	}
	w.ready = make(chan struct{})
	l.mu.Unlock()
	select {
	case <-w.ready:
		return w.got, nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.state == granted {
			l.inFlight--
			l.spent -= w.estimate
		}
		w.state = left
		l.serve()
		return ticket{}, context.Cause(ctx)
	}
}

// serve grants what may go now. The caller holds mu.
func (l *limiter) serve() {
	for len(l.queue) > 0 {
		w := l.queue[0]
		if w.state == queued {
			if l.inFlight >= int(l.limit) {
				return
			}
			now := time.Now()
			d := max(l.paused.Sub(now), l.requests.wait(now, 1, float64(l.sent)), l.tokens.wait(now, w.estimate, l.spent))
			if d > 0 {
				l.wake(now.Add(d))
				return
			}
			l.inFlight++
			l.peak = max(l.peak, l.inFlight)
			l.sent++
			l.spent += w.estimate
			w.got = ticket{number: l.sent, requests: float64(l.sent), tokens: l.spent, at: now}
			w.state = granted
			if w.ready != nil {
				close(w.ready)
			}
		}
		l.queue[0] = nil
		if l.queue = l.queue[1:]; len(l.queue) == 0 {
			l.queue = nil // append would otherwise crawl through memory
		}
	}
}

func (l *limiter) wake(at time.Time) {
	if l.timer != nil && !l.timerAt.After(at) && l.timerAt.After(time.Now()) {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timerAt = at
	l.timer = time.AfterFunc(time.Until(at), func() {
		l.mu.Lock()
		l.timerAt = time.Time{}
		l.serve()
		l.mu.Unlock()
	})
}

// verdict is what a request says about the server's load.
type verdict uint8

const (
	neither verdict = iota
	smooth
	congested
)

// leave gives a place back.
func (l *limiter) leave(t ticket, v verdict, h http.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.number > l.window {
		l.window, l.peak = l.sent, l.inFlight
	}
	l.inFlight--
	switch v {
	case congested:
		if t.number > l.cut {
			l.cut = l.sent
			// At the very start it is a server that still loads its model, and no measure of what it can do.
			if l.limit > startConcurrency {
				l.slow = false
			}
			l.limit = max(1, l.limit/2)
		}
	case smooth:
		if l.limit < 2*float64(l.peak) { // a limit that nobody uses proves nothing
			if l.slow {
				l.limit++
			} else {
				l.limit += 1 / l.limit
			}
			l.limit = min(l.limit, l.max)
		}
	}
	if h != nil {
		now := time.Now()
		l.requests.update(h, "-Requests", t.requests, now)
		l.tokens.update(h, "-Tokens", t.tokens, now)
	}
	l.serve()
}

// unused gives a place back from which nothing was sent.
func (l *limiter) unused(t ticket, estimate int64) {
	l.mu.Lock()
	l.inFlight--
	l.spent -= float64(estimate)
	l.serve()
	l.mu.Unlock()
}

// pause stops everybody.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	if until := time.Now().Add(d); until.After(l.paused) {
		l.paused = until
	}
	l.mu.Unlock()
}

func (l *limiter) stats() (inFlight, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight, int(l.limit)
}

func (l *limiter) close() {
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
}

// quota is what a server says is left of a rate limit. It counts what is sent from then on, and believes that the limit
// comes back evenly until the moment of its reset, when nothing is known any more.
type quota struct {
	left, limit float64
	mark        float64 // sent when left was true
	at, reset   time.Time
}

func (q *quota) update(h http.Header, what string, mark float64, now time.Time) {
	remaining, ok := number(h.Get("X-Ratelimit-Remaining" + what))
	if !ok || mark < q.mark {
		return
	}
	d, ok := resetIn(h.Get("X-Ratelimit-Reset"+what), now)
	if !ok {
		return
	}
	limit, _ := number(h.Get("X-Ratelimit-Limit" + what))
	*q = quota{left: max(remaining, 0), limit: max(limit, 0), mark: mark, at: now, reset: now.Add(d)}
}

// wait until need is there, when sent has been sent.
func (q *quota) wait(now time.Time, need, sent float64) time.Duration {
	if !now.Before(q.reset) {
		return 0
	}
	rate := 0.0
	if q.limit > 0 {
		need = min(need, q.limit) // more than the limit is never there
		rate = max(0, q.limit-q.left) / q.reset.Sub(q.at).Seconds()
	}
	there := q.left + rate*now.Sub(q.at).Seconds() - (sent - q.mark)
	if there >= need {
		return 0
	}
	until := q.reset.Sub(now)
	if rate > 0 {
		// A millisecond more, so that rounding does not wake for nothing.
		until = min(until, wait((need-there)/rate)+time.Millisecond)
	}
	return until
}
