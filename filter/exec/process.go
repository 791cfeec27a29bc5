package exec

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"time"
)

const (
	exitedWell    = "exit status 0"
	endingWait    = 2 * time.Second      // for the status of a process whose output has ended
	surplusPause  = 5 * time.Millisecond // in which a line too many shows itself
	surplusChecks = 3                    // batches of a process that wait for it
)

var (
	errEnded   = errors.New("has ended")
	errTimeout = errors.New("does not answer")
	errSurplus = errors.New("has written a line that nobody asked for")
)

// process is one run of the program. Three goroutines serve its pipes, so that one that does not read, or writes too
// much, blocks nobody; a fourth waits for its end.
type process struct {
	cmd     *osexec.Cmd
	stdin   *os.File
	stdout  *os.File
	stderr  *os.File
	in      chan []byte // what is to be written
	wrote   chan error
	lines   chan []byte // answers; closed when its output ends
	free    chan []byte // memory of answers
	done    chan struct{}
	heard   chan struct{} // its standard error has been read to the end
	stop    chan struct{} // closed by kill
	once    sync.Once
	ending  sync.Once
	serving sync.WaitGroup
	status  string // valid when done
	tail    tail
	timer   *time.Timer
	batches int // answered
}

// startProcess runs the program. The pipes are ours and not os/exec's, whose Wait would wait for a grandchild that
// keeps them open.
func startProcess(cfg *Config, log *limitedLog) (*process, error) {
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
	var cmd *osexec.Cmd
	if cfg.Shell != "" {
		cmd = shell(cfg.Shell)
	} else {
		cmd = osexec.Command(cfg.Command[0], cfg.Command[1:]...)
		ownGroup(cmd)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	if _, set := os.LookupEnv("PYTHONUNBUFFERED"); !set {
		cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1") // print without flush would wait for 8 KiB of answers
	}
	if err := cmd.Start(); err != nil {
		closeAll()
		return nil, err
	}
	inR.Close()
	outW.Close()
	errW.Close()
	p := &process{cmd: cmd, stdin: inW, stdout: outR, stderr: errR,
		in: make(chan []byte, 1), wrote: make(chan error, 1), lines: make(chan []byte, groupRecords), free: make(chan []byte, groupRecords),
		done: make(chan struct{}), heard: make(chan struct{}), stop: make(chan struct{}), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	p.serving.Go(p.write)
	p.serving.Go(p.read)
	p.serving.Go(func() { p.forward(log); close(p.heard) })
	go func() {
		err := cmd.Wait()
		killGroup(cmd) // what it has left behind; at once, while the group's number is nobody else's
		p.status = exitedWell
		if err != nil {
			p.status = err.Error()
		}
		close(p.done)
	}()
	return p, nil
}

func (p *process) write() {
	for {
		select {
		case b, ok := <-p.in:
			if !ok {
				return
			}
			_, err := p.stdin.Write(b)
			p.wrote <- err // it has room: a batch is not sent before the last is taken
		case <-p.stop:
			return
		}
	}
}

func (p *process) read() {
	defer close(p.lines)
	r := bufio.NewReaderSize(p.stdout, 64<<10)
	for {
		var line []byte
		select {
		case line = <-p.free:
		default:
		}
		line, err := readLine(line[:0], r)
		if err != nil {
			return
		}
		select {
		case p.lines <- line:
		case <-p.stop:
			return
		}
	}
}

// readLine reads a line without its end into dst. Of one that is longer than an answer may be it keeps the beginning,
// one byte more than that. A last line without an end is a line.
func readLine(dst []byte, r *bufio.Reader) ([]byte, error) {
	for any := false; ; any = true {
		part, err := r.ReadSlice('\n')
		dst = append(dst, part[:min(len(part), maxAnswer+1-len(dst))]...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && len(part) == 0 && !any {
			return dst, err
		}
		if len(dst) > maxAnswer {
			return dst, nil
		}
		return bytes.TrimRight(dst, "\r\n"), nil
	}
}

// recycle takes back the memory of an answer.
func (p *process) recycle(line []byte) {
	if cap(line) > 4<<10 {
		return
	}
	select {
	case p.free <- line:
	default:
	}
}

// forward shows what the program says on standard error.
func (p *process) forward(log *limitedLog) {
	r := bufio.NewReaderSize(p.stderr, logWidth+64)
	for {
		line, err := r.ReadSlice('\n')
		text := string(line[:min(len(line), logWidth)])
		if len(line) > logWidth {
			text += "…"
		}
		text = strings.ToValidUTF8(strings.TrimRight(text, "\r\n"), "?")
		for err == bufio.ErrBufferFull { // the rest of a long line
			_, err = r.ReadSlice('\n')
		}
		if text != "" {
			p.tail.add(text)
			log.line(text)
		}
		if err != nil {
			return
		}
	}
}

// over says that the process has ended, or its output has.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// surplus looks for a line that nobody asked for.
func (p *process) surplus(wait time.Duration) bool {
	if wait == 0 {
		select {
		case _, ok := <-p.lines:
			return ok
		default:
			return false
		}
	}
	p.timer.Reset(wait)
	defer p.timer.Stop()
	select {
	case _, ok := <-p.lines:
		return ok
	case <-p.timer.C:
		return false
	}
}

// ask writes in, which holds n lines and does not change before kill or a return without error, and gives each of the n
// answers to take. got is how many there were. After an error the process is of no use.
func (p *process) ask(ctx context.Context, in []byte, n int, first, each time.Duration, take func(i int, line []byte) error) (got int, err error) {
	if p.surplus(0) {
		return 0, errSurplus
	}
	p.in <- in
	limit := each
	if p.batches == 0 {
		limit = first
	}
	p.timer.Reset(limit)
	defer p.timer.Stop()
	for writing := true; got < n || writing; {
		select {
		case line, ok := <-p.lines:
			switch {
			case !ok:
				return got, errEnded
			case got == n:
				return got, errSurplus
			}
			err := take(got, line)
			p.recycle(line)
			if err != nil {
				return got, err
			}
			got++
			p.timer.Reset(each)
		case err := <-p.wrote:
			if writing = false; err != nil && got == n {
				return got, errEnded
			}
		case <-p.timer.C:
			return got, errTimeout
		case <-ctx.Done():
			return got, context.Cause(ctx)
		}
	}
	if p.batches++; p.batches <= surplusChecks && p.surplus(surplusPause) {
		return got, errSurplus
	}
	return got, nil
}

func (p *process) endInput() {
	p.ending.Do(func() {
		close(p.in)
		p.stdin.Close()
	})
}

// drain counts what the process writes behind the end of its input, until its output ends or late.
func (p *process) drain(late <-chan time.Time) (lines int, ended bool) {
	for {
		select {
		case _, ok := <-p.lines:
			if !ok {
				select {
				case <-p.done:
					return lines, true
				case <-late:
					return lines, false
				}
			}
			lines++
		case <-late:
			return lines, false
		}
	}
}

// kill ends the process with all that it has started, waits for it, and says how it ended. It may be called again.
func (p *process) kill() string {
	p.once.Do(func() {
		close(p.stop)
		p.endInput()
		if !p.over() {
			killGroup(p.cmd)
		}
		<-p.done
		// What it said last is still in the pipe. A grandchild outside the group may hold it open; nobody waits for that.
		t := time.NewTimer(endingWait)
		select {
		case <-p.heard:
		case <-t.C:
		}
		t.Stop()
		p.stdout.Close()
		p.stderr.Close()
		p.serving.Wait()
	})
	<-p.done
	return p.status
}

// ended waits a moment for the status of a process that is ending by itself.
func (p *process) ended() {
	t := time.NewTimer(endingWait)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
	}
}
