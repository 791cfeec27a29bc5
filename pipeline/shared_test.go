package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/stage"
)

// TestShared does jobs of several phases by ranks, step by step, in any order, some of them twice at once, some stopped: what
// is there in the end is what Job.Run makes.
func TestShared(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	_, names := inputs(t, rand.New(rand.NewPCG(seed, 1)), 5, 60)
	jobs, stopped := 0, 0
	for _, name := range slices.Sorted(maps.Keys(phaseJobs)) {
		stages := phaseJobs[name]
		switch name {
		case "map ask map", "map reduce map twice", "mark reduce map", "reduce":
		default: // TestRanks has all
			continue
		}
		jobs++
		dir := memoryDir(t)
		with := func(j *Job) { j.Stages, j.KeepDropped, j.Now = stages, true, time.Now }
		if _, err := newJob(t, names, dir+"/alone", with).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, dir+"/alone")
		for _, world := range [][]int{{1}, {3}, {7}, {2, 5}}[jobs%4] {
			what := fmt.Sprintf("%s, seed %d, %d ranks", name, seed, world)
			out := fmt.Sprintf("%s/shared-%d", dir, world)
			job := func() *Job {
				return newJob(t, names, out, with, func(j *Job) {
					j.Workers = 1 + rng.IntN(3)
					if rng.IntN(2) == 0 {
						tight(j)
					}
				})
			}
			if before, err := job().StartShared(t.Context(), []byte("{}\n")); err != nil || before {
				t.Fatalf("%s: %v, %v", what, before, err)
			}
			if before, err := job().StartShared(t.Context(), []byte("{}\n")); err != nil || !before {
				t.Fatalf("%s: %v, %v", what, before, err)
			}
			open := func() *Shared {
				s, err := job().OpenShared(t.Context(), []byte("{}\n"))
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				return s
			}
			var apply stage.Mapper
			one := open()
			for n := 1; n <= one.Phases(); n++ {
				var twice sync.WaitGroup
				for _, rank := range rng.Perm(world) {
					if rng.IntN(3) == 0 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(3000))*time.Microsecond)
						s := open()
						if _, err := s.Pass(ctx, n, s.Files(rank, world), apply); err != nil && !errors.Is(err, context.DeadlineExceeded) {
							t.Fatalf("%s, phase %d: %v", what, n, err)
						} else if err != nil {
							stopped++
						}
						cancel()
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
					}
					for range 1 + rng.IntN(2) {
						s := open()
						twice.Go(func() {
							if _, err := s.Pass(t.Context(), n, s.Files(rank, world), apply); err != nil {
								t.Errorf("%s, phase %d, rank %d: %v", what, n, rank, err)
							}
							if err := s.Close(); err != nil {
								t.Error(err)
							}
						})
					}
				}
				twice.Wait()
				if missing, err := one.Missing(t.Context(), n, one.Files(0, 1)); len(missing) > 0 || err != nil || t.Failed() {
					t.Fatalf("%s: phase %d misses %v, %v", what, n, missing, err)
				}
				apply = nil
				if red := one.phs[n-1].reducer; red != nil {
					var sealed []stage.Sealed
					for _, f := range one.Files(0, 1) {
						of, err := one.Sealed(t.Context(), n, f)
						if err != nil {
							t.Fatal(err)
						}
						sealed = append(sealed, of...)
					}
					ws, err := one.Scratch(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if apply, err = red.Finish(t.Context(), sealed, subfolder{ws, fmt.Sprint(n)}); err != nil {
						t.Fatalf("%s, phase %d: %v", what, n, err)
					}
				}
			}
			if err := one.Close(); err != nil {
				t.Fatal(err)
			}
			last := open()
			if last.Finished(t.Context()) {
				t.Errorf("%s: is finished too early", what)
			}
			res, err := last.Finish(t.Context())
			if err != nil || res.Before {
				t.Fatalf("%s: %+v, %v", what, res, err)
			}
			if err := last.Close(); err != nil {
				t.Fatal(err)
			}
			got := snapshot(t, out)
			delete(got, "_curate/"+ranksFile)
			sameTree(t, what, got, want)
			if again, err := job().Run(t.Context()); err != nil || !again.Before {
				t.Errorf("%s: %+v, %v", what, again, err)
			}
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d jobs, %d ranks stopped", jobs, stopped)
}

// subfolder is a part of a workspace.
type subfolder struct {
	stage.Workspace
	name string
}

func (f subfolder) Make(ctx context.Context, name string, write func(w io.Writer) error) error {
	return f.Workspace.Make(ctx, f.name+"/"+name, write)
}

func (f subfolder) Open(ctx context.Context, name string) (stage.ReaderAt, int64, error) {
	return f.Workspace.Open(ctx, f.name+"/"+name)
}

func (f subfolder) Remove(ctx context.Context, name string) error {
	return f.Workspace.Remove(ctx, f.name+"/"+name)
}

// TestSharedLostPart: a part that is not there as it was written is found before the directory says that it is whole.
func TestSharedLostPart(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(1, 1)), 3, 40)
	out := t.TempDir() + "/out"
	job := newJob(t, names, out)
	if _, err := job.StartShared(t.Context(), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	s, err := job.OpenShared(t.Context(), []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Pass(t.Context(), 1, s.Files(0, 1), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(out, "part-00002-00000.jsonl.zst"), 3); err != nil {
		t.Fatal(err)
	}
	var unfinished *UnfinishedError
	if _, err := s.Finish(t.Context()); !errors.As(err, &unfinished) || len(unfinished.Files) != 1 || unfinished.Files[0].Number != 2 {
		t.Errorf("error %v", err)
	}
	if missing, err := s.Missing(t.Context(), 1, s.Files(0, 1)); err != nil || len(missing) != 1 {
		t.Errorf("the file is not made again: %v, %v", missing, err)
	}
	if s.Finished(t.Context()) {
		t.Error("it says that it is whole")
	}
}

// TestSharedRestart: what a rank was at when the run was started anew gets into neither attempt, and the rank says so.
func TestSharedRestart(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(1, 1)), 3, 40)
	out := t.TempDir() + "/out"
	settings := []byte("{}\n")
	start := func(restart bool) {
		t.Helper()
		job := newJob(t, names, out, func(j *Job) { j.Restart = restart })
		if before, err := job.StartShared(t.Context(), settings); before || err != nil {
			t.Fatal(before, err)
		}
	}
	open := func() *Shared {
		t.Helper()
		s, err := newJob(t, names, out).OpenShared(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), out+": the run was started anew with --restart since this rank began") {
			t.Errorf("%s: error %v", what, err)
		}
	}
	start(false)
	late := open()
	w, err := late.store.Create(t.Context(), out+"/part-00009-00000.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	looked, err := late.store.Create(t.Context(), out+"/part-00008-00000.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	err = late.Workspace().Make(t.Context(), "pairs-000", func(w io.Writer) error {
		start(true)
		_, err := w.Write([]byte("of the old attempt"))
		return err
	})
	refused("a file in the making", err)
	refused("a part in the making", w.Commit())
	// As if the look had come before the restart, and the rename behind it.
	if err := looked.(*fencedWriter).Writer.Commit(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a rename after the look: error %v", err)
	}
	refused("a new file", late.Workspace().Make(t.Context(), "pairs-001", func(io.Writer) error { return nil }))
	_, err = late.Pass(t.Context(), 1, late.Files(0, 1), nil)
	refused("a pass", err)
	for name := range snapshot(t, out) {
		switch filepath.Base(name) {
		case manifestFile, configFile, ranksFile, attemptFile:
		default:
			t.Errorf("the new attempt has %s", name)
		}
	}

	// Whoever opens the run while it is being started anew does not take it for his.
	if _, err := newJob(t, names, out).OpenShared(t.Context(), []byte("other\n")); err == nil || !strings.Contains(err.Error(), "is being started anew") {
		t.Errorf("other settings: error %v", err)
	}

	now := open()
	if _, err := now.Pass(t.Context(), 1, now.Files(0, 1), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := now.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := now.Workspace().Make(t.Context(), "pairs-000", func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(), "was finished") {
		t.Errorf("behind the end: error %v", err)
	}
	want := t.TempDir() + "/alone"
	if _, err := newJob(t, names, want).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := snapshot(t, out)
	delete(got, "_curate/"+ranksFile)
	sameTree(t, "the new attempt", got, snapshot(t, want))
}

// TestOpenFiles reads more files than are open at once, from several goroutines.
func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	st := store.NewLocal(nil)
	o := newOpenFiles(t.Context(), st)
	n := maxOpenFiles + 50
	for i := range n {
		if err := os.WriteFile(fmt.Sprintf("%s/%d", dir, i), fmt.Appendf(nil, "%06d", i), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 2000 {
				i := rng.IntN(n)
				var b [6]byte
				if _, err := (pooledFile{o, fmt.Sprintf("%s/%d", dir, i)}).ReadAt(b[:], 0); err != nil || string(b[:]) != fmt.Sprintf("%06d", i) {
					t.Errorf("file %d: %q, %v", i, b, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(o.files) > maxOpenFiles {
		t.Errorf("%d files are open", len(o.files))
	}
	if err := o.close(); err != nil || len(o.files) > 0 {
		t.Errorf("%d files stay open, %v", len(o.files), err)
	}
	if _, err := (pooledFile{o, dir + "/none"}).ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
