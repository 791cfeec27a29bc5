package recipe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/pipeline"
	"curate/stage"
)

// thinkKind reads what a step has counted and writes it down, or fails if told so.
var thinkKind = Kind{
	Name: "think", Summary: "thinks about a number", Result: true,
	Keys: []Key{
		{Name: "about", Type: StepOrPath, Required: true, Help: "a step that counts"},
		{Name: "words", Type: Text, Default: "so many:", Help: "before the number"},
	},
	Task: func(_ context.Context, v *Values, s Setting) (*pipeline.Task, error) {
		s.Progress.Tell = func() string { return "thinking" }
		return &pipeline.Task{
			Spec:  stage.Spec{Name: "think", Version: 1, Config: map[string]string{"words": v.Text("words")}},
			Makes: []string{"thought.txt"},
			Run: func(ctx context.Context) error {
				b, err := os.ReadFile(filepath.Join(v.Path("about"), "count.txt"))
				if err != nil {
					return err
				}
				w, err := store.NewLocal(nil).Create(ctx, s.Dir+"/thought.txt")
				if err != nil {
					return err
				}
				if _, err := w.Write([]byte(v.Text("words") + " " + string(b))); err != nil {
					return err
				}
				if err := w.Commit(); err != nil {
					return err
				}
				if v.Text("words") == "impossible" {
					return errors.New("that cannot be thought")
				}
				return nil
			},
		}, nil
	},
	Seconds: func(*Values, int) float64 { return 90 },
}

func TestTaskStep(t *testing.T) {
	w := newWorld(t)
	w.kinds = append([]Kind{thinkKind}, testKinds...)
	w.text += "  - {name: idea, think: {about: total}}\n  - {name: again, think: {about: total, words: again}}\n"
	if got := states(t, w.runner()); got != "clean to do, days to do, total to do, idea to do, again to do" {
		t.Error(got)
	}
	p, err := w.runner().Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := p.Write(&table); err != nil || !strings.Contains(table.String(), "step total → think") || !strings.Contains(table.String(), " 2m ") {
		t.Errorf("%v\n%s", err, table.String())
	}
	w.must(w.runner(), "clean+ days+ total+ idea+ again+")
	first := w.tree("run")
	if got := first["idea/thought.txt"]; got != "so many: records 6\n" {
		t.Errorf("%q", got)
	}
	if p := first["idea/_curate/provenance.json"]; !strings.Contains(p, `"step": "total"`) {
		t.Error(p)
	}
	w.must(w.runner(), "clean= days= total= idea= again=")
	w.must(w.runner("steps.idea.think.words=changed"), "clean= days= total= idea+ again=")
	// What it depends on has changed.
	w.must(w.runner("steps.days.cut.word=gau"), "clean= days+ total+ idea+ again+")
	if got := w.tree("run")["idea/thought.txt"]; got != "so many: records 5\n" {
		t.Errorf("%q", got)
	}
	w.must(w.runner(), "clean= days+ total+ idea+ again+")
	same(t, "changed back", w.tree("run"), first)

	// One that fails leaves the run where it can go on, and another recipe is not taken for it.
	if _, err := w.runner("steps.idea.think.words=impossible").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "step idea: that cannot be thought") {
		t.Error(err)
	}
	if got := states(t, w.runner("steps.idea.think.words=impossible")); !strings.Contains(got, "idea goes on") {
		t.Error(got)
	}
	var u *pipeline.UsageError
	if _, err := w.runner().Run(t.Context()); !errors.As(err, &u) {
		t.Error(err)
	}
	r := w.runner()
	r.Restart = true
	w.must(r, "clean= days= total= idea+ again=")
	same(t, "restarted", w.tree("run"), first)
}

func TestTaskStepRefused(t *testing.T) {
	kinds := append([]Kind{thinkKind}, testKinds...)
	for _, c := range []struct{ step, want string }{
		{"{name: b, read: x.jsonl, think: {about: ./a}}", "think reads no records"},
		{"{name: b, think: {about: ./a}, count: }", "count stands beside think"},
		{"{name: b, think: {}}", `the key "about" is missing`},
	} {
		_, err := Parse("r.yaml", []byte(head+"steps:\n  - "+c.step+"\n"), nil, nil, kinds)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.step, err, c.want)
		}
	}
}
