package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/internal/human"
	"curate/stage"
)

var errStop = errors.New("stopped by the test")

// TestResume stops a run at random moments until it has come through, each time with other workers and
// chunks: the directory is that of an undisturbed run.
func TestResume(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	_, names := inputs(t, rng, 5, underRaceTo(800, 2500))
	whole := filepath.Join(t.TempDir(), "whole")
	start := time.Now()
	if _, err := newJob(t, names, whole).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	want := snapshot(t, whole)
	for round := range underRaceTo(1, 4) {
		out := filepath.Join(t.TempDir(), "out")
		stops := 0
		for {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
			j := newJob(t, names, out, func(j *Job) {
				j.Workers, j.Memory, j.ChunkSize = []int{1, 2, 7}[rng.IntN(3)], 1<<30, 500+rng.IntN(20_000)
			})
			_, err := j.Run(ctx)
			timer.Stop()
			cancel(nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(out, "_curate", "done")); err == nil {
				t.Fatal("a stopped run says done")
			}
			if stops++; stops > 500 {
				t.Fatal("no progress")
			}
		}
		t.Logf("round %d: %d stops", round, stops)
		sameTree(t, fmt.Sprintf("seed %d, round %d, after %d stops", seed, round, stops), snapshot(t, out), want)
		// Once more: nothing to do, the same counts.
		res, err := newJob(t, names, out).Run(t.Context())
		if err != nil || !res.Before {
			t.Fatalf("a finished directory: %+v, %v", res, err)
		}
		b, _ := res.Counts.Marshal()
		if string(b) != want["_curate/ledger.json"] {
			t.Error("a finished directory answers with another ledger")
		}
	}
}

// TestMissingPart: a part that is gone or cut is made again, and what follows it in its file.
func TestMissingPart(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(8, 8)), 3, 800)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := newJob(t, names, out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, out)
	for _, break_ := range []func(){
		func() { os.Remove(filepath.Join(out, "part-00001-00001.jsonl.zst")) },
		func() { os.Truncate(filepath.Join(out, "part-00002-00000.jsonl.zst"), 10) },
	} {
		break_()
		if err := os.Remove(filepath.Join(out, "_curate", "done")); err != nil {
			t.Fatal(err)
		}
		if _, err := newJob(t, names, out).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		sameTree(t, "after a part was lost", snapshot(t, out), want)
	}
}

// TestFaults lets every write, sync, rename and log entry of a run fail in turn, in each way a disk fails:
// a clear error, no half file under a final name, and the repeated command gives the undisturbed bytes.
func TestFaults(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(9, 9)), 3, 40)
	small := func(s store.Store) option {
		return func(j *Job) {
			j.Store, j.SplitSize, j.ChunkSize, j.Workers = s, 9000, smallChunk, 1
			j.Dropped = target(t, filepath.Join(filepath.Dir(j.Out.Path), "dropped.jsonl.zst"))
		}
	}
	counter := storetest.NewFaulty(nil, 0, storetest.IO)
	base := memoryDir(t)
	if _, err := newJob(t, names, filepath.Join(base, "out"), small(store.NewLocal(counter))).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, base)
	faults := map[storetest.Fault]error{storetest.ShortWrite: nil, storetest.NoSpace: syscall.ENOSPC, storetest.IO: syscall.EIO}
	cases, hit := 0, map[string]int{}
	for nth := 1; nth <= counter.Ops(); nth += faultStride {
		for fault, cause := range faults {
			for _, sticky := range []bool{false, true} {
				if sticky && fault != storetest.NoSpace {
					continue // only a full disk stays as it is
				}
				dir := memoryDir(t)
				out := filepath.Join(dir, "out")
				disk := storetest.NewFaulty(nil, nth, fault)
				disk.Sticky = sticky
				_, err := newJob(t, names, out, small(store.NewLocal(disk))).Run(t.Context())
				what := fmt.Sprintf("operation %d (%s), %v, sticky %v", nth, disk.Hit(), fault, sticky)
				if !disk.Fired() {
					// Writers are concurrent, so the number of operations before an end may vary a little.
					continue
				}
				cases++
				op, _, _ := strings.Cut(disk.Hit(), " ")
				hit[op]++
				if err == nil {
					t.Errorf("%s: no error", what)
				} else if cause != nil && !errors.Is(err, cause) {
					t.Errorf("%s: the error hides its cause: %v", what, err)
				}
				wholeOrAbsent(t, what, dir, want)
				if _, err := newJob(t, names, out, small(store.NewLocal(nil))).Run(t.Context()); err != nil {
					t.Errorf("%s: the repeated command: %v", what, err)
					continue
				}
				sameTree(t, what+", repeated", snapshot(t, dir), want)
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d faults at %d operations: %v", cases, counter.Ops(), hit)
	if cases < counter.Ops()/faultStride {
		t.Errorf("only %d faults fired at %d operations", cases, counter.Ops())
	}
}

// memoryDir is a temporary folder in memory where there is such a thing: thousands of real syncs would take
// minutes and show nothing about faults that are made up.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "curate-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// wholeOrAbsent checks that every file under a final name has the bytes of the undisturbed run.
func wholeOrAbsent(t *testing.T, what, dir string, want map[string]string) {
	t.Helper()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return
	}
	for name, got := range snapshot(t, dir) {
		if strings.HasPrefix(filepath.Base(name), ".") {
			continue // a temporary file that could not be removed
		}
		if w, ok := want[name]; !ok || got != w {
			t.Errorf("%s: %s has %d bytes, want %d", what, name, len(got), len(w))
		}
	}
}

// TestRefused: what a directory does not accept, with exit code 2 and the difference.
func TestRefused(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(10, 10)), 2, 50)
	out := filepath.Join(dir, "out")
	if _, err := newJob(t, names, out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.MkdirAll(foreign, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign+"/thesis.tex", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		out  string
		opt  option
		want string
	}{
		{out, func(j *Job) { j.Stages = j.Stages[:1] }, "stages.1.name was \"sieve\", is gone"},
		{out, func(j *Job) { j.SplitSize = 1 << 20 }, "split_size was 16384, is 1048576"},
		{out, func(j *Job) { j.MaxRecord = 4000 }, "max_record was 3000, is 4000"},
		{out, func(j *Job) { j.Dropped = target(t, dir+"/d.jsonl") }, "outputs.dropped is new"},
		{out, func(j *Job) { j.Manifest.Files = j.Manifest.Files[:1] }, "manifest.files.1.path"},
		{foreign, func(*Job) {}, "thesis.tex"},
		{out, func(j *Job) { j.Ledger = names[0] }, "is an input already"},
		{"", func(j *Job) { j.Dropped = target(t, dir+"/folder") }, "is one file"},
		{out, func(j *Job) { j.Memory = 1 << 20 }, "at least 128 MiB"},
		{dir + "/new", func(j *Job) { j.Stages[0] = needing("body") }, `has the field "body"; they have`},
	} {
		_, err := newJob(t, names, c.out, c.opt).Run(t.Context())
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant a usage error with %q", err, c.want)
		}
	}
	// What is not in the identity does not matter.
	for _, opt := range []option{
		func(j *Job) { j.Workers = 1 },
		func(j *Job) { j.Memory = 2 << 30 },
		func(j *Job) { j.MaxRecord = 0 }, // what the first start settled
		func(j *Job) { j.Program = "another version" },
	} {
		if res, err := newJob(t, names, out, opt).Run(t.Context()); err != nil || !res.Before {
			t.Errorf("%+v, %v", res, err)
		}
	}
}

// TestFinishedAgain: a finished directory gives its other outputs again where they are gone, and a command
// that is refused leaves nothing behind.
func TestFinishedAgain(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(13, 13)), 3, 200)
	out, side := filepath.Join(dir, "out"), filepath.Join(dir, "d.jsonl.zst")
	with := func(j *Job) { j.Dropped, j.Ledger = target(t, side), filepath.Join(dir, "ledger.json") }
	if _, err := newJob(t, names, out, with).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, dir)
	for _, name := range []string{side, filepath.Join(dir, "ledger.json")} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := newJob(t, names, out, with).Run(t.Context()); err != nil || !res.Before {
		t.Fatal(res, err)
	}
	sameTree(t, "delivered again", snapshot(t, dir), want)
	fresh := filepath.Join(dir, "fresh")
	if _, err := newJob(t, names, fresh, func(j *Job) { j.Stages[0] = needing("body") }).Run(t.Context()); err == nil {
		t.Fatal("a field that is nowhere was accepted")
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused command left %s behind (%v)", fresh, err)
	}
}

func TestLocked(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(11, 11)), 1, 20)
	for _, c := range []struct{ lock, out string }{
		{dir + "/out/_curate/lock", dir + "/out"},
		{dir + "/.x.jsonl.curate-lock", dir + "/x.jsonl"},
	} {
		l, err := takeLock(c.lock, c.out, quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = newJob(t, names, c.out).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "another curate is writing here (pid ") {
			t.Errorf("%s: %v", c.out, err)
		}
		l.release(false)
		if _, err = newJob(t, names, c.out).Run(t.Context()); err != nil {
			t.Errorf("%s: after the other is gone: %v", c.out, err)
		}
	}
}

func TestAllowance(t *testing.T) {
	for _, c := range []struct {
		text     string
		n, read  int64
		exceeded bool
	}{
		{"0", 0, 10, false}, {"0", 1, 10, true}, {"2", 2, 10, false}, {"2", 3, 10, true},
		{"10%", 1, 10, false}, {"10%", 2, 10, true}, {"0.1%", 1, 1000, false}, {"0.1%", 1, 999, true}, {"0%", 0, 0, false},
	} {
		a, err := ParseAllowance(c.text)
		if err != nil || a.Exceeded(c.n, c.read) != c.exceeded || a.String() != c.text {
			t.Errorf("%s of %d: %d exceeded %v, %v; writes itself %s", c.text, c.read, c.n, a.Exceeded(c.n, c.read), err, a)
		}
	}
	for _, bad := range []string{"", "-1", "x", "101%", "-1%", "%", "NaN%", "1.5"} {
		if _, err := ParseAllowance(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestQuarantine: exit by allowance; outputs are whole all the same; --strict stops at the first.
func TestQuarantine(t *testing.T) {
	dir := t.TempDir()
	in := dir + "/in.jsonl"
	var b strings.Builder
	for i := range 100 {
		if i == 40 || i == 70 {
			b.WriteString("broken\n")
		}
		fmt.Fprintf(&b, "{\"text\":\"%d\"}\n", i)
	}
	if err := os.WriteFile(in, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(out string, opt option) (*Result, error) {
		return newJob(t, []string{in}, out, func(j *Job) { j.Stages, j.MaxQuarantined = nil, Allowance{} }, opt).Run(t.Context())
	}
	for _, out := range []string{dir + "/o.jsonl", dir + "/dir"} {
		res, err := run(out, func(*Job) {})
		var q *QuarantineError
		if !errors.As(err, &q) || q.Quarantined != 2 || res.Counts.Kept != 100 {
			t.Errorf("%s: %v", out, err)
		}
		if _, err := os.Stat(out); err != nil {
			t.Error(err)
		}
	}
	// The answer for a finished directory depends on what is allowed now.
	if res, err := run(dir+"/dir", func(j *Job) { j.MaxQuarantined = Allowance{N: 2} }); err != nil || !res.Before {
		t.Errorf("%v", err)
	}
	var stdout bytes.Buffer
	_, err := run("", func(j *Job) { j.Strict, j.Stdout, j.ChunkSize = true, &stdout, 64 })
	if !errors.Is(err, errStrict) || !strings.Contains(err.Error(), in+":41 (byte ") {
		t.Errorf("--strict: %v", err)
	}
	if n := strings.Count(stdout.String(), "\n"); n < 40 || n > 50 {
		t.Errorf("--strict wrote %d records; the 40 before the bad one and little more", n)
	}
}

// FuzzJournal: any bytes are read as entries and a torn tail, never a panic; what was written reads back,
// cut anywhere.
func FuzzJournal(f *testing.F) {
	e := Entry{File: 2, Split: 3, Lines: 7, End: 99, EOF: true, Parts: map[string]Part{"out": {Name: "part", Size: 5, Records: 2, XXH64: "0123456789abcdef"}}, Counts: Counts{Read: 7, Dropped: map[string]int64{"a:b": 1}}}
	one, err := appendEntry(nil, &e)
	if err != nil {
		f.Fatal(err)
	}
	two, err := appendEntry(one, &e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(two, len(one))
	f.Add(two[:len(two)-1], 3)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, raw []byte, cut int) {
		entries, good, err := readFrames[Entry](raw)
		if err == nil && (good > len(raw) || good < len(entries)*frameHead) {
			t.Fatalf("%d entries end at byte %d of %d", len(entries), good, len(raw))
		}
		if cut < 0 {
			return
		}
		n := cut % (len(two) + 1)
		entries, good, err = readFrames[Entry](append(two[:n:n], raw...))
		if n == len(two) && err == nil && (len(entries) < 2 || good < len(two)) {
			t.Fatalf("two entries read back as %d", len(entries))
		}
		if n >= len(one) && n < len(two) && len(raw) == 0 && (err != nil || len(entries) != 1 || good != len(one)) {
			t.Fatalf("a journal torn at %d: %d entries, %d good bytes, %v", n, len(entries), good, err)
		}
	})
}

func TestSummary(t *testing.T) {
	c := Counts{Read: 10_000, Kept: 8412, Dropped: map[string]int64{"q:gopher_short_doc": 812, "q:b": 700, "q:a": 75}, Quarantined: 1, BlankLines: 3}
	const want = "kept 8,412 of 10,000 (84.1 %); dropped 1,587: gopher_short_doc 812, b 700, a 75; quarantined 1; 3 blank lines"
	if got := c.Summary("kept"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := human.Thousands(-1234567); got != "-1,234,567" {
		t.Error(got)
	}
}

// TestStoppedStream: whenever a run with one output stream is stopped, what it wrote is the beginning of what
// it would have written, and its counts are of that.
func TestStoppedStream(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 15))
	for name, stages := range map[string][]stage.Stage{
		"maps": {sieve{"a"}, sieve{"b"}}, "io-bound": {asking{sieve{"a"}, 4}}, "io-bound last": {sieve{"a"}, asking{sieve{"b"}, 4}},
	} {
		t.Run(name, func(t *testing.T) { stoppedStream(t, rng, stages) })
	}
}

func stoppedStream(t *testing.T, rng *rand.Rand, stages []stage.Stage) {
	_, names := inputs(t, rng, 8, 60)
	opts := func(out *bytes.Buffer) option {
		return func(j *Job) {
			j.Stages, j.Tmp = stages, memoryDir(t)
			j.Stdout, j.Memory, j.Workers, j.SplitSize, j.ChunkSize = out, 1<<30, 3, int64(200+rng.IntN(4000)), 100+rng.IntN(3000)
		}
	}
	var whole bytes.Buffer
	start := time.Now()
	if _, err := newJob(t, names, "", opts(&whole)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	stopped := 0
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
		var out bytes.Buffer
		res, err := newJob(t, names, "", opts(&out)).Run(ctx)
		timer.Stop()
		cancel(nil)
		if err != nil && !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		if err != nil {
			stopped++
		}
		if !bytes.HasPrefix(whole.Bytes(), out.Bytes()) {
			t.Fatalf("a stopped run wrote %d bytes that are not the beginning of the whole", out.Len())
		}
		if res != nil && res.Phase == res.Phases && res.Counts.Kept != int64(bytes.Count(out.Bytes(), []byte("\n"))) {
			t.Fatalf("%d records are counted as kept, %d were written", res.Counts.Kept, bytes.Count(out.Bytes(), []byte("\n")))
		}
	}
	t.Logf("%d of 100 runs were stopped before their end", stopped)
}

// TestStrict: what --strict writes ends with the record before the first bad one, whatever the workers and
// chunks, and whichever file has another bad one earlier in time.
func TestStrict(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for f := range 4 {
		var b strings.Builder
		for i := range 300 {
			if f >= 1 && i == 200-60*f {
				b.WriteString("broken\n")
			}
			fmt.Fprintf(&b, "{\"text\":\"%d of %d\"}\n", i, f)
		}
		names = append(names, filepath.Join(dir, fmt.Sprintf("%d.jsonl", f)))
		if err := os.WriteFile(names[f], []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, chunk := range []int{50, 1000, 1 << 20} {
		for _, workers := range []int{1, 4, -4} {
			stages := []stage.Stage(nil)
			if workers < 0 { // of a stage that waits for others
				stages, workers = []stage.Stage{patient{new(atomic.Int64)}}, -workers
			}
			var out bytes.Buffer
			_, err := newJob(t, names, "", func(j *Job) {
				j.Stages, j.Strict, j.Stdout, j.ChunkSize, j.Workers, j.Memory = stages, true, &out, chunk, workers, 1<<30
			}).Run(t.Context())
			if !errors.Is(err, errStrict) || !strings.Contains(err.Error(), "1.jsonl:141 ") {
				t.Fatalf("chunks of %d, -j %d: %v", chunk, workers, err)
			}
			if n := bytes.Count(out.Bytes(), []byte("\n")); n != 300+140 || !bytes.HasSuffix(out.Bytes(), []byte("{\"text\":\"139 of 1\"}\n")) {
				t.Errorf("chunks of %d, -j %d: %d records written, want 440", chunk, workers, n)
			}
		}
	}
}

// TestHurt: a finished directory whose own files were hurt is made whole again, never believed.
func TestHurt(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(16, 16)), 3, 300)
	base := t.TempDir()
	out, side := filepath.Join(base, "out"), filepath.Join(base, "d.jsonl.zst")
	with := func(j *Job) { j.Dropped = target(t, side) }
	if _, err := newJob(t, names, out, with).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, base)
	own := func(name string) string { return filepath.Join(out, "_curate", name) }
	for what, hurt := range map[string]func() error{
		"a bit of the journal": func() error {
			b, err := os.ReadFile(own("journal"))
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 4
			return errors.Join(os.WriteFile(own("journal"), b, 0o666), os.Remove(side))
		},
		"an empty journal": func() error { return errors.Join(os.Truncate(own("journal"), 0), os.Remove(side)) },
		"no ledger":        func() error { return os.Remove(own("ledger.json")) },
		"a lost part":      func() error { return os.Remove(filepath.Join(out, "part-00002-00000.jsonl.zst")) },
		// As a kill in the middle of --restart leaves it, and worse: parts that no configuration knows.
		"no configuration": func() error { return errors.Join(os.Remove(own("config.json")), os.Remove(own("done"))) },
	} {
		if err := hurt(); err != nil {
			t.Fatal(err)
		}
		if what == "no configuration" {
			if err := os.WriteFile(filepath.Join(out, "part-00001-00099.jsonl.zst"), []byte("stale"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := newJob(t, names, out, with).Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		sameTree(t, what, snapshot(t, base), want)
	}
}
