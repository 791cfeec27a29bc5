// Package model holds the two families of transformers that the trainer knows, each with its backward pass beside its
// forward pass: llama (RMSNorm, RoPE, grouped queries, SwiGLU) and btlm (LayerNorm with biases, ALiBi, SwiGLU, µP). There
// is no graph and no tape: a layer is a function, and the next function in its file is its gradient.
//
// config.go says what a model is made of, tensors.go which parameters it has, model.go runs it. A layer is a file: norm.go,
// linear.go, rope.go, alibi.go, attention.go, swiglu.go, embedding.go, loss.go; block.go puts them together; lora.go trains
// adapters of its matrices and leaves the rest as it is, noise.go is for training. cache.go runs a model one token at a time. size.go
// says how much memory and how many operations that takes.
//
// Activations are matrices with a row for each token: N = Rows·Length of them, row by row of the batch. All numbers are
// float32; Precision says how the operands of products are rounded.
package model

import (
	"fmt"
	"math"
	"slices"

	"curate/kernel"
)

// Ignore is a target that is not counted.
const Ignore = -1

// Batch is what a model sees at once. Slices have Rows·Length elements, row by row.
type Batch struct {
	Rows, Length int
	Tokens       []int32
	Targets      []int32 // of each token the one to be predicted, usually the next; or Ignore
	// Starts is for each token the position in its row at which its document begins: it sees those from there on. nil is
	// 0 for all.
	Starts []int32
	// Weights of the targets; nil is 1 for all. They may be negative.
	Weights []float32
	Noise   *Noise // on the embeddings; nil: none
	// Weigh, unless it is nil, takes the place of Weights, for objectives in which a target's weight depends on what the whole
	// batch was found to lose, as DPO's does. It is called once, with -log p of each token's target, [N], 0 where that is Ignore,
	// and puts the weights with which the gradient is made into weights, [N], which are zeros. The sum of Loss is with these.
	Weigh func(losses, weights []float32)
}

// Model is a model with its parameters and room for the activations of a batch. It is for one goroutine; its pool shares the
// work.
type Model struct {
	Config *Config
	Params *Params

	pool *kernel.Pool
	set  *kernel.Set
	prec kernel.Precision

	places    *places
	adapters  *Adapters // nil: all weights are trained
	attention *attention
	table     *ropeTable // nil: no rotary embedding

	// Room for a batch; size.go makes it. N is the number of tokens.
	tokens, trained int       // the most that there is room for, and for the backward pass, too
	kept            []kept    // by layer; without a backward pass only one
	last            []float32 // [N, Width]: what the last block gives
	normed, dnormed []float32 // [N, Width]: what a norm gives
	wide            []float32 // [N, FFN or more]: what SwiGLU gives; the gradient of queries, keys and values
	dx              []float32 // [N, Width]: gradient of the residual stream
	partial         []float32 // see sumRows
	low             []float32 // [N, Rank] of adapters
	logits          []float32 // [headRows, Vocabulary]
	headStats       []float32 // of the last norm, for headRows rows
	losses          []float32 // [N]
	weights         []float32 // [N], of a batch with Weigh
	counted         []int32   // tokens whose target is not Ignore
	order           []uint64  // [N]: see embedBackward
	one             [1]*Cache // what Extend extends

	watch func(what string, x []float32) // for tests: sees activations; nil: nobody does
}

// New makes a model of parameters that lie in Config's layout. It holds on to them.
func New(c *Config, p *Params, pool *kernel.Pool, prec kernel.Precision) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	layout, at := newLayout(c)
	if p.Layout == nil || len(p.Data) != layout.Len || !slices.Equal(p.Layout.Tensors, layout.Tensors) {
		return nil, fmt.Errorf("the parameters are laid out for a model of another configuration")
	}
	m := &Model{Config: c, Params: p, pool: pool, set: pool.Set(), prec: prec, places: at}
	scale := 1 / math.Sqrt(float64(c.HeadSize))
	if c.ScaleByHead {
		scale = 1 / float64(c.HeadSize)
	}
	var slopes []float32
	if c.Family == BTLM {
		slopes = alibiSlopes(c.Heads, c.AlibiSlopeScale)
	}
	m.attention = newAttention(c.Heads, c.KVHeads, c.HeadSize, float32(scale), slopes, prec)
	return m, nil
}

// Trained are the parameters that get gradients: all of the model, or its adapters.
func (m *Model) Trained() *Params {
	if m.adapters != nil {
		return m.adapters.Params
	}
	return m.Params
}

// Loss gives Σ w·(-log p(target)) over the targets of a batch that are counted, in float64, and how many they are. If
// grads is not nil, scale times the gradient of that sum is added to it; it has the layout of Trained. An error says which token
// of the batch is none of the vocabulary's; nothing is computed then.
func (m *Model) Loss(b *Batch, scale float32, grads *Params) (sum float64, counted int, err error) {
	if trained := m.Trained(); grads != nil && len(grads.Data) != len(trained.Data) {
		return 0, 0, fmt.Errorf("there is room for %d gradients of %d parameters", len(grads.Data), len(trained.Data))
	}
	if err := m.check(b, true); err != nil {
		return 0, 0, err
	}
	m.reserve(b.Rows, b.Length, grads != nil)
	m.count(b)
	if len(m.counted) == 0 {
		return 0, 0, nil
	}
	n := b.Rows * b.Length
	x := m.forward(b, grads != nil)
	weights := m.lossOf(b, x, scale, m.dx[:min(len(m.dx), n*m.Config.Width)], grads)
	if grads != nil {
		for l := m.Config.Layers - 1; l >= 0; l-- {
			m.blockBackward(&m.places.blocks[l], &m.kept[l], b, m.dx, grads)
		}
		if m.adapters == nil {
			m.embedBackward(n, b.Tokens, m.dx, grads)
		}
	}
	for _, t := range m.counted {
		w := 1.0
		if weights != nil {
			w = float64(weights[t])
		}
		sum += float64(w * float64(m.losses[t]))
	}
	return sum, len(m.counted), nil
}

// LogProbs puts log p(target) of each token into dst, 0 where the target is Ignore.
func (m *Model) LogProbs(b *Batch, dst []float32) error {
	if err := m.check(b, true); err != nil {
		return err
	}
	n := b.Rows * b.Length
	if len(dst) != n {
		return fmt.Errorf("there is room for %d results of %d tokens", len(dst), n)
	}
	m.reserve(b.Rows, b.Length, false)
	m.count(b)
	clear(dst)
	if len(m.counted) == 0 {
		return nil
	}
	m.lossOf(b, m.forward(b, false), 0, nil, nil)
	for _, t := range m.counted {
		dst[t] = -m.losses[t]
	}
	return nil
}

// Logits puts the logits of all tokens into dst: [N, Vocabulary].
func (m *Model) Logits(b *Batch, dst []float32) error {
	if err := m.check(b, false); err != nil {
		return err
	}
	n, v, d := b.Rows*b.Length, m.Config.Vocabulary, m.Config.Width
	if len(dst)/v != n || len(dst)%v != 0 {
		return fmt.Errorf("there is room for %d logits of %d tokens, which have %d each", len(dst), n, v)
	}
	m.reserve(b.Rows, b.Length, false)
	x := m.forward(b, false)
	step := headRows(n, v)
	for first := 0; first < n; first += step {
		rows := min(step, n-first)
		m.headForward(rows, nil, x[first*d:], dst[first*v:(first+rows)*v])
	}
	return nil
}

// forward runs the blocks and gives what the last one gives, [N, Width]. With keep, all is kept for the backward pass.
func (m *Model) forward(b *Batch, keep bool) []float32 {
	n := b.Rows * b.Length
	m.attention.rows, m.attention.length = b.Rows, b.Length
	if !keep {
		// One layer's room is enough, and the residual stream stays in one place.
		k := m.kept[0]
		k.x1, k.x2, k.lse = m.last, m.last, nil
		m.embed(n, b.Tokens, k.x1)
		m.perturb(b, k.x1)
		m.see("embedding", k.x1[:n*m.Config.Width])
		for l := range m.places.blocks {
			m.blockForward(&m.places.blocks[l], &k, b, k.x1)
			m.see("block", k.x1[:n*m.Config.Width])
		}
		return m.last
	}
	m.embed(n, b.Tokens, m.kept[0].x1)
	m.perturb(b, m.kept[0].x1)
	for l := range m.places.blocks {
		y := m.last
		if l+1 < m.Config.Layers {
			y = m.kept[l+1].x1
		}
		m.blockForward(&m.places.blocks[l], &m.kept[l], b, y)
	}
	return m.last
}

// see shows activations to a test.
func (m *Model) see(what string, x []float32) {
	if m.watch != nil {
		m.watch(what, x)
	}
}

// count lists the tokens whose targets are counted.
func (m *Model) count(b *Batch) {
	m.counted = m.counted[:0]
	for t, target := range b.Targets {
		if target != Ignore {
			m.counted = append(m.counted, int32(t))
		}
	}
}

// check finds out whether a batch is of one piece and knows only tokens of the vocabulary.
func (m *Model) check(b *Batch, targets bool) error {
	if b.Rows < 1 || b.Length < 1 {
		return fmt.Errorf("a batch of %d rows of %d tokens is empty", b.Rows, b.Length)
	}
	c := m.Config
	// The largest buffers must be addressable, and places of tokens are int32.
	if most := min(math.MaxInt32, math.MaxInt/8/max(2*c.FFN, c.qkv(), 2*c.Width)); b.Length > most/b.Rows {
		return fmt.Errorf("a batch of %d rows of %d tokens is too large", b.Rows, b.Length)
	}
	n := b.Rows * b.Length
	for _, s := range []struct {
		name     string
		len      int
		optional bool
	}{
		{"tokens", len(b.Tokens), false},
		{"targets", len(b.Targets), !targets},
		{"starts", len(b.Starts), true},
		{"weights", len(b.Weights), true},
		{"amplitudes of noise", len(b.Noise.amplitude()), true},
	} {
		if s.len != n && !(s.optional && s.len == 0) {
			return fmt.Errorf("a batch of %d rows of %d tokens has %d %s", b.Rows, b.Length, s.len, s.name)
		}
	}
	for t, token := range b.Tokens {
		if token < 0 || int(token) >= c.Vocabulary {
			return fmt.Errorf("row %d, position %d: token %d is none of the vocabulary's %d", t/b.Length, t%b.Length, token, c.Vocabulary)
		}
	}
	if targets {
		for t, target := range b.Targets {
			if target != Ignore && (target < 0 || int(target) >= c.Vocabulary) {
				return fmt.Errorf("row %d, position %d: target %d is none of the vocabulary's %d", t/b.Length, t%b.Length, target, c.Vocabulary)
			}
		}
	}
	for t, start := range b.Starts {
		if start < 0 || int(start) > t%b.Length {
			return fmt.Errorf("row %d, position %d: its document cannot begin at position %d", t/b.Length, t%b.Length, start)
		}
	}
	return nil
}
