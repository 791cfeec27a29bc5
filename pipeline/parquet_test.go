package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"curate/corpus"
	"curate/corpus/parquet"
	"curate/corpus/store"
	"curate/corpus/store/storetest"
)

// asRows is the Parquet file that lines must become.
func asRows(t testing.TB, lines string) string {
	t.Helper()
	var b bytes.Buffer
	r := parquet.NewRecords(&b)
	if _, err := r.Write([]byte(lines)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parquetParts(j *Job) { j.Out.Format = corpus.Format{Parquet: true} }

// TestParquet: whatever the workers, memory and chunks, each part has the bytes that the lines of the part have as
// Parquet, and so have files. Job.Out, Dropped and Quarantine may all be Parquet, with phases and without.
func TestParquet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	_, names := inputs(t, rand.New(rand.NewPCG(seed, 31)), 4, underRaceTo(60, 200))
	for _, name := range []string{"", "map reduce map", "reduce ask reduce"} {
		with := func(j *Job) {
			if name != "" {
				j.Stages = phaseJobs[name]
			}
		}
		dir := memoryDir(t)
		read := func(name string) string {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if _, err := newJob(t, names, dir+"/out.jsonl", with, func(j *Job) {
			j.Dropped, j.Quarantine = target(t, dir+"/d.jsonl"), target(t, dir+"/q.jsonl")
		}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := newJob(t, names, dir+"/lines", with).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		lines := snapshot(t, dir+"/lines")
		for i, opt := range []struct {
			workers, chunk int
			memory         int64
		}{{2, 0, 1 << 30}, {1, 0, 240 * MiB}, {7, 777, 512 * MiB}, {1, 1, 256 * MiB}} {
			what := fmt.Sprintf("%s, -j %d, chunks of %d", name, opt.workers, opt.chunk)
			options := func(j *Job) {
				with(j)
				j.Workers, j.ChunkSize, j.Memory = opt.workers, opt.chunk, opt.memory
				j.Dropped, j.Quarantine = target(t, dir+"/d.parquet"), target(t, dir+"/q.pq")
			}
			others := func(what string) {
				t.Helper()
				for rows, lines := range map[string]string{"d.parquet": "d.jsonl", "q.pq": "q.jsonl"} {
					if read(rows) != asRows(t, read(lines)) {
						t.Errorf("%s: %s are not the lines of %s", what, rows, lines)
					}
					os.Remove(filepath.Join(dir, rows))
				}
			}
			if _, err := newJob(t, names, dir+"/out.parquet", options).Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if read("out.parquet") != asRows(t, read("out.jsonl")) {
				t.Errorf("%s: -o FILE.parquet differs", what)
			}
			others(what)
			out := fmt.Sprintf("%s/rows%d", dir, i)
			if _, err := newJob(t, names, out, options, parquetParts).Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			others(what + ", in parts")
			tree := snapshot(t, out)
			parts := 0
			for n, b := range lines {
				if stem, is := strings.CutSuffix(n, ".jsonl.zst"); is && !strings.Contains(n, "/") {
					if parts++; tree[stem+".parquet"] != asRows(t, unzstd(t, b)) {
						t.Errorf("%s: %s differs", what, stem)
					}
					delete(tree, stem+".parquet")
				}
			}
			for n := range tree {
				if !strings.HasPrefix(n, "_curate/") {
					t.Errorf("%s: %s should not be there", what, n)
				}
			}
			if parts < 4 {
				t.Fatalf("%d parts", parts)
			}
			checkDigests(t, out)
			res, err := newJob(t, names, out, options, parquetParts).Run(t.Context())
			if err != nil || !res.Before {
				t.Fatalf("%s: a finished directory: %+v, %v", what, res, err)
			}
			others(what + ", delivered again")
		}
	}
}

// checkDigests compares what the journal says of Parquet parts with their bytes.
func checkDigests(t *testing.T, out string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(out, "_curate", journalFile))
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := readFrames[Entry](raw)
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		p := e.Parts["out"]
		b, err := os.ReadFile(filepath.Join(out, p.Name))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) != p.Size || fmt.Sprintf("%016x", xxhash.Sum64(b)) != p.XXH64 {
			t.Errorf("%s: the journal has other bytes in mind", p.Name)
		}
	}
}

// TestResumeParquet: runs that were stopped at random moments, or whose disk failed, come to the same bytes.
func TestResumeParquet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 32))
	_, names := inputs(t, rng, 5, underRaceTo(500, 1500))
	dir := memoryDir(t)
	start := time.Now()
	if _, err := newJob(t, names, dir+"/whole", parquetParts).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	want := snapshot(t, dir+"/whole")
	for round := range underRaceTo(1, 3) {
		out := fmt.Sprintf("%s/%d", dir, round)
		stops := 0
		for {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
			_, err := newJob(t, names, out, parquetParts, func(j *Job) {
				j.Workers, j.Memory, j.ChunkSize = []int{1, 2, 7}[rng.IntN(3)], 1<<30, 500+rng.IntN(20_000)
			}).Run(ctx)
			timer.Stop()
			cancel(nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			if stops++; stops > 500 {
				t.Fatal("no progress")
			}
		}
		t.Logf("round %d: %d stops", round, stops)
		sameTree(t, fmt.Sprintf("round %d, after %d stops", round, stops), snapshot(t, out), want)
	}

	_, names = inputs(t, rng, 2, 40)
	small := func(s store.Store) option {
		return func(j *Job) {
			parquetParts(j)
			j.Store, j.SplitSize, j.ChunkSize, j.Workers = s, 9000, smallChunk, 1
			j.Dropped = target(t, filepath.Join(filepath.Dir(j.Out.Path), "dropped.parquet"))
		}
	}
	counter := storetest.NewFaulty(nil, 0, storetest.IO)
	base := memoryDir(t)
	if _, err := newJob(t, names, base+"/out", small(store.NewLocal(counter))).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = snapshot(t, base)
	for nth := 1; nth <= counter.Ops(); nth += faultStride {
		dir := memoryDir(t)
		disk := storetest.NewFaulty(nil, nth, []storetest.Fault{storetest.NoSpace, storetest.IO}[nth%2])
		_, err := newJob(t, names, dir+"/out", small(store.NewLocal(disk))).Run(t.Context())
		what := fmt.Sprintf("operation %d (%s)", nth, disk.Hit())
		if !disk.Fired() {
			continue
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		wholeOrAbsent(t, what, dir, want)
		if _, err := newJob(t, names, dir+"/out", small(store.NewLocal(nil))).Run(t.Context()); err != nil {
			t.Errorf("%s: the repeated command: %v", what, err)
			continue
		}
		sameTree(t, what+", repeated", snapshot(t, dir), want)
		if t.Failed() {
			return
		}
	}
}

// TestParquetRefused: what cannot be meant.
func TestParquetRefused(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(33, 33)), 1, 20)
	for _, c := range []struct {
		out  string
		opt  option
		want string
	}{
		{"-", parquetParts, "Parquet is not written to standard output"},
		{t.TempDir(), func(j *Job) { parquetParts(j); j.Memory, j.Workers = 128*MiB, 1 }, "--memory 128 MiB is too little for -j 1 and Parquet as output: 48 MiB for each that is written at a time: at least 144 MiB"},
		{filepath.Join(t.TempDir(), "x.parquet"), func(j *Job) { j.Memory, j.Workers = 128*MiB, 2 }, "at least 176 MiB"},
	} {
		_, err := newJob(t, names, c.out, c.opt).Run(t.Context())
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.out, err, c.want)
		}
	}
	if least := LeastMemory(1, Target{Path: "d", Format: corpus.Format{Parquet: true}}, Target{}, Target{}); least != 144*MiB {
		t.Errorf("least memory %d", least)
	}
	if !slices.Contains(corpus.Formats(), "parquet") {
		t.Error(corpus.Formats())
	}
}
