package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/stage"
)

// finder is unique with findings.
type finder struct{ unique }

func (f finder) Spec() stage.Spec {
	s := f.unique.Spec()
	s.Findings = []string{"found.json", "rows.jsonl.zst"}
	return s
}

func (f finder) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	err := w.Make(ctx, stage.FindingsDir+"rows.jsonl.zst", func(dst io.Writer) error {
		for _, row := range []string{`{"row":`, "1}\n{\"ro", "w\":2}\n"} { // lines in pieces
			if _, err := io.WriteString(dst, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = w.Make(ctx, stage.FindingsDir+"found.json", func(dst io.Writer) error {
			_, err := io.WriteString(dst, "{\"rows\":2}\n")
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	w.Tell(true, "two rows are found")
	return f.unique.Finish(ctx, sealed, w)
}

// TestFindings: what a stage finds out is in the directory whatever went wrong before, is made again where it is gone,
// comes to the path that was asked for in its format, and goes with a run that has no directory.
func TestFindings(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(5, 24)), 2, 30)
	const rows = "{\"row\":1}\n{\"row\":2}\n"
	with := func(s store.Store, wanted ...Finding) option {
		return func(j *Job) {
			j.Stages, j.Store, j.Workers, j.Findings = []stage.Stage{finder{unique{"f"}}}, s, 1, wanted
		}
	}
	wanted := func(path string) Finding {
		to, err := ParseTarget(path, corpus.DefaultFormat)
		if err != nil {
			t.Fatal(err)
		}
		return Finding{Names: []string{"rows.jsonl.zst"}, Flag: "--rows", To: to}
	}
	read := func(name string) string {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		kind := compress.None
		if strings.HasSuffix(name, ".zst") {
			kind = compress.Zstd
		}
		r, err := compress.NewReader(f, kind, compress.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ops := storetest.NewFaulty(nil, 0, storetest.IO)
	whole := filepath.Join(memoryDir(t), "out")
	if _, err := newJob(t, names, whole, with(store.NewLocal(ops))).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, whole)
	lies := filepath.Join(whole, corpus.Dir, "rows.jsonl.zst")
	if got := read(lies); got != rows {
		t.Fatalf("rows %q", got)
	}
	for nth := 1; nth <= ops.Ops(); nth += 1 + nth/40 {
		out := filepath.Join(memoryDir(t), "out")
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		disk.Sticky = true
		if _, err := newJob(t, names, out, with(store.NewLocal(disk))).Run(t.Context()); disk.Fired() && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("operation %d: %v", nth, err)
		}
		if _, err := newJob(t, names, out, with(store.NewLocal(nil))).Run(t.Context()); err != nil {
			t.Fatalf("operation %d: the repeated command: %v", nth, err)
		}
		sameTree(t, fmt.Sprintf("operation %d", nth), snapshot(t, out), want)
	}
	side := t.TempDir()
	for _, name := range []string{"rows.jsonl", "rows.jsonl.zst"} {
		path := filepath.Join(side, name)
		again, err := newJob(t, names, whole, with(store.NewLocal(nil), wanted(path))).Run(t.Context())
		if err != nil || !again.Before || read(path) != rows {
			t.Errorf("a finished directory: %+v, %v, rows %q", again, err, read(path))
		}
	}
	if err := os.Remove(lies); err != nil {
		t.Fatal(err)
	}
	if again, err := newJob(t, names, whole, with(store.NewLocal(nil))).Run(t.Context()); err != nil || again.Before {
		t.Errorf("a directory that has lost a file: %+v, %v", again, err)
	}
	sameTree(t, "made again", snapshot(t, whole), want)

	stream := filepath.Join(side, "stream.jsonl")
	tmp := t.TempDir()
	if _, err := newJob(t, names, "-", with(store.NewLocal(nil), wanted(stream)), func(j *Job) { j.Tmp = tmp }).Run(t.Context()); err != nil || read(stream) != rows {
		t.Errorf("a run without a directory: %v, rows %q", err, read(stream))
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
	var bad *UsageError
	if _, err := newJob(t, names, "-", with(store.NewLocal(nil), wanted(filepath.Join(side, "folder")))).Run(t.Context()); !errors.As(err, &bad) {
		t.Errorf("a folder for a file: %v", err)
	}
	_, err := newJob(t, names, "-", func(j *Job) {
		j.Stages = []stage.Stage{finder{unique{"f"}}, finder{unique{"g"}}}
	}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "two stages of one run make found.json") {
		t.Errorf("two stages with one name: %v", err)
	}
}

// summing is a sieve that says in a file what was counted of it.
type summing struct{ sieve }

func (summing) SummaryFile() string { return "sums.json" }

func (s summing) WriteSummary(w io.Writer, c stage.Counted) error {
	_, err := fmt.Fprintf(w, "{\"read\":%d,\"kept\":%d,\"reasons\":%d}\n", c.Read, c.Kept, len(c.Dropped))
	return err
}

// TestSummarizer: what a stage says of its counts is there when the run is whole, whatever the disk did before, the same for any number of
// workers, and written again where it is gone; two of one run cannot have one name.
func TestSummarizer(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(7, 24)), 2, 60)
	with := func(s store.Store, workers int) option {
		return func(j *Job) {
			j.Stages, j.Store, j.Workers = []stage.Stage{sieve{"a"}, summing{sieve{"s"}}}, s, workers
		}
	}
	ops := storetest.NewFaulty(nil, 0, storetest.IO)
	whole := filepath.Join(memoryDir(t), "out")
	res, err := newJob(t, names, whole, with(store.NewLocal(ops), 2)).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := res.Counts.Stages[len(res.Counts.Stages)-1]
	lies := filepath.Join(whole, corpus.Dir, "sums.json")
	want := fmt.Sprintf("{\"read\":%d,\"kept\":%d,\"reasons\":%d}\n", last.Read, last.Kept, len(last.Dropped))
	if got, err := os.ReadFile(lies); err != nil || string(got) != want || last.Read == last.Kept {
		t.Fatalf("%q %v, want %q", got, err, want)
	}
	for nth := 1; nth <= ops.Ops(); nth += 1 + nth/10 {
		out := filepath.Join(memoryDir(t), "out")
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		disk.Sticky = true
		_, failed := newJob(t, names, out, with(store.NewLocal(disk), 1)).Run(t.Context())
		_, done := os.Stat(filepath.Join(out, corpus.Dir, corpus.Done))
		if got, err := os.ReadFile(filepath.Join(out, corpus.Dir, "sums.json")); done == nil && (err != nil || string(got) != want) {
			t.Fatalf("operation %d (%v): finished, and %q %v", nth, failed, got, err)
		}
		if _, err := newJob(t, names, out, with(store.NewLocal(nil), 1)).Run(t.Context()); err != nil {
			t.Fatalf("operation %d: the repeated command: %v", nth, err)
		}
		sameTree(t, fmt.Sprintf("operation %d", nth), snapshot(t, out), snapshot(t, whole))
	}
	if err := os.Remove(lies); err != nil {
		t.Fatal(err)
	}
	if res, err := newJob(t, names, whole, with(store.NewLocal(nil), 2)).Run(t.Context()); err != nil || !res.Before {
		t.Fatalf("%+v %v", res, err)
	}
	if got, err := os.ReadFile(lies); err != nil || string(got) != want {
		t.Fatalf("made again: %q %v", got, err)
	}
	twice := newJob(t, names, filepath.Join(memoryDir(t), "out"), func(j *Job) { j.Stages = []stage.Stage{summing{sieve{"a"}}, summing{sieve{"b"}}} })
	if _, err := twice.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "sums.json") {
		t.Errorf("two of one name: %v", err)
	}
}
