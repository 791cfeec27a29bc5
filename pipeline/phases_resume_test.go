package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"curate/corpus"
	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/stage"
)

// TestResumePhases stops runs with Reducers at random moments until they have come through.
func TestResumePhases(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 21))
	_, names := inputs(t, rng, 5, underRaceTo(800, 2500))
	for _, name := range []string{"reduce", "map reduce map twice", "map mark reduce", "reduce result", "map ask map", "reduce ask reduce"} {
		with := func(j *Job) { j.Stages = phaseJobs[name] }
		dir := memoryDir(t)
		whole := filepath.Join(dir, "whole")
		start := time.Now()
		if _, err := newJob(t, names, whole, with).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		want := snapshot(t, whole)
		for round := range underRaceTo(1, 3) {
			out := filepath.Join(dir, strconv.Itoa(round))
			stops := 0
			for {
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
				j := newJob(t, names, out, with, func(j *Job) {
					j.Workers, j.Memory, j.ChunkSize = []int{1, 2, 7}[rng.IntN(3)], 1<<30, 500+rng.IntN(20_000)
					if rng.IntN(2) == 0 {
						tight(j)
					}
				})
				_, err := j.Run(ctx)
				timer.Stop()
				cancel(nil)
				if err == nil {
					break
				}
				if !errors.Is(err, errStop) && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if stops++; stops > 500 {
					t.Fatal("no progress")
				}
			}
			t.Logf("%s, round %d: %d stops", name, round, stops)
			sameTree(t, fmt.Sprintf("%s, seed %d, round %d, after %d stops", name, seed, round, stops), snapshot(t, out), want)
		}
	}
}

// TestPhaseFaults lets every write, sync, rename and log entry of a run with Reducers fail in turn.
func TestPhaseFaults(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(9, 22)), 2, 20)
	options := func(s store.Store, stages []stage.Stage) option {
		return func(j *Job) {
			j.Stages, j.Store, j.SplitSize, j.ChunkSize, j.Workers = stages, s, 9000, smallChunk, 1
			j.Dropped = target(t, filepath.Join(filepath.Dir(j.Out.Path), "dropped.jsonl.zst"))
			tight(j)
		}
	}
	for _, name := range []string{"reduce", "map reduce map", "map mark reduce", "result", "map ask"} {
		stages := phaseJobs[name]
		counter := storetest.NewFaulty(nil, 0, storetest.IO)
		base := memoryDir(t)
		if _, err := newJob(t, names, filepath.Join(base, "out"), options(store.NewLocal(counter), stages)).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, base)
		cases := 0
		for nth := 1; nth <= counter.Ops(); nth += faultStride {
			for fault, cause := range map[storetest.Fault]error{storetest.ShortWrite: nil, storetest.NoSpace: syscall.ENOSPC} {
				dir := memoryDir(t)
				out := filepath.Join(dir, "out")
				disk := storetest.NewFaulty(nil, nth, fault)
				disk.Sticky = fault == storetest.NoSpace
				_, err := newJob(t, names, out, options(store.NewLocal(disk), stages)).Run(t.Context())
				what := fmt.Sprintf("%s: operation %d (%s), %v", name, nth, disk.Hit(), fault)
				if !disk.Fired() {
					continue
				}
				cases++
				if err == nil {
					t.Errorf("%s: no error", what)
				} else if cause != nil && !errors.Is(err, cause) {
					t.Errorf("%s: the error hides its cause: %v", what, err)
				}
				if _, err := newJob(t, names, out, options(store.NewLocal(nil), stages)).Run(t.Context()); err != nil {
					t.Fatalf("%s: the repeated command: %v", what, err)
				}
				sameTree(t, what, snapshot(t, dir), want)
				if t.Failed() {
					return
				}
			}
		}
		t.Logf("%s: %d faults", name, cases)
	}
}

// TestGoOnWithoutStream: a run on a stream that was stopped in its last phase goes on from what was spooled.
func TestGoOnWithoutStream(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(4, 20)), 1, 800)
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := memoryDir(t)
	stages := []stage.Stage{unique{"dedup"}, sieve{"a"}}
	run := func(out, stdin string, stages ...stage.Stage) error {
		_, err := newJob(t, []string{"-"}, filepath.Join(dir, out), func(j *Job) {
			j.Stages, j.Stdin, j.Workers = stages, strings.NewReader(stdin), 1
		}).Run(t.Context())
		return err
	}
	if err := run("whole", string(data), stages...); err != nil {
		t.Fatal(err)
	}
	if err := run("out", string(data), unique{"dedup"}, failing{sieve{"a"}}); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	if err := run("out", "this is not read", stages...); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "without the stream", snapshot(t, filepath.Join(dir, "out")), snapshot(t, filepath.Join(dir, "whole")))

	// One that was stopped in the first phase cannot.
	if err := run("early", string(data), failing{sieve{"a"}}, unique{"dedup"}); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	var refused *UsageError
	if err := run("early", string(data), sieve{"a"}, unique{"dedup"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "cannot be read again") {
		t.Errorf("half a stream: %v", err)
	}
}

// failing is a stage that ends the run.
type failing struct{ sieve }

func (f failing) NewWorker() stage.Worker { return f }

// changing is a Reducer during whose Finish something happens.
type changing struct {
	unique
	change func()
}

func (c changing) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	m, err := c.unique.Finish(ctx, sealed, w)
	c.change()
	return m, err
}

// TestChangedBetween: an input that grows or shrinks between two phases is an error, and nothing of it is written.
func TestChangedBetween(t *testing.T) {
	for _, tail := range []string{`{"text":"half`, "null\n", `{"a":[\"]}` + "\n", "{\"text\":\"a\"}\n", ""} {
		dir := memoryDir(t)
		name := filepath.Join(dir, "in.jsonl")
		whole := "{\"text\":\"aa bb\"}\n{\"text\":\"bb\"}\n"
		if err := os.WriteFile(name, []byte(whole), 0o666); err != nil {
			t.Fatal(err)
		}
		change := func() {
			now := whole + tail
			if tail == "" {
				now = whole[:20]
			}
			if err := os.WriteFile(name, []byte(now), 0o666); err != nil {
				t.Error(err)
			}
		}
		var out bytes.Buffer
		_, err := newJob(t, []string{name}, "", func(j *Job) {
			j.Stdout, j.Stages = &out, []stage.Stage{changing{unique{"dedup"}, change}, sieve{"a"}}
		}).Run(t.Context())
		if !errors.Is(err, corpus.ErrChanged) || out.Len() > 0 {
			t.Errorf("with %q behind it: %v, wrote %q", tail, err, out.String())
		}
	}
}

// TestLostBetween: files of the phases that are lost or cut while a run was stopped are made again.
func TestLostBetween(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(6, 20)), 3, 400)
	dir := memoryDir(t)
	stages := []stage.Stage{unique{"dedup"}, sieve{"b"}}
	with := func(out string, stages []stage.Stage) error {
		_, err := newJob(t, names, filepath.Join(dir, out), func(j *Job) { j.Stages = stages }).Run(t.Context())
		return err
	}
	if err := with("whole", stages); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, filepath.Join(dir, "whole"))
	for i, hurt := range []func(phase string) error{
		func(p string) error { return os.Remove(p + "/decisions") },
		func(p string) error { return os.Truncate(p+"/decisions", 3) },
		func(p string) error { return os.Remove(p + "/steps") },
		func(p string) error { return os.Truncate(p+"/steps", 20) },
		func(p string) error { return os.Remove(p + "/sealed-00001-00000") },
		func(p string) error { return os.Truncate(p+"/sealed-00002-00001", 5) },
		func(p string) error { return os.Remove(p + "/journal") },
		func(p string) error { return os.Remove(p + "/../manifest.json") },
	} {
		out := fmt.Sprint("out", i)
		if err := with(out, []stage.Stage{unique{"dedup"}, failing{sieve{"b"}}}); !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		if err := hurt(filepath.Join(dir, out, "_curate", "phase1")); err != nil {
			t.Fatal(err)
		}
		if err := with(out, stages); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		sameTree(t, fmt.Sprintf("case %d", i), snapshot(t, filepath.Join(dir, out)), want)
	}
}

// TestHurtAfterwards: a finished directory that has lost something is made whole again.
func TestHurtAfterwards(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(7, 20)), 2, 300)
	dir := memoryDir(t)
	for _, name := range []string{"reduce", "result", "map ask"} {
		out := filepath.Join(dir, name)
		run := func() (*Result, error) {
			return newJob(t, names, out, func(j *Job) { j.Stages = phaseJobs[name] }).Run(t.Context())
		}
		if _, err := run(); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, out)
		for _, hurt := range []func() error{
			func() error { return os.RemoveAll(out + "/_curate/quarantine") },
			func() error { return os.RemoveAll(out + "/_curate/phase1") },
			func() error { return os.Remove(out + "/_curate/ledger.json") },
			func() error {
				if name == "result" {
					return os.Truncate(out+"/counts.jsonl", 0)
				}
				return os.Remove(out + "/part-00001-00000.jsonl.zst")
			},
		} {
			if err := hurt(); err != nil {
				t.Fatal(err)
			}
			res, err := run()
			if err != nil || res.Before {
				t.Errorf("%s: %+v, %v", name, res, err)
			}
			sameTree(t, name, snapshot(t, out), want)
		}
	}
	// Begun anew as something else, nothing of it is left.
	if _, err := newJob(t, names, dir+"/result", func(j *Job) { j.Stages, j.Restart = phaseJobs["reduce"], true }).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "begun anew", snapshot(t, dir+"/result"), snapshot(t, dir+"/reduce"))
}
