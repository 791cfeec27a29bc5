package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"curate/corpus/store"
	"curate/stage"
)

// workspace is the folder of a phase in which a Reducer finishes. What it makes is noted in a log, framed as the
// journal is, so that a run that goes on makes it only once.
//
// Most of what is made is small, gone a moment later, and quickly made again, while a disk takes its time for every file
// that is to be durable, and all workers wait: so files are synced and notes written together (settle), when
// unsettledBytes have come together, when something took longer than settleAfter, and at the end. Until then nothing
// that was noted is removed, so that a run that goes on finds whatever it takes to make again what it does not find.
type workspace struct {
	st      store.Store
	dir     string
	out     string    // the output directory, for a set of result files
	found   string    // the folder of findings
	log     store.Log // nil where nothing can be resumed
	memory  int64
	workers int
	voice   *slog.Logger
	over    bool // the Reducer has finished elsewhere: nothing is made or removed any more

	mu    sync.Mutex
	made  map[string]step
	order []string            // of made
	files map[*closeOnce]bool // that are open

	unnoted   []step          // that the log does not have yet
	unsynced  map[string]bool // files of those that are not durable yet
	unremoved []string        // files that the log says are there
	unsettled int64           // bytes of all these
}

const (
	// unsettledBytes are as many as a Reducer sorts at a time, twice.
	unsettledBytes = 8 << 20
	// settleAfter bounds what is made again. It decides nothing about what is in the files.
	settleAfter = time.Second
)

// step is an entry of the log: a file that was made, or removed.
type step struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	XXH64   string `json:"xxh64,omitzero"` // 16 hex digits
	Removed bool   `json:"removed,omitzero"`
}

const stepsFile = "steps"

// openWorkspace opens the folder dir. With resume, files that an earlier attempt has made stay.
func openWorkspace(ctx context.Context, st store.Store, dir, out, found string, resume bool, memory int64, workers int, log *slog.Logger) (*workspace, error) {
	w := &workspace{
		st: st, dir: dir, out: out, found: found, memory: memory, workers: workers, voice: log, made: map[string]step{}, unsynced: map[string]bool{},
	}
	if !resume {
		return w, nil
	}
	name := path.Join(dir, stepsFile)
	steplog, err := st.OpenLog(ctx, name)
	if err != nil {
		return nil, err
	}
	raw, err := steplog.ReadAll()
	var steps []step
	var good int
	if err == nil {
		steps, good, err = readFrames[step](raw)
	}
	if err == nil && good < len(raw) {
		err = steplog.Truncate(int64(good))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), steplog.Close())
	}
	for _, s := range steps {
		w.add(s)
	}
	for _, s := range w.made {
		if s.Removed {
			continue
		}
		info, err := st.Stat(ctx, w.path(s.Name))
		if err == nil && info.Size == s.Size {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, steplog.Close())
		}
		// What it was made from may have been removed since. The sealed files are enough to make everything again.
		if err := steplog.Truncate(0); err != nil {
			return nil, errors.Join(err, steplog.Close())
		}
		clear(w.made)
		w.order = nil
		break
	}
	w.log = steplog
	return w, nil
}

// path is where a file is: in the phase's folder, in the output directory, or in its folder _curate.
func (w *workspace) path(name string) string {
	if result, ok := strings.CutPrefix(name, stage.ResultDir); ok {
		return path.Join(w.out, result)
	}
	if finding, ok := strings.CutPrefix(name, stage.FindingsDir); ok {
		return path.Join(w.found, finding)
	}
	return path.Join(w.dir, name)
}

// results are the result files that there are, in the order in which they were made.
func (w *workspace) results() []step { return resultsOf(w.steps()) }

// steps are all files that were made, as the last entry of each says, in the order in which they were made.
func (w *workspace) steps() []step {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps := []step{}
	for _, name := range w.order {
		steps = append(steps, w.made[name])
	}
	return steps
}

// resultsOf are those of the steps that made result files, which are named as in the output directory.
func resultsOf(steps []step) []step {
	list := []step{}
	for _, s := range steps {
		if name, ok := strings.CutPrefix(s.Name, stage.ResultDir); ok && !s.Removed {
			s.Name = name
			list = append(list, s)
		}
	}
	return list
}

// note takes a file that was made, or removed, into the log, now or with others.
func (w *workspace) note(ctx context.Context, s step, unsynced bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	size := max(s.Size, w.made[s.Name].Size) // what is removed has that of what was made
	w.add(s)
	if w.log == nil {
		if s.Removed {
			return w.st.Remove(ctx, w.path(s.Name))
		}
		return nil
	}
	w.unnoted = append(w.unnoted, s)
	switch {
	case s.Removed && w.unsynced[s.Name]: // the log has never had it
		delete(w.unsynced, s.Name)
		w.unsettled -= size
		return w.st.Remove(ctx, w.path(s.Name))
	case s.Removed:
		// Noted first: with the file gone and no note, Make would make it again from what may be gone, too.
		w.unremoved = append(w.unremoved, w.path(s.Name))
	case unsynced:
		w.unsynced[s.Name] = true
	}
	if w.unsettled += size; w.unsettled <= unsettledBytes {
		return nil
	}
	return w.settleLocked(ctx)
}

// settle makes durable what was made, and notes it, and removes what was to be removed.
func (w *workspace) settle(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settleLocked(ctx)
}

func (w *workspace) settleLocked(ctx context.Context) error {
	if w.log == nil || len(w.unnoted) == 0 {
		return nil
	}
	if len(w.unsynced) > 0 {
		var names []string
		for name := range w.unsynced {
			names = append(names, w.path(name))
		}
		slices.Sort(names)
		if err := w.st.(store.Syncer).Sync(ctx, names...); err != nil { // Make has seen that it is one
			return err
		}
	}
	var b []byte
	for _, s := range w.unnoted {
		var err error
		if b, err = appendEntry(b, s); err != nil {
			return err
		}
	}
	if err := w.log.Append(b); err != nil {
		return err
	}
	for _, name := range w.unremoved {
		if err := w.st.Remove(ctx, name); err != nil {
			return err
		}
	}
	clear(w.unsynced)
	w.unnoted, w.unremoved, w.unsettled = nil, nil, 0
	return nil
}

func (w *workspace) add(s step) {
	if _, known := w.made[s.Name]; !known {
		w.order = append(w.order, s.Name)
	}
	w.made[s.Name] = s
}

func (w *workspace) Make(ctx context.Context, name string, write func(w io.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	_, known := w.made[name]
	w.mu.Unlock()
	if known { // and there as it was made, or removed: openWorkspace has looked
		return nil
	}
	if w.over {
		return fmt.Errorf("%s is not among what --finish has made; this is a bug of curate", w.path(name))
	}
	began := time.Now()
	st, unsynced := w.st, false
	if syncer, ok := w.st.(store.Syncer); ok && w.log != nil && !strings.HasPrefix(name, stage.ResultDir) && !strings.HasPrefix(name, stage.FindingsDir) {
		st, unsynced = syncer.Scratch(), true // results and findings outlive the run, and somebody may wait for them
	}
	f, err := st.Create(ctx, w.path(name))
	if err != nil {
		return err
	}
	defer f.Abort() // after Commit it does nothing
	sum := store.NewSumming(f)
	if err := compressed(name, sum, write); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	if err := w.note(ctx, step{Name: name, Size: sum.Size(), XXH64: sum.XXH64()}, unsynced); err != nil || time.Since(began) < settleAfter {
		return err
	}
	return w.settle(ctx)
}

func (w *workspace) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	f, size, err := w.st.OpenAt(ctx, w.path(name))
	if err != nil {
		return nil, 0, err
	}
	once := &closeOnce{ReaderAt: f, w: w}
	w.mu.Lock()
	if w.files == nil {
		w.files = map[*closeOnce]bool{}
	}
	w.files[once] = true
	w.mu.Unlock()
	return once, size, nil
}

// closeOnce may be closed by whoever opened it, and is by the workspace in any case.
type closeOnce struct {
	store.ReaderAt
	w    *workspace
	once sync.Once
	err  error
}

func (c *closeOnce) Close() error {
	c.once.Do(func() {
		c.w.mu.Lock()
		delete(c.w.files, c)
		c.w.mu.Unlock()
		c.err = c.ReaderAt.Close()
	})
	return c.err
}

func (w *workspace) Remove(ctx context.Context, name string) error {
	if w.over {
		return nil
	}
	return w.note(ctx, step{Name: name, Removed: true}, false)
}

func (w *workspace) Tell(warning bool, line string) {
	if warning {
		w.voice.Warn(line)
	} else {
		w.voice.Info(line)
	}
}

func (w *workspace) Memory() int64 { return w.memory }
func (w *workspace) Workers() int  { return w.workers }

// close ends the use of the workspace: nothing that a Mapper has open is valid afterwards.
func (w *workspace) close() error {
	var err error
	w.mu.Lock()
	open := slices.Collect(maps.Keys(w.files))
	w.mu.Unlock()
	for _, f := range open {
		err = errors.Join(err, f.Close())
	}
	if w.log != nil {
		err = errors.Join(err, w.log.Close())
		w.log = nil
	}
	return err
}
