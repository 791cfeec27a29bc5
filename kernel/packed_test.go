package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// packed is the product of a case, which is NT and F32, with B packed.
func (g *gemmCase) packed(s *Set, w *Scratch, p *Packed) []float32 {
	c := slices.Clone(g.c)
	s.GemmPacked(w, g.m, g.a, g.lda, p, g.add, c, g.ldc)
	return c
}

// packedError compares with the product of the same set that packs B itself.
func packedError(g *gemmCase, s *Set, w *Scratch) error {
	if got, want := g.packed(s, w, s.Pack(g.n, g.k, g.b, g.ldb)), g.set(s, w); !sameBits(got, want) {
		return fmt.Errorf("%s: %v: not the bits of Gemm", s.Name(), g)
	}
	return nil
}

func TestPacked(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		var w Scratch
		size := func() int {
			if rng.IntN(4) == 0 {
				return rng.IntN(150)
			}
			return gemmSizes[rng.IntN(len(gemmSizes))]
		}
		for i := range 12 * len(gemmSizes) {
			d := [3]int{size(), size(), size()}
			d[i%3] = gemmSizes[i%len(gemmSizes)]
			g := newGemmCase(rng, F32, NT, d[0], d[1], d[2], i%2 == 0)
			if err := packedError(g, s, &w); err != nil {
				t.Fatal(err)
			}
		}
		// Several blocks in every direction, and numbers that are not finite.
		for i, d := range [][3]int{{1, 300, 1000}, {3, 2100, 400}, {150, 100, 2100}, {64, 513, 770}, {129, 15, 4100}} {
			g := newGemmCase(rng, F32, NT, d[0], d[1], d[2], i%2 == 0)
			g.a[rng.IntN(d[2])] = float32(math.Inf(1))
			g.b[rng.IntN(d[2])] = float32(math.NaN())
			if err := packedError(g, s, &w); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What cannot be multiplied is refused before assembly reads it.
func TestPackedRefused(t *testing.T) {
	s, _ := Named(Auto)
	g := newGemmCase(rand.New(rand.NewPCG(7, 8)), F32, NT, 20, 20, 20, false)
	p := s.Pack(20, 20, g.b, g.ldb)
	for what, f := range map[string]func(){
		"a short": func() { s.GemmPacked(new(Scratch), 20, g.a[:len(g.a)-1], g.lda, p, false, g.c, g.ldc) },
		"b short": func() { s.Pack(20, 20, g.b[:len(g.b)-1], g.ldb) },
		"c short": func() { s.GemmPacked(new(Scratch), 20, g.a, g.lda, p, false, g.c[:len(g.c)-1], g.ldc) },
		"another set": func() {
			other := *s
			other.tiles = new(tiles)
			other.GemmPacked(new(Scratch), 20, g.a, g.lda, p, false, g.c, g.ldc)
		},
	} {
		refused(t, what, f)
	}
}

func refused(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: not refused", what)
		}
	}()
	f()
}

func TestPackedAllocs(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		var w Scratch
		for _, m := range []int{1, 10, 200} {
			for _, add := range []bool{false, true} {
				g := newGemmCase(rng, F32, NT, m, 201, 100, add)
				p := s.Pack(g.n, g.k, g.b, g.ldb)
				if n := testing.AllocsPerRun(5, func() {
					s.GemmPacked(&w, g.m, g.a, g.lda, p, g.add, g.c, g.ldc)
				}); n != 0 {
					t.Errorf("%v allocates %v times", g, n)
				}
			}
		}
	})
}

func FuzzPacked(f *testing.F) {
	f.Add(uint16(17), uint16(33), uint16(65), false, uint64(1))
	f.Add(uint16(1), uint16(64), uint16(128), true, uint64(2))
	f.Add(uint16(200), uint16(5), uint16(650), true, uint64(3))
	var sets []*Set
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			f.Fatal(err)
		}
		sets = append(sets, s)
	}
	w := make([]Scratch, len(sets))
	f.Fuzz(func(t *testing.T, m, n, k uint16, add bool, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		g := newGemmCase(rng, F32, NT, int(m%300), int(n%300), int(k%900), add)
		if g.m*g.n*g.k > 1<<21 {
			g = newGemmCase(rng, F32, NT, g.m%40, g.n, g.k%400, g.add)
		}
		for i, s := range sets {
			if err := packedError(g, s, &w[i]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Alike has the functions of AVX2, and the products in 8 bits of its set.
func TestAlike(t *testing.T) {
	for _, s := range sets() {
		a := s.Alike()
		if a.int8 != s.int8 || a.name != s.name || a.rows == rowsAVX512 || s.rows != rowsAVX512 && a != s {
			t.Errorf("%s: %+v of %+v", s.name, a, s)
		}
	}
	wide := &Set{name: "wide", rows: rowsAVX512}
	if a := wide.Alike(); a.rows == rowsAVX512 && len(sets()) > 1 {
		t.Error("a wide set stays wide")
	}
}
