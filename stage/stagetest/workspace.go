package stagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"curate/stage"
)

// ErrKilled is what a Workspace answers after the kill that was asked of it.
var ErrKilled = errors.New("killed by the test")

// Moment of a kill within a Make that has something to write.
type Moment int

const (
	BeforeWrite Moment = iota // nothing was written
	WhileWrite                // the writer fails after some bytes
	AfterWrite                // all was written and nothing is to be seen
	AfterMake                 // the file is there, but whoever made it does not hear of it
)

var moments = []Moment{BeforeWrite, WhileWrite, AfterWrite, AfterMake}

func (m Moment) String() string {
	return [...]string{"before write", "while it writes", "after write", "after Make"}[m]
}

// Workspace is a stage.Workspace in memory, for any number of goroutines. It can end as a killed process does,
// be used again as a resumed one would, and it holds Make's writers to what they promise.
type Workspace struct {
	mu      sync.Mutex
	memory  int64
	workers int
	files   map[string][]byte
	removed map[string]bool
	making  map[string]bool
	written map[string][]byte // all that was ever written whole, to compare with
	broken  error             // a promise that was not kept
	open    int
	makes   int // calls of Make that had to write, since the last Resume
	killAt  int // at which of them, from 1; 0 for never
	moment  Moment
	killed  bool
}

// NewWorkspace makes an empty workspace that allows so much memory, in bytes, and so many workers.
func NewWorkspace(memory int64, workers int) *Workspace {
	return &Workspace{memory: memory, workers: workers, files: map[string][]byte{}, removed: map[string]bool{},
		making: map[string]bool{}, written: map[string][]byte{}}
}

// FailMake kills the nth Make from now that has something to write, n from 1, and everything after it, until
// Resume.
func (w *Workspace) FailMake(n int, m Moment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.makes, w.killAt, w.moment = 0, n, m
}

// Killed says whether the kill has come.
func (w *Workspace) Killed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.killed
}

// Resume is the next attempt on the same files, with other limits if the user likes.
func (w *Workspace) Resume(memory int64, workers int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.makes, w.killAt, w.killed = 0, 0, false
	w.memory, w.workers = memory, workers
}

// Err is a promise of the contract that was broken: a file that two attempts wrote differently, an error of a
// writer that nobody passed on.
func (w *Workspace) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Opened is how many files are open.
func (w *Workspace) Opened() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// Names of the files that are there, sorted.
func (w *Workspace) Names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.files))
}

// begin says whether name must be made, and when this Make is to be killed.
func (w *Workspace) begin(name string) (must bool, kill Moment, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, there := w.files[name]
	switch {
	case w.killed:
		return false, 0, ErrKilled
	case there || w.removed[name]:
		return false, 0, nil
	case w.making[name]:
		return false, 0, fmt.Errorf("file %q is being made twice at once", name)
	}
	kill = -1
	if w.makes++; w.makes == w.killAt {
		kill = w.moment
	}
	if kill == BeforeWrite {
		w.killed = true
		return false, kill, ErrKilled
	}
	w.making[name] = true
	return true, kill, nil
}

// Make implements stage.Workspace.
func (w *Workspace) Make(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	must, kill, err := w.begin(name)
	if !must || err != nil {
		return err
	}
	f := &fileWriter{ws: w, kill: kill == WhileWrite}
	err = write(f)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.making, name)
	if err != nil {
		return err
	}
	if f.failed != nil {
		if w.broken == nil {
			w.broken = fmt.Errorf("file %q: an error of its writer was lost: %w", name, f.failed)
		}
		return f.failed
	}
	if old, ok := w.written[name]; ok && !bytes.Equal(old, f.b) && w.broken == nil {
		w.broken = fmt.Errorf("file %q was written with %d bytes, and in another attempt with %d that are not the same", name, len(old), len(f.b))
	}
	w.written[name] = f.b
	if kill == AfterWrite || kill == WhileWrite { // or it wrote nothing at all
		w.killed = true
	}
	if w.killed {
		return ErrKilled
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.files[name] = f.b
	if kill == AfterMake {
		w.killed = true
		return ErrKilled
	}
	return nil
}

type fileWriter struct {
	ws     *Workspace
	b      []byte
	kill   bool
	failed error
}

func (f *fileWriter) Write(b []byte) (int, error) {
	f.ws.mu.Lock()
	defer f.ws.mu.Unlock()
	if f.kill {
		f.ws.killed = true
	}
	if f.ws.killed {
		f.b = append(f.b, b[:len(b)/2]...)
		f.failed = ErrKilled
		return len(b) / 2, ErrKilled
	}
	f.b = append(f.b, b...)
	return len(b), nil
}

// Open implements stage.Workspace.
func (w *Workspace) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed {
		return nil, 0, ErrKilled
	}
	b, ok := w.files[name]
	if !ok {
		return nil, 0, fmt.Errorf("file %q: %w", name, fs.ErrNotExist)
	}
	w.open++
	return &openFile{ws: w, r: bytes.NewReader(b)}, int64(len(b)), nil
}

type openFile struct {
	ws     *Workspace
	r      *bytes.Reader
	closed bool
}

func (f *openFile) ReadAt(b []byte, at int64) (int, error) {
	f.ws.mu.Lock()
	closed, killed := f.closed, f.ws.killed
	f.ws.mu.Unlock()
	switch {
	case closed:
		return 0, fs.ErrClosed
	case killed:
		return 0, ErrKilled
	}
	return f.r.ReadAt(b, at)
}

func (f *openFile) Close() error {
	f.ws.mu.Lock()
	defer f.ws.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.ws.open--
	return nil
}

// Remove implements stage.Workspace. A file that is not there is an error: it was never made, or is removed twice.
func (w *Workspace) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed {
		return ErrKilled
	}
	if _, ok := w.files[name]; !ok {
		return fmt.Errorf("file %q: %w", name, fs.ErrNotExist)
	}
	delete(w.files, name)
	w.removed[name] = true
	return nil
}

// Tell implements stage.Workspace: nobody listens.
func (w *Workspace) Tell(bool, string) {}

// Memory implements stage.Workspace.
func (w *Workspace) Memory() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory
}

// Workers implements stage.Workspace.
func (w *Workspace) Workers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.workers
}

var _ stage.Workspace = (*Workspace)(nil)
