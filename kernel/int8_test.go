package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// int8Case is a product in 8 bits with its operands. What does not belong to them is a canary.
type int8Case struct {
	m, n, k       int
	a, c          []float32
	q             []int8
	scale, bias   []float32
	lda, ldq, ldc int
}

func (g *int8Case) String() string {
	return fmt.Sprintf("[%d, %d] over %d, strides %d, %d, %d, bias %v", g.m, g.n, g.k, g.lda, g.ldq, g.ldc, g.bias != nil)
}

// Kinds of numbers in a case.
const (
	int8Usual   = iota
	int8Extreme // all are the largest, of one sign or the other
	int8Odd     // rows of zeros, infinities, NaN, denormal numbers
	int8Kinds
)

func newInt8Case(rng *rand.Rand, m, n, k, kind int) *int8Case {
	g := &int8Case{m: m, n: n, k: k}
	gap := func(cols int) int { return max(1, cols+rng.IntN(2)*rng.IntN(20)) }
	g.lda, g.ldq, g.ldc = gap(k), gap(k), gap(n)
	g.a, g.c = matrix(rng, m, k, g.lda), matrix(rng, m, n, g.ldc)
	if n > 0 {
		g.q = make([]int8, max(0, (n-1)*g.ldq+k))
	}
	for i := range g.q {
		g.q[i] = -128
		if i%g.ldq < k {
			g.q[i] = int8(rng.IntN(255) - 127)
		}
	}
	g.scale = matrix(rng, 1, n, n)
	if rng.IntN(2) == 0 {
		g.bias = matrix(rng, 1, n, n)
	}
	at := func(i int) bool { return i%g.lda < k }
	switch kind {
	case int8Extreme:
		mixed := rng.IntN(2) == 0
		for i := range g.a {
			if at(i) {
				g.a[i] = []float32{3, -3}[map[bool]int{true: rng.IntN(2)}[mixed]]
			}
		}
		for i := range g.q {
			if g.q[i] != -128 {
				g.q[i] = []int8{127, -127}[map[bool]int{true: rng.IntN(2)}[mixed]]
			}
		}
	case int8Odd:
		for i := 0; i < len(g.a); i++ {
			row := min(len(g.a), (i/g.lda+1)*g.lda)
			what := rng.IntN(6)
			for ; i < row; i++ {
				switch {
				case !at(i):
				case what == 0:
					g.a[i] = 0
				case what == 1:
					g.a[i] *= 1e-38
				case what == 2 && rng.IntN(max(1, k/2)) == 0:
					g.a[i] = []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}[rng.IntN(3)]
				case what == 3:
					g.a[i] *= 1e37
				}
			}
			i--
		}
		for i := range g.scale {
			if rng.IntN(8) == 0 {
				g.scale[i] = []float32{0, 1e-40, 3e38, float32(math.Inf(1)), float32(math.NaN())}[rng.IntN(5)]
			}
		}
	}
	return g
}

func (g *int8Case) set(s *Set, w *Scratch) []float32 {
	c := slices.Clone(g.c)
	s.GemmInt8(w, g.m, g.a, g.lda, s.PackInt8(g.n, g.k, g.q, g.ldq, g.scale), g.bias, c, g.ldc)
	return c
}

// quantised is a row in float64, straight from the definition but for the factor, which is a float32.
func quantised(x []float32) (q []int64, scale float32) {
	var top float64
	finite := true
	for _, v := range x {
		top = math.Max(top, math.Abs(float64(v)))
		finite = finite && !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	}
	q = make([]int64, len(x))
	factor := 127 / float32(top)
	if !finite {
		return q, float32(math.NaN())
	}
	if math.IsInf(float64(factor), 0) {
		return q, 0
	}
	for i, v := range x {
		q[i] = int64(math.RoundToEven(float64(float32(v * factor))))
	}
	return q, float32(top) / 127
}

// plain is the product straight from its definition.
func (g *int8Case) plain() []float32 {
	c := slices.Clone(g.c)
	for i := range g.m {
		var x []float32
		if g.k > 0 {
			x = g.a[i*g.lda:][:g.k]
		}
		q, scale := quantised(x)
		for j := range g.n {
			var sum int64
			for l, v := range q {
				sum += v * int64(g.q[j*g.ldq+l])
			}
			v := float32(float32(sum) * float32(scale*g.scale[j]))
			if g.bias != nil {
				v += g.bias[j]
			}
			c[i*g.ldc+j] = v
		}
	}
	return c
}

// sameNumbers is sameBits, but one NaN is as good as another, except for a canary.
func sameNumbers(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool {
		p, q, canary := math.Float32bits(a), math.Float32bits(b), math.Float32bits(canaryBits)
		return p == q || a != a && b != b && p != canary && q != canary
	})
}

func TestInt8(t *testing.T) {
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
			g := newInt8Case(rng, d[0], d[1], d[2], i%int8Kinds)
			if !sameNumbers(g.set(s, &w), g.plain()) {
				t.Fatalf("%v: not the definition", g)
			}
		}
		// Several blocks of rows; the largest sum that there is.
		for i, d := range [][3]int{{300, 40, 1024}, {67, 33, 2048}, {2, 3, MaxInt8}} {
			g := newInt8Case(rng, d[0], d[1], d[2], []int{int8Usual, int8Odd, int8Extreme}[i])
			if !sameNumbers(g.set(s, &w), g.plain()) {
				t.Fatalf("%v: not the definition", g)
			}
		}
	})
}

// What is around the tiles of bytes is right on processors that have no such tiles: they are written in Go here, by what
// the assembly's comment says, and tools/kernels tests the assembly by that too.
func TestInt8Bytes(t *testing.T) {
	tiles := int8Tiles{rows: 12, cols: 32, group: 4}
	for rows := 1; rows <= tiles.rows; rows++ {
		tiles.byte = append(tiles.byte, func(k, panels int, a *uint8, lda int, b *int8, from *int32, scaleA, scaleB, bias *float32, c *float32, ldc int) {
			if k%int8Unroll != 0 {
				t.Errorf("%d groups of steps are no multiple of %d", k, int8Unroll)
			}
			m := rows * panels
			as, bs, begin := unsafe.Slice(a, (m-1)*lda+4*k), unsafe.Slice(b, 32*4*k), unsafe.Slice(from, 32)
			sa, sb, cs := unsafe.Slice(scaleA, m), unsafe.Slice(scaleB, 32), unsafe.Slice(c, (m-1)*ldc+32)
			for i := range m {
				for j := range 32 {
					sum := begin[j]
					for l := range 4 * k {
						sum += int32(as[i*lda+l]) * int32(bs[l/4*128+4*j+l%4])
					}
					v := float32(float32(sum) * float32(sa[i]*sb[j]))
					if bias != nil {
						v += unsafe.Slice(bias, 32)[j]
					}
					cs[i*ldc+j] = v
				}
			}
		})
	}
	s := &Set{name: "bytes", int8: &tiles}
	rng := rand.New(rand.NewPCG(17, 18))
	var w Scratch
	for i := range 8 * len(gemmSizes) {
		d := [3]int{1 + rng.IntN(40), 1 + rng.IntN(80), 1 + rng.IntN(100)}
		d[i%3] = gemmSizes[i%len(gemmSizes)]
		g := newInt8Case(rng, d[0], d[1], d[2], i%int8Kinds)
		if !sameNumbers(g.set(s, &w), g.plain()) {
			t.Fatalf("%v: not the definition", g)
		}
	}
}

// Rounding is to nearest, half to even, at both ends, in vectors and in what is left of them.
func TestInt8Halves(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		const k = 37
		x := make([]float32, k)
		for i := range x {
			x[i] = float32(i-18) + 0.5 // the scale is 1
		}
		for _, top := range []int{0, 20, 36} {
			x[top] = 127
			wide, bytes := make([]int16, k), make([]uint8, k)
			quantiseWide(s.rows, wide, x, 1)
			quantiseByte(s.rows, bytes, x, 1)
			for i, v := range x {
				want := math.RoundToEven(float64(v))
				if float64(wide[i]) != want || float64(bytes[i])-128 != want {
					t.Fatalf("%v becomes %d, and %d with 128 added; want %v", v, wide[i], bytes[i], want)
				}
			}
		}
	})
}

func TestQuantize8(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for kind := range int8Kinds {
		g := newInt8Case(rng, 40, 1, 57, kind)
		q, scale := make([]int8, g.m*g.k), make([]float32, g.m)
		Quantize8(g.m, g.k, g.a, g.lda, q, scale)
		for i := range g.m {
			row := g.a[i*g.lda:][:g.k]
			want, size := quantised(row)
			if !sameNumbers(scale[i:i+1], []float32{size}) {
				t.Fatalf("row %v has the scale %v, want %v", row, scale[i], size)
			}
			for l, v := range want {
				if int64(q[i*g.k+l]) != v || v < -127 || v > 127 {
					t.Fatalf("%v becomes %d, want %d", row[l], q[i*g.k+l], v)
				}
				if d := math.Abs(float64(scale[i])*float64(v) - float64(row[l])); size > 0 && !(d <= 0.50001*float64(size)) {
					t.Fatalf("%v with the scale %v is %v off", row[l], size, d)
				}
			}
		}
	}
}

func TestInt8Refused(t *testing.T) {
	s, _ := Named(Auto)
	g := newInt8Case(rand.New(rand.NewPCG(7, 8)), 20, 20, 20, int8Usual)
	p := s.PackInt8(20, 20, g.q, g.ldq, g.scale)
	w := new(Scratch)
	for what, f := range map[string]func(){
		"a short":     func() { s.GemmInt8(w, 20, g.a[:len(g.a)-1], g.lda, p, nil, g.c, g.ldc) },
		"q short":     func() { s.PackInt8(20, 20, g.q[:len(g.q)-1], g.ldq, g.scale) },
		"scale short": func() { s.PackInt8(20, 20, g.q, g.ldq, g.scale[:19:19]) },
		"bias short":  func() { s.GemmInt8(w, 20, g.a, g.lda, p, make([]float32, 19), g.c, g.ldc) },
		"c short":     func() { s.GemmInt8(w, 20, g.a, g.lda, p, nil, g.c[:len(g.c)-1], g.ldc) },
		"-128":        func() { s.PackInt8(1, 1, []int8{-128}, 1, g.scale) },
		"k too large": func() { s.PackInt8(1, MaxInt8+1, make([]int8, MaxInt8+1), MaxInt8+1, g.scale) },
		"another set": func() {
			other := *s
			other.int8 = new(int8Tiles)
			other.GemmInt8(w, 20, g.a, g.lda, p, nil, g.c, g.ldc)
		},
	} {
		refused(t, what, f)
	}
}

func TestInt8Allocs(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		var w Scratch
		for _, m := range []int{1, 10, 200} {
			g := newInt8Case(rng, m, 201, 100, int8Usual)
			p := s.PackInt8(g.n, g.k, g.q, g.ldq, g.scale)
			if n := testing.AllocsPerRun(5, func() {
				s.GemmInt8(&w, g.m, g.a, g.lda, p, g.bias, g.c, g.ldc)
			}); n != 0 {
				t.Errorf("%v allocates %v times", g, n)
			}
		}
	})
}

func FuzzInt8(f *testing.F) {
	f.Add(uint16(17), uint16(33), uint16(65), uint8(0), uint64(1))
	f.Add(uint16(1), uint16(64), uint16(128), uint8(1), uint64(2))
	f.Add(uint16(200), uint16(5), uint16(350), uint8(2), uint64(3))
	var sets []*Set
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			f.Fatal(err)
		}
		sets = append(sets, s)
	}
	w := make([]Scratch, len(sets))
	f.Fuzz(func(t *testing.T, m, n, k uint16, kind uint8, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 0))
		d := [3]int{int(m % 300), int(n % 300), int(k % 700)}
		if d[0]*d[1]*d[2] > 1<<20 {
			d[0], d[2] = d[0]%20, d[2]%200
		}
		g := newInt8Case(rng, d[0], d[1], d[2], int(kind%int8Kinds))
		want := g.plain()
		for i, s := range sets {
			if !sameNumbers(g.set(s, &w[i]), want) {
				t.Fatalf("%s: %v: not the definition", s.Name(), g)
			}
		}
	})
}
