package dedup

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// foreignKeys is what another engine makes of keys by a shuffle.
type foreignKeys struct {
	stars []foreignStar // by range
	alone []KeyTally
}

type foreignStar struct {
	r       int
	bucket  uint64
	hub, id record.ID
}

// shuffle groups the keys of all files by bucket.
func shuffle(t testing.TB, k *Ranks, keys []SealedFile, shared stage.Workspace, rng *rand.Rand) foreignKeys {
	t.Helper()
	groups, ranges := map[uint64][]record.ID{}, map[uint64]int{}
	for _, f := range keys {
		err := k.Tally(t.Context(), f.Number, shared, func() ([]KeyTally, error) {
			tallies := make([]KeyTally, k.n)
			return tallies, k.EachKey(t.Context(), f.Splits, stagetest.NewWorkspace(64<<20, 1), func(r int, bucket uint64, id record.ID) error {
				tallies[r].Add(bucket, id)
				groups[bucket] = append(groups[bucket], id)
				ranges[bucket] = r
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out := foreignKeys{alone: make([]KeyTally, k.n)}
	for bucket, ids := range groups { // in any order
		hub := ids[0]
		for _, id := range ids {
			hub = min(hub, id)
		}
		if len(ids) == 1 {
			out.alone[ranges[bucket]].Add(bucket, hub)
		}
		for _, id := range ids {
			if id != hub {
				out.stars = append(out.stars, foreignStar{ranges[bucket], bucket, hub, id})
			}
		}
	}
	rng.Shuffle(len(out.stars), func(i, j int) { out.stars[i], out.stars[j] = out.stars[j], out.stars[i] })
	return out
}

// rows gives those of a range to PairsFrom.
func (f *foreignKeys) rows(r int) func(put func(bucket uint64, id record.ID) error) (KeyTally, error) {
	return func(put func(bucket uint64, id record.ID) error) (KeyTally, error) {
		for _, s := range f.stars {
			if s.r == r {
				if err := errors.Join(put(s.bucket, s.hub), put(s.bucket, s.id)); err != nil {
					return KeyTally{}, err
				}
			}
		}
		return f.alone[r], nil
	}
}

// starLabels are the components of pairs, by large-star and small-star in turn (Kiveris et al. 2014, "Connected Components in
// MapReduce and Beyond", algorithms 1 and 2): the smallest of each document's component, where it is another one.
func starLabels(t testing.TB, pairs map[[2]uint32]bool) (labels map[uint32]uint32, rounds int) {
	t.Helper()
	least := func(of map[[2]uint32]bool, both bool) map[uint32]uint32 {
		m := map[uint32]uint32{}
		see := func(a, b uint32) {
			if _, ok := m[a]; !ok {
				m[a] = min(a, b)
			}
			m[a] = min(m[a], b)
		}
		for p := range of { // p[0] > p[1]
			see(p[0], p[1])
			if both {
				see(p[1], p[0])
			}
		}
		return m
	}
	now := map[[2]uint32]bool{}
	for p := range pairs {
		now[[2]uint32{max(p[0], p[1]), min(p[0], p[1])}] = true
	}
	for rounds = 1; ; rounds++ {
		if rounds > 20 {
			t.Fatal("the stars do not come to an end")
		}
		large := map[[2]uint32]bool{}
		m := least(now, true)
		for p := range now {
			large[[2]uint32{p[0], m[p[1]]}] = true // the larger neighbours of p[1]
		}
		small := map[[2]uint32]bool{}
		m = least(large, false)
		for p := range large {
			for _, v := range p {
				if to := m[p[0]]; v != to {
					small[[2]uint32{v, to}] = true
				}
			}
		}
		same := len(small) == len(now)
		for p := range small {
			same = same && now[p]
		}
		if now = small; same {
			break
		}
	}
	labels = map[uint32]uint32{}
	for p := range now {
		if old, ok := labels[p[0]]; ok && old != p[1] {
			t.Fatalf("document %d hangs on %d and %d", p[0], old, p[1])
		}
		labels[p[0]] = p[1]
	}
	return labels, rounds
}

// contents are those of a file of a workspace.
func contents(t testing.TB, ws stage.Workspace, name string) string {
	t.Helper()
	f, size, err := ws.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExchange lets another engine do the shuffles, and wants the files of Pairs and Components; and refusals of what it leaves out.
func TestExchange(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	stars, edges, most := 0, 0, 0
	for round := range 8 {
		cfg := MinHashConfig{Threshold: 0.6, Verify: []string{VerifyExact, VerifySketch, VerifyNone}[round%3]}
		m := mustMinHash(t, cfg)
		if round%2 == 0 {
			m = tight(m)
		}
		if round%4 > 0 {
			m = loose(m)
		}
		lines := asLines(corpus(rng, 150))
		files := make([][][]byte, 1+rng.IntN(5))
		for i := range files {
			files[i] = lines[i*len(lines)/len(files) : (i+1)*len(lines)/len(files)]
		}
		first, second := m.Stages()[0].(stage.Reducer), m.Stages()[1].(stage.Reducer)
		keys := filesSealed(t, first, files, rng, nil)
		k, err := m.Ranks(1 + rng.IntN(9))
		if err != nil {
			t.Fatal(err)
		}
		scratch := func() stage.Workspace { return stagetest.NewWorkspace(64<<20, 1) }
		shared, want := stagetest.NewWorkspace(64<<20, 2), stagetest.NewWorkspace(64<<20, 2)
		found := shuffle(t, k, keys, shared, rng)
		var numbers []int
		for _, f := range keys {
			numbers = append(numbers, f.Number)
		}
		tallies, err := k.Tallies(t.Context(), numbers, shared)
		if err != nil {
			t.Fatal(err)
		}
		refuse := func(what string, r int, f foreignKeys) {
			t.Helper()
			ws := stagetest.NewWorkspace(64<<20, 1)
			if err := k.PairsFrom(t.Context(), r, tallies[r], f.rows(r), ws, scratch()); !errors.Is(err, ErrIncomplete) {
				t.Fatalf("seed %d, round %d, range %d of %d: %s: %v", seed, round, r, k.n, what, err)
			}
			if names := ws.Names(); len(names) > 0 {
				t.Fatalf("%s: %v was made", what, names)
			}
		}
		for r := range k.n {
			if err := k.Pairs(t.Context(), r, allSplits(keys), want, scratch()); err != nil {
				t.Fatal(err)
			}
			if err := k.PairsFrom(t.Context(), r, tallies[r], found.rows(r), shared, scratch()); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{candidatesRange(r), PairsFile(r)} {
				if contents(t, shared, name) != contents(t, want, name) {
					t.Fatalf("seed %d, round %d: %s differs", seed, round, name)
				}
			}
		}
		if len(found.stars) > 0 {
			stars += len(found.stars)
			at := rng.IntN(len(found.stars))
			s := found.stars[at]
			with := func(change func(f *foreignKeys)) foreignKeys {
				f := foreignKeys{append([]foreignStar{}, found.stars...), append([]KeyTally{}, found.alone...)}
				change(&f)
				return f
			}
			refuse("a star was lost", s.r, with(func(f *foreignKeys) { f.stars = append(f.stars[:at], f.stars[at+1:]...) }))
			refuse("another document", s.r, with(func(f *foreignKeys) { f.stars[at].id++ }))
			refuse("another hub", s.r, with(func(f *foreignKeys) { f.stars[at].hub = 1 << 62 }))
			refuse("alone keys were counted twice", s.r, with(func(f *foreignKeys) { f.alone[s.r].join(KeyTally{1, 7}) }))
			refuse("the bits of alone keys are others", s.r, with(func(f *foreignKeys) { f.alone[s.r].Xor ^= 8 }))
			if k.n > 1 {
				refuse("a bucket of another range", (s.r+1)%k.n, with(func(f *foreignKeys) { f.stars[at].r = (s.r + 1) % k.n }))
			}
		}

		// The steps between, once, and then components both ways.
		sets := filesSealed(t, second, files, rng, func(file int) stage.Mapper {
			m, err := k.Marks(t.Context(), []int{file}, shared, scratch())
			if err != nil {
				t.Fatal(err)
			}
			return m
		})
		for _, f := range sets {
			if err := k.Index(t.Context(), f, shared); err != nil {
				t.Fatal(err)
			}
		}
		c, err := k.Comparer(t.Context(), sets, shared, scratch())
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[[2]uint32]bool{}
		for _, step := range []func(i int) error{
			func(i int) error { return c.Verify(t.Context(), i) },
			func(i int) error { return c.Rehub(t.Context(), i) },
			func(i int) error {
				return k.EachSimilar(t.Context(), i, shared, func(a, b uint32) error {
					if a >= b {
						t.Errorf("documents %d and %d", a, b)
					}
					pairs[[2]uint32{a, b}] = true
					return nil
				})
			},
		} {
			for i := range k.n {
				if err := step(i); err != nil {
					t.Fatal(err)
				}
			}
		}
		labels, rounds := starLabels(t, pairs)
		edges, most = edges+len(pairs), max(most, rounds)
		give := func(labels map[uint32]uint32) func(put func(doc, component uint32) error) error {
			return func(put func(doc, component uint32) error) error {
				for doc, component := range labels { // in any order
					if err := put(doc, component); err != nil {
						return err
					}
				}
				return nil
			}
		}
		refuse2 := func(what string, change func(labels map[uint32]uint32)) {
			t.Helper()
			other := map[uint32]uint32{}
			for doc, component := range labels {
				other[doc] = component
			}
			change(other)
			err := k.ComponentsFrom(t.Context(), give(other), shared, scratch())
			if !errors.Is(err, ErrIncomplete) {
				t.Fatalf("seed %d, round %d: %s: %v", seed, round, what, err)
			}
		}
		for doc, component := range labels {
			refuse2("a document has no component", func(l map[uint32]uint32) { delete(l, doc) })
			refuse2("a document is alone", func(l map[uint32]uint32) { l[doc] = doc })
			refuse2("a component is not its smallest number", func(l map[uint32]uint32) { l[component] = doc })
			if component > 0 {
				refuse2("a component has two names", func(l map[uint32]uint32) { l[component] = component - 1 })
			}
			break
		}
		if err := k.ComponentsFrom(t.Context(), give(labels), shared, scratch()); err != nil {
			t.Fatal(err)
		}
		got := contents(t, shared, ComponentsFile)
		before := k.verdicts()
		for _, file := range numbers {
			before = append(before, IndexFile(file))
		}
		alone := newOverlay(stagetest.NewWorkspace(64<<20, 1), shared, before...)
		if err := k.Components(t.Context(), numbers, alone, scratch()); err != nil {
			t.Fatal(err)
		}
		if want := contents(t, alone, ComponentsFile); got != want {
			t.Fatalf("seed %d, round %d: %s has %d bytes that differ from %d", seed, round, ComponentsFile, len(got), len(want))
		}
		if err := shared.Err(); err != nil || shared.Opened() > 0 {
			t.Errorf("round %d: %v, %d files are open", round, err, shared.Opened())
		}
	}
	t.Logf("%d stars, %d similar pairs, %d rounds at most", stars, edges, most)
	if stars == 0 || edges == 0 || most < 2 {
		t.Error("nothing was shared, similar, or in a chain: this shows nothing")
	}
}

// TestTallies refuses a damaged file of counts.
func TestTallies(t *testing.T) {
	k, err := mustMinHash(t, MinHashConfig{}).Ranks(3)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ bytes, want string }{
		"short":        {strings.Repeat("\x00", keyTallyItem), "keys-00001: it has 1 ranges instead of 3"},
		"not whole":    {"x", "no whole items"},
		"twice one":    {strings.Repeat("\x00", 3*keyTallyItem), "keys-00001: item 1 is not of that range"},
		"nothing":      {"", "it has 0 ranges instead of 3"},
		"range 5 of 3": {"\x00\x05" + strings.Repeat("\x00", keyTallyItem-2), "item 0 is not of that range"},
	} {
		ws := stagetest.NewWorkspace(1<<20, 1)
		if err := ws.Make(t.Context(), KeysFile(1), func(w io.Writer) error { _, err := io.WriteString(w, c.bytes); return err }); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Tallies(t.Context(), []int{1}, ws); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := k.Tally(t.Context(), 2, stagetest.NewWorkspace(1<<20, 1), func() ([]KeyTally, error) { return make([]KeyTally, 2), nil }); err == nil {
		t.Error("counts of two of three ranges are no error")
	}
	cause := fmt.Errorf("cause")
	if err := k.Tally(t.Context(), 2, stagetest.NewWorkspace(1<<20, 1), func() ([]KeyTally, error) { return nil, cause }); !errors.Is(err, cause) {
		t.Error(err)
	}
}
