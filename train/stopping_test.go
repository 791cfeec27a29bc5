package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/train/model"
)

func TestStopping(t *testing.T) {
	for _, c := range []struct {
		patience int
		delta    float64
		losses   []float64 // of the validations after step 0, 10, 20, …
		best     int64     // its step
		stops    int       // after so many validations; 0: never
		reason   string
	}{
		{2, 0, []float64{1, 3, 2, 2, 2}, 20, 5, "the validation was best after 20 steps, 2.0000, and 2 in a row were not better"},
		{2, 0, []float64{1, 3, 2, 2, 1.5, 1.6}, 40, 0, ""},
		{1, 0, []float64{1, 3, 2, 2.5}, 20, 4, "the validation was best after 20 steps, 2.0000, and 1 in a row was not better"},
		{2, 0.1, []float64{9, 3, 2.95, 2.91}, 10, 4, ""},
		{2, 0.1, []float64{9, 3, 2.95, 2.89, 2.85}, 30, 0, ""},
		{3, 0, []float64{1}, -1, 0, ""},
		{3, 0, []float64{1, 4, 5, 5}, 10, 0, "the validation was best after 10 steps, 4.0000"},
	} {
		s := stopping{c: &EarlyStopping{Patience: c.patience, MinDelta: c.delta}}
		stopped := 0
		for i, l := range c.losses {
			better := s.see(&ValidationMetrics{Step: int64(10 * i), Loss: l})
			if better != (s.keeps() == int64(10*i) && i > 0) {
				t.Errorf("%v: validation %d is better: %v", c.losses, i, better)
			}
			if s.enough() && stopped == 0 {
				stopped = i + 1
			}
		}
		if s.keeps() != c.best || stopped != c.stops {
			t.Errorf("%v: best after %d steps, stops at %d; want %d and %d", c.losses, s.keeps(), stopped, c.best, c.stops)
		}
		if steps := int64(10 * (len(c.losses) - 1)); c.reason != "" {
			of := steps
			if c.stops > 0 {
				of++
			}
			if got := s.stopped(steps, of); got == nil || got.Reason != c.reason || got.Best != c.best || got.Early != (c.stops > 0) {
				t.Errorf("%v: %+v; want %s", c.losses, got, c.reason)
			}
		}
	}
	never := stopping{}
	if never.see(&ValidationMetrics{Step: 1, Loss: 1}) || never.enough() || never.keeps() != -1 || never.stopped(1, 1) != nil {
		t.Error("without early stopping there is a best one")
	}
}

// worsening is a run whose validation is best long before its last step: the rate is too high.
func worsening(t testing.TB, shards string) Config {
	c := testConfig(shards, model.Llama)
	c.Steps, c.LearningRate, c.Schedule, c.Model.Layers = 30, 0.4, Rates{Kind: Constant, Warmup: 12}, 1
	c.Validation = &Validation{Shards: shards, Every: 2, Rows: 4}
	c.EarlyStopping = &EarlyStopping{Patience: 3}
	c.CheckpointEvery, c.KeepLast = 4, 1
	return c
}

// TestEarlyStopping ends early, and its model is the best.
func TestEarlyStopping(t *testing.T) {
	shards := smallShards(t)
	c := worsening(t, shards)
	dir := t.TempDir()
	env := testEnvironment(t)
	res := mustRun(t, c, dir, env)
	steps, validations := readMetrics(t, dir)
	best := slices.MinFunc(validations[1:], func(a, b ValidationMetrics) int { return compareFloats(a.Loss, b.Loss) })
	last := validations[len(validations)-1]
	if res.Stopped == nil || !res.Stopped.Early || res.Stopped.Best != best.Step || best.Step+6 != last.Step || res.Steps != int64(len(steps)) || res.Steps != last.Step || *res.Validation != best.Loss {
		t.Fatalf("%+v, %+v of %v", res, res.Stopped, validations)
	}
	if res.Checkpoint != filepath.ToSlash(stepDir(dir, best.Step)) {
		t.Errorf("the model is %s", res.Checkpoint)
	}
	// The best one and the last one are kept, and the run's folder stands for the best.
	got, err := Checkpoints(t.Context(), env.Store, dir)
	if err != nil || !slices.Equal(got, []int64{best.Step, res.Steps - res.Steps%4}) {
		t.Errorf("checkpoints %v, %v; the best is %d of %d", got, err, best.Step, res.Steps)
	}
	if from, err := ModelDir(t.Context(), env.Store, dir); err != nil || from != res.Checkpoint {
		t.Errorf("the folder stands for %s, %v", from, err)
	}
	if again := mustRun(t, c, dir, env); again.Loss != res.Loss || *again.Validation != *res.Validation || again.Checkpoint != res.Checkpoint || again.Steps != res.Steps || *again.Stopped != *res.Stopped {
		t.Errorf("%+v, and again %+v", res, again)
	}
	// The model that is there is the one that was measured: its loss is that of the validation.
	measure := testConfig(shards, model.Llama)
	measure.Model, measure.From, measure.Steps, measure.Validation = nil, dir, 1, c.Validation
	measured := t.TempDir()
	mustRun(t, measure, measured, env)
	if _, v := readMetrics(t, measured); v[0].Loss != best.Loss {
		t.Errorf("the loss of the model is %v, and was %v", v[0].Loss, best.Loss)
	}
	// Where it had its steps, it is still the best.
	c.EarlyStopping.Patience = 1000
	dir = t.TempDir()
	if res := mustRun(t, c, dir, env); res.Stopped.Early || res.Stopped.Best != best.Step || res.Checkpoint != filepath.ToSlash(stepDir(dir, best.Step)) {
		t.Errorf("%+v, %+v", res, res.Stopped)
	}
	// What is in the file is the path of a checkpoint.
	done := filepath.Join(dir, DoneFile)
	was, err := os.ReadFile(done)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "checkpoints/step-", "checkpoints/step-x\n", "step-00000006\n", "checkpoints/step--0000001\n"} {
		if err := os.WriteFile(done, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "done: it is to hold the path of a checkpoint, such as checkpoints/step-00001000, and holds ") {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := ModelDir(t.Context(), env.Store, dir); err == nil {
			t.Errorf("%q names a model", text)
		}
	}
	if err := os.WriteFile(done, was, 0o666); err != nil {
		t.Fatal(err)
	}
	// The best one was taken away: the run does not stand for another.
	if err := os.RemoveAll(filepath.FromSlash(stepDir(dir, best.Step))); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "the model with the best validation is gone, restore it or start again") {
		t.Error(err)
	}
}

func compareFloats(a, b float64) int {
	if a < b {
		return -1
	}
	return 1
}

// stopEverywhere stops a run after every step, and with other numbers of goroutines: the same bytes in the end, but for which
// checkpoints there are beside the model.
func stopEverywhere(t *testing.T, c Config) {
	t.Helper()
	whole := t.TempDir()
	res := mustRun(t, c, whole, testEnvironment(t))
	of := filepath.ToSlash(strings.TrimPrefix(res.Checkpoint, filepath.ToSlash(whole)+"/")) + "/"
	model := func(files map[string]string) map[string]string {
		files = maps.Clone(files)
		maps.DeleteFunc(files, func(name, _ string) bool {
			return strings.HasPrefix(name, CheckpointsDir) && !strings.HasPrefix(name, of)
		})
		return files
	}
	want := model(tree(t, whole))
	stop := errors.New("stopped by the test")
	for k := int64(1); k < res.Steps; k++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancelCause(t.Context())
		env := testEnvironment(t)
		env.Pool = newPool(t, 1+int(k%3))
		env.Progress = func(p *Progress) {
			if p.Step == k {
				cancel(stop)
			}
		}
		if _, err := Run(ctx, c, dir, env); !errors.Is(err, stop) {
			t.Fatal(k, err)
		}
		env.Progress = nil
		again := mustRun(t, c, dir, env)
		if again.Loss != res.Loss || again.Steps != res.Steps {
			t.Errorf("stopped after step %d: %+v, want %+v", k, again, res)
		}
		sameTree(t, fmt.Sprint("stopped after step ", k), model(tree(t, dir)), want)
		if t.Failed() {
			return
		}
	}
}

func TestEarlyStoppingResume(t *testing.T) { stopEverywhere(t, worsening(t, smallShards(t))) }

// TestEarlyStoppingKilled lets the disk fail for good at its operations, as a kill -9 does, and goes on from what is left.
func TestEarlyStoppingKilled(t *testing.T) {
	shards := smallShards(t)
	c := worsening(t, shards)
	c.EarlyStopping.Patience = 2
	whole := t.TempDir()
	counting := storetest.NewFaulty(unsynced{store.OS()}, 0, storetest.IO)
	env := testEnvironment(t)
	env.Store = store.NewLocal(counting)
	res := mustRun(t, c, whole, env)
	want := tree(t, whole)
	t.Log(counting.Ops(), "operations,", res.Stopped.Reason)
	for n := 1; n <= counting.Ops(); n += 1 + counting.Ops()/30 {
		dir := t.TempDir()
		disk := storetest.NewFaulty(unsynced{store.OS()}, n, storetest.Faults[n%len(storetest.Faults)])
		disk.Sticky = true
		env.Store = store.NewLocal(disk)
		_, _ = Run(t.Context(), c, dir, env)
		env.Store = store.NewLocal(nil).Scratch()
		mustRun(t, c, dir, env)
		sameTree(t, fmt.Sprintf("killed at operation %d (%s)", n, disk.Hit()), tree(t, dir), want)
		if t.Failed() {
			return
		}
	}
}
