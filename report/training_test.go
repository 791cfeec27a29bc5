package report_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/report"
)

// TestTrainingGolden compares all that is said of testdata/training: a run over rows of two lengths that was stopped once, and a
// search over two hyper-parameters. curate train made them, of 40 pages of the example.
func TestTrainingGolden(t *testing.T) {
	html, numbers, _ := render(t, read(t, "testdata/training"))
	for name, got := range map[string]string{"training.html": html, "training.json": numbers} {
		name = filepath.Join("testdata", name)
		if *update {
			write(t, name, got)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs: run the test with -update and read the diff\n%s", name, difference(string(want), got))
		}
	}
}

func TestTraining(t *testing.T) {
	r := read(t, "testdata/training")
	base, search := r.Steps[0].Training, r.Steps[1].Training
	if e := r.Steps[2].Evaluation; e == nil || len(e.Models) != 2 || len(e.Positions) != 1 || len(e.Positions[0].Curves) != 2 {
		t.Errorf("%+v", e)
	}
	if base == nil || search == nil || search.Search == nil || search.Steps != 0 {
		t.Fatalf("%+v %+v", base, search)
	}
	if base.Steps != 85 || len(base.Stages) != 2 || base.Stages[1].Label != "rows of 256" || len(base.Resumes) != 1 {
		t.Errorf("%d steps, stages %v, resumes %v", base.Steps, base.Stages, base.Resumes)
	}
	if n := len(base.Losses.Points); n != 85 || base.Losses.Points[n-1].X != float64(base.Tokens) {
		t.Errorf("%d points of %d tokens", n, base.Tokens)
	}
	last := base.Validations.Points[len(base.Validations.Points)-1]
	if last.X != float64(base.Tokens) || last.Y != base.Validation {
		t.Errorf("the last validation is at %v, after %d tokens; it is %v", last, base.Tokens, base.Validation)
	}
	sum := 0.0
	for _, p := range base.Losses.Points[85-8:] { // a tenth, rounded down, as the run says it
		sum += p.Y / 8
	}
	if math.Abs(sum-base.Loss) > 1e-9 {
		t.Errorf("loss %v, want %v", base.Loss, sum)
	}
	if len(search.Search.Trials) != 8 || len(search.Search.Charts()) != 2 || len(base.Charts()) != 3 {
		t.Errorf("%+v", search.Search)
	}
}

// TestTrainingDamaged: files that no run has written are named, and none of them stops the program.
func TestTrainingDamaged(t *testing.T) {
	config := `{"program":"x","step":{"stages":[],"inputs":{}}}`
	for _, c := range []struct{ file, content, want string }{
		{"metrics.jsonl", "{\n", "metrics.jsonl:1"},
		{"metrics.jsonl", `{"step":0,"stage":0,"tokens":-1,"loss":1}` + "\n", "metrics.jsonl:1"},
		{"metrics.jsonl", `{"step":0,"tokens":1,"loss":"x"}` + "\n", "metrics.jsonl:1"},
		{"metrics.jsonl", "", ""},
		{"metrics.jsonl", `{"step":0,"tokens":1,"loss":1}` + "\n" + `{"step":1,"tok`, ""}, // it was killed, or is at work
		{"metrics.jsonl", `{"step":5,"validation_loss":1}` + "\n", ""},
		{"search.json", "[]", "search.json"},
		{"search.json", `{"over":[{"name":"a"}],"trials":[{"trial":1,"values":[]}]}`, "search.json"},
		{"search.json", `{"over":[],"trials":[]}`, ""},
	} {
		st := memory{files: map[string]string{
			"run/_curate/config.json": config, "run/_curate/done": "", "run/_curate/manifest.json": `{"files":[]}`, "run/" + c.file: c.content,
		}}
		r, err := report.Read(context.Background(), st, "run")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s %q: %v", c.file, c.content, err)
				continue
			}
			var b strings.Builder
			if err := r.WriteHTML(&b); err != nil {
				t.Errorf("%s %q: %v", c.file, c.content, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.file, c.content, err, c.want)
		}
	}
}

// TestTrainingBest: of a run that could stop early, done names the model, and the rest follows from its validation.
func TestTrainingBest(t *testing.T) {
	metrics := `{"step":0,"validation_loss":5}
{"step":0,"stage":0,"tokens":10,"loss":5}
{"step":1,"validation_loss":3}
{"step":1,"stage":0,"tokens":25,"loss":4}
{"step":2,"validation_loss":4}
`
	stopping := `{"steps":9,"early_stopping":{"patience":1,"min_delta":0}}`
	for _, c := range []struct {
		config, done, page, err string
		best                    *report.Best
	}{
		{stopping, "checkpoints/step-00000001\n", "It has ended early: the validation was best after 1 steps and then no longer fell.", "", &report.Best{Steps: 1, X: 10, Loss: 3, Early: true}},
		{strings.Replace(stopping, "9", "2", 1), "checkpoints/step-00000001\n", "The validation was best after 1 steps.", "", &report.Best{Steps: 1, X: 10, Loss: 3}},
		{`{"steps":2}`, "checkpoints/step-00000002\n", "", "", nil},
		{stopping, "", "", "", nil}, // it is at work
		{stopping, "checkpoints/x\n", "", "run/done", nil},
		{stopping, "checkpoints/step-00000007\n", "", "it names the model after 7 steps", nil},
	} {
		st := memory{files: map[string]string{
			"run/_curate/config.json": `{"program":"x","step":{"stages":[],"inputs":{}}}`, "run/_curate/done": "", "run/_curate/manifest.json": `{"files":[]}`,
			"run/metrics.jsonl": metrics, "run/train.json": c.config,
		}}
		if c.done != "" {
			st.files["run/done"] = c.done
		}
		r, err := report.Read(context.Background(), st, "run")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %s", c.done, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := r.WriteHTML(&b); err != nil {
			t.Fatal(err)
		}
		got := r.Steps[0].Training
		if (got.Best == nil) != (c.best == nil) || got.Best != nil && (*got.Best != *c.best || got.Validation != 3) {
			t.Errorf("%s %q: %+v", c.config, c.done, got.Best)
		}
		if page := b.String(); c.page != "" && !strings.Contains(page, c.page) || strings.Contains(page, ">best<") != (c.best != nil) {
			t.Errorf("%s %q: %s", c.config, c.done, page)
		}
	}
}

// FuzzTraining: whatever the files say, they are read or named, and the page is written.
func FuzzTraining(f *testing.F) {
	for _, name := range []string{"base/metrics.jsonl", "base/timing.json", "search/search.json", "measured/eval.json"} {
		b, err := os.ReadFile(filepath.Join("testdata/training", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(name), b[:min(len(b), 3000)])
	}
	f.Add("search.json", []byte(`{"over":[{"name":"a"}],"trials":[{"trial":1,"values":[{"value":1e300}],"loss":null}]}`))
	f.Add("eval.json", []byte(`{"models":[{"name":"m","results":[{"kind":"positions","name":"x","positions":[{"from":1,"to":2,"loss":-1e308}]}]}]}`))
	f.Add("eval.json", []byte(`{"models":[{"name":"m","results":[{"kind":"judge","name":"x","baseline":"b","metrics":[{"metric":"win_rate","value":1e308,"ci95":[-1e308,1]}]}]}],"summary":[{"model":"m","values":[{"kind":"judge","value":1e308}]}]}`))
	f.Add("translate_eval.json", []byte(`{"rows":1,"scores":[{"metric":"BLEU","score":1e308,"signature":"x"}],"versus":[{"metric":"BLEU","p":-1e308}],"checks":{"a":{"hard":-1}}}`))
	f.Add("done", []byte("checkpoints/step-00000001\n"))
	f.Add("train.json", []byte(`{"steps":1,"early_stopping":{}}`))
	f.Add("metrics.jsonl", []byte(`{"step":1,"tokens":9007199254740993,"loss":1e308,"grad_norm":1e308}`+"\n"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		switch name {
		case "metrics.jsonl", "timing.json", "search.json", "eval.json", "translate_eval.json", "train.json", "done":
		default:
			return
		}
		st := memory{files: map[string]string{
			"run/_curate/config.json": `{"program":"x","step":{"stages":[],"inputs":{}}}`, "run/_curate/done": "", "run/_curate/manifest.json": `{"files":[]}`,
			"run/metrics.jsonl": `{"step":0,"stage":0,"tokens":1,"loss":1}` + "\n" + `{"step":1,"validation_loss":1}` + "\n",
			"run/train.json":    `{"steps":1,"early_stopping":{}}`, "run/done": "checkpoints/step-00000001\n", "run/" + name: string(content),
		}}
		r, err := report.Read(context.Background(), st, "run")
		if err != nil {
			return
		}
		var b strings.Builder
		if err := r.WriteHTML(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "NaN") {
			t.Fatal("the page has NaN")
		}
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
	})
}
