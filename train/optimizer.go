package train

import (
	"math"

	"curate/kernel"
	"curate/train/model"
)

// optimizer makes the steps of AdamW on the parameters of a model, or on its adapters, tensor by tensor as µP has it (Cerebras' µP,
// arXiv 2304.03208, appendix G): matrices between embedding and head have the rate times WidthScale, and with it their decay.
type optimizer struct {
	pool          *kernel.Pool
	c             Optimizer
	params, grads *model.Params
	moments       *model.Params // both, as OptimizerFile has them
	m, v          []float32     // of moments.Data, each as long as params.Data

	chunks []chunk
	sums   []float64 // by chunk
}

// chunk is a piece of a tensor. Pieces depend on the layout alone, so that sums do.
type chunk struct {
	from, to int // of Params.Data
	rate     float64
	decays   bool
}

// chunkLen is how many numbers a piece has: four slices of it fit a core's cache.
const chunkLen = 1 << 15

func newOptimizer(pool *kernel.Pool, c *Config, m *model.Config, params *model.Params) *optimizer {
	l := params.Layout
	o := &optimizer{pool: pool, c: c.Optimizer, params: params, grads: model.NewParams(l), moments: model.NewParams(momentsOf(l))}
	o.m, o.v = o.moments.Data[:l.Len], o.moments.Data[l.Len:]
	for i := range l.Tensors {
		t := &l.Tensors[i]
		rate, decays := 1.0, true
		switch t.Role {
		case model.Hidden, model.Residual, model.AdapterA: // what is multiplied with as many numbers as the model is wide
			rate = m.WidthScale
		case model.Norm, model.Bias:
			decays = false
		}
		for from := t.Offset; from < t.Offset+t.Len(); from += chunkLen {
			o.chunks = append(o.chunks, chunk{from, min(from+chunkLen, t.Offset+t.Len()), rate, decays})
		}
	}
	o.sums = make([]float64, len(o.chunks))
	return o
}

// momentsOf lays out the two moments of each tensor: all of the first, then all of the second.
func momentsOf(l *model.Layout) *model.Layout {
	both := &model.Layout{Len: 2 * l.Len}
	for k, prefix := range []string{"m.", "v."} {
		for _, t := range l.Tensors {
			t.Name, t.Offset = prefix+t.Name, t.Offset+k*l.Len
			both.Tensors = append(both.Tensors, t)
		}
	}
	return both
}

// norm of all gradients together: squares are added in float64, in the order of the pieces.
func (o *optimizer) norm() float64 {
	o.pool.Each(len(o.chunks), func(i, _ int) {
		c := &o.chunks[i]
		o.sums[i] = o.pool.Set().SumSquares(o.grads.Data[c.from:c.to])
	})
	sum := 0.0
	for _, s := range o.sums {
		sum += s
	}
	return math.Sqrt(sum)
}

// step number n, from 0, at a learning rate. norm is that of the gradients, which are zeros afterwards.
func (o *optimizer) step(n int64, rate, norm float64) {
	scale := 1.0
	if o.c.Clip > 0 {
		scale = min(1, o.c.Clip/(norm+1e-6)) // as torch.nn.utils.clip_grad_norm_
	}
	base := kernel.AdamW{
		Beta1: float32(o.c.Beta1), Beta2: float32(o.c.Beta2), Epsilon: float32(o.c.Epsilon), Scale: float32(scale),
		Correction1: float32(1 - math.Pow(o.c.Beta1, float64(n+1))), Correction2: float32(1 - math.Pow(o.c.Beta2, float64(n+1))),
	}
	o.pool.Each(len(o.chunks), func(i, _ int) {
		c := &o.chunks[i]
		a := base
		a.Rate = float32(rate * c.rate)
		if c.decays {
			a.Decay = float32(o.c.WeightDecay)
		}
		g := o.grads.Data[c.from:c.to]
		o.pool.Set().AdamW(&a, o.params.Data[c.from:c.to], g, o.m[c.from:c.to], o.v[c.from:c.to])
		clear(g)
	})
}
