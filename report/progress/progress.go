// Package progress says how far a run is, from the files of its directory alone: journals, manifests and what says that a step is
// whole. So it can be asked from anywhere that sees the directory, of all ranks at once, while they are at work. It takes no lock and
// writes nothing.
//
// A [Watcher] looks again and again and reads what has come since; [Run] is what it saw, which is the JSON of "curate run --watch
// --json" (docs/formats/progress.md). Read run.go first, then phase.go, which reads journals; text.go shows it.
package progress

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"curate/corpus"
	"curate/corpus/store"
	"curate/report"
)

// Watcher looks at a run's directory. It is for one goroutine. What it keeps are some 60 bytes for each finished split of steps that
// are at work.
type Watcher struct {
	st    store.Store
	dir   string
	now   func() time.Time
	steps map[string]*watched // by folder
}

// NewWatcher watches dir: that of curate run, or what one command has as -o DIR. now is the clock, by which alone rates go.
func NewWatcher(st store.Store, dir string, now func() time.Time) *Watcher {
	return &Watcher{st: st, dir: strings.TrimSuffix(path.Clean(dir), "/"), now: now, steps: map[string]*watched{}}
}

// Look reads what there is now. A file that is not there, or not any more, is no error: the run has not begun, is being begun anew, or
// has just ended.
func (w *Watcher) Look(ctx context.Context) (*Run, error) {
	run := &Run{Version: Version, Dir: w.dir, At: w.now().UTC(), State: Absent, Steps: []*Step{}}
	info, err := report.ReadSteps(ctx, w.st, w.dir)
	switch {
	case err == nil:
		run.Program, run.Recipe = info.Program, info.Recipe
		for _, s := range info.Steps {
			step, err := w.look(ctx, s.Dir, run.At)
			if err != nil {
				return nil, err
			}
			step.Name = s.Name
			if len(step.Stages) == 0 {
				step.Stages = s.Stages
			}
			// A step says that it is whole until it is made anew; run.json, that this run has come to it and found it so.
			step.settled = step.State == Done && s.Identity != "" && s.Identity == step.identity
			run.Steps = append(run.Steps, step)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		dirs := []string{"."}
		if w.missing(ctx, corpus.Dir, configName) {
			parts, err := report.SplitParts(ctx, w.st, w.dir)
			if err != nil {
				return nil, err
			}
			if len(parts) > 0 {
				dirs = parts
			}
		}
		for _, dir := range dirs {
			step, err := w.look(ctx, dir, run.At)
			if err != nil {
				return nil, err
			}
			if dir != "." {
				step.Name = dir
			}
			step.settled = step.State == Done
			run.Program = step.program
			run.Steps = append(run.Steps, step)
		}
	}
	run.sum()
	return run, nil
}

func (w *Watcher) missing(ctx context.Context, name ...string) bool {
	_, err := w.st.Stat(ctx, path.Join(append([]string{w.dir}, name...)...))
	return errors.Is(err, fs.ErrNotExist)
}

func (w *Watcher) step(dir string) *watched {
	s := w.steps[dir]
	if s == nil {
		s = &watched{st: w.st, root: path.Join(w.dir, dir)}
		w.steps[dir] = s
	}
	return s
}
