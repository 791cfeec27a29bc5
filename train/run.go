package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"curate/corpus/store"
	"curate/kernel"
	"curate/train/model"
)

// Environment is what a run works with and what decides nothing about its result.
type Environment struct {
	Store store.Store
	Pool  *kernel.Pool
	// Tokenizer is the path of one that checkpoints get, "" for that of the model that the run goes on from.
	Tokenizer string
	// Lock keeps other processes out of a run until release; path is the lock's file. nil: nobody else is there.
	Lock func(path string) (release func(), err error)
	// Restart throws away what an earlier run with another configuration has left.
	Restart bool
	// OtherKernels lets a run go on with another kernel set: its last bits will not be those of a run that was not
	// stopped.
	OtherKernels bool
	// Peak of the processor in 10⁹ operations a second, for all workers; 0: nobody knows.
	Peak float64
	// Progress is called after each step, from the goroutine of Run; nil: nobody looks.
	Progress func(*Progress)
	Log      *slog.Logger // nil: none
}

// Result of a run.
type Result struct {
	Steps      int64
	Tokens     int64
	Loss       float64  // mean over the last tenth of the steps
	Validation *float64 // loss of the model; nil: none was asked for
	Checkpoint string   // folder of the model: of the last step, or the best one where the run could stop early
	Stopped    *Stopped // nil: it could not
}

// ErrChanged is a folder with a run of another configuration.
var ErrChanged = errors.New("the configuration is not that of the run in this folder")

// Diverged says that a run has lost its numbers. The gradients of the step were not used.
type Diverged struct {
	Step           int64 // from 0
	Validation     bool  // it was the validation before the step
	Loss, GradNorm float64
	LearningRate   float64
	Documents      []Document // of the step, the first 20
	Checkpoint     string     // folder of the last one from which a step could be made; "": none
}

func (d *Diverged) Error() string {
	var b strings.Builder
	if d.Validation {
		fmt.Fprintf(&b, "after %d steps the loss of the validation is %v; lower the learning rate", d.Step, d.Loss)
	} else {
		fmt.Fprintf(&b, "step %d: the loss is %v and the norm of the gradients %v, at a learning rate of %v; the step was not made. Lower the learning rate, or look at the documents of the step", d.Step, d.Loss, d.GradNorm, d.LearningRate)
	}
	for i, doc := range d.Documents {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(doc.String())
	}
	if d.Checkpoint == "" {
		b.WriteString(". There is no checkpoint before it")
	} else {
		b.WriteString(". The last good checkpoint is " + d.Checkpoint)
	}
	return b.String()
}

// maxDocuments of a step are told.
const maxDocuments = 20

// run is a run at work.
type run struct {
	c      *Config
	dir    string
	env    *Environment
	st     store.Store
	log    *slog.Logger
	digest string

	data, validation *Data
	loaded           *Loaded
	model            *model.Model
	adapters         *model.Adapters // nil: all weights are trained
	opt              *optimizer
	noise            *neftune // nil: none
	stopping         stopping
	metrics          *metricsLog
	watch            stopwatch
	dpo              model.DPO
	reference        []float64 // log-probabilities of the chosen and the rejected answer of each pair
	referenceSum     string    // xxh64 of its file

	step, tokens int64 // done
	saved        int64 // step of the last checkpoint; -1: none
}

// Run trains a model as the configuration says in the folder dir, or goes on with what it has begun there: from its last
// checkpoint, with the same result as if it had never stopped. When ctx is cancelled, the step in hand is finished, a
// checkpoint is written, and its cause is the error.
func Run(ctx context.Context, c Config, dir string, env *Environment) (_ *Result, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &run{c: &c, dir: path.Clean(dir), env: env, st: env.Store, log: env.Log, saved: -1}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if env.Lock != nil {
		release, err := env.Lock(path.Join(r.dir, "lock"))
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.agree(ctx); err != nil {
		return nil, err
	}
	if done, err := r.isDone(ctx); done || err != nil {
		if err != nil {
			return nil, err
		}
		return r.result(ctx)
	}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.metrics.log.Close()) }()
	if err := r.train(ctx); err != nil {
		return nil, err
	}
	return r.result(ctx)
}

// open opens the shards and makes the configuration's choices.
func (r *run) open(ctx context.Context) (err error) {
	c := r.c
	if r.data, err = OpenTraining(ctx, r.st, c); err != nil {
		return err
	}
	if c.Validation != nil {
		if r.validation, err = OpenData(ctx, r.st, c.Validation.Shards, -1, 0, c.Across); err != nil {
			return fmt.Errorf("validation: %w", err)
		}
		if is, want := r.validation.tokenizer, r.data.tokenizer; is != want {
			return fmt.Errorf("validation: %s was made with the tokenizer %s, and the shards to learn from with %s; their ids mean other things", c.Validation.Shards, is, want)
		}
	}
	if err := c.resolve(r.data, r.validation, r.env.Pool.Set().Name()); err != nil {
		return err
	}
	if c.DPO != nil {
		r.dpo = model.DPO(*c.DPO)
	}
	r.digest, err = c.digest()
	return err
}

// agree compares the configuration with that of the folder and writes it there.
func (r *run) agree(ctx context.Context) error {
	name := path.Join(r.dir, ConfigFile)
	b, err := readFile(ctx, r.st, name, 16<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	is, err2 := r.c.Encode()
	if err2 != nil {
		return err2
	}
	if err == nil && !r.env.Restart {
		was, err := ReadConfig(name, b)
		if err != nil {
			return err
		}
		list, err := differences(was, r.c)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			begun, err := r.hasBegun(ctx)
			if err != nil {
				return err
			}
			if !begun {
				return writeFile(ctx, r.st, name, is)
			}
			return fmt.Errorf("%s: %w: %s; train in another folder, or start again", r.dir, ErrChanged, strings.Join(list, ", "))
		}
		if was.Kernels != r.c.Kernels && !r.env.OtherKernels {
			return fmt.Errorf("%s: the run was begun with the kernels %q, and would go on with %q: the last bits of its numbers would be others; name its kernels, or allow it", r.dir, was.Kernels, r.c.Kernels)
		}
	}
	if err := r.st.Sweep(ctx, r.dir); err != nil {
		return err
	}
	if r.env.Restart {
		if err := r.forget(ctx); err != nil {
			return err
		}
		b = nil
	}
	if bytes.Equal(b, is) {
		return nil
	}
	return writeFile(ctx, r.st, name, is)
}

// hasBegun says whether the folder has anything of a run but its configuration.
func (r *run) hasBegun(ctx context.Context) (bool, error) {
	whole, _, err := checkpoints(ctx, r.st, r.dir)
	if err != nil || len(whole) > 0 {
		return true, err
	}
	info, err := r.st.Stat(ctx, path.Join(r.dir, MetricsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return info.Size > 0, err
}

// forget removes what an earlier run has left. The configuration goes last: until then the rest is known to be its.
func (r *run) forget(ctx context.Context) error {
	whole, rest, err := checkpoints(ctx, r.st, r.dir)
	if err != nil {
		return err
	}
	if err := r.st.Remove(ctx, path.Join(r.dir, DoneFile)); err != nil {
		return err
	}
	for _, step := range whole {
		rest = append(rest, stepDir(r.dir, step))
	}
	for _, dir := range rest {
		if err := removeCheckpoint(ctx, r.st, dir); err != nil {
			return err
		}
	}
	for _, name := range []string{divergedFile, MetricsFile, TimingFile, ReferenceFile, ConfigFile} {
		if err := r.st.Remove(ctx, path.Join(r.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// isDone says whether the run has come to its end and has the model to show for it. Somebody may have removed it since.
func (r *run) isDone(ctx context.Context) (bool, error) {
	done := path.Join(r.dir, DoneFile)
	_, err := r.st.Stat(ctx, done)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	whole, _, err := checkpoints(ctx, r.st, r.dir)
	if err != nil {
		return false, err
	}
	step, err := readDone(ctx, r.st, r.dir)
	if err != nil {
		return false, err
	}
	if !slices.Contains(whole, step) {
		return false, r.st.Remove(ctx, done)
	}
	_, err = readState(ctx, r.st, stepDir(r.dir, step))
	return err == nil, err
}

// begin makes model, optimiser and metrics: from the last checkpoint, or from the beginning.
func (r *run) begin(ctx context.Context) error {
	whole, rest, err := checkpoints(ctx, r.st, r.dir)
	if err != nil {
		return err
	}
	for _, dir := range rest { // somebody was killed while writing, or removing it
		if err := removeCheckpoint(ctx, r.st, dir); err != nil {
			return err
		}
	}
	state := &State{}
	if len(whole) > 0 {
		r.saved = whole[len(whole)-1]
		dir := stepDir(r.dir, r.saved)
		if state, err = readState(ctx, r.st, dir); err != nil {
			return err
		}
		if state.Config != r.digest || state.Step != r.saved || state.Step > r.c.Steps {
			return fmt.Errorf("%s: the checkpoint is not of this run; remove the folder %s, or start again", path.Join(dir, StateFile), dir)
		}
		// A reference that is lost is made again, before the memory is that of the checkpoint.
		if err := r.refer(ctx, func() (*model.Model, error) { return r.begun(ctx) }); err != nil {
			return err
		}
		if state.Reference != r.referenceSum {
			return fmt.Errorf("%s: its xxh64 is %s, and was %s when the checkpoint was made; restore it, or remove it: it is made again with %s", path.Join(r.dir, ReferenceFile), r.referenceSum, state.Reference, r.c.From)
		}
		if r.loaded, err = Load(ctx, r.st, dir); err != nil {
			return err
		}
		r.log.Info(fmt.Sprintf("going on from %s", dir))
		r.model, err = r.modelOf(r.loaded)
	} else if r.model, err = r.begun(ctx); err == nil {
		err = r.refer(ctx, func() (*model.Model, error) { return r.model, nil })
	}
	if err != nil {
		return err
	}
	if r.env.Tokenizer != "" {
		r.loaded.Tokenizer = r.env.Tokenizer
	}
	if r.c.LoRA != nil {
		r.model = nil
		if err := r.adapt(ctx, state); err != nil {
			return err
		}
	}
	r.opt = newOptimizer(r.env.Pool, r.c, r.loaded.Config, r.model.Trained())
	if r.c.NEFTune > 0 {
		r.noise = &neftune{alpha: r.c.NEFTune, width: r.loaded.Config.Width, seed: r.c.Seed}
	}
	if r.saved >= 0 {
		if err := readTensors(ctx, r.st, path.Join(stepDir(r.dir, r.saved), OptimizerFile), r.opt.moments); err != nil {
			return err
		}
	}
	r.step, r.tokens = state.Step, state.Tokens
	timing, err := readTiming(ctx, r.st, path.Join(r.dir, TimingFile))
	if err != nil {
		return err
	}
	r.watch = stopwatch{before: timing.Segments, started: time.Now(), peak: r.env.Peak,
		segment: Segment{From: r.step, To: r.step, Kernels: r.c.Kernels, Workers: r.env.Pool.Workers()}}
	name := path.Join(r.dir, MetricsFile)
	if r.metrics, err = openMetrics(ctx, r.st, name, state.MetricsBytes); err != nil {
		return err
	}
	if r.stopping, err = r.judged(ctx); err != nil {
		return errors.Join(err, r.metrics.log.Close())
	}
	return nil
}

// begun makes the model that the run begins with, and keeps what it was read from.
func (r *run) begun(ctx context.Context) (m *model.Model, err error) {
	if r.loaded, err = r.start(ctx); err != nil {
		return nil, err
	}
	return r.modelOf(r.loaded)
}

func (r *run) modelOf(l *Loaded) (*model.Model, error) {
	m := l.Config
	for _, d := range []*Data{r.data, r.validation} {
		if d != nil && d.vocabulary > m.Vocabulary {
			return nil, fmt.Errorf("%s: the shards have ids below %d, and the model knows %d; give a vocabulary of so many, or the shards of its tokenizer", d.stages[0].set.Dir, d.vocabulary, m.Vocabulary)
		}
	}
	return model.New(m, l.Params, r.env.Pool, r.c.precision())
}

// start makes the model that the run begins with.
func (r *run) start(ctx context.Context) (*Loaded, error) {
	if r.c.From != "" {
		l, err := Load(ctx, r.st, r.c.From)
		if err != nil {
			return nil, err
		}
		if r.c.Vocabulary > 0 {
			var tokens NewTokens
			if r.c.NewTokens != "" {
				b, err := readFile(ctx, r.st, r.c.NewTokens, 1<<30)
				if err != nil {
					return nil, err
				}
				if tokens, err = ReadNewTokens(r.c.NewTokens, b); err != nil {
					return nil, err
				}
			}
			if l.Config, l.Params, err = Extend(l.Config, l.Params, r.c.Vocabulary, tokens); err != nil {
				return nil, fmt.Errorf("%s: %w", r.c.From, err)
			}
		}
		c := *l.Config
		c.Context = max(c.Context, r.data.longest)
		l.Config = &c
		return l, nil
	}
	c, err := r.c.newModel()
	if err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	p := model.NewParams(model.NewLayout(c))
	p.Init(c, r.c.InitStd, r.c.Seed)
	return &Loaded{Config: c, Params: p, BOS: -1, EOS: r.data.eod, Pad: -1}, nil
}

// train makes the steps that are left.
func (r *run) train(ctx context.Context) error {
	ahead := r.data.readAhead(ctx, r.step, r.c.Steps, r.c.MicroBatch)
	defer ahead.close()
	for {
		if ctx.Err() != nil {
			return r.stop(ctx)
		}
		if v := r.c.Validation; v != nil && (r.step%v.Every == 0 || r.step == r.c.Steps) {
			if err := r.validate(ctx); err != nil {
				if ctx.Err() != nil {
					return r.stop(ctx)
				}
				return errors.Join(err, r.metrics.flush())
			}
			if r.stopping.keeps() == r.step && r.saved != r.step {
				if err := r.checkpoint(ctx); err != nil {
					return err
				}
			}
		}
		if r.step == r.c.Steps || r.stopping.enough() {
			return r.end(ctx)
		}
		watch := mark(time.Now())
		b, err := ahead.next()
		if err != nil && ctx.Err() != nil {
			return r.stop(ctx)
		}
		if err != nil { // a damaged shard must not cost the steps before it
			return errors.Join(err, r.keep(ctx))
		}
		r.watch.segment.Phases.Read += watch.lap()
		if err := r.learn(ctx, b); err != nil {
			return errors.Join(err, r.metrics.flush(), r.writeTiming(ctx))
		}
		ahead.free <- b
		if every := r.c.CheckpointEvery; r.step == r.c.Steps || every > 0 && r.step%every == 0 {
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
		}
	}
}

// lossOf is the sum of the losses of a micro-batch: of rows -log p of their targets, of pairs, which it adds to dpo, nothing. If
// grads is not nil, scale times the gradient of the sum of the losses of either is added to it.
func (r *run) lossOf(m *microBatch, scale float64, grads *model.Params, dpo *dpoSums) (float64, error) {
	if m.pairs != nil {
		m.Weigh = dpo.weigh(&r.dpo, r.reference, m)
	}
	sum, _, err := r.model.Loss(&m.Batch, float32(scale), grads)
	if m.pairs != nil {
		sum = 0
	}
	return sum, err
}

// learn makes a step. Its loss is the mean over the targets of its rows, or over its pairs, or both by the shares that they have of
// all tokens.
func (r *run) learn(ctx context.Context, b *stepBatch) error {
	if b.counted+b.pairs == 0 {
		return fmt.Errorf("step %d has nothing to learn: all targets of its %d rows are masked, or cut off; leave such documents out of the shards, or take more tokens a step", b.step, b.count)
	}
	begun := time.Now()
	watch := mark(begun)
	if r.noise != nil {
		r.noise.perturb(b.step, b.micro)
	}
	ofRows, ofPairs := r.data.weights()
	sum, dpo := 0.0, dpoSums{}
	for i := range b.micro {
		m := &b.micro[i]
		scale := ofRows / float64(b.counted)
		if m.pairs != nil {
			scale = ofPairs / float64(b.pairs)
		}
		s, err := r.lossOf(m, scale, r.opt.grads, &dpo)
		if err != nil {
			return fmt.Errorf("step %d: %w", b.step, err)
		}
		sum += s
	}
	loss, line := 0.0, StepMetrics{Step: b.step, Epoch: b.at.Epoch, Stage: b.at.Stage, Rows: b.count, Length: b.length, DPO: dpo.metrics()}
	if b.counted > 0 {
		loss = sum / float64(b.counted)
		if ofPairs > 0 {
			tokens := loss
			line.TokenLoss, loss = &tokens, float64(ofRows*loss)
		}
	}
	if line.DPO != nil {
		loss += float64(ofPairs * line.DPO.Loss)
	}
	r.watch.segment.Phases.Compute += watch.lap()
	norm := r.opt.norm()
	rate := r.c.LearningRate * r.c.Schedule.Ratio(b.step, r.c.Steps)
	if bad(loss) || bad(norm) || line.DPO != nil && bad(line.DPO.Margin) { // an endless margin has the loss 0
		return r.diverged(ctx, Diverged{Step: b.step, Loss: loss, GradNorm: norm, LearningRate: rate})
	}
	r.opt.step(b.step, rate, norm)
	if r.adapters != nil {
		r.model.Merge()
	}
	r.watch.segment.Phases.Optimizer += watch.lap()
	r.step++
	r.tokens += b.tokens
	flops := float64(b.positions) * r.model.TrainingFLOPs(b.length)
	r.watch.step(b.tokens, flops, time.Since(begun).Seconds())
	line.Tokens, line.Loss, line.GradNorm, line.LearningRate = r.tokens, loss, norm, rate
	err := r.metrics.add(&line)
	r.tell(b, loss, rate)
	return err
}

// diverged looks for the documents of the step, and for a checkpoint from which at least one step could be made.
func (r *run) diverged(ctx context.Context, d Diverged) error {
	var err error
	if !d.Validation {
		d.Documents, err = r.data.Documents(ctx, d.Step, maxDocuments)
	}
	whole, _, err2 := checkpoints(ctx, r.st, r.dir)
	for _, step := range whole {
		if step < d.Step {
			d.Checkpoint = stepDir(r.dir, step)
		}
	}
	return errors.Join(&d, err, err2)
}

func bad(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

func (r *run) tell(b *stepBatch, loss, rate float64) {
	if r.env.Progress == nil {
		return
	}
	w := &r.watch
	p := Progress{Step: r.step, Steps: r.c.Steps, Tokens: r.tokens, Loss: loss, LearningRate: rate, TokensPerSecond: w.speed, GFLOPS: w.rate / 1e9, Stage: b.at.Stage, Length: b.length}
	if w.speed > 0 {
		left := float64(r.c.Steps-r.step) * float64(r.c.TokensPerStep) / w.speed
		p.Left = time.Duration(min(left, 1e9) * float64(time.Second))
	}
	if w.peak > 0 {
		p.PeakShare = p.GFLOPS / w.peak
	}
	r.env.Progress(&p)
}

// checkpoint writes one of the steps that are done, and then removes older ones.
func (r *run) checkpoint(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // it is wanted most when the run is stopped
	watch := mark(time.Now())
	if err := r.metrics.flush(); err != nil {
		return err
	}
	dir := stepDir(r.dir, r.step)
	state := State{Step: r.step, Tokens: r.tokens, Config: r.digest, Kernels: r.c.Kernels, MetricsBytes: r.metrics.bytes, Reference: r.referenceSum}
	err := writeCheckpoint(ctx, r.st, dir, state, r.opt, func(st store.Store, dir string) error { return r.save(ctx, st, dir) })
	if err != nil {
		return err
	}
	r.saved = r.step
	if r.loaded.Tokenizer != "" {
		r.loaded.Tokenizer = dir // where it came from may be a checkpoint that goes now
	}
	if err := keepLast(ctx, r.st, r.dir, r.c.KeepLast, r.stopping.keeps()); err != nil {
		return err
	}
	r.watch.segment.Phases.Checkpoint += watch.lap()
	r.log.Info("", slog.String("event", "checkpoint"), slog.Int64("at", r.step), slog.Int64("tokens", r.tokens), slog.String("dir", dir))
	return r.writeTiming(ctx)
}

func (r *run) writeTiming(ctx context.Context) error {
	return r.watch.write(context.WithoutCancel(ctx), r.st, path.Join(r.dir, TimingFile))
}

// stop ends a run that was cancelled.
func (r *run) stop(ctx context.Context) error { return errors.Join(context.Cause(ctx), r.keep(ctx)) }

// keep writes a checkpoint of what is done, unless there is one.
func (r *run) keep(ctx context.Context) error {
	if r.step == max(0, r.saved) {
		return errors.Join(r.metrics.flush(), r.writeTiming(ctx))
	}
	return r.checkpoint(ctx)
}

// end says that the run is done.
func (r *run) end(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := r.metrics.flush(); err != nil {
		return err
	}
	if err := r.writeTiming(ctx); err != nil {
		return err
	}
	model := r.saved
	if best := r.stopping.keeps(); best >= 0 {
		if _, err := readState(ctx, r.st, stepDir(r.dir, best)); err != nil {
			return fmt.Errorf("the model with the best validation is gone, restore it or start again: %w", err)
		}
		if err := keepLast(ctx, r.st, r.dir, r.c.KeepLast, best); err != nil {
			return err
		}
		model = best
	}
	return writeFile(ctx, r.st, path.Join(r.dir, DoneFile), []byte(path.Join(CheckpointsDir, path.Base(stepDir(r.dir, model)))+"\n"))
}

// result of a run that is done, from its files.
func (r *run) result(ctx context.Context) (*Result, error) {
	name := path.Join(r.dir, MetricsFile)
	b, err := readFile(ctx, r.st, name, 1<<34)
	if err != nil {
		return nil, err
	}
	steps, validations, err := ReadMetrics(name, b)
	if err != nil {
		return nil, err
	}
	s := stopping{c: r.c.EarlyStopping}
	for i := range validations {
		s.see(&validations[i])
	}
	made := int64(len(steps))
	if made != r.c.Steps && !(made > 0 && s.enough()) {
		return nil, fmt.Errorf("%s: the run is done, and there are %d steps of %d in the file; restore it, or start again", name, made, r.c.Steps)
	}
	res := &Result{Steps: made, Tokens: steps[made-1].Tokens, Loss: finalLoss(steps), Checkpoint: stepDir(r.dir, made), Stopped: s.stopped(made, r.c.Steps)}
	if s.found {
		res.Validation, res.Checkpoint = &s.best.Loss, stepDir(r.dir, s.best.Step)
	} else if n := len(validations); n > 0 && validations[n-1].Step == made {
		res.Validation = &validations[n-1].Loss
	}
	return res, nil
}

// judged is what the validations say that MetricsFile has, as it was when the last checkpoint was made.
func (r *run) judged(ctx context.Context) (stopping, error) {
	s := stopping{c: r.c.EarlyStopping}
	if s.c == nil || r.saved < 0 {
		return s, nil
	}
	name := path.Join(r.dir, MetricsFile)
	b, err := readFile(ctx, r.st, name, 1<<34)
	if err != nil {
		return s, err
	}
	_, validations, err := ReadMetrics(name, b)
	for i := range validations {
		s.see(&validations[i])
	}
	return s, err
}

// finalLoss is the mean over the last tenth of the steps, at least one.
func finalLoss(steps []StepMetrics) float64 {
	last := steps[len(steps)-max(1, len(steps)/10):]
	sum := 0.0
	for i := range last {
		sum += last[i].Loss
	}
	return sum / float64(len(last))
}
