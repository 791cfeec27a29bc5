package dedup

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// filesSealed runs each file's lines through a Reducer, behind a mark if there is one, in splits at random.
func filesSealed(t testing.TB, r stage.Reducer, files [][][]byte, rng *rand.Rand, mark func(file int) stage.Mapper) []SealedFile {
	t.Helper()
	var all []SealedFile
	for i, lines := range files {
		key := []stage.Mapper{r.Key()}
		if mark != nil {
			key = []stage.Mapper{mark(i + 1), r.Key()}
		}
		f := SealedFile{Number: i + 1}
		for lo := 0; lo < len(lines) || lo == 0; {
			hi := min(len(lines), lo+1+rng.IntN(60))
			b := &record.Batch{}
			for at := lo; at < hi; at++ {
				b.Append(record.MakeID(i+1, int64(at)), int64(at+1), slices.Clone(lines[at]))
			}
			b.Parse()
			for _, m := range key {
				if err := m.NewWorker().Map(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			p := r.NewPartial()
			if err := p.Add(b); err != nil {
				t.Fatal(err)
			}
			f.Splits = append(f.Splits, inSealed(t, p))
			if lo = hi; lo == 0 {
				break
			}
		}
		all = append(all, f)
	}
	return all
}

func allSplits(files []SealedFile) []stage.Sealed {
	var all []stage.Sealed
	for _, f := range files {
		all = append(all, f.Splits...)
	}
	return all
}

// known are all decisions, and the bytes of their file.
func known(t *testing.T, d *Decisions, files [][][]byte) map[record.ID]Decision {
	t.Helper()
	got := map[record.ID]Decision{}
	cursor := d.NewCursor()
	for i, lines := range files {
		for at := range lines {
			id := record.MakeID(i+1, int64(at))
			found, ok, err := cursor.Lookup(id)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got[id] = found
			}
		}
	}
	return got
}

// TestRanks does the steps part by part, in any order, some of them twice and killed in between, and wants the decisions
// and the findings of the two Reducers.
func TestRanks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	rehubbed, dropped := 0, 0
	for round := range 12 {
		cfg := MinHashConfig{
			Keep: []string{"first", "longest", "best:q.s", "source-order"}[round%4], Verify: []string{VerifyExact, VerifyExact, VerifySketch, VerifyNone}[(round+round/4)%4],
			Threshold: 0.6, Findings: Findings{Evidence: true, Clusters: true},
		}
		if cfg.Keep == KeepSourceOrder {
			cfg.Priority = []string{"books", "input-2"}
		}
		if round%5 == 0 {
			cfg.Scheme = "datasketch1" // another width of a value
		}
		m := mustMinHash(t, cfg)
		if round%3 > 0 {
			m = tight(m)
		}
		if round%4 > 0 {
			m = loose(m)
		}
		texts := corpus(rng, 100+rng.IntN(100))
		if round%2 == 0 { // all in one bucket, and hardly two of them similar to its hub
			for range 40 {
				texts = append(texts, "a page that all begin with and end with "+corpus(rng, 1)[0])
			}
		}
		lines := describe(rng, texts).lines
		files := make([][][]byte, 1+rng.IntN(7))
		for i := range files {
			files[i] = lines[i*len(lines)/len(files) : (i+1)*len(lines)/len(files)]
		}

		// As the engine does it.
		first, second := m.Stages()[0].(stage.Reducer), m.Stages()[1].(stage.Reducer)
		keys := filesSealed(t, first, files, rng, nil)
		local := stagetest.NewWorkspace(64<<20, 2)
		mark, err := first.Finish(t.Context(), allSplits(keys), local)
		if err != nil {
			t.Fatal(err)
		}
		marked := allSplits(filesSealed(t, second, files, rng, func(int) stage.Mapper { return mark }))
		alone := stagetest.NewWorkspace(64<<20, 2)
		apply, err := second.Finish(t.Context(), marked, alone)
		if err != nil {
			t.Fatal(err)
		}
		want := known(t, apply.(minhashApply).d, files)

		// As ranks do it. Scratch is as fresh as the process that has it.
		k, err := m.Ranks(1 + rng.IntN(9))
		if err != nil {
			t.Fatal(err)
		}
		shared := stagetest.NewWorkspace(64<<20, 2)
		scratch := func() stage.Workspace { return stagetest.NewWorkspace(64<<20, 1+rng.IntN(3)) }
		inAnyOrder := func(n int, part func(i int) error) {
			t.Helper()
			order := append(rng.Perm(n), rng.IntN(n))
			for _, i := range order {
				for rng.IntN(3) == 0 { // killed
					shared.FailMake(1+rng.IntN(3), stagetest.Moment(rng.IntN(4)))
					if err := part(i); err != nil && !shared.Killed() {
						t.Fatal(err)
					}
					shared.Resume(64<<20, 2)
				}
				if err := part(i); err != nil {
					t.Fatal(err)
				}
			}
		}
		inAnyOrder(k.n, func(r int) error { return k.Pairs(t.Context(), r, allSplits(keys), shared, scratch()) })
		sets := filesSealed(t, second, files, rng, func(file int) stage.Mapper {
			m, err := k.Marks(t.Context(), []int{file}, shared, scratch())
			if err != nil {
				t.Fatal(err)
			}
			return m
		})
		inAnyOrder(len(sets), func(i int) error { return k.Index(t.Context(), sets[i], shared) })
		compare := func(part func(c *Comparer, i int) error) func(i int) error {
			return func(i int) error {
				c, err := k.Comparer(t.Context(), sets, shared, scratch())
				if err != nil {
					return err
				}
				return part(c, i)
			}
		}
		inAnyOrder(k.n, compare(func(c *Comparer, i int) error { return c.Verify(t.Context(), i) }))
		inAnyOrder(k.n, compare(func(c *Comparer, i int) error { return c.Rehub(t.Context(), i) }))
		var numbers []int
		for _, f := range sets {
			numbers = append(numbers, f.Number)
		}
		inAnyOrder(1, func(int) error { return k.Components(t.Context(), numbers, shared, scratch()) })
		inAnyOrder(1, compare(func(c *Comparer, _ int) error { return c.Decide(t.Context()) }))
		done, err := k.Apply(t.Context(), shared)
		if err != nil {
			t.Fatal(err)
		}
		got := known(t, done.(minhashApply).d, files)
		if len(got) != len(want) || done.(minhashApply).d.Len() != apply.(minhashApply).d.Len() {
			t.Errorf("round %d: %d decisions, want %d", round, len(got), len(want))
		}
		for id, w := range want {
			if got[id] != w {
				t.Fatalf("round %d, %d ranges: record %d: %+v, want %+v", round, k.n, id, got[id], w)
			}
			if w.Kept != id {
				dropped++
			}
		}
		for _, name := range []string{SummaryName(""), EvidenceName(""), ClustersName("")} {
			if got, want := found(t, shared, name), found(t, alone, name); !bytes.Equal(got, want) {
				t.Fatalf("round %d, %d ranges, keep %s, verify %s: %s has\n%s\nwant\n%s", round, k.n, cfg.Keep, cfg.Verify, name, got, want)
			}
		}
		if err := shared.Err(); err != nil || shared.Opened() > 1 { // the decisions are
			t.Errorf("round %d: %v, %d files are open", round, err, shared.Opened())
		}
		for r := range k.n {
			_, size, err := sizeOf(t.Context(), shared, RehubFile(r))
			if err != nil {
				t.Fatal(err)
			}
			rehubbed += int(size / verdictWidth)
		}
	}
	t.Logf("%d dropped, %d pairs compared behind round 1", dropped, rehubbed)
	if dropped == 0 || rehubbed == 0 {
		t.Error("nothing was dropped, or compared with a second hub: this shows nothing")
	}
}

// TestRanksManyFiles has more sealed files than are merged at once.
func TestRanksManyFiles(t *testing.T) {
	m := tight(mustMinHash(t, MinHashConfig{}))
	var files [][][]byte
	for i := range 300 {
		files = append(files, [][]byte{fmt.Appendf(nil, `{"text":"%d a b c d e f g h i j"}`, i%100), []byte(`{"text":""}`)})
	}
	keys := filesSealed(t, m.Stages()[0].(stage.Reducer), files, rand.New(rand.NewPCG(1, 1)), nil)
	k, err := m.Ranks(3)
	if err != nil {
		t.Fatal(err)
	}
	shared := stagetest.NewWorkspace(64<<20, 2)
	pairs := int64(0)
	for r := range 3 {
		if err := k.Pairs(t.Context(), r, allSplits(keys), shared, stagetest.NewWorkspace(64<<20, 2)); err != nil {
			t.Fatal(err)
		}
		_, size, err := sizeOf(t.Context(), shared, PairsFile(r))
		if err != nil {
			t.Fatal(err)
		}
		pairs += size / starWidth
	}
	if least := int64(200 * m.scheme.Bands); pairs < least {
		t.Errorf("%d pairs, want %d at least", pairs, least)
	}
	if _, err := m.Ranks(0); err == nil {
		t.Error("no ranges are no error")
	}
	if _, err := m.Ranks(MaxRanges + 1); err == nil {
		t.Error("too many ranges are no error")
	}
}
