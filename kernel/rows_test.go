package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// everySet runs a test for each implementation, and says which ones this processor lacks.
func everySet(t *testing.T, test func(t *testing.T, s *Set)) {
	have := map[rowSet]*Set{}
	for _, s := range sets() {
		if have[s.rows] == nil {
			have[s.rows] = s
		}
	}
	for r, name := range []string{rowsPortable: "portable", rowsAVX2: "avx2", rowsAVX512: "avx512"} {
		t.Run(name, func(t *testing.T) {
			s := have[rowSet(r)]
			if s == nil {
				t.Skipf("this processor, or this build, has no %s", name)
			}
			test(t, s)
		})
	}
}

// A rowCase is a function over rows, on vectors of one length whose contents are random, about as large as 1.
type rowCase struct {
	name    string
	vectors int
	least   int // shortest length
	prepare func(v [][]float32)
	run     func(s *Set, v [][]float32) []float64 // results that are numbers
	want    func(v [][]float64) []float64         // the same, straight from the formula
	// tolerance is of a vector's numbers, relative to 1 or to what is larger, and √length as large for results that
	// are sums; 0 is that of a sum or product that is rounded once.
	tolerance float64
	same      [][2]int // which vectors may be which other ones
	pointwise bool     // no number depends on the length
}

var rowCases = []rowCase{
	{
		name: "Dot", vectors: 2, tolerance: 1e-6,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.Dot(v[0], v[1])) },
		want: func(v [][]float64) []float64 {
			return []float64{total(v[0], func(i int) float64 { return v[0][i] * v[1][i] })}
		},
	}, {
		name: "Sum", vectors: 1, tolerance: 1e-6,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.Sum(v[0])) },
		want: func(v [][]float64) []float64 {
			return []float64{total(v[0], func(i int) float64 { return v[0][i] })}
		},
	}, {
		name: "SumSquares", vectors: 1, tolerance: 1e-14,
		run: func(s *Set, v [][]float32) []float64 { return []float64{s.SumSquares(v[0])} },
		want: func(v [][]float64) []float64 {
			return []float64{total(v[0], func(i int) float64 { return v[0][i] * v[0][i] })}
		},
	}, {
		name: "Max", vectors: 1,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.Max(v[0])) },
		want: func(v [][]float64) []float64 {
			return []float64{slices.Max(append([]float64{math.Inf(-1)}, v[0]...))}
		},
	}, {
		name: "Argmax", vectors: 1,
		prepare: func(v [][]float32) { // with values that are there more than once
			for i, x := range v[0] {
				v[0][i] = float32(math.Round(float64(x)))
			}
		},
		run: func(s *Set, v [][]float32) []float64 { return []float64{float64(s.Argmax(v[0]))} },
		want: func(v [][]float64) []float64 {
			at := -1
			for i, x := range v[0] {
				if at < 0 || x > v[0][at] {
					at = i
				}
			}
			return []float64{float64(at)}
		},
	}, {
		name: "Finite", vectors: 1,
		run: func(s *Set, v [][]float32) []float64 {
			finite := s.Finite(v[0])
			if len(v[0]) > 0 {
				at := len(v[0]) * 2 / 3
				x := v[0][at]
				for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					v[0][at] = float32(bad)
					finite = finite && !s.Finite(v[0])
				}
				v[0][at] = x
			}
			return []float64{map[bool]float64{true: 1}[finite]}
		},
		want: func(v [][]float64) []float64 { return []float64{1} },
	}, {
		name: "Add", vectors: 3, same: [][2]int{{0, 1}, {0, 2}}, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.Add(v[0], v[1], v[2]); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] = v[1][i] + v[2][i] }),
	}, {
		name: "Axpy", vectors: 2, tolerance: 3e-7, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.Axpy(v[0], 0.75, v[1]); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] += 0.75 * v[1][i] }),
	}, {
		name: "Scale", vectors: 2, same: [][2]int{{0, 1}}, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.Scale(v[0], 1.1, v[1]); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] = float64(float32(1.1)) * v[1][i] }),
	}, {
		name: "ExpSum", vectors: 2, tolerance: 4e-7, same: [][2]int{{0, 1}},
		run: func(s *Set, v [][]float32) []float64 { return floats(s.ExpSum(v[0], v[1], 0.5)) },
		want: func(v [][]float64) []float64 {
			return []float64{total(v[1], func(i int) float64 { v[0][i] = math.Exp(v[1][i] - 0.5); return v[0][i] })}
		},
	}, {
		name: "ExpSumScaled", vectors: 2, tolerance: 1e-6, same: [][2]int{{0, 1}},
		run: func(s *Set, v [][]float32) []float64 { return floats(s.ExpSumScaled(v[0], v[1], 0.25, -0.5)) },
		want: func(v [][]float64) []float64 {
			return []float64{total(v[1], func(i int) float64 { v[0][i] = math.Exp(0.25*v[1][i] + 0.5); return v[0][i] })}
		},
	}, {
		name: "LogSumExp", vectors: 1, tolerance: 2e-7,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.LogSumExp(v[0])) },
		want: func(v [][]float64) []float64 {
			return []float64{math.Log(total(v[0], func(i int) float64 { return math.Exp(v[0][i]) }))}
		},
	}, {
		name: "SoftmaxGrad", vectors: 2, tolerance: 4e-7, same: [][2]int{{0, 1}}, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.SoftmaxGrad(v[0], v[1], 1.5, 0.125); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] = 0.125 * math.Exp(v[1][i]-1.5) }),
	}, {
		name: "AlibiScale", vectors: 2, tolerance: 4e-7, same: [][2]int{{0, 1}}, pointwise: true,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.AlibiScale(v[0], v[1], 0.3, -7, 0.0625)) },
		want: func(v [][]float64) []float64 {
			m := math.Inf(-1)
			for i, x := range v[1] {
				v[0][i] = float64(float32(0.3))*x - 7 + 0.0625*float64(i)
				m = max(m, v[0][i])
			}
			return []float64{m}
		},
	}, {
		name: "ProbGrad", vectors: 3, tolerance: 4e-7, same: [][2]int{{0, 1}, {0, 2}}, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.ProbGrad(v[0], v[1], v[2], 0.25, 0.125); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] = v[1][i] * (v[2][i] - 0.25) * 0.125 }),
	}, {
		name: "SwiGLU", vectors: 3, tolerance: 4e-7, same: [][2]int{{0, 1}, {0, 2}}, pointwise: true,
		run:  func(s *Set, v [][]float32) []float64 { s.SwiGLU(v[0], v[1], v[2]); return nil },
		want: each(func(v [][]float64, i int) { v[0][i] = swiGLURef(v[1][i], v[2][i]) }),
	}, {
		name: "SwiGLUGrad", vectors: 6, tolerance: 8e-7, same: [][2]int{{0, 4}, {1, 5}, {2, 3}}, pointwise: true,
		run: func(s *Set, v [][]float32) []float64 {
			s.SwiGLUGrad(v[0], v[1], v[2], v[3], v[4], v[5])
			return nil
		},
		want: each(func(v [][]float64, i int) {
			v[0][i], v[1][i] = swiGLUGradRef(v[3][i], v[4][i], v[5][i])
			v[2][i] = swiGLURef(v[4][i], v[5][i])
		}),
	}, {
		name: "RMSNorm", vectors: 3, least: 1, tolerance: 1e-6, same: [][2]int{{0, 1}},
		run:  func(s *Set, v [][]float32) []float64 { return floats(s.RMSNorm(v[0], v[1], v[2], 1e-5)) },
		want: func(v [][]float64) []float64 { return []float64{rmsNormRef(v[0], v[1], v[2], 1e-5)} },
	}, {
		name: "RMSNormGrad", vectors: 6, least: 1, tolerance: 2e-6, prepare: apart, same: [][2]int{{2, 3}},
		run: func(s *Set, v [][]float32) []float64 {
			s.RMSNormGrad(v[0], v[1], v[2], v[3], v[4], v[5], float32(rmsOf(v[4])))
			return nil
		},
		want: func(v [][]float64) []float64 {
			r := rmsNormRef(v[2], v[4], v[5], 1e-5)
			rmsNormGradRef(v[0], v[1], v[3], v[4], v[5], r)
			return nil
		},
	}, {
		name: "RMSNormGrad without y", vectors: 5, least: 1, tolerance: 2e-6, prepare: apart,
		run: func(s *Set, v [][]float32) []float64 {
			s.RMSNormGrad(v[0], v[1], nil, v[2], v[3], v[4], float32(rmsOf(v[3])))
			return nil
		},
		want: func(v [][]float64) []float64 {
			r := rmsNormRef(make([]float64, len(v[0])), v[3], v[4], 1e-5)
			rmsNormGradRef(v[0], v[1], v[2], v[3], v[4], r)
			return nil
		},
	}, {
		name: "LayerNorm", vectors: 4, least: 2, tolerance: 2e-6, same: [][2]int{{0, 1}}, prepare: apart,
		run: func(s *Set, v [][]float32) []float64 { return floats(s.LayerNorm(v[0], v[1], v[2], v[3], 1e-2)) },
		want: func(v [][]float64) []float64 {
			mean, r := layerNormRef(v[0], v[1], v[2], v[3], 1e-2)
			return []float64{mean, r}
		},
	}, {
		name: "LayerNormGrad", vectors: 8, least: 2, tolerance: 8e-6, same: [][2]int{{3, 4}}, prepare: apart,
		run: func(s *Set, v [][]float32) []float64 {
			mean, r := meanOf(v[5])
			s.LayerNormGrad(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], float32(mean), float32(r))
			return nil
		},
		want: func(v [][]float64) []float64 {
			mean, r := layerNormRef(v[3], v[5], v[6], v[7], 1e-2)
			layerNormGradRef(v[0], v[1], v[2], v[4], v[5], v[6], mean, r)
			return nil
		},
	}, {
		name: "LayerNormGrad without y", vectors: 7, least: 2, tolerance: 8e-6, prepare: apart,
		run: func(s *Set, v [][]float32) []float64 {
			mean, r := meanOf(v[4])
			s.LayerNormGrad(v[0], v[1], v[2], nil, v[3], v[4], v[5], v[6], float32(mean), float32(r))
			return nil
		},
		want: func(v [][]float64) []float64 {
			mean, r := layerNormRef(make([]float64, len(v[0])), v[4], v[5], v[6], 1e-2)
			layerNormGradRef(v[0], v[1], v[2], v[3], v[4], v[5], mean, r)
			return nil
		},
	}, {
		name: "Rotate", vectors: 3, tolerance: 4e-7,
		run: func(s *Set, v [][]float32) []float64 {
			n := len(v[0]) &^ 1
			s.Rotate(v[0][:n], v[1][:n/2], v[2][:n/2])
			return nil
		},
		want: func(v [][]float64) []float64 {
			h := len(v[0]) / 2
			for i := range h {
				a, b := v[0][i], v[0][i+h]
				v[0][i], v[0][i+h] = a*v[1][i]-b*v[2][i], b*v[1][i]+a*v[2][i]
			}
			return nil
		},
	}, {
		name: "AdamW", vectors: 4, tolerance: 1e-6, pointwise: true,
		prepare: func(v [][]float32) {
			for i, x := range v[3] {
				v[3][i] = x * x
			}
		},
		run: func(s *Set, v [][]float32) []float64 { s.AdamW(&adamWTest, v[0], v[1], v[2], v[3]); return nil },
		want: func(v [][]float64) []float64 {
			f := func(x float32) float64 { return float64(x) }
			o := &adamWTest
			for i := range v[0] {
				d := v[1][i] * f(o.Scale)
				v[2][i] = f(o.Beta1)*v[2][i] + f(1-o.Beta1)*d
				v[3][i] = f(o.Beta2)*v[3][i] + f(1-o.Beta2)*d*d
				v[0][i] -= f(o.Rate) * f(o.Decay) * v[0][i]
				v[0][i] -= f(o.Rate) * (v[2][i] / f(o.Correction1)) / (math.Sqrt(v[3][i]/f(o.Correction2)) + f(o.Epsilon))
			}
			return nil
		},
	},
}

var adamWTest = AdamW{Rate: 1e-2, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-3, Decay: 0.1, Scale: 0.5, Correction1: 1 - 0.9*0.9, Correction2: 1 - 0.95*0.95}

func floats(x ...float32) []float64 {
	var y []float64
	for _, v := range x {
		y = append(y, float64(v))
	}
	return y
}

func total(x []float64, f func(i int) float64) (sum float64) {
	for i := range x {
		sum += f(i)
	}
	return sum
}

func each(f func(v [][]float64, i int)) func(v [][]float64) []float64 {
	return func(v [][]float64) []float64 {
		for i := range v[0] {
			f(v, i)
		}
		return nil
	}
}

// apart sees to it that squares and variances are not close to 0: then norms would be all rounding.
func apart(v [][]float32) {
	for _, x := range v {
		for i := range min(2, len(x)) {
			x[i] = float32(1-2*i) + x[i]/16
		}
	}
}

func wide(x []float32) []float64 { return floats(x...) }

func rmsOf(x []float32) float64 {
	return rmsNormRef(make([]float64, len(x)), wide(x), make([]float64, len(x)), 1e-5)
}

func meanOf(x []float32) (mean, r float64) {
	z := make([]float64, len(x))
	return layerNormRef(make([]float64, len(x)), wide(x), z, z, 1e-2)
}

// canary is a NaN that no function makes.
const canary = 0x7fc0dead

// placed copies x to where a vector may begin: offset numbers into memory that has canaries on both sides.
func placed(x []float32, offset int) (y []float32, check func() error) {
	all := make([]float32, offset+len(x)+40)
	for i := range all {
		all[i] = math.Float32frombits(canary)
	}
	y = all[offset : offset+len(x) : offset+len(x)]
	copy(y, x)
	return y, func() error {
		for i, v := range all {
			if (i < offset || i >= offset+len(x)) && math.Float32bits(v) != canary {
				return fmt.Errorf("%d is written, of a vector of %d", i-offset, len(x))
			}
		}
		return nil
	}
}

// inputs are a case's vectors of n numbers.
func (c *rowCase) inputs(rng *rand.Rand, n int) [][]float32 {
	v := make([][]float32, c.vectors)
	for i := range v {
		v[i] = make([]float32, n)
		for j := range v[i] {
			v[i][j] = float32(rng.NormFloat64())
		}
	}
	if c.prepare != nil {
		c.prepare(v)
	}
	return v
}

// do runs the case on copies of v that begin somewhere, and gives them and the results.
func (c *rowCase) do(t *testing.T, rng *rand.Rand, s *Set, v [][]float32, same [2]int) ([][]float32, []float64) {
	t.Helper()
	w := make([][]float32, len(v))
	checks := make([]func() error, len(v))
	for i, x := range v {
		w[i], checks[i] = placed(x, rng.IntN(20))
	}
	if same[0] != same[1] {
		w[same[0]] = w[same[1]]
	}
	results := c.run(s, w)
	for i, check := range checks {
		if err := check(); err != nil {
			t.Fatalf("%s, vector %d: %v", c.name, i, err)
		}
	}
	return w, results
}

// check compares a set with the formula, itself where its vectors begin elsewhere, in place, and with more numbers after.
func (c *rowCase) check(t *testing.T, rng *rand.Rand, s *Set, n int) {
	t.Helper()
	v := c.inputs(rng, n)
	got, results := c.do(t, rng, s, v, [2]int{})

	ref := make([][]float64, len(v))
	for i := range v {
		ref[i] = wide(v[i])
	}
	wants := c.want(ref)
	near := func(got, want, factor float64) bool {
		if got == want {
			return true
		}
		if c.tolerance == 0 {
			return got == float64(float32(want))
		}
		return math.Abs(got-want) <= c.tolerance*factor*max(1, math.Abs(want))
	}
	for i, want := range wants {
		if !near(results[i], want, 1+math.Sqrt(float64(n))) {
			t.Fatalf("%s of %d: result %d is %v, want %v", c.name, n, i, results[i], want)
		}
	}
	for i := range ref {
		for j, want := range ref[i] {
			if !near(float64(got[i][j]), want, 1) {
				t.Fatalf("%s of %d: vector %d at %d is %v, want %v", c.name, n, i, j, got[i][j], want)
			}
		}
	}

	again, more := c.do(t, rng, s, v, [2]int{})
	if !slices.Equal(results, more) {
		t.Fatalf("%s of %d: %v and elsewhere %v", c.name, n, results, more)
	}
	for i := range got {
		if !slices.Equal(got[i], again[i]) {
			t.Fatalf("%s of %d: vector %d is %v and elsewhere %v", c.name, n, i, got[i], again[i])
		}
	}
	for _, same := range c.same {
		u := slices.Clone(v)
		u[same[0]] = v[same[1]]
		in, out := c.do(t, rng, s, u, same)
		if !slices.Equal(results, out) || !slices.Equal(in[same[0]], got[same[0]]) {
			t.Fatalf("%s of %d: another result when vector %d is %d", c.name, n, same[0], same[1])
		}
	}
	if c.pointwise && n > 0 {
		k := rng.IntN(n)
		short := make([][]float32, len(v))
		for i := range v {
			short[i] = v[i][:k]
		}
		some, _ := c.do(t, rng, s, short, [2]int{})
		for i := range some {
			if !slices.Equal(some[i], got[i][:k]) {
				t.Fatalf("%s of %d: vector %d begins otherwise when only %d are made", c.name, n, i, k)
			}
		}
	}
}

func TestRows(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for i := range rowCases {
			c := &rowCases[i]
			for n := c.least; n <= 70; n++ {
				c.check(t, rng, s, n)
			}
			for range 10 {
				c.check(t, rng, s, 71+rng.IntN(5000))
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	for i := range rowCases {
		f.Add(uint8(i), uint16(17*i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, kind uint8, n uint16, seed uint64) {
		c := &rowCases[int(kind)%len(rowCases)]
		for _, s := range sets() {
			c.check(t, rand.New(rand.NewPCG(seed, 2)), s, max(c.least, int(n%2048)))
		}
	})
}

// What a backward makes again is what the forward made, to the bit.
func TestRowsAgain(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		for n := 1; n < 100; n++ {
			c := rowCase{vectors: 4}
			v := c.inputs(rng, n)
			x, w, b, dy := v[0], v[1], v[2], v[3]
			y, z, d, e, f := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			s.SwiGLU(y, x, w)
			s.SwiGLUGrad(d, e, z, dy, x, w)
			if !slices.Equal(y, z) {
				t.Fatalf("SwiGLU %d: %v, again %v", n, y, z)
			}
			r := s.RMSNorm(y, x, w, 1e-5)
			s.RMSNormGrad(d, e, z, dy, x, w, r)
			if !slices.Equal(y, z) {
				t.Fatalf("RMSNorm %d: %v, again %v", n, y, z)
			}
			mean, r := s.LayerNorm(y, x, w, b, 1e-5)
			s.LayerNormGrad(d, e, f, z, dy, x, w, b, mean, r)
			if !slices.Equal(y, z) {
				t.Fatalf("LayerNorm %d: %v, again %v", n, y, z)
			}
		}
	})
}

func TestRowsAllocs(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		x := make([]float32, 100)
		h := make([]uint16, 100)
		if n := testing.AllocsPerRun(10, func() {
			s.LogSumExp(x)
			s.AdamW(&adamWTest, x, x, x, x)
			s.LayerNorm(x, x, x, x, 1)
			s.ToBF16(h, x)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
