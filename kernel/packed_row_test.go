package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Rows come out of both kinds of packed weights as they went in, for every set and for shapes that fill no tile and no block.
func TestPackedRows(t *testing.T) {
	for _, s := range sets() {
		t.Run(s.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			for _, n := range []int{1, 2, 3, 5, 16, 17, 33, 200, 300} {
				for _, k := range []int{1, 3, 16, 31, 64, 300, 1100} {
					b, q, scale := make([]float32, n*k), make([]int8, n*k), make([]float32, n)
					for i := range b {
						b[i], q[i] = rng.Float32(), int8(rng.IntN(255)-127)
					}
					for i := range scale {
						scale[i] = rng.Float32()
					}
					packed, bytes := s.NewPacked(n, k), s.NewInt8(n, k)
					for from := 0; from < n; { // a unit at a time
						rows := min(packed.Unit(), n-from)
						packed.Put(from, rows, b[from*k:], k)
						bytes.Put(from, rows, q[from*k:], k, scale[from:])
						from += rows
					}
					for j := range n {
						name := fmt.Sprintf("row %d of [%d, %d]", j, n, k)
						row, want := make([]float32, k), make([]float32, k)
						if packed.Row(j, row); !slices.Equal(row, b[j*k:(j+1)*k]) {
							t.Fatalf("%s: f32", name)
						}
						for l := range want {
							want[l] = float32(float32(q[j*k+l]) * scale[j])
						}
						if bytes.Row(j, row); !slices.Equal(row, want) {
							t.Fatalf("%s: 8 bits", name)
						}
					}
				}
			}
		})
	}
}
