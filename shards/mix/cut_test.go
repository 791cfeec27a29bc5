package mix

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCuts wants sums that are no farther from what was asked than those of marks, that are those of the documents before
// the cut, and cuts that rise: a document before one is before the next.
func TestCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	nearer, all := 0, 0
	for range 200 {
		classes := 1 + rng.IntN(4)
		type doc struct {
			class      int
			digest, id uint64
			tokens     int64
		}
		var docs []doc
		totals := make([]int64, classes)
		for i := range rng.IntN(400) {
			d := doc{rng.IntN(classes), rng.Uint64(), uint64(i), 1 + rng.Int64N(1+rng.Int64N(3000))}
			docs = append(docs, d)
			totals[d.class] += d.tokens
		}
		each := func(f func(int, uint64, uint64, int64) error) error {
			for _, d := range docs {
				if err := f(d.class, d.digest, d.id, d.tokens); err != nil {
					return err
				}
			}
			return nil
		}
		wants := make([][]int64, classes)
		for c := range wants {
			for range rng.IntN(4) {
				wants[c] = append(wants[c], rng.Int64N(totals[c]+100))
			}
			slices.Sort(wants[c])
		}
		marks, plain, err := Marks(each, wants, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		cuts, got, err := Cuts(each, wants, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		_, again, err := Cuts(each, wants, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		for c := range wants {
			for k, want := range wants[c] {
				sum := int64(0)
				for _, d := range docs {
					if d.class != c {
						continue
					}
					if cuts[c][k].Before(d.digest, d.id) {
						sum += d.tokens
						if k+1 < len(wants[c]) && !cuts[c][k+1].Before(d.digest, d.id) {
							t.Fatalf("a document before cut %d is behind cut %d", k, k+1)
						}
					}
				}
				off := func(n int64) int64 { return max(n-want, want-n) }
				if sum != got[c][k] || again[c][k] != sum || cuts[c][k].Mark != marks[c][k] || off(sum) > off(plain[c][k]) {
					t.Fatalf("cut %d of class %d: %d tokens before it, said %d and %d, wanted %d; the mark has %d", k, c, sum, got[c][k], again[c][k], want, plain[c][k])
				}
				if want < totals[c] && off(plain[c][k]) > 0 {
					all++
					if off(sum) < off(plain[c][k]) {
						nearer++
					}
				}
			}
		}
	}
	if nearer < all/2 {
		t.Errorf("only %d of %d sums are nearer than those of marks", nearer, all)
	}
	t.Logf("%d of %d sums are nearer", nearer, all)
}
