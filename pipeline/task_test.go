package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/record"
	"curate/stage"
)

// taskIn makes a task that writes a file with what its configuration says.
func taskIn(dir, says string, ran *int, fail error) *Task {
	st := store.NewLocal(nil)
	return &Task{
		Program: "curate test", Store: st, Dir: dir, Spec: stage.Spec{Name: "think", Version: 1, Config: map[string]string{"says": says}},
		Inputs: map[string]string{"corpus": "abc"}, Makes: []string{"thought/?.txt"}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Run: func(ctx context.Context) error {
			*ran++
			if err := writeFile(ctx, st, filepath.ToSlash(filepath.Join(dir, "thought", "a.txt")), []byte(says)); err != nil {
				return err
			}
			return fail
		},
	}
}

func TestTask(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "out")
	ran := 0
	stands := func(task *Task, want Standing) {
		t.Helper()
		if got, _, _, err := task.Standing(ctx); err != nil || got != want {
			t.Fatalf("stands at %d (%v), want %d", got, err, want)
		}
	}
	do := func(task *Task, before bool) {
		t.Helper()
		if got, err := task.Do(ctx); err != nil || got != before {
			t.Fatalf("done before: %v, %v; want %v", got, err, before)
		}
	}
	says := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(filepath.Join(dir, "thought", "a.txt")); err != nil || string(b) != want {
			t.Fatalf("%q, %v; want %q", b, err, want)
		}
	}
	stands(taskIn(dir, "one", &ran, nil), Absent)
	full := errors.New("no room")
	if _, err := taskIn(dir, "one", &ran, full).Do(ctx); !errors.Is(err, full) {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancelCause(ctx)
	enough := errors.New("enough")
	stopping := taskIn(dir, "one", &ran, nil)
	stopping.Run = func(ctx context.Context) error { cancel(enough); return nil }
	if _, err := stopping.Do(stopped); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	stands(taskIn(dir, "one", &ran, nil), Begun)
	stands(taskIn(dir, "two", &ran, nil), HalfWay)
	do(taskIn(dir, "one", &ran, nil), false)
	stands(taskIn(dir, "one", &ran, nil), Finished)
	do(taskIn(dir, "one", &ran, nil), true)
	if ran != 2 {
		t.Fatalf("it ran %d times", ran)
	}
	// Another one is refused with the difference, and made if it is asked for.
	two := taskIn(dir, "two", &ran, nil)
	stands(two, Changed)
	var u *UsageError
	if _, err := two.Do(ctx); !errors.As(err, &u) || !strings.Contains(u.Problem, `stages.0.config.says was "one", is "two"`) {
		t.Fatal(err)
	}
	says("one")
	two.Restart = true
	do(two, false)
	says("two")
	// Its inputs are part of it.
	other := taskIn(dir, "two", &ran, nil)
	other.Inputs = map[string]string{"corpus": "abd"}
	stands(other, Changed)
	// What is missing is made again.
	if err := os.Remove(filepath.Join(dir, "thought", "a.txt")); err != nil {
		t.Fatal(err)
	}
	two.Restart = false
	stands(two, Begun)
	do(two, false)
	says("two")

	none := taskIn(dir, "two", &ran, nil)
	none.Makes = nil
	if _, err := none.Do(ctx); err == nil {
		t.Error("a task that does not say what it makes is done")
	}

	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := taskIn(foreign, "x", &ran, nil).Do(ctx); !errors.As(err, &u) {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(foreign); err != nil || len(list) != 1 {
		t.Fatalf("a refused task left something: %v %v", list, err)
	}
}

// TestTaskKeepsForeign: who begins a task anew, or another one in its place, removes what was made there, of a run that was killed, too,
// and nothing that somebody else has put there.
func TestTaskKeepsForeign(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name           string
		killed, legacy bool // of the first task; its config.json is of a version that did not say what it makes
		same           bool // the second one makes the same files
	}{
		{"finished", false, false, true},
		{"killed", true, false, true},
		{"another kind", false, false, false},
		{"another kind, killed", true, false, false},
		{"legacy", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			put := func(name string) {
				t.Helper()
				name = filepath.Join(dir, filepath.FromSlash(name))
				if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte("mine"), 0o666)); err != nil {
					t.Fatal(err)
				}
			}
			ran := 0
			first := taskIn(dir, "one", &ran, nil)
			run := first.Run
			first.Makes = []string{"thought/?.txt", "deep/step-*/", Named("odd [1]*")}
			first.Run = func(ctx context.Context) error {
				for _, name := range []string{"deep/step-1/a", "deep/step-1/b/c", "odd [1]*"} {
					put(name)
				}
				put("notes.txt")
				if c.killed {
					return errors.New("killed")
				}
				return run(ctx)
			}
			if _, err := first.Do(ctx); err == nil == c.killed {
				t.Fatal(err)
			}
			foreign := []string{"deep/notes.txt", "notes.txt", "odd 1", "thought/notes.txt"}
			for _, name := range foreign {
				put(name)
			}
			if c.legacy { // which has listed everything
				config := filepath.Join(dir, "_curate", configFile)
				b, err := os.ReadFile(config)
				if err != nil {
					t.Fatal(err)
				}
				var members map[string]jsontext.Value
				if err := json.Unmarshal(b, &members); err != nil {
					t.Fatal(err)
				}
				delete(members, "makes")
				if b, err = json.Marshal(members); err != nil {
					t.Fatal(err)
				}
				results := `[{"name":"notes.txt","size":4},{"name":"thought/a.txt","size":3}]`
				if err := errors.Join(os.WriteFile(config, b, 0o666), os.WriteFile(filepath.Join(dir, "_curate", resultsFile), []byte(results), 0o666)); err != nil {
					t.Fatal(err)
				}
			}
			second := taskIn(dir, "two", &ran, nil)
			second.Spec.Name = "again"
			second.Restart = true
			want := slices.Concat(foreign, []string{"thought/a.txt"})
			if c.same {
				second.Makes = first.Makes
			} else {
				second.Makes = []string{"thought.txt"}
				second.Run = func(context.Context) error { put("thought.txt"); return nil }
				want = slices.Concat(foreign, []string{"thought.txt"})
			}
			var said strings.Builder
			second.Log = slog.New(slog.NewTextHandler(&said, nil))
			if _, err := second.Do(ctx); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said.String(), "4 files are none of its own, and stay: deep/notes.txt, notes.txt, odd 1, thought/notes.txt") {
				t.Errorf("it said %s", &said)
			}
			var have []string
			files, err := store.NewLocal(nil).List(ctx, filepath.ToSlash(dir))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if name, _ := filepath.Rel(dir, f.Name); !strings.HasPrefix(name, "_curate") {
					have = append(have, filepath.ToSlash(name))
				}
			}
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				t.Errorf("there are %q, want %q", have, want)
			}
			// What is not the task's does not count, either.
			if err := os.Remove(filepath.Join(dir, "notes.txt")); err != nil {
				t.Fatal(err)
			}
			second.Restart = false
			if s, _, _, err := second.Standing(ctx); err != nil || s != Finished {
				t.Errorf("without a foreign file it stands at %d, %v", s, err)
			}
		})
	}
}

// TestTaskQuarantine: rows that a task cannot use are kept with place and reason, and counted; more than are allowed are an error each
// time, with the directory whole; of an attempt that was killed nothing stays.
func TestTaskQuarantine(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "out")
	ran := 0
	taskOf := func(allowed string, bad []int, fail error) *Task {
		task := taskIn(dir, "one", &ran, nil)
		a, err := ParseAllowance(allowed)
		if err != nil {
			t.Fatal(err)
		}
		q := &TaskQuarantine{Allowed: a, By: "max_quarantined"}
		run := task.Run
		task.Quarantine = q
		task.Run = func(ctx context.Context) error {
			for model, n := range bad {
				if err := q.Begin(string(rune('a' + model))); err != nil {
					return err
				}
				q.Read(10)
				for i := range n {
					rec := &record.Record{ID: record.MakeID(1, int64(100*i)), LineNo: int64(i + 1), Line: []byte("{}"), Err: errors.New("empty")}
					if err := q.Add(ctx, i%2, "in.jsonl", rec); err != nil {
						return err
					}
				}
			}
			return errors.Join(run(ctx), fail)
		}
		return task
	}
	killed := errors.New("killed")
	if _, err := taskOf("0", []int{1, 9, 4}, killed).Do(ctx); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	var q *QuarantineError
	for _, before := range []bool{false, true} {
		got, err := taskOf("30%", []int{0, 3, 4}, nil).Do(ctx)
		if !errors.As(err, &q) || got != before || q.Quarantined != 4 || q.Read != 10 || !strings.Contains(err.Error(), "4 of 10 records were quarantined, more than max_quarantined 30% allows; they are in "+filepath.ToSlash(dir)+"/_curate/quarantine") {
			t.Fatalf("done before: %v, %v", got, err)
		}
	}
	if ran != 2 {
		t.Errorf("it ran %d times", ran)
	}
	want := map[string]string{}
	line := func(i int) string {
		return fmt.Sprintf(`{"file":"in.jsonl","offset":%d,"line":%d,"error":"empty","raw":"{}"}`+"\n", 100*i, i+1)
	}
	want["part-00002-00000.jsonl"], want["part-00002-00001.jsonl"] = line(0)+line(2), line(1)
	want["part-00003-00000.jsonl"], want["part-00003-00001.jsonl"] = line(0)+line(2), line(1)+line(3)
	list, err := os.ReadDir(filepath.Join(dir, "_curate", "quarantine"))
	if err != nil || len(list) != len(want) {
		t.Errorf("%v, %v", list, err)
	}
	for name, lines := range want {
		if b, err := os.ReadFile(filepath.Join(dir, "_curate", "quarantine", name)); err != nil || string(b) != lines {
			t.Errorf("%s: %q, %v; want %q", name, b, err, lines)
		}
	}
	if before, err := taskOf("4", nil, nil).Do(ctx); err != nil || !before {
		t.Errorf("with a greater allowance: %v, %v", before, err)
	}
	again := taskOf("4", nil, nil)
	again.Restart = true
	if _, err := again.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(filepath.Join(dir, "_curate", "quarantine")); err == nil && len(list) > 0 {
		t.Errorf("of an earlier run there are %v", list)
	}
}
