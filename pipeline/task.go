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
	Inputs  map[string]string
	Restart bool
	Log     *slog.Logger
	Now     func() time.Time
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
	return taskConfig{t.Program, hex.EncodeToString(sum[:]), id}, nil
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

// Do does the task, or goes on with it. before says that an earlier run had finished it.
func (t *Task) Do(ctx context.Context) (before bool, err error) {
	before, err = t.do(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx) // who stopped it says more than that it was stopped
	}
	return before, err
}

func (t *Task) do(ctx context.Context) (before bool, err error) {
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
		return true, nil
	case s == Begun && !t.Restart:
		if old.Program != now.Program {
			t.Log.Warn(fmt.Sprintf("%s was begun by %s; this is %s. Bytes are promised for one version only", t.Dir, old.Program, now.Program))
		}
		if err := errors.Join(t.Store.Remove(ctx, path.Join(d.own, corpus.Done)), t.Store.Remove(ctx, path.Join(d.own, clearingFile))); err != nil {
			return false, err
		}
	default:
		if err := d.clearAll(ctx); err != nil {
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
	if err := t.Run(ctx); err != nil {
		return false, errors.Join(err, d.timing(context.WithoutCancel(ctx), started, "stopped"))
	}
	made, err := d.results(ctx)
	if err != nil {
		return false, err
	}
	if err := d.write(ctx, resultsFile, made); err != nil {
		return false, err
	}
	if err := d.timing(ctx, started, "finished"); err != nil {
		return false, err
	}
	return false, d.write(ctx, corpus.Done, []byte{})
}

// results lists what a task has put into the directory.
func (d *runDir) results(ctx context.Context) ([]step, error) {
	files, err := d.job.Store.List(ctx, d.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	made := []step{}
	for _, f := range files {
		// Times differ from one run to the next, and so does the size of the file that holds them.
		if name := strings.TrimPrefix(path.Clean(f.Name), d.root+"/"); !strings.HasPrefix(name, corpus.Dir+"/") && path.Base(name) != timingFile {
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

// clearAll removes what a task has made in its directory: everything there, since mayUse has found it to be a run's. The
// marks go in the order of clear.
func (d *runDir) clearAll(ctx context.Context) error {
	files, err := d.job.Store.List(ctx, d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	own := func(name string) string { return path.Join(d.own, name) }
	if !d.missing(ctx, corpus.Done) {
		if err := d.write(ctx, clearingFile, []byte{}); err != nil {
			return err
		}
	}
	first, last := []string{own(corpus.Done)}, []string{own(manifestFile), own(configFile), own(clearingFile)}
	keep := map[string]bool{own(lockFile): true}
	for _, n := range last {
		keep[n] = true
	}
	for _, f := range files {
		if name := path.Clean(f.Name); !keep[name] {
			first = append(first, name)
		}
	}
	for _, n := range append(first, last...) {
		if err := d.job.Store.Remove(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
