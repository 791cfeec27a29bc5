package backends

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// command translates with a program that reads lines and writes lines.
type command struct {
	c      Command
	engine string
	budget *Purse
	scrub  *scrubber
	log    func(format string, args ...any)
	slots  chan *process // one a process; nil: not started yet
	ended  chan struct{} // closed by Close

	mu       sync.Mutex
	closed   bool
	running  map[*process]struct{}
	stderr   int // lines of standard error that may still be shown
	failures int // batches in a row without an answer
	down     *Error
	inFlight int
	sum      Spent
	latency  Latencies
}

const (
	maxLine       = 16 << 20              // bytes of an answer's line
	stderrLines   = 100                   // are shown
	stderrWidth   = 500                   // bytes of each
	commandDown   = 20                    // batches in a row that fail: the program does not work
	termGrace     = 2 * time.Second       // between the end of input and being killed
	surplusPause  = 5 * time.Millisecond  // in which a line too many shows itself
	surplusChecks = 3                     // batches of a process that wait for it
	endingWait    = 50 * time.Millisecond // for a process that is ending by itself
)

func newCommand(c Command) (*command, error) {
	if strings.TrimSpace(c.Line) == "" {
		return nil, errors.New("no command is named; give the one that translates lines")
	}
	if c.Processes <= 0 {
		c.Processes = 1
	}
	if c.Batch <= 0 {
		c.Batch = 32
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Minute
	}
	c.Policy = c.Policy.withDefaults(0)
	b := &command{c: c, engine: c.Engine, budget: c.Policy.Purse, scrub: newScrubber(c.Key, nil), slots: make(chan *process, c.Processes),
		ended: make(chan struct{}), running: map[*process]struct{}{}, stderr: stderrLines}
	if b.engine == "" {
		sum := sha256.Sum256([]byte(c.Line))
		b.engine = hex.EncodeToString(sum[:8])
	}
	b.engine = "command " + b.engine
	b.log = func(format string, args ...any) {
		if c.Log != nil {
			c.Log("%s", b.scrub.clean(fmt.Sprintf(format, args...)))
		}
	}
	b.sum.Retries = map[string]int64{}
	for range c.Processes {
		b.slots <- nil
	}
	return b, nil
}

func (b *command) Engine() string   { return b.engine }
func (b *command) MaxSegments() int { return b.c.Batch }

// MaxTokens is no bound: a program cuts its lines as it likes.
func (b *command) MaxTokens() int { return 1 << 30 }

func (b *command) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Spent: b.sum, InFlight: b.inFlight, Limit: b.c.Processes, P50: b.latency.Percentile(0.5), P95: b.latency.Percentile(0.95)}
}

func (b *command) Translate(ctx context.Context, r *Request) (*Answer, error) {
	n := len(r.Segments)
	switch {
	case n == 0:
		return &Answer{}, nil
	case n > b.c.Batch:
		return nil, &Error{Class: Split, Reason: "context_length", Detail: fmt.Sprintf("%d segments at a time, at most %d", n, b.c.Batch)}
	}
	var in strings.Builder
	for _, s := range r.Segments {
		if strings.ContainsAny(s, "\n\r") {
			return nil, &Error{Class: Failed, Reason: "bad_request", Detail: "a segment with a line feed cannot be sent as a line"}
		}
		in.WriteString(s)
		in.WriteByte('\n')
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var p *process
	select {
	case p = <-b.slots:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-b.ended:
		return nil, closedError()
	}
	defer func() { b.slots <- p }()
	if err := b.refusal(ctx); err != nil {
		return nil, err
	}
	guess := int64(in.Len())/3 + 1
	most := tokens{prompt: guess, completion: 2 * guess}
	if err := b.budget.reserve(ctx, most); err != nil {
		return nil, err
	}
	if p != nil && p.surplus(0) {
		b.log("the command wrote more lines than it was given; it is started again")
		b.kill(p)
		p = nil
	}
	if p != nil && p.over() {
		b.kill(p)
		p = nil
	}
	var err error
	if p == nil {
		if p, err = b.start(); err != nil {
			b.budget.settle(most, tokens{})
			if errors.Is(err, errClosed) {
				return nil, closedError()
			}
			return nil, b.gone(&Error{Class: Down, Reason: "command", Detail: "the command cannot be started: " + err.Error(), Err: err})
		}
	}
	b.mu.Lock()
	b.inFlight++
	b.mu.Unlock()
	began := time.Now()
	lines, err := p.ask(ctx, in.String(), n, b.c.Timeout, b.c.Policy.Grace)
	used := tokens{prompt: guess}
	for _, l := range lines {
		used.completion += int64(len(l)) / 3
	}
	spent := Spent{Requests: 1, Retries: map[string]int64{}, Prompt: used.prompt, Completion: used.completion, Estimated: true, Cost: b.budget.settle(most, used)}
	b.mu.Lock()
	b.inFlight--
	b.sum.Add(spent)
	if err == nil {
		b.latency.Add(time.Since(began))
		b.failures = 0
	} else {
		b.failures++
	}
	failures := b.failures
	b.mu.Unlock()
	if err != nil {
		answered := p.batches > 0
		status := b.kill(p)
		p = nil
		e := &Error{Class: Failed, Reason: "command", Detail: err.Error(), Spent: spent, Err: err}
		if errors.Is(err, errTimeout) {
			e.Reason = "timeout"
			e.Detail = fmt.Sprintf("the command did not answer %d lines in %v; it has to write each line out at once (python -u, sed -u)", n, b.c.Timeout)
		}
		if errors.Is(err, errEnded) {
			e.Detail = "the command ended before it had answered (" + status + ")"
			// What the shell says when there is no such program, or none that can be run (POSIX, 2.8.2).
			if !answered && (strings.HasSuffix(status, "status 127") || strings.HasSuffix(status, "status 126")) {
				e.Class, e.Detail = Down, "the command cannot be started ("+status+")"
				return nil, b.gone(e)
			}
		}
		if ctx.Err() == nil && failures >= commandDown {
			e.Class = Down
			e.Detail = fmt.Sprintf("%d batches in a row failed; the last: %s", failures, e.Detail)
			return nil, b.gone(e)
		}
		if ctx.Err() != nil {
			e.Err = context.Cause(ctx)
		}
		return nil, e
	}
	answer := &Answer{Texts: make([]string, n), Missing: make([]bool, n), Spent: spent}
	for i, l := range lines {
		answer.Texts[i] = l
		if strings.TrimSpace(l) == "" || !utf8.ValidString(l) || b.scrub.holds(l) {
			answer.Texts[i], answer.Missing[i] = "", true
		}
	}
	return answer, nil
}

func closedError() *Error {
	return &Error{Class: Down, Reason: "command", Detail: "the backend is closed", Err: errClosed}
}

func (b *command) refusal(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return closedError()
	}
	if b.down != nil {
		e := *b.down
		e.Spent = Spent{}
		return &e
	}
	return nil
}

func (b *command) gone(e *Error) *Error {
	b.mu.Lock()
	if b.down == nil {
		b.down = e
	}
	b.mu.Unlock()
	return e
}

// Close lets the processes end by themselves, which the end of their input tells them, and kills those that do not, with all
// that they have started.
func (b *command) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var all []*process
	for p := range b.running {
		all = append(all, p)
	}
	b.mu.Unlock()
	close(b.ended)
	for _, p := range all {
		p.stdin.Close()
	}
	late := time.NewTimer(termGrace)
	defer late.Stop()
	for _, p := range all {
		select {
		case <-p.done:
		case <-late.C:
			late.Reset(0) // the others have had their time too
		}
		b.kill(p)
	}
	return nil
}

var (
	errEnded  = errors.New("the command has ended")
	errClosed = errors.New("the backend is closed")
)

// process is one run of the command. Its lines come from a goroutine that ends with its output.
type process struct {
	cmd     *exec.Cmd
	stdin   *os.File
	stdout  *os.File
	stderr  *os.File
	lines   chan string
	readErr error         // of the output; valid when lines is closed
	done    chan struct{} // closed when the process has been waited for
	stop    chan struct{} // closed by kill: nobody reads lines any more
	once    sync.Once
	readers sync.WaitGroup
	status  string // valid when done
	batches int    // answered
}

func (b *command) start() (*process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	pipe := func() (*os.File, *os.File, error) {
		r, w, err := os.Pipe()
		if err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	inR, inW, err1 := pipe()
	outR, outW, err2 := pipe()
	errR, errW, err3 := pipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		closeAll()
		return nil, err
	}
	// The pipes are ours and not exec's, whose Wait would wait for a grandchild that keeps them open.
	cmd := shell(b.c.Line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	if err := cmd.Start(); err != nil {
		closeAll()
		return nil, err
	}
	inR.Close()
	outW.Close()
	errW.Close()
	p := &process{cmd: cmd, stdin: inW, stdout: outR, stderr: errR, lines: make(chan string, 64), done: make(chan struct{}), stop: make(chan struct{})}
	b.running[p] = struct{}{}
	p.readers.Go(p.read)
	p.readers.Go(func() { b.forward(errR) })
	go func() {
		err := cmd.Wait()
		killGroup(cmd) // what it has left behind; at once, while the group's number is nobody else's
		p.status = "exit status 0"
		if err != nil {
			p.status = err.Error()
		}
		close(p.done)
	}()
	return p, nil
}

func (p *process) read() {
	defer close(p.lines)
	r := bufio.NewReaderSize(p.stdout, 64<<10)
	for {
		line, err := readLine(r)
		if err != nil {
			p.readErr = err
			return
		}
		select {
		case p.lines <- line:
		case <-p.stop:
			return
		}
	}
}

var errLongLine = fmt.Errorf("the command wrote a line of more than %d MB", maxLine>>20)

// readLine without its end. A last line without one is a line.
func readLine(r *bufio.Reader) (string, error) {
	var all []byte
	for {
		part, err := r.ReadSlice('\n')
		all = append(all, part...)
		if len(all) > maxLine {
			return "", errLongLine
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && len(all) == 0 {
			return "", err
		}
		return strings.TrimRight(string(all), "\r\n"), nil
	}
}

// forward shows what the command says on standard error.
func (b *command) forward(r io.Reader) {
	buf := bufio.NewReaderSize(r, stderrWidth+64)
	for {
		line, err := buf.ReadSlice('\n')
		text := strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "?")
		for err == bufio.ErrBufferFull { // the rest of a long line
			_, err = buf.ReadSlice('\n')
		}
		if text != "" {
			b.mu.Lock()
			left := b.stderr
			b.stderr = max(left-1, -1)
			b.mu.Unlock()
			switch {
			case left > 0:
				b.log("command: %s", short(text, stderrWidth))
			case left == 0:
				b.log("command: (more lines of standard error are not shown)")
			}
		}
		if err != nil {
			return
		}
	}
}

// over: the process has ended, or its output has.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// surplus says whether there is a line that nobody asked for.
func (p *process) surplus(d time.Duration) bool {
	if d == 0 {
		select {
		case _, ok := <-p.lines:
			return ok
		default:
			return false
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case _, ok := <-p.lines:
		return ok
	case <-t.C:
		return false
	}
}

// ask writes lines and reads as many. After an error the process is of no use.
func (p *process) ask(ctx context.Context, in string, n int, timeout, grace time.Duration) ([]string, error) {
	// A command may answer before it has read all, so writing must not stand in the way of reading.
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p.stdin, in)
		written <- err
	}()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	cancelled := ctx.Done()
	var graceOver <-chan time.Time
	lines := make([]string, 0, n)
	for len(lines) < n {
		select {
		case l, ok := <-p.lines:
			if !ok {
				if errors.Is(p.readErr, errLongLine) {
					return lines, p.readErr
				}
				return lines, errEnded
			}
			lines = append(lines, l)
		case <-limit.C:
			return lines, errTimeout
		case <-cancelled:
			t := time.NewTimer(grace)
			defer t.Stop()
			graceOver, cancelled = t.C, nil
		case <-graceOver:
			return lines, errGrace
		case <-p.stop:
			return lines, errEnded
		}
	}
	pause := time.Duration(0)
	if p.batches < surplusChecks {
		pause = surplusPause
	}
	if p.surplus(pause) {
		return lines, fmt.Errorf("the command answered more than %d lines; it has to write one for each", n)
	}
	select {
	case err := <-written:
		if err != nil {
			return lines, fmt.Errorf("the command does not read its input: %w", err)
		}
	case <-limit.C:
		return lines, errTimeout
	case <-p.stop:
		return lines, errEnded
	}
	p.batches++
	return lines, nil
}

// kill ends the process with all that it has started, waits for it, and says how it ended. It may be called again.
func (b *command) kill(p *process) string {
	p.once.Do(func() {
		close(p.stop)
		p.stdin.Close()
		// A command whose output has ended is ending, and its status says why.
		select {
		case <-p.done:
		case <-time.After(endingWait):
		}
		if !p.over() {
			killGroup(p.cmd)
		}
		<-p.done
		// A grandchild outside the group may hold the pipes; nobody waits for it.
		p.stdout.Close()
		p.stderr.Close()
		p.readers.Wait()
		b.mu.Lock()
		delete(b.running, p)
		b.mu.Unlock()
	})
	<-p.done
	return p.status
}
