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

	"curate/corpus/store"
	"curate/stage"
)

// workspace is the folder of a phase in which a Reducer finishes. What it makes is noted in a log, framed as the
// journal is, so that a run that goes on makes it only once.
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
}

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
	w := &workspace{st: st, dir: dir, out: out, found: found, memory: memory, workers: workers, voice: log, made: map[string]step{}}
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

func (w *workspace) note(s step) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log != nil {
		b, err := appendEntry(nil, s)
		if err != nil {
			return err
		}
		if err := w.log.Append(b); err != nil {
			return err
		}
	}
	w.add(s)
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
	f, err := w.st.Create(ctx, w.path(name))
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
	return w.note(step{Name: name, Size: sum.Size(), XXH64: sum.XXH64()})
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
	// Noted first: with the file gone and no note, Make would make it again from what may be gone, too.
	if err := w.note(step{Name: name, Removed: true}); err != nil {
		return err
	}
	return w.st.Remove(ctx, w.path(name))
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
