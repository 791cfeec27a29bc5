package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// onSets runs a test on every set. Those that this processor lacks are skipped aloud.
func onSets(t *testing.T, test func(t *testing.T, s *Set)) {
	for _, name := range []string{"portable", "avx2", "avx512", "avx512bf16"} {
		t.Run(name, func(t *testing.T) {
			s, err := Named(name)
			if err != nil {
				t.Skip(err)
			}
			test(t, s)
		})
	}
}

// gemmCase is a product with its operands. What does not belong to them is NaN, and a canary in c.
type gemmCase struct {
	prec          Precision
	op            Op
	m, n, k       int
	a, b, c       []float32
	lda, ldb, ldc int
	add           bool
}

func (g *gemmCase) String() string {
	return fmt.Sprintf("%s %s [%d, %d] over %d, strides %d, %d, %d, add %v",
		[]string{"f32", "bf16"}[g.prec], []string{"NN", "NT", "TN"}[g.op], g.m, g.n, g.k, g.lda, g.ldb, g.ldc, g.add)
}

var canaryBits = math.Float32frombits(0x7fc0_beef)

// matrix is a random matrix with a stride. It ends with its last element.
func matrix(rng *rand.Rand, rows, cols, ld int) []float32 {
	if rows == 0 || cols == 0 {
		return nil
	}
	x := make([]float32, (rows-1)*ld+cols)
	for i := range x {
		x[i] = canaryBits
		if i%ld < cols {
			x[i] = float32(rng.NormFloat64())
		}
	}
	return x
}

func newGemmCase(rng *rand.Rand, prec Precision, op Op, m, n, k int, add bool) *gemmCase {
	g := &gemmCase{prec: prec, op: op, m: m, n: n, k: k, add: add}
	ar, ac, br, bc := m, k, k, n
	if op == TN {
		ar, ac = k, m
	}
	if op == NT {
		br, bc = n, k
	}
	gap := func(cols int) int { return max(1, cols+rng.IntN(2)*rng.IntN(20)) }
	g.lda, g.ldb, g.ldc = gap(ac), gap(bc), gap(n)
	g.a, g.b, g.c = matrix(rng, ar, ac, g.lda), matrix(rng, br, bc, g.ldb), matrix(rng, m, n, g.ldc)
	return g
}

// strides are those of a along m and k, and of b along n and k.
func (g *gemmCase) strides() (ai, al, bj, bl int) {
	ai, al, bj, bl = g.lda, 1, 1, g.ldb
	if g.op == TN {
		ai, al = 1, g.lda
	}
	if g.op == NT {
		bj, bl = g.ldb, 1
	}
	return
}

func (g *gemmCase) rounded(x float32) float32 {
	if g.prec == BF16 {
		return RoundBF16(x)
	}
	return x
}

// plain is the product with the sums of float32 in the order of k, products rounded.
func (g *gemmCase) plain() []float32 {
	c := slices.Clone(g.c)
	ai, al, bj, bl := g.strides()
	for i := range g.m {
		for j := range g.n {
			var sum float32
			for l := range g.k {
				sum += float32(g.rounded(g.a[i*ai+l*al]) * g.rounded(g.b[j*bj+l*bl]))
			}
			if g.add {
				sum += c[i*g.ldc+j]
			}
			c[i*g.ldc+j] = sum
		}
	}
	return c
}

// check compares with sums in float64, of a part of the numbers if there are many. The bound is that of a sum of k+1
// numbers in any order.
func (g *gemmCase) check(c []float32) error {
	ai, al, bj, bl := g.strides()
	every := 1 + g.m*g.n*g.k>>21
	for i, v := range c {
		y, x := i/g.ldc, i%g.ldc
		if i%every != 0 && x < g.n {
			continue
		}
		if x >= g.n {
			if math.Float32bits(v) != math.Float32bits(canaryBits) {
				return fmt.Errorf("%v: something was written behind the end of row %d", g, y)
			}
			continue
		}
		var sum, size float64
		if g.add {
			sum = float64(g.c[i])
			size = math.Abs(sum)
		}
		for l := range g.k {
			p := float64(g.rounded(g.a[y*ai+l*al])) * float64(g.rounded(g.b[x*bj+l*bl]))
			sum += p
			size += math.Abs(p)
		}
		if d := math.Abs(float64(v) - sum); !(d <= float64(g.k+1)*0x1p-23*size) {
			return fmt.Errorf("%v: c(%d, %d) is %v, not %v", g, y, x, v, sum)
		}
	}
	return nil
}

func (g *gemmCase) set(s *Set, w *Scratch) []float32 {
	c := slices.Clone(g.c)
	s.Gemm(w, g.prec, g.op, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.add, c, g.ldc)
	return c
}

func (g *gemmCase) pool(p *Pool) []float32 {
	c := slices.Clone(g.c)
	p.Gemm(g.prec, g.op, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.add, c, g.ldc)
	return c
}

func sameBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}

var gemmSizes = []int{0, 1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 63, 65, 100, 127, 129, 257}

// everyProduct calls f for every operation, precision and add.
func everyProduct(f func(prec Precision, op Op, add bool)) {
	for _, prec := range []Precision{F32, BF16} {
		for _, op := range []Op{NN, NT, TN} {
			f(prec, op, false)
			f(prec, op, true)
		}
	}
}

func TestGemm(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		pool := NewPool(s, 3)
		defer pool.Close()
		var w Scratch
		everyProduct(func(prec Precision, op Op, add bool) {
			size := func() int {
				if rng.IntN(4) == 0 {
					return rng.IntN(150)
				}
				return gemmSizes[rng.IntN(len(gemmSizes)-rng.IntN(5))]
			}
			for i := range 5 * len(gemmSizes) {
				d := [3]int{size(), size(), size()}
				d[i%3] = gemmSizes[i%len(gemmSizes)]
				g := newGemmCase(rng, prec, op, d[0], d[1], d[2], add)
				c := g.set(s, &w)
				if err := g.check(c); err != nil {
					t.Fatal(err)
				}
				if s.Name() == "portable" && !sameBits(c, g.plain()) {
					t.Fatalf("%v: not the plain sum", g)
				}
				if !sameBits(c, g.pool(pool)) {
					t.Fatalf("%v: 3 workers make something else", g)
				}
			}
		})
	})
}

// Products of several blocks in every direction have the same bits whoever makes them.
func TestGemmWorkers(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		var pools []*Pool
		for _, n := range []int{1, 2, 3, 7} {
			pools = append(pools, NewPool(s, n))
			defer pools[len(pools)-1].Close()
		}
		for i, d := range [][3]int{
			{300, 270, 700}, {5, 2100, 330}, {150, 2100, 330}, {1, 1000, 1000}, {1000, 3, 1000}, {73, 65, 129}, {500, 100, 1}, {1, 4099, 64},
		} {
			if s.Name() == "portable" && d[0]*d[1]*d[2] > 5e7 {
				d[2] /= 2
			}
			for _, op := range []Op{NN, NT, TN} {
				g := newGemmCase(rng, Precision(i%2), op, d[0], d[1], d[2], i%3 == 0)
				want := g.set(s, new(Scratch))
				if err := g.check(want); err != nil {
					t.Fatal(err)
				}
				for _, p := range pools {
					if !sameBits(g.pool(p), want) {
						t.Errorf("%v: %d workers make something else", g, p.Workers())
					}
				}
			}
		}
	})
}

// The sum over k has one order: rows and columns of a product are what they are alone, and however A and B lie.
func TestGemmOrder(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, k := range []int{4, 64, 333, 1000} {
			for _, prec := range []Precision{F32, BF16} {
				const m, n = 29, 83
				g := newGemmCase(rng, prec, NT, m, n, k, false)
				want := g.set(s, new(Scratch))
				for i := range m {
					c := make([]float32, n)
					s.Gemm(new(Scratch), prec, NT, 1, n, k, g.a[i*g.lda:], g.lda, g.b, g.ldb, false, c, n)
					if !sameBits(c, want[i*g.ldc:i*g.ldc+n]) {
						t.Fatalf("%v: row %d alone is another one", g, i)
					}
				}
				for j := range n {
					c := make([]float32, m)
					s.Gemm(new(Scratch), prec, NT, m, 1, k, g.a, g.lda, g.b[j*g.ldb:], g.ldb, false, c, 1)
					for i, v := range c {
						if v != want[i*g.ldc+j] {
							t.Fatalf("%v: column %d alone is another one", g, j)
						}
					}
				}
				a, b := make([]float32, k*m), make([]float32, k*n) // transposed
				for l := range k {
					for i := range m {
						a[l*m+i] = g.a[i*g.lda+l]
					}
					for j := range n {
						b[l*n+j] = g.b[j*g.ldb+l]
					}
				}
				for _, op := range []Op{NN, TN} {
					h := *g
					h.op, h.b, h.ldb = op, b, n
					if op == TN {
						h.a, h.lda = a, m
					}
					if !sameBits(h.set(s, new(Scratch)), want) {
						t.Fatalf("%v is not %v", &h, g)
					}
				}
			}
		}
	})
}

// NaN and infinity go where the sum says, and nowhere else; 0 does not hide them.
func TestGemmNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(5, 6))
		everyProduct(func(prec Precision, op Op, add bool) {
			for _, d := range [][3]int{{1, 1, 1}, {7, 9, 5}, {13, 33, 40}, {65, 100, 17}, {1, 40, 64}} {
				for _, v := range []float32{inf, -inf, nan} {
					g := newGemmCase(rng, prec, op, d[0], d[1], d[2], add)
					ai, al, bj, bl := g.strides()
					i, j, l := rng.IntN(g.m), rng.IntN(g.n), rng.IntN(g.k)
					g.a[i*ai+l*al] = v
					g.b[j*bj+l*bl] = 0
					for x, r := range g.set(s, new(Scratch)) {
						y, x := x/g.ldc, x%g.ldc
						if x >= g.n {
							continue
						}
						want := math.IsNaN(float64(v)) || x == j
						if y != i && (r != r || math.IsInf(float64(r), 0)) {
							t.Fatalf("%v: %v in row %d reaches row %d", g, v, i, y)
						}
						if y == i && (want != (r != r) || !want && !math.IsInf(float64(r), 0)) {
							t.Fatalf("%v: %v makes c(%d, %d) %v", g, v, y, x, r)
						}
					}
				}
			}
		})
	})
}

// An operand that is too short is told from one that assembly may read.
func TestGemmShort(t *testing.T) {
	s, _ := Named(Auto)
	for _, short := range []string{"a", "b", "c"} {
		g := newGemmCase(rand.New(rand.NewPCG(7, 8)), F32, NT, 20, 20, 20, false)
		x := map[string]*[]float32{"a": &g.a, "b": &g.b, "c": &g.c}[short]
		*x = (*x)[:len(*x)-1]
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s may be too short", short)
				}
			}()
			g.set(s, new(Scratch))
		}()
	}
}

func TestGemmAllocs(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		pool := NewPool(s, 2)
		defer pool.Close()
		rng := rand.New(rand.NewPCG(9, 10))
		for _, m := range []int{1, 10, 200} {
			g := newGemmCase(rng, F32, NT, m, 200, 100, true)
			h := newGemmCase(rng, BF16, TN, m, 200, 100, false)
			if n := testing.AllocsPerRun(20, func() {
				pool.Gemm(g.prec, g.op, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.add, g.c, g.ldc)
				pool.Gemm(h.prec, h.op, h.m, h.n, h.k, h.a, h.lda, h.b, h.ldb, h.add, h.c, h.ldc)
			}); n >= 1 {
				t.Errorf("%v allocates %v times", g, n)
			}
		}
	})
}

func FuzzGemm(f *testing.F) {
	f.Add(uint16(17), uint16(33), uint16(65), uint8(0), uint64(1))
	f.Add(uint16(1), uint16(64), uint16(128), uint8(1), uint64(2))
	f.Add(uint16(200), uint16(5), uint16(350), uint8(2+3+6), uint64(3))
	var pools []*Pool
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			f.Fatal(err)
		}
		pools = append(pools, NewPool(s, 2))
		f.Cleanup(pools[len(pools)-1].Close)
	}
	f.Fuzz(func(t *testing.T, m, n, k uint16, kind uint8, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		g := newGemmCase(rng, Precision(kind/3%2), Op(kind%3), int(m%300), int(n%300), int(k%700), kind/6%2 == 1)
		if g.m*g.n*g.k > 1<<21 {
			g = newGemmCase(rng, g.prec, g.op, g.m%40, g.n, g.k%200, g.add)
		}
		for _, p := range pools {
			c := g.set(p.Set(), p.Scratch(0))
			if err := g.check(c); err != nil {
				t.Fatalf("%s: %v", p.Set().Name(), err)
			}
			if !sameBits(c, g.pool(p)) {
				t.Fatalf("%s: %v: 2 workers make something else", p.Set().Name(), g)
			}
		}
	})
}
