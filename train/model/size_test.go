package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"curate/kernel"
)

func TestSize(t *testing.T) {
	for _, v := range variants {
		c := &Config{
			Family: Llama, Vocabulary: 37, Width: 12, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 11, NormEpsilon: 1e-5,
			RopeTheta: 100, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
		}
		v.change(c)
		l := NewLayout(c)
		all, embedding := c.Parameters()
		if int(all) != l.Len || int(embedding) != 37*12 {
			t.Errorf("%s: %d parameters, %d of the embedding", v.name, all, embedding)
		}
		matrices := 0
		for _, w := range l.Tensors {
			if !w.Vector && (w.Role != Embedding || c.Tied) {
				matrices += w.Len()
			}
		}
		if got, want := c.FLOPs(99), float64(2*matrices+4*c.Layers*c.Heads*c.HeadSize*50); got != want {
			t.Errorf("%s: %v operations, want %v", v.name, got, want)
		}
		if got, want := c.CacheBytes(10, 2), int64(2*10*2*c.Layers*c.KVHeads*c.HeadSize); got != want {
			t.Errorf("%s: the cache is %d, want %d", v.name, got, want)
		}
		if c.TrainingBytes(4, 99, true) != c.TrainingBytes(1, 99, false) || c.TrainingBytes(4, 99, true) >= c.TrainingBytes(4, 99, false) {
			t.Errorf("%s: rows one at a time take as much as together", v.name)
		}
		if c.numbers() < float64(all) {
			t.Errorf("%s: numbers are %v, parameters %d", v.name, c.numbers(), all)
		}
	}
	// BTLM-3B has 2,646 million parameters (arXiv 2309.11568, table 1, and its configuration).
	c, _ := (&Shape{Family: BTLM, Vocabulary: 50257, Width: 2560, Layers: 32, Heads: 32, FFN: 6826, BaseWidth: 256}).New()
	if all, _ := c.Parameters(); all/1e6 != 2646 {
		t.Errorf("BTLM-3B has %d parameters", all)
	}
	// Its rows of 6826 weights are no whole blocks of 32: at 4.5 bits it would be 1.49 GB, and is more.
	size, ifAll, rest := c.BlockBytes(32, 18)
	vectors, kept := int64(0), int64(0)
	for _, w := range NewLayout(c).Tensors {
		if w.Vector {
			vectors += int64(w.Len())
		}
	}
	for i, w := range rest {
		if w.Name != fmt.Sprintf("transformer.h.%d.mlp.c_proj.weight", i) || w.Cols != 6826 {
			t.Errorf("%s has rows of %d", w.Name, w.Cols)
		}
		kept += int64(w.Len())
	}
	all, _ := c.Parameters()
	if len(rest) != 32 || ifAll/1e7 != 149 || size != 4*vectors+2*kept+(all-vectors-kept)*18/32 {
		t.Errorf("BTLM-3B takes %d bytes in blocks, and could %d; %d tensors do not fit", size, ifAll, len(rest))
	}
	if size, ifAll, rest := (&Config{Family: Llama, Vocabulary: 64, Width: 32, Layers: 1, Heads: 2, KVHeads: 1, HeadSize: 16, FFN: 64, Tied: true}).BlockBytes(32, 34); size != ifAll || rest != nil || size != 4*3*32+(64*32+2*32*32+2*16*32+3*64*32)*34/32 {
		t.Errorf("a llama takes %d of %d bytes in blocks", size, ifAll)
	}
}

func ExampleConfig_FLOPs() {
	c, _ := (&Shape{Family: Llama, Vocabulary: 8192, Width: 256, Layers: 6, Heads: 4, FFN: 704}).New()
	all, embedding := c.Parameters()
	fmt.Printf("%d parameters, %d of the embedding; %.1f MFLOP a token\n", all, embedding, c.FLOPs(256)/1e6)
	// Output: 9014528 parameters, 2097152 of the embedding; 14.6 MFLOP a token
}

// TestMemory: after the first batch there is next to nothing to allocate, whatever the size of the model; TrainingBytes knows what
// was allocated before.
func TestMemory(t *testing.T) {
	for _, family := range []string{Llama, BTLM} {
		r := rand.New(rand.NewPCG(19, 20))
		warm := tiny(t, r, kernel.Auto, 2, func(c *Config) {
			c.Vocabulary, c.Width, c.HeadSize, c.FFN = 500, 64, 16, 160
			if family == BTLM {
				asBTLM(c)
			}
		})
		const rows, length = 3, 150
		b := randomBatch(r, warm.Config, rows, length, true)
		loss := func(m *Model, grads *Params) {
			if _, _, err := m.Loss(b, 1, grads); err != nil {
				t.Fatal(err)
			}
		}
		step(t, warm, b, 1) // what the pool has for products is not the model's
		var before, before2, made, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := NewParams(NewLayout(warm.Config))
		copy(w.Data, warm.Params.Data)
		m, err := New(warm.Config, w, warm.pool, kernel.F32)
		if err != nil {
			t.Fatal(err)
		}
		grads, first, second := NewParams(w.Layout), NewParams(w.Layout), NewParams(w.Layout)
		loss(m, grads)
		runtime.ReadMemStats(&made)
		// What is left are closures: some bytes a layer. Now and then a worker takes its first piece of a kind.
		least := uint64(math.MaxUint64)
		for range 6 {
			runtime.ReadMemStats(&before2)
			loss(m, grads)
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before2.TotalAlloc)
		}
		if least > 8<<10 {
			t.Errorf("%s: %d bytes are allocated a step", family, least)
		}
		got, said := float64(made.TotalAlloc-before.TotalAlloc), float64(warm.Config.TrainingBytes(rows, length, false))
		t.Logf("%s: %.0f bytes are allocated, TrainingBytes says %.0f; %d bytes a step", family, got, said, least)
		if got < 0.95*said || got > 1.1*said {
			t.Errorf("%s: that is %.3f of it", family, got/said)
		}
		runtime.KeepAlive([]*Params{first, second})
	}
}
