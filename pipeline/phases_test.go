package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"

	"curate/corpus"
	"curate/corpus/compress"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/record"
	"curate/stage"
)

// unique is a Reducer for tests: of records with equal first words it keeps the first. Its Map side quarantines
// records without text and drops some.
type unique struct{ name string }

func (u unique) Spec() stage.Spec {
	return stage.Spec{Name: u.name, Version: 1, Config: map[string]string{"by": "first word"}, Needs: []record.Path{textPath}}
}
func (u unique) Key() stage.Mapper         { return uniqueKey(u) }
func (u unique) NewPartial() stage.Partial { return &items{} }

type uniqueKey struct{ name string }

func (k uniqueKey) Spec() stage.Spec        { return unique(k).Spec() }
func (k uniqueKey) NewWorker() stage.Worker { return &uniqueWorker{} }

type uniqueWorker struct{ scratch []byte }

func (w *uniqueWorker) Map(ctx context.Context, b *record.Batch) error {
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
		if len(text)%13 == 5 {
			r.DropFor("unique", "length")
			continue
		}
		word, _, _ := bytes.Cut(text, []byte(" "))
		r.SetKey(binary.BigEndian.AppendUint64(nil, xxhash.Sum64(word)%300))
	}
	return ctx.Err()
}

// items are sealed as sorted pairs of key and ID, 16 bytes, big-endian.
type items struct{ list []string }

func (p *items) Add(b *record.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			p.list = append(p.list, string(binary.BigEndian.AppendUint64(slices.Clone(r.Key()), uint64(r.ID))))
		}
	}
	return nil
}

func (p *items) Join(next stage.Partial) error {
	p.list = append(p.list, next.(*items).list...)
	return nil
}

func (p *items) Size() int { return 16 * len(p.list) }

func (p *items) Seal(w io.Writer) error {
	slices.Sort(p.list)
	_, err := io.WriteString(w, strings.Join(p.list, ""))
	return err
}

func (p *items) read(r io.Reader) error {
	b, err := io.ReadAll(r)
	for ; len(b) >= 16; b = b[16:] {
		p.list = append(p.list, string(b[:16]))
	}
	if len(b) > 0 {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	return err
}

func (u unique) Merge(w io.Writer, sealed []io.Reader) error {
	all := &items{}
	for _, r := range sealed {
		if err := all.read(r); err != nil {
			return err
		}
	}
	return all.Seal(w)
}

func (u unique) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	// Two steps, the first of which is removed when the second is made.
	err := w.Make(ctx, "sorted", func(dst io.Writer) error {
		var in []io.Reader
		for _, s := range sealed {
			in = append(in, io.NewSectionReader(s.Data, 0, s.Size))
		}
		return u.Merge(dst, in)
	})
	if err != nil {
		return nil, err
	}
	err = w.Make(ctx, "decisions", func(dst io.Writer) error {
		f, size, err := w.Open(ctx, "sorted")
		if err != nil {
			return err
		}
		defer f.Close()
		all := &items{}
		if err := all.read(io.NewSectionReader(f, 0, size)); err != nil {
			return err
		}
		for i, it := range all.list {
			if i > 0 && all.list[i-1][:8] == it[:8] {
				if _, err := io.WriteString(dst, it[8:]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := w.Remove(ctx, "sorted"); err != nil {
		return nil, err
	}
	f, size, err := w.Open(ctx, "decisions")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	gone := map[record.ID]bool{}
	for ; len(b) > 0; b = b[8:] {
		gone[record.ID(binary.BigEndian.Uint64(b))] = true
	}
	return uniqueApply{u, gone}, err
}

type uniqueApply struct {
	unique
	gone map[record.ID]bool
}

func (a uniqueApply) NewWorker() stage.Worker { return a }

func (a uniqueApply) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && a.gone[r.ID] {
			if err := r.Set(record.MustPath("curate."+a.name), []byte(`{"verdict":"drop"}`)); err != nil {
				r.QuarantineFor(err)
				continue
			}
			r.DropFor(a.name, "duplicate")
		}
	}
	return ctx.Err()
}

// counter is a Reducer with a result: how many records there are by first byte of the text.
type counter struct{ unique }

func (c counter) Spec() stage.Spec {
	s := c.unique.Spec()
	s.Result = "counts.jsonl"
	return s
}

func (c counter) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	return nil, w.Make(ctx, stage.ResultFile, func(dst io.Writer) error {
		n := int64(0)
		for _, s := range sealed {
			n += s.Size / 16
		}
		_, err := fmt.Fprintf(dst, "{\"records\":%d}\n", n)
		return err
	})
}

// model does a job with Reducers the obvious way: phase by phase, record by record, everything in memory.
type model struct {
	out, dropped, quarantine string
	counts                   Counts
}

type modelRecord struct {
	id   record.ID
	no   int64
	file string
	line []byte
}

func obviousPhases(t testing.TB, j *Job) (m model) {
	t.Helper()
	var live []modelRecord
	m.counts = Counts{Dropped: map[string]int64{}}
	for _, f := range j.Manifest.Files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(f.Path) {
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
		m.counts.BytesIn += int64(len(data))
		off, no := int64(0), int64(0)
		for line := range bytes.Lines(data) {
			no++
			if len(bytes.TrimSpace(line)) == 0 {
				m.counts.BlankLines++
			} else {
				live = append(live, modelRecord{record.MakeID(f.Number, off), no, f.Path, bytes.TrimSuffix(line, []byte("\n"))})
			}
			off += int64(len(line))
		}
	}
	m.counts.Read = int64(len(live))
	apply := func(mp stage.Mapper, first bool) {
		var kept []modelRecord
		for _, r := range live {
			var b record.Batch
			rec := b.Append(r.id, r.no, r.line)
			if first && len(r.line) > j.MaxRecord {
				rec.Truncated = int64(len(r.line))
				rec.QuarantineFor(fmt.Errorf("the line is longer than --max-record allows: %d bytes", len(r.line)))
			}
			b.Parse()
			if mp != nil {
				if err := mp.NewWorker().Map(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
			}
			rec = &b.Records[0]
			switch rec.Outcome {
			case record.Keep:
				r.line = bytes.TrimSuffix(rec.AppendLine(nil), []byte("\n"))
				kept = append(kept, r)
			case record.Drop:
				// Records are written as the phase read them, so edits of earlier stages of it matter; maps here
				// edit only below curate.
				m.dropped += string(rec.AppendDropped(nil))
				m.counts.Dropped[rec.Rule+":"+rec.Reason]++
			case record.Quarantine:
				m.quarantine += string(appendQuarantined(nil, r.file, rec))
				m.counts.Quarantined++
			}
		}
		live = kept
	}
	copied := func() {
		for i := range live {
			live[i].no = 0
		}
	}
	apply(nil, true)
	for k, s := range j.Stages {
		switch s := s.(type) {
		case stage.Mapper:
			apply(s, false)
		case stage.Reducer:
			apply(s.Key(), false)
			if k > 0 {
				copied()
			}
			if s.Spec().Result != "" {
				m.out = fmt.Sprintf("{\"records\":%d}\n", len(live))
				m.counts.Kept, m.counts.BytesOut = int64(len(live)), int64(len(m.out))
				return m
			}
			seen, gone := map[string]bool{}, map[record.ID]bool{}
			for _, r := range live {
				var b record.Batch
				b.Append(r.id, r.no, r.line)
				b.Parse()
				if err := s.Key().NewWorker().Map(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				key := string(b.Records[0].Key())
				if seen[key] {
					gone[r.id] = true
				}
				seen[key] = true
			}
			apply(uniqueApply{s.(unique), gone}, false)
		}
	}
	var out strings.Builder
	for _, r := range live {
		out.Write(r.line)
		out.WriteByte('\n')
	}
	m.out = out.String()
	m.counts.Kept, m.counts.BytesOut = int64(len(live)), int64(len(m.out))
	return m
}

var phaseJobs = map[string][]stage.Stage{
	"reduce":               {unique{"dedup"}},
	"map reduce":           {sieve{"a"}, unique{"dedup"}},
	"reduce map":           {unique{"dedup"}, sieve{"a"}},
	"map reduce map":       {sieve{"a"}, unique{"dedup"}, sieve{"b"}},
	"reduce reduce":        {unique{"dedup"}, unique{"again"}},
	"map reduce map twice": {sieve{"a"}, unique{"dedup"}, sieve{"b"}, unique{"again"}, sieve{"c"}},
	"result":               {counter{unique{"count"}}},
	"map result":           {sieve{"a"}, counter{unique{"count"}}},
	"reduce result":        {unique{"dedup"}, counter{unique{"count"}}},
}

func sortLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	slices.Sort(lines)
	return lines
}

// sameOutcome compares what a run wrote with the model. Within a phase the model goes stage by stage, a run
// record by record, so the order of dropped and quarantined records is not compared here.
func sameOutcome(t *testing.T, what string, m model, out, dropped, quarantine string, c *Counts) {
	t.Helper()
	if out != m.out {
		t.Errorf("%s: kept %d bytes, want %d", what, len(out), len(m.out))
	}
	if !slices.Equal(sortLines(dropped), sortLines(m.dropped)) {
		t.Errorf("%s: dropped %d bytes, want %d", what, len(dropped), len(m.dropped))
	}
	if !slices.Equal(sortLines(quarantine), sortLines(m.quarantine)) {
		t.Errorf("%s: quarantined %d bytes, want %d\n%.300s\n%.300s", what, len(quarantine), len(m.quarantine), quarantine, m.quarantine)
	}
	if err := c.check(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	a := *c
	a.Stages, a.Annotated = nil, nil
	x, _ := a.Marshal()
	y, _ := m.counts.Marshal()
	if !bytes.Equal(x, y) {
		t.Errorf("%s: ledger %s\nwant %s", what, x, y)
	}
}

// tight makes Partials so small that each split is sealed in pieces, of a record each where chunks are that small.
func tight(j *Job) { j.tune = func(b *Budget) { b.Partial = min(b.Partial, 30) } }

// TestPhases: whatever the stages, the workers, the chunks and the kind of output, a run with Reducers does what
// the obvious program does; a record dropped or quarantined in one phase is in no later one, and counted once.
func TestPhases(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	_, names := inputs(t, rand.New(rand.NewPCG(seed, 20)), 4, 160)
	for _, name := range slices.Sorted(maps.Keys(phaseJobs)) {
		stages := phaseJobs[name]
		with := func(j *Job) { j.Stages = stages }
		m := obviousPhases(t, newJob(t, names, "", with))
		for i, opt := range []struct {
			workers, chunk int
			memory         int64
			tight          bool
		}{{2, 0, 1 << 30, false}, {1, 0, 96 * MiB, true}, {7, 777, 512 * MiB, false}, {1, 1, 96 * MiB, true}} {
			what := fmt.Sprintf("%s, seed %d, -j %d, chunks of %d", name, seed, opt.workers, opt.chunk)
			dir, tmp := memoryDir(t), memoryDir(t)
			options := func(j *Job) {
				with(j)
				j.Workers, j.ChunkSize, j.Memory, j.Tmp = opt.workers, opt.chunk, opt.memory, tmp
				if opt.tight {
					tight(j)
				}
				j.Dropped, j.Quarantine = target(t, dir+"/dropped.jsonl"), target(t, dir+"/quarantine.jsonl")
			}
			read := func(name string) string {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			// Standard output.
			var stdout bytes.Buffer
			res, err := newJob(t, names, "", options, func(j *Job) { j.Stdout = &stdout }).Run(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			sameOutcome(t, what, m, stdout.String(), read("dropped.jsonl"), read("quarantine.jsonl"), &res.Counts)
			dropped, quarantine := read("dropped.jsonl"), read("quarantine.jsonl")
			if left, _ := os.ReadDir(tmp); len(left) > 0 {
				t.Errorf("%s: it left %v", what, left)
			}
			// One file.
			if _, err := newJob(t, names, dir+"/out.jsonl", options).Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if read("out.jsonl") != stdout.String() || read("dropped.jsonl") != dropped || read("quarantine.jsonl") != quarantine {
				t.Errorf("%s: -o FILE differs from standard output", what)
			}
			// A directory.
			res, err = newJob(t, names, dir+"/out", options).Run(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			tree := snapshot(t, filepath.Join(dir, "out"))
			if got := joined(t, tree, stages); got != stdout.String() || read("dropped.jsonl") != dropped || read("quarantine.jsonl") != quarantine {
				t.Errorf("%s: -o DIR differs from standard output", what)
			}
			for n := range tree {
				if strings.Contains(n, "/phase") && !strings.HasPrefix(n, "_curate/dropped/") && !strings.HasPrefix(n, "_curate/quarantine/") {
					t.Errorf("%s: it left %s", what, n)
				}
			}
			if i == 0 {
				again, err := newJob(t, names, dir+"/out", options).Run(t.Context())
				if err != nil || !again.Before {
					t.Errorf("%s: a finished directory: %+v, %v", what, again, err)
				}
				a, _ := res.Counts.Marshal()
				if b, _ := again.Counts.Marshal(); !bytes.Equal(a, b) {
					t.Errorf("%s: a finished directory answers with another ledger", what)
				}
			}
		}
	}
}

// joined is what the parts of a directory hold, or the Reducer's result.
func joined(t testing.TB, tree map[string]string, stages []stage.Stage) string {
	if name := stages[len(stages)-1].Spec().Result; name != "" {
		return tree[name]
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if strings.HasPrefix(name, "part-") {
			out.WriteString(unzstd(t, tree[name]))
		}
	}
	return out.String()
}

// TestPhasesOfStream: a stream is spooled, and gives what a file gives but for line numbers and names.
func TestPhasesOfStream(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(3, 20)), 1, 1500)
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reduce", "map reduce map", "result"} {
		with := func(j *Job) { j.Stages = phaseJobs[name] }
		m := obviousPhases(t, newJob(t, names, "", with))
		for _, out := range []string{"-", "out", "out.jsonl"} {
			dir := memoryDir(t)
			path := out
			if out != "-" {
				path = filepath.Join(dir, out)
			}
			var stdout bytes.Buffer
			res, err := newJob(t, []string{"-"}, path, with, func(j *Job) {
				j.Stdin, j.Stdout, j.Tmp = bytes.NewReader(data), &stdout, dir
			}).Run(t.Context())
			if err != nil {
				t.Fatalf("%s to %s: %v", name, out, err)
			}
			got := stdout.String()
			switch out {
			case "out":
				got = joined(t, snapshot(t, path), phaseJobs[name])
			case "out.jsonl":
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != m.out || res.Counts.Kept != m.counts.Kept || res.Counts.Read != m.counts.Read {
				t.Errorf("%s to %s: %d bytes, want %d", name, out, len(got), len(m.out))
			}
		}
	}
}

// TestResumePhases stops runs with Reducers at random moments until they have come through.
func TestResumePhases(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 21))
	_, names := inputs(t, rng, 5, 2500)
	for _, name := range []string{"reduce", "map reduce map twice", "reduce result"} {
		with := func(j *Job) { j.Stages = phaseJobs[name] }
		dir := memoryDir(t)
		whole := filepath.Join(dir, "whole")
		start := time.Now()
		if _, err := newJob(t, names, whole, with).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		want := snapshot(t, whole)
		for round := range 3 {
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
			j.Stages, j.Store, j.SplitSize, j.Workers = stages, s, 9000, 1
			j.Dropped = target(t, filepath.Join(filepath.Dir(j.Out.Path), "dropped.jsonl.zst"))
			tight(j)
		}
	}
	for _, name := range []string{"reduce", "map reduce map", "result"} {
		stages := phaseJobs[name]
		counter := storetest.NewFaulty(nil, 0, storetest.IO)
		base := memoryDir(t)
		if _, err := newJob(t, names, filepath.Join(base, "out"), options(store.NewLocal(counter), stages)).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := snapshot(t, base)
		cases := 0
		for nth := 1; nth <= counter.Ops(); nth++ {
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

func (f failing) NewWorker() stage.Worker                    { return f }
func (failing) Map(_ context.Context, b *record.Batch) error { return errStop }

// FuzzSealedRanges: ranges of any bytes are read or refused, and what was written is read back.
func FuzzSealedRanges(f *testing.F) {
	f.Add([]byte{0, 0, 5, 3}, uint16(9))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		dir := memoryDir(t)
		st := store.NewLocal(nil).Scratch()
		name := filepath.ToSlash(filepath.Join(dir, "sealed"))
		if err := writeFile(t.Context(), st, name, appendSealedFooter(b, int64(len(b)), 0)); err != nil {
			t.Fatal(err)
		}
		r, err := openRanges(t.Context(), st, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		all, err := r.upTo(nil, record.MaxOffset)
		if err != nil {
			return
		}
		last := int64(-1)
		var again []byte
		var w rangeWriter
		for _, x := range all {
			if x.lo.Offset() < last || x.hi < x.lo || x.lo.File() != 1 {
				t.Fatalf("ranges %v", all)
			}
			last = x.hi.Offset()
			again = w.add(again, &settledRanges{ranges: []idRange{x}, any: true})
		}
		again = w.flush(again)
		// Read once more, in steps: a range that crosses a border comes twice.
		if err := writeFile(t.Context(), st, name, appendSealedFooter(again, int64(len(again)), 0)); err != nil {
			t.Fatal(err)
		}
		r2, err := openRanges(t.Context(), st, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer r2.Close()
		var stepped []idRange
		for end := int64(step) + 1; len(all) > 0 && end <= last+int64(step)+1 && last < 1<<19; end += int64(step) + 1 {
			var got []idRange
			if got, err = r2.upTo(nil, end); err != nil {
				t.Fatal(err)
			}
			for _, g := range got {
				if g.lo.Offset() >= end-int64(step)-1 { // else it was seen before
					stepped = append(stepped, g)
				}
			}
		}
		if last < 1<<19 && !slices.Equal(stepped, all) {
			t.Fatalf("in steps of %d: %v, want %v", step, stepped, all)
		}
	})
}

// FuzzCopy: a copy of any bytes is read or refused; a good one gives its lines and IDs back.
func FuzzCopy(f *testing.F) {
	good := func(lines string, ids ...record.ID) []byte {
		e, err := compress.NewEncoder(copyFormat.Compression)
		if err != nil {
			f.Fatal(err)
		}
		enc := e.AppendFrame(nil, []byte(lines))
		return append(appendIDs(nil, len(enc), len(lines), ids), enc...)
	}
	f.Add(good("{\"a\":1}\n{}\n", 5, 900))
	f.Add(append(good("{}\n", record.MakeID(3, 7)), good("{}\n", record.MakeID(3, 17))...))
	f.Add(good(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := memoryDir(t)
		st := store.NewLocal(nil).Scratch()
		if err := writeFile(t.Context(), st, filepath.ToSlash(filepath.Join(dir, "copy")), b); err != nil {
			t.Fatal(err)
		}
		s := &copySource{
			st: st, root: filepath.ToSlash(dir), usual: 1 << 30, consumed: func(int64) {},
			entries: []Entry{{File: 1, EOF: true, Parts: map[string]Part{"out": {Name: "copy"}}}},
		}
		defer s.Close()
		for {
			var c split.Chunk
			err := s.Next(t.Context(), &c)
			if err != nil {
				if err != io.EOF && !errors.Is(err, errCopy) {
					t.Fatalf("%v", err)
				}
				return
			}
			if len(c.IDs) != bytes.Count(c.Buf, []byte("\n")) {
				t.Fatalf("%d IDs of %q", len(c.IDs), c.Buf)
			}
		}
	})
}

// TestGiantRecords: lanes that meet records longer than a chunk, in inputs and in copies, do not wait for each other.
func TestGiantRecords(t *testing.T) {
	dir := memoryDir(t)
	var names []string
	for f := range 4 {
		var b bytes.Buffer
		for i := range 6 {
			fmt.Fprintf(&b, "{\"text\":\"%d-%d %s\"}\n", f, i, strings.Repeat("x", 3*MiB))
		}
		name := filepath.Join(dir, fmt.Sprintf("in%d.jsonl", f))
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, memory := range []int64{256 * MiB, 160 * MiB} {
		_, err := newJob(t, names, filepath.Join(dir, fmt.Sprint(memory)), func(j *Job) {
			j.Stages, j.Memory, j.MaxRecord, j.SplitSize = phaseJobs["map reduce map"], memory, 0, 64*MiB
		}).Run(ctx)
		if err != nil {
			t.Errorf("%d MiB: %v", memory/MiB, err)
		}
	}
}

// TestBudget: whatever the machine, a lane's share holds a chunk, or there is one lane; and the parts stay within
// the memory.
func TestBudget(t *testing.T) {
	for j := 1; j <= 64; j++ {
		for memory := MinMemory(j); memory < 64<<30; memory = memory*5/4 + 7 {
			for _, files := range []int{1, 2, 5, 1000} {
				for k := range 8 {
					use := Use{Reduce: k&1 > 0, NoCopy: k&2 > 0, ByRows: k&4 > 0}
					if k&2 == 0 {
						use.Chunk = copyFrame + copyFrame/4
					}
					b, err := NewBudget(memory, j, files, DefaultMaxRecord(memory), use)
					if err != nil {
						t.Fatal(err)
					}
					what := fmt.Sprintf("-j %d, %d MiB, %d files, %+v: %+v", j, memory/MiB, files, use, b)
					if b.Lanes < 1 || b.ChunkSize < 1 || b.Lanes > 1 && b.ChunkShare < chunkCost(b.ChunkSize) {
						t.Fatal(what)
					}
					sum := baseMemory + int64(j)*workerMemory + int64(b.Lanes)*(laneMemory+b.Window) +
						b.ChunkShare*int64(b.Lanes) + b.ChunkCommon + b.FrameShare*int64(tails*b.Lanes) + b.FrameCommon + b.Partial*int64(b.Lanes)*5/2
					if use.Reduce && b.Partial < 1 || sum > memory {
						t.Fatalf("%s: %d MiB given out", what, sum/MiB)
					}
				}
			}
		}
	}
}

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
	for _, name := range []string{"reduce", "result"} {
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

// TestTempFolder: the sweep removes what a killed run of this user on this host has left, and nothing else.
func TestTempFolder(t *testing.T) {
	dir := t.TempDir()
	prefix := filepath.Join(dir, tempFolderPrefix+hostName()+"-")
	make := func(name, lock string) string {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if lock != "" {
			if err := os.WriteFile(filepath.Join(name, lock), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return name
	}
	stale := make(prefix+"1", tempFolderLock)
	keep := []string{make(prefix+"2", ""), make(prefix+"3", "lock"), make(filepath.Join(dir, tempFolderPrefix+"another-host-4"), tempFolderLock)}
	if runtime.GOOS != "windows" {
		link := make(prefix+"5", "")
		if err := os.Symlink(filepath.Join(dir, "target"), filepath.Join(link, tempFolderLock)); err != nil {
			t.Fatal(err)
		}
		open := make(prefix+"6", tempFolderLock)
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, link, open)
	}
	one, err := newTempFolder(dir, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	two, err := newTempFolder(dir, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("what a killed run has left is still there")
	}
	for _, name := range append(keep, one.name) {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "target")); err == nil {
		t.Error("a link was followed")
	}
	one.remove()
	two.remove()
	if left, _ := filepath.Glob(prefix + "[0-9]*"); len(left) != len(keep)-1 {
		t.Errorf("left: %v", left)
	}
}
