package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curate/corpus/split"
	"curate/record"
	"curate/stage"
)

// asking is a sieve that waits a little for each batch, as for a server: it is io-bound.
type asking struct {
	sieve
	inFlight int
}

func (a asking) Spec() stage.Spec {
	s := a.sieve.Spec()
	s.Name, s.InFlight = "asking", a.inFlight
	return s
}

func (a asking) NewWorker() stage.Worker { return &askingWorker{a.sieve.NewWorker()} }

type askingWorker struct{ stage.Worker }

func (w *askingWorker) Map(ctx context.Context, b *record.Batch) error {
	if n := len(b.Records); n > inFlightRecords {
		return fmt.Errorf("a batch of %d records", n)
	}
	if rand.IntN(8) == 0 {
		select {
		case <-time.After(time.Duration(rand.IntN(500)) * time.Microsecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return w.Worker.Map(ctx, b)
}

// server is what a waiting stage asks. The test decides when it answers.
type server struct {
	mu       sync.Mutex
	now, max int // questions it has, and had at most
	answers  atomic.Int64
	answer   func(ctx context.Context, texts []string) error
}

// waiting is an io-bound stage that keeps every record once the server has answered.
type waiting struct {
	*server
	inFlight int
}

func (w waiting) Spec() stage.Spec {
	return stage.Spec{Name: "waiting", Version: 1, InFlight: w.inFlight}
}

func (w waiting) NewWorker() stage.Worker { return w }

func (w waiting) Map(ctx context.Context, b *record.Batch) error {
	w.mu.Lock()
	w.now++
	w.max = max(w.max, w.now)
	w.mu.Unlock()
	var texts []string
	for i := range b.Records {
		text, err := b.Records[i].Text(textPath, nil)
		if err != nil {
			return err
		}
		texts = append(texts, string(text))
	}
	err := w.answer(ctx, texts)
	w.mu.Lock()
	w.now--
	w.mu.Unlock()
	if err == nil {
		w.answers.Add(1)
	}
	return err
}

// numbered are files whose texts are "FILE-RECORD", padded to size.
func numbered(t *testing.T, files, records, size int) (names []string) {
	t.Helper()
	dir := memoryDir(t)
	for f := range files {
		var b bytes.Buffer
		for i := range records {
			text := fmt.Sprintf("%d-%d", f, i)
			fmt.Fprintf(&b, "{\"text\":\"%s%s\"}\n", text, strings.Repeat(" ", max(0, size-len(text))))
		}
		name := filepath.Join(dir, fmt.Sprintf("in%d.jsonl", f))
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func concatenated(t *testing.T, names []string) string {
	t.Helper()
	var all strings.Builder
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// running runs a job that must come to its end in good time.
func running(t *testing.T, ctx context.Context, j *Job) (*Result, error) {
	t.Helper()
	type end struct {
		res *Result
		err error
	}
	done := make(chan end, 1)
	go func() {
		res, err := j.Run(ctx)
		done <- end{res, err}
	}()
	select {
	case e := <-done:
		return e.res, e.err
	case <-time.After(30 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("stuck\n%s", buf[:runtime.Stack(buf, true)])
		return nil, nil
	}
}

// noneLeft waits until there are no more goroutines than before.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
}

// TestInFlight: as many batches as the stage wants are with the server at a time, whatever -j and the memory.
func TestInFlight(t *testing.T) {
	names := numbered(t, 1, 16*600, 20)
	for _, inFlight := range []int{1, 8, 500} {
		for _, stages := range []int{1, 2} {
			s := &server{}
			full := make(chan struct{})
			s.answer = func(ctx context.Context, _ []string) error {
				if s.mu.Lock(); s.now == inFlight {
					select {
					case <-full:
					default:
						close(full)
					}
				}
				s.mu.Unlock()
				select {
				case <-full: // nobody gets an answer before so many have asked
				case <-ctx.Done():
				}
				return ctx.Err()
			}
			var out bytes.Buffer
			j := newJob(t, names, "", func(j *Job) {
				j.Stages, j.Stdout, j.SplitSize, j.Workers, j.Memory, j.Tmp = []stage.Stage{waiting{s, inFlight}}, &out, 0, 1, 256*MiB, memoryDir(t)
				if stages == 2 {
					j.Stages = []stage.Stage{needing("text"), j.Stages[0]}
				}
			})
			if _, err := running(t, t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if s.max != inFlight {
				t.Errorf("%d batches at a time, want %d", s.max, inFlight)
			}
			if out.String() != concatenated(t, names) {
				t.Errorf("%d in flight, %d stages: the records are not what they were", inFlight, stages)
			}
			if got := s.answers.Load(); stages == 1 && got > 16*600/10 {
				t.Errorf("%d batches for %d records: they are too small", got, 16*600)
			}
		}
	}
}

// TestSlowBatch: while one batch waits, thousands behind it come through; its part, and that alone, is not there yet.
func TestSlowBatch(t *testing.T) {
	names := numbered(t, 1, 40_000, 30)
	for _, memory := range []int64{96 * MiB, 1 << 30} {
		out := filepath.Join(memoryDir(t), "out")
		free := make(chan struct{})
		s := &server{}
		total := int64(0)
		s.answer = func(ctx context.Context, texts []string) error {
			if strings.HasPrefix(texts[0], "0-0 ") {
				select {
				case <-free:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}
		go func() { // enough others have been answered
			for range 4000 {
				if total = s.answers.Load(); total >= 700 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			close(free)
		}()
		_, err := running(t, t.Context(), newJob(t, names, out, func(j *Job) {
			j.Stages, j.SplitSize, j.Workers, j.Memory = []stage.Stage{waiting{s, 4}}, 1*MiB, 1, memory
		}))
		if err != nil {
			t.Fatal(err)
		}
		if total < 700 {
			t.Errorf("%d MiB: %d batches came through behind one that waited", memory/MiB, total)
		}
		if joined(t, snapshot(t, out), []stage.Stage{waiting{s, 4}}) != concatenated(t, names) {
			t.Errorf("%d MiB: the records are not what they were", memory/MiB)
		}
	}
}

// TestWindowInFlight: what waits behind a slow batch is bounded by the window.
func TestWindowInFlight(t *testing.T) {
	names := numbered(t, 1, 6000, 200)
	free := make(chan struct{})
	s := &server{}
	s.answer = func(ctx context.Context, texts []string) error {
		if strings.HasPrefix(texts[0], "0-0 ") {
			<-free
		}
		return nil
	}
	share, common := int64(600_000), int64(1_000_000)
	last := int64(-1)
	go func() { // until nothing moves any more
		for range 200 {
			time.Sleep(20 * time.Millisecond)
			if n := s.answers.Load(); n == last && n > 0 {
				break
			} else {
				last = n
			}
		}
		close(free)
	}()
	var out bytes.Buffer
	_, err := running(t, t.Context(), newJob(t, names, "", func(j *Job) {
		j.Stages, j.Stdout, j.Workers, j.ChunkSize = []stage.Stage{waiting{s, 20}}, &out, 1, 64<<10
		j.tune = func(b *Budget) { b.ChunkShare, b.ChunkCommon = share, common }
	}))
	if err != nil {
		t.Fatal(err)
	}
	most := (share + common) / ((16*213)*lineCost + batchCost)
	if last < most/2 || last > most {
		t.Errorf("%d batches came through behind one that waited; the window has room for %d", last, most)
	}
	if out.String() != concatenated(t, names) {
		t.Error("the records are not what they were")
	}
}

// TestStopInFlight: a run that is stopped, or whose stage fails, gives up what waits, keeps the splits that are complete,
// ends at once with the cause, and goes on from there.
func TestStopInFlight(t *testing.T) {
	names := numbered(t, 1, 1000, 100)
	broke := errors.New("the budget is used up")
	first := func(texts []string) bool { // of the half that is answered
		_, no, _ := strings.Cut(strings.TrimSpace(texts[0]), "-")
		n, err := strconv.Atoi(no)
		return err == nil && n < 500
	}
	for what, stages := range map[string]func(w waiting) []stage.Stage{
		"part-": func(w waiting) []stage.Stage { return []stage.Stage{w} },
		// The same parts, but from a copy.
		"part-0": func(w waiting) []stage.Stage { return []stage.Stage{needing("text"), w} },
		"copy-":  func(w waiting) []stage.Stage { return []stage.Stage{w, unique{"dedup"}} },
	} {
		job := func(w waiting, out string) *Job {
			return newJob(t, names, out, func(j *Job) { j.Stages, j.SplitSize = stages(w), 20_000 })
		}
		half := atomic.Int64{} // batches
		patient := waiting{&server{answer: func(_ context.Context, texts []string) error {
			if first(texts) {
				half.Add(1)
			}
			return nil
		}}, 8}
		whole := filepath.Join(memoryDir(t), "whole")
		if _, err := job(patient, whole).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := half.Load()
		for _, cause := range []error{errStop, broke} {
			before := runtime.NumGoroutine()
			out := filepath.Join(memoryDir(t), "out")
			ctx, cancel := context.WithCancelCause(t.Context())
			var givenUp, failing atomic.Int64
			s := &server{}
			s.answer = func(ctx context.Context, texts []string) error {
				if first(texts) {
					return nil
				}
				if failing.Add(1) == 1 { // the first of the others ends the run
					for s.answers.Load() < all {
						time.Sleep(time.Millisecond)
					}
					if cause == broke {
						return broke
					}
					cancel(cause)
				}
				<-ctx.Done()
				givenUp.Add(1)
				return context.Cause(ctx)
			}
			_, err := running(t, ctx, job(waiting{s, 8}, out))
			cancel(nil)
			if !errors.Is(err, cause) {
				t.Fatalf("%s: %v, want %v", what, err, cause)
			}
			if s.now != 0 {
				t.Errorf("%s, %v: %d questions are still with the server", what, cause, s.now)
			}
			if cause == errStop && givenUp.Load() == 0 {
				t.Errorf("%s, %v: no question was given up", what, cause)
			}
			noneLeft(t, before)
			// Half of the file has 55 kB, and so two complete splits.
			made := 0
			for name := range snapshot(t, out) {
				if strings.HasPrefix(filepath.Base(name), what) {
					made++
				}
			}
			if made != 2 {
				t.Errorf("%s, %v: %d splits were kept, want 2", what, cause, made)
			}
			if res, err := running(t, t.Context(), job(patient, out)); err != nil || res.Before {
				t.Fatalf("%s, %v, repeated: %+v, %v", what, cause, res, err)
			}
			sameTree(t, what+", gone on", snapshot(t, out), snapshot(t, whole))
			// Standard output has the beginning of it all.
			failing.Store(0)
			s.answers.Store(0)
			ctx, cancel = context.WithCancelCause(t.Context())
			var stdout bytes.Buffer
			j := job(waiting{s, 8}, "")
			j.Stdout, j.Tmp = &stdout, memoryDir(t)
			if _, err := running(t, ctx, j); !errors.Is(err, cause) {
				t.Fatalf("%s to standard output: %v, want %v", what, err, cause)
			}
			cancel(nil)
			text := concatenated(t, names)
			if what != "copy-" && (!strings.HasPrefix(text, stdout.String()) || stdout.Len() < len(text)/2) || what == "copy-" && stdout.Len() > 0 {
				t.Errorf("%s to standard output: %d bytes were written", what, stdout.Len())
			}
		}
	}
}

// TestCutChunk: batches of a chunk, one behind the other, are the chunk, with the same IDs and line numbers.
func TestCutChunk(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 30))
	for range 300 {
		c := split.Chunk{File: 3, Split: 2, Offset: 1000, LineNo: 50, MaxRecord: 1 << 20}
		for range 1 + rng.IntN(60) {
			c.Buf = append(c.Buf, strings.Repeat("x", []int{0, 3, 40, 60_000}[rng.IntN(4)])...)
			c.Buf = append(c.Buf, '\n')
			c.Lines++
		}
		if rng.IntN(2) == 0 {
			c.Buf = append(c.Buf, "no line feed"...)
			c.Lines++
		}
		c.End = c.Offset + int64(len(c.Buf))
		if rng.IntN(3) == 0 {
			c.Buf = append([]byte("\xef\xbb\xbf"), c.Buf...)
			c.End += 3
			c.BOM = true
		}
		if rng.IntN(2) == 0 {
			for i := range c.Lines {
				c.IDs = append(c.IDs, record.MakeID(3, 7*i))
			}
			c.LineNo, c.BOM = 0, false
		}
		type line struct {
			id   record.ID
			no   int64
			text string
		}
		read := func(c split.Chunk) (list []line) {
			split.EachLine(&c, split.Cursor{}, func(id record.ID, no int64, text []byte, _ int64) bool {
				list = append(list, line{id, no, string(text)})
				return true
			})
			return list
		}
		want, rest := read(c), c
		var got []line
		var count, size int64
		for end := false; !end; {
			n, lines := batchEnd(rest.Buf)
			end = n == len(rest.Buf)
			b := cutChunk(&rest, n, lines)
			if lines > inFlightRecords || len(b.Buf) > batchBytes+60_001 || b.File != 3 || b.Split != 2 {
				t.Fatalf("a batch of %d lines, %d bytes", lines, len(b.Buf))
			}
			got = append(got, read(b)...)
			count += b.Lines
			size += b.Bytes()
		}
		if !slices.Equal(got, want) || count != c.Lines || size != c.Bytes() {
			t.Fatalf("%d lines of %d bytes, want %d of %d", count, size, c.Lines, c.Bytes())
		}
	}
}

// TestInFlightInputs: every kind of input gives the same records in any place of an io-bound stage, whatever the lines,
// the windows, the workers, and who answers first.
func TestInFlightInputs(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 31))
	for round := range 30 {
		var names []string
		dir := memoryDir(t)
		var want strings.Builder
		for f := range 1 + rng.IntN(5) {
			var b bytes.Buffer
			for range rng.IntN(120) {
				n := rng.IntN(30)
				if rng.IntN(12) == 0 {
					n = rng.IntN(40_000)
				}
				fmt.Fprintf(&b, `{"text":"%s"}`+"\n", strings.Repeat("x", n))
			}
			want.Write(b.Bytes())
			names = append(names, filepath.Join(dir, fmt.Sprintf("%d.jsonl", f)))
			if err := os.WriteFile(names[f], b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		keep := waiting{&server{answer: func(ctx context.Context, _ []string) error {
			if rng := rand.IntN(6); rng == 0 {
				time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
			return ctx.Err()
		}}, 1 + rng.IntN(20)}
		stages := [][]stage.Stage{{keep}, {needing("text"), keep}, {keep, needing("text")}, {keep, keep}}[rng.IntN(4)]
		lanes, chunk := 1+rng.IntN(5), 64+rng.IntN(5000)
		b := Budget{InFlight: 1}
		share, common := b.chunkCost(chunk), int64(rng.IntN(400_000))
		if len(stages) > 1 {
			share = b.chunkCost(copyFrame * 5 / 4)
		}
		out, inputs := "", names
		if rng.IntN(2) == 0 {
			out = filepath.Join(dir, "out")
		}
		if rng.IntN(3) == 0 {
			inputs = []string{"-"}
		}
		var stdout bytes.Buffer
		_, err := running(t, t.Context(), newJob(t, inputs, out, func(j *Job) {
			j.Stages, j.MaxRecord, j.SplitSize, j.ChunkSize, j.Workers = stages, 50_000, int64(1000+rng.IntN(30_000)), chunk, 1+rng.IntN(4)
			j.Stdin, j.Stdout, j.Tmp = strings.NewReader(want.String()), &stdout, dir
			j.tune = func(b *Budget) {
				b.Lanes, b.ChunkShare, b.ChunkCommon, b.FrameShare, b.FrameCommon, b.Buffers = lanes, share, common, 1+share/4, common/2, int(share)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		got := stdout.String()
		if out != "" {
			got = joined(t, snapshot(t, out), stages)
		}
		if got != want.String() {
			t.Fatalf("seed %d, round %d: %d bytes came out of %d", seed, round, len(got), want.Len())
		}
	}
}

// TestAccepts: a stage that knows records by several shapes refuses a run of which it can use none.
func TestAccepts(t *testing.T) {
	dir := t.TempDir()
	one := func(lines ...string) string {
		name := filepath.Join(dir, fmt.Sprintf("%d.jsonl", len(lines)))
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(name string) error {
		_, err := newJob(t, []string{name}, "", func(j *Job) { j.Stages = []stage.Stage{choosy{}} }).Run(t.Context())
		return err
	}
	var refused *UsageError
	if err := run(one(`{"a":1}`)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "the only readable record cannot be used: no messages, but a") {
		t.Error(err)
	}
	if err := run(one(`{"a":1}`, `broken`, `{"b":1}`)); !errors.As(err, &refused) || !strings.Contains(err.Error(), "none of the first 2 readable records can be used; of the first: no messages, but a") {
		t.Error(err)
	}
	if err := run(one(`{"a":1}`, `{"messages":1}`)); err != nil {
		t.Error(err)
	}
	if err := run(one(`broken`, "", "", "")); err != nil {
		t.Error(err)
	}
	many := slices.Repeat([]string{`{"a":1}`}, probeRecords)
	if err := run(one(append(many, `{"messages":1}`)...)); !errors.As(err, &refused) {
		t.Error(err)
	}
}

type choosy struct{}

func (choosy) Spec() stage.Spec {
	return stage.Spec{Name: "choosy", Version: 1, InFlight: 2, Accepts: func(r *record.Record) error {
		if r.Has(record.MustPath("messages")) {
			return nil
		}
		return fmt.Errorf("no messages, but %s", strings.Join(r.Names(), ", "))
	}}
}
func (choosy) NewWorker() stage.Worker                        { return choosy{} }
func (choosy) Map(ctx context.Context, b *record.Batch) error { return ctx.Err() }

// TestSplitSize: the default goes by the stages and is a part of the identity.
func TestSplitSize(t *testing.T) {
	names := numbered(t, 1, 20_000, 100)
	for _, c := range []struct {
		stages []stage.Stage
		given  int64
		want   int
	}{
		{[]stage.Stage{sieve{"a"}}, 0, 1},
		{[]stage.Stage{sieve{"a"}, asking{sieve{"b"}, 4}}, 0, 3},
		{[]stage.Stage{sieve{"a"}, asking{sieve{"b"}, 4}}, 64 * MiB, 1},
	} {
		out := filepath.Join(memoryDir(t), "out")
		if _, err := newJob(t, names, out, func(j *Job) { j.Stages, j.SplitSize = c.stages, c.given }).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		parts, _ := filepath.Glob(out + "/part-*")
		if len(parts) != c.want {
			t.Errorf("%d stages, split size %d: %d parts, want %d", len(c.stages), c.given, len(parts), c.want)
		}
		if c.given == 0 { // the default, said aloud, is the same run
			res, err := newJob(t, names, out, func(j *Job) { j.Stages, j.SplitSize = c.stages, DefaultSplitSize(c.stages) }).Run(t.Context())
			if err != nil || !res.Before {
				t.Errorf("%+v, %v", res, err)
			}
		}
	}
}

// TestInFlightParquet: rows go through io-bound stages as lines do, first and behind others.
func TestInFlightParquet(t *testing.T) {
	const dir = "../corpus/parquet/testdata/"
	want, err := os.ReadFile(dir + "polars.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	rows := bytes.Count(want, []byte("\n"))
	var seen atomic.Int64
	ask := patient{seen: &seen}
	for _, stages := range [][]stage.Stage{{ask}, {needing("id"), ask}, {ask, needing("id")}} {
		for _, split := range []int64{1 << 10, 1 << 20} {
			seen.Store(0)
			var stdout bytes.Buffer
			with := func(j *Job) { j.Stages, j.SplitSize, j.Stdout, j.MaxRecord = stages, split, &stdout, 1<<20 }
			_, err := running(t, t.Context(), newJob(t, []string{dir + "polars-snappy-groups.parquet"}, "", with))
			if err != nil || stdout.String() != string(want) || seen.Load() != int64(rows) {
				t.Errorf("%d stages, splits of %d: %v, %d bytes, want %d; %d of %d rows", len(stages), split, err, stdout.Len(), len(want), seen.Load(), rows)
			}
			out := filepath.Join(memoryDir(t), "out")
			if _, err = running(t, t.Context(), newJob(t, []string{dir + "polars-snappy-groups.parquet"}, out, with)); err != nil || joined(t, snapshot(t, out), stages) != string(want) {
				t.Errorf("%d stages, splits of %d, to a directory: %v", len(stages), split, err)
			}
		}
	}
}

// patient is an io-bound stage that takes every record and counts them.
type patient struct{ seen *atomic.Int64 }

func (p patient) Spec() stage.Spec        { return stage.Spec{Name: "patient", Version: 1, InFlight: 3} }
func (p patient) NewWorker() stage.Worker { return p }

func (p patient) Map(ctx context.Context, b *record.Batch) error {
	if len(b.Records) > inFlightRecords {
		return fmt.Errorf("a batch of %d", len(b.Records))
	}
	p.seen.Add(int64(len(b.Records)))
	return ctx.Err()
}
