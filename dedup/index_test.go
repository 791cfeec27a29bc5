package dedup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// memorySink holds a generation's files.
type memorySink struct {
	mu     sync.Mutex
	files  map[string][]byte
	counts IndexCounts
}

func (s *memorySink) Make(_ context.Context, name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[name] = b.Bytes()
	return nil
}

func (s *memorySink) Done(_ context.Context, c IndexCounts) error {
	s.counts = c
	return nil
}

// open opens the generation.
func (s *memorySink) open(t testing.TB, width int, origins ...Origin) *IndexGeneration {
	t.Helper()
	text, err := json.Marshal(origins)
	if err != nil {
		t.Fatal(err)
	}
	f := IndexFiles{Name: "gen", Origins: text}
	for name, to := range map[string]*stage.Sealed{IndexDocumentsFile: &f.Documents, IndexIDsFile: &f.IDs, IndexKeysFile: &f.Keys, IndexSetsFile: &f.Sets} {
		*to = stage.Sealed{Size: int64(len(s.files[name])), Data: inMemory{bytes.NewReader(s.files[name])}}
	}
	g, err := OpenIndexGeneration(f, width)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestIndexPaths: a path that many runs have is held once.
func TestIndexPaths(t *testing.T) {
	var generations []*IndexGeneration
	for range 3 {
		origin := Origin{Files: []OriginFile{{1, strings.Clone("a.jsonl")}, {2, strings.Clone("b.jsonl")}}}
		generations = append(generations, &IndexGeneration{Origins: []Origin{origin, origin}, documents: &checkedFile{size: documentWidth}})
	}
	if _, err := NewIndex("", generations); err != nil {
		t.Fatal(err)
	}
	held := map[*byte]string{}
	for _, g := range generations {
		for _, o := range g.Origins {
			for _, f := range o.Files {
				held[unsafe.StringData(f.Path)] = f.Path
			}
		}
	}
	if paths := slices.Sorted(maps.Values(held)); !slices.Equal(paths, []string{"a.jsonl", "b.jsonl"}) {
		t.Errorf("%q are held", paths)
	}
}

// indexLine is a record of a run.
type indexLine struct {
	id   record.ID
	text []byte
}

func linesOf(file int, texts []string) []indexLine {
	var all []indexLine
	for i, b := range asLines(texts) {
		all = append(all, indexLine{record.MakeID(file, int64(i)), b})
	}
	return all
}

// fate is what becomes of a record.
type fate struct {
	outcome record.Outcome
	kept    string // curate.dedup.duplicate_of
	verdict string
}

// runPhases takes records through Reducers as the engine does, in batches and splits at random.
func runPhases(t testing.TB, stages []stage.Stage, all []indexLine, rng *rand.Rand) []fate {
	t.Helper()
	fates, _ := runPhasesIn(t, stages, all, rng)
	return fates
}

// runPhasesIn gives the stages' workspaces, too.
func runPhasesIn(t testing.TB, stages []stage.Stage, all []indexLine, rng *rand.Rand) (fates []fate, spaces []*stagetest.Workspace) {
	t.Helper()
	settled := map[record.ID]record.Outcome{}
	batches := func(do func(b *record.Batch)) {
		for lo := 0; lo < len(all); {
			hi := min(len(all), lo+1+rng.IntN(40))
			b := &record.Batch{}
			for i := lo; i < hi; i++ {
				if settled[all[i].id] == record.Keep {
					b.Append(all[i].id, int64(i+1), slices.Clone(all[i].text))
				}
			}
			b.Parse()
			do(b)
			for i := range b.Records {
				settled[b.Records[i].ID] = b.Records[i].Outcome
			}
			lo = hi
		}
	}
	var before stage.Mapper
	mapped := func(m stage.Mapper, b *record.Batch) {
		if m == nil {
			return
		}
		if err := m.NewWorker().Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range stages {
		r := s.(stage.Reducer)
		parts := make([]stage.Partial, 3)
		for i := range parts {
			parts[i] = r.NewPartial()
		}
		batches(func(b *record.Batch) {
			mapped(before, b)
			mapped(r.Key(), b)
			if err := parts[rng.IntN(len(parts))].Add(b); err != nil {
				t.Fatal(err)
			}
		})
		var sealed []stage.Sealed
		for _, p := range parts {
			var b bytes.Buffer
			if err := p.Seal(&b); err != nil {
				t.Fatal(err)
			}
			sealed = append(sealed, stage.Sealed{Size: int64(b.Len()), Data: inMemory{bytes.NewReader(b.Bytes())}})
		}
		var err error
		ws := stagetest.NewWorkspace(64<<20, 2)
		if before, err = r.Finish(t.Context(), sealed, ws); err != nil {
			t.Fatal(err)
		}
		spaces = append(spaces, ws)
	}
	found := map[record.ID]fate{}
	batches(func(b *record.Batch) {
		mapped(before, b)
		for i := range b.Records {
			r := &b.Records[i]
			f := fate{outcome: r.Outcome}
			var v struct {
				Curate struct {
					Dedup json.RawMessage `json:"dedup"`
				} `json:"curate"`
			}
			var d struct {
				Kept string `json:"duplicate_of"`
			}
			if r.Outcome == record.Drop {
				if err := errors.Join(json.Unmarshal(r.AppendDropped(nil), &v), json.Unmarshal(v.Curate.Dedup, &d)); err != nil {
					t.Fatal(err)
				}
				f.kept, f.verdict = d.Kept, string(v.Curate.Dedup)
			}
			found[r.ID] = f
		}
	})
	for _, l := range all {
		f, ok := found[l.id]
		if !ok {
			f.outcome = settled[l.id]
		}
		fates = append(fates, f)
	}
	return fates, spaces
}

// grown is the index behind a run that has added to it.
func grown(t testing.TB, m *MinHash, gens []*IndexGeneration, name string, all []indexLine, rng *rand.Rand) ([]*IndexGeneration, []fate) {
	t.Helper()
	x, err := NewIndex(fmt.Sprint(len(gens)), gens)
	if err != nil {
		t.Fatal(err)
	}
	sink := &memorySink{}
	with, err := m.WithIndex(IndexOptions{Index: x, Grow: &Growth{Sink: sink}})
	if err != nil {
		t.Fatal(err)
	}
	fates := runPhases(t, with.Stages(), all, rng)
	g := sink.open(t, MinHashKeyWidth, Origin{Generation: name, Documents: sink.counts.Documents, Sum: sink.counts.Sum, Files: []OriginFile{{1, name + ".jsonl"}}})
	c, err := g.Verify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if c != sink.counts {
		t.Errorf("verified %+v, want %+v", c, sink.counts)
	}
	return append(slices.Clone(gens), g), fates
}

// TestIndexAsOneRun: a run with an index keeps what one run over the index's documents and its own keeps, if that keeps all of
// the index. What always holds is tested, too: who goes is similar to one that stays, or to one of the index.
func TestIndexAsOneRun(t *testing.T) {
	compared := 0
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 11))
		cfg := MinHashConfig{Verdicts: true, Threshold: 0.6 + 0.1*float64(seed%3), Keep: []string{"first", "longest"}[seed%2]}
		m := tight(mustMinHash(t, cfg))
		if seed%4 > 1 {
			m = loose(m)
		}
		texts := corpus(rng, 160)
		cuts := []int{0, 50, 90, len(texts)} // three runs
		var gens []*IndexGeneration
		var kept []indexLine // of the runs before
		names := map[string]string{}
		sets := map[string][]uint64{}
		for n := range 3 {
			own := linesOf(1, texts[cuts[n]:cuts[n+1]])
			name := fmt.Sprintf("%016x", n+1)
			var fates []fate
			gens, fates = grown(t, m, gens, name, own, rng)

			one := slices.Clone(kept)
			for _, l := range own {
				one = append(one, indexLine{record.MakeID(n+2, l.id.Offset()), l.text})
			}
			asOne := runPhases(t, mustLike(t, m, cfg).Stages(), one, rng)
			allStay := true
			for i := range kept {
				allStay = allStay && asOne[i].outcome == record.Keep
			}
			for i, l := range own {
				id := fmt.Sprint(int64(one[len(kept)+i].id))
				names[id], sets[id] = name+":"+fmt.Sprint(int64(l.id)), Set(m.scheme.Shingles(nil, []byte(texts[cuts[n]+i]), &Scratch{}))
			}
			stays := map[string]bool{}
			for i := range own {
				if fates[i].outcome == record.Keep {
					stays[fmt.Sprint(int64(own[i].id))] = true
				}
			}
			for i := range own {
				f, id := fates[i], fmt.Sprint(int64(one[len(kept)+i].id))
				if f.outcome == record.Drop {
					twin := ""
					if strings.Contains(f.kept, ":") {
						for k, v := range names {
							if v == f.kept {
								twin = k
							}
						}
						if !slices.ContainsFunc(kept, func(l indexLine) bool { return fmt.Sprint(int64(l.id)) == twin }) {
							t.Fatalf("seed %d: %s goes for %s, which the index does not have", seed, id, f.kept)
						}
						if !strings.Contains(f.verdict, `"indexed":{"file":"`+f.kept[:16]+`.jsonl","id":`) {
							t.Fatalf("verdict %s", f.verdict)
						}
					} else {
						if !stays[f.kept] {
							t.Fatalf("seed %d: %s goes for %s, which does not stay", seed, id, f.kept)
						}
						k := slices.IndexFunc(own, func(l indexLine) bool { return fmt.Sprint(int64(l.id)) == f.kept })
						twin = fmt.Sprint(int64(one[len(kept)+k].id))
					}
					a, b := sets[id], sets[twin]
					if s := millionths(Intersection(a, b), len(a), len(b)); s < m.threshold {
						t.Fatalf("seed %d: %s goes for %s, and they are similar by %d", seed, id, twin, s)
					}
				}
				if allStay && seed%2 == 0 {
					compared++
					w := asOne[len(kept)+i]
					if f.outcome != w.outcome {
						t.Fatalf("seed %d, run %d, record %d: %+v, in one run %+v", seed, n, i, f, w)
					}
					want := w.kept
					if at := slices.IndexFunc(kept, func(l indexLine) bool { return fmt.Sprint(int64(l.id)) == want }); at >= 0 {
						want = names[want]
					} else if want != "" {
						want = fmt.Sprint(int64(record.MakeID(1, offsetOf(want))))
					}
					if f.kept != want {
						t.Fatalf("seed %d, run %d, record %d: goes for %s, in one run for %s", seed, n, i, f.kept, want)
					}
				}
			}
			for i, f := range fates {
				if f.outcome == record.Keep {
					kept = append(kept, one[len(one)-len(own)+i])
				}
			}
		}
		// Merged, it is the same index.
		sink := &memorySink{}
		counts, err := MergeIndex(t.Context(), gens, sink)
		if err != nil {
			t.Fatal(err)
		}
		merged := sink.open(t, MinHashKeyWidth, MergeOrigins(gens)...)
		if c, err := merged.Verify(t.Context(), m); err != nil || c != counts {
			t.Fatalf("merged: %+v, %v, want %+v", c, err, counts)
		}
		probe := linesOf(1, corpus(rng, 30))
		for i := range probe {
			if i%2 == 0 {
				probe[i].text = asLines(texts)[rng.IntN(len(texts))]
			}
		}
		var results [2][]fate
		for k, gs := range [][]*IndexGeneration{gens, {merged}} {
			x, err := NewIndex("x", gs)
			if err != nil {
				t.Fatal(err)
			}
			with, err := m.WithIndex(IndexOptions{Index: x})
			if err != nil {
				t.Fatal(err)
			}
			results[k] = runPhases(t, with.Stages(), probe, rng)
		}
		if !slices.Equal(results[0], results[1]) {
			t.Fatalf("seed %d: another result when merged\n%v\n%v", seed, results[0], results[1])
		}
		// Twice the same is there once.
		again := &memorySink{}
		if c, err := MergeIndex(t.Context(), append(slices.Clone(gens), merged), again); err != nil || c != counts {
			t.Fatalf("merged with itself: %+v, %v, want %+v", c, err, counts)
		}
		for name, b := range sink.files {
			if !bytes.Equal(b, again.files[name]) {
				t.Errorf("merged with itself: %s differs", name)
			}
		}
	}
	if compared < 150 {
		t.Errorf("only %d records were compared with one run", compared)
	}
}

func offsetOf(id string) int64 {
	var n int64
	_, _ = fmt.Sscan(id, &n)
	return record.ID(n).Offset()
}

// mustLike is m without an index.
func mustLike(t testing.TB, m *MinHash, cfg MinHashConfig) *MinHash {
	t.Helper()
	c := tight(mustMinHash(t, cfg))
	c.scheme = m.scheme
	return c
}

func TestIndexExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	e := small(mustExact(t, ExactConfig{Verdicts: true}))
	all := linesOf(1, corpus(rng, 300))
	one := runPhases(t, []stage.Stage{e}, all, rng)
	var gens []*IndexGeneration
	for lo := 0; lo < len(all); lo += 100 {
		x, err := NewIndex("x", gens)
		if err != nil {
			t.Fatal(err)
		}
		sink := &memorySink{}
		stages, err := e.StagesWithIndex(IndexOptions{Index: x, Grow: &Growth{Sink: sink}})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range runPhases(t, stages, all[lo:lo+100], rng) {
			_, kept, _ := strings.Cut(f.kept, ":")
			if kept == "" {
				kept = f.kept
			}
			if w := one[lo+i]; f.outcome != w.outcome || kept != w.kept {
				t.Fatalf("record %d: %+v, in one run %+v", lo+i, f, w)
			}
		}
		g := sink.open(t, ExactKeyWidth, Origin{Generation: fmt.Sprint(lo), Documents: sink.counts.Documents, Sum: sink.counts.Sum})
		if _, err := g.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		gens = append(gens, g)
	}
}

// TestIndexStages: the laws of all Reducers there are with an index.
func TestIndexStages(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := tight(mustMinHash(t, MinHashConfig{Verdicts: true}))
	gens, _ := grown(t, m, nil, "0000000000000001", linesOf(1, corpus(rng, 12)), rng)
	lines := mixed()[:20]
	for i := 0; i < len(lines); i += 7 {
		lines[i] = slices.Clone(asLines(corpus(rand.New(rand.NewPCG(1, 2)), 12))[i%12])
	}
	x, err := NewIndex("x", gens)
	if err != nil {
		t.Fatal(err)
	}
	for name, grow := range map[string]*Growth{"readonly": nil, "grow": {Sink: &memorySink{}}} {
		t.Run(name, func(t *testing.T) {
			with, err := m.WithIndex(IndexOptions{Index: x, Grow: grow})
			if err != nil {
				t.Fatal(err)
			}
			first := with.Stages()[0].(stage.Reducer)
			if grow == nil { // it is the same with growth
				stagetest.Reducer(t, first, lines)
			}
			marks, err := first.Finish(t.Context(), sealedOf(t, first, lines, rng), stagetest.NewWorkspace(64<<20, 2))
			if err != nil {
				t.Fatal(err)
			}
			stagetest.Reducer(t, markedIndexed{with.Stages()[1].(*indexedVerification), marks}, lines)
			if grow != nil { // without marks in front of it, it keeps everything
				stagetest.Reducer(t, with.Stages()[2].(stage.Reducer), lines)
			}
		})
	}
	e, err := NewIndex("x", nil)
	if err != nil {
		t.Fatal(err)
	}
	stages, err := small(mustExact(t, ExactConfig{})).StagesWithIndex(IndexOptions{Index: e, Grow: &Growth{Sink: &memorySink{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stages {
		stagetest.Reducer(t, s.(stage.Reducer), lines)
	}
}

// markedIndexed is as marked.
type markedIndexed struct {
	*indexedVerification
	marks stage.Mapper
}

func (m markedIndexed) Key() stage.Mapper { return markedKey{&m.verification, m.marks} }

// TestIndexDamage: a bit that is wrong anywhere is found, and the file is named.
func TestIndexDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	m := tight(mustMinHash(t, MinHashConfig{Verdicts: true}))
	x, err := NewIndex("", nil)
	if err != nil {
		t.Fatal(err)
	}
	sink := &memorySink{}
	with, err := m.WithIndex(IndexOptions{Index: x, Grow: &Growth{Sink: sink}})
	if err != nil {
		t.Fatal(err)
	}
	runPhases(t, with.Stages(), linesOf(1, corpus(rng, 60)), rng)
	origin := []byte(fmt.Sprintf(`[{"generation":"a","documents":%d,"sum":%q}]`, sink.counts.Documents, sink.counts.Sum))
	try := func(damaged string, raw []byte) error {
		f := IndexFiles{Name: "gen", Origins: origin}
		for name, to := range map[string]*stage.Sealed{IndexDocumentsFile: &f.Documents, IndexIDsFile: &f.IDs, IndexKeysFile: &f.Keys, IndexSetsFile: &f.Sets} {
			b := sink.files[name]
			if name == damaged {
				b = raw
			}
			*to = stage.Sealed{Size: int64(len(b)), Data: inMemory{bytes.NewReader(b)}}
		}
		g, err := OpenIndexGeneration(f, MinHashKeyWidth)
		if err != nil {
			return err
		}
		_, err = g.Verify(t.Context(), m)
		return err
	}
	if err := try("", nil); err != nil {
		t.Fatal(err)
	}
	for name, b := range sink.files {
		for range 60 {
			raw := slices.Clone(b)
			at := rng.IntN(len(raw))
			raw[at] ^= 1 << rng.IntN(8)
			if err := try(name, raw); err == nil || !errors.Is(err, ErrIndex) && !strings.Contains(err.Error(), "version") || !strings.Contains(err.Error(), "gen/"+name) {
				t.Errorf("%s, byte %d of %d: %v", name, at, len(raw), err)
			}
		}
		for _, n := range []int{0, 10, len(b) - 1} {
			if err := try(name, b[:n]); !errors.Is(err, ErrIndex) {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestIndexSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for n := range 300 {
		size := []int{1, 2, 3, 30, 500, indexPiece, indexPiece + 1, 3 * indexPiece}[n%8]
		mask := []uint64{1<<64 - 1, 1<<32 - 1, 1<<61 - 1, 1 << 20}[n/8%4]
		var set []uint64
		for range size {
			set = append(set, rng.Uint64()&mask)
		}
		if n%5 == 0 {
			set = append(set, 0, 1, 2, 1<<64-1)
		}
		set = Set(set)
		raw := appendIndexSet(nil, set)
		got, err := decodeIndexSet(raw)
		if err != nil || !slices.Equal(got, set) {
			t.Fatalf("%d values below %x: %v", len(set), mask, err)
		}
		switch {
		case size == 500 && mask == 1<<64-1 && n%5 > 0 && len(raw) > 500*73/10, size == 500 && mask == 1<<32-1 && n%5 > 0 && len(raw) > 500*33/10:
			t.Errorf("%d values below %x take %d bytes", len(set), mask, len(raw))
		}
	}
}

func decodeIndexSet(raw []byte) ([]uint64, error) {
	var s indexSet
	r := bufio.NewReader(bytes.NewReader(raw))
	if err := s.open(r); err != nil {
		return nil, err
	}
	var all []uint64
	for {
		piece, err := s.next()
		if err != nil || len(piece) == 0 {
			return all, err
		}
		all = append(all, piece...)
	}
}

func FuzzIndexSet(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendIndexSet(nil, []uint64{0}))
	f.Add(appendIndexSet(nil, []uint64{1, 2, 3, 1 << 40, 1<<64 - 1}))
	f.Add(appendIndexSet(nil, []uint64{1 << 10, 1 << 11, 1 << 12}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := decodeIndexSet(raw)
		if err != nil {
			return
		}
		for i := 1; i < len(set); i++ {
			if set[i] <= set[i-1] {
				t.Fatalf("values out of order: %v", set)
			}
		}
		again, err := decodeIndexSet(appendIndexSet(nil, set))
		if err != nil || !slices.Equal(again, set) {
			t.Fatalf("%v became %v: %v", set, again, err)
		}
	})
}

func FuzzIndexFile(f *testing.F) {
	for _, n := range []int{0, 1, checkedBlock, checkedBlock + 1} {
		var b bytes.Buffer
		c := newCheckedWriter(&b, checkedKeys)
		_, _ = c.Write(make([]byte, n))
		_ = c.close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := openChecked("f", stage.Sealed{Size: int64(len(raw)), Data: inMemory{bytes.NewReader(raw)}}, checkedKeys)
		if err != nil {
			return
		}
		b := make([]byte, c.size)
		if n, err := c.ReadAt(b, 0); int64(n) < c.size && !errors.Is(err, ErrIndex) {
			t.Fatalf("read %d of %d bytes: %v", n, c.size, err)
		}
	})
}
