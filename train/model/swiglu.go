package model

// swiglu puts silu(gate)·up into y: a row of gates, [n, 2 ff], holds the gate and then up; y is [n, ff].
func swiglu(m *Model, n, ff int, gates, y []float32) {
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			g := gates[2*t*ff : 2*(t+1)*ff]
			m.set.SwiGLU(y[t*ff:(t+1)*ff], g[:ff], g[ff:])
		}
	})
}

// swigluBackward puts the gradients of gates in their place, [n, 2 ff], from that of y in y, [n, ff], which gets what swiglu
// gave.
func swigluBackward(m *Model, n, ff int, gates, y []float32) {
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			g, yt := gates[2*t*ff:2*(t+1)*ff], y[t*ff:(t+1)*ff]
			m.set.SwiGLUGrad(g[:ff], g[ff:], yt, yt, g[:ff], g[ff:])
		}
	})
}
