package stagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"curate/record"
	"curate/stage"
)

// Memory and workers of the attempts: a run may go on with others than it began with.
var limits = []struct {
	memory  int64
	workers int
}{{64 << 20, 3}, {16 << 20, 1}, {1 << 30, 8}}

// Reducer checks the laws of a Reduce stage on the given lines (at least 20, some of them bad): those of its Key
// and of the Mapper it ends with, as Mapper does, and its own. A stage whose Finish makes many files or reads much
// takes long, since it is killed at each.
func Reducer(t *testing.T, r stage.Reducer, lines [][]byte) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := &suite{r: r, lines: lines, rng: rand.New(rand.NewPCG(seed, 0))}
	if !t.Run("key", s.key) {
		return // nothing else would mean anything
	}
	s.want = s.seal(t, s.all(), 1)
	if !t.Run("seal", s.seals) || !t.Run("merge", s.merges) {
		return
	}
	if !t.Run("finish", s.finish) {
		return
	}
	t.Run("any spreading over splits", s.spreading)
	t.Run("kill", s.kill)
	t.Run("cancel", s.cancel)
	t.Run("failing reads", s.failingReads)
}

type suite struct {
	r      stage.Reducer
	lines  [][]byte
	rng    *rand.Rand
	keyed  []result // what Key makes of each line
	want   []byte   // all lines, sealed
	result outcome
}

// outcome is all that comes of a Reducer: a result file, or what becomes of each line.
type outcome struct {
	file    string
	records []result
}

func (o *outcome) diff(p *outcome) string {
	if o.file != p.file {
		return fmt.Sprintf("result %q, want %q", clip(o.file), clip(p.file))
	}
	if len(o.records) != len(p.records) {
		return fmt.Sprintf("%d records, want %d", len(o.records), len(p.records))
	}
	for i := range o.records {
		if o.records[i] != p.records[i] {
			return fmt.Sprintf("record %d: %+v\nwant %+v", i, o.records[i], p.records[i])
		}
	}
	return ""
}

func clip(s string) string { return s[:min(len(s), 300)] }

func (s *suite) all() []int {
	all := make([]int, len(s.lines))
	for i := range all {
		all[i] = i
	}
	return all
}

// batchOf makes a batch of some of the lines, with the IDs that batch gives them.
func (s *suite) batchOf(which []int) *record.Batch {
	b := &record.Batch{}
	for _, i := range which {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), slices.Clone(s.lines[i]))
	}
	b.Parse()
	return b
}

func (s *suite) key(t *testing.T) {
	m := s.r.Key()
	Mapper(t, m, s.lines)
	if got, want := m.Spec().Name, s.r.Spec().Name; got != want {
		t.Errorf("Key is named %q and the stage %q; they are one line of the ledger", got, want)
	}
	spec(t, s.r)
	var err error
	if s.keyed, err = mapped(t.Context(), m.NewWorker(), s.lines, 0); err != nil {
		t.Fatal(err)
	}
	for i, r := range s.keyed {
		if r.outcome != record.Quarantine && r.line != string(s.lines[i])+"\n" {
			t.Errorf("record %d: Key staged an edit: %s", i, r.line)
		}
	}
	// The key of a record depends on nothing but the record.
	w := m.NewWorker()
	for _, cut := range s.cuts(s.all(), 7) {
		b := s.batchOf(cut)
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for k, i := range cut {
			alone := s.batchOf([]int{i})
			if err := m.NewWorker().Map(t.Context(), alone); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Records[k].Key(), alone.Records[0].Key()) {
				t.Errorf("record %d: key %x in a batch, %x alone", i, b.Records[k].Key(), alone.Records[0].Key())
			}
		}
	}
}

// cuts cuts which into pieces of 1 to most.
func (s *suite) cuts(which []int, most int) [][]int {
	var all [][]int
	for len(which) > 0 {
		n := 1 + s.rng.IntN(min(most, len(which)))
		all = append(all, which[:n])
		which = which[n:]
	}
	return all
}

// seal runs some of the lines as one split, in batches of 1 to most, joined in read order in any grouping.
func (s *suite) seal(t *testing.T, which []int, most int) []byte {
	t.Helper()
	var parts []stage.Partial
	w := s.r.Key().NewWorker()
	for _, cut := range s.cuts(which, most) {
		b := s.batchOf(cut)
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		p := s.r.NewPartial()
		if err := p.Add(b); err != nil {
			t.Fatal(err)
		}
		s.spoil(b)
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		parts = append(parts, s.r.NewPartial())
	}
	for len(parts) > 1 {
		i := s.rng.IntN(len(parts) - 1)
		if err := parts[i].Join(parts[i+1]); err != nil {
			t.Fatal(err)
		}
		parts = slices.Delete(parts, i+1, i+2)
	}
	if n := parts[0].Size(); n < 0 {
		t.Errorf("a Partial holds %d bytes", n)
	}
	var out bytes.Buffer
	if err := parts[0].Seal(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// spoil does to a batch what the engine does: its memory is used for other records.
func (s *suite) spoil(b *record.Batch) {
	n := len(b.Records)
	for i := range b.Records {
		for k := range b.Records[i].Line {
			b.Records[i].Line[k] = '#'
		}
	}
	b.Reset()
	for range n {
		b.Append(1<<62, 1, []byte("{}")).SetKey(bytes.Repeat([]byte{0xAA}, 40))
	}
}

func (s *suite) seals(t *testing.T) {
	for round := range 20 {
		if got := s.seal(t, s.all(), []int{1, 3, 20, len(s.lines)}[round%4]); !bytes.Equal(got, s.want) {
			t.Fatalf("other batches and joins give other sealed bytes (%d, were %d)", len(got), len(s.want))
		}
	}
	shuffled := s.all() // the set counts, not the order
	for range 3 {
		s.rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := s.seal(t, shuffled, 9); !bytes.Equal(got, s.want) {
			t.Fatalf("the same records in another order give other sealed bytes (%d, were %d)", len(got), len(s.want))
		}
	}
	p := s.r.NewPartial() // more than one batch without a Join
	w := s.r.Key().NewWorker()
	for _, cut := range s.cuts(s.all(), 9) {
		b := s.batchOf(cut)
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := p.Add(b); err != nil {
			t.Fatal(err)
		}
		s.spoil(b)
	}
	for _, empty := range []stage.Partial{s.r.NewPartial(), s.r.NewPartial()} {
		if err := p.Join(empty); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := p.Seal(&out); err != nil || !bytes.Equal(out.Bytes(), s.want) {
		t.Errorf("several Adds give other sealed bytes (%d, were %d), error %v", out.Len(), len(s.want), err)
	}
	if len(s.want) > 0 {
		p := s.r.NewPartial()
		b := s.batchOf(s.all())
		if err := errors.Join(w.Map(t.Context(), b), p.Add(b)); err != nil {
			t.Fatal(err)
		}
		if err := p.Seal(&fullDisk{len(s.want) / 2}); !errors.Is(err, errFull) {
			t.Errorf("Seal to a full disk says %v", err)
		}
	}
}

var errFull = errors.New("the test's disk is full")

// fullDisk takes so many bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// spread deals the lines to at most n splits, in order within each, and seals those.
func (s *suite) spread(t *testing.T, n int) [][]byte {
	t.Helper()
	splits := make([][]int, n)
	for i := range s.lines {
		k := s.rng.IntN(n)
		splits[k] = append(splits[k], i)
	}
	var sealed [][]byte
	for _, which := range splits {
		sealed = append(sealed, s.seal(t, which, 5))
	}
	return sealed
}

func (s *suite) merge(t *testing.T, sealed [][]byte) []byte {
	t.Helper()
	in := make([]io.Reader, len(sealed))
	for i, b := range sealed {
		switch in[i] = bytes.NewReader(b); i % 3 { // none of these is a *bytes.Reader that can be sought in
		case 0:
			in[i] = iotest.HalfReader(in[i])
		case 1:
			in[i] = iotest.DataErrReader(in[i])
		case 2:
			in[i] = iotest.OneByteReader(in[i])
		}
	}
	var out bytes.Buffer
	if err := s.r.Merge(&out, in); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (s *suite) merges(t *testing.T) {
	if got := s.merge(t, [][]byte{s.want}); !bytes.Equal(got, s.want) {
		t.Fatalf("Merge of one sealed file gives %d other bytes, were %d", len(got), len(s.want))
	}
	for _, n := range []int{1, 2, 3, 7, 30} {
		// Of a split that was sealed in pieces.
		var pieces [][]byte
		for _, cut := range s.cuts(s.all(), 1+len(s.lines)/n) {
			pieces = append(pieces, s.seal(t, cut, 5))
		}
		pieces = append(pieces, s.seal(t, nil, 1))
		for len(pieces) > 1 {
			lo := s.rng.IntN(len(pieces) - 1)
			hi := min(len(pieces), lo+2+s.rng.IntN(4))
			pieces[lo] = s.merge(t, pieces[lo:hi])
			pieces = slices.Delete(pieces, lo+1, hi)
		}
		if !bytes.Equal(pieces[0], s.want) {
			t.Fatalf("sealed in pieces and merged: %d bytes that differ from the %d sealed at once", len(pieces[0]), len(s.want))
		}
	}
	if len(s.want) == 0 {
		return
	}
	if err := s.r.Merge(&fullDisk{len(s.want) / 2}, []io.Reader{bytes.NewReader(s.want)}); !errors.Is(err, errFull) {
		t.Errorf("Merge to a full disk says %v", err)
	}
	torn := io.MultiReader(bytes.NewReader(s.want[:len(s.want)/2]), iotest.ErrReader(errRead))
	if err := s.r.Merge(io.Discard, []io.Reader{bytes.NewReader(s.want), torn}); !errors.Is(err, errRead) {
		t.Errorf("Merge of a file that cannot be read says %v", err)
	}
}

var errRead = errors.New("the test's disk cannot read")

// sealedFile counts reads, and fails or calls stop at one of them.
type sealedFile struct {
	*bytes.Reader
	reads *atomic.Int64 // of all files; nil when nobody counts
	at    int64
	stop  func() error
	hit   *atomic.Bool
}

func (f *sealedFile) Close() error { return nil }

func (f *sealedFile) ReadAt(b []byte, at int64) (int, error) {
	if f.reads != nil && f.reads.Add(1) == f.at {
		f.hit.Store(true)
		if err := f.stop(); err != nil {
			return 0, err
		}
	}
	return f.Reader.ReadAt(b, at)
}

func files(sealed [][]byte) []stage.Sealed {
	fs := make([]stage.Sealed, len(sealed))
	for i, b := range sealed {
		fs[i] = stage.Sealed{Size: int64(len(b)), Data: &sealedFile{Reader: bytes.NewReader(b)}}
	}
	return fs
}

// stopAt makes the nth read of all the files call stop.
func stopAt(fs []stage.Sealed, n int, stop func() error) (hit *atomic.Bool) {
	var reads atomic.Int64
	hit = new(atomic.Bool)
	for i := range fs {
		f := fs[i].Data.(*sealedFile)
		f.reads, f.at, f.stop, f.hit = &reads, int64(n), stop, hit
	}
	return hit
}

// outcomeOf runs what Finish returned on all lines that Key kept.
func (s *suite) outcomeOf(t *testing.T, m stage.Mapper, ws *Workspace) outcome {
	t.Helper()
	if err := ws.Err(); err != nil {
		t.Fatal(err)
	}
	if m == nil {
		names := []string{stage.ResultFile}
		if isSet := strings.HasSuffix(s.r.Spec().Result, "/"); isSet {
			names = slices.DeleteFunc(ws.Names(), func(n string) bool { return !strings.HasPrefix(n, stage.ResultDir) })
			if len(names) == 0 {
				t.Fatal("neither a Mapper nor files of a result")
			}
		}
		var all strings.Builder
		for _, name := range names {
			f, size, err := ws.Open(t.Context(), name)
			if err != nil {
				t.Fatalf("neither a Mapper nor a result: %v", err)
			}
			b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			if len(names) > 1 {
				fmt.Fprintf(&all, "%s, %d bytes: ", name, size)
			}
			all.Write(b)
		}
		return outcome{file: all.String()}
	}
	o := outcome{records: slices.Clone(s.keyed), file: s.findings(t, ws)}
	w := m.NewWorker()
	for _, cut := range s.cuts(s.all(), 20) {
		rs, err := mapped(t.Context(), w, s.lines[cut[0]:cut[0]+len(cut)], cut[0])
		if err != nil {
			t.Fatal(err)
		}
		for k, i := range cut {
			if s.keyed[i].outcome == record.Keep {
				o.records[i] = rs[k]
			}
		}
	}
	return o
}

// findings are those that the stage says it makes, of which there are no others.
func (s *suite) findings(t *testing.T, ws *Workspace) string {
	t.Helper()
	var all strings.Builder
	found := 0
	for _, name := range ws.Names() {
		finding, ok := strings.CutPrefix(name, stage.FindingsDir)
		if !ok {
			continue
		}
		if !slices.Contains(s.r.Spec().Findings, finding) {
			t.Errorf("finding %s is made, and not in Spec().Findings", finding)
		}
		found++
		f, size, err := ws.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s, %d bytes: %s", finding, size, b)
	}
	if want := len(s.r.Spec().Findings); found != want {
		t.Errorf("%d findings are made, Spec().Findings has %d", found, want)
	}
	return all.String()
}

func (s *suite) check(t *testing.T, what string, sealed []stage.Sealed, ws *Workspace) {
	t.Helper()
	m, err := s.r.Finish(t.Context(), sealed, ws)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got := s.outcomeOf(t, m, ws)
	if d := got.diff(&s.result); d != "" {
		t.Fatalf("%s: another result: %s", what, d)
	}
}

func (s *suite) finish(t *testing.T) {
	ws := NewWorkspace(limits[0].memory, limits[0].workers)
	sealed := files([][]byte{s.want})
	m, err := s.r.Finish(t.Context(), sealed, ws)
	if err != nil {
		t.Fatal(err)
	}
	s.result = s.outcomeOf(t, m, ws)
	if m != nil {
		if got, want := m.Spec().Name, s.r.Spec().Name; got != want {
			t.Errorf("the Mapper is named %q and the stage %q; they are one line of the ledger", got, want)
		}
		Mapper(t, m, s.lines)
	} else if n := ws.Opened(); n > 0 {
		t.Errorf("Finish left %d files open", n)
	}
	// A run that is resumed in the next phase.
	s.check(t, "Finish again", sealed, ws)
}

func (s *suite) spreading(t *testing.T) {
	for round, n := range []int{1, 2, 3, 5, 8, 40} {
		sealed := files(s.spread(t, n))
		s.rng.Shuffle(len(sealed), func(i, j int) { sealed[i], sealed[j] = sealed[j], sealed[i] })
		l := limits[round%len(limits)]
		s.check(t, fmt.Sprintf("spread over %d splits in any order", n), sealed, NewWorkspace(l.memory, l.workers))
	}
	// Half of them merged by the engine.
	sealed := s.spread(t, 9)
	sealed = append(sealed[:4:4], s.merge(t, sealed[4:]))
	s.check(t, "spread and partly merged", files(sealed), NewWorkspace(limits[0].memory, limits[0].workers))
}

// attempt calls Finish and wants an error if it must fail.
func (s *suite) attempt(t *testing.T, ctx context.Context, what string, sealed []stage.Sealed, ws *Workspace) error {
	t.Helper()
	before := ws.Opened()
	_, err := s.r.Finish(ctx, sealed, ws)
	if err != nil && ws.Opened() > before {
		t.Errorf("%s: Finish failed and left %d files open", what, ws.Opened()-before)
	}
	if err := ws.Err(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return err
}

// kill kills Finish at every file it makes, and what goes on after that again at random, and wants the result of
// a run that was left alone. Each attempt has other limits and the records spread over other files: with other
// memory the engine seals and merges at other places.
func (s *suite) kill(t *testing.T) {
	var spreads [][][]byte
	for range 12 {
		spreads = append(spreads, s.spread(t, 1+s.rng.IntN(6)))
	}
	again := func() []stage.Sealed { return files(spreads[s.rng.IntN(len(spreads))]) }
	for _, m := range moments {
		for n := 1; ; n++ {
			what := fmt.Sprintf("killed %s of file %d", m, n)
			l := limits[n%len(limits)]
			ws := NewWorkspace(l.memory, l.workers)
			kill := func(n int, m Moment) bool {
				ws.FailMake(n, m)
				err := s.attempt(t, t.Context(), what, again(), ws)
				killed := ws.Killed()
				if killed && err == nil {
					t.Fatalf("%s: Finish does not notice", what)
				}
				if !killed && err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				l = limits[s.rng.IntN(len(limits))]
				ws.Resume(l.memory, l.workers)
				return killed
			}
			if !kill(n, m) {
				if n == 1 {
					t.Fatal("Finish makes no file")
				}
				break
			}
			kill(1+s.rng.IntN(n), moments[s.rng.IntN(len(moments))])
			s.check(t, what, again(), ws)
		}
	}
}

func (s *suite) cancel(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	parts := s.spread(t, 3)
	before := runtime.NumGoroutine()
	ws := NewWorkspace(limits[0].memory, limits[0].workers)
	if err := s.attempt(t, ctx, "cancelled", files(parts), ws); err == nil {
		t.Error("Finish did not look at its cancelled context")
	}
	for n := 1; ; n += 1 + s.rng.IntN(1+n/4) {
		ctx, stop := context.WithCancel(t.Context())
		sealed := files(parts)
		hit := stopAt(sealed, n, func() error { stop(); return nil })
		ws := NewWorkspace(limits[n%len(limits)].memory, limits[n%len(limits)].workers)
		what := fmt.Sprintf("cancelled at read %d", n)
		err := s.attempt(t, ctx, what, sealed, ws)
		stop()
		if !hit.Load() {
			if err != nil {
				t.Fatalf("%s, which never came: %v", what, err)
			}
			break
		}
		s.check(t, what, files(parts), ws)
	}
	for range 50 { // a goroutine that is just ending may still be counted
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after: Finish leaves some running", before, runtime.NumGoroutine())
}

func (s *suite) failingReads(t *testing.T) {
	parts := s.spread(t, 3)
	var once sync.Once
	for n := 1; ; n += 1 + s.rng.IntN(1+n/4) {
		sealed := files(parts)
		hit := stopAt(sealed, n, func() error { return errRead })
		ws := NewWorkspace(limits[n%len(limits)].memory, limits[n%len(limits)].workers)
		what := fmt.Sprintf("read %d fails", n)
		err := s.attempt(t, t.Context(), what, sealed, ws)
		if !hit.Load() {
			return
		}
		if err == nil {
			t.Fatalf("%s: Finish does not notice", what)
		}
		if !errors.Is(err, errRead) {
			once.Do(func() { t.Errorf("%s: the cause is lost: %v", what, err) })
		}
		s.check(t, what, files(parts), ws)
	}
}
