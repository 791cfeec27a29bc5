package format

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDtypeBytes has ids of every size, behind something that is there already.
func TestDtypeBytes(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, d := range []Dtype{Uint16, Int32, Uint32} {
		for range 300 {
			most := []int{2, 300, 1 << 16, 1 << 31}[rng.IntN(3+int(d)/2)]
			ids := make([]uint32, rng.IntN(40))
			for i := range ids {
				ids[i] = uint32(rng.IntN(most))
				if rng.IntN(4) == 0 {
					ids[i] = uint32(most - 1)
				}
			}
			b := d.AppendBytes([]byte{7}, ids)
			if len(b) != 1+len(ids)*d.Size() || b[0] != 7 {
				t.Fatalf("seed %d: %v: %d bytes", seed, d, len(b))
			}
			if got := d.AppendIDs([]uint32{9}, append(b[1:], 1)); !slices.Equal(got, append([]uint32{9}, ids...)) {
				t.Fatalf("seed %d: %v: %v came back as %v", seed, d, ids, got)
			}
			for _, id := range append(ids, 0, 1, 1<<15, 1<<16-1, 1<<16, 1<<31-1) {
				want := int64(0)
				for _, other := range ids {
					if id == other {
						want++
					}
				}
				if got := d.Count(b[1:], id); got != want {
					t.Fatalf("seed %d: %v: %d is %d times among %v, want %d", seed, d, id, got, ids, want)
				}
			}
		}
	}
}
