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
	"curate/corpus/store/storetest"
	"curate/record"
	"curate/stage"
)

// rankJobs are all kinds of jobs that ranks can share.
func rankJobs() map[string][]stage.Stage {
	jobs := maps.Clone(phaseJobs)
	jobs["map"] = []stage.Stage{sieve{"a"}, sieve{"b"}}
	jobs["map set"] = []stage.Stage{sieve{"a"}, counters{counter{unique{"set"}}}}
	return jobs
}

// rounds lets ranks and FinishRanks do a job until it is whole: another number of ranks each round, in any order, some twice at
// once, some stopped, some left out at first.
func rounds(t *testing.T, what string, rng *rand.Rand, worlds []int, job func() *Job) (res *Result, stopped, refused int) {
	t.Helper()
	for round := 0; ; round++ {
		if round > 200 {
			t.Fatalf("%s: no end", what)
		}
		if round > 0 || rng.IntN(2) == 0 { // else a rank begins it
			res, err := job().FinishRanks(t.Context())
			var unfinished *UnfinishedError
			switch {
			case errors.As(err, &unfinished):
				if refused++; len(unfinished.Files) == 0 || len(unfinished.Files) > unfinished.Of {
					t.Fatalf("%s: %+v", what, unfinished)
				}
			case err != nil:
				t.Fatalf("%s: %v", what, err)
			case res != nil:
				return res, stopped, refused
			}
		}
		world := worlds[rng.IntN(len(worlds))]
		var twice sync.WaitGroup
		for _, rank := range rng.Perm(world) {
			if rng.IntN(8) == 0 {
				continue // later
			}
			if rng.IntN(3) == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(4000))*time.Microsecond)
				if _, err := job().RunRank(ctx, rank, world); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%s: %v", what, err)
				} else if err != nil {
					stopped++
				}
				cancel()
			}
			for range 1 + rng.IntN(2) {
				j := job()
				twice.Go(func() {
					if _, err := j.RunRank(t.Context(), rank, world); err != nil {
						t.Errorf("%s, rank %d of %d: %v", what, rank, world, err)
					}
				})
			}
		}
		twice.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestRanks does jobs of all kinds by ranks: the directory is that of Job.Run, to the byte.
func TestRanks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	_, names := inputs(t, rand.New(rand.NewPCG(seed, 1)), 5, 60)
	jobs := rankJobs()
	allStopped, allRefused := 0, 0
	for i, name := range slices.Sorted(maps.Keys(jobs)) {
		stages := jobs[name]
		if strings.Contains(name, "ask") && name != "map ask map" && name != "ask mark reduce ask" && name != "ask" {
			continue // as TestPhases
		}
		if underRace && i%3 != 0 {
			continue
		}
		dir := memoryDir(t)
		// In small splits, lines go through several, and plain files are shared split by split.
		size := []int64{16 << 10, 1500, 1 << 20}[i%3]
		with := func(j *Job) { j.Stages, j.KeepDropped, j.SplitSize = stages, true, size }
		alone, err := newJob(t, names, dir+"/alone", with).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, dir+"/alone")
		worlds := [][]int{{1}, {3}, {16}, {2, 5, 7}}[i%4]
		what := fmt.Sprintf("%s, seed %d, %d ranks", name, seed, worlds)
		out := dir + "/shared"
		job := func() *Job {
			return newJob(t, names, out, with, func(j *Job) {
				j.Workers = 1 + rng.IntN(3)
				if rng.IntN(2) == 0 {
					tight(j)
				}
			})
		}
		res, stopped, refused := rounds(t, what, rng, worlds, job)
		allStopped, allRefused = allStopped+stopped, allRefused+refused
		a, _ := res.Counts.Marshal()
		b, _ := alone.Counts.Marshal()
		if res.Before || string(a) != string(b) {
			t.Errorf("%s: %+v", what, res)
		}
		sameTree(t, what, snapshot(t, out), want)
		if share, err := job().RunRank(t.Context(), 0, 1); err != nil || !share.Finished {
			t.Errorf("%s: a rank behind the end: %+v, %v", what, share, err)
		}
		if again, err := job().FinishRanks(t.Context()); err != nil || again == nil || !again.Before {
			t.Errorf("%s: finished again: %+v, %v", what, again, err)
		}
		if again, err := job().Run(t.Context()); err != nil || !again.Before {
			t.Errorf("%s: without ranks: %+v, %v", what, again, err)
		}
		sameTree(t, what+", again", snapshot(t, out), want)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d jobs, %d ranks stopped, %d times files were missing", len(jobs), allStopped, allRefused)
}

// TestRanksTargets: what a job without a directory's own outputs delivers comes with the end.
func TestRanksTargets(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(1, 1)), 3, 40)
	dir := memoryDir(t)
	run := func(side string, out string) *Job {
		return newJob(t, names, out, func(j *Job) {
			j.Stages, j.Ledger = []stage.Stage{unique{"dedup"}, sieve{"a"}}, dir+"/"+side+"/ledger.json"
			j.Dropped, j.Quarantine = target(t, dir+"/"+side+"/dropped.jsonl.gz"), target(t, dir+"/"+side+"/quarantine")
		})
	}
	if _, err := run("alone", dir+"/out1").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	rounds(t, "targets", rand.New(rand.NewPCG(2, 2)), []int{2}, func() *Job { return run("shared", dir+"/out2") })
	sameTree(t, "directory", snapshot(t, dir+"/out2"), snapshot(t, dir+"/out1"))
	sameTree(t, "beside it", snapshot(t, dir+"/shared"), snapshot(t, dir+"/alone"))
}

// TestRanksLost: a part or a file of a phase that is lost between is told, and made again.
func TestRanksLost(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(6, 20)), 3, 40)
	dir := memoryDir(t)
	stages := []stage.Stage{sieve{"a"}, unique{"dedup"}, sieve{"b"}}
	with := func(j *Job) { j.Stages = stages }
	if _, err := newJob(t, names, dir+"/whole", with).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, dir+"/whole")
	for i, hurt := range []string{
		"part-00002-00000.jsonl.zst", "_curate/phase1/sealed-00002-00000", "_curate/phase1/copy-00002-00000.jsonl.zst",
		"_curate/phase1/file-00002", "_curate/phase2/file-00002",
	} {
		out := fmt.Sprintf("%s/%d", dir, i)
		job := func() *Job { return newJob(t, names, out, with) }
		rank := func() {
			if _, err := job().RunRank(t.Context(), 0, 1); err != nil {
				t.Fatal(err)
			}
		}
		rank()
		if strings.Contains(hurt, "phase1") {
			if err := os.Remove(filepath.Join(out, hurt)); err != nil {
				t.Fatal(err)
			}
			var unfinished *UnfinishedError
			if _, err := job().FinishRanks(t.Context()); !errors.As(err, &unfinished) || len(unfinished.Files) != 1 || unfinished.Files[0].Number != 2 || unfinished.Phase != 1 {
				t.Fatalf("%s: %v", hurt, err)
			}
			rank()
		}
		if res, err := job().FinishRanks(t.Context()); res != nil || err != nil {
			t.Fatalf("%s: %+v, %v", hurt, res, err)
		}
		rank()
		if !strings.Contains(hurt, "phase1") {
			if err := os.Remove(filepath.Join(out, hurt)); err != nil {
				t.Fatal(err)
			}
			var unfinished *UnfinishedError
			if _, err := job().FinishRanks(t.Context()); !errors.As(err, &unfinished) || len(unfinished.Files) != 1 || unfinished.Files[0].Number != 2 || unfinished.Phase != 2 {
				t.Fatalf("%s: %v", hurt, err)
			}
			rank()
		}
		if res, err := job().FinishRanks(t.Context()); res == nil || err != nil {
			t.Fatalf("%s: %+v, %v", hurt, res, err)
		}
		sameTree(t, hurt, snapshot(t, out), want)
	}
}

// TestRanksFaults lets operations of ranks and of the steps between fail in turn: repeated, they make the undisturbed bytes.
func TestRanksFaults(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(9, 22)), 2, 20)
	stages := []stage.Stage{sieve{"a"}, unique{"dedup"}, sieve{"b"}}
	job := func(out string, st store.Store) *Job {
		return newJob(t, names, out, func(j *Job) {
			j.Stages, j.Store, j.SplitSize, j.ChunkSize, j.Workers = stages, st, 9000, smallChunk, 1
			tight(j)
		})
	}
	// all does everything once, and stops at an error.
	all := func(out string, st store.Store) error {
		for range 6 {
			res, err := job(out, st).FinishRanks(t.Context())
			if err != nil || res != nil {
				return err
			}
			for rank := range 2 {
				if _, err := job(out, st).RunRank(t.Context(), rank, 2); err != nil {
					return err
				}
			}
		}
		return errors.New("no end")
	}
	base := memoryDir(t)
	if _, err := job(base+"/alone", store.NewLocal(nil)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, base+"/alone")
	counter := storetest.NewFaulty(nil, 0, storetest.IO)
	if err := all(base+"/out", store.NewLocal(counter)); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "undisturbed", snapshot(t, base+"/out"), want)
	cases := 0
	for nth := 1; nth <= counter.Ops(); nth += max(3, faultStride) {
		out := memoryDir(t) + "/out"
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		disk.Sticky = true
		err := all(out, store.NewLocal(disk))
		if !disk.Fired() {
			continue
		}
		cases++
		what := fmt.Sprintf("operation %d (%s)", nth, disk.Hit())
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		// Ranks first: what one of them was at is done again whoever comes next.
		for rank := range 2 {
			if _, err := job(out, store.NewLocal(nil)).RunRank(t.Context(), rank, 2); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if err := all(out, store.NewLocal(nil)); err != nil {
			t.Fatalf("%s: repeated: %v", what, err)
		}
		sameTree(t, what, snapshot(t, out), want)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d faults at %d operations", cases, counter.Ops())
}

// TestRanksBegin: what a directory of ranks does not accept, and what such a directory refuses.
func TestRanksBegin(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(3, 3)), 3, 40)
	dir := memoryDir(t)
	refused := func(what string, err error, says string) {
		t.Helper()
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	out := dir + "/ranks"
	if _, err := newJob(t, names, out).RunRank(t.Context(), 1, 3); err != nil {
		t.Fatal(err)
	}
	_, err := newJob(t, names, out).Run(t.Context())
	refused("alone in a directory of ranks", err, "was begun by ranks")
	other := func(j *Job) { j.Stages = []stage.Stage{sieve{"c"}} }
	_, err = newJob(t, names, out, other).RunRank(t.Context(), 0, 3)
	refused("a rank of another job", err, "stages.0.config.salt was \"a\", is \"c\"")
	_, err = newJob(t, names, out, other).FinishRanks(t.Context())
	refused("the end of another job", err, "stages.0.config.salt was \"a\", is \"c\"")
	_, err = newJob(t, names[:2], out).RunRank(t.Context(), 0, 3)
	refused("a rank with other inputs", err, "is gone")
	_, err = newJob(t, names, out, func(j *Job) { j.Program = "another" }).RunRank(t.Context(), 0, 3)
	refused("a rank of another version", err, "all of a run must be one version")

	// Bounds of records that the first one had from its memory are those of all.
	res, err := newJob(t, names, out, func(j *Job) { j.MaxRecord = 0 }).FinishRanks(t.Context())
	var unfinished *UnfinishedError
	if !errors.As(err, &unfinished) || len(unfinished.Files) != 2 || !strings.Contains(err.Error(), "the first of these is that of --rank 0 --world-size 3") {
		t.Errorf("%+v, %v", res, err)
	}

	// Begun anew as another job, by the one process that may.
	if res, err := newJob(t, names, out, other, func(j *Job) { j.Restart = true }).FinishRanks(t.Context()); res != nil || err != nil {
		t.Fatal(res, err)
	}
	for name := range snapshot(t, out) {
		switch filepath.Base(name) {
		case manifestFile, configFile, attemptFile:
		default:
			t.Errorf("the new attempt has %s", name)
		}
	}
	_, err = newJob(t, names, out).RunRank(t.Context(), 0, 3)
	refused("a rank of the old attempt", err, "is \"a\"")
	rounds(t, "begun anew", rand.New(rand.NewPCG(4, 4)), []int{3}, func() *Job { return newJob(t, names, out, other) })
	if _, err := newJob(t, names, dir+"/alone", other).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "begun anew", snapshot(t, out), snapshot(t, dir+"/alone"))

	// A directory that a command alone has begun.
	plain := dir + "/plain"
	if _, err := newJob(t, names, plain, func(j *Job) { j.Stages = []stage.Stage{failing{sieve{"a"}}} }).Run(t.Context()); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	_, err = newJob(t, names, plain, func(j *Job) { j.Stages = []stage.Stage{sieve{"a"}} }).RunRank(t.Context(), 0, 3)
	refused("a rank where one was alone", err, "was begun by a command without ranks")

	// One that curate dedup start has begun.
	started := dir + "/started"
	if _, err := newJob(t, names, started).StartShared(t.Context(), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	_, err = newJob(t, names, started).RunRank(t.Context(), 0, 3)
	refused("a rank in steps of their own", err, "was begun by curate dedup start")

	_, err = newJob(t, []string{"-"}, dir+"/stream").RunRank(t.Context(), 0, 1)
	refused("a stream", err, "cannot share a stream")
	_, err = newJob(t, names, "-").FinishRanks(t.Context())
	refused("standard output", err, "-o DIR")
}

// lateStore lets something happen behind the first look at the attempt.
type lateStore struct {
	*store.Local
	happens func()
}

func (s *lateStore) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	r, err := s.Local.Open(ctx, name, offset)
	if filepath.Base(name) == attemptFile && s.happens != nil {
		happens := s.happens
		s.happens = nil
		happens()
	}
	return r, err
}

// TestRanksBegunMeanwhile: a directory that another has begun between a rank's looks at it is one of ranks, and not of a command
// without.
func TestRanksBegunMeanwhile(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(3, 3)), 3, 40)
	dir := memoryDir(t)
	for _, name := range []string{"rank", "finish"} {
		out := dir + "/" + name
		begun := false
		j := newJob(t, names, out)
		j.Store = &lateStore{store.NewLocal(nil), func() {
			_, err := newJob(t, names, out).RunRank(t.Context(), 0, 3)
			begun = err == nil
		}}
		var err error
		if name == "rank" {
			_, err = j.RunRank(t.Context(), 1, 3)
		} else {
			_, err = j.FinishRanks(t.Context())
		}
		if unfinished := new(UnfinishedError); err != nil && !errors.As(err, &unfinished) || !begun {
			t.Errorf("%s: begun %v, %v", name, begun, err)
		}
	}
}

// TestRanksTwoBounds: two ranks begin a directory at the same time, and their memory gives them other bounds of records. The one
// whose configuration is there in the end counts, and nothing of the other gets into the result.
func TestRanksTwoBounds(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(3, 3)), 3, 200)
	dir := memoryDir(t)
	with := func(max int) option { return func(j *Job) { j.MaxRecord = max } }
	out := dir + "/out"
	small, large := newJob(t, names, out, with(2500)), newJob(t, names, out, with(3000))
	// The first has begun, and done a file, when the second writes its configuration, which it had settled before.
	_, now, manifest, err := large.dir().compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := small.RunRank(t.Context(), 0, 3); err != nil {
		t.Fatal(err)
	}
	late, err := newJob(t, names, out, with(2500)).join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := large.dir().beginRanks(t.Context(), now, manifest, false); err != nil {
		t.Fatal(err)
	}
	// As if the attempt had been named by the first.
	if err := large.dir().nameAttempt(t.Context(), late.identity); err != nil {
		t.Fatal(err)
	}
	job := func() *Job { return newJob(t, names, out, with(0)) }
	if _, err := job().RunRank(t.Context(), 1, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Pass(t.Context(), 1, late.Files(2, 3), nil); err == nil || !strings.Contains(err.Error(), "was started anew") {
		t.Errorf("a rank of the attempt that lost: %v", err)
	}
	if _, err := job().RunRank(t.Context(), 2, 3); err != nil {
		t.Fatal(err)
	}
	var unfinished *UnfinishedError
	if _, err := job().FinishRanks(t.Context()); !errors.As(err, &unfinished) || len(unfinished.Files) != 1 || unfinished.Files[0].Number != 1 {
		t.Fatalf("a file of the attempt that lost: %v", err)
	}
	if _, err := job().RunRank(t.Context(), 0, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := job().FinishRanks(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := newJob(t, names, dir+"/alone", with(3000)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "two bounds", snapshot(t, out), snapshot(t, dir+"/alone"))
}

// TestRanksParquet: row groups are shared, too; a row that is too long is quarantined, and no row has a line.
func TestRanksParquet(t *testing.T) {
	dir := memoryDir(t)
	names := []string{"../corpus/parquet/testdata/polars-snappy-groups.parquet", "../corpus/parquet/testdata/polars-zstd.parquet"}
	job := func(out string) *Job {
		return newJob(t, names, dir+"/"+out, func(j *Job) { j.Stages, j.SplitSize, j.MaxRecord = nil, 5000, 300 })
	}
	res, err := job("alone").Run(t.Context())
	if err != nil || res.Counts.Quarantined == 0 || res.Counts.Kept == 0 {
		t.Fatal(res, err)
	}
	s, err := job("look").join(t.Context())
	if err != nil || len(s.unitsOf(s.job.Manifest.Files[0])) < 3 {
		t.Fatalf("%d splits, %v", len(s.units()), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rounds(t, "row groups", rand.New(rand.NewPCG(5, 5)), []int{3, 16}, func() *Job { return job("out") })
	sameTree(t, "row groups", snapshot(t, dir+"/out"), snapshot(t, dir+"/alone"))
}

// quarantinedLine is the line of a quarantine about a record.
func quarantinedLine(file, raw string, offset, line int64) []byte {
	var b record.Batch
	r := b.Append(record.MakeID(1, offset), line, []byte(raw))
	r.QuarantineFor(errors.New(`an error, "line":7`))
	return appendQuarantined(nil, file, r)
}

func FuzzRenumber(f *testing.F) {
	f.Add("in.jsonl", "{", int64(5), int64(3), int64(100))
	f.Add(`a\",",line":1 "`, `","line":12,`, int64(0), int64(0), int64(9))
	f.Fuzz(func(t *testing.T, file, raw string, offset, line, before int64) {
		offset, line, before = offset&(1<<39-1), line&(1<<40-1), before&(1<<40-1)
		got, err := appendRenumbered(nil, quarantinedLine(file, raw, offset, line), before)
		if line > 0 {
			line += before
		}
		if want := quarantinedLine(file, raw, offset, line); err != nil || string(got) != string(want) {
			t.Errorf("%q, want %q, %v", got, want, err)
		}
		_, _ = appendRenumbered(nil, []byte(file+raw), before) // whatever it is, it does no harm
		_, _ = appendRenumbered(nil, []byte(`{"file":"`+file+raw), before)
	})
}
