package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"curate/kernel"
)

// LoRA says which adapters of low rank a model gets (Hu et al. 2021, arXiv 2106.09685, section 4.1): W + s·B A in the place of a
// matrix W [out, in], with A [Rank, in] and B [out, Rank]. Names and conventions are those of PEFT.
type LoRA struct {
	Rank  int
	Alpha float64
	// RankStabilized: s is Alpha/√Rank (Kalajdzievski 2023, arXiv 2312.03732), and otherwise Alpha/Rank.
	RankStabilized bool
	// Targets are the ends of names of linear layers, such as q_proj or mlp.c_proj; nil: all in blocks, which are all but the head.
	Targets []string
}

// Scale is s.
func (l *LoRA) Scale() float64 {
	if l.RankStabilized {
		return l.Alpha / math.Sqrt(float64(l.Rank))
	}
	return l.Alpha / float64(l.Rank)
}

// weightSuffix ends the name of a linear layer's matrix.
const weightSuffix = ".weight"

// targets are the numbers of the tensors that get an adapter, in the order of the layout.
func (l *LoRA) targets(layout *Layout) ([]int, error) {
	if l.Rank < 1 || l.Rank > 1<<16 {
		return nil, fmt.Errorf("rank is %d; it must be from 1 to %d", l.Rank, 1<<16)
	}
	if s := float32(l.Scale()); !(s >= minNormal) || math.IsInf(float64(s), 0) {
		return nil, fmt.Errorf("alpha is %v; it must be a positive number", l.Alpha)
	}
	used := make([]bool, len(l.Targets))
	var list []int
	var kinds []string // of layers
	for i := range layout.Tensors {
		t := &layout.Tensors[i]
		if t.Role != Hidden && t.Role != Residual {
			continue
		}
		name := strings.TrimSuffix(t.Name, weightSuffix)
		if kind := lastName(t); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		hit := l.Targets == nil
		for k, target := range l.Targets {
			if name == target || strings.HasSuffix(name, "."+target) {
				hit, used[k] = true, true
			}
		}
		if hit {
			list = append(list, i)
		}
	}
	if k := slices.Index(used, false); k >= 0 {
		return nil, fmt.Errorf("targets: the model has no linear layer %q that could get an adapter; it has %s", l.Targets[k], strings.Join(kinds, ", "))
	}
	if len(list) == 0 {
		return nil, errors.New("targets: none are named; without the key all linear layers get an adapter")
	}
	return list, nil
}

// Adapters are those of a model: A and B of each target, which are trained, and what the target was without them, which is not.
type Adapters struct {
	LoRA
	// Params are A and B, named as in PEFT's adapter_model.safetensors. The role of each is AdapterA or AdapterB.
	Params *Params
	list   []adapter
}

// adapter is that of one tensor.
type adapter struct {
	target  int    // its number in a model's layout
	tensor  Tensor // as it lies there
	a, b    span   // [rank, in], [out, rank]
	base    []float32
	product []float32 // [out, rank]: room for s·B
}

// NewAdapters makes the adapters of a model whose weights are p: all zeros, with a copy of the targets' weights, which stays as it
// is when p gets the sum.
func NewAdapters(l LoRA, p *Params) (*Adapters, error) {
	targets, err := l.targets(p.Layout)
	if err != nil {
		return nil, err
	}
	layout := l.layout(p.Layout, targets)
	a := &Adapters{LoRA: l, Params: NewParams(layout), list: make([]adapter, len(targets))}
	for k, i := range targets {
		t := p.Layout.Tensors[i]
		at, bt := &layout.Tensors[2*k], &layout.Tensors[2*k+1]
		a.list[k] = adapter{
			target: i, tensor: t, a: span{at.Offset, at.Len()}, b: span{bt.Offset, bt.Len()},
			base: slices.Clone(p.Of(i)), product: make([]float32, bt.Len()),
		}
	}
	return a, nil
}

// layout lists A and B of each target, one behind the other.
func (l *LoRA) layout(of *Layout, targets []int) *Layout {
	list := &listing{Layout: &Layout{}}
	for _, i := range targets {
		t := &of.Tensors[i]
		list.layer, list.prefix = t.Layer, "base_model.model."+strings.TrimSuffix(t.Name, weightSuffix)+"."
		list.matrix("lora_A.weight", AdapterA, l.Rank, t.Cols, false)
		list.matrix("lora_B.weight", AdapterB, t.Rows, l.Rank, false)
	}
	return list.Layout
}

// Init sets first values: B is 0, so that the model is at first what it was without adapters, and A uniform between -1/√in and
// 1/√in, as PEFT's reset_lora_parameters (Kaiming's bound √(6/((1+a²)·in)) for a = √5). The numbers are a function of seed, name
// and place alone.
func (a *Adapters) Init(seed uint64) {
	for i := range a.Params.Layout.Tensors {
		t, x := &a.Params.Layout.Tensors[i], a.Params.Of(i)
		if t.Role == AdapterB {
			clear(x)
			continue
		}
		key := nameKey(seed, t.Name)
		bound := 1 / math.Sqrt(float64(t.Cols))
		for j := range x {
			x[j] = float32(bound * float64(symmetric(key, uint64(j))))
		}
	}
}

// Names are the ends of names of the layers that have an adapter: Targets, or those of all in blocks.
func (a *Adapters) Names() []string {
	if a.Targets != nil {
		return a.Targets
	}
	var kinds []string
	for i := range a.list {
		if kind := lastName(&a.list[i].tensor); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Changes says whether tensor i of the model has an adapter.
func (a *Adapters) Changes(i int) bool {
	return slices.ContainsFunc(a.list, func(x adapter) bool { return x.target == i })
}

// lastName is the name of a linear layer in its block, such as q_proj.
func lastName(t *Tensor) string {
	name := strings.TrimSuffix(t.Name, weightSuffix)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// Transposed says that the targets lie [in, out] in files (fan_in_fan_out in PEFT's words).
func (a *Adapters) Transposed() bool { return a.list[0].tensor.Transposed }

// Adapt makes the model train adapters in the place of its weights: gradients have their layout, and nothing else gets any. The
// adapters are of the model's own weights.
func (m *Model) Adapt(a *Adapters) error {
	for i := range a.list {
		if x := &a.list[i]; x.target >= len(m.Params.Layout.Tensors) || m.Params.Layout.Tensors[x.target] != x.tensor {
			return fmt.Errorf("the adapter of %s is of another model", x.tensor.Name)
		}
	}
	m.adapters, m.trained = a, 0 // their room is made with the next batch
	for l := range m.places.blocks {
		b := &m.places.blocks[l]
		for _, x := range []*linear{&b.qkv, &b.out, &b.gates, &b.down} {
			x.adapters = nil
			for i := range a.list {
				if at := a.list[i].tensor.Offset; at >= x.weight.at && at < x.weight.at+x.weight.len {
					x.adapters = append(x.adapters, &a.list[i])
				}
			}
		}
	}
	m.Merge()
	return nil
}

// Merge puts W + s·B A into the model's weights, made from W anew, so that rounding does not add up over steps.
func (m *Model) Merge() {
	s, r := float32(m.adapters.Scale()), m.adapters.Rank
	for i := range m.adapters.list {
		x := &m.adapters.list[i]
		t := &x.tensor
		b := x.b.of(m.adapters.Params)
		w := m.Params.Data[t.Offset : t.Offset+t.Len()]
		m.eachBlock(t.Rows, func(from, to, _, _ int) {
			m.set.Scale(x.product[from*r:to*r], s, b[from*r:to*r])
			copy(w[from*t.Cols:to*t.Cols], x.base[from*t.Cols:to*t.Cols])
		})
		m.pool.Gemm(kernel.F32, kernel.NN, t.Rows, t.Cols, r, x.product, r, x.a.of(m.adapters.Params), t.Cols, true, w, t.Cols)
	}
}

// backward adds the gradients of A and B to grads, from the layer's input x [n, in] and the gradient of its output dy [n, l.out], of
// which the target has a part. With dW = dyᵀ x they are s·Bᵀ dW and s·dW Aᵀ, and dW itself is never made:
//
//	t = s·dy B,   dA += tᵀ x
//	u = s·x Aᵀ,   dB += dyᵀ u
func (x *adapter) backward(m *Model, l *linear, n int, dy, in []float32, grads *Params) {
	r, rows, s := m.adapters.Rank, x.tensor.Rows, float32(m.adapters.Scale())
	dy = dy[(x.tensor.Offset-l.weight.at)/l.in:] // rows of a product that several tensors make together
	low := m.low[:n*r]
	p := m.adapters.Params

	m.pool.Gemm(m.prec, kernel.NN, n, r, rows, dy, l.out, x.b.of(p), r, false, low, r)
	m.scale(n, r, s, low)
	m.pool.Gemm(m.prec, kernel.TN, r, l.in, n, low, r, in, l.in, true, x.a.of(grads), l.in)

	m.pool.Gemm(m.prec, kernel.NT, n, r, l.in, in, l.in, x.a.of(p), l.in, false, low, r)
	m.scale(n, r, s, low)
	m.pool.Gemm(m.prec, kernel.TN, rows, r, n, dy, l.out, low, r, true, x.b.of(grads), r)
}

// Parameters is how many numbers the adapters of a model have.
func (l *LoRA) Parameters(c *Config) (int64, error) {
	layout := NewLayout(c)
	targets, err := l.targets(layout)
	if err != nil {
		return 0, err
	}
	return int64(l.layout(layout, targets).Len), nil
}

// LoRABytes is the memory of training with adapters: weights, those of the targets once more, and of the adapters 16 bytes a
// number (themselves, gradients, two moments) and room for s·B; buffers are those of TrainingBytes and a matrix [N, Rank].
func (c *Config) LoRABytes(l *LoRA, rows, length int) (int64, error) {
	layout := NewLayout(c)
	targets, err := l.targets(layout)
	if err != nil {
		return 0, err
	}
	numbers := 4*int64(l.layout(layout, targets).Len) + int64(rows)*int64(length)*int64(l.Rank)
	for _, i := range targets {
		t := &layout.Tensors[i]
		numbers += int64(t.Len()) + int64(t.Rows)*int64(l.Rank)
	}
	all, _ := c.Parameters()
	return c.TrainingBytes(rows, length, false) + 4*(numbers-3*all), nil
}

// TrainingFLOPs is how many floating-point operations a step takes a token, in rows of length tokens: three times the forward
// pass's. With adapters no gradient of a weight is made, which is a third of what products take, but for the four thin products of
// each adapter.
func (m *Model) TrainingFLOPs(length int) float64 {
	f := m.Config.FLOPs(length)
	if m.adapters == nil {
		return 3 * f
	}
	c := m.Config
	scores := 2 * 2 * float64(c.Layers) * float64(c.Heads*c.HeadSize) * float64(length+1) / 2
	thin := 0.0
	for i := range m.adapters.list {
		t := &m.adapters.list[i].tensor
		thin += 2 * 2 * float64(m.adapters.Rank) * float64(t.Rows+t.Cols)
	}
	return 2*(f-scores) + 3*scores + thin
}
