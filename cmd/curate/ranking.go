package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curate/corpus"
	"curate/dedup"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// rankSettings are what a run for ranks was started with: ranks.json (docs/formats/ranks.md).
type rankSettings struct {
	Version      int      `json:"version"` // 1
	Ranges       int      `json:"ranges"`
	InputFormat  string   `json:"input_format"`
	Format       string   `json:"format"`
	TextField    string   `json:"text_field"`
	Repair       []string `json:"repair"`
	Annotate     bool     `json:"annotate"`
	SplitSize    int64    `json:"split_size"`
	MaxRecord    int64    `json:"max_record"` // 0: as config.json says
	Scheme       string   `json:"scheme"`
	Bands        int      `json:"bands"`
	Rows         int      `json:"rows"`
	Permutations int      `json:"permutations"`
	Short        string   `json:"short"`
	Threshold    float64  `json:"threshold"`
	Verify       string   `json:"verify"`
	Keep         string   `json:"keep"`
	Priority     []string `json:"priority"`
	SourceField  string   `json:"source_field"`
	IDField      string   `json:"id_field"`
	Alarm        float64  `json:"alarm"`
}

const rankSettingsVersion = 1

func (r *rankSettings) marshal() ([]byte, error) {
	b, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

// method is the one that is set. Errors are the user's.
func (r *rankSettings) method() (*dedup.MinHash, error) {
	field, err := record.ParsePath(r.TextField)
	if err != nil {
		return nil, usage("--text-field: %v", err)
	}
	source, err := record.ParsePath(r.SourceField)
	if err != nil {
		return nil, usage("--source-field: %v", err)
	}
	id, err := record.ParsePath(r.IDField)
	if err != nil {
		return nil, usage("--id-field: %v", err)
	}
	m, err := dedup.NewMinHash(dedup.MinHashConfig{
		Field: field, Scheme: r.Scheme, Bands: r.Bands, Rows: r.Rows, Values: r.Permutations, Short: r.Short,
		Threshold: r.Threshold, Verify: r.Verify, Keep: r.Keep, Priority: r.Priority, SourceField: source, IDField: id,
		Findings: dedup.Findings{Evidence: true, Clusters: true, Alarm: r.Alarm}, Annotate: r.Annotate, Verdicts: !r.Annotate,
	})
	if err != nil {
		return nil, usage("%v", err)
	}
	return m, nil
}

// job is the run's.
func (r *rankSettings) job(env environment, s *settings, dir string, m *corpus.Manifest, stages []stage.Stage) (*pipeline.Job, error) {
	format, err := corpus.FormatNamed(r.Format)
	if err != nil {
		return nil, err
	}
	repair, err := record.ParseRepairs(r.Repair)
	if err != nil {
		return nil, err
	}
	others := format // as settings.resolve has it
	if others.Parquet {
		others = corpus.DefaultFormat
	}
	scheme := schemeFlags{name: r.Scheme, short: r.Short}
	return &pipeline.Job{
		Program: program(), Store: storage(), Manifest: m, Codec: r.InputFormat, TextField: record.MustPath(r.TextField).Names()[0], Repair: repair, Stages: stages,
		Out: pipeline.Target{Path: dir, Format: format}, Dropped: pipeline.Target{Format: others}, KeepDropped: !r.Annotate,
		Workers: s.workers, Memory: s.memory, RecordCost: scheme.recordCost(), MaxRecord: int(r.MaxRecord), SplitSize: r.SplitSize,
		MaxQuarantined: s.allowance, Stdin: env.stdin, Stdout: env.stdout, Log: s.log, Progress: &pipeline.Progress{}, Now: time.Now,
	}, nil
}

// rankFlags are those of a command that does a part of a run.
type rankFlags struct {
	stageFlags
	run         string
	rank, world int
	of          string // what says the rank, for messages
}

func (f *rankFlags) registerDir(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.run, "run", "", "`DIR` that curate dedup start has made")
}

func (f *rankFlags) registerRank(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&f.rank, "rank", 0, "`I` of this process, from 0; default what the scheduler says ("+strings.Join(rankVariables, ", ")+"), else 0")
	fs.IntVar(&f.world, "world-size", 1, "`N` ranks share the work; it need not be the same for each step")
}

// registerMachine is stageFlags', without what the run has settled.
func (f *rankFlags) registerMachine(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVarP(&f.workers, "jobs", "j", 0, "`N` workers; default one a core")
	fs.StringVar(&f.memory, "memory", "", "`SIZE` that the process may take (RSS), at least 64MiB + 32MiB a worker; default a quarter of the machine or cgroup")
	fs.StringVar(&f.tmp, "tmp", "", "`DIR` for what this process alone needs until its end, such as a node's own disk; default in the run's")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
}

// rankVariables are what schedulers call the number of a task in an array: Slurm, AWS Batch, Kubernetes (Indexed Job),
// Google Batch.
var rankVariables = []string{"SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX", "BATCH_TASK_INDEX"}

// resolveRank settles which rank this is.
func (f *rankFlags) resolveRank(cmd *cobra.Command) error {
	if f.world < 1 {
		return usage("--world-size %d: at least 1", f.world)
	}
	f.of = "--rank"
	if fs := cmd.Flags(); fs.Lookup("rank") != nil && !fs.Changed("rank") && fs.Changed("world-size") {
		n, name, err := scheduledRank()
		if err != nil {
			return err
		}
		if name != "" {
			f.rank, f.of = n, name
		}
	}
	if f.rank < 0 || f.rank >= f.world {
		return usage("%s %d: ranks of --world-size %d are 0 to %d", f.of, f.rank, f.world, f.world-1)
	}
	return nil
}

// rankRun is a run for ranks, open for one process.
type rankRun struct {
	*pipeline.Shared
	dir   string
	set   rankSettings
	files []corpus.File
	job   *pipeline.Job
	m     *dedup.MinHash
	k     *dedup.Ranks
	show  *display
}

// open opens the run; look only looks at it.
func (f *rankFlags) open(ctx context.Context, cmd *cobra.Command, env environment, look bool) (*rankRun, error) {
	f.given = cmd.Flags().Changed
	if f.run == "" {
		return nil, usage("--run DIR is missing: which run?")
	}
	if f.maxQuarantined == "" {
		f.maxQuarantined = "0"
	}
	f.textField = "text" // the run has its own
	if err := f.resolveRank(cmd); err != nil {
		return nil, err
	}
	s, err := f.resolve()
	if err != nil {
		return nil, err
	}
	r := &rankRun{dir: f.run, show: newDisplay(env.stderr, &f.stageFlags)}
	s.log = r.show.log
	if err := r.load(ctx, env, s, f, look); err != nil {
		r.show.close()
		return nil, err
	}
	for _, n := range s.notes {
		s.log.Info(n)
	}
	s.onMachine()
	return r, nil
}

func (r *rankRun) load(ctx context.Context, env environment, s *settings, f *rankFlags, look bool) error {
	raw, manifest, err := pipeline.ReadShared(ctx, storage(), f.run)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &r.set, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%s: its ranks.json: %w", f.run, err)
	}
	if r.set.Version != rankSettingsVersion {
		return fmt.Errorf("%s: its ranks.json has version %d, and this program knows %d", f.run, r.set.Version, rankSettingsVersion)
	}
	r.files = manifest.Files
	if r.m, err = r.set.method(); err != nil {
		return err
	}
	if r.k, err = r.m.Ranks(r.set.Ranges); err != nil {
		return err
	}
	if r.job, err = r.set.job(env, s, f.run, manifest, r.m.Stages()); err != nil {
		return err
	}
	r.job.Tmp = f.tmp
	if look {
		r.Shared, err = r.job.LookShared(ctx)
	} else {
		r.Shared, err = r.job.OpenShared(ctx, raw)
	}
	return err
}

func (r *rankRun) close() error {
	err := r.Close()
	r.show.close()
	return err
}

// rankStep is a step of the run: a verb.
type rankStep struct {
	verb  string // what follows "curate dedup"
	parts func(r *rankRun) int
	unit  string // of parts; "" where one process does the step
	// made says whether a part is done.
	made func(ctx context.Context, r *rankRun, part int) (bool, error)
}

func ofFiles(r *rankRun) int  { return len(r.files) }
func ofRanges(r *rankRun) int { return r.set.Ranges }
func ofOne(*rankRun) int      { return 1 }

func passed(phase int) func(ctx context.Context, r *rankRun, part int) (bool, error) {
	return func(ctx context.Context, r *rankRun, part int) (bool, error) {
		missing, err := r.Missing(ctx, phase, r.files[part:part+1])
		return len(missing) == 0, err
	}
}

func fileMade(name func(part int) string) func(ctx context.Context, r *rankRun, part int) (bool, error) {
	return func(ctx context.Context, r *rankRun, part int) (bool, error) { return r.Made(ctx, name(part)) }
}

// rankSteps are the steps, in their order. Part i of n is rank i mod world's.
var rankSteps = []rankStep{
	{"sign", ofFiles, "files", passed(1)},
	{"pairs", ofRanges, "ranges", fileMade(dedup.PairsFile)},
	{"sets", ofFiles, "files", fileMade(func(part int) string { return dedup.IndexFile(part + 1) })}, // files count from 1
	{"verify", ofRanges, "ranges", fileMade(dedup.VerifyFile)},
	{"rehub", ofRanges, "ranges", fileMade(dedup.RehubFile)},
	{"components", ofOne, "", fileMade(func(int) string { return dedup.ComponentsFile })},
	{"decide", ofOne, "", fileMade(func(int) string { return dedup.DecisionsFile })},
	{"apply", ofFiles, "files", passed(3)},
	{"apply --finish", ofOne, "", func(ctx context.Context, r *rankRun, _ int) (bool, error) { return r.Finished(ctx), nil }},
}

func stepOf(verb string) int {
	return slices.IndexFunc(rankSteps, func(s rankStep) bool { return s.verb == verb })
}

// missing are the parts of a step that are not done.
func (r *rankRun) missing(ctx context.Context, s *rankStep) ([]int, error) {
	var list []int
	for part := range s.parts(r) {
		made, err := s.made(ctx, r, part)
		if err != nil {
			return nil, err
		}
		if !made {
			list = append(list, part)
		}
	}
	return list, nil
}

// what names a part.
func (r *rankRun) what(s *rankStep, part int) string {
	switch s.unit {
	case "files":
		return r.files[part].Path
	case "":
		return "it"
	}
	return fmt.Sprintf("range %d", part)
}

// command is what does a part of a step, where there are so many ranks.
func (r *rankRun) command(s *rankStep, part, world int) string {
	c := "curate dedup " + s.verb + " --run " + r.dir
	if s.unit != "" && world > 1 {
		c += fmt.Sprintf(" --rank %d --world-size %d", part%world, world)
	}
	return c
}

// ready refuses a step before all parts of the one before are done.
func (r *rankRun) ready(ctx context.Context, verb string, world int) error {
	i := stepOf(verb)
	if i == 0 {
		return nil
	}
	before := &rankSteps[i-1]
	missing, err := r.missing(ctx, before)
	if err != nil || len(missing) == 0 {
		return err
	}
	if before.unit == "" {
		return fmt.Errorf("%s: %s comes before %s, and is not done; run %q", r.dir, before.verb, verb, r.command(before, 0, 1))
	}
	return fmt.Errorf("%s: %s comes before %s, and is not done for %d of %d %s, such as %s; run %q",
		r.dir, before.verb, verb, len(missing), before.parts(r), before.unit, r.what(before, missing[0]), r.command(before, missing[0], world))
}

// mine are the parts of a step that are a rank's and not done.
func (r *rankRun) mine(ctx context.Context, verb string, rank, world int) ([]int, error) {
	missing, err := r.missing(ctx, &rankSteps[stepOf(verb)])
	return slices.DeleteFunc(missing, func(part int) bool { return part%world != rank }), err
}

// runRank does a rank's share of a step.
func (f *rankFlags) runRank(cmd *cobra.Command, env environment, verb string) (err error) {
	ctx := cmd.Context()
	r, err := f.open(ctx, cmd, env, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	log := r.show.log
	if r.Finished(ctx) {
		if verb == "apply --finish" {
			return r.finish(ctx)
		}
		log.Info(f.run + " is finished already")
		return nil
	}
	if err := r.ready(ctx, verb, f.world); err != nil {
		return err
	}
	if verb == "apply --finish" {
		return r.finish(ctx)
	}
	step := &rankSteps[stepOf(verb)]
	parts, err := r.mine(ctx, verb, f.rank, f.world)
	if err != nil {
		return err
	}
	if len(parts) > 0 {
		r.show.start(r.job.Progress, nil)
		err = r.do(ctx, verb, parts)
		r.show.stop()
		if errors.As(err, new(interrupted)) {
			err = fmt.Errorf("%w; repeat the command to go on", err)
		}
		if err != nil {
			return err
		}
	}
	if step.unit == "" {
		log.Info(verb + " is done")
		return nil
	}
	all := step.parts(r)
	share := (all - f.rank + f.world - 1) / f.world
	log.Info(fmt.Sprintf("%s: rank %d of %d is done: %d of %d %s, %d of them before", verb, f.rank, f.world, share, all, step.unit, share-len(parts)))
	return nil
}

// do does parts of a step.
func (r *rankRun) do(ctx context.Context, verb string, parts []int) error {
	shared := r.Workspace()
	scratch, err := r.Scratch(ctx)
	if err != nil {
		return err
	}
	var files []corpus.File // where parts are files
	var numbers []int
	if rankSteps[stepOf(verb)].unit == "files" {
		for _, p := range parts {
			files = append(files, r.files[p])
			numbers = append(numbers, r.files[p].Number)
		}
	}
	each := func(do func(part int) error) error {
		p := r.job.Progress
		p.Tell = func() string { return fmt.Sprintf("%s: %d of %d parts", verb, p.Consumed.Load(), len(parts)) }
		p.Total.Store(int64(len(parts)))
		for _, part := range parts {
			if err := do(part); err != nil {
				return err
			}
			p.Consumed.Add(1)
		}
		return nil
	}
	switch verb {
	case "sign":
		_, err := r.Pass(ctx, 1, files, nil)
		return err
	case "pairs":
		var keys []stage.Sealed
		for _, f := range r.files {
			of, err := r.Sealed(ctx, 1, f)
			if err != nil {
				return err
			}
			keys = append(keys, of...)
		}
		return each(func(part int) error { return r.k.Pairs(ctx, part, keys, shared, scratch) })
	case "sets":
		marks, err := r.k.Marks(ctx, numbers, shared, scratch)
		if err != nil {
			return err
		}
		if _, err := r.Pass(ctx, 2, files, marks); err != nil {
			return err
		}
		for _, f := range files {
			splits, err := r.Sealed(ctx, 2, f)
			if err != nil {
				return err
			}
			if err := r.k.Index(ctx, dedup.SealedFile{Number: f.Number, Splits: splits}, shared); err != nil {
				return err
			}
		}
		return nil
	case "verify", "rehub", "decide":
		var sets []dedup.SealedFile
		for _, f := range r.files {
			splits, err := r.Sealed(ctx, 2, f)
			if err != nil {
				return err
			}
			sets = append(sets, dedup.SealedFile{Number: f.Number, Splits: splits})
		}
		c, err := r.k.Comparer(ctx, sets, shared, scratch)
		if err != nil {
			return err
		}
		return each(func(part int) error {
			switch verb {
			case "verify":
				return c.Verify(ctx, part)
			case "rehub":
				return c.Rehub(ctx, part)
			}
			return c.Decide(ctx)
		})
	case "components":
		for _, f := range r.files {
			numbers = append(numbers, f.Number)
		}
		return each(func(int) error { return r.k.Components(ctx, numbers, shared, scratch) })
	case "apply":
		apply, err := r.k.Apply(ctx, shared)
		if err != nil {
			return err
		}
		_, err = r.Pass(ctx, 3, files, apply)
		return err
	}
	panic("no step is called " + verb)
}

// finish makes the directory whole.
func (r *rankRun) finish(ctx context.Context) error {
	res, err := r.Finish(ctx)
	if res != nil {
		if res.Before {
			r.show.log.Info(r.dir + " is finished already: " + res.Counts.Summary("kept"))
		} else {
			r.show.log.Info(res.Counts.Summary("kept"))
		}
	}
	return err
}

// only refuses flags that say what the run has settled.
func (f *rankFlags) only(cmd *cobra.Command, allowed ...string) (err error) {
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, fl.Name) {
			err = usage("--%s with --run: curate dedup start has settled it for the run; leave it out", fl.Name)
		}
	})
	return err
}
