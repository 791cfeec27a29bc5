package model

import (
	"math"
	"math/rand/v2"
	"testing"

	"curate/kernel"
)

func extendOne(a *attention, p *kernel.Pool, qkv []float32, past, n int, cached []float32, capacity int, out []float32) {
	a.sequences = append(a.sequences[:0], cachedSequence{qkv: qkv, out: out, cached: cached, past: past, capacity: capacity})
	a.extend(p, n)
}

// However a sequence is cut into calls of extend, the attention of its tokens is that of the whole.
func TestAttentionExtend(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	for _, name := range kernel.Names() {
		set, _ := kernel.Named(name)
		for range 12 {
			c := randomCase(r)
			c.rows, c.starts = 1, nil
			c.fill(r)
			want, _, _, _ := c.oracle(c.qkv)
			pool := kernel.NewPool(set, 1+r.IntN(3))
			a := newAttention(c.heads, c.kvHeads, c.size, c.scale(), c.slopes, kernel.F32)
			capacity := c.length + r.IntN(5)
			cached := filled(2 * c.kvHeads * capacity * c.size)
			out := filled(len(want))
			for past := 0; past < c.length; {
				n := 1 + r.IntN(min(c.length-past, []int{1, 3, 300}[r.IntN(3)]))
				extendOne(a, pool, c.qkv[past*a.stride():], past, n, cached, capacity, out[past*c.heads*c.size:])
				past += n
			}
			pool.Close()
			if diff, largest := farthest(out, want); !(diff <= 2e-6*max(1, largest)) {
				t.Errorf("seed %d: %s: %v: off by %g", seed, name, c, diff)
			}
		}
	}
}

func BenchmarkAttentionExtend(b *testing.B) {
	c := &attentionCase{rows: 1, length: 2048, heads: 8, kvHeads: 2, size: 64}
	c.fill(rand.New(rand.NewPCG(1, 1)))
	set, _ := kernel.Named(kernel.Auto)
	pool := kernel.NewPool(set, 1)
	defer pool.Close()
	a := newAttention(c.heads, c.kvHeads, c.size, c.scale(), nil, kernel.F32)
	cached, out := make([]float32, 2*c.kvHeads*c.length*c.size), make([]float32, c.length*c.heads*c.size)
	extendOne(a, pool, c.qkv, 0, c.length, cached, c.length, out)
	b.SetBytes(int64(4 * len(cached)))
	for b.Loop() {
		extendOne(a, pool, c.qkv, c.length-1, 1, cached, c.length, out)
	}
	if math.IsNaN(float64(out[0])) {
		b.Fatal("not a number")
	}
}
