package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/train/model"
)

func TestHyperparameters(t *testing.T) {
	names, docs := Hyperparameters()
	if !sort.StringsAreSorted(names) || len(docs) != len(names) || slices.Contains(docs, "") {
		t.Errorf("%v %v", names, docs)
	}
	for _, name := range names {
		base := testConfig("x", model.Llama)
		base.Model.KVHeads, base.DPO = 1, &DPO{Beta: 0.1}
		was, err := base.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s := Search{Base: base, Over: []Range{{Name: name, Values: []float64{0.5}}}}
		if isWhole(name) {
			s.Over[0].Values[0] = 32
		}
		_, c, err := s.trial(0)
		if err != nil {
			t.Error(err)
			continue
		}
		list, err := differences(&base, &c)
		if err != nil || len(list) == 0 || name != "width" && (len(list) != 1 || !strings.Contains(list[0], strings.Replace(name, "dpo_", "dpo.", 1))) {
			t.Errorf("%s changes %v, %v", name, list, err)
		}
		if name == "width" && (c.Model.Heads != 4 || c.Model.KVHeads != 2 || c.Model.FFN != 48 || c.Model.Width != 32) {
			t.Errorf("%+v", c.Model)
		}
		if is, err := base.Encode(); err != nil || string(is) != string(was) {
			t.Errorf("%s changes the base", name)
		}
	}
}

func TestSearchCheck(t *testing.T) {
	list := func(name string, x ...float64) Range { return Range{Name: name, Values: x} }
	for _, c := range []struct {
		s    Search
		want string
	}{
		{Search{Over: []Range{list("learning_rate", 1, 2), list("beta2", 0.9)}}, ""},
		{Search{}, "varies nothing"},
		{Search{Over: []Range{list("x", 1)}}, `no hyper-parameter "x"; a search can vary beta1, beta2,`},
		{Search{Over: []Range{list("beta2", 0.9), list("beta2", 0.9)}}, "named twice"},
		{Search{Over: []Range{{Name: "beta2"}}}, "either a list of values or a range"},
		{Search{Over: []Range{{Name: "beta2", Low: 0.1, High: 0.2}}}, "say how many trials"},
		{Search{Over: []Range{{Name: "beta2", Low: 0.2, High: 0.1}}, Trials: 2}, "no range from 0.2 to 0.1"},
		{Search{Over: []Range{{Name: "beta2", Low: 0, High: 0.1, Log: true}}, Trials: 2}, "no range from 0 to 0.1"},
		{Search{Over: []Range{list("beta2", 0.9)}, Trials: 2000}, "2000 trials"},
		{Search{Over: []Range{list("layers", 1.5)}}, "layers 1.5: a whole number"},
		{Search{Over: []Range{list("width", 24, 17)}}, "width 17: 2 heads for a width of 16 are no whole number"},
		{Search{Over: []Range{list("learning_rate", 1, -1)}}, "trial 1 (learning_rate -1): learning_rate is -1"},
	} {
		c.s.Base = testConfig("x", model.Llama)
		if err := c.s.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %s", c.s.Over, err, c.want)
		}
	}
}

func TestRandomTrials(t *testing.T) {
	s := Search{Base: testConfig("x", model.Llama), Trials: 200, Seed: 4, Over: []Range{
		{Name: "learning_rate", Low: 1e-4, High: 1e-1, Log: true}, {Name: "layers", Low: 1, High: 4}, {Name: "beta2", Values: []float64{0.9, 0.99}}}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	low, layers, betas := 0, map[float64]int{}, map[float64]int{}
	for n := range s.Trials {
		values, c, err := s.trial(n)
		if err != nil {
			t.Fatal(err)
		}
		again, _, _ := s.trial(n)
		if !slices.Equal(values, again) || c.LearningRate < 1e-4 || c.LearningRate > 1e-1 || c.LearningRate != values[0].Value {
			t.Fatalf("%v, again %v", values, again)
		}
		if c.LearningRate < 3.1623e-3 {
			low++
		}
		layers[values[1].Value]++
		betas[values[2].Value]++
	}
	if low < 75 || low > 125 || len(layers) != 4 || len(betas) != 2 || betas[0.9] < 75 || betas[0.9] > 125 {
		t.Errorf("%d below the middle, layers %v, beta2 %v", low, layers, betas)
	}
}

// TestSearch stops in the middle, goes on, and sorts; one rate is far too high.
func TestSearch(t *testing.T) {
	base := testConfig(smallShards(t), model.Llama)
	base.Steps, base.Schedule, base.Optimizer.WeightDecay = 10, Rates{Kind: Constant, Warmup: 5}, 0
	s := &Search{Base: base, Over: []Range{{Name: "learning_rate", Values: []float64{1e-4, 1e30, 1e-2}}, {Name: "beta2", Values: []float64{0.9, 0.99}}}}
	env := testEnvironment(t)
	dir := t.TempDir()
	stop := errors.New("stopped by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	steps := 0
	env.Progress = func(*Progress) {
		if steps++; steps == 33 {
			cancel(stop)
		}
	}
	if _, err := RunSearch(ctx, s, dir, env, nil); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	env.Progress = nil
	var begun []int
	table, err := RunSearch(t.Context(), s, dir, env, func(n, of int, values []Value) {
		if begun = append(begun, n); of != 6 || len(values) != 2 {
			t.Error(n, of, values)
		}
	})
	if err != nil || len(table) != 6 || !slices.Equal(begun, []int{0, 1, 2, 3, 4, 5}) {
		t.Fatal(table, begun, err)
	}
	for i, trial := range table {
		want := []float64{1e-2, 1e-2, 1e-4, 1e-4, 1e30, 1e30}[i]
		if trial.Values[0].Value != want || (trial.Loss == nil) != (want == 1e30) || (trial.DivergedAt > 0) != (want == 1e30) {
			t.Errorf("%d: %+v", i, trial)
		}
	}
	before := tree(t, dir)
	var file struct {
		Trials []Trial `json:"trials"`
	}
	if err := json.Unmarshal([]byte(before[SearchFile]), &file); err != nil || len(file.Trials) != 6 || *file.Trials[0].Loss != *table[0].Loss {
		t.Errorf("%s: %v", before[SearchFile], err)
	}
	if lines := strings.Split(before[SearchTable], "\n"); len(lines) != 8 || lines[0] != "trial\tlearning_rate\tbeta2\tloss\tvalidation_loss" ||
		!strings.HasSuffix(lines[6], "\tinf\t") || strings.Count(lines[1], "\t") != 4 {
		t.Errorf("%s", before[SearchTable])
	}
	env.Progress = func(*Progress) { t.Error("a trial that is done is run again") }
	if _, err := RunSearch(t.Context(), s, dir, env, nil); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "again", tree(t, dir), before)
	// A trial by itself is the same.
	alone := base
	alone.LearningRate, alone.Optimizer.Beta2 = 1e-2, 0.99
	to := t.TempDir()
	env.Progress = nil
	mustRun(t, alone, to, env)
	a, err := os.ReadFile(filepath.Join(to, MetricsFile))
	if err != nil || string(a) != before["trial-005/"+MetricsFile] {
		t.Error("a trial is not the run that it stands for", err)
	}
}
