package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/ir"
)

// called is what a call leaves behind: its vectors, and its result or two.
type called struct {
	vectors [][]byte
	results []byte
}

// run calls a function on vectors of n numbers that hold values, and numbers.
func run(t *testing.T, f *ir.File, fn *ir.Function, r *rowFunction, n int, seed uint64) called {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	m := newProcessor(f)
	var c called
	special := []float32{0, 1, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.Float32frombits(0x7fffffff),
		math.Float32frombits(0x7f800001), 100, -100, 1e-40, 3e38}
	groups := strings.Split(r.params, " ")
	for i := 0; i+1 < len(groups); i += 0 { // "x, y []float32, a float32": names until one has no comma
		names := 1
		for strings.HasSuffix(groups[i], ",") {
			i++
			names++
		}
		kind := strings.TrimSuffix(groups[i+1], ",")
		i += 2
		for range names {
			switch kind {
			case "[]float32", "[]uint16", "[]int16", "[]uint8":
				width := map[string]int{"[]float32": 4, "[]uint16": 2, "[]int16": 2, "[]uint8": 1}[kind]
				b := make([]byte, n*width)
				for j := 0; j < len(b); j += width {
					x := float32(rng.NormFloat64())
					if seed%2 == 0 && rng.IntN(8) == 0 {
						x = special[rng.IntN(len(special))]
					}
					v := math.Float32bits(x)
					if width == 2 {
						v >>= 16
					}
					var w [4]byte
					binary.LittleEndian.PutUint32(w[:], v)
					copy(b[j:], w[:width])
				}
				c.vectors = append(c.vectors, b)
				m.frame = le.AppendUint64(m.frame, m.segment(b))
				m.frame = le.AppendUint64(m.frame, uint64(n))
				m.frame = le.AppendUint64(m.frame, uint64(n))
			case "float32":
				x := float32(0.5 + rng.Float64())
				if r.name == "index" { // what is looked for: a number that is there, or 0, which masked lanes hold too
					x = 0
					if n > 0 && rng.IntN(2) == 0 {
						x = math.Float32frombits(le.Uint32(c.vectors[0][4*rng.IntN(n):]))
					}
				}
				m.frame = le.AppendUint32(m.frame, math.Float32bits(x))
			default:
				t.Fatal("a parameter of a new kind:", kind)
			}
		}
	}
	for len(m.frame)%8 != 0 {
		m.frame = append(m.frame, 0)
	}
	arguments := len(m.frame)
	m.frame = append(m.frame, make([]byte, map[string]int{"": 0, "float32": 4, "float64": 8, "int": 8}[r.result])...)
	if strings.HasPrefix(r.result, "(") {
		m.frame = append(m.frame, make([]byte, 8)...)
	}
	if err := m.call(fn); err != nil {
		t.Fatalf("%d numbers: %v", n, err)
	}
	c.results = m.frame[arguments:]
	return c
}

// same says that two vectors of float32 are alike: the same, or NaN both.
func same(x, y []byte) bool {
	for i := 0; i < len(x); i += 4 {
		a, b := le.Uint32(x[i:]), le.Uint32(y[i:])
		f, g := math.Float32frombits(a), math.Float32frombits(b)
		if a != b && (f == f || g == g) {
			return false
		}
	}
	return true
}

// near says that sums in another order are alike.
func near(result string, x, y []byte) bool {
	if result == "float64" {
		a, b := math.Float64frombits(le.Uint64(x)), math.Float64frombits(le.Uint64(y))
		return a == b || math.Abs(a-b) <= 1e-12*math.Abs(b) || a != a && b != b
	}
	if result == "int" {
		return slices.Equal(x, y)
	}
	for i := 0; i < len(x); i += 4 {
		a, b := float64(math.Float32frombits(le.Uint32(x[i:]))), float64(math.Float32frombits(le.Uint32(y[i:])))
		if !(a == b || math.Abs(a-b) <= 1e-5*(10+math.Abs(b)) || a != a && b != b) {
			return false
		}
	}
	return true
}

// The functions for AVX-512 give, on the processor of processor_test.go, what those for AVX2 give there: the latter are
// tested on real processors by package kernel, and are made by the same code. Nothing outside the vectors is touched.
func TestRowsOfAllSets(t *testing.T) {
	f, err := compiled(rowFunctions)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, fn := range f.Functions() {
		functions[fn.Name] = fn
	}
	lengths := []int{}
	for n := range 36 {
		lengths = append(lengths, n)
	}
	lengths = append(lengths, 48, 63, 64, 65, 127, 128, 150)
	for i := range rows {
		r := &rows[i]
		for _, n := range lengths {
			sixteens := slices.Contains([]string{"toBF16", "fromBF16", "toInt16", "toUint8"}, r.name) // do no others
			if sixteens && n%16 != 0 {
				continue
			}
			for seed := range uint64(4) {
				x := run(t, f, functions[r.name+"AVX2"], r, n, seed)
				y := run(t, f, functions[r.name+"AVX512"], r, n, seed)
				if !near(r.result, y.results, x.results) {
					t.Fatalf("%s of %d: % x, and with AVX-512 % x", r.name, n, x.results, y.results)
				}
				for i := range x.vectors {
					if bits := sixteens; bits && !slices.Equal(x.vectors[i], y.vectors[i]) || !bits && !same(x.vectors[i], y.vectors[i]) {
						t.Fatalf("%s of %d: vector %d is\n% x\nand with AVX-512\n% x", r.name, n, i, x.vectors[i], y.vectors[i])
					}
				}
			}
		}
	}
}

// The processor itself is right: some functions, straight from their formulas.
func TestProcessor(t *testing.T) {
	f, err := compiled(rowFunctions)
	if err != nil {
		t.Fatal(err)
	}
	floats := func(b []byte) (x []float64) {
		for i := 0; i < len(b); i += 4 {
			x = append(x, float64(math.Float32frombits(le.Uint32(b[i:]))))
		}
		return x
	}
	for _, fn := range f.Functions() {
		set := "AVX2"
		if strings.HasSuffix(fn.Name, "AVX512") {
			set = "AVX512"
		}
		r := rows[slices.IndexFunc(rows, func(r rowFunction) bool { return r.name+set == fn.Name })]
		c := run(t, f, fn, &r, 64, 1)
		check := func(got, want float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
				t.Fatalf("%s: %v, want %v", fn.Name, got, want)
			}
		}
		switch r.name {
		case "dot":
			x, y, sum := floats(c.vectors[0]), floats(c.vectors[1]), 0.0
			for i := range x {
				sum += x[i] * y[i]
			}
			check(floats(c.results)[0], sum)
		case "max":
			check(floats(c.results)[0], slices.Max(floats(c.vectors[0])))
		case "add":
			for i, v := range floats(c.vectors[0]) {
				check(v, floats(c.vectors[1])[i]+floats(c.vectors[2])[i])
			}
		case "expSum", "expScale":
			rng := rand.New(rand.NewPCG(1, 64))
			for range 128 {
				rng.NormFloat64()
			}
			a, b := 0.5+rng.Float64(), 0.5+rng.Float64()
			for i, x := range floats(c.vectors[1]) {
				want := math.Exp(a*x - b)
				if r.name == "expScale" {
					want = b * math.Exp(x-a)
				}
				check(floats(c.vectors[0])[i], want)
			}
		case "fromBF16":
			for i, x := range floats(c.vectors[0]) {
				check(x, float64(math.Float32frombits(uint32(le.Uint16(c.vectors[1][2*i:]))<<16)))
			}
		case "maxAbs":
			want := 0.0
			for _, x := range floats(c.vectors[0]) {
				want = max(want, math.Abs(x))
			}
			check(floats(c.results)[0], want)
		case "toInt16", "toUint8":
			rng := rand.New(rand.NewPCG(1, 64))
			for range 128 {
				rng.NormFloat64()
			}
			a := float32(0.5 + rng.Float64())
			for i, x := range floats(c.vectors[1]) {
				want := math.RoundToEven(float64(float32(x) * a))
				got := float64(c.vectors[0][i]) - 128
				if r.name == "toInt16" {
					got = float64(int16(le.Uint16(c.vectors[0][2*i:])))
				}
				check(got, want)
			}
		case "toBF16":
			for i, x := range floats(c.vectors[1]) {
				got := float64(math.Float32frombits(uint32(le.Uint16(c.vectors[0][2*i:])) << 16))
				if math.Abs(got-x) > math.Abs(x)/256 {
					t.Fatalf("%s: %v becomes %v", fn.Name, x, got)
				}
			}
		}
	}
}
