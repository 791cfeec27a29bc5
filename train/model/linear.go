package model

import "curate/kernel"

// linear is y = x Wᵀ + b.
type linear struct {
	weight, bias span // [out, in], [out] or empty
	in, out      int
	adapters     []*adapter // of parts of the weight
}

// forward puts x Wᵀ + b into y: x is [n, in], y is [n, out].
func (l *linear) forward(m *Model, n int, x, y []float32) {
	bias := l.bias.of(m.Params)
	if bias != nil {
		m.eachBlock(n, func(from, to, _, _ int) {
			for t := from; t < to; t++ {
				copy(y[t*l.out:(t+1)*l.out], bias)
			}
		})
	}
	m.pool.Gemm(m.prec, kernel.NT, n, l.out, l.in, x, l.in, l.weight.of(m.Params), l.in, bias != nil, y, l.out)
}

// forwardAdd puts r + x Wᵀ + b into y: x is [n, in], r and y are [n, out] and may be the same.
func (l *linear) forwardAdd(m *Model, n int, x, r, y []float32) {
	bias := l.bias.of(m.Params)
	if bias != nil || &r[0] != &y[0] {
		m.eachBlock(n, func(from, to, _, _ int) {
			if bias == nil {
				copy(y[from*l.out:to*l.out], r[from*l.out:to*l.out])
				return
			}
			for t := from; t < to; t++ {
				m.set.Add(y[t*l.out:(t+1)*l.out], r[t*l.out:(t+1)*l.out], bias)
			}
		})
	}
	m.pool.Gemm(m.prec, kernel.NT, n, l.out, l.in, x, l.in, l.weight.of(m.Params), l.in, true, y, l.out)
}

// backwardInput puts dy W, the gradient of x, into dx: dy is [n, out], dx is [n, in].
func (l *linear) backwardInput(m *Model, n int, dy, dx []float32) {
	m.pool.Gemm(m.prec, kernel.NN, n, l.in, l.out, dy, l.out, l.weight.of(m.Params), l.in, false, dx, l.in)
}

// backwardParams adds dyᵀ x to the gradient of W and the sum of dy's rows to that of b: dy is [n, out], x is [n, in]. Where adapters
// are trained, only theirs are made.
func (l *linear) backwardParams(m *Model, n int, dy, x []float32, grads *Params) {
	if m.adapters != nil {
		for _, a := range l.adapters {
			a.backward(m, l, n, dy, x, grads)
		}
		return
	}
	m.pool.Gemm(m.prec, kernel.TN, l.out, l.in, n, dy, l.out, x, l.in, true, l.weight.of(grads), l.in)
	if bias := l.bias.of(grads); bias != nil {
		m.sumRows(n, l.out, bias, func(t int, sum []float32) {
			m.set.Add(sum, sum, dy[t*l.out:(t+1)*l.out])
		})
	}
}
