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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
)

// unique is a Reducer for tests: of records with equal first words it keeps the first. Its Map side quarantines
// records without text and drops some.
type unique struct{ name string }

func (u unique) Spec() stage.Spec {
	return stage.Spec{Name: u.name, Version: 1, Config: map[string]string{"by": "first word"}, Needs: []record.Path{textPath}}
}

func (u unique) Key() stage.Mapper { return uniqueKey(u) }

func (u unique) NewPartial() stage.Partial { return &items{} }

type uniqueKey struct{ name string }

func (k uniqueKey) Spec() stage.Spec { return unique(k).Spec() }

func (k uniqueKey) NewWorker() stage.Worker {
	w := &uniqueWorker{drops: 5}
	if k.name == "later" {
		w.drops = 6
	}
	return w
}

type uniqueWorker struct {
	scratch []byte
	drops   int
}

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
		if len(text)%13 == w.drops {
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

// marker is a unique that only marks what it would drop, for the Reducer behind it.
type marker struct{ unique }

func (m marker) Spec() stage.Spec {
	s := m.unique.Spec()
	s.Marks = true
	return s
}

func (m marker) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	apply, err := m.unique.Finish(ctx, sealed, w)
	if err != nil {
		return nil, err
	}
	return marks{apply.(uniqueApply)}, nil
}

type marks struct{ uniqueApply }

func (m marks) NewWorker() stage.Worker { return m }

func (m marks) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && m.gone[r.ID] {
			r.SetKey([]byte("marked"))
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
		data := plainText(t, f.Path)
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
			// An io-bound stage reads a copy of what others have kept, and others a copy of what it has kept.
			if k > 0 && (s.Spec().InFlight > 0 || j.Stages[k-1].Spec().InFlight > 0) {
				copied()
			}
			apply(s, false)
		case stage.Reducer:
			if k > 0 && j.Stages[k-1].Spec().InFlight > 0 {
				copied()
			}
			apply(s.Key(), false)
			again := true // the next phase reads the input again
			for _, before := range j.Stages[:k] {
				_, marks := before.(marker)
				again = again && marks
			}
			if !again {
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
			if u, ok := s.(unique); ok {
				apply(uniqueApply{u, gone}, false)
			}
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
	"mark reduce map":      {marker{unique{"mark"}}, unique{"later"}, sieve{"a"}},
	"map mark reduce":      {sieve{"a"}, marker{unique{"mark"}}, unique{"later"}},
	"mark mark reduce":     {marker{unique{"mark"}}, marker{unique{"later"}}, unique{"dedup"}},
	"result":               {counter{unique{"count"}}},
	"map result":           {sieve{"a"}, counter{unique{"count"}}},
	"reduce result":        {unique{"dedup"}, counter{unique{"count"}}},
	"ask":                  {asking{sieve{"a"}, 5}},
	"ask map":              {asking{sieve{"a"}, 5}, sieve{"b"}},
	"map ask":              {sieve{"a"}, asking{sieve{"b"}, 40}},
	"map ask map":          {sieve{"a"}, sieve{"b"}, asking{sieve{"c"}, 1}, sieve{"d"}},
	"ask ask":              {asking{sieve{"a"}, 3}, asking{sieve{"b"}, 500}},
	"ask reduce":           {asking{sieve{"a"}, 5}, unique{"dedup"}},
	"reduce ask":           {unique{"dedup"}, asking{sieve{"a"}, 5}},
	"reduce ask reduce":    {unique{"dedup"}, asking{sieve{"a"}, 5}, unique{"again"}},
	"reduce map ask map":   {unique{"dedup"}, sieve{"a"}, asking{sieve{"b"}, 5}, sieve{"c"}},
	"ask mark reduce ask":  {asking{sieve{"a"}, 5}, marker{unique{"mark"}}, unique{"later"}, asking{sieve{"b"}, 5}},
	"ask result":           {asking{sieve{"a"}, 5}, counter{unique{"count"}}},
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
	_, names := inputs(t, rand.New(rand.NewPCG(seed, 20)), 4, underRaceTo(40, 160))
	for _, name := range slices.Sorted(maps.Keys(phaseJobs)) {
		stages := phaseJobs[name]
		with := func(j *Job) { j.Stages = stages }
		m := obviousPhases(t, newJob(t, names, "", with))
		for i, opt := range []struct {
			workers, chunk int
			memory         int64
			tight          bool
		}{{2, 0, 1 << 30, false}, {1, 0, 96 * MiB, true}, {7, 777, 512 * MiB, false}, {1, 1, 96 * MiB, true}} {
			if underRace && i == 1 {
				continue // the last goes the same ways
			}
			if opt.memory < 100*MiB && strings.Contains(name, "ask") && name != "map ask map" {
				continue // it takes long, and shows nothing else than the others
			}
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
	_, names := inputs(t, rand.New(rand.NewPCG(3, 20)), 1, underRaceTo(300, 1500))
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reduce", "map reduce map", "mark reduce map", "result", "ask", "map ask map"} {
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

func (failing) Map(_ context.Context, b *record.Batch) error { return errStop }

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
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // for ever, even under the race detector on a busy machine
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
