package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"curate/corpus"
	"curate/corpus/store"
	"curate/kernel"
	"curate/pipeline"
	"curate/record"
	"curate/shards"
	"curate/shards/format"
	"curate/tokenize"
	"curate/train"
	"curate/train/eval"
	"curate/train/model"
)

// evaluating is what a command line says about models to measure, and on what.
type evaluating struct {
	models            []namedPath
	tasks             []evalInput
	tokenizer, prefix string
	length, row       int
	batch             int
	slope             float64 // 0: that of the model
	dynamic           bool
	shotsFrom         string
	bits              eval.BitsConfig
	positions         eval.PositionsConfig
	choice            eval.ChoiceConfig
	pairs             eval.PairsConfig
	inferring
	reference string // model of --preference; "": none
	beta      float64
	answer    answering
	judge     *judging // of answers to instructions; nil: none
	baseline  string   // name of the model that it compares the others with
	allowance pipeline.Allowance
}

// namedPath is [NAME=]PATH.
type namedPath struct{ name, path string }

type evalInput struct {
	kind string
	namedPath
}

// ofShards says that the input is a folder of shard sets.
func (in evalInput) ofShards() bool {
	return in.kind == eval.KindShards || in.kind == eval.KindShardPositions
}

// byPosition says that rows of the input are as long as --row.
func (in evalInput) byPosition() bool {
	return in.kind == eval.KindPositions || in.kind == eval.KindShardPositions
}

// untrainedContext is the context of models that do not say what theirs is, as in lm-eval.
const untrainedContext = 2048

// namedPaths reads [NAME=]PATH each. Without a name it is the path's last part, without the endings of data.
func namedPaths(flag string, paths []string, what string) ([]namedPath, error) {
	var list []namedPath
	for _, p := range paths {
		name, path, named := strings.Cut(p, "=")
		if !named {
			name, path = "", p
		}
		if path == "" {
			return nil, usage("%s %q: no path", flag, p)
		}
		if name == "" {
			if name = "stdin"; path != corpus.Stdin {
				abs, err := filepath.Abs(path)
				if err != nil {
					return nil, err
				}
				name = filepath.Base(abs)
				for _, ending := range []string{".zst", ".gz", ".bz2", ".xz", ".jsonl", ".json", ".parquet", ".txt"} {
					name = strings.TrimSuffix(name, ending)
				}
			}
		}
		if slices.ContainsFunc(list, func(n namedPath) bool { return n.name == name }) {
			return nil, usage("two of %s are called %q; name them: NAME=PATH (%s)", flag, name, what)
		}
		list = append(list, namedPath{name, path})
	}
	return list, nil
}

// evalRun is a run of the command.
type evalRun struct {
	*evaluating
	st        store.Store
	stdin     io.Reader
	log       *slog.Logger
	pool      *kernel.Pool
	precision kernel.Precision
	memory    int64
	told      int                      // bad rows
	again     bool                     // another model has been told of them
	aside     *pipeline.TaskQuarantine // keeps them; nil: they are only told
	current   currentModel
	// from is the model that rewards are measured from, when it is read.
	from *train.Loaded

	doing atomic.Pointer[string]
	done  atomic.Int64 // tokens of models before
	now   atomic.Int64 // tokens of this task
	began time.Time
}

// currentModel is the model that is measured.
type currentModel struct {
	name        string
	loaded      *train.Loaded
	tokenizer   string // path
	tokens      *tokenize.Tokenizer
	fingerprint string
}

// run measures all models. A report with an error is whole: more rows were bad than allowed.
func (e *evaluating) run(ctx context.Context, env environment, f *stageFlags, c *computing) (*eval.Report, error) {
	show := newDisplay(env.stderr, f)
	defer show.close()
	_, memory, err := c.settle()
	if err != nil {
		return nil, err
	}
	pool, precision, err := c.pool()
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	r := &evalRun{evaluating: e, st: storage(), stdin: env.stdin, log: show.log, pool: pool, precision: precision, memory: memory, began: time.Now()}
	p := &pipeline.Progress{}
	p.Tell = r.tell
	show.start(p, nil)
	report, err := r.all(ctx)
	show.stop()
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	if report != nil {
		report.Program, report.Kernels, report.Precision, report.Weights = program(), pool.Set().Name(), c.precision, unlessF32(e.weights)
	}
	return report, err
}

func (r *evalRun) tell() string {
	what := ""
	if p := r.doing.Load(); p != nil {
		what = *p
	}
	n := r.done.Load() + r.now.Load()
	return fmt.Sprintf("%s: %s, %.0f tokens/s", what, count(n, "token"), float64(n)/max(time.Since(r.began).Seconds(), 1e-3))
}

func (r *evalRun) all(ctx context.Context) (*eval.Report, error) {
	report := &eval.Report{Version: eval.ReportVersion}
	var tooMany error
	for _, m := range r.models {
		if r.aside != nil {
			if err := r.aside.Begin(m.name); err != nil {
				return nil, err
			}
		}
		of, err := r.model(ctx, m)
		if err != nil {
			return nil, err
		}
		report.Models = append(report.Models, *of)
		read, bad := int64(0), int64(0)
		for _, res := range of.Results {
			read, bad = read+res.Rows+res.Quarantined, bad+res.Quarantined
		}
		if r.aside != nil {
			r.aside.Read(read)
		}
		if tooMany == nil && r.allowance.Exceeded(bad, read) {
			tooMany = &pipeline.QuarantineError{Quarantined: bad, Read: read, Allowed: r.allowance, By: "--max-quarantined", Kept: "the messages above"}
		}
		r.again = true
	}
	if r.judge != nil {
		if err := r.judged(ctx, report); err != nil {
			return nil, err
		}
	}
	return report, tooMany
}

// judged has the answers of all models compared with those of the baseline.
func (r *evalRun) judged(ctx context.Context, report *eval.Report) error {
	j, err := r.judge.open(ctx, r.st, r.log)
	if err != nil {
		return err
	}
	defer j.close() // each verdict is durable, and an error is told by add
	for _, m := range r.models {
		if m.name == r.baseline {
			continue
		}
		for _, in := range r.tasks {
			if in.kind != eval.KindInstructions {
				continue
			}
			what := m.name + " against " + r.baseline + ", " + in.name
			r.doing.Store(&what)
			c := contest{in.name, m.name, r.baseline, answersFile(r.answer.dir, m.name, in.name), answersFile(r.answer.dir, r.baseline, in.name)}
			res, err := j.contest(ctx, c)
			if err != nil {
				return err
			}
			report.Add(m.name, res)
		}
	}
	r.log.Info(j.summary())
	return j.whole()
}

// model measures a model on all inputs.
func (r *evalRun) model(ctx context.Context, m namedPath) (*eval.Model, error) {
	if err := storedModel("eval", m.path); err != nil {
		return nil, err
	}
	config, _, _, err := train.ReadModelConfig(ctx, r.st, filepath.ToSlash(m.path))
	if err != nil {
		return nil, err
	}
	context_ := config.Context
	if context_ == 0 {
		context_ = untrainedContext
	}
	length, row := r.length, r.row
	if length == 0 {
		length = context_
	}
	if row == 0 {
		row = 4 * context_
	}
	longest := 0
	for _, in := range r.tasks {
		if in.byPosition() {
			longest = max(longest, row)
		} else {
			longest = max(longest, length)
		}
	}
	batch := r.batch
	if batch == 0 {
		batch = eval.DefaultBatch
	}
	need, outside := config.ScoringBytes(r.format, 1, max(longest, batch)), config.WeightBytes(r.format)
	if r.reference != "" {
		if err := storedDir("--reference", r.reference); err != nil {
			return nil, err
		}
		from, _, _, err := train.ReadModelConfig(ctx, r.st, filepath.ToSlash(r.reference))
		if err != nil {
			return nil, err
		}
		need, outside = need+from.ScoringBytes(r.format, 1, max(longest, batch)), outside+from.WeightBytes(r.format)
	}
	if need > r.memory {
		return nil, usage("%s needs %s to be measured with %d tokens at once; --memory allows %s", m.path, pipeline.FormatBytes(need), max(longest, batch), pipeline.FormatBytes(r.memory))
	}
	if r.format != model.WeightsF32 {
		defer leaveOutside(r.memory, outside, need-outside+collectorSlack)()
	}
	l, err := train.LoadFor(ctx, r.st, filepath.ToSlash(m.path), r.format, r.pool)
	if err != nil {
		return nil, err
	}
	path := r.tokenizer
	if path == "" {
		if path = l.Tokenizer; path == "" {
			return nil, usage("%s has no tokenizer in it; give --tokenizer PATH", l.Dir)
		}
	}
	t, err := openTokenizer("--tokenizer", path)
	if err != nil {
		return nil, err
	}
	info := t.Info()
	if info.VocabSize > l.Config.Vocabulary {
		return nil, usage("the tokenizer %s has ids up to %d, and %s knows %d tokens", path, info.VocabSize-1, l.Dir, l.Config.Vocabulary)
	}
	s := &eval.Subject{Tokenizer: t, Batch: batch, Progress: r.now.Store}
	if s.Prefix, s.EOD, err = r.special(l, t); err != nil {
		return nil, err
	}
	r.current = currentModel{name: m.name, loaded: l, tokenizer: path, tokens: t, fingerprint: info.Fingerprint}
	parameters, _ := l.Config.Parameters()
	of := &eval.Model{
		Name: m.name, Dir: l.Dir, Family: l.Config.Family, Parameters: parameters, Context: l.Config.Context,
		Tokenizer: info.Fingerprint, Prefix: s.Prefix, Results: []*eval.Result{},
	}
	scale := 0.0 // of the scorer that there is
	for _, in := range r.tasks {
		what := m.name + ", " + in.kind + " " + in.name
		r.doing.Store(&what)
		if s.Context = length; in.byPosition() {
			s.Context = row
		}
		want, err := r.slopes(l.Config, s.Context)
		if err != nil {
			return nil, err
		}
		if s.Scorer == nil || want != scale {
			c := *l.Config
			c.AlibiSlopeScale = want
			if s.Scorer, err = l.Model(&c, r.pool, r.precision); err != nil {
				return nil, err
			}
			scale = want
		}
		res, err := r.task(ctx, s, in)
		if err != nil {
			return nil, err
		}
		res.Name, res.Input = in.name, in.path
		if l.Config.Family == model.BTLM {
			res.SlopeScale = want
		}
		of.Results = append(of.Results, res)
		r.done.Add(r.now.Swap(0))
	}
	return of, nil
}

// special are the tokens before a text and behind a document.
func (r *evalRun) special(l *train.Loaded, t *tokenize.Tokenizer) (prefix, eod uint32, err error) {
	end := l.EOS
	if known := t.Info().EOD; end < 0 && len(known) > 0 {
		end = int(known[0].ID)
	}
	begin := l.BOS
	if begin < 0 {
		begin = end
	}
	if r.prefix != "" {
		id, ok := t.ID(r.prefix)
		if !ok {
			return 0, 0, usage("--prefix-token %q is none of the tokenizer's added tokens", r.prefix)
		}
		begin = int(id)
	}
	if begin < 0 {
		return 0, 0, usage("%s names no BOS and no EOS; give --prefix-token TOKEN: the first token of a text is predicted from it", l.Dir)
	}
	if end < 0 {
		end = begin
	}
	if n := l.Config.Vocabulary; begin >= n || end >= n {
		return 0, 0, fmt.Errorf("%s: special token %d is none of the vocabulary's %d", l.Dir, max(begin, end), n)
	}
	return uint32(begin), uint32(end), nil
}

// slopes is what ALiBi's are multiplied by where the model is given so many tokens.
func (r *evalRun) slopes(c *model.Config, length int) (float64, error) {
	switch {
	case r.slope == 0 && !r.dynamic:
	case c.Family != model.BTLM:
		return 0, usage("--alibi-slope-scale: a %s has no ALiBi", c.Family)
	case r.slope > 0:
		return r.slope, nil
	case c.Context == 0:
		return 0, usage("--alibi-slope-scale dynamic: the model does not say on what length it was trained; give a number")
	case length > c.Context:
		return float64(c.Context) / float64(length), nil // arXiv 2310.13017, section 3
	}
	return c.AlibiSlopeScale, nil
}

// task measures a model on an input.
func (r *evalRun) task(ctx context.Context, s *eval.Subject, in evalInput) (*eval.Result, error) {
	var task eval.Task
	var err error
	switch in.kind {
	case eval.KindShards, eval.KindShardPositions:
		return r.shards(ctx, s, in)
	case eval.KindInstructions:
		return r.instructions(ctx, in)
	case eval.KindPreference:
		c := eval.PreferenceConfig{Beta: r.beta}
		if c.Encode, err = r.pairEncoder(); err != nil {
			return nil, err
		}
		if c.Reference, err = r.referenceScorer(ctx, s); err != nil {
			return nil, err
		}
		task, err = eval.NewPreference(s, c)
	case eval.KindBits:
		task, err = eval.NewBits(s, r.bits)
	case eval.KindPositions:
		task, err = eval.NewPositions(s, r.rowPositions(s))
	case eval.KindPairs:
		task, err = eval.NewPairs(s, r.pairs)
	case eval.KindChoice:
		c := r.choice
		if c.Shots > 0 {
			from := r.shotsFrom
			if from == "" {
				from = in.path
			}
			if c.Pool, err = r.examples(ctx, from, r.shotsFrom == ""); err != nil {
				return nil, err
			}
		}
		task, err = eval.NewChoice(s, c)
	}
	if err != nil {
		return nil, usage("--%s %s: %v", in.kind, in.path, err)
	}
	rows := evalRows{run: r}
	look := r.looking()
	look.bad = func(file string, rec *record.Record) error {
		rows.read++
		return rows.quarantine(ctx, unreadable, file, rec)
	}
	err = look.each(ctx, r.stdin, []string{in.path}, func(file string, rec *record.Record) error {
		rows.read++
		err := task.Add(ctx, rec)
		if row := (*eval.RowError)(nil); errors.As(err, &row) {
			rec.Err = row.Err
			return rows.quarantine(ctx, unreadable, file, rec)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	res, err := task.Finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.path, err)
	}
	return rows.result(res, in)
}

// evalRows counts the rows of an input.
type evalRows struct {
	run       *evalRun
	read, bad int64
}

// Parts of the rows that are set aside of a model: those that are told when they are read, and prompts to which there is no answer, which
// come later.
const (
	unreadable = iota
	unanswered
)

// quarantine counts a row that cannot be used for the reason rec.Err, and keeps it in that part. The first model says which.
func (q *evalRows) quarantine(ctx context.Context, part int, file string, rec *record.Record) error {
	r := q.run
	q.bad++
	if r.aside != nil {
		if err := r.aside.Add(ctx, part, file, rec); err != nil {
			return err
		}
	}
	if r.again {
		return nil
	}
	if r.told++; r.told <= 20 {
		r.log.Warn(fmt.Sprintf("%s:%d: %v; the row does not count", file, rec.LineNo, rec.Err))
	} else if r.told == 21 {
		r.log.Warn("more rows cannot be used; they are counted")
	}
	return nil
}

// result is what was measured, unless no row could be used.
func (q *evalRows) result(res *eval.Result, in evalInput) (*eval.Result, error) {
	if res.Quarantined = q.bad; res.Rows == 0 {
		return nil, fmt.Errorf("%s: none of %s can be used", in.path, count(q.read, "row"))
	}
	return res, nil
}

// referenceScorer is the model that rewards are measured from, nil if there is none. It is read once, and must have the tokens
// of the model that is measured.
func (r *evalRun) referenceScorer(ctx context.Context, s *eval.Subject) (eval.Scorer, error) {
	if r.reference == "" {
		return nil, nil
	}
	if r.from == nil {
		l, err := train.LoadFor(ctx, r.st, filepath.ToSlash(r.reference), r.format, r.pool)
		if err != nil {
			return nil, err
		}
		r.from = l
	}
	c := *r.from.Config
	if info := s.Tokenizer.Info(); info.VocabSize > c.Vocabulary {
		return nil, usage("the tokenizer of %s has ids up to %d, and the reference %s knows %d tokens", r.current.name, info.VocabSize-1, r.from.Dir, c.Vocabulary)
	}
	if path := r.from.Tokenizer; path != "" && r.tokenizer == "" {
		t, err := openTokenizer("--reference", path)
		if err != nil {
			return nil, err
		}
		if t.Info().Fingerprint != r.current.fingerprint {
			return nil, usage("%s and the reference %s have different tokenizers, so that their log-probabilities are not of the same tokens", r.current.loaded.Dir, r.from.Dir)
		}
	}
	var err error
	if c.Family == model.BTLM {
		if c.AlibiSlopeScale, err = r.slopes(&c, s.Context); err != nil {
			return nil, err
		}
	}
	return r.from.Model(&c, r.pool, r.precision)
}

func (r *evalRun) looking() looking {
	l := looking{maxRecord: lookRecord, textField: "text"}
	if names := r.bits.Text.Names(); len(names) > 0 {
		l.textField = names[0]
	}
	return l
}

// examples reads the rows that examples are drawn from. If they are measured too, bad ones are told of then.
func (r *evalRun) examples(ctx context.Context, from string, measured bool) (*eval.Pool, error) {
	pool, err := eval.NewPool(r.choice)
	if err != nil {
		return nil, err
	}
	look := r.looking()
	if measured {
		look.bad = func(string, *record.Record) error { return nil }
	}
	return pool, look.each(ctx, r.stdin, []string{from}, func(file string, rec *record.Record) error {
		err := pool.Add(rec)
		if err == nil || measured && errors.As(err, new(*eval.RowError)) {
			return nil
		}
		return fmt.Errorf("--shots-from: %s:%d: %w", file, rec.LineNo, err)
	})
}

// shards measures a model on the sets in a folder, but for those of preference pairs.
func (r *evalRun) shards(ctx context.Context, s *eval.Subject, in evalInput) (*eval.Result, error) {
	if err := storedDir("--"+in.kind, in.path); err != nil {
		return nil, err
	}
	dirs, err := shards.Find(ctx, r.st, filepath.ToSlash(in.path))
	if err != nil {
		return nil, err
	}
	var sets []*shards.Set
	for _, dir := range dirs {
		set, err := shards.Open(ctx, r.st, dir)
		if err != nil {
			return nil, err
		}
		f, err := format.Named(set.Manifest.Format)
		if err != nil {
			return nil, err
		}
		if !f.Traits().Pairs {
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		return nil, usage("--%s %s: these are preference pairs, not texts", in.kind, in.path)
	}
	if in.kind == eval.KindShardPositions {
		return eval.ShardPositions(ctx, s, sets, r.rowPositions(s))
	}
	return eval.Shards(ctx, s, sets, r.bits.Stride)
}

// rowPositions is how the loss by position is measured of a subject.
func (r *evalRun) rowPositions(s *eval.Subject) eval.PositionsConfig {
	c := r.positions
	c.Length = s.Context
	c.Buckets = min(c.Buckets, c.Length)
	return c
}
