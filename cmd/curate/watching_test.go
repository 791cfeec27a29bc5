package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"curate/report/progress"
)

// A run is watched from before it begins until it is done: it is killed, goes on, and is begun anew meanwhile. No look may fail, and none
// may change anything.
func TestWatchRun(t *testing.T) {
	dir := t.TempDir()
	var text bytes.Buffer
	for i := range 2000 {
		text.WriteString(`{"text":"` + strings.Repeat("word ", i%40+1) + `"}` + "\n")
	}
	for _, name := range []string{"a.jsonl", "b.jsonl"} {
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	w := progress.NewWatcher(storage(), filepath.ToSlash(out), time.Now)
	states := map[progress.State]bool{}
	look := func() *progress.Run {
		r, err := w.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		states[r.State] = true
		time.Sleep(time.Millisecond) // or the run has no processor
		return r
	}
	look()
	args := []string{"dedup", "-q", "-j", "2", "--split-size", "20kB", "-o", out, filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl")}
	begin := func(more ...string) (kill func(), ended chan error) {
		cmd := curate(t, append(args, more...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended = make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return func() { _ = cmd.Process.Kill() }, ended
	}
	kill, ended := begin()
	for killed := false; !killed; {
		select {
		case <-ended:
			killed = true // it was faster
		default:
			if s := look().Steps[0]; s.Splits > 2 {
				kill()
				<-ended
				killed = true
			}
		}
	}
	for _, more := range [][]string{nil, {"--restart"}, nil} {
		_, ended := begin(more...)
		for done := false; !done; {
			look()
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
			}
		}
		if r := look(); r.State != progress.Done || r.Steps[0].Records != 4000 || r.Steps[0].Phases != 3 {
			t.Fatalf("%s, %+v", r.State, r.Steps[0])
		}
	}
	if !states[progress.Absent] || !states[progress.Begun] {
		t.Errorf("seen: %v", states)
	}
	before := tree(t, out)
	if code, said := exitCode(t, curate(t, "run", "--watch", out)); code != 0 || said != "" {
		t.Errorf("exit %d: %s", code, said)
	}
	sameTree(t, "after a look", tree(t, out), before)
}

// A table is drawn over the one before: at its place, without clearing first, and with nothing left of a longer one.
func TestRedraw(t *testing.T) {
	text, n := redraw([]string{"a", "b"}, 0)
	if want := "a\x1b[K\nb\x1b[K\n\x1b[J"; text != want || n != 2 {
		t.Errorf("%q, %d lines", text, n)
	}
	text, n = redraw([]string{"c"}, 2)
	if want := "\x1b[2Fc\x1b[K\n\x1b[J"; text != want || n != 1 {
		t.Errorf("%q, %d lines", text, n)
	}
}
