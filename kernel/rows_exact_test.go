package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

// ulps is how far got is from want in units of the last place of a float32 of want's size.
func ulps(got float32, want float64) float64 {
	return math.Abs(float64(got)-want) / math.Ldexp(1, math.Ilogb(want)-23)
}

// expError says how exact got is as e^x, in ulp, or that it is wrong altogether.
func expError(x, got float32) (float64, bool) {
	want := math.Exp(float64(x))
	switch {
	case x != x:
		return 0, got != got
	case want >= math.MaxFloat32*(1+0x1p-25): // what rounds to +Inf
		return 0, got == inf
	case want < 0x1p-126:
		return 0, got == 0 || got == 0x1p-126
	}
	e := ulps(got, want)
	return e, e <= 1.1
}

// Exp and the exponentials of every set, on every 127th float32.
func TestExp(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		const stride, n = 127, 4096
		x, y := make([]float32, n), make([]float32, n)
		worst, at := 0.0, float32(0)
		flush := func(k int) {
			if s.rows == rowsPortable {
				for i, v := range x[:k] {
					y[i] = Exp(v)
				}
			} else {
				s.ExpSum(y[:k], x[:k], 0)
			}
			for i, v := range x[:k] {
				e, ok := expError(v, y[i])
				if !ok {
					t.Fatalf("e^%v (%#x) is %v, want %v", v, math.Float32bits(v), y[i], math.Exp(float64(v)))
				}
				if e > worst {
					worst, at = e, v
				}
			}
		}
		k := 0
		for b := uint64(0); b < 1<<32; b += stride {
			if a := b & 0x7fffffff; a < 0x32000000 && b%(64*stride) != 0 || a > 0x43000000 && b%(64*stride) != 0 {
				continue // the result is 1, 0, +Inf or NaN there: fewer will do
			}
			x[k] = math.Float32frombits(uint32(b))
			if k++; k == n {
				flush(k)
				k = 0
			}
		}
		flush(k)
		t.Logf("at most %.3f ulp, at %v", worst, at)
		for _, from := range []uint32{math.Float32bits(expMin), math.Float32bits(expMax), 0, 1 << 31} { // borders
			for i := range x {
				x[i] = math.Float32frombits(from - n/2 + uint32(i))
			}
			flush(n)
		}
	})
}

func TestLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		x := math.Exp(1400*rng.Float64() - 700)
		if rng.IntN(2) == 0 {
			x = 1 + rng.NormFloat64()/100
		}
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 4e-16*math.Abs(want)+1e-18 {
			t.Fatalf("log %v is %v, want %v", x, got, want)
		}
	}
	for _, c := range [][2]float64{
		{0, math.Inf(-1)}, {math.Inf(1), math.Inf(1)}, {1, 0}, {math.E, 1}, {5e-324, -1074 * math.Ln2}, {2, math.Ln2},
	} {
		if got := Log(c[0]); got != c[1] {
			t.Errorf("log %v is %v, want %v", c[0], got, c[1])
		}
	}
	if x, y := Log(-1), Log(math.NaN()); x == x || y == y {
		t.Error(x, y)
	}
}

// special are numbers that go wrong elsewhere.
var special = []float32{0, float32(math.Copysign(0, -1)), 1, -1, inf, -inf, nan, 1e-40, -1e-40, 0x1p-126, 3e38, -3e38, 100, -100}

// alike says that two results are the same but for rounding.
func alike(x, y float32) bool {
	if x != x || y != y {
		return x != x && y != y
	}
	return x == y || math.Abs(float64(x)-float64(y)) <= 1e-6*math.Abs(float64(y))
}

// Special numbers come out as they do in the portable set, in whichever lane they are.
func TestRowsSpecial(t *testing.T) {
	portable := &Set{}
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(7, 8))
		for n := range 70 {
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i], y[i] = special[rng.IntN(len(special))], special[rng.IntN(len(special))]
			}
			for name, f := range map[string]func(s *Set, dst []float32) float32{
				"Max":         func(s *Set, _ []float32) float32 { return s.Max(x) },
				"Argmax":      func(s *Set, _ []float32) float32 { return float32(s.Argmax(x)) },
				"LogSumExp":   func(s *Set, _ []float32) float32 { return s.LogSumExp(x) },
				"ExpSum":      func(s *Set, dst []float32) float32 { return s.ExpSum(dst, x, 2) },
				"SumSquares":  func(s *Set, _ []float32) float32 { return float32(s.SumSquares(x)) },
				"SoftmaxGrad": func(s *Set, dst []float32) float32 { s.SoftmaxGrad(dst, x, 3, 0.5); return 0 },
				"Add":         func(s *Set, dst []float32) float32 { s.Add(dst, x, y); return 0 },
				"Scale":       func(s *Set, dst []float32) float32 { s.Scale(dst, -2, x); return 0 },
				"SwiGLU":      func(s *Set, dst []float32) float32 { s.SwiGLU(dst, x, y); return 0 },
				"SwiGLUGrad": func(s *Set, dst []float32) float32 {
					s.SwiGLUGrad(dst, make([]float32, n), make([]float32, n), y, x, y)
					return 0
				},
				"AlibiScale": func(s *Set, dst []float32) float32 { return s.AlibiScale(dst, x, 0.25, -3, 0.5) },
				"ProbGrad":   func(s *Set, dst []float32) float32 { s.ProbGrad(dst, x, y, 0, 0.25); return 0 },
				"Finite": func(s *Set, _ []float32) float32 {
					return map[bool]float32{true: 1}[s.Finite(x)]
				},
			} {
				a, b := make([]float32, n), make([]float32, n)
				if got, want := f(s, a), f(portable, b); !alike(got, want) {
					t.Fatalf("%s of %v is %v, portable %v", name, x, got, want)
				}
				for i := range a {
					if !alike(a[i], b[i]) {
						t.Fatalf("%s of %v and %v is %v, portable %v", name, x[i], y[i], a[i], b[i])
					}
				}
			}
			if got, want := s.Finite(x), !math.IsNaN(s.SumSquares(x)) && !math.IsInf(s.SumSquares(x), 0); got != want {
				t.Fatalf("%v: finite is %v, and its squares say %v", x, got, want)
			}
		}
	})
}

// What the doc comments say of rows that have nothing, or nothing that counts.
func TestRowsNothing(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		for n := range 40 {
			masked, nothing := make([]float32, n), make([]float32, n)
			for i := range masked {
				masked[i], nothing[i] = -inf, nan
			}
			if got := s.Max(masked); got != -inf {
				t.Error("Max", n, got)
			}
			if got := s.Max(nothing); got != -inf {
				t.Error("Max of NaN", n, got)
			}
			if got := s.Argmax(nothing); got != -1 {
				t.Error("Argmax of NaN", n, got)
			}
			if got := s.Argmax(masked); got != min(0, n-1) {
				t.Error("Argmax of -Inf", n, got)
			}
			if got := s.LogSumExp(masked); got != -inf {
				t.Error("LogSumExp", n, got)
			}
			if got := s.LogSumExp(nothing); n > 0 && got == got {
				t.Error("LogSumExp of NaN", n, got)
			}
			if got := s.ExpSum(make([]float32, n), masked, 1); got != 0 {
				t.Error("ExpSum", n, got)
			}
			if n > 0 {
				masked[n/2] = inf
				if got := s.LogSumExp(masked); got != inf {
					t.Error("LogSumExp of +Inf", n, got)
				}
				masked[n/2] = 5
				if got := s.LogSumExp(masked); got != 5 {
					t.Error("LogSumExp of one", n, got)
				}
			}
		}
	})
}

// Rows as long as a vocabulary, with numbers that lie far apart and a maximum that keeps rising.
func TestLogSumExpLong(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, kind := range []func(i int) float64{
			func(int) float64 { return 3 * rng.NormFloat64() },
			func(int) float64 { return -11.5 }, // the result is close to 0
			func(i int) float64 { return float64(i)/1000 - 100 },
			func(i int) float64 { return 300 - float64(i)/1000 },
			func(int) float64 { return 1e4 * rng.NormFloat64() },
		} {
			x := make([]float32, 98765)
			top := math.Inf(-1)
			for i := range x {
				x[i] = float32(kind(i))
				top = max(top, float64(x[i]))
			}
			sum := 0.0
			for _, v := range x {
				sum += math.Exp(float64(v) - top)
			}
			want := top + math.Log(sum)
			if got := s.LogSumExp(x); math.Abs(float64(got)-want) > 2e-7*max(1, math.Abs(want)) {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}

func TestBF16(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		const n = 4099
		x, back := make([]float32, n), make([]float32, n)
		h := make([]uint16, n+1)
		k := 0
		flush := func() {
			h[k] = 0xdead
			s.ToBF16(h[:k], x[:k])
			s.FromBF16(back[:k], h[:k])
			if h[k] != 0xdead {
				t.Fatalf("written behind %d", k)
			}
			for i, v := range x[:k] {
				want := RoundBF16(v)
				if got := back[i]; math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("%v (%#x) becomes %v, want %v", v, math.Float32bits(v), got, want)
				}
				if v != v != (want != want) {
					t.Fatalf("%v becomes %v", v, want)
				}
			}
			k = 0
		}
		for hi := range uint32(1 << 16) { // every upper half with lower halves at which it turns
			for _, lo := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
				x[k] = math.Float32frombits(hi<<16 | lo)
				if k++; k == n {
					flush()
				}
			}
		}
		flush()
		for m := range 70 {
			k = m
			flush()
		}
	})
	for _, c := range [][2]float32{{1, 1}, {1 + 0x1p-8, 1}, {1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7}, {1 + 3*0x1p-8, 1 + 0x1p-6}, {math.MaxFloat32, inf}, {-inf, -inf}} {
		if got := RoundBF16(c[0]); got != c[1] {
			t.Errorf("%v becomes %v, want %v", c[0], got, c[1])
		}
	}
}
