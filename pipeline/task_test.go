package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/stage"
)

// taskIn makes a task that writes a file with what its configuration says.
func taskIn(dir, says string, ran *int, fail error) *Task {
	st := store.NewLocal(nil)
	return &Task{
		Program: "curate test", Store: st, Dir: dir, Spec: stage.Spec{Name: "think", Version: 1, Config: map[string]string{"says": says}},
		Inputs: map[string]string{"corpus": "abc"}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
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
	if err := os.WriteFile(filepath.Join(dir, "thought", "old"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	two.Restart = true
	do(two, false)
	says("two")
	if _, err := os.Stat(filepath.Join(dir, "thought", "old")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("what the other task made is still there: %v", err)
	}
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
