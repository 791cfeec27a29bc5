package model

// room is how many numbers of four bytes each buffer of a model has, for a batch of n tokens. Without a backward pass, one
// layer's buffers serve all, and the residual stream is changed where it is.
type room struct {
	layers                             int // of which something is kept
	x, stats, qkv, attended, lse, gate int // of one layer
	last, normed, wide                 int
	dnormed, dx, partial               int // for the backward pass
	logits, headStats, losses, order   int
	table                              int
}

func (c *Config) room(rows, length int, backward bool) room {
	n := rows * length
	r := room{
		layers:    1,
		stats:     n,
		qkv:       n * c.qkv(),
		attended:  n * c.Heads * c.HeadSize,
		gate:      n * 2 * c.FFN,
		last:      n * c.Width,
		normed:    n * c.Width,
		wide:      n * c.FFN,
		logits:    headRows(n, c.Vocabulary) * c.Vocabulary,
		headStats: headRows(n, c.Vocabulary),
		losses:    n,
	}
	if c.layerNorm() {
		r.stats *= 2
		r.headStats *= 2
	}
	if c.Family == Llama {
		r.table = 3 * length * c.HeadSize / 2
	}
	if !backward {
		return r
	}
	r.layers = c.Layers
	r.x = n * c.Width
	r.lse = n * c.Heads
	r.wide = n * max(c.FFN, c.qkv())
	r.dnormed = n * max(c.Width, c.Heads*c.HeadSize)
	r.dx = n * c.Width
	cols := c.Width
	if c.layerNorm() {
		cols = max(2*c.Width, 2*c.FFN, c.qkv())
	}
	r.partial = blocks(n) * cols
	r.order = 2 * n
	return r
}

// numbers is their sum.
func (r *room) numbers() int64 {
	return int64(r.layers)*int64(2*r.x+2*r.stats+r.qkv+r.attended+r.lse+r.gate) +
		int64(r.last) + int64(r.normed) + int64(r.wide) + int64(r.dnormed) + int64(r.dx) + int64(r.partial) +
		int64(r.logits) + int64(r.headStats) + 2*int64(r.losses) + int64(r.order) + int64(r.table)
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
	grow(&m.logits, r.logits)
	grow(&m.headStats, r.headStats)
	grow(&m.losses, r.losses)
	grow(&m.counted, r.losses)
	grow(&m.order, r.order/2)
}

// grow makes x at least n long. What was in it may be gone.
func grow[T any](x *[]T, n int) {
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
// by length, or, with accumulate, for one row of it at a time. Each goroutine has some hundred kilobytes besides, in which
// products and attention lay out their operands.
func (c *Config) TrainingBytes(rows, length int, accumulate bool) int64 {
	if accumulate {
		rows = 1
	}
	all, _ := c.Parameters()
	r := c.room(rows, length, true)
	return 4*(4*all+r.numbers()) + attentionBytes(rows, length, c.Heads, c.HeadSize, 1, c.Family == BTLM, true)
}
