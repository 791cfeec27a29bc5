package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"curate/corpus/store"
	"curate/kernel"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/stage"
	"curate/train"
	"curate/train/model"
)

// training is what a command line or a recipe says about a run, or a search.
type training struct {
	config       train.Config
	tokenizer    string
	kernels      string
	search       []string
	trials       int
	otherKernels bool
}

// searchNames are the hyper-parameters that a search can vary.
func searchNames() string {
	names, _ := train.Hyperparameters()
	return strings.Join(names, ", ")
}

// check finds what is wrong before anything is opened.
func (t *training) check() error {
	if _, err := kernel.Named(t.kernels); err != nil {
		return fmt.Errorf("kernels: %w", err)
	}
	if t.trials > 0 && len(t.search) == 0 {
		return errors.New("trials are those of a search; name what is searched")
	}
	if len(t.search) > 0 {
		s, err := t.searching()
		if err != nil {
			return err
		}
		return s.Check()
	}
	return t.config.Check()
}

// searching reads "NAME=V,V,…" and "NAME=LEAST..MOST".
func (t *training) searching() (*train.Search, error) {
	s := &train.Search{Base: t.config, Trials: t.trials, Seed: t.config.Seed}
	for _, text := range t.search {
		name, values, ok := strings.Cut(text, "=")
		if !ok || name == "" || values == "" {
			return nil, fmt.Errorf("search %q: write NAME=V,V,… or, with a number of trials, NAME=LEAST..MOST", text)
		}
		r := train.Range{Name: name}
		number := func(text string) (v float64) {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				ok = false
			}
			return v
		}
		if low, high, isRange := strings.Cut(values, ".."); isRange {
			r.Low, r.High = number(low), number(high)
			r.Log = r.Low > 0
		} else {
			for _, v := range strings.Split(values, ",") {
				r.Values = append(r.Values, number(v))
			}
		}
		if !ok {
			return nil, fmt.Errorf("search %q: a value is no number", text)
		}
		s.Over = append(s.Over, r)
	}
	return s, nil
}

// spec is what makes the run that run. Folders are there by their names only: what they hold is known when it runs.
func (t *training) spec() stage.Spec {
	config := struct {
		train.Config
		Tokenizer string   `json:"tokenizer"`
		Search    []string `json:"search"`
		Trials    int      `json:"trials"`
	}{t.config, t.tokenizer, t.search, t.trials}
	config.CheckpointEvery, config.KeepLast = 0, 0 // may change when a run goes on
	return stage.Spec{Name: "train", Version: 1, Config: config}
}

// task makes the run. What can be found out before it begins, is: the shards are there by now. s.Progress is kept up to date.
func (t *training) task(ctx context.Context, s recipe.Setting) (*pipeline.Task, error) {
	set, err := kernel.Named(t.kernels)
	if err != nil {
		return nil, &pipeline.UsageError{Problem: "kernels: " + err.Error()}
	}
	st := storage()
	d, err := train.OpenTraining(ctx, st, &t.config)
	if err != nil {
		return nil, err
	}
	if t.tokenizer != "" {
		is, err := openTokenizer("tokenizer", t.tokenizer)
		if err != nil {
			return nil, err
		}
		if got := is.Info().Fingerprint; got != d.Tokenizer() {
			return nil, usage("tokenizer %s: its sha256 is %s, and the shards were made with %s", t.tokenizer, got, d.Tokenizer())
		}
	}
	inputs := map[string]string{"shards": d.Digest()}
	if v := t.config.Validation; v != nil {
		held, err := train.OpenData(ctx, st, v.Shards, -1, 0, t.config.Across)
		if err != nil {
			return nil, err
		}
		inputs["validation"] = held.Digest()
	}
	if err := t.goesOn(ctx, st, d); err != nil {
		return nil, err
	}
	configs, err := t.configs()
	if err != nil {
		return nil, err
	}
	for i := range configs {
		if err := fits(ctx, st, &configs[i], d, s.Memory); err != nil {
			return nil, err
		}
	}
	show := &trainingProgress{p: s.Progress}
	s.Progress.Tell = show.line
	task := &pipeline.Task{Spec: t.spec(), Inputs: inputs, Makes: train.Files()}
	task.Run = func(ctx context.Context) error {
		pool := kernel.NewPool(set, s.Workers)
		defer pool.Close()
		env := &train.Environment{
			Store: st, Pool: pool, Tokenizer: filepath.ToSlash(t.tokenizer), OtherKernels: t.otherKernels, Log: s.Log,
			Peak: set.Peak(100*time.Millisecond) * float64(min(s.Workers, runtime.GOMAXPROCS(0))) / 1e9, Progress: show.take,
		}
		if len(t.search) > 0 {
			return t.runSearch(ctx, s, env, show)
		}
		res, err := train.Run(ctx, t.config, s.Dir, env)
		if err != nil {
			return asUsage(err)
		}
		why := ""
		if res.Stopped != nil {
			why = "; " + res.Stopped.Reason
		}
		s.Log.Info(fmt.Sprintf("%s: %d steps, %d tokens, loss %.4f%s%s; the model is %s", s.Dir, res.Steps, res.Tokens, res.Loss, heldOut(res.Validation), why, res.Checkpoint))
		return nil
	}
	return task, nil
}

// asUsage makes wrong usage of a folder that holds another run.
func asUsage(err error) error {
	if errors.Is(err, train.ErrChanged) {
		return &pipeline.UsageError{Problem: err.Error()}
	}
	return err
}

// withAlpha gives adapters the usual multiplier, where none is said: 2.
func withAlpha(l *train.LoRA) *train.LoRA {
	if l.Alpha == 0 {
		l.Alpha = float64(2 * l.Rank)
	}
	return l
}

func heldOut(loss *float64) string {
	if loss == nil {
		return ""
	}
	return fmt.Sprintf(", of held-out rows %.4f", *loss)
}

func (t *training) runSearch(ctx context.Context, s recipe.Setting, env *train.Environment, show *trainingProgress) error {
	search, err := t.searching()
	if err != nil {
		return err
	}
	table, err := train.RunSearch(ctx, search, s.Dir, env, func(n, of int, values []train.Value) {
		var words []string
		for _, v := range values {
			words = append(words, fmt.Sprintf("%s %v", v.Name, v.Value))
		}
		show.trial(n, of)
		s.Log.Info(fmt.Sprintf("trial %d of %d: %s", n+1, of, strings.Join(words, ", ")))
	})
	if err != nil {
		return asUsage(err)
	}
	best := table[0]
	if best.Loss == nil {
		return errors.New("all trials have diverged; try lower learning rates")
	}
	var words []string
	for _, v := range best.Values {
		words = append(words, fmt.Sprintf("%s %v", v.Name, v.Value))
	}
	s.Log.Info(fmt.Sprintf("the best of %d trials is %d, with %s: loss %.4f%s; all are in %s", len(table), best.N, strings.Join(words, ", "), *best.Loss, heldOut(best.Validation), path.Join(s.Dir, train.SearchTable)))
	return nil
}

// configs are those of all runs: one, or the trials of a search.
func (t *training) configs() ([]train.Config, error) {
	if len(t.search) == 0 {
		return []train.Config{t.config}, nil
	}
	s, err := t.searching()
	if err != nil {
		return nil, err
	}
	return s.Configs()
}

// goesOn compares an earlier model with the shards: it has a row for each id, and the tokenizer that would be put beside the new
// one is theirs.
func (t *training) goesOn(ctx context.Context, st store.Store, d *train.Data) error {
	if t.config.From == "" {
		return nil
	}
	c, _, dir, err := train.ReadModelConfig(ctx, st, filepath.ToSlash(t.config.From))
	if err != nil {
		return err
	}
	if has := max(c.Vocabulary, t.config.Vocabulary); d.Vocabulary() > has {
		return usage("%s: the shards have ids below %d, and the model knows %d; give a vocabulary of so many, or the shards of its tokenizer", t.config.Shards, d.Vocabulary(), has)
	}
	if t.tokenizer != "" {
		return nil
	}
	is, err := openTokenizer("from", filepath.FromSlash(dir))
	if err != nil {
		return nil // a model need not have one
	}
	if got := is.Info().Fingerprint; got != d.Tokenizer() {
		return usage("the tokenizer in %s is not that of the shards: its sha256 is %s, and theirs %s; give tokenizer, the path of theirs, which is then put beside the new model", dir, got, d.Tokenizer())
	}
	return nil
}

// fits compares what training holds with the memory there is. What only the shards know, it takes from them.
func fits(ctx context.Context, st store.Store, config *train.Config, d *train.Data, memory int64) error {
	var c *model.Config
	var err error
	if config.From != "" {
		if c, _, _, err = train.ReadModelConfig(ctx, st, filepath.ToSlash(config.From)); err != nil {
			return err
		}
		grown := *c
		grown.Vocabulary = max(c.Vocabulary, config.Vocabulary)
		c = &grown
	} else {
		shape := *config.Model
		if shape.Vocabulary == 0 {
			shape.Vocabulary = d.Vocabulary()
		}
		m := model.Shape(shape)
		if c, err = m.New(); err != nil {
			return &pipeline.UsageError{Problem: "model: " + err.Error()}
		}
	}
	rows, length := d.Largest(config.MicroBatch)
	need := c.TrainingBytes(rows, length, false)
	if config.LoRA != nil {
		if need, err = c.LoRABytes(config.LoRA.Model(), rows, length); err != nil {
			return &pipeline.UsageError{Problem: "lora." + err.Error()}
		}
	}
	if need += d.ReadBytes() + pipeline.NotHeap + 32<<20; need > memory {
		return &pipeline.UsageError{Problem: fmt.Sprintf("training takes about %s with %d rows of %d tokens at once, more than --memory, %s; a smaller micro-batch, model or length takes less",
			pipeline.FormatBytes(need), rows, length, pipeline.FormatBytes(memory))}
	}
	return nil
}

// seconds is an estimate for a plan, by the speed in docs/performance.md: 60 GFLOP/s a core. Without a number of steps and of
// tokens a step nothing can be said before the shards are there.
func (t *training) seconds(workers int) float64 {
	tokens := float64(t.config.Tokens)
	if t.config.Steps > 0 {
		tokens = float64(t.config.Steps * t.config.TokensPerStep)
	}
	if t.config.Model == nil || tokens == 0 {
		return 0
	}
	shape := model.Shape(*t.config.Model)
	if shape.Vocabulary == 0 {
		shape.Vocabulary = 16 << 10
	}
	c, err := shape.New()
	if err != nil {
		return 0
	}
	const perCore = 60e9
	return 3 * c.FLOPs(512) * tokens / perCore / float64(workers)
}

// trainingProgress says how far a run is. take is called by the run, line by whoever shows it.
type trainingProgress struct {
	p         *pipeline.Progress
	last      atomic.Pointer[train.Progress]
	trials    atomic.Int64
	trialDone atomic.Int64
}

func (t *trainingProgress) take(p *train.Progress) {
	now := *p
	t.last.Store(&now)
	of := max(t.trials.Load(), 1)
	t.p.Total.Store(p.Steps * of)
	t.p.Consumed.Store(p.Steps*t.trialDone.Load() + p.Step)
}

func (t *trainingProgress) trial(n, of int) {
	t.trials.Store(int64(of))
	t.trialDone.Store(int64(n))
}

func (t *trainingProgress) line() string {
	p := t.last.Load()
	if p == nil {
		return "opening shards and model"
	}
	var b strings.Builder
	if of := t.trials.Load(); of > 0 {
		fmt.Fprintf(&b, "trial %d of %d: ", t.trialDone.Load()+1, of)
	}
	fmt.Fprintf(&b, "step %d of %d, loss %.4f, %.0f tokens/s", p.Step, p.Steps, p.Loss, p.TokensPerSecond)
	if p.PeakShare > 0 {
		fmt.Fprintf(&b, ", %.0f %% of peak", 100*p.PeakShare)
	}
	if p.Left > 0 {
		fmt.Fprintf(&b, ", %v left", p.Left.Round(time.Second))
	}
	return b.String()
}
