package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"curate/corpus"
	"curate/corpus/store"
	"curate/stage"
)

// Task is work that reads no records, such as training: its output is a directory, which it fills itself, and from whose
// files it goes on when it was killed. The directory has the same files of the run's own as that of a [Job], without journal
// and ledger.
type Task struct {
	Program string
	Store   store.Store
	Dir     string // of the output
	// Spec has name, version and configuration: with Inputs, what makes the task that task.
	Spec stage.Spec
	// Inputs are the identities of what it reads, by name, where the configuration does not tell.
	Inputs map[string]string
	// Makes are the names of all files that Run makes, below Dir and with slashes: patterns of path.Match, and those of folders, with a slash
	// behind them, for all that is in these. Who begins the task anew removes these files and no others, and so does another task
	// that comes into the directory: what else is there is somebody else's.
	Makes []string
	// Quarantine takes the rows that Run cannot use; nil if it reads none.
	Quarantine *TaskQuarantine
	Restart    bool
	Log        *slog.Logger
	Now        func() time.Time
	// Run does the work. It removes nothing but its own, and is called again, with the directory as it has left it, when a killed
	// run goes on.
	Run func(ctx context.Context) error
}

// dir gives the task's directory the methods of a job's.
func (t *Task) dir() *runDir {
	root := strings.TrimSuffix(path.Clean(t.Dir), "/")
	return &runDir{job: &Job{Store: t.Store, Out: Target{Path: t.Dir}, Log: t.Log, Now: t.Now}, root: root, own: path.Join(root, corpus.Dir)}
}

// taskIdentity is what makes a task that task.
type taskIdentity struct {
	Stages []stageIdentity   `json:"stages"` // one
	Inputs map[string]string `json:"inputs"`
}

// taskConfig is config.json of a task.
type taskConfig struct {
	Program  string       `json:"program"`
	Identity string       `json:"identity"`
	Step     taskIdentity `json:"step"`
	Makes    []string     `json:"makes"` // no part of the identity
}

func (t *Task) config() (taskConfig, error) {
	c, err := canonical(t.Spec.Config)
	if err != nil {
		return taskConfig{}, fmt.Errorf("configuration of %s: %w", t.Spec.Name, err)
	}
	id := taskIdentity{[]stageIdentity{{t.Spec.Name, t.Spec.Version, c}}, t.Inputs}
	b, err := canonical(id)
	if err != nil {
		return taskConfig{}, err
	}
	sum := sha256.Sum256(b)
	return taskConfig{t.Program, hex.EncodeToString(sum[:]), id, t.Makes}, nil
}

// standing compares the directory with the task.
func (t *Task) standing(ctx context.Context, d *runDir) (s Standing, changes []string, old, now taskConfig, err error) {
	if now, err = t.config(); err != nil {
		return Absent, nil, old, now, err
	}
	was, err := d.read(ctx, configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, nil, old, now, nil
	}
	if err != nil {
		return Absent, nil, old, now, err
	}
	d.begun = true
	if err := json.Unmarshal(was, &old); err != nil {
		return HalfWay, []string{(&damagedConfig{path.Join(d.own, configFile), err}).Error()}, old, now, nil
	}
	whole := !d.missing(ctx, corpus.Done)
	if old.Identity == now.Identity {
		if !whole {
			return Begun, nil, old, now, nil
		}
		there, err := d.resultsThere(ctx)
		if !there {
			return Begun, nil, old, now, err
		}
		return Finished, nil, old, now, err
	}
	a, errA := canonical(old.Step)
	b, errB := canonical(now.Step)
	if err := errors.Join(errA, errB); err != nil {
		return Absent, nil, old, now, err
	}
	const most = 10
	if changes = differences("", a, b); len(changes) > most {
		changes = append(changes[:most], fmt.Sprintf("and %d more", len(changes)-most))
	}
	if whole || !d.missing(ctx, clearingFile) {
		return Changed, changes, old, now, nil
	}
	return HalfWay, changes, old, now, nil
}

// Standing is as [Job.Standing].
func (t *Task) Standing(ctx context.Context) (s Standing, changes []string, identity string, err error) {
	s, changes, _, now, err := t.standing(ctx, t.dir())
	return s, changes, now.Identity, err
}

// Do does the task, or goes on with it. before says that an earlier run had finished it. With a *QuarantineError the directory is whole.
func (t *Task) Do(ctx context.Context) (before bool, err error) {
	before, err = t.do(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx) // who stopped it says more than that it was stopped
	}
	return before, err
}

func (t *Task) do(ctx context.Context) (before bool, err error) {
	if len(t.Makes) == 0 {
		return false, fmt.Errorf("task %s does not say what it makes; this is a bug of curate", t.Spec.Name)
	}
	d := t.dir()
	if err := d.mayUse(ctx); err != nil {
		return false, err
	}
	l, err := takeLock(path.Join(d.own, lockFile), t.Dir, t.Log)
	if err != nil {
		return false, err
	}
	defer func() {
		l.release(!d.begun)
		if !d.begun {
			d.removeEmpty()
		}
	}()
	started := t.Now()
	s, changes, old, now, err := t.standing(ctx, d)
	if err != nil {
		return false, err
	}
	if (s == Changed || s == HalfWay) && !t.Restart {
		return false, usage("%s holds the output of another command or of other inputs:\n  %s\nGive another directory, or --restart to begin this one anew", t.Dir, strings.Join(changes, "\n  "))
	}
	switch {
	case s == Finished && !t.Restart:
		return true, t.judge(ctx, d)
	case s == Begun && !t.Restart:
		if old.Program != now.Program {
			t.Log.Warn(fmt.Sprintf("%s was begun by %s; this is %s. Bytes are promised for one version only", t.Dir, old.Program, now.Program))
		}
		if err := errors.Join(t.Store.Remove(ctx, path.Join(d.own, corpus.Done)), t.Store.Remove(ctx, path.Join(d.own, clearingFile))); err != nil {
			return false, err
		}
	default:
		if err := d.clear(ctx, t.Makes); err != nil {
			return false, err
		}
		if err := d.tellForeign(ctx); err != nil {
			return false, err
		}
		if err := d.write(ctx, manifestFile, &corpus.Manifest{}); err != nil {
			return false, err
		}
		if err := d.write(ctx, configFile, now); err != nil {
			return false, err
		}
	}
	d.begun = true
	if err := t.Store.Sweep(ctx, d.root); err != nil {
		return false, err
	}
	if err := t.run(ctx, d); err != nil {
		return false, errors.Join(err, d.timing(context.WithoutCancel(ctx), started, "stopped", nil))
	}
	made, err := d.results(ctx, t.Makes)
	if err != nil {
		return false, err
	}
	if err := d.write(ctx, resultsFile, made); err != nil {
		return false, err
	}
	if err := d.timing(ctx, started, "finished", nil); err != nil {
		return false, err
	}
	if err := d.write(ctx, corpus.Done, []byte{}); err != nil {
		return false, err
	}
	return false, t.judge(ctx, d)
}

// run does the work, and keeps what could not be used.
func (t *Task) run(ctx context.Context, d *runDir) error {
	q := t.Quarantine
	if q == nil {
		return t.Run(ctx)
	}
	if err := q.open(ctx, d); err != nil {
		return err
	}
	if err := t.Run(ctx); err != nil {
		return errors.Join(err, q.abort())
	}
	return q.finish(ctx, d)
}

func (t *Task) judge(ctx context.Context, d *runDir) error {
	if t.Quarantine == nil {
		return nil
	}
	return t.Quarantine.judge(ctx, d)
}

// results lists what a task has put into the directory.
func (d *runDir) results(ctx context.Context, patterns []string) ([]step, error) {
	files, err := d.job.Store.List(ctx, d.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	made := []step{}
	for _, f := range files {
		// Times differ from one run to the next, and so does the size of the file that holds them.
		if name := strings.TrimPrefix(path.Clean(f.Name), d.root+"/"); makes(patterns, name) && path.Base(name) != timingFile {
			made = append(made, step{Name: name, Size: f.Size})
		}
	}
	return made, nil
}

// resultsThere says whether the files that a finished task has listed are there, by name and size.
func (d *runDir) resultsThere(ctx context.Context) (bool, error) {
	b, err := d.read(ctx, resultsFile)
	var made []step
	if err == nil {
		err = json.Unmarshal(b, &made)
	}
	if err != nil {
		d.job.Log.Warn(fmt.Sprintf("%s: says that it is finished, and its list of files cannot be read (%v); what is missing is made again", d.root, err))
		return false, nil
	}
	for _, s := range made {
		if info, err := d.job.Store.Stat(ctx, path.Join(d.root, s.Name)); err != nil || info.Size != s.Size {
			d.job.Log.Warn(fmt.Sprintf("%s: says that it is finished, but %s is not as it was written; what is missing is made again", d.root, s.Name))
			return false, nil
		}
	}
	return true, nil
}

// Named is the pattern of one name, whatever stands in it.
func Named(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// makes says whether a file, by its name below the directory, is one of those that patterns name.
func makes(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		folder, all := strings.CutSuffix(p, "/")
		if !all {
			is, err := path.Match(p, name)
			return is && err == nil
		}
		parts, n := strings.Split(name, "/"), strings.Count(folder, "/")+1
		if len(parts) <= n {
			return false
		}
		is, err := path.Match(folder, strings.Join(parts[:n], "/"))
		return is && err == nil
	})
}

// tellForeign says which files of the directory are nobody's that curate knows: they stay where they are.
func (d *runDir) tellForeign(ctx context.Context) error {
	files, err := d.job.Store.List(ctx, d.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var names []string
	for _, f := range files {
		if name := strings.TrimPrefix(path.Clean(f.Name), d.root+"/"); !strings.HasPrefix(name, corpus.Dir+"/") {
			names = append(names, name)
		}
	}
	const most = 5
	switch n := len(names); {
	case n == 1:
		d.job.Log.Warn(fmt.Sprintf("%s: the run begins anew; %s is none of its files, and stays", d.root, names[0]))
	case n > 1:
		d.job.Log.Warn(fmt.Sprintf("%s: the run begins anew; %d files are none of its own, and stay: %s", d.root, n, strings.Join(names[:min(n, most)], ", ")))
	}
	return nil
}
