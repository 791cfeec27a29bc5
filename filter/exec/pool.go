package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	backoff    = 100 * time.Millisecond // before the first restart; doubled for each further one
	maxBackoff = 5 * time.Second
	endGrace   = 5 * time.Second // between the end of input and being killed
)

// pool has the processes. A worker takes one for a batch; of those that are idle the one that was used last.
type pool struct {
	cfg   *Config
	slots chan struct{} // of as many as may run
	log   *limitedLog

	mu     sync.Mutex
	idle   []*process
	all    map[*process]struct{} // that have not been killed
	closed bool
}

func newPool(cfg *Config) *pool {
	return &pool{cfg: cfg, slots: make(chan struct{}, cfg.Processes), log: newLimitedLog(cfg.Log), all: map[*process]struct{}{}}
}

// acquire waits for a process that may be used; nil is one that is still to be started.
func (p *pool) acquire(ctx context.Context) (*process, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		pr := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return pr, nil
	}
	return nil, nil
}

// release gives a process back; nil where there is none any more.
func (p *pool) release(pr *process) {
	if pr != nil {
		p.mu.Lock()
		p.idle = append(p.idle, pr)
		p.mu.Unlock()
	}
	<-p.slots
}

var errClosed = errors.New("exec: the stage is closed")

func (p *pool) start() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	pr, err := startProcess(p.cfg, p.log)
	if err == nil {
		p.all[pr] = struct{}{}
	}
	return pr, err
}

// kill ends a process with all that it has started, waits for it, and says how it ended.
func (p *pool) kill(pr *process) string {
	status := pr.kill()
	p.mu.Lock()
	delete(p.all, pr)
	p.mu.Unlock()
	return status
}

// close is Exec.Close. No worker maps any more.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	var all []*process
	for pr := range p.all {
		all = append(all, pr)
	}
	p.idle = nil
	p.mu.Unlock()
	for _, pr := range all {
		pr.endInput()
	}
	late := time.NewTimer(endGrace)
	defer late.Stop()
	var surplus int
	for _, pr := range all {
		n, ended := pr.drain(late.C)
		if surplus += n; !ended {
			late.Reset(0) // the others have had their time too
		}
		if status := p.kill(pr); ended && status != exitedWell {
			p.log.always(fmt.Sprintf("%s: behind its last record it ended with %s", p.cfg.line(), status))
		}
	}
	p.log.flush()
	if surplus > 0 {
		return fmt.Errorf("exec: %s: it has written more lines than it was given records (%d at the end of its input), so its answers may be about others; it has to write one line for each", p.cfg.line(), surplus)
	}
	return nil
}

// Lines of standard error that are passed on: at once, and then so many a second.
const (
	logBurst  = 50
	logRate   = 2
	logWidth  = 500 // bytes
	tailLines = 8   // are kept for the error of a run that stops
)

// limitedLog passes lines on, and counts those that it does not. The clock decides only what is shown.
type limitedLog struct {
	to   func(string)
	mu   sync.Mutex
	may  float64
	last time.Time
	held int
}

func newLimitedLog(to func(string)) *limitedLog {
	if to == nil {
		to = func(string) {}
	}
	return &limitedLog{to: to, may: logBurst, last: time.Now()}
}

// line is one that the program wrote.
func (l *limitedLog) line(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.may = min(logBurst, l.may+float64(now.Sub(l.last).Seconds()*logRate))
	l.last = now
	if l.may < 1 {
		l.held++
		return
	}
	l.may--
	l.tell()
	l.to("exec: " + s)
}

// always is for what the stage itself has to say.
func (l *limitedLog) always(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to("exec: " + s)
}

func (l *limitedLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell()
}

func (l *limitedLog) tell() {
	if l.held > 0 {
		l.to(fmt.Sprintf("exec: (%d lines of its standard error are not shown)", l.held))
		l.held = 0
	}
}

// tail keeps the last lines of a process.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
	}
	t.lines = append(t.lines, s)
}

// said is a tail for an error: "; the end of its standard error:" and the lines, or "".
func (t *tail) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return "; it said nothing on standard error"
	}
	return "; the end of its standard error:\n  " + strings.Join(t.lines, "\n  ")
}
