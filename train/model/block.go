package model

// kept is what a block keeps of its forward pass for its backward pass. N is the number of tokens.
type kept struct {
	x1, x2         []float32 // [N, Width]: what the two norms read; x1 is the block's input
	stats1, stats2 []float32 // [N, 1 or 2]: see norm.stats
	qkv            []float32 // [N, (Heads + 2 KVHeads) HeadSize], after the rotary embedding
	attended       []float32 // [N, Heads HeadSize]
	lse            []float32 // [rows, Heads, length]: see attention.forward
	gates          []float32 // [N, 2 FFN]
}

// blockForward runs block l on k.x1 and puts its output into y, [N, Width], which may be k.x1, as k.x2 may be, if there is no
// backward pass.
//
//	x2 = x1 + out(attention(qkv(norm1(x1))))
//	y  = x2 + down(swiglu(gates(norm2(x2))))
func (m *Model) blockForward(l *layer, k *kept, b *Batch, y []float32) {
	n := b.Rows * b.Length
	l.norm1.forward(m, n, nil, k.x1, m.normed, k.stats1)
	l.qkv.forward(m, n, m.normed, k.qkv)
	if m.table != nil {
		m.rope(n, b.Length, 0, k.qkv)
	}
	m.attention.forward(m.pool, k.qkv, b.Starts, k.attended, k.lse)
	l.out.forwardAdd(m, n, k.attended, k.x1, k.x2)

	l.norm2.forward(m, n, nil, k.x2, m.normed, k.stats2)
	l.gates.forward(m, n, m.normed, k.gates)
	swiglu(m, n, m.Config.FFN, k.gates, m.wide)
	l.down.forwardAdd(m, n, m.wide, k.x2, y)
}

// blockBackward turns the gradient of the block's output, dx [N, Width], into that of its input, and adds those of its
// parameters to grads. k.gates is overwritten.
func (m *Model) blockBackward(l *layer, k *kept, b *Batch, dx []float32, grads *Params) {
	n := b.Rows * b.Length
	l.down.backwardInput(m, n, dx, m.wide)
	swigluBackward(m, n, m.Config.FFN, k.gates, m.wide)
	l.down.backwardParams(m, n, dx, m.wide, grads)
	l.gates.backwardInput(m, n, k.gates, m.dnormed)
	l.norm2.backward(m, n, nil, k.x2, k.stats2, m.dnormed, dx, m.normed, grads)
	l.gates.backwardParams(m, n, k.gates, m.normed, grads)

	l.out.backwardParams(m, n, dx, k.attended, grads)
	l.out.backwardInput(m, n, dx, m.dnormed)
	m.attention.backward(m.pool, k.qkv, b.Starts, k.attended, k.lse, m.dnormed, m.wide)
	if m.table != nil {
		m.ropeBackward(n, b.Length, 0, m.wide)
	}
	l.qkv.backwardInput(m, n, m.wide, m.dnormed)
	l.norm1.backward(m, n, nil, k.x1, k.stats1, m.dnormed, dx, m.normed, grads)
	l.qkv.backwardParams(m, n, m.wide, m.normed, grads)
}
