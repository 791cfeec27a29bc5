package model

import "curate/kernel"

// room is how many numbers of four bytes each buffer of a model has, for a batch of n tokens. Without a backward pass, one
// layer's buffers serve all, and the residual stream is changed where it is.
type room struct {
	layers                             int   // of which something is kept
	x, stats, qkv, attended, lse, gate int64 // of one layer
	last, normed, wide                 int64
	dnormed, dx, partial               int64 // for the backward pass
	logits, headStats, losses, order   int64
	table                              int64
}

func (c *Config) room(rows, length int, backward bool) room {
	n, d, q, qkv, ff := int64(rows)*int64(length), int64(c.Width), int64(c.Heads*c.HeadSize), int64(c.qkv()), int64(c.FFN)
	head := int64(headRows(int(min(n, logitRoom)), c.Vocabulary)) // no more rows than logits
	r := room{
		layers:    1,
		stats:     n,
		qkv:       n * qkv,
		attended:  n * q,
		gate:      n * 2 * ff,
		last:      n * d,
		normed:    n * d,
		wide:      n * ff,
		logits:    head * int64(c.Vocabulary),
		headStats: head,
		losses:    n,
	}
	if c.layerNorm() {
		r.stats *= 2
		r.headStats *= 2
	}
	if c.Family == Llama {
		r.table = 3 * int64(length) * int64(c.HeadSize) / 2
	}
	if !backward {
		return r
	}
	r.layers = c.Layers
	r.x = n * d
	r.lse = n * int64(c.Heads)
	r.wide = n * max(ff, qkv)
	r.dnormed = n * max(d, q)
	r.dx = n * d
	cols := d
	if c.layerNorm() {
		cols = max(2*d, 2*ff, qkv)
	}
	r.partial = (n + blockRows - 1) / blockRows * cols
	r.order = 2 * n
	return r
}

// numbers is their sum.
func (r *room) numbers() int64 {
	return int64(r.layers)*(2*r.x+2*r.stats+r.qkv+r.attended+r.lse+r.gate) + r.last + r.normed + r.wide + r.dnormed + r.dx +
		r.partial + r.logits + r.headStats + 2*r.losses + r.order + r.table
}

// reserve makes room for a batch, unless there is enough. A larger batch without a backward pass takes nothing for one.
func (m *Model) reserve(rows, length int, backward bool) {
	if m.Config.Family == Llama && (m.table == nil || m.table.length < length) {
		m.table = newRopeTable(m.Config, length)
	}
	// All else depends on the number of tokens alone.
	n := rows * length
	if n <= m.tokens && (n <= m.trained || !backward) {
		return
	}
	m.tokens = max(m.tokens, n)
	if backward {
		m.trained = n
	}
	r := m.Config.room(rows, length, backward)
	for len(m.kept) < r.layers {
		m.kept = append(m.kept, kept{})
	}
	for i := range r.layers {
		k := &m.kept[i]
		for _, x := range []*[]float32{&k.x1, &k.x2} {
			grow(x, r.x)
		}
		grow(&k.stats1, r.stats)
		grow(&k.stats2, r.stats)
		grow(&k.qkv, r.qkv)
		grow(&k.attended, r.attended)
		grow(&k.lse, r.lse)
		grow(&k.gates, r.gate)
	}
	grow(&m.last, r.last)
	grow(&m.normed, r.normed)
	grow(&m.wide, r.wide)
	grow(&m.dnormed, r.dnormed)
	grow(&m.dx, r.dx)
	grow(&m.partial, r.partial)
	if m.adapters != nil && backward {
		grow(&m.low, int64(n)*int64(m.adapters.Rank))
	}
	grow(&m.headStats, r.headStats)
	grow(&m.losses, r.losses)
	grow(&m.counted, r.losses)
	grow(&m.order, r.order/2)
}

// grow makes x at least n long. What was in it may be gone.
func grow[T any, N int | int64](x *[]T, size N) {
	n := int(size)
	if cap(*x) < n {
		*x = make([]T, n)
	}
	*x = (*x)[:max(n, len(*x))]
}

// Parameters is how many there are in all, and how many of them are the embedding's (of a tied model it is the head, too).
func (c *Config) Parameters() (all, embedding int64) {
	l := NewLayout(c)
	return int64(l.Len), int64(c.Vocabulary) * int64(c.Width)
}

// FLOPs is how many floating-point operations the forward pass takes a token, on average over a row of length tokens: two for
// each multiplication of a matrix's element, and for each of queries with keys and of weights with values. Training takes
// three times as many.
func (c *Config) FLOPs(length int) (forward float64) {
	d, q, ff := float64(c.Width), float64(c.Heads*c.HeadSize), float64(c.FFN)
	layer := d*float64(c.qkv()) + q*d + 3*d*ff + 2*q*float64(length+1)/2
	return 2 * (float64(c.Layers)*layer + d*float64(c.Vocabulary))
}

// CacheBytes is what keys and values of so many tokens take.
func (c *Config) CacheBytes(tokens int, bytesPerNumber float64) int64 {
	return int64(2 * float64(c.Layers) * float64(c.KVHeads*c.HeadSize) * float64(tokens) * bytesPerNumber)
}

// TrainingBytes is the memory that training holds: weights, gradients, two moments, and a model's buffers for a batch of rows
// by length, or, with accumulate, for one row of it at a time. Each goroutine has some megabytes besides, in which
// products and attention lay out their operands.
func (c *Config) TrainingBytes(rows, length int, accumulate bool) int64 {
	if accumulate {
		rows = 1
	}
	all, _ := c.Parameters()
	r := c.room(rows, length, true)
	return 4*(4*all+r.numbers()) + attentionBytes(rows, length, c.Heads, c.HeadSize, 1, c.Family == BTLM, true)
}

// ScoringBytes is the memory that LogProbs holds: weights, and a model's buffers for a batch of rows by length.
func (c *Config) ScoringBytes(f WeightFormat, rows, length int) int64 {
	r := c.room(rows, length, false)
	return c.WeightBytes(f) + 4*r.numbers() + attentionBytes(rows, length, c.Heads, c.HeadSize, 1, c.Family == BTLM, false)
}

// WeightBytes is what weights take in memory. In blocks, rows are filled up to a multiple of 32 weights and matrices to one of 8 rows; vectors
// stay f32.
func (c *Config) WeightBytes(f WeightFormat) int64 {
	if f == WeightsF32 {
		all, _ := c.Parameters()
		return 4 * all
	}
	layout, places := newLayout(c)
	n := int64(0)
	for i := range layout.Tensors {
		if t := &layout.Tensors[i]; t.Vector {
			n += 4 * int64(t.Len())
		}
	}
	first := true
	places.eachMatrix(func(w span, in, out int, _ **kernel.Blocks) {
		if first || w != places.embedding {
			n += int64(kernel.BlocksBytes(f.Blocks(), out, in))
		}
		first = false
	})
	return n
}

// CacheTokenBytes is what a token's keys and values take in a Cache: f32, or in 8 bits and with a scale in f32 for each head.
func (c *Config) CacheTokenBytes(int8Cache bool) int64 {
	rows := 2 * int64(c.Layers) * int64(c.KVHeads)
	if int8Cache {
		return rows * int64(c.HeadSize+4)
	}
	return rows * 4 * int64(c.HeadSize)
}

// WritingBytes is the memory beside the cache that Extend holds for up to so many tokens at a time and length ones in all: weights, and a
// model's buffers. Extend cuts what it is given into parts of 128 tokens, so that more than that take no more.
func (c *Config) WritingBytes(f WeightFormat, tokens, length int) int64 {
	r := c.room(1, min(tokens, extendTokens), false)
	r.logits = int64(c.Vocabulary) // those of the cache
	if c.Family == Llama {
		r.table = 3 * int64(length) * int64(c.HeadSize) / 2
	}
	return c.WeightBytes(f) + 4*r.numbers() + attentionBytes(1, length, c.Heads, c.HeadSize, 1, c.Family == BTLM, false)
}

// BlockBytes is what the weights take in a format that puts block weights of a row together in so many bytes, as GGUF's have it:
// matrices whose rows are whole blocks are in it, vectors f32, and the other matrices, which are rest, f16. ifAll is what it
// would be if their rows could be cut, too.
func (c *Config) BlockBytes(block, bytes int) (size, ifAll int64, rest []Tensor) {
	for _, t := range NewLayout(c).Tensors {
		n := int64(t.Len())
		switch {
		case t.Vector:
			size, ifAll = size+4*n, ifAll+4*n
			continue
		case t.Cols%block == 0:
			size += n / int64(block) * int64(bytes)
		default:
			size += 2 * n
			rest = append(rest, t)
		}
		ifAll += n * int64(bytes) / int64(block)
	}
	return size, ifAll, rest
}

// SeenBytes is what ExtendSeen takes beside Extend for n tokens: logits of as many of them as are made at once.
func (c *Config) SeenBytes(n int) int64 {
	return 4 * int64(headRows(n, c.Vocabulary)) * int64(c.Vocabulary)
}
