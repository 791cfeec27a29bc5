package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"curate/corpus"
	"curate/corpus/store"
	"curate/record"
	"curate/stage"
)

// sieve is a stage for tests: what it does with a record depends on a hash of its text. It drops, flags,
// quarantines and edits, in the proportions of a real run.
type sieve struct{ salt string }

type sieveWorker struct {
	s       sieve
	scratch []byte
}

var textPath, notePath = record.MustPath("text"), record.MustPath("curate.sieve")

func (s sieve) Spec() stage.Spec {
	return stage.Spec{Name: "sieve", Version: 1, Config: map[string]string{"salt": s.salt}, Needs: []record.Path{textPath}}
}
func (s sieve) NewWorker() stage.Worker { return &sieveWorker{s: s} }

func (w *sieveWorker) Map(ctx context.Context, b *record.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(textPath, &w.scratch)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		h := xxhash.Sum64String(w.s.salt + string(text))
		switch h % 8 {
		case 0, 1:
			err = r.Set(notePath, fmt.Appendf(nil, `{"verdict":"drop","hash":%d}`, h%1000))
			r.DropFor("sieve", fmt.Sprintf("remainder_%d", h%8))
		case 2:
			r.Flag("sieve", "flagged")
		case 3:
			err = r.Set(notePath, fmt.Appendf(nil, `{"hash":%d}`, h%1000))
		}
		if err != nil {
			r.QuarantineFor(err)
		}
	}
	return nil
}

// needing is a stage that needs a field and does nothing.
type needing string

func (n needing) Spec() stage.Spec {
	return stage.Spec{Name: "needing", Version: 1, Needs: []record.Path{record.MustPath(string(n))}}
}
func (n needing) NewWorker() stage.Worker                { return n }
func (needing) Map(context.Context, *record.Batch) error { return nil }

// quiet is where messages of jobs under test go; a failing test shows them.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// inputs are files of random records, some of them bad, in every compression that is written.
func inputs(t testing.TB, rng *rand.Rand, files, records int) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	for i := range files {
		var b bytes.Buffer
		for n := range records + rng.IntN(records) {
			switch rng.IntN(60) {
			case 0:
				b.WriteString("{\"text\":\"cut off\n")
			case 1:
				b.WriteString("\n")
			case 2:
				fmt.Fprintf(&b, "{\"text\":\"bad \xff byte\"}\n")
			case 3:
				fmt.Fprintf(&b, "{\"text\":%d}\n", n)
			case 4:
				fmt.Fprintf(&b, "{\"text\":\"%s\"}\n", strings.Repeat("long ", 400+rng.IntN(900)))
			default:
				fmt.Fprintf(&b, `{"id":%d, "text":"%s","n":12345678901234567890123}`+"\n", n, strings.Repeat(fmt.Sprintf("w%d ", rng.IntN(1e6)), rng.IntN(30)))
			}
		}
		if rng.IntN(2) == 0 {
			b.Truncate(b.Len() - 1) // no line feed at the end
		}
		name, data := fmt.Sprintf("f%d.jsonl", i), b.Bytes()
		switch i % 3 {
		case 1:
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			w.Write(data)
			w.Close()
			name, data = name+".gz", z.Bytes()
		case 2:
			e, _ := zstd.NewWriter(nil)
			name, data = name+".zst", e.EncodeAll(data, nil)
		}
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return dir, names
}

type option func(*Job)

func newJob(t testing.TB, names []string, out string, opts ...option) *Job {
	t.Helper()
	m, err := corpus.Expand(t.Context(), store.NewLocal(nil), names)
	if err != nil {
		t.Fatal(err)
	}
	target, err := ParseTarget(out, corpus.DefaultFormat)
	if err != nil {
		t.Fatal(err)
	}
	j := &Job{
		Program: "test", Store: store.NewLocal(nil), Manifest: m, TextField: "text", Stages: []stage.Stage{sieve{"a"}, sieve{"b"}},
		Out: target, Workers: 2, Memory: 256 * MiB, MaxRecord: 3000, SplitSize: 16 << 10,
		MaxQuarantined: Allowance{Percent: 100, isShare: true}, Stdin: strings.NewReader(""), Stdout: io.Discard,
		Log: quiet(t), Progress: &Progress{}, Now: time.Now,
	}
	for _, o := range opts {
		o(j)
	}
	if underRace && j.ChunkSize == 0 {
		j.ChunkSize = smallChunk
	}
	return j
}

func target(t testing.TB, path string) Target {
	t.Helper()
	x, err := ParseTarget(path, corpus.DefaultFormat)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// snapshot is every file below dir but those that hold times, by its path.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch d.Name() {
		case journalFile, timingFile, lockFile:
			return nil
		}
		b, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		got[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sameTree(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", what, name)
		} else if g != w {
			t.Errorf("%s: %s differs (%d bytes, want %d)", what, name, len(g), len(w))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s should not be there", what, name)
		}
	}
}

func unzstd(t testing.TB, b string) string {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out, err := d.DecodeAll([]byte(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// plainText is what a file of inputs holds, uncompressed.
func plainText(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(name) {
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		data = []byte(unzstd(t, string(data)))
	}
	return data
}

// obvious does a job the obvious way: file by file, line by line, a fresh batch each.
func obvious(t testing.TB, j *Job) (out, dropped, quarantine string, c Counts) {
	t.Helper()
	var o, d, q []byte
	tallies := make([]tally, 1+len(j.Stages))
	for _, f := range j.Manifest.Files {
		data := plainText(t, f.Path)
		c.BytesIn += int64(len(data))
		off := int64(0)
		no := int64(0)
		for line := range bytes.Lines(data) {
			no++
			at := off
			off += int64(len(line))
			line = bytes.TrimSuffix(line, []byte("\n"))
			if len(bytes.TrimSpace(line)) == 0 {
				c.BlankLines++
				continue
			}
			w := &worker{run: &run{job: j, buffers: newBuffers(0), outputs: [outputs]*output{{}, {}, {}}}}
			for _, m := range j.Stages {
				w.stages = append(w.stages, m.(stage.Mapper).NewWorker())
			}
			r := w.batch.Append(record.MakeID(f.Number, at), no, line)
			if len(line) > j.MaxRecord {
				r.Truncated = int64(len(line))
				r.QuarantineFor(fmt.Errorf("the line is longer than --max-record allows: %d bytes", len(line)))
			}
			one := &job{file: f.Path, tallies: make([]tally, 1+len(j.Stages))}
			if err := w.mapBatch(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			o, d, q = append(o, one.out[0]...), append(d, one.out[1]...), append(q, one.out[2]...)
			for i := range tallies {
				s := StageCounts{Dropped: map[string]int64{}}
				one.tallies[i].addTo(&s, nil)
				if len(c.Stages) <= i {
					c.Stages = append(c.Stages, s)
					continue
				}
				c.add(&Counts{Stages: append(make([]StageCounts, i), s)})
			}
		}
	}
	c.finish()
	c.BytesOut = int64(len(o))
	return string(o), string(d), string(q), c
}

// TestSameBytes is the central promise: whatever the workers, memory, chunks and lanes, a directory holds
// the same bytes; joined they are what the obvious program writes; and files and standard output agree.
func TestSameBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	_, names := inputs(t, rng, 7, underRaceTo(100, 400))
	var want map[string]string
	for i, opt := range []struct {
		workers, chunk int
		memory         int64
	}{{1, 0, 96 * MiB}, {2, 0, 1 << 30}, {7, 777, 512 * MiB}, {1, 1, 96 * MiB}, {2, 5000, 128 * MiB}, {16, 300, 1 << 30}} {
		out := t.TempDir()
		side := t.TempDir()
		j := newJob(t, names, out, func(j *Job) {
			j.Workers, j.ChunkSize, j.Memory = opt.workers, opt.chunk, opt.memory
			j.Dropped, j.Quarantine = target(t, side+"/dropped.jsonl.gz"), target(t, side+"/quarantine.jsonl")
		})
		res, err := j.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := snapshot(t, out)
		if i > 0 {
			sameTree(t, fmt.Sprintf("-j %d, chunks of %d", opt.workers, opt.chunk), got, want)
			continue
		}
		want = got
		o, _, q, c := obvious(t, j)
		var joined strings.Builder
		var parts []string
		for name := range got {
			if strings.HasPrefix(name, "part-") {
				parts = append(parts, name)
			}
		}
		slices.Sort(parts)
		for _, p := range parts {
			joined.WriteString(unzstd(t, got[p]))
		}
		if joined.String() != o {
			t.Errorf("the parts hold %d bytes, the obvious program writes %d", joined.Len(), len(o))
		}
		if b, _ := os.ReadFile(side + "/quarantine.jsonl"); string(b) != q {
			t.Errorf("quarantine:\n%.500s\nwant\n%.500s", b, q)
		}
		a, _ := res.Counts.Marshal()
		for k := range c.Stages {
			c.Stages[k].Name, c.Stages[k].Version = res.Counts.Stages[k].Name, res.Counts.Stages[k].Version
		}
		b, _ := c.Marshal()
		if !bytes.Equal(a, b) {
			t.Errorf("ledger %s\nwant %s", a, b)
		}
		if err := res.Counts.check(); err != nil {
			t.Error(err)
		}
	}
}

// TestStreams: standard output and -o FILE give what the parts give, joined.
func TestStreams(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	_, names := inputs(t, rng, 9, 200)
	o, d, q, _ := obvious(t, newJob(t, names, ""))
	for _, workers := range []int{1, 2, 7} {
		side := t.TempDir()
		var stdout bytes.Buffer
		outs := func(j *Job) {
			j.Workers, j.Memory, j.ChunkSize = workers, 512*MiB, 999
			j.Dropped, j.Quarantine, j.Ledger = target(t, side+"/d.jsonl.zst"), target(t, side+"/q.jsonl.gz"), side+"/ledger.json"
			j.Stdout = &stdout
		}
		if _, err := newJob(t, names, "", outs).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stdout.String() != o {
			t.Errorf("-j %d: standard output has %d bytes, want %d", workers, stdout.Len(), len(o))
		}
		if b, err := os.ReadFile(side + "/d.jsonl.zst"); err != nil || unzstd(t, string(b)) != d {
			t.Errorf("-j %d: dropped records differ (%v)", workers, err)
		}
		f, err := os.Open(side + "/q.jsonl.gz")
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != q {
			t.Errorf("-j %d: quarantine differs (%v)", workers, err)
		}
		f.Close()
		if _, err := newJob(t, names, side+"/out.jsonl.zst", outs).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(side + "/out.jsonl.zst")
		if err != nil || unzstd(t, string(b)) != o {
			t.Errorf("-j %d: -o FILE differs (%v)", workers, err)
		}
		// The file is the parts' frames, joined.
		dir := t.TempDir()
		if _, err := newJob(t, names, dir).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var parts string
		tree := snapshot(t, dir)
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for n := range tree {
				if strings.HasPrefix(n, "part-") && !yield(n) {
					return
				}
			}
		}) {
			parts += tree[name]
		}
		if parts != string(b) {
			t.Errorf("-j %d: -o FILE is not the parts joined", workers)
		}
	}
}

// TestFrames: each frame of a part ends at the first line end after 4 MiB of its uncompressed bytes.
func TestFrames(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&b, "{\"text\":\"%d %s\"}\n", i, strings.Repeat("abc ", 1+i%1500))
	}
	if err := os.WriteFile(dir+"/in.jsonl", b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	job := newJob(t, []string{dir + "/in.jsonl"}, dir+"/out", func(j *Job) {
		j.Stages, j.SplitSize, j.MaxRecord = nil, 1<<40, 1<<20
	})
	if _, err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	part, err := os.ReadFile(dir + "/out/part-00001-00000.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	rest, frames := b.Bytes(), 0
	for len(part) > 0 {
		var h zstd.Header
		if err := h.Decode(part); err != nil || !h.HasFCS {
			t.Fatalf("frame %d: %v, size known: %v", frames, err, h.HasFCS)
		}
		want := len(rest)
		if want > frameSize {
			want = frameSize + bytes.IndexByte(rest[frameSize-1:], '\n')
		}
		if int(h.FrameContentSize) != want {
			t.Fatalf("frame %d holds %d bytes, want %d", frames, h.FrameContentSize, want)
		}
		rest = rest[want:]
		frames++
		// The next frame begins at the next magic number that decodes; the shortest prefix that does is this frame.
		next := len(part)
		for i := 4; i < len(part); i++ {
			if bytes.HasPrefix(part[i:], part[:4]) {
				d, _ := zstd.NewReader(nil)
				if _, err := d.DecodeAll(part[:i], nil); err == nil {
					next = i
				}
				d.Close()
				if next == i {
					break
				}
			}
		}
		part = part[next:]
	}
	if len(rest) > 0 || frames < 2 {
		t.Errorf("%d frames leave %d bytes", frames, len(rest))
	}
}

// TestEmpty: no records still give an output: one empty frame, a ledger, done.
func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/empty.jsonl", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	res, err := newJob(t, []string{dir + "/empty.jsonl"}, dir+"/out").Run(t.Context())
	if err != nil || res.Counts.Read != 0 {
		t.Fatal(res, err)
	}
	part, err := os.ReadFile(dir + "/out/part-00001-00000.jsonl.zst")
	if err != nil || len(part) == 0 || unzstd(t, string(part)) != "" {
		t.Errorf("part of an empty file: %q, %v", part, err)
	}
	for _, name := range []string{"o.jsonl.zst", "d.jsonl.zst"} {
		job := newJob(t, []string{dir + "/empty.jsonl"}, dir+"/o.jsonl.zst", func(j *Job) { j.Dropped = target(t, dir+"/d.jsonl.zst") })
		if _, err := job.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(dir + "/" + name); err != nil || len(b) == 0 || unzstd(t, string(b)) != "" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestDamaged: a damaged file ends the run badly, names its byte, and the other files are finished; after
// the file is mended the same command refuses it, because it is another input.
func TestDamaged(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(5, 5)), 6, 300)
	good, err := os.ReadFile(names[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(names[2], good[:len(good)*2/3], 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	_, err = newJob(t, names, out).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), names[2]) || !strings.Contains(err.Error(), "byte ") {
		t.Fatalf("%v; want the name and the byte", err)
	}
	tree := snapshot(t, out)
	if _, ok := tree["_curate/done"]; ok {
		t.Error("a failed run says done")
	}
	for _, f := range []int{1, 2, 4, 5, 6} {
		if _, ok := tree[fmt.Sprintf("part-%05d-00000.jsonl.zst", f)]; !ok {
			t.Errorf("file %d was not finished", f)
		}
	}
	if err := os.WriteFile(names[2], good, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = newJob(t, names, out).Run(t.Context())
	if u := new(UsageError); err == nil || !asUsage(err, &u) || !strings.Contains(err.Error(), "manifest.files.2.size") {
		t.Errorf("%v; want a refusal that names the size", err)
	}
	if _, err = newJob(t, names, out, func(j *Job) { j.Restart = true }).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(dir, "whole")
	if _, err = newJob(t, names, whole).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "after --restart", snapshot(t, out), snapshot(t, whole))
}

func asUsage(err error, u **UsageError) bool {
	e, ok := err.(*UsageError)
	*u = e
	return ok
}

// TestPanic: a stage that panics ends the run with an error that says where, and not the process.
func TestPanic(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(14, 14)), 2, 50)
	_, err := newJob(t, names, t.TempDir(), func(j *Job) { j.Stages = append(j.Stages, panicking{}) }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "this is a bug of curate") || !strings.Contains(err.Error(), ".jsonl") || !strings.Contains(err.Error(), "panicking") {
		t.Errorf("%v", err)
	}
}

type panicking struct{}

func (panicking) Spec() stage.Spec                         { return stage.Spec{Name: "panicking", Version: 1} }
func (p panicking) NewWorker() stage.Worker                { return p }
func (panicking) Map(context.Context, *record.Batch) error { panic("on purpose") }

// TestNoGoroutineLeft: after a run, a failed run and a cancelled run nothing keeps running.
func TestNoGoroutineLeft(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(6, 6)), 4, 300)
	before := runtime.NumGoroutine()
	for range 3 {
		if _, err := newJob(t, names, "").Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(io.ErrNoProgress) })
		_, _ = newJob(t, names, t.TempDir()).Run(ctx) // it may end before the cancel
		cancel(nil)
		_, err := newJob(t, names, "", func(j *Job) { j.Stdout = brokenWriter{} }).Run(t.Context())
		if !errors.Is(err, os.ErrClosed) {
			t.Fatalf("%v; a write error ends the run as itself", err)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestTightWindows runs with windows that barely hold a chunk, more lanes than they can feed, and lines that
// take all there is: every run comes through, with the right records.
func TestTightWindows(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 12))
	dir := t.TempDir()
	for round := range 60 {
		var names []string
		var want strings.Builder
		for f := range 1 + rng.IntN(6) {
			var b bytes.Buffer
			for range rng.IntN(40) {
				n := rng.IntN(30)
				if rng.IntN(6) == 0 {
					n = rng.IntN(40_000)
				}
				fmt.Fprintf(&b, `{"text":"%s"}`+"\n", strings.Repeat("x", n))
			}
			want.Write(b.Bytes())
			name := filepath.Join(dir, fmt.Sprintf("%d-%d.jsonl", round, f))
			if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		var stdout bytes.Buffer
		out := ""
		if rng.IntN(2) == 0 {
			out = filepath.Join(dir, fmt.Sprint("out-", round))
		}
		lanes, chunk := 1+rng.IntN(5), 64+rng.IntN(5000)
		share, common := chunkCost(chunk), int64(rng.IntN(100_000))
		j := newJob(t, names, out, func(j *Job) {
			j.Stages, j.MaxRecord, j.SplitSize, j.ChunkSize, j.Workers = nil, 50_000, int64(1000+rng.IntN(30_000)), chunk, 1+rng.IntN(4)
			j.Stdout = &stdout
			j.tune = func(b *Budget) {
				b.Lanes, b.ChunkShare, b.ChunkCommon, b.FrameShare, b.FrameCommon, b.Buffers = lanes, share, common, 1+share/4, common/2, int(share)
			}
		})
		done := make(chan error, 1)
		go func() {
			_, err := j.Run(t.Context())
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(30 * time.Second):
			buf := make([]byte, 1<<20)
			t.Fatalf("seed %d, round %d: %d lanes, chunks of %d, share %d, common %d: stuck\n%s", seed, round, lanes, chunk, share, common, buf[:runtime.Stack(buf, true)])
		}
		got := stdout.String()
		if out != "" {
			tree := snapshot(t, out)
			var parts []string
			for name := range tree {
				if strings.HasPrefix(name, "part-") {
					parts = append(parts, name)
				}
			}
			slices.Sort(parts)
			for _, p := range parts {
				got += unzstd(t, tree[p])
			}
		}
		if got != want.String() {
			t.Fatalf("seed %d, round %d: %d bytes came out of %d", seed, round, len(got), want.Len())
		}
	}
}

// TestNoAllocation: what a run allocates depends on its chunks and parts, not on its records.
func TestNoAllocation(t *testing.T) {
	dir := t.TempDir()
	mallocs := func(records int) uint64 {
		var b bytes.Buffer
		for i := range records {
			fmt.Fprintf(&b, `{"id":%d,"text":"a line\nand another of record %d","meta":{"k":[1,2,3]}}`+"\n", i, i)
		}
		in := filepath.Join(dir, "in.jsonl")
		if err := os.WriteFile(in, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		j := newJob(t, []string{in}, "", func(j *Job) { j.Stages, j.SplitSize, j.Workers = []stage.Stage{reading{}}, 1<<40, 1 })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := j.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	mallocs(20_000)
	small, large := mallocs(20_000), mallocs(220_000)
	if per := (float64(large) - float64(small)) / 200_000; per > 0.01 {
		t.Errorf("%.3f allocations a record (%d for 20,000, %d for 220,000)", per, small, large)
	}
}

// reading is a stage that reads the text of every record and writes a verdict into it.
type reading struct{}

type readingWorker struct{ scratch []byte }

func (reading) Spec() stage.Spec        { return stage.Spec{Name: "reading", Version: 1} }
func (reading) NewWorker() stage.Worker { return &readingWorker{} }
func (w *readingWorker) Map(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if _, err := r.Text(textPath, &w.scratch); err != nil {
			return err
		}
		if err := r.Set(notePath, []byte(`{"verdict":"keep"}`)); err != nil {
			return err
		}
	}
	return nil
}
