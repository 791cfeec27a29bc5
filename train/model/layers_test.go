package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"curate/kernel"
)

// tiny makes a small model of awkward numbers with random parameters.
func tiny(t testing.TB, r *rand.Rand, set string, workers int, change func(c *Config)) *Model {
	t.Helper()
	c := &Config{
		Family: Llama, Vocabulary: 37, Width: 12, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 11, NormEpsilon: 1e-5,
		RopeTheta: 100, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	change(c)
	p := NewParams(NewLayout(c))
	for i, w := range p.Layout.Tensors {
		random(r, p.Of(i), 0.4)
		if w.Role == Norm {
			for j := range p.Of(i) {
				p.Of(i)[j]++
			}
		}
	}
	m, err := New(c, p, newPool(t, set, workers), kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func asBTLM(c *Config) {
	c.Family, c.Tied, c.KVHeads, c.HeadSize, c.RopeTheta = BTLM, true, c.Heads, c.Width/c.Heads, 0
	c.EmbeddingScale, c.LogitScale, c.WidthScale, c.ScaleByHead = 3, 0.7, 0.25, true
}

func dot64(x, y []float32) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// Every layer is checked as a function f(x) = Σ dy·layer(x), whose gradient for dy its backward gives.
func TestLayerGradients(t *testing.T) {
	const n = 70 // more than two blocks of rows
	for _, set := range kernel.Names() {
		for _, family := range []string{Llama, BTLM} {
			t.Run(set+"/"+family, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				m := tiny(t, r, set, 2, func(c *Config) {
					if family == BTLM {
						asBTLM(c)
					}
				})
				c := m.Config
				m.reserve(1, n, true)
				w, grads := m.Params, NewParams(m.Params.Layout)
				l := &m.places.blocks[1]
				numbers := func(n int) []float32 {
					x := make([]float32, n)
					random(r, x, 1)
					return x
				}
				zeros := func(n int) []float32 { return make([]float32, n) }

				for _, x := range []struct {
					name string
					*linear
				}{{"qkv", &l.qkv}, {"out", &l.out}, {"gates", &l.gates}, {"down", &l.down}} {
					in, dy, y, dx := numbers(n*x.in), numbers(n*x.out), zeros(n*x.out), zeros(n*x.in)
					x.backwardInput(m, n, dy, dx)
					x.backwardParams(m, n, dy, in, grads)
					f := func() float64 { x.forward(m, n, in, y); return dot64(y, dy) }
					checkGradient(t, r, x.name+" input", f, in, dx, 40)
					checkGradient(t, r, x.name+" weight", f, x.weight.of(w), x.weight.of(grads), 40)
					if family == BTLM {
						checkGradient(t, r, x.name+" bias", f, x.bias.of(w), x.bias.of(grads), 40)
					}
					add, both := numbers(n*x.out), zeros(n*x.out)
					x.forwardAdd(m, n, in, add, both)
					x.forwardAdd(m, n, in, add, add)
					for i := range both {
						if both[i] != add[i] {
							t.Fatalf("%s: forwardAdd in place gives something else", x.name)
						}
					}
				}

				for _, x := range []struct {
					name string
					*norm
					rows []int32
				}{{"norm", &l.norm1, nil}, {"norm of rows", &l.norm2, []int32{3, 4, 9, 68, 69}}} {
					k := n
					if x.rows != nil {
						k = len(x.rows)
					}
					d := x.width
					in, dy, y, again, stats := numbers(n*d), numbers(k*d), zeros(k*d), zeros(k*d), zeros(k*x.stats())
					f := func() float64 { x.forward(m, k, x.rows, in, y, stats); return dot64(y, dy) }
					f()
					dx := numbers(n * d) // it is added to what is there
					before := append([]float32(nil), dx...)
					x.backward(m, k, x.rows, in, stats, dy, dx, again, grads)
					for i := range y {
						if y[i] != again[i] {
							t.Fatalf("%s: backward makes the output %v again, which was %v", x.name, again[i], y[i])
						}
					}
					for i := range dx {
						dx[i] -= before[i]
					}
					checkGradient(t, r, x.name+" input", f, in, dx, 40)
					checkGradient(t, r, x.name+" weight", f, x.weight.of(w), x.weight.of(grads), 40)
					if family == BTLM {
						checkGradient(t, r, x.name+" bias", f, x.bias.of(w), x.bias.of(grads), 40)
					}
				}

				ff := c.FFN
				in, dy, y := numbers(n*2*ff), numbers(n*ff), zeros(n*ff)
				f := func() float64 { swiglu(m, n, ff, in, y); return dot64(y, dy) }
				f()
				dx, again := append([]float32(nil), in...), append([]float32(nil), dy...)
				swigluBackward(m, n, ff, dx, again)
				for i := range y {
					if math.Abs(float64(y[i]-again[i])) > 1e-6 {
						t.Fatalf("swiglu: backward makes the output %v again, which was %v", again[i], y[i])
					}
				}
				checkGradient(t, r, "swiglu", f, in, dx, 40)

				if family == Llama {
					in, dy, y := numbers(n*c.qkv()), numbers(n*c.qkv()), zeros(n*c.qkv())
					dx := append([]float32(nil), dy...)
					m.ropeBackward(n, n/2, 3, dx)
					checkGradient(t, r, "rope", func() float64 {
						copy(y, in)
						m.rope(n, n/2, 3, y)
						return dot64(y, dy)
					}, in, dx, 40)
				}

				clear(grads.Data)
				tokens := make([]int32, n)
				for i := range tokens {
					tokens[i] = int32(r.IntN(c.Vocabulary))
				}
				for i := range 35 { // one of them is everywhere, over a whole block
					tokens[i+30] = 36
				}
				dy, y = numbers(n*c.Width), zeros(n*c.Width)
				m.embedBackward(n, tokens, dy, grads)
				checkGradient(t, r, "embedding", func() float64 {
					m.embed(n, tokens, y)
					return dot64(y, dy)
				}, m.places.embedding.of(w), m.places.embedding.of(grads), 40)

				// The head with its norm: the loss of what the blocks gave.
				clear(grads.Data)
				b := randomBatch(r, c, 2, n/2, true)
				m.count(b)
				x := numbers(n * c.Width)
				dx = numbers(n * c.Width) // it is overwritten
				loss := func(dx []float32, grads *Params) (sum float64) {
					m.lossOf(b, x, 1, dx, grads)
					for _, i := range m.counted {
						sum += float64(b.Weights[i]) * float64(m.losses[i])
					}
					return sum
				}
				loss(dx, grads)
				f = func() float64 { return loss(nil, nil) }
				checkGradient(t, r, "loss input", f, x, dx, 40)
				checkGradient(t, r, "loss head", f, m.places.head.weight.of(w), m.places.head.weight.of(grads), 40)
				checkGradient(t, r, "loss norm", f, m.places.norm.weight.of(w), m.places.norm.weight.of(grads), 40)
			})
		}
	}
}

// randomBatch has targets that are not counted; with extras also documents and weights, some of them negative.
func randomBatch(r *rand.Rand, c *Config, rows, length int, extras bool) *Batch {
	n := rows * length
	b := &Batch{Rows: rows, Length: length, Tokens: make([]int32, n), Targets: make([]int32, n)}
	for i := range n {
		b.Tokens[i], b.Targets[i] = int32(r.IntN(c.Vocabulary)), int32(r.IntN(c.Vocabulary))
		if r.IntN(4) == 0 {
			b.Targets[i] = Ignore
		}
	}
	if !extras {
		return b
	}
	start := int32(0)
	for i := range n {
		if i%length == 0 {
			start = 0
		} else if r.IntN(5) == 0 {
			start = int32(i % length)
		}
		b.Starts = append(b.Starts, start)
		b.Weights = append(b.Weights, float32(r.NormFloat64()))
	}
	return b
}

// variants are the models that the tests of whole models run.
var variants = []struct {
	name   string
	change func(c *Config)
}{
	{"llama", func(*Config) {}},
	{"llama/tied", func(c *Config) { c.Tied = true }},
	{"llama/1 key head", func(c *Config) { c.KVHeads = 1 }},
	{"llama/4 key heads, scaled rope", func(c *Config) {
		c.KVHeads, c.RopeScaling = 4, &RopeScaling{Factor: 4, Low: 1, High: 4, Original: 30}
	}},
	{"llama/wide heads, one layer", func(c *Config) { c.HeadSize, c.Heads, c.KVHeads, c.Layers = 10, 3, 3, 1 }},
	{"llama/µP", func(c *Config) {
		c.EmbeddingScale, c.LogitScale, c.WidthScale, c.ScaleByHead = 3, 0.7, 0.25, true
	}},
	{"llama/µP, tied", func(c *Config) {
		c.Tied, c.EmbeddingScale, c.LogitScale, c.WidthScale, c.ScaleByHead = true, 3, 0.7, 0.25, true
	}},
	{"btlm", asBTLM},
	{"btlm/untied", func(c *Config) { asBTLM(c); c.Tied = false }},
	{"btlm/3 heads, flatter", func(c *Config) { c.Heads = 3; asBTLM(c); c.AlibiSlopeScale = 0.25 }},
}

func TestModelGradients(t *testing.T) {
	for _, v := range variants {
		for i, set := range kernel.Names() {
			if i > 0 && v.name != "llama" && v.name != "btlm" {
				continue // the other sets' layers were compared one by one
			}
			t.Run(fmt.Sprintf("%s/%s", v.name, set), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				m := tiny(t, r, set, 2, v.change)
				b := randomBatch(r, m.Config, 2, 17, true)
				grads := NewParams(m.Params.Layout)
				if _, _, err := m.Loss(b, 1, grads); err != nil {
					t.Fatal(err)
				}
				f := func() float64 {
					sum, _, err := m.Loss(b, 1, nil)
					if err != nil {
						t.Fatal(err)
					}
					return sum
				}
				for i, w := range m.Params.Layout.Tensors {
					checkGradient(t, r, w.Name, f, m.Params.Of(i), grads.Of(i), 3)
				}
			})
		}
	}
}

// TestRandomModels: whatever Check lets pass has a gradient that agrees with differences along a random direction.
func TestRandomModels(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 29))
		m := tiny(t, r, kernel.Auto, 2, func(c *Config) {
			c.Vocabulary, c.Width, c.Layers, c.FFN = 1+r.IntN(70), 4+r.IntN(40), 1+r.IntN(3), 1+r.IntN(40)
			c.KVHeads, c.HeadSize, c.Tied = 1+r.IntN(3), 2+2*r.IntN(9), r.IntN(2) == 0
			c.Heads = c.KVHeads * (1 + r.IntN(3))
			if r.IntN(2) == 0 {
				c.Heads = 1 + r.IntN(7)
				c.Width = c.Heads * (4 + r.IntN(9)) // the norm of two numbers is a step, which differences do not see
				asBTLM(c)
			}
		})
		b := randomBatch(r, m.Config, 1+r.IntN(3), 1+r.IntN(80), true)
		grads := NewParams(m.Params.Layout)
		if _, _, err := m.Loss(b, 1, grads); err != nil {
			t.Fatal(err)
		}
		u, got := make([]float32, len(grads.Data)), 0.0
		random(r, u, 1/math.Sqrt(float64(len(u))))
		for i, g := range grads.Data {
			got += float64(u[i]) * float64(g)
		}
		want := derivative(func() float64 {
			sum, _, err := m.Loss(b, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			return sum
		}, m.Params.Data, u, 1./128)
		if !(math.Abs(got-want) <= 5e-3*norm64(grads.Data)/math.Sqrt(float64(len(u)))+5e-3*math.Abs(want)+1e-4) {
			t.Errorf("seed %d: along a random direction the gradient is %v, differences say %v: %+v", seed, got, want, m.Config)
		}
	}
}
