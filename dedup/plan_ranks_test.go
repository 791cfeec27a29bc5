package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"curate/stage"
	"curate/stage/stagetest"
)

// TestOverlapShares throws the dice that shares takes the mean of.
func TestOverlapShares(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		o           Overlap
		bands, rows int
	}{
		{Overlap{1, 2, 0.9}, 20, 5},
		{Overlap{1, 3, 0.8}, 14, 8},
		{Overlap{1, 7, 0.7}, 20, 5},
		{Overlap{1, 4, 1}, 3, 2},
		{Overlap{1, 2, 0.3}, 20, 5},
	} {
		const rounds = 20_000
		q := math.Sqrt(math.Pow(c.o.Similarity, float64(c.rows)))
		var got overlapped
		for range rounds {
			candidates, pairs := map[int]bool{}, map[[2]int]bool{}
			for range c.bands {
				var members []int
				for doc := range c.o.Group {
					if rng.Float64() < q {
						members = append(members, doc)
					}
				}
				if len(members) < 2 {
					continue
				}
				got.members += float64(len(members))
				got.stars += float64(len(members) - 1)
				for _, doc := range members {
					candidates[doc] = true
					if doc != members[0] {
						pairs[[2]int{members[0], doc}] = true
					}
				}
			}
			got.candidates += float64(len(candidates))
			got.pairs += float64(len(pairs))
		}
		want := c.o.shares(c.bands, c.rows)
		for name, v := range map[string][2]float64{
			"candidates": {got.candidates, want.candidates}, "members": {got.members, want.members}, "stars": {got.stars, want.stars}, "pairs": {got.pairs, want.pairs},
		} {
			if got := v[0] / rounds; math.Abs(got-v[1]) > (0.02+4/math.Sqrt(v[0]))*v[1] {
				t.Errorf("%+v, %d bands of %d: %s: %.4f by dice, %.4f", c.o, c.bands, c.rows, name, got, v[1])
			}
		}
	}
}

// TestPlanRanks makes what is planned: what the steps write is within a tenth of it, and the memory that it asks for is enough, and no
// less would be.
func TestPlanRanks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const groups, alone, words, edits = 300, 600, 300, 2
	text := func() []string {
		list := make([]string, words)
		for i := range list {
			list[i] = fmt.Sprint(rng.IntN(50_000))
		}
		return list
	}
	var files [2][][]byte
	add := func(words []string) {
		to := rng.IntN(len(files))
		files[to] = append(files[to], fmt.Appendf(nil, `{"text":%q}`, strings.Join(words, " ")))
	}
	for range alone {
		add(text())
	}
	for range groups {
		of := text()
		for range 2 {
			copied := append([]string(nil), of...)
			for range edits {
				copied[rng.IntN(words)] = fmt.Sprint(50_000 + rng.IntN(50_000))
			}
			add(copied)
		}
	}
	m := mustMinHash(t, MinHashConfig{})
	f := 1 - 5*edits/float64(words) // of the shingles that a copy keeps
	p, err := m.PlanRanks(Sample{Documents: alone + 2*groups, Shingles: words - 4}, Overlap{Share: 2 * groups / float64(alone+2*groups), Group: 2, Similarity: f * f / (2 - f*f)}, 3)
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.Ranks(3)
	if err != nil {
		t.Fatal(err)
	}
	shared := stagetest.NewWorkspace(256<<20, 1)
	wrote := func(names ...string) (n int64) {
		t.Helper()
		for _, name := range names {
			_, size, err := sizeOf(t.Context(), shared, name)
			if err != nil {
				t.Fatal(err)
			}
			n += size
		}
		return n
	}
	got := map[string]int64{}
	first, second := m.Stages()[0].(stage.Reducer), m.Stages()[1].(stage.Reducer)
	keys := filesSealed(t, first, files[:], rng, nil)
	for _, s := range allSplits(keys) {
		got["sign"] += s.Size
	}
	for r := range k.n {
		if err := k.Pairs(t.Context(), r, allSplits(keys), shared, stagetest.NewWorkspace(256<<20, 1)); err != nil {
			t.Fatal(err)
		}
	}
	got["pairs"] = wrote(append(k.names(candidatesRange), k.names(PairsFile)...)...)
	sets := filesSealed(t, second, files[:], rng, func(file int) stage.Mapper {
		marks, err := k.Marks(t.Context(), []int{file}, shared, stagetest.NewWorkspace(256<<20, 1))
		if err != nil {
			t.Fatal(err)
		}
		return marks
	})
	for _, s := range sets {
		if err := k.Index(t.Context(), s, shared); err != nil {
			t.Fatal(err)
		}
		got["sets"] += wrote(IndexFile(s.Number))
	}
	candidates := got["sets"] / indexItem
	for _, s := range allSplits(sets) {
		got["sets"] += s.Size
	}
	var memory, linking int64
	for _, step := range p.Steps {
		if step.Name == "components" {
			linking = step.Memory + 1<<12 // there may be some more candidates than planned
		}
		if step.Name == "verify" || step.Name == "decide" {
			memory = step.Memory
			if left, _ := m.finishMemory(memory, 1, MaxRanges); left < step.Held {
				t.Errorf("%s: of %d bytes %d are left, and %d are held", step.Name, memory, left, step.Held)
			}
			if left, _ := m.finishMemory(memory-64, 1, MaxRanges); left >= step.Held {
				t.Errorf("%s: less than %d bytes would do", step.Name, memory)
			}
		}
	}
	c, err := k.Comparer(t.Context(), sets, shared, stagetest.NewWorkspace(memory+1<<12, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range k.n {
		if err := c.Verify(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range k.n {
		if err := c.Rehub(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	got["verify"] = wrote(k.names(verifiedFile)...)
	if err := k.Components(t.Context(), []int{1, 2}, shared, stagetest.NewWorkspace(linking, 1)); err != nil {
		t.Fatal(err)
	}
	got["components"] = wrote(ComponentsFile)
	for _, step := range p.Steps {
		if step.Writes == 0 || step.Name == "decide" {
			continue
		}
		if share := float64(got[step.Name]) / float64(step.Writes); math.Abs(share-1) > 0.1 {
			t.Errorf("%s has written %d bytes, and %d were planned", step.Name, got[step.Name], step.Writes)
		}
	}
	for name, v := range map[string][2]int64{"candidates": {candidates, p.Candidates}, "pairs": {got["verify"] / verdictWidth, p.Compared}} {
		if share := float64(v[0]) / float64(v[1]); math.Abs(share-1) > 0.1 {
			t.Errorf("%d %s, and %d were planned", v[0], name, v[1])
		}
	}
}

func TestOverlapCheck(t *testing.T) {
	m := mustMinHash(t, MinHashConfig{})
	for _, o := range []Overlap{{-0.1, 2, 1}, {1.1, 2, 1}, {math.NaN(), 2, 1}, {0.5, 1, 1}, {0.5, 2, 0}, {0.5, 2, 1.1}} {
		if _, err := m.PlanRanks(Sample{Documents: 1}, o, 1); err == nil {
			t.Errorf("%+v is no error", o)
		}
	}
	for _, ranges := range []int{-1, 0, MaxRanges + 1} {
		if _, err := m.PlanRanks(Sample{Documents: 1}, UsualOverlap, ranges); err == nil {
			t.Errorf("%d ranges are planned", ranges)
		}
	}
	if p, err := m.PlanRanks(Sample{Documents: 1000, Bytes: 1 << 20, Shingles: 100}, Overlap{0, 2, 1}, 64); err != nil || p.Candidates != 0 || p.Compared != 0 {
		t.Errorf("no duplicates: %+v, %v", p, err)
	}
}
