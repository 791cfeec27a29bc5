package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/kernel"
	"curate/shards"
	"curate/train/model"
)

// newPool makes a pool of the portable kernels that ends with the test.
func newPool(t testing.TB, workers int) *kernel.Pool {
	t.Helper()
	s, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	p := kernel.NewPool(s, workers)
	t.Cleanup(p.Close)
	return p
}

func testEnvironment(t testing.TB) *Environment {
	return &Environment{Store: store.NewLocal(nil).Scratch(), Pool: newPool(t, 2)}
}

// testConfig trains a tiny model of either family on the shards.
func testConfig(shards, family string) Config {
	c := Default()
	c.Shards, c.Seed, c.LearningRate = shards, 11, 1e-2
	c.Model = &Shape{Family: family, Width: 16, Layers: 2, Heads: 2, FFN: 24, Tied: family == model.BTLM}
	if family == model.BTLM {
		c.Model.BaseWidth = 8
	}
	c.Schedule.Warmup = 3
	c.MicroBatch, c.CheckpointEvery, c.KeepLast = 40, 3, 2
	return c
}

// smallShards have few steps of both lengths.
func smallShards(t testing.TB) string {
	return makeShards(t, twoStages("megatron"), testDocuments(1, 30, 30))
}

// tree are the files below a folder but for times.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(name string, fi os.FileInfo, err error) error {
		if err != nil || fi.IsDir() || fi.Name() == TimingFile {
			return err
		}
		b, err := os.ReadFile(name)
		files[filepath.ToSlash(strings.TrimPrefix(name, dir+string(filepath.Separator)))] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		t.Errorf("%s: files %v; want %v", what, a, b)
		return
	}
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: %s has other bytes", what, name)
		}
	}
}

func mustRun(t testing.TB, c Config, dir string, env *Environment) *Result {
	t.Helper()
	res, err := Run(t.Context(), c, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func readMetrics(t testing.TB, dir string) ([]StepMetrics, []ValidationMetrics) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	steps, validations, err := ReadMetrics(MetricsFile, b)
	if err != nil {
		t.Fatal(err)
	}
	return steps, validations
}

// TestRun learns: of the tokens three of four follow from the one before.
func TestRun(t *testing.T) {
	for _, family := range []string{model.Llama, model.BTLM} {
		c := testConfig(smallShards(t), family)
		c.Epochs = 4
		c.Across = false // documents begin with a token at random, which nothing tells
		c.Validation = &Validation{Shards: c.Shards, Every: 20, Rows: 4}
		dir := t.TempDir()
		env := testEnvironment(t)
		var told []Progress
		env.Progress = func(p *Progress) { told = append(told, *p) }
		res := mustRun(t, c, dir, env)
		steps, validations := readMetrics(t, dir)
		if len(steps) != int(res.Steps) || len(told) != len(steps) || len(validations) != len(steps)/20+1 || validations[len(validations)-1].Loss != *res.Validation {
			t.Errorf("%s: %d steps, %d told, %d validations; %+v", family, len(steps), len(told), len(validations), res)
		}
		first, last := steps[0].Loss, res.Loss
		if !(math.Abs(first-math.Log(64)) < 1.5) || !(last < 3) {
			t.Errorf("%s: loss from %v to %v", family, first, last)
		}
		for i, s := range steps {
			if int(s.Step) != i || s.LearningRate > 1e-2 || !(s.GradNorm > 0) || s.Length != []int{16, 32}[s.Stage] || i > 0 && s.Tokens <= steps[i-1].Tokens {
				t.Fatalf("%s: %+v", family, s)
			}
		}
		if got, err := Checkpoints(t.Context(), env.Store, dir); err != nil || len(got) != 2 || got[1] != res.Steps {
			t.Errorf("%s: checkpoints %v, %v", family, got, err)
		}
		// A run that is done is not run again.
		before := tree(t, dir)
		if again := mustRun(t, c, dir, env); again.Loss != res.Loss || *again.Validation != *res.Validation || again.Checkpoint != res.Checkpoint {
			t.Errorf("%s: %+v, and again %+v", family, res, again)
		}
		sameTree(t, "again", tree(t, dir), before)
	}
}

// TestWorkers has the same bytes for any number of goroutines, and other ones for another seed.
func TestWorkers(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	var trees []map[string]string
	for _, workers := range []int{1, 2, 5} {
		dir := t.TempDir()
		mustRun(t, c, dir, &Environment{Store: store.NewLocal(nil).Scratch(), Pool: newPool(t, workers)})
		trees = append(trees, tree(t, dir))
		sameTree(t, fmt.Sprint(workers, " workers"), trees[len(trees)-1], trees[0])
	}
	c.Seed++
	dir := t.TempDir()
	mustRun(t, c, dir, testEnvironment(t))
	if tree(t, dir)[MetricsFile] == trees[0][MetricsFile] {
		t.Error("the seed does not matter")
	}
}

// TestMicroBatch has nearly the same result however many rows are computed at once.
func TestMicroBatch(t *testing.T) {
	shards := smallShards(t)
	for _, family := range []string{model.Llama, model.BTLM} {
		var first []StepMetrics
		for _, tokens := range []int64{64, 1, 33} {
			c := testConfig(shards, family)
			c.MicroBatch, c.Steps, c.LearningRate = tokens, 4, 1e-3
			dir := t.TempDir()
			mustRun(t, c, dir, testEnvironment(t))
			steps, _ := readMetrics(t, dir)
			if first == nil {
				first = steps
			}
			for i, s := range steps {
				if !(math.Abs(s.Loss/first[i].Loss-1) < 1e-6) || !(math.Abs(s.GradNorm/first[i].GradNorm-1) < 2e-5) {
					t.Errorf("%s, %d tokens at once: step %d: %v %v, want %v %v", family, tokens, i, s.Loss, s.GradNorm, first[i].Loss, first[i].GradNorm)
				}
			}
		}
	}
}

// TestResume stops a run after every step, across the switch of lengths and into the second epoch.
func TestResume(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Epochs = 1.5
	c.Validation = &Validation{Shards: c.Shards, Every: 4, Rows: 2}
	whole := t.TempDir()
	res := mustRun(t, c, whole, testEnvironment(t))
	want := tree(t, whole)
	stop := errors.New("stopped by the test")
	for k := int64(1); k < res.Steps; k++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancelCause(t.Context())
		env := testEnvironment(t)
		env.Progress = func(p *Progress) {
			if p.Step == k {
				cancel(stop)
			}
		}
		if _, err := Run(ctx, c, dir, env); !errors.Is(err, stop) {
			t.Fatal(k, err)
		}
		if got, err := Checkpoints(t.Context(), env.Store, dir); err != nil || got[len(got)-1] != k {
			t.Errorf("stopped after step %d: checkpoints %v, %v", k, got, err)
		}
		env.Progress = nil
		if again := mustRun(t, c, dir, env); again.Loss != res.Loss {
			t.Errorf("stopped after step %d: loss %v, want %v", k, again.Loss, res.Loss)
		}
		got := tree(t, dir)
		for name := range got { // which checkpoints are kept depends on where it was stopped, but not what is in the last
			if strings.HasPrefix(name, CheckpointsDir) && !strings.HasPrefix(name, CheckpointsDir+"/"+filepath.Base(res.Checkpoint)) {
				delete(got, name)
			}
		}
		last := maps.Clone(want)
		maps.DeleteFunc(last, func(name, _ string) bool { _, ok := got[name]; return !ok && strings.HasPrefix(name, CheckpointsDir) })
		sameTree(t, fmt.Sprint("stopped after step ", k), got, last)
		timing, err := readTiming(t.Context(), env.Store, filepath.Join(dir, TimingFile))
		if err != nil || len(timing.Segments) != 2 || timing.Segments[0].To != k || timing.Segments[1].From != k {
			t.Errorf("stopped after step %d: %+v, %v", k, timing, err)
		}
	}
}

// unsynced is a disk that is fast: a test that does not cut the power need not wait for it.
type unsynced struct{ store.Disk }

type unsyncedFile struct{ store.File }

func (d unsynced) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (unsynced) SyncDir(string) error { return nil }
func (unsyncedFile) Sync() error      { return nil }

// TestKilled lets the disk fail for good at every second of its operations, as a kill -9 does, and goes on from what is left.
func TestKilled(t *testing.T) {
	c := testConfig(smallShards(t), model.BTLM)
	c.Steps, c.CheckpointEvery, c.Model.Layers = 4, 2, 1
	whole := t.TempDir()
	counting := storetest.NewFaulty(unsynced{store.OS()}, 0, storetest.IO)
	env := testEnvironment(t)
	env.Store = store.NewLocal(counting)
	mustRun(t, c, whole, env)
	want := tree(t, whole)
	t.Log(counting.Ops(), "operations")
	for n := 1; n <= counting.Ops(); n += 2 {
		dir := t.TempDir()
		disk := storetest.NewFaulty(unsynced{store.OS()}, n, storetest.Faults[n/2%len(storetest.Faults)])
		disk.Sticky = true
		env.Store = store.NewLocal(disk)
		if _, err := Run(t.Context(), c, dir, env); err == nil && disk.Fired() && n < counting.Ops()-5 {
			t.Errorf("operation %d (%s) has failed, and nobody has heard of it", n, disk.Hit())
		}
		env.Store = store.NewLocal(nil).Scratch()
		mustRun(t, c, dir, env)
		sameTree(t, fmt.Sprintf("killed at operation %d (%s)", n, disk.Hit()), tree(t, dir), want)
		if t.Failed() {
			return
		}
	}
}

// TestTorn cuts the metrics behind the checkpoint, and refuses those that are shorter.
func TestTorn(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps = 6
	dir := t.TempDir()
	env := testEnvironment(t)
	mustRun(t, c, dir, env)
	want := tree(t, dir)
	undo := func() {
		if err := os.Remove(filepath.Join(dir, DoneFile)); err != nil {
			t.Fatal(err)
		}
	}
	undo()
	metrics := filepath.Join(dir, MetricsFile)
	if err := os.WriteFile(metrics, []byte(want[MetricsFile]+`{"step":6,"lo`), 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c, dir, env)
	sameTree(t, "torn", tree(t, dir), want)
	undo()
	if err := os.Truncate(metrics, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "ends at byte 100, and was") {
		t.Error(err)
	}
}

// TestCorruptCheckpoint names the file.
func TestCorruptCheckpoint(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps = 6
	dir := t.TempDir()
	env := testEnvironment(t)
	res := mustRun(t, c, dir, env)
	want := tree(t, dir)
	for i, name := range []string{OptimizerFile, "model.safetensors"} {
		if i > 0 { // a run that is done has its model, too
			if err := os.Remove(filepath.Join(dir, DoneFile)); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(res.Checkpoint, name)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []struct {
			to   []byte
			want string
		}{
			{b[:len(b)-10], fmt.Sprintf("%s (byte %d): the file has %d bytes", name, len(b)-10, len(b)-10)},
			{append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1), name + " the file was changed"},
		} {
			if err := os.WriteFile(file, change.to, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), change.want) || !strings.Contains(err.Error(), "remove the folder") {
				t.Errorf("%v; want %s", err, change.want)
			}
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), c, dir, env); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "remove the folder") {
			t.Error(err)
		}
		// As the message says.
		if err := os.RemoveAll(res.Checkpoint); err != nil {
			t.Fatal(err)
		}
		mustRun(t, c, dir, env)
		sameTree(t, "from the one before", tree(t, dir), want)
	}
}

// TestChanged refuses another configuration and other kernels.
func TestChanged(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps = 3
	dir := t.TempDir()
	env := testEnvironment(t)
	mustRun(t, c, dir, env)
	c.CheckpointEvery, c.KeepLast = 1, 1
	mustRun(t, c, dir, env)
	c.LearningRate, c.Schedule.Warmup = 2e-2, 1
	untouched := t.TempDir() // a run that has not begun is none
	if err := os.WriteFile(filepath.Join(untouched, ConfigFile), []byte(tree(t, dir)[ConfigFile]), 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c, untouched, env)
	_, err := Run(t.Context(), c, dir, env)
	if want := "learning_rate was 0.01 and is 0.02, schedule.warmup was 3 and is 1; "; !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %s", err, want)
	}
	env.Restart = true
	mustRun(t, c, dir, env)
	once := tree(t, dir)
	mustRun(t, c, dir, env)
	sameTree(t, "started again", tree(t, dir), once)
	if steps, _ := readMetrics(t, dir); steps[1].LearningRate != 2e-2 {
		t.Errorf("%+v", steps)
	}
	env.Restart = false
	name := filepath.Join(dir, ConfigFile)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(b, []byte(`"portable"`), []byte(`"other"`), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), `begun with the kernels "other"`) {
		t.Error(err)
	}
	env.OtherKernels = true
	mustRun(t, c, dir, env)
	// Other shards in the same folder.
	other := makeShards(t, twoStages("megatron"), testDocuments(9, 30, 30))
	if err := errors.Join(os.RemoveAll(c.Shards), os.Rename(other, c.Shards)); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "data.0.sha256 was") {
		t.Error(err)
	}
}

// TestDiverged stops without touching a parameter, and says where.
func TestDiverged(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.LearningRate, c.Schedule, c.Optimizer.WeightDecay = 1e30, Rates{Kind: Constant, Warmup: 5}, 0
	c.CheckpointEvery = 1
	dir := t.TempDir()
	env := testEnvironment(t)
	_, err := Run(t.Context(), c, dir, env)
	var d *Diverged
	if !errors.As(err, &d) || len(d.Documents) == 0 || d.Step < 2 || d.Checkpoint != filepath.ToSlash(stepDir(dir, d.Step-1)) {
		t.Fatalf("%v, %+v", err, d)
	}
	if !strings.Contains(d.Error(), d.Checkpoint) || !strings.Contains(d.Error(), ": file 1, byte ") || len(d.Documents) > maxDocuments {
		t.Error(d)
	}
	if steps, _ := readMetrics(t, dir); int64(len(steps)) != d.Step {
		t.Errorf("%d lines before step %d", len(steps), d.Step)
	}
	before := tree(t, dir)
	_, err = Run(t.Context(), c, dir, env)
	if again := (*Diverged)(nil); !errors.As(err, &again) || again.Step != d.Step {
		t.Errorf("again: %v", err)
	}
	sameTree(t, "again", tree(t, dir), before)
}

// TestNothingToLearn says which step it is.
func TestNothingToLearn(t *testing.T) {
	docs := testDocuments(1, 30, 30)
	for i := range docs {
		docs[i].mask = make([]byte, len(docs[i].ids))
	}
	c := testConfig(makeShards(t, shards.Config{Packing: "best-fit", Schedule: []shards.Length{{Length: 16}}, TokensPerStep: 64, Format: "datatrove"}, docs), model.Llama)
	if _, err := Run(t.Context(), c, t.TempDir(), testEnvironment(t)); err == nil || !strings.Contains(err.Error(), "step 0 has nothing to learn") {
		t.Error(err)
	}
}

// TestOneSet trains on a folder that is a set and has no schedule.
func TestOneSet(t *testing.T) {
	c := testConfig(smallShards(t)+"/length-16", model.Llama)
	if _, err := Run(t.Context(), c, t.TempDir(), testEnvironment(t)); err == nil || !strings.Contains(err.Error(), "give tokens_per_step") {
		t.Error(err)
	}
	c.TokensPerStep, c.Tokens = 32, 200
	if res := mustRun(t, c, t.TempDir(), testEnvironment(t)); res.Steps != 7 {
		t.Errorf("%+v", res)
	}
}

// TestFrom goes on from a checkpoint with more ids.
func TestFrom(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps = 3
	env := testEnvironment(t)
	first := mustRun(t, c, t.TempDir(), env)
	c.Model, c.From, c.Vocabulary = nil, first.Checkpoint, 100
	c.LearningRate = 1e-9
	dir := t.TempDir()
	second := mustRun(t, c, dir, env)
	a, err := Load(t.Context(), env.Store, first.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(t.Context(), env.Store, second.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if b.Config.Vocabulary != 100 || b.Config.Context != 32 {
		t.Errorf("%+v", b.Config)
	}
	for i := range a.Params.Layout.Tensors {
		tensor, x, y := &a.Params.Layout.Tensors[i], a.Params.Of(i), b.Params.Of(i)
		for j := range x {
			if math.Abs(float64(x[j]-y[j])) > 1e-7 {
				t.Fatalf("%s: %v became %v", tensor.Name, x[j], y[j])
			}
		}
		if tensor.Rows == 64 {
			mean := 0.0
			for r := range 64 {
				mean += float64(x[r*tensor.Cols]) / 64
			}
			if got := float64(y[99*tensor.Cols]); len(y) != 100*tensor.Cols || math.Abs(got-mean) > 1e-6 {
				t.Errorf("%s: a new row begins with %v, want %v", tensor.Name, got, mean)
			}
		}
	}
	c.Vocabulary = 63
	if _, err := Run(t.Context(), c, t.TempDir(), env); err == nil || !strings.Contains(err.Error(), "the model has 64 ids already") {
		t.Error(err)
	}
}

// TestValidationTokenizer refuses to measure on ids that mean other tokens.
func TestValidationTokenizer(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	other := twoStages("megatron")
	other.Vocabulary.Fingerprint = "another"
	c.Validation = &Validation{Shards: makeShards(t, other, testDocuments(1, 30, 30)), Every: 2}
	if _, err := Run(t.Context(), c, t.TempDir(), testEnvironment(t)); err == nil || !strings.Contains(err.Error(), "made with the tokenizer") || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
}

// TestDamagedShard stops with a checkpoint, and goes on from it when the shard is whole again: the validation before the step is
// not there twice.
func TestDamagedShard(t *testing.T) {
	c := testConfig(makeShards(t, twoStages("nanogpt"), testDocuments(1, 30, 30)), model.Llama)
	c.CheckpointEvery = 0
	c.Validation = &Validation{Shards: smallShards(t), Every: 1, Rows: 2}
	env := testEnvironment(t)
	whole := t.TempDir()
	mustRun(t, c, whole, env)
	names, err := filepath.Glob(c.Shards + "/length-32/*.bin")
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(b)
	bad[len(bad)-1] = 0xff
	if err := os.WriteFile(names[0], bad, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s (byte %d): id ", filepath.Base(names[0]), len(b)-2)) {
		t.Error(err)
	}
	steps, _ := readMetrics(t, dir)
	if got, err := Checkpoints(t.Context(), env.Store, dir); err != nil || len(got) != 1 || got[0] != int64(len(steps)) || got[0] < 6 {
		t.Errorf("checkpoints %v after %d steps, %v", got, len(steps), err)
	}
	if err := os.WriteFile(names[0], b, 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c, dir, env)
	if got, want := tree(t, dir)[MetricsFile], tree(t, whole)[MetricsFile]; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// TestTokenizer goes from checkpoint to checkpoint, though older ones are removed.
func TestTokenizer(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps, c.CheckpointEvery, c.KeepLast = 5, 1, 1
	env := testEnvironment(t)
	env.Tokenizer = t.TempDir()
	if err := os.WriteFile(filepath.Join(env.Tokenizer, "tokenizer.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	first := mustRun(t, c, t.TempDir(), env)
	c.From, c.Model, env.Tokenizer = first.Checkpoint, nil, ""
	second := mustRun(t, c, t.TempDir(), env)
	for _, res := range []*Result{first, second} {
		if b, err := os.ReadFile(filepath.Join(res.Checkpoint, "tokenizer.json")); err != nil || string(b) != "{}" {
			t.Errorf("%s, %v", b, err)
		}
	}
}

// TestLock asks for one lock of the folder and lets go of it.
func TestLock(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	c.Steps = 1
	env, dir, held := testEnvironment(t), t.TempDir(), 0
	env.Lock = func(name string) (func(), error) {
		if held++; name != filepath.ToSlash(dir)+"/lock" {
			t.Error(name)
		}
		return func() { held-- }, nil
	}
	mustRun(t, c, dir, env)
	if held != 0 {
		t.Error(held)
	}
	taken := errors.New("another is writing here")
	env.Lock = func(string) (func(), error) { return nil, taken }
	if _, err := Run(t.Context(), c, dir, env); !errors.Is(err, taken) {
		t.Error(err)
	}
}

// TestPrecision rounds operands: nearly the same losses, and not the same bytes.
func TestPrecision(t *testing.T) {
	c := testConfig(smallShards(t), model.Llama)
	var all [2][]StepMetrics
	for i, p := range []string{"f32", "bf16"} {
		c.Precision = p
		dir := t.TempDir()
		mustRun(t, c, dir, testEnvironment(t))
		all[i], _ = readMetrics(t, dir)
	}
	for i := range all[0] {
		a, b := all[0][i].Loss, all[1][i].Loss
		if a == b || !(math.Abs(a-b) < 0.02) {
			t.Errorf("step %d: %v in f32 and %v in bf16", i, a, b)
		}
	}
}
