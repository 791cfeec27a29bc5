package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

// adapted gives a copy of a model with random adapters, and the model whose own weights are what that copy computes with.
func adapted(t testing.TB, r *rand.Rand, m *Model, l LoRA) (with, merged *Model, a *Adapters) {
	t.Helper()
	copied := func(p *Params) *Model {
		c, err := New(m.Config, &Params{p.Layout, slices.Clone(p.Data)}, m.pool, m.prec)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	with = copied(m.Params)
	a, err := NewAdapters(l, with.Params)
	if err != nil {
		t.Fatal(err)
	}
	random(r, a.Params.Data, 0.3)
	if err := with.Adapt(a); err != nil {
		t.Fatal(err)
	}
	return with, copied(with.Params), a
}

// TestLoRAGradients: training adapters is training of the weights, restricted to their subspace: the gradients of A and B are those
// of W, multiplied by s·Bᵀ from the left and by s·Aᵀ from the right, and they are what differences of the loss say.
func TestLoRAGradients(t *testing.T) {
	for _, v := range variants {
		for i, set := range kernel.Names() {
			if i > 0 && v.name != "llama" && v.name != "btlm" {
				continue
			}
			t.Run(v.name+"/"+set, func(t *testing.T) {
				r := rand.New(rand.NewPCG(31, 32))
				l := LoRA{Rank: 3, Alpha: 4.5}
				m, full, a := adapted(t, r, tiny(t, r, set, 2, v.change), l)
				b := randomBatch(r, m.Config, 2, 40, true)
				grads := NewParams(a.Params.Layout)
				sum, _, err := m.Loss(b, 0.1, grads)
				if err != nil {
					t.Fatal(err)
				}
				want, all := step(t, full, b, 0.1)
				if sum != want {
					t.Errorf("the loss is %v with adapters, and %v with their sum", sum, want)
				}
				s, at := l.Scale(), 0
				for i, w := range m.Params.Layout.Tensors {
					if w.Role != Hidden && w.Role != Residual {
						continue
					}
					A, B := a.Params.Of(2*at), a.Params.Of(2*at+1)
					compare(t, w.Name+" A", grads.Of(2*at), projected(w.Cols, l.Rank, w.Rows, func(k, j, o int) float64 {
						return s * float64(B[o*l.Rank+k]) * float64(all.Of(i)[o*w.Cols+j])
					}))
					compare(t, w.Name+" B", grads.Of(2*at+1), projected(l.Rank, w.Rows, w.Cols, func(o, k, j int) float64 {
						return s * float64(A[k*w.Cols+j]) * float64(all.Of(i)[o*w.Cols+j])
					}))
					at++
				}
				f := func() float64 {
					m.Merge()
					sum, _, err := m.Loss(b, 1, nil)
					if err != nil {
						t.Fatal(err)
					}
					return float64(0.1) * sum
				}
				for i, w := range a.Params.Layout.Tensors {
					if v.name == "llama" || v.name == "btlm" {
						checkGradient(t, r, w.Name, f, a.Params.Of(i), grads.Of(i), 4)
					}
				}
			})
		}
	}
}

// projected gives [rows, cols] of sums of f(row, col, 0..n).
func projected(cols, rows, n int, f func(row, col, i int) float64) []float64 {
	x := make([]float64, rows*cols)
	for i := range x {
		for k := range n {
			x[i] += f(i/cols, i%cols, k)
		}
	}
	return x
}

func compare(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	diff, size := 0.0, 0.0
	for i, w := range want {
		diff, size = diff+(float64(got[i])-w)*(float64(got[i])-w), size+w*w
	}
	if !(math.Sqrt(diff) <= 1e-5*math.Sqrt(size)) || size == 0 {
		t.Errorf("%s: the gradient differs by %.2g of its norm, %v", name, math.Sqrt(diff/size), math.Sqrt(size))
	}
}

// TestLoRAFullRank: with A the unit matrix and s = 1, B is as good as W, and so is its gradient.
func TestLoRAFullRank(t *testing.T) {
	for _, v := range variants {
		r := rand.New(rand.NewPCG(33, 34))
		m := tiny(t, r, kernel.Auto, 2, v.change)
		for _, w := range m.Params.Layout.Tensors {
			if w.Role != Hidden && w.Role != Residual || w.Layer > 0 {
				continue
			}
			kind := strings.TrimSuffix(w.Name, ".weight")
			kind = kind[strings.Index(kind, ".0.")+3:]
			with, full, a := adapted(t, r, m, LoRA{Rank: w.Cols, Alpha: float64(w.Cols), Targets: []string{kind}})
			if len(a.Params.Layout.Tensors) != 2*m.Config.Layers {
				t.Fatalf("%s: targets are %v", kind, a.Names())
			}
			for i := range a.Params.Layout.Tensors {
				x := a.Params.Of(i)
				clear(x)
				for k := 0; k < w.Cols && i%2 == 0; k++ {
					x[k*w.Cols+k] = 1
				}
			}
			with.Merge()
			copy(full.Params.Data, with.Params.Data)
			if !slices.Equal(with.Params.Data, m.Params.Data) {
				t.Fatalf("%s: B is 0, and the weights are others", kind)
			}
			b := randomBatch(r, m.Config, 2, 40, true)
			grads := NewParams(a.Params.Layout)
			if _, _, err := with.Loss(b, 0.1, grads); err != nil {
				t.Fatal(err)
			}
			_, all := step(t, full, b, 0.1)
			for layer := range m.Config.Layers {
				i := slices.IndexFunc(m.Params.Layout.Tensors, func(w Tensor) bool { return w.Layer == layer && strings.HasSuffix(w.Name, kind+".weight") })
				if norm64(grads.Of(2*layer)) != 0 {
					t.Errorf("%s: B is 0, and A has a gradient", kind)
				}
				want := make([]float64, 0, w.Len())
				for _, g := range all.Of(i) {
					want = append(want, float64(g))
				}
				compare(t, kind, grads.Of(2*layer+1), want)
			}
		}
	}
}

// TestLoRAMerge: a linear layer with W + s·B A gives what W gives, and s·B (A x) more; nothing else is touched, and what is made
// again is the same.
func TestLoRAMerge(t *testing.T) {
	for _, v := range variants {
		for _, set := range kernel.Names() {
			r := rand.New(rand.NewPCG(35, 36))
			base := tiny(t, r, set, 2, v.change)
			l := LoRA{Rank: 4, Alpha: 6, RankStabilized: true}
			m, _, a := adapted(t, r, base, l)
			if l.Scale() != 3 {
				t.Fatal(l.Scale())
			}
			const n = 37
			for at, i := range slices.Collect(func(yield func(int) bool) {
				for i, w := range m.Params.Layout.Tensors {
					if (w.Role == Hidden || w.Role == Residual) && !yield(i) {
						return
					}
				}
			}) {
				w := &m.Params.Layout.Tensors[i]
				x, y, plain := make([]float32, n*w.Cols), make([]float32, n*w.Rows), make([]float32, n*w.Rows)
				random(r, x, 1)
				one := linear{weight: span{w.Offset, w.Len()}, in: w.Cols, out: w.Rows}
				one.forward(m, n, x, y)
				one.forward(base, n, x, plain)
				A, B := a.Params.Of(2*at), a.Params.Of(2*at+1)
				want := projected(w.Rows, n, l.Rank, func(row, out, k int) float64 {
					low := 0.0
					for j := range w.Cols {
						low += float64(A[k*w.Cols+j]) * float64(x[row*w.Cols+j])
					}
					return 3 * float64(B[out*l.Rank+k]) * low
				})
				for j := range want {
					want[j] += float64(plain[j])
				}
				compare(t, w.Name, y, want)
			}
			before := slices.Clone(m.Params.Data)
			for range 3 {
				m.Merge()
			}
			if !slices.Equal(m.Params.Data, before) {
				t.Errorf("%s: what is made again is something else", v.name)
			}
			for i, w := range m.Params.Layout.Tensors {
				if target := w.Role == Hidden || w.Role == Residual; slices.Equal(m.Params.Of(i), base.Params.Of(i)) == target {
					t.Errorf("%s: %s: changed is %v", v.name, w.Name, !target)
				}
			}
		}
	}
}

func TestLoRAWorkers(t *testing.T) {
	for _, v := range variants {
		for _, set := range kernel.Names() {
			for _, prec := range []kernel.Precision{kernel.F32, kernel.BF16} {
				var first, firstMerged []float32
				for _, workers := range []int{1, 2, 5} {
					r := rand.New(rand.NewPCG(37, 38))
					m, _, a := adapted(t, r, with(t, tiny(t, r, set, 1, v.change), set, workers, prec), LoRA{Rank: 5, Alpha: 5})
					b := randomBatch(r, m.Config, 3, 71, true)
					for range 2 { // the second time in used buffers
						grads := NewParams(a.Params.Layout)
						if _, _, err := m.Loss(b, 1, grads); err != nil {
							t.Fatal(err)
						}
						if first == nil {
							first, firstMerged = grads.Data, m.Params.Data
						}
						if !slices.Equal(grads.Data, first) || !slices.Equal(m.Params.Data, firstMerged) {
							t.Errorf("%s, %s: %d goroutines give another result", v.name, set, workers)
						}
					}
				}
			}
		}
	}
}

func TestLoRAInit(t *testing.T) {
	r := rand.New(rand.NewPCG(39, 40))
	m := tiny(t, r, kernel.Auto, 1, func(c *Config) { c.Width, c.HeadSize, c.FFN = 400, 100, 300 })
	var seeds [][]float32
	for seed := range uint64(2) {
		a, err := NewAdapters(LoRA{Rank: 50, Alpha: 1, Targets: []string{"down_proj", "q_proj"}}, m.Params)
		if err != nil {
			t.Fatal(err)
		}
		random(r, a.Params.Data, 1)
		a.Init(seed)
		seeds = append(seeds, a.Params.Data)
		for i, w := range a.Params.Layout.Tensors {
			x := a.Params.Of(i)
			if w.Role == AdapterB {
				if norm64(x) != 0 {
					t.Errorf("%s is not 0", w.Name)
				}
				continue
			}
			bound := 1 / math.Sqrt(float64(w.Cols))
			mean, square := 0.0, 0.0
			for _, v := range x {
				mean += float64(v) / float64(len(x))
				square += float64(v) * float64(v) / float64(len(x))
			}
			if top := float64(slices.Max(x)); top > bound || top < 0.99*bound || -float64(slices.Min(x)) < 0.99*bound || math.Abs(mean) > 0.03*bound || math.Abs(square*3/bound/bound-1) > 0.03 {
				t.Errorf("%s: up to %v, mean %v, mean square %v; the bound is %v", w.Name, top, mean, square, bound)
			}
		}
		if got, want := a.Params.Layout.Tensors[3].Name, "base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if slices.Equal(seeds[0], seeds[1]) {
		t.Error("the seed does not matter")
	}
}

// TestLoRAFLOPs counts what products there are.
func TestLoRAFLOPs(t *testing.T) {
	r := rand.New(rand.NewPCG(45, 46))
	m := tiny(t, r, kernel.Auto, 1, func(*Config) {})
	c := m.Config
	if got, want := m.TrainingFLOPs(9), 3*c.FLOPs(9); got != want {
		t.Errorf("%v operations, want %v", got, want)
	}
	m, _, _ = adapted(t, r, m, LoRA{Rank: 2, Alpha: 1, Targets: []string{"o_proj"}})
	matrices := c.Vocabulary * c.Width
	for _, w := range m.Params.Layout.Tensors {
		if w.Role == Hidden || w.Role == Residual {
			matrices += w.Len()
		}
	}
	scores := c.Layers * c.Heads * c.HeadSize * 2 * 5 // a token sees 5 of 9 on average
	if got, want := m.TrainingFLOPs(9), float64(2*(2*matrices+3*scores)+c.Layers*4*2*(24+12)); got != want {
		t.Errorf("%v operations, want %v", got, want)
	}
}

func TestLoRAErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	m := tiny(t, r, kernel.Auto, 1, func(*Config) {})
	for _, c := range []struct {
		l    LoRA
		want string
	}{
		{LoRA{Rank: 0, Alpha: 1}, "rank is 0"},
		{LoRA{Rank: 1 << 20, Alpha: 1}, "rank is 1048576"},
		{LoRA{Rank: 2}, "alpha is 0"},
		{LoRA{Rank: 2, Alpha: math.NaN()}, "alpha is NaN"},
		{LoRA{Rank: 2, Alpha: 1e300}, "alpha is 1e+300"},
		{LoRA{Rank: 2, Alpha: 1, Targets: []string{}}, "none are named"},
		{LoRA{Rank: 2, Alpha: 1, Targets: []string{"q_proj", "c_attn"}}, `no linear layer "c_attn" that could get an adapter; it has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj`},
		{LoRA{Rank: 2, Alpha: 1, Targets: []string{"lm_head"}}, `no linear layer "lm_head"`},
		{LoRA{Rank: 2, Alpha: 1, Targets: []string{"proj"}}, `no linear layer "proj"`},
	} {
		if _, err := NewAdapters(c.l, m.Params); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %s", c.l, err, c.want)
		}
		if _, err := m.Config.LoRABytes(&c.l, 1, 1); err == nil {
			t.Errorf("%+v has a size", c.l)
		}
	}
	other := tiny(t, r, kernel.Auto, 1, func(c *Config) { c.FFN = 12 })
	a, err := NewAdapters(LoRA{Rank: 2, Alpha: 1}, other.Params)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Adapt(a); err == nil {
		t.Error("adapters of another model are taken")
	}
	m, _, _ = adapted(t, r, m, LoRA{Rank: 2, Alpha: 1})
	if _, _, err := m.Loss(randomBatch(r, m.Config, 1, 4, false), 1, NewParams(m.Params.Layout)); err == nil {
		t.Error("gradients of all weights are taken for those of adapters")
	}
}

// TestLoRAMemory: LoRABytes knows what is allocated.
func TestLoRAMemory(t *testing.T) {
	for _, family := range []string{Llama, BTLM} {
		r := rand.New(rand.NewPCG(43, 44))
		warm := tiny(t, r, kernel.Auto, 2, func(c *Config) {
			c.Vocabulary, c.Width, c.HeadSize, c.FFN = 500, 64, 16, 160
			if family == BTLM {
				asBTLM(c)
			}
		})
		const rows, length = 3, 150
		b := randomBatch(r, warm.Config, rows, length, true)
		l := LoRA{Rank: 8, Alpha: 8}
		var before, after runtime.MemStats
		var keep []any
		run := func() {
			w := NewParams(NewLayout(warm.Config))
			copy(w.Data, warm.Params.Data)
			m, err := New(warm.Config, w, warm.pool, kernel.F32)
			if err != nil {
				t.Fatal(err)
			}
			a, err := NewAdapters(l, w)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Adapt(a); err != nil {
				t.Fatal(err)
			}
			grads, first, second := NewParams(a.Params.Layout), NewParams(a.Params.Layout), NewParams(a.Params.Layout)
			if _, _, err := m.Loss(b, 1, grads); err != nil {
				t.Fatal(err)
			}
			keep = append(keep, m, a, grads, first, second)
		}
		run() // what the pool has for products is not the model's
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		said, err := warm.Config.LoRABytes(&l, rows, length)
		if err != nil {
			t.Fatal(err)
		}
		got := float64(after.TotalAlloc - before.TotalAlloc)
		if got < 0.95*float64(said) || got > 1.1*float64(said) {
			t.Errorf("%s: %.0f bytes are allocated, LoRABytes says %d", family, got, said)
		}
		if all := warm.Config.TrainingBytes(rows, length, false); said >= all {
			t.Errorf("%s: %d bytes with adapters, %d without", family, said, all)
		}
		runtime.KeepAlive(keep)
	}
}

// BenchmarkLoRA is BenchmarkLoss with adapters of all linear layers, and without.
func BenchmarkLoRA(b *testing.B) {
	for _, width := range []int{256, 512} {
		for _, rank := range []int{0, 8, 16, 64} {
			b.Run(fmt.Sprintf("width=%d/rank=%d", width, rank), func(b *testing.B) {
				c, err := (&Shape{Family: Llama, Vocabulary: 8192, Width: width, Layers: 6, Heads: 4}).New()
				if err != nil {
					b.Fatal(err)
				}
				p := NewParams(NewLayout(c))
				p.Init(c, 0.02, 1)
				m, err := New(c, p, newPool(b, kernel.Auto, 1), kernel.F32)
				if err != nil {
					b.Fatal(err)
				}
				if rank > 0 {
					a, err := NewAdapters(LoRA{Rank: rank, Alpha: 16}, p)
					if err != nil {
						b.Fatal(err)
					}
					a.Init(1)
					if err := m.Adapt(a); err != nil {
						b.Fatal(err)
					}
				}
				batch := randomBatch(rand.New(rand.NewPCG(25, 26)), c, 4, 256, false)
				grads := NewParams(m.Trained().Layout)
				m.Loss(batch, 1e-3, grads)
				for b.Loop() {
					m.Loss(batch, 1e-3, grads)
				}
				tokens := float64(b.N) * 1024 / b.Elapsed().Seconds()
				b.ReportMetric(tokens, "tokens/s")
				b.ReportMetric(tokens*m.TrainingFLOPs(256)/1e9, "GFLOP/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
