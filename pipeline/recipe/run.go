package recipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"curate/corpus"
	"curate/corpus/store"
	"curate/pipeline"
	"curate/stage"
)

// Runner does what a recipe says.
type Runner struct {
	Recipe  *Recipe
	Program string // "curate 0.1.0"
	Store   store.Store
	Workers int
	Memory  int64 // bytes of RSS
	// MaxRecord and SplitSize are as in pipeline.Job.
	MaxRecord int
	SplitSize int64
	Strict    bool
	Restart   bool // steps that another recipe has left half-way are begun anew
	// Rank is that of this process among those that share the run, for stages that keep something of their own (Setting.Rank).
	Rank  string
	Meter *pipeline.Meter
	Log   *slog.Logger
	Now   func() time.Time

	// Started and Stopped are told of each step that has something to do.
	Started func(p *pipeline.Progress)
	Stopped func()
}

// allowedBy is what sets how many records may be quarantined.
const allowedBy = "quarantine.max"

// Outcome of a step.
type Outcome struct {
	Step     *Step
	Identity string
	Before   bool // an earlier run had finished it
	Counts   pipeline.Counts
}

// job makes the job of a step whose Needs are done. identities are those of the steps before.
func (r *Runner) job(ctx context.Context, s *Step, identities map[*Step]string) (*pipeline.Job, error) {
	m, inputs, err := r.manifest(ctx, s, identities)
	if err != nil {
		return nil, err
	}
	return r.jobOf(ctx, s, s.Dir(), m, inputs, nil)
}

// jobOf makes the job of one directory of a step: the only one, or one that an index belongs to, whose stages are the index's.
func (r *Runner) jobOf(ctx context.Context, s *Step, dir string, m *corpus.Manifest, inputs []Input, x *Index) (_ *pipeline.Job, err error) {
	var stages []stage.Stage
	defer func() {
		if err != nil {
			err = errors.Join(err, stage.Close(stages))
		}
	}()
	for i := range s.Uses {
		u := &s.Uses[i]
		if x != nil && u == s.indexed() {
			stages = append(stages, x.Stages...)
			continue
		}
		list, err := u.Kind.Build(ctx, u.Values, r.setting(s, inputs))
		stages = append(stages, list...)
		if err == nil && x != nil {
			err = u.mayStandBeside(list)
		}
		if err != nil {
			return nil, err
		}
	}
	out, err := pipeline.ParseTarget(dir+"/", corpus.DefaultFormat)
	if err != nil {
		return nil, err
	}
	memory := r.Memory - r.reserved()
	if least := pipeline.MinMemory(r.Workers); memory < least {
		return nil, &pipeline.UsageError{Problem: fmt.Sprintf("%s of memory are too little for %d workers: at least %s, of which %s are for models",
			pipeline.FormatBytes(r.Memory), r.Workers, pipeline.FormatBytes(least+r.reserved()), pipeline.FormatBytes(r.reserved()))}
	}
	chunk, cost := 0, int64(0)
	for _, u := range s.Uses {
		cost = max(cost, u.Kind.RecordCost)
		if u.Kind.Cost != nil {
			cost = max(cost, u.Kind.Cost(u.Values))
		}
		if c := u.Kind.Chunk; c > 0 && (chunk == 0 || c < chunk) {
			chunk = c
		}
	}
	return &pipeline.Job{
		Program: r.Program, Store: r.Store, Manifest: m, TextField: r.Recipe.TextField.Names()[0], Repair: s.Repair, Stages: stages, Meter: r.Meter,
		Out: out, Dropped: pipeline.Target{Format: corpus.DefaultFormat}, KeepDropped: true,
		Quarantine: pipeline.Target{Format: corpus.DefaultFormat}, Workers: r.Workers, Memory: memory,
		ChunkSize: chunk, RecordCost: cost, MaxRecord: r.MaxRecord, SplitSize: r.SplitSize, MaxQuarantined: s.Quarantine, AllowedBy: allowedBy,
		Strict: r.Strict, Stdin: strings.NewReader(""), Log: r.logOf(s), Progress: &pipeline.Progress{}, Now: r.Now,
	}, nil
}

// setting is that of a step's stages.
func (r *Runner) setting(s *Step, inputs []Input) Setting {
	return Setting{Run: r.Recipe.Run, TextField: r.Recipe.TextField, Workers: r.Workers, Memory: r.Memory, Log: r.logOf(s), Inputs: inputs, Rank: r.Rank}
}

// work makes the task of a step whose Needs are done. identities are those of the steps before.
func (r *Runner) work(ctx context.Context, s *Step, identities map[*Step]string) (*pipeline.Task, *pipeline.Progress, error) {
	u := s.task()
	p := &pipeline.Progress{}
	t, err := u.Kind.Task(ctx, u.Values, Setting{
		Run: r.Recipe.Run, TextField: r.Recipe.TextField, Workers: r.Workers, Memory: r.Memory, Log: r.logOf(s), Dir: s.Dir(), Progress: p,
	})
	if err != nil {
		return nil, nil, err
	}
	t.Program, t.Store, t.Dir, t.Log, t.Now = r.Program, r.Store, s.Dir(), r.logOf(s), r.Now
	if t.Inputs == nil {
		t.Inputs = map[string]string{}
	}
	for _, n := range s.Needs {
		t.Inputs[n.Name] = identities[n]
	}
	return t, p, nil
}

// standing says how far a step whose Needs are done is. files and bytes are of its input as stored, of a step that grows of what is new.
func (r *Runner) standing(ctx context.Context, s *Step, identities map[*Step]string) (st pipeline.Standing, changes []string, identity string, files int, bytes int64, err error) {
	if s.task() != nil {
		t, _, err := r.work(ctx, s, identities)
		if err != nil {
			return 0, nil, "", 0, 0, err
		}
		st, changes, identity, err = t.Standing(ctx)
		return st, changes, identity, 0, 0, err
	}
	if s.indexed() != nil {
		return r.standingIndexed(ctx, s, identities)
	}
	j, err := r.job(ctx, s, identities)
	if err != nil {
		return 0, nil, "", 0, 0, err
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages)) }()
	st, changes, identity, err = j.Standing(ctx)
	m := j.Manifest
	if err == nil && st == pipeline.Grows {
		m = &corpus.Manifest{}
		m.Files, err = j.New(ctx)
	}
	return st, changes, identity, len(m.Files), max(0, m.Size()), err
}

// reserved are the bytes that stages hold: models that stay, of any step, and the most that others take while theirs runs.
func (r *Runner) reserved() int64 {
	stays, most := map[string]int64{}, int64(0)
	for _, s := range r.Recipe.Steps {
		for _, u := range s.Uses {
			switch {
			case u.Kind.Reserve == nil:
			case u.Kind.Stays:
				stays[u.Kind.Name] = max(stays[u.Kind.Name], u.Kind.Reserve(u.Values, r.Workers))
			default:
				most = max(most, u.Kind.Reserve(u.Values, r.Workers))
			}
		}
	}
	for _, n := range stays {
		most += n
	}
	return most
}

// manifest of a step: its files, then what the steps it reads from have made; and how many files are whose.
func (r *Runner) manifest(ctx context.Context, s *Step, identities map[*Step]string) (*corpus.Manifest, []Input, error) {
	var all []*corpus.Manifest
	var inputs []Input
	for _, read := range s.Read {
		m, err := corpus.Expand(ctx, r.Store, []string{read})
		if err != nil {
			return nil, nil, err
		}
		if m.HasStream() {
			return nil, nil, &corpus.InputError{Path: read, Problem: "a recipe cannot read a stream, which is gone when a run goes on; put it into a file"}
		}
		if n := len(m.Skipped); n > 0 {
			r.Log.Warn(fmt.Sprintf("step %s: %d files without a data extension are not read: %s", s.Name, n, strings.Join(m.Skipped[:min(n, 5)], ", ")))
		}
		all, inputs = append(all, m), append(inputs, Input{read, len(m.Files)})
	}
	for _, from := range s.From {
		m, err := corpus.Expand(ctx, r.Store, []string{from.Dir()})
		if err != nil {
			return nil, nil, err
		}
		made, err := pipeline.Makers(ctx, r.Store, from.Dir(), identities[from])
		if err != nil {
			return nil, nil, err
		}
		m.MadeBy(made, r.Recipe.Run)
		all, inputs = append(all, m), append(inputs, Input{from.Name, len(m.Files)})
	}
	m, err := corpus.Join(all...)
	return m, inputs, err
}

// lock takes the run directory.
func (r *Runner) lock() (release func(), err error) {
	return pipeline.Lock(path.Join(r.Recipe.Run, corpus.Dir, "lock"), r.Recipe.Run, r.Log)
}

// check finds what cannot be meant before anything runs.
func (r *Runner) check(ctx context.Context) error {
	run := corpus.RealPath(r.Recipe.Run)
	for _, s := range r.Recipe.Steps {
		if len(s.Read) == 0 {
			continue
		}
		for _, p := range s.Read { // whether the run directory is there yet or not
			if takesIn(p, run) {
				return s.at.errorf("step %s: the input %s takes in the run directory %s, whose files the next run would read; put it elsewhere", s.Name, p, r.Recipe.Run)
			}
		}
		m, err := corpus.Expand(ctx, r.Store, s.Read)
		if err != nil {
			var input *corpus.InputError
			if errors.As(err, &input) {
				return s.at.errorf("step %s: %v", s.Name, err)
			}
			return err
		}
		for _, f := range m.Files {
			if corpus.Below(corpus.RealPath(f.Path), run) {
				return s.at.errorf("step %s: the input %s lies in the run directory %s; name earlier steps under \"from\"", s.Name, f.Path, r.Recipe.Run)
			}
		}
	}
	return nil
}

// takesIn says whether a directory or glob names dir, a real path, or a folder above it.
func takesIn(p, dir string) bool {
	if store.IsURL(p) {
		return corpus.Below(dir, corpus.RealPath(p)) || corpus.GlobTakesIn(p, dir) // nothing lies below an object
	}
	if st, err := os.Stat(p); err == nil {
		return st.IsDir() && corpus.Below(dir, corpus.RealPath(p))
	}
	return corpus.GlobTakesIn(p, dir)
}

// Run does the steps that are not done, in order, and leaves those alone that are. A step that has changed since it was
// done is made anew, and what depends on it follows, since its inputs are others then.
func (r *Runner) Run(ctx context.Context) ([]Outcome, error) {
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	release, err := r.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	if store.IsURL(r.Recipe.Run) {
		r.Log.Info("run directory "+store.URL(r.Recipe.Run), pipeline.Event("recipe.started"), slog.String("recipe", r.Recipe.File), slog.String("run", store.URL(r.Recipe.Run)), slog.Int("steps", len(r.Recipe.Steps)))
	} else if abs, err := filepath.Abs(r.Recipe.Run); err == nil {
		r.Log.Info("run directory "+abs, pipeline.Event("recipe.started"), slog.String("recipe", r.Recipe.File), slog.String("run", abs), slog.Int("steps", len(r.Recipe.Steps)))
	}
	if err := r.writeRun(ctx, nil); err != nil {
		return nil, err
	}
	var done []Outcome
	var judged error
	identities := map[*Step]string{}
	for _, s := range r.Recipe.Steps {
		o, err := r.step(ctx, s, identities)
		if o != nil {
			done = append(done, *o)
			identities[s] = o.Identity
		}
		var q *pipeline.QuarantineError
		if errors.As(err, &q) && o != nil { // its output is whole; the exit code says it at the end
			r.Log.Error(err.Error(), pipeline.Event("step.failed"), slog.String("step", s.Name))
			judged = cmpErr(judged, err)
			err = nil
		}
		if err != nil {
			return done, err
		}
		if err := r.writeProvenance(ctx, s, o, identities); err != nil {
			return done, err
		}
		if err := r.writeRun(ctx, done); err != nil {
			return done, err
		}
	}
	return done, judged
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// at says of an error which step it is of.
func (r *Runner) at(s *Step, err error) error {
	var u *pipeline.UsageError
	for _, file := range append([]string{r.Recipe.File}, r.Recipe.With...) {
		if errors.As(err, &u) && strings.HasPrefix(u.Problem, file+":") {
			return err // it has a better place already
		}
	}
	return fmt.Errorf("step %s: %w", s.Name, err)
}

// step does one step. The outcome is nil unless the step is done.
func (r *Runner) step(ctx context.Context, s *Step, identities map[*Step]string) (_ *Outcome, err error) {
	at := func(err error) error { return r.at(s, err) }
	if s.indexed() != nil {
		o, err := r.doIndexed(ctx, s, identities, false)
		if err != nil {
			err = at(err)
		}
		return o, err
	}
	if s.task() != nil {
		o, err := r.doTask(ctx, s, identities)
		if err != nil {
			err = at(err)
		}
		return o, err
	}
	j, err := r.job(ctx, s, identities)
	if err != nil {
		return nil, at(err)
	}
	defer func() { err = errors.Join(err, stage.Close(j.Stages)) }()
	standing, changes, identity, err := j.Standing(ctx)
	if err != nil {
		return nil, at(err)
	}
	if j.Restart, err = r.begin(s, standing, changes); err == nil {
		err = r.beginsWhole(ctx, s, j.Restart || standing == pipeline.Absent)
	}
	if err != nil {
		return nil, at(err)
	}
	if standing != pipeline.Finished && r.Started != nil {
		r.Started(j.Progress)
	}
	res, err := j.Run(ctx)
	if standing != pipeline.Finished && r.Stopped != nil {
		r.Stopped()
	}
	if res == nil || err != nil && !errors.As(err, new(*pipeline.QuarantineError)) {
		return nil, at(err)
	}
	r.tell(s, res.Before, &res.Counts)
	if err != nil {
		err = at(err)
	}
	return &Outcome{Step: s, Identity: identity, Before: res.Before, Counts: res.Counts}, err
}

// tell says what became of a step's records.
func (r *Runner) tell(s *Step, before bool, c *pipeline.Counts) {
	word := "kept"
	if s.Result() {
		word = "took in"
	}
	if before {
		r.doneAlready(s)
	} else {
		pipeline.TellCounts(r.logOf(s), "step.finished", fmt.Sprintf("step %s: %s", s.Name, c.Summary(word)), c)
	}
}

// begin says what a step does, and whether it is begun anew.
func (r *Runner) begin(s *Step, standing pipeline.Standing, changes []string) (restart bool, err error) {
	switch standing {
	case pipeline.Absent:
		r.started(s, "begins", s.what())
	case pipeline.Begun:
		r.started(s, "goes on", "going on")
	case pipeline.Grows: // the job tells
		r.logOf(s).Info("", pipeline.Event("step.started"), slog.String("how", "grows"), slog.Any("stages", s.stages()))
	case pipeline.Changed:
		r.started(s, "has changed", fmt.Sprintf("has changed, and is made anew (%s)", brief(changes)))
		return true, nil
	case pipeline.HalfWay:
		if !r.Restart {
			return false, halfWay(s, changes, "--restart")
		}
		r.logOf(s).Info("", pipeline.Event("step.started"), slog.String("how", "begins anew"), slog.Any("stages", s.stages()))
		return true, nil
	}
	return false, nil
}

// halfWay refuses a step that another recipe has left half-way. flag begins it anew.
func halfWay(s *Step, changes []string, flag string) error {
	return &pipeline.UsageError{Problem: fmt.Sprintf("%s was begun by another recipe, and is not finished:\n  %s\nUndo the change to go on, or give %s to begin the step anew", s.Dir(), strings.Join(changes, "\n  "), flag)}
}

// logOf is the log of what a step says.
func (r *Runner) logOf(s *Step) *slog.Logger { return r.Log.With(slog.String("step", s.Name)) }

// started tells that a step begins, and how.
func (r *Runner) started(s *Step, how, words string) {
	r.logOf(s).Info(fmt.Sprintf("step %s: %s", s.Name, words), pipeline.Event("step.started"), slog.String("how", how), slog.Any("stages", s.stages()))
}

// stages are the names of a step's kinds.
func (s *Step) stages() []string {
	var list []string
	for _, u := range s.Uses {
		list = append(list, u.Kind.Name)
	}
	return list
}

func (r *Runner) doneAlready(s *Step) {
	r.logOf(s).Info(fmt.Sprintf("step %s: is done already", s.Name), pipeline.Event("step.skipped"))
}

// doTask does a step that reads no records.
func (r *Runner) doTask(ctx context.Context, s *Step, identities map[*Step]string) (_ *Outcome, err error) {
	defer func() {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	t, p, err := r.work(ctx, s, identities)
	if err != nil {
		return nil, err
	}
	standing, changes, identity, err := t.Standing(ctx)
	if err != nil {
		return nil, err
	}
	if t.Restart, err = r.begin(s, standing, changes); err == nil {
		err = r.beginsWhole(ctx, s, t.Restart || standing == pipeline.Absent)
	}
	if err != nil {
		return nil, err
	}
	if standing == pipeline.Finished {
		r.doneAlready(s)
	} else if r.Started != nil && p.Tell != nil {
		r.Started(p)
		defer r.Stopped()
	}
	before, err := t.Do(ctx)
	if err != nil && !errors.As(err, new(*pipeline.QuarantineError)) {
		return nil, err
	}
	if !before { // of an error here the files are whole, and it is told at the end
		r.logOf(s).Info("", pipeline.Event("step.finished"))
	}
	return &Outcome{Step: s, Identity: identity, Before: before}, err
}

// brief shortens a list of changes to one line.
func brief(changes []string) string {
	const most = 3
	if len(changes) > most {
		return strings.Join(changes[:most], "; ") + "; …"
	}
	return strings.Join(changes, "; ")
}

// what says what a step reads and does.
func (s *Step) what() string {
	var in, do []string
	in = append(in, s.Read...)
	for _, f := range s.From {
		in = append(in, "step "+f.Name)
	}
	for _, u := range s.Uses {
		do = append(do, u.Kind.Name)
	}
	if s.task() != nil {
		for _, n := range s.Needs {
			in = append(in, "step "+n.Name)
		}
		if in == nil {
			return do[0]
		}
	}
	return strings.Join(in, ", ") + " → " + strings.Join(do, " → ")
}

// leftovers are folders of the run directory that belong to no step.
func (r *Runner) leftovers() []string {
	entries, err := os.ReadDir(filepath.FromSlash(r.Recipe.Run))
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || r.Recipe.named(name) != nil {
			continue
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
