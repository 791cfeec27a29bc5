package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"curate/kernel"
)

// attentionCase is one call of attention with its input.
type attentionCase struct {
	rows, length, heads, kvHeads, size int
	slopes                             []float32
	starts                             []int32
	qkv, dout                          []float32
}

func (c *attentionCase) String() string {
	return fmt.Sprintf("rows %d, length %d, heads %d, kvHeads %d, size %d, slopes %v, starts %v",
		c.rows, c.length, c.heads, c.kvHeads, c.size, c.slopes, c.starts != nil)
}

func (c *attentionCase) scale() float32 { return float32(1 / math.Sqrt(float64(c.size))) }

func (c *attentionCase) new(prec kernel.Precision) *attention {
	a := newAttention(c.heads, c.kvHeads, c.size, c.scale(), c.slopes, prec)
	a.rows, a.length = c.rows, c.length
	return a
}

// fill makes random input.
func (c *attentionCase) fill(r *rand.Rand) {
	n := c.rows * c.length
	c.qkv = make([]float32, n*(c.heads+2*c.kvHeads)*c.size)
	c.dout = make([]float32, n*c.heads*c.size)
	for i := range c.qkv {
		c.qkv[i] = float32(r.NormFloat64())
	}
	for i := range c.dout {
		c.dout[i] = float32(r.NormFloat64())
	}
}

// startsOf makes starts: 0 none, 1 documents one after the other, 2 anything at all, 3 each token alone.
func startsOf(kind, rows, length int, r *rand.Rand) []int32 {
	if kind == 0 {
		return nil
	}
	s := make([]int32, rows*length)
	for i := range s {
		at := int32(i % length)
		switch {
		case kind == 3 || kind == 1 && r.IntN(40) == 0:
			s[i] = at
		case kind == 1 && at > 0:
			s[i] = s[i-1]
		case kind == 2:
			s[i] = r.Int32N(at + 1)
		}
	}
	return s
}

func randomCase(r *rand.Rand) *attentionCase {
	lengths := []int{1, 2, 11, 12, 13, 47, 48, 49, 95, 96, 97, 143, 144, 145, 192, 287, 288, 289, 340}
	c := &attentionCase{
		rows:    1 + r.IntN(2),
		length:  lengths[r.IntN(len(lengths))],
		kvHeads: 1 + r.IntN(3),
		size:    []int{2, 8, 16, 24, 64, 80}[r.IntN(6)],
	}
	if r.IntN(2) == 0 {
		c.length = 1 + r.IntN(200)
	}
	c.heads = c.kvHeads * (1 + r.IntN(2))
	if r.IntN(2) == 0 {
		for h := range c.heads {
			c.slopes = append(c.slopes, float32(math.Pow(2, -8*float64(h+1)/float64(c.heads))))
		}
	}
	c.starts = startsOf(r.IntN(4), c.rows, c.length, r)
	c.fill(r)
	return c
}

// oracle is attention in float64, with all scores in memory: out, lse, dqkv and Σ dout·out.
func (c *attentionCase) oracle(qkv []float32) (out, lse, dqkv []float64, loss float64) {
	n, stride := c.rows*c.length, (c.heads+2*c.kvHeads)*c.size
	out, lse = make([]float64, n*c.heads*c.size), make([]float64, n*c.heads)
	dqkv = make([]float64, n*stride)
	scale := float64(c.scale())
	p, dp := make([]float64, c.length), make([]float64, c.length)
	for row := range c.rows {
		for head := range c.heads {
			kv := head / (c.heads / c.kvHeads)
			for i := range c.length {
				first := 0
				if c.starts != nil {
					first = int(c.starts[row*c.length+i])
				}
				at := func(token, head int) int { return (row*c.length+token)*stride + head*c.size }
				q, o := at(i, head), ((row*c.length+i)*c.heads+head)*c.size
				highest := math.Inf(-1)
				for j := first; j <= i; j++ {
					k := at(j, c.heads+kv)
					p[j] = 0
					for x := range c.size {
						p[j] += float64(qkv[q+x]) * float64(qkv[k+x])
					}
					p[j] *= scale
					if c.slopes != nil {
						p[j] -= float64(c.slopes[head]) * float64(i-j)
					}
					highest = max(highest, p[j])
				}
				sum := 0.0
				for j := first; j <= i; j++ {
					p[j] = math.Exp(p[j] - highest)
					sum += p[j]
				}
				lse[(row*c.heads+head)*c.length+i] = highest + math.Log(sum)
				delta := 0.0
				for j := first; j <= i; j++ {
					p[j] /= sum
					v := at(j, c.heads+c.kvHeads+kv)
					dp[j] = 0
					for x := range c.size {
						out[o+x] += p[j] * float64(qkv[v+x])
						dqkv[v+x] += p[j] * float64(c.dout[o+x])
						dp[j] += float64(c.dout[o+x]) * float64(qkv[v+x])
					}
					delta += p[j] * dp[j]
				}
				loss += delta
				for j := first; j <= i; j++ {
					k := at(j, c.heads+kv)
					ds := p[j] * (dp[j] - delta) * scale
					for x := range c.size {
						dqkv[q+x] += ds * float64(qkv[k+x])
						dqkv[k+x] += ds * float64(qkv[q+x])
					}
				}
			}
		}
	}
	return out, lse, dqkv, loss
}

// run gives what attention gives.
func (c *attentionCase) run(t testing.TB, set string, workers int, prec kernel.Precision) (out, lse, dqkv []float32) {
	s, err := kernel.Named(set)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(s, workers)
	defer pool.Close()
	a := c.new(prec)
	n := c.rows * c.length
	// What lay in the results before must not matter.
	out, lse = filled(n*c.heads*c.size), filled(n*c.heads)
	dqkv = filled(len(c.qkv))
	a.forward(pool, c.qkv, c.starts, out, lse)
	a.backward(pool, c.qkv, c.starts, out, lse, c.dout, dqkv)
	return out, lse, dqkv
}

func filled(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// farthest is the largest difference, and the largest of want.
func farthest(got []float32, want []float64) (diff, largest float64) {
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if d > diff || d != d {
			diff = d
		}
		largest = max(largest, math.Abs(w))
		if diff != diff {
			break
		}
	}
	return diff, largest
}

func TestAttention(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	cases := 40
	if testing.Short() {
		cases = 10
	}
	for _, set := range kernel.Names() {
		t.Run(set, func(t *testing.T) {
			var worst [3]float64
			for i := range cases {
				c := randomCase(r)
				out, lse, dqkv := c.run(t, set, 1+r.IntN(3), kernel.F32)
				wantOut, wantLSE, wantGrad, _ := c.oracle(c.qkv)
				for k, x := range []struct {
					name  string
					got   []float32
					want  []float64
					limit float64
				}{{"out", out, wantOut, 2e-6}, {"lse", lse, wantLSE, 2e-6}, {"dqkv", dqkv, wantGrad, 4e-6}} {
					diff, largest := farthest(x.got, x.want)
					diff /= max(1, largest)
					worst[k] = max(worst[k], diff)
					if !(diff <= x.limit) {
						t.Errorf("seed %d, case %d: %v: %s is off by %g of its largest", seed, i, c, x.name, diff)
					}
				}
			}
			t.Logf("largest error of out %.2g, lse %.2g, dqkv %.2g", worst[0], worst[1], worst[2])
		})
	}
}

// The gradient of the oracle is itself checked by differences.
func TestAttentionDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, starts := range []int{0, 1, 2} {
		c := &attentionCase{rows: 2, length: 7, heads: 4, kvHeads: 2, size: 4, slopes: []float32{.5, .25, .125, .0625}}
		c.starts = startsOf(starts, c.rows, c.length, r)
		c.fill(r)
		_, _, dqkv := c.run(t, "portable", 1, kernel.F32)
		moved := make([]float32, len(c.qkv))
		for i, d := range dqkv {
			const step = 1.0 / 1024
			copy(moved, c.qkv)
			moved[i] += step
			_, _, _, up := c.oracle(moved)
			x := float64(moved[i])
			moved[i] -= 2 * step
			_, _, _, down := c.oracle(moved)
			want := (up - down) / (x - float64(moved[i]))
			if math.Abs(float64(d)-want) > 2e-5 {
				t.Fatalf("starts %d: dqkv[%d] is %g, differences say %g", starts, i, d, want)
			}
		}
	}
}

// The number of workers changes which way groups take through backward, and nothing else.
func TestAttentionWorkers(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	for _, set := range kernel.Names() {
		for _, prec := range []kernel.Precision{kernel.F32, kernel.BF16} {
			for range 4 {
				c := randomCase(r)
				out, lse, dqkv := c.run(t, set, 1, prec)
				for _, workers := range []int{2, 3, 5} {
					o, l, d := c.run(t, set, workers, prec)
					for _, x := range [][2][]float32{{out, o}, {lse, l}, {dqkv, d}} {
						for i, v := range x[0] {
							if math.Float32bits(v) != math.Float32bits(x[1][i]) {
								t.Fatalf("seed %d: %s, %d workers: %v: %g, but %g with one", seed, set, workers, c, x[1][i], v)
							}
						}
					}
				}
			}
		}
	}
}

// Of itself alone, a token gets its own value, to the bit.
func TestAttentionAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, set := range kernel.Names() {
		c := &attentionCase{rows: 1, length: 150, heads: 2, kvHeads: 1, size: 16, slopes: []float32{.5, .25}}
		c.starts = startsOf(3, 1, c.length, r)
		c.starts[100] = 2 // in the midst of them one that sees nearly all
		c.fill(r)
		out, _, dqkv := c.run(t, set, 2, kernel.F32)
		for i := range c.length {
			for h := range c.heads {
				for x := range c.size {
					v := c.qkv[i*4*c.size+3*c.size+x]
					if o := out[(i*c.heads+h)*c.size+x]; i != 100 && o != v {
						t.Fatalf("%s: token %d gets %g, its value is %g", set, i, o, v)
					}
					if d := dqkv[i*4*c.size+h*c.size+x]; i != 100 && math.Abs(float64(d)) > 1e-5 {
						t.Fatalf("%s: token %d: its query has gradient %g", set, i, d)
					}
				}
			}
		}
	}
}

// Scores that are huge leave finite numbers, and those of one token cannot harm another.
func TestAttentionHuge(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, set := range kernel.Names() {
		for _, starts := range []int{0, 1, 2} {
			for _, by := range []float32{1e-15, 1e4, 1e15} {
				c := &attentionCase{rows: 1, length: 300, heads: 2, kvHeads: 2, size: 16}
				c.starts = startsOf(starts, 1, c.length, r)
				c.fill(r)
				for i := range c.qkv {
					if i%(6*c.size) < 4*c.size {
						c.qkv[i] *= by
						if r.IntN(20) == 0 {
							c.qkv[i] = -c.qkv[i]
						}
					}
				}
				out, lse, dqkv := c.run(t, set, 1, kernel.F32)
				for _, x := range [][]float32{out, lse, dqkv} {
					for i, v := range x {
						if v-v != 0 {
							t.Fatalf("%s, starts %d, by %g: number %d is %g", set, starts, by, i, v)
						}
					}
				}
				for i, v := range out {
					if math.Abs(float64(v)) > 6 {
						t.Fatalf("%s, starts %d, by %g: out[%d] is %g, beyond all values", set, starts, by, i, v)
					}
				}
			}
		}
	}
}

// bfloat16 has 8 bits: errors are of that order, and not of another.
func TestAttentionBF16(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, set := range kernel.Names() {
		c := &attentionCase{rows: 1, length: 100, heads: 2, kvHeads: 1, size: 32}
		c.fill(r)
		out, _, dqkv := c.run(t, set, 1, kernel.BF16)
		wantOut, _, wantGrad, _ := c.oracle(c.qkv)
		for _, x := range []struct {
			got  []float32
			want []float64
		}{{out, wantOut}, {dqkv, wantGrad}} {
			diff, largest := farthest(x.got, x.want)
			if diff /= largest; diff > 0.02 || diff < 1e-5 {
				t.Errorf("%s: off by %g", set, diff)
			}
		}
	}
}

func TestAttentionAllocs(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	c := &attentionCase{rows: 1, length: 60, heads: 6, kvHeads: 3, size: 8, slopes: []float32{.5, .25, .125, .5, .25, .125}}
	c.starts = startsOf(1, c.rows, c.length, r)
	c.fill(r)
	out, lse, dqkv := make([]float32, len(c.dout)), make([]float32, c.length*c.heads), make([]float32, len(c.qkv))
	cached := make([]float32, 2*c.kvHeads*c.length*c.size)
	for _, name := range kernel.Names() {
		set, _ := kernel.Named(name)
		for _, workers := range []int{1, 2} {
			pool := kernel.NewPool(set, workers)
			a := c.new(kernel.F32)
			run := func() {
				a.forward(pool, c.qkv, c.starts, out, lse)
				a.backward(pool, c.qkv, c.starts, out, lse, c.dout, dqkv)
				extendOne(a, pool, c.qkv, 0, c.length-1, cached, c.length, out)
				extendOne(a, pool, c.qkv, c.length-1, 1, cached, c.length, out)
			}
			// With two, it may take some runs until each worker has had the largest product and so has its room.
			for range 8 {
				run()
			}
			if n := testing.AllocsPerRun(10, run); n > 0 {
				t.Errorf("%s, %d workers: %v allocations", name, workers, n)
			}
			pool.Close()
		}
	}
}

func TestAttentionMemory(t *testing.T) {
	set, _ := kernel.Named(kernel.Auto)
	pool := kernel.NewPool(set, 2)
	defer pool.Close()
	var before, after runtime.MemStats
	// A token sees a few before it, so that the test is short; room is taken for the length.
	c := &attentionCase{rows: 1, length: 8192, heads: 1, kvHeads: 1, size: 8, slopes: []float32{.5}}
	c.starts = make([]int32, c.length)
	for i := range c.starts {
		c.starts[i] = int32(i / 32 * 32)
	}
	c.fill(rand.New(rand.NewPCG(13, 14)))
	a := c.new(kernel.F32)
	out, lse, dqkv := make([]float32, len(c.dout)), make([]float32, c.length), make([]float32, len(c.qkv))
	runtime.ReadMemStats(&before)
	a.forward(pool, c.qkv, c.starts, out, lse)
	a.backward(pool, c.qkv, c.starts, out, lse, c.dout, dqkv)
	runtime.ReadMemStats(&after)
	formula := attentionBytes(c.rows, c.length, c.heads, c.size, 2, true, true)
	if got := a.bytes(); got > formula {
		t.Errorf("attention holds %d bytes, the formula says %d", got, formula)
	}
	// Scores of one head would be 256 MB. What products pack is not in the formula.
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(formula)+4<<20 {
		t.Errorf("%d bytes were allocated, %d are attention's", got, formula)
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, c := range []*attentionCase{
		{rows: 2, length: 256, heads: 8, kvHeads: 8, size: 64},
		{rows: 2, length: 1024, heads: 8, kvHeads: 8, size: 64},
		{rows: 2, length: 1024, heads: 8, kvHeads: 2, size: 64},
		{rows: 1, length: 8192, heads: 1, kvHeads: 1, size: 64},
	} {
		for _, alibi := range []bool{false, true} {
			if alibi {
				for h := range c.heads {
					c.slopes = append(c.slopes, float32(math.Pow(2, -8*float64(h+1)/float64(c.heads))))
				}
			}
			c.fill(rand.New(rand.NewPCG(1, 1)))
			set, _ := kernel.Named(kernel.Auto)
			pool := kernel.NewPool(set, 1)
			a := c.new(kernel.F32)
			out, lse := make([]float32, len(c.dout)), make([]float32, c.rows*c.length*c.heads)
			dqkv := make([]float32, len(c.qkv))
			name := fmt.Sprintf("length=%d/heads=%d-%d/alibi=%v", c.length, c.heads, c.kvHeads, alibi)
			// Operations of products over what causal attention sees: two forward, five backward.
			product := float64(c.rows*c.heads*c.size) * float64(c.length) * float64(c.length+1)
			b.Run("forward/"+name, func(b *testing.B) {
				for b.Loop() {
					a.forward(pool, c.qkv, nil, out, lse)
				}
				b.ReportMetric(2*product*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
			b.Run("backward/"+name, func(b *testing.B) {
				for b.Loop() {
					a.backward(pool, c.qkv, nil, out, lse, c.dout, dqkv)
				}
				b.ReportMetric(5*product*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
			pool.Close()
		}
	}
}
