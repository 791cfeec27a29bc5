package mix

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// positionOf is the formula in numbers of any size.
func positionOf(e Epochs, n int, digest uint64) uint64 {
	at := func(whole int, part uint64) *big.Int {
		x := new(big.Int).Lsh(big.NewInt(int64(whole)), 64)
		return x.Add(x, new(big.Int).SetUint64(part))
	}
	num, den := at(n, digest), at(e.Whole, e.Part.Digest)
	if num.Cmp(den) >= 0 {
		return math.MaxUint64
	}
	return num.Quo(num.Lsh(num, 64), den).Uint64()
}

func TestPosition(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	edges := []uint64{0, 1, 2, 1 << 32, 1<<63 - 1, 1 << 63, 1<<63 + 1, math.MaxUint64 - 1, math.MaxUint64}
	word := func() uint64 {
		if rng.IntN(3) == 0 {
			return edges[rng.IntN(len(edges))]
		}
		return rng.Uint64() >> rng.IntN(64)
	}
	for range 200_000 {
		e := Epochs{Whole: rng.IntN(1 + []int{1, 8, MaxRepeats, math.MaxInt64 - 1}[rng.IntN(4)]), Part: Cut{Mark: Mark{word(), word()}}}
		n := min(rng.IntN(1+min(e.Whole, math.MaxInt64-1)), math.MaxInt64-1)
		a, b := word(), word()
		if a > b {
			a, b = b, a
		}
		pa, pb := e.Position(n, a), e.Position(n, b)
		if want := positionOf(e, n, a); pa != want {
			t.Fatalf("seed %d: %+v, copy %d, digest %x: %x, want %x", seed, e, n, a, pa, want)
		}
		if pa > pb {
			t.Fatalf("seed %d: %+v, copy %d: digest %x stands at %x and %x at %x", seed, e, n, a, pa, b, pb)
		}
		if n < e.Whole && e.Position(n+1, a) < pb {
			t.Fatalf("seed %d: %+v: copy %d of %x stands before copy %d of %x", seed, e, n+1, a, n, b)
		}
		if e := (Epochs{Whole: 1}); e.Position(0, a) != a {
			t.Fatalf("one epoch moves %x to %x", a, e.Position(0, a))
		}
	}
	if got := (Epochs{}).Position(0, 0); got != math.MaxUint64 {
		t.Errorf("a copy that there is not stands at %x", got)
	}
	if n := testing.AllocsPerRun(100, func() { Epochs{3, Cut{Mark: Mark{5, 5}}}.Position(2, 77) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEven mixes three sources as a build does: Solve, Marks for the rest of an epoch, Position for each copy.
func TestEven(t *testing.T) {
	const documents = 100_000
	asked := []float64{4, 1.5, 0.3}
	type copied struct {
		position uint64
		source   uint8
		n        int
		id       uint64
		tokens   int64
	}
	digest := func(source, n int, id uint64) uint64 { return mixed(id + uint64(source)<<40 + uint64(n)<<50) }
	length := func(source int, id uint64) int64 { return 1 + int64(mixed(id+uint64(source)<<30)%1000) }
	var have []Available
	var spec Spec
	for s, e := range asked {
		h := Available{Name: string(rune('a' + s)), Documents: documents}
		for id := range uint64(documents) {
			h.Tokens += length(s, id)
		}
		have = append(have, h)
		spec.Sources = append(spec.Sources, Source{Name: h.Name, Epochs: e})
	}
	budgets, err := spec.Solve(have)
	if err != nil {
		t.Fatal(err)
	}
	wants, epochs := make([][]int64, len(asked)), make([]Epochs, len(asked))
	for s, b := range budgets {
		whole, rest := b.Whole()
		epochs[s].Whole, wants[s] = whole, []int64{rest}
	}
	marks, _, err := Marks(func(f func(int, uint64, uint64, int64) error) error {
		for s := range asked {
			for id := range uint64(documents) {
				if err := f(s, digest(s, epochs[s].Whole, id), id, length(s, id)); err != nil {
					return err
				}
			}
		}
		return nil
	}, wants, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var run []copied
	sums, all := make([]int64, len(asked)), int64(0)
	for s := range asked {
		epochs[s].Part = Cut{Mark: marks[s][0]}
		for id := range uint64(documents) {
			for n := range epochs[s].Copies(digest(s, epochs[s].Whole, id), id) {
				c := copied{epochs[s].Position(n, digest(s, n, id)), uint8(s), n, id, length(s, id)}
				run = append(run, c)
				sums[s] += c.tokens
				all += c.tokens
			}
		}
		if off := sums[s] - budgets[s].Tokens; max(off, -off) > 500 { // half of the longest document
			t.Errorf("source %d: %d tokens, %d wanted", s, sums[s], budgets[s].Tokens)
		}
	}
	slices.SortFunc(run, func(a, b copied) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.n, b.n), cmp.Compare(a.id, b.id))
	})
	// Copy n of a source comes behind all of its copies n-1.
	reached := make([]int, len(asked))
	for _, c := range run {
		if c.n < reached[c.source] {
			t.Fatalf("copy %d of source %d comes behind a copy %d", c.n, c.source, reached[c.source])
		}
		reached[c.source] = c.n
	}
	var tenth [10][3]int64
	var tokens [10]int64
	at := int64(0)
	for _, c := range run {
		d := at * 10 / all
		tenth[d][c.source] += c.tokens
		tokens[d] += c.tokens
		at += c.tokens
	}
	for d := range tenth {
		for s := range asked {
			share, want := float64(tenth[d][s])/float64(tokens[d]), float64(sums[s])/float64(all)
			if off := math.Abs(share-want) / want; off > 0.05 {
				t.Errorf("tenth %d: source %d has %.4f of the tokens, and %.4f of all", d, s, share, want)
			}
		}
	}
}
