package kernel

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkProducts multiplies a few rows with weights, as decoding does, one goroutine: with weights in f32 that are
// packed every time (gemm) and once (packed), and in 8 bits. A GMAC is a multiplication and an addition: half of
// BenchmarkPeak's GFLOP/s is what f32 can reach. GMAC/s are those of the fastest turn, which nobody disturbed.
func BenchmarkProducts(b *testing.B) {
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range [][2]int{{512, 512}, {2048, 512}, {512, 2048}, {32000, 512}} {
			n, k := d[0], d[1]
			if name == "portable" && n > 2048 {
				continue
			}
			weights, q, scale := make([]float32, n*k), make([]int8, n*k), make([]float32, n)
			for i := range weights {
				weights[i] = float32(i%7) - 3
			}
			Quantize8(n, k, weights, k, q, scale)
			packed, int8s := s.Pack(n, k, weights, k), s.PackInt8(n, k, q, k, scale)
			for _, m := range []int{1, 4, 16, 64} {
				x, y, bias := make([]float32, m*k), make([]float32, m*n), make([]float32, n)
				for i := range x {
					x[i] = float32(i%5) - 2
				}
				var w Scratch
				for _, way := range []struct {
					name string
					do   func()
				}{
					{"gemm", func() { s.Gemm(&w, F32, NT, m, n, k, x, k, weights, k, false, y, n) }},
					{"packed", func() { s.GemmPacked(&w, m, x, k, packed, false, y, n) }},
					{"int8", func() { s.GemmInt8(&w, m, x, k, int8s, bias, y, n) }},
				} {
					b.Run(fmt.Sprintf("%s/%dx%d/%d/%s", name, n, k, m, way.name), func(b *testing.B) {
						var best float64
						for b.Loop() {
							start := time.Now()
							way.do()
							best = max(best, float64(m*n*k)/time.Since(start).Seconds())
						}
						b.ReportMetric(best/1e9, "GMAC/s")
					})
				}
			}
		}
	}
}
