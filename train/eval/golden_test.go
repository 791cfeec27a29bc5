package eval_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"math"
	"os"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/kernel"
	"curate/record"
	"curate/tokenize"
	"curate/train"
	"curate/train/eval"
	"curate/train/model"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// tiny is the model in testdata, given so many tokens at most.
func tiny(t testing.TB, context_, workers int) *eval.Subject {
	t.Helper()
	l, err := train.Load(context.Background(), store.NewLocal(nil), "testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, workers)
	t.Cleanup(pool.Close)
	m, err := model.New(l.Config, l.Params, pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Open(l.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if context_ == 0 {
		context_ = l.Config.Context
	}
	return &eval.Subject{Scorer: m, Tokenizer: tok, Prefix: uint32(l.BOS), EOD: uint32(l.EOS), Context: context_}
}

// each calls f for each line of a file.
func each(t testing.TB, name string, f func(r *record.Record) error) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines(t, b, f)
}

func lines(t testing.TB, b []byte, f func(r *record.Record) error) {
	t.Helper()
	var batch record.Batch
	scan := bufio.NewScanner(bytes.NewReader(b))
	scan.Buffer(nil, 1<<24)
	for n := int64(1); scan.Scan(); n++ {
		batch.Reset()
		r := batch.Append(record.MakeID(1, n), n, scan.Bytes())
		batch.Parse()
		if r.Err != nil {
			t.Fatalf("line %d: %v", n, r.Err)
		}
		if err := f(&batch.Records[0]); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
	}
}

// measure runs a task over a file.
func measure(t testing.TB, name string, task eval.Task, err error) *eval.Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	each(t, name, func(r *record.Record) error { return task.Add(context.Background(), r) })
	res, err := task.Finish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestHarness compares with what lm-evaluation-harness 0.4.13 said of the same model on the same rows (testdata/README.md).
func TestHarness(t *testing.T) {
	b, err := os.ReadFile("testdata/lm_eval.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	s := tiny(t, 0, 2)
	long := tiny(t, 128, 2)
	pool, err := eval.NewPool(eval.ChoiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	each(t, "testdata/shot.jsonl", pool.Add)
	bits, berr := eval.NewBits(s, eval.BitsConfig{})
	choice, cerr := eval.NewChoice(s, eval.ChoiceConfig{MutualInfo: true})
	shots, serr := eval.NewChoice(long, eval.ChoiceConfig{Shots: 1, Pool: pool, Seed: 3})
	pairs, perr := eval.NewPairs(s, eval.PairsConfig{})
	partial, aerr := eval.NewChoice(s, eval.ChoiceConfig{})
	for _, c := range []struct {
		name, file string
		task       eval.Task
		err        error
	}{
		{"bits", "texts", bits, berr}, {"choice", "choice", choice, cerr}, {"shots", "choice", shots, serr}, {"pairs", "pairs", pairs, perr}, {"partial", "partial", partial, aerr},
	} {
		name := c.name
		got := measure(t, "testdata/"+c.file+".jsonl", c.task, c.err)
		want := golden[name].(map[string]any)
		sums, row := eval.Sums(c.task), 0
		for _, of := range want["log_probs"].([]any) {
			for _, w := range of.([]any) {
				if len(sums) == 0 {
					break // of texts, whose windows are many
				}
				if w := w.(float64); math.Abs(sums[0]-w) > 1e-6*math.Abs(w)+1e-5 {
					t.Errorf("%s: row %d has a log-probability of %v; lm-eval says %v", name, row, sums[0], w)
				}
				sums = sums[1:]
			}
			row++
		}
		if len(sums) > 0 {
			t.Errorf("%s: %d sequences more than lm-eval has", name, len(sums))
		}
		metrics := map[string]eval.Metric{}
		for _, m := range got.Metrics {
			metrics[m.Name] = m
		}
		near := func(what string, got *float64, want any) {
			w, ok := want.(float64)
			if !ok {
				return // log-probabilities, and names
			}
			if got == nil || math.Abs(*got-w) > 1e-6*math.Max(1, math.Abs(w)) {
				is := math.NaN()
				if got != nil {
					is = *got
				}
				t.Errorf("%s: %s is %v; lm-eval says %v", name, what, is, w)
			}
		}
		if float64(got.Rows) != want["sample_len"].(float64) {
			t.Errorf("%s: %d rows, of %v", name, got.Rows, want["sample_len"])
		}
		compared := 0
		for key, w := range want {
			if m, ok := metrics[key]; ok {
				near(key, m.Value, w)
				if m.Chance != nil {
					near(key+"_stderr", m.Stderr, want[key+"_stderr"])
				}
				compared++
			}
		}
		if least := map[string]int{"bits": 3, "choice": 4, "shots": 3, "pairs": 1, "partial": 1}[name]; compared != least {
			t.Errorf("%s: %d of %d metrics were compared", name, compared, least)
		}
	}
}
