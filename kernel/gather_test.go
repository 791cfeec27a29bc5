package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// What the sets gather is what the formulas say, whatever the lengths; nothing outside the results is written.
func TestGather(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		random := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			return x
		}
		for _, width := range []int{0, 1, 7, 8, 16, 24, 32, 40, 64, 96, 128, 200} {
			for _, count := range []int{0, 1, 2, 3, 4, 5, 8, 11, 64} {
				memory := random(width*count*2 + width + 3)
				at := make([]int32, count)
				for i := range at {
					at[i] = int32(rng.IntN(len(memory) - width + 1))
				}
				name := fmt.Sprintf("%d of %d", count, width)
				q, p := random(width), random(count)
				const mark = 12345
				dots := make([]float32, count+1)
				dots[count] = mark
				s.GatherDots(dots[:count], q, memory, at)
				for i, o := range at {
					want := 0.0
					for j, v := range q {
						want += float64(v) * float64(memory[int(o)+j])
					}
					if math.Abs(float64(dots[i])-want) > 1e-4 {
						t.Fatalf("%s: product %d is %v, want %v", name, i, dots[i], want)
					}
				}
				sums := make([]float32, width+1)
				sums[width] = mark
				s.GatherSum(sums[:width], p, memory, at)
				for j := range width {
					want := 0.0
					for i, o := range at {
						want += float64(p[i]) * float64(memory[int(o)+j])
					}
					if math.Abs(float64(sums[j])-want) > 1e-4 {
						t.Fatalf("%s: sum %d is %v, want %v", name, j, sums[j], want)
					}
				}
				if dots[count] != mark || sums[width] != mark {
					t.Fatalf("%s: something was written behind the end", name)
				}
			}
		}
	})
}

// A vector's product does not depend on how many others there are.
func TestGatherAlone(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		memory := make([]float32, 64*11)
		for i := range memory {
			memory[i] = float32(rng.NormFloat64())
		}
		at := make([]int32, 10)
		for i := range at {
			at[i] = int32(64 * (i + 1))
		}
		all, one := make([]float32, 10), make([]float32, 1)
		s.GatherDots(all, memory[:64], memory, at)
		for i := range at {
			if s.GatherDots(one, memory[:64], memory, at[i:]); one[0] != all[i] {
				t.Errorf("vector %d: %v alone, %v among others", i, one[0], all[i])
			}
		}
	})
}

// Assembly has no bounds, so that a place outside is refused before it.
func TestGatherOutside(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		for _, at := range []int32{-1, 1, math.MaxInt32} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("a vector of 8 numbers at %d of 8 was read", at)
					}
				}()
				x := make([]float32, 8)
				s.GatherDots(make([]float32, 1), x, x, []int32{at})
			}()
		}
	})
}
