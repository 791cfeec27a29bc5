package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkRows has every function on every set; bytes are those of all operands that are read or written, twice for
// what is both.
func BenchmarkRows(b *testing.B) {
	const n = 2048
	rng := rand.New(rand.NewPCG(1, 1))
	v := make([][]float32, 9)
	for i := range v {
		v[i] = make([]float32, n+1024)[80*i:][:n] // not all at the same place in a page
		for j := range v[i] {
			v[i][j] = rng.Float32()
		}
	}
	h := make([]uint16, n)
	long := make([]float32, 50257)
	for i := range long {
		long[i] = float32(rng.NormFloat64())
	}
	out := make([]float32, len(long))
	large := make([][]float32, 4)
	for i := range large {
		large[i] = make([]float32, 4<<20)
	}
	for _, c := range []struct {
		name  string
		bytes int
		run   func(s *Set)
	}{
		{"Dot", 8 * n, func(s *Set) { s.Dot(v[0], v[1]) }},
		{"Sum", 4 * n, func(s *Set) { s.Sum(v[0]) }},
		{"SumSquares", 4 * n, func(s *Set) { s.SumSquares(v[0]) }},
		{"Finite", 4 * n, func(s *Set) { s.Finite(v[0]) }},
		{"Max", 4 * n, func(s *Set) { s.Max(v[0]) }},
		{"Argmax", 4 * n, func(s *Set) { s.Argmax(v[0]) }},
		{"Add", 12 * n, func(s *Set) { s.Add(v[0], v[1], v[2]) }},
		{"Axpy", 12 * n, func(s *Set) { s.Axpy(v[0], 1e-9, v[1]) }},
		{"Scale", 8 * n, func(s *Set) { s.Scale(v[0], 0.5, v[1]) }},
		{"ExpSum", 8 * n, func(s *Set) { s.ExpSum(v[0], v[1], 1) }},
		{"ExpSum128", 8 * 128, func(s *Set) { s.ExpSum(v[0][:128], v[1][:128], 1) }},
		{"LogSumExp", 4 * len(long), func(s *Set) { s.LogSumExp(long) }},
		{"SoftmaxGrad", 8 * len(long), func(s *Set) { s.SoftmaxGrad(out, long, 11, 0.5) }},
		{"AlibiScale", 8 * n, func(s *Set) { s.AlibiScale(v[0], v[1], 0.5, -1, 0.125) }},
		{"ProbGrad", 12 * n, func(s *Set) { s.ProbGrad(v[0], v[1], v[2], 0.5, 0.25) }},
		{"SwiGLU", 12 * n, func(s *Set) { s.SwiGLU(v[0], v[1], v[2]) }},
		{"SwiGLUGrad", 24 * n, func(s *Set) { s.SwiGLUGrad(v[0], v[1], v[2], v[3], v[4], v[5]) }},
		{"RMSNorm", 12 * n, func(s *Set) { s.RMSNorm(v[0], v[1], v[2], 1e-5) }},
		{"RMSNormGrad", 32 * n, func(s *Set) { s.RMSNormGrad(v[0], v[6], v[2], v[3], v[4], v[5], 1e-9) }},
		{"LayerNorm", 16 * n, func(s *Set) { s.LayerNorm(v[0], v[1], v[2], v[3], 1e-5) }},
		{"LayerNormGrad", 44 * n, func(s *Set) { s.LayerNormGrad(v[0], v[6], v[7], v[2], v[3], v[4], v[5], v[1], 0.5, 1e-9) }},
		{"Rotate", 12 * n, func(s *Set) { s.Rotate(v[0], v[1][:n/2], v[2][:n/2]) }},
		{"AdamW", 28 * n, func(s *Set) { s.AdamW(&adamWTest, v[6], v[1], v[7], v[8]) }},
		{"AdamW memory", 28 * len(large[0]), func(s *Set) { s.AdamW(&adamWTest, large[0], large[1], large[2], large[3]) }},
		{"ToBF16", 6 * n, func(s *Set) { s.ToBF16(h, v[1]) }},
		{"FromBF16", 6 * n, func(s *Set) { s.FromBF16(v[0], h) }},
	} {
		for _, s := range sets() {
			b.Run(c.name+"/"+s.name, func(b *testing.B) {
				b.SetBytes(int64(c.bytes))
				for b.Loop() {
					c.run(s)
				}
			})
		}
	}
}
