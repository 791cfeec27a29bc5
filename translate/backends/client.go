package backends

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errTimeout = errors.New("no answer within the time of a request")
	errGrace   = errors.New("no answer within the time of grace after an interrupt")
)

// client is the policy around requests to one server: everything that is not about what is asked.
type client struct {
	p       Policy
	pace    pace
	limiter *limiter
	circuit *circuit
	budget  *Purse
	retries *retryBudget
	scrub   *scrubber
	log     func(format string, args ...any)

	answered atomic.Bool           // a request has succeeded
	vain     atomic.Int64          // requests in a row that were given up since the server has no capacity, or is gone behind its proxy
	denied   atomic.Pointer[Error] // why no further one will

	mu      sync.Mutex
	sum     Spent
	latency Latencies
}

func (p Policy) withDefaults(maxTokens int) Policy {
	if p.Timeout <= 0 {
		p.Timeout = max(time.Minute, 30*time.Second+time.Duration(maxTokens)*200*time.Millisecond)
	}
	if p.Retries == 0 {
		p.Retries = 5
	}
	p.Retries = max(p.Retries, 0)
	if p.MaxElapsed <= 0 {
		p.MaxElapsed = 10 * time.Minute
	}
	if p.MaxConcurrency <= 0 {
		p.MaxConcurrency = 64
	}
	if p.Grace <= 0 {
		p.Grace = 30 * time.Second
	}
	if p.Purse == nil {
		p.Purse = NewPurse(p)
	}
	return p
}

func newClient(p Policy, scrub *scrubber, log func(string, ...any), pc pace) *client {
	c := &client{p: p, pace: pc, scrub: scrub, limiter: newLimiter(p.MaxConcurrency), budget: p.Purse, retries: newRetryBudget(pc, time.Now())}
	c.log = func(format string, args ...any) {
		if log != nil {
			log("%s", scrub.clean(fmt.Sprintf(format, args...)))
		}
	}
	c.circuit = newCircuit(pc, c.log)
	c.sum.Retries = map[string]int64{}
	return c
}

// result of one try.
type result struct {
	used      tokens
	estimated bool
	header    http.Header
	failure   *failure
}

// run asks until there is an answer or no sense in asking again. try is called with the number of the try, and has most as the
// bound of what it may use. Spent is returned in the error too.
func (c *client) run(ctx context.Context, most tokens, try func(ctx context.Context, n int) result) (Spent, error) {
	spent := Spent{Retries: map[string]int64{}}
	var began time.Time
	var last *failure
	repeats, agains := 0, 0
	for n := 0; ; n++ {
		r, took, err := c.once(ctx, most, n, &spent, try)
		if err != nil {
			return spent, c.ended(err, last, spent)
		}
		if began.IsZero() {
			began = time.Now().Add(-took)
			c.retries.sent()
		}
		f := r.failure
		if f == nil {
			return spent, nil
		}
		last = f
		switch f.act {
		case unfit:
			f.act = giveUp
			if !c.answered.Load() {
				f.act = stop
			} else if f.reason == "not_found" {
				f.act = repeat
			}
		case again:
			if agains++; agains > 8 { // as many as there are things to leave out
				f.act = stop
			}
		}
		class := Failed
		switch f.act {
		case split:
			class = Split
		case refused:
			class = Refused
		case stop:
			class = Denied
		}
		if f.act == stop || f.act != repeat && f.act != again {
			return spent, c.fail(class, f, spent)
		}
		if ctx.Err() != nil {
			return spent, c.ended(context.Cause(ctx), last, spent)
		}
		if f.act == again {
			c.repeated(&spent, f.class)
			continue
		}
		allowed := c.p.Retries
		if f.most > 0 {
			allowed = min(allowed, f.most)
		}
		pause := c.pace.backoff(repeats, f.wait)
		if repeats >= allowed {
			// Without a connection it is not the request. A request that cuts connections may be a poisoned one.
			if !f.unsent || c.p.Retries == 0 || !c.circuit.exhausted(repeats+1) {
				return spent, c.inVain(f, spent)
			}
			pause = 0 // the circuit has one
		}
		repeats++
		if f.wait > 0 && time.Since(began)+f.wait > c.p.MaxElapsed {
			f.detail = fmt.Sprintf("the server asks to wait %v: %s", f.wait.Round(time.Second), f.detail)
			return spent, c.fail(Denied, f, spent)
		}
		// What the limiter answers with fewer requests at a time needs no budget; it would stand in the way of those
		// that the server has just told to come back.
		// Nor does an answer that is no good: the server is well, and a model of which every third answer is bad would be asked
		// no faster than the floor allows.
		if f.class != "answer" && (!f.congested || f.class == "timeout") {
			pause = max(pause, c.retries.take(time.Now()))
		}
		if time.Since(began)+pause > c.p.MaxElapsed {
			return spent, c.inVain(f, spent)
		}
		c.repeated(&spent, f.class)
		if err := sleep(ctx, pause); err != nil {
			return spent, c.ended(err, last, spent)
		}
	}
}

// inVain gives a request up that was repeated as often as allowed. Where one after the other fails for a reason that has nothing
// to do with what is asked, the rest of the run is not given up like that.
func (c *client) inVain(f *failure, spent Spent) error {
	if !f.outage() || c.vain.Add(1) < int64(c.pace.failures) {
		return c.fail(Failed, f, spent)
	}
	f.detail = fmt.Sprintf("%d requests in a row were given up; the last: %s; when the server is well, run the same command again", c.pace.failures, f.detail)
	return c.fail(Down, f, spent)
}

func (c *client) repeated(spent *Spent, class string) {
	spent.Retries[class]++
	c.mu.Lock()
	c.sum.Retries[class]++
	c.mu.Unlock()
}

// once waits until one try may be sent, and sends it. The error is why it was not.
func (c *client) once(ctx context.Context, most tokens, n int, spent *Spent, try func(ctx context.Context, n int) result) (result, time.Duration, error) {
	estimate := most.prompt + most.completion
	var probe bool
	var place ticket
	for {
		if err := c.refusal(ctx); err != nil {
			return result{}, 0, err
		}
		var err error
		if probe, err = c.circuit.enter(ctx); err != nil {
			return result{}, 0, err
		}
		if place, err = c.limiter.enter(ctx, estimate); err != nil {
			c.circuit.abandon(probe)
			return result{}, 0, err
		}
		if c.circuit.sendable(probe) {
			break
		}
		c.limiter.unused(place, estimate)
	}
	err := c.refusal(ctx) // things may have changed in the queue
	if err == nil {
		err = c.budget.reserve(ctx, most)
	}
	if err != nil {
		c.limiter.unused(place, estimate)
		c.circuit.abandon(probe)
		return result{}, 0, err
	}
	request, cancel := c.inFlight(ctx)
	began := time.Now()
	r := try(request, n)
	took := time.Since(began)
	cancel()

	f, v := r.failure, smooth
	if f == nil || !f.outage() && !f.unreached {
		c.vain.Store(0)
	}
	switch {
	case f == nil:
		c.answered.Store(true)
		c.circuit.answered()
	case f.unreached:
		if f.reason == "cancelled" {
			c.circuit.abandon(probe)
		} else {
			c.circuit.failed(probe, c.scrub.clean(short(f.detail, 200)))
		}
	default:
		if f.status/100 == 2 || f.class == "answer" {
			c.answered.Store(true)
		}
		c.circuit.answered()
	}
	if f != nil {
		v = neither
		if f.congested {
			v = congested
			if f.wait > 0 {
				c.limiter.pause(f.wait)
			}
		}
		// A request that was cut off may have been worked on, and be charged.
		if r.used == (tokens{}) && f.unreached && !f.unsent {
			r.used.prompt, r.estimated = most.prompt, true
		}
	}
	c.limiter.leave(place, v, r.header)
	cost := c.budget.settle(most, r.used)

	add := func(s *Spent) {
		s.Requests++
		s.Prompt += r.used.prompt
		s.Completion += r.used.completion
		s.Cached += r.used.cached
		s.Cost += cost
		s.Estimated = s.Estimated || r.estimated
	}
	add(spent)
	c.mu.Lock()
	add(&c.sum)
	if f == nil {
		c.latency.Add(took)
	}
	c.mu.Unlock()
	return r, took, nil
}

// refusal: why nothing is to be sent at all.
func (c *client) refusal(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e := c.denied.Load(); e != nil {
		return e
	}
	return nil
}

// inFlight is the context of a request that is on its way: it ends by its own time, and after a cancel only when the grace is
// over, since what is on its way is paid for.
func (c *client) inFlight(ctx context.Context) (context.Context, func()) {
	request, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := time.AfterFunc(c.p.Timeout, func() { cancel(errTimeout) })
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.p.Grace, func() { cancel(errGrace) }) })
	return request, func() {
		stop()
		timer.Stop()
		cancel(nil)
	}
}

// ended makes the error of a request that is not sent again: the context's cause alone if it never was.
func (c *client) ended(err error, last *failure, spent Spent) error {
	if e, ok := errors.AsType[*Error](err); ok {
		own := *e // shared by all that are refused
		own.Spent = spent
		return &own
	}
	if last == nil {
		return err
	}
	return &Error{Class: Failed, Reason: last.reason, Status: last.status, Detail: c.scrub.clean(last.detail), Spent: spent, Err: err}
}

func (c *client) fail(class Class, f *failure, spent Spent) error {
	e := &Error{Class: class, Reason: f.reason, Status: f.status, Detail: c.scrub.clean(f.detail), Spent: spent}
	if f.err != nil {
		e.Err = errors.New(c.scrub.clean(f.err.Error()))
	}
	if class == Denied || class == Down {
		shared := *e
		shared.Spent = Spent{}
		c.denied.CompareAndSwap(nil, &shared)
	}
	return e
}

func (c *client) stats() Stats {
	c.mu.Lock()
	s := Stats{Spent: c.sum, P50: c.latency.Percentile(0.5), P95: c.latency.Percentile(0.95)}
	s.Retries = maps.Clone(c.sum.Retries)
	c.mu.Unlock()
	s.InFlight, s.Limit = c.limiter.stats()
	return s
}

func (c *client) close() { c.limiter.close() }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
