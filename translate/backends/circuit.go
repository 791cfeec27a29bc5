package backends

import (
	"context"
	"sync"
	"time"
)

// circuit stops all requests when the server cannot be reached: after so many failures in a row nothing is sent for a while,
// then one request tries; if that fails, the server is gone for good. (Nygard, Release It!, "Circuit Breaker".)
type circuit struct {
	p   pace
	log func(format string, args ...any)

	mu      sync.Mutex
	state   circuitState
	row     int // failures without a success between
	until   time.Time
	changed chan struct{} // closed when the state changes
	reached bool          // the server has ever answered
	cause   string        // of the last failure
}

type circuitState uint8

const (
	closed circuitState = iota
	open
	probing
	gone
)

func newCircuit(p pace, log func(string, ...any)) *circuit {
	return &circuit{p: p, log: log, changed: make(chan struct{})}
}

func (c *circuit) set(s circuitState) {
	c.state = s
	close(c.changed)
	c.changed = make(chan struct{})
}

// enter waits until a request may be sent. probe: it is the one that tries, and its result or abandon must follow.
func (c *circuit) enter(ctx context.Context) (probe bool, err error) {
	for {
		c.mu.Lock()
		state, changed := c.state, c.changed
		left := time.Until(c.until)
		if state == open && left <= 0 {
			c.set(probing)
			c.mu.Unlock()
			return true, nil
		}
		down := c.downError()
		c.mu.Unlock()
		switch state {
		case closed:
			return false, nil
		case gone:
			return false, down
		}
		var timer <-chan time.Time
		if state == open {
			t := time.NewTimer(left)
			defer t.Stop() // a few turns at most
			timer = t.C
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-changed:
		case <-timer:
		}
	}
}

// sendable says, after other waiting, whether what entered may still be sent.
func (c *circuit) sendable(probe bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == closed || probe && c.state == probing
}

// abandon: the probe was not sent.
func (c *circuit) abandon(probe bool) {
	c.mu.Lock()
	if probe && c.state == probing {
		c.set(open)
	}
	c.mu.Unlock()
}

// answered: the server was reached, whatever it said.
func (c *circuit) answered() {
	c.mu.Lock()
	c.row = 0
	c.reached = true
	again := c.state == open || c.state == probing
	if again {
		c.set(closed)
	}
	c.mu.Unlock()
	if again {
		c.log("the server answers again")
	}
}

// failed: no answer came.
func (c *circuit) failed(probe bool, cause string) {
	c.mu.Lock()
	c.cause = cause
	c.row++
	row, tripped := c.row, false
	switch {
	case c.state == probing && probe:
		c.set(gone)
	case c.state == closed && c.row >= c.p.failures:
		c.trip()
		tripped = true
	}
	c.mu.Unlock()
	if tripped {
		c.log("no answer to %d requests in a row (%s); waiting %v before the next", row, cause, c.p.circuit)
	}
}

func (c *circuit) trip() {
	c.until = time.Now().Add(c.p.circuit)
	c.set(open)
}

// exhausted: a request has been repeated as often as allowed and found no connection. If nobody else found one meanwhile, it
// is the server and not the request: a server that never answered is gone, another gets its pause. It says whether the
// request should go on waiting.
func (c *circuit) exhausted(tries int) bool {
	c.mu.Lock()
	state, row, cause := c.state, c.row, c.cause
	switch {
	case state != closed || row < tries:
	case c.reached:
		c.trip()
	default:
		c.set(gone)
	}
	tripped := state == closed && c.state == open
	c.mu.Unlock()
	if tripped {
		c.log("no answer to %d requests in a row (%s); waiting %v before the next", row, cause, c.p.circuit)
	}
	return state != closed || row >= tries
}

func (c *circuit) downError() *Error {
	return &Error{Class: Down, Reason: "connection", Detail: "the server cannot be reached (" + c.cause + "); when it is up, run the same command again"}
}
