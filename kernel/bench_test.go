package kernel

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkGemm multiplies in the shapes of training: tokens by what a layer has, the gradients of weights (TN), and the
// tiles of attention. One goroutine; GFLOP/s are to be compared with those of BenchmarkPeak.
func BenchmarkGemm(b *testing.B) {
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, prec := range []Precision{F32, BF16} {
			for _, d := range []struct {
				op      Op
				m, n, k int
			}{
				{NT, 64, 64, 64}, {NN, 64, 128, 256}, {NT, 512, 704, 256}, {NN, 512, 256, 704}, {TN, 704, 256, 2048},
				{NN, 512, 512, 512}, {NT, 512, 512, 512}, {TN, 512, 512, 512}, {NT, 1024, 2048, 768}, {NT, 1, 8192, 1024},
			} {
				if name == "portable" && d.m*d.n*d.k > 1<<28 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%s/%s/%dx%dx%d", name, []string{"f32", "bf16"}[prec], []string{"NN", "NT", "TN"}[d.op], d.m, d.n, d.k), func(b *testing.B) {
					benchmarkGemm(b, NewPool(s, 1), prec, d.op, d.m, d.n, d.k)
				})
			}
		}
	}
}

// BenchmarkGemmPool is the same with all cores.
func BenchmarkGemmPool(b *testing.B) {
	s, err := Named(Auto)
	if err != nil {
		b.Fatal(err)
	}
	for _, workers := range []int{1, 2, 4} {
		for _, n := range []int{128, 256, 512, 1024} {
			b.Run(fmt.Sprintf("%d/%d", workers, n), func(b *testing.B) {
				benchmarkGemm(b, NewPool(s, workers), F32, NN, n, n, n)
			})
		}
	}
}

func benchmarkGemm(b *testing.B, p *Pool, prec Precision, op Op, m, n, k int) {
	defer p.Close()
	x, y, z := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n)
	for _, v := range [][]float32{x, y} {
		for i := range v {
			v[i] = float32(i%7) - 3
		}
	}
	lda, ldb := k, n
	if op == NT {
		ldb = k
	}
	if op == TN {
		lda = m
	}
	for b.Loop() {
		p.Gemm(prec, op, m, n, k, x, lda, y, ldb, false, z, n)
	}
	b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	if m == 1 { // of weights that are read
		b.ReportMetric(4*float64(n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
	}
}

func BenchmarkPeak(b *testing.B) {
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			var peak float64
			for b.Loop() {
				peak = max(peak, s.Peak(time.Millisecond))
			}
			b.ReportMetric(peak/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkEach shares pieces of 50 µs.
func BenchmarkEach(b *testing.B) {
	s, err := Named(Auto)
	if err != nil {
		b.Fatal(err)
	}
	const turns = 32 << 10 // some 50 µs
	for _, workers := range []int{1, 2} {
		for _, pieces := range []int{2, 8, 64} {
			b.Run(fmt.Sprintf("%d/%d", workers, pieces), func(b *testing.B) {
				p := NewPool(s, workers)
				defer p.Close()
				for b.Loop() {
					p.Each(pieces, func(int, int) { peakPortable(turns) })
				}
			})
		}
	}
}
