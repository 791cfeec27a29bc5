package model

// norm is RMSNorm, or LayerNorm if it has a bias.
type norm struct {
	weight, bias span // [width], [width] or empty
	width        int
}

// stats is how many numbers of a row forward keeps: 1/√(mean square) of RMSNorm; mean and 1/√variance of LayerNorm.
func (l *norm) stats() int {
	if l.bias.len > 0 {
		return 2
	}
	return 1
}

// forward puts the normalised rows of x into y: y is [n, width], x is [n, width], or it has more rows of which those numbered
// in rows are taken. stats, [n, l.stats()], is for the backward pass.
func (l *norm) forward(m *Model, n int, rows []int32, x, y, stats []float32) {
	w, b, d := l.weight.of(m.Params), l.bias.of(m.Params), l.width
	eps := float32(m.Config.NormEpsilon)
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			at := pick(rows, t) * d
			if b != nil {
				stats[2*t], stats[2*t+1] = m.set.LayerNorm(y[t*d:(t+1)*d], x[at:at+d], w, b, eps)
			} else {
				stats[t] = m.set.RMSNorm(y[t*d:(t+1)*d], x[at:at+d], w, eps)
			}
		}
	})
}

// backward adds the gradient of x to dx, those of the parameters to grads (but where adapters are trained), and puts what forward
// gave into y again, unless y is nil: dy is [n, width]; x and dx are as x is in forward; stats is what forward kept.
func (l *norm) backward(m *Model, n int, rows []int32, x, stats, dy, dx, y []float32, grads *Params) {
	w, b, d := l.weight.of(m.Params), l.bias.of(m.Params), l.width
	// The gradients of weights and biases are one vector in the partial sums.
	wide := d * l.stats()
	var sums []float32
	if m.adapters == nil {
		sums = span{l.weight.at, wide}.of(grads)
	}
	m.sumRows(n, wide, sums, func(t int, sum []float32) {
		at := pick(rows, t) * d
		var yt []float32
		if y != nil {
			yt = y[t*d : (t+1)*d]
		}
		if b != nil {
			m.set.LayerNormGrad(dx[at:at+d], sum[:d], sum[d:], yt, dy[t*d:(t+1)*d], x[at:at+d], w, b, stats[2*t], stats[2*t+1])
		} else {
			m.set.RMSNormGrad(dx[at:at+d], sum, yt, dy[t*d:(t+1)*d], x[at:at+d], w, stats[t])
		}
	})
}

func pick(rows []int32, t int) int {
	if rows == nil {
		return t
	}
	return int(rows[t])
}
