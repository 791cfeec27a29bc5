package model

// logitRoom is how many logits are held at once, and logitRows the least rows of them whatever the vocabulary.
const (
	logitRoom = 4 << 20
	logitRows = 64
)

// headRows is how many rows of logits are made at once, of n.
func headRows(n, vocabulary int) int { return min(n, max(logitRows, logitRoom/vocabulary)) }

// lossOf puts -log p(target) of the tokens in m.counted into their places of m.losses, [N]; x, [N, Width], is what the last
// block gave. If grads is not nil, it adds scale times the gradient of Σ w·(-log p) to it, and puts that of x into dx, [N,
// Width]. It gives the weights, nil if all are 1. Logits, [rows, Vocabulary], are made for a few rows at a time:
//
//	logits = (norm(x)·LogitScale) Wᵀ,  -log p = log Σ e^logits - logits[target]
//
// Where b.Weigh asks for all losses before it gives weights, logits are made a second time for the gradient, but for those
// that were made last: their rows come first.
func (m *Model) lossOf(b *Batch, x []float32, scale float32, dx []float32, grads *Params) []float32 {
	if grads != nil {
		clear(dx)
	}
	step := headRows(b.Rows*b.Length, m.Config.Vocabulary)
	grow(&m.logits, step*m.Config.Vocabulary) // not in reserve: writing does without
	rows := func(first int) []int32 { return m.counted[first:min(first+step, len(m.counted))] }
	if b.Weigh == nil {
		for first := 0; first < len(m.counted); first += step {
			m.headForward(len(rows(first)), rows(first), x, m.logits)
			m.headLoss(b, rows(first), b.Weights, x, scale, dx, grads)
		}
		return b.Weights
	}
	n, last := b.Rows*b.Length, 0
	grow(&m.weights, n)
	weights := m.weights[:n]
	clear(weights)
	clear(m.losses[:n])
	for first := 0; first < len(m.counted); first += step {
		last = first
		m.headForward(len(rows(first)), rows(first), x, m.logits)
		m.headLoss(b, rows(first), nil, x, 0, nil, nil)
	}
	b.Weigh(m.losses[:n], weights)
	for first := last; first >= 0 && grads != nil; first -= step {
		if first < last {
			m.headForward(len(rows(first)), rows(first), x, m.logits)
		}
		m.headLoss(b, rows(first), weights, x, scale, dx, grads)
	}
	return weights
}

// headLoss puts -log p(target) of the tokens in rows, whose logits headForward has made, into m.losses, and makes the gradients
// that lossOf tells of. Without grads the logits stay as they are.
func (m *Model) headLoss(b *Batch, rows []int32, weights, x []float32, scale float32, dx []float32, grads *Params) {
	n, d, v := len(rows), m.Config.Width, m.Config.Vocabulary
	m.pool.Each(n, func(i, _ int) {
		t := int(rows[i])
		logits, target := m.logits[i*v:(i+1)*v], b.Targets[t]
		right := logits[target]
		lse := m.set.LogSumExp(logits)
		m.losses[t] = lse - right
		if grads == nil {
			return
		}
		g := scale
		if weights != nil {
			g = float32(scale * weights[t])
		}
		m.set.SoftmaxGrad(logits, logits, lse, g) // g·(p - [target])
		logits[target] -= g
	})
	if grads == nil {
		return
	}
	m.places.head.backwardParams(m, n, m.logits, m.normed, grads)
	m.places.head.backwardInput(m, n, m.logits, m.dnormed)
	m.scale(n, d, float32(m.Config.LogitScale), m.dnormed)
	m.places.norm.backward(m, n, rows, x, m.headStats, m.dnormed, dx, nil, grads)
}

// LogSumExp is log Σ e^logits, by the kernels that LogProbs goes by: log p(t) is logits[t] less that.
func (m *Model) LogSumExp(logits []float32) float32 { return m.set.LogSumExp(logits) }

// headForward puts the logits of the rows of x that are numbered in rows (nil: the first n) into logits, [n, Vocabulary]; x is
// [N, Width]. m.normed, [n, Width], gets what they were made from.
func (m *Model) headForward(n int, rows []int32, x, logits []float32) {
	m.places.norm.forward(m, n, rows, x, m.normed, m.headStats)
	m.scale(n, m.Config.Width, float32(m.Config.LogitScale), m.normed)
	h := &m.places.head
	h.product(m, n, m.normed, false, logits)
	m.see("logits", logits[:n*h.out])
}

// scale multiplies x, [n, d].
func (m *Model) scale(n, d int, by float32, x []float32) {
	if by == 1 {
		return
	}
	m.eachBlock(n, func(from, to, _, _ int) {
		m.set.Scale(x[from*d:to*d], by, x[from*d:to*d])
	})
}
