package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The formulas in float64.

func swiGLURef(gate, up float64) float64 { return gate / (1 + math.Exp(-gate)) * up }

func swiGLUGradRef(dy, gate, up float64) (dgate, dup float64) {
	sig := 1 / (1 + math.Exp(-gate))
	return dy * up * sig * (1 + gate*(1-sig)), dy * gate * sig
}

func rmsNormRef(y, x, w []float64, eps float64) (r float64) {
	r = 1 / math.Sqrt(total(x, func(i int) float64 { return x[i] * x[i] })/float64(len(x))+eps)
	for i, v := range x {
		y[i] = v * r * w[i]
	}
	return r
}

func rmsNormGradRef(dx, dw, dy, x, w []float64, r float64) {
	n := float64(len(x))
	dot := total(x, func(i int) float64 { return dy[i] * w[i] * x[i] })
	for i, v := range x {
		dw[i] += dy[i] * v * r
		dx[i] += dy[i]*w[i]*r - v*r*r*r*dot/n
	}
}

func layerNormRef(y, x, w, b []float64, eps float64) (mean, r float64) {
	n := float64(len(x))
	mean = total(x, func(i int) float64 { return x[i] }) / n
	r = 1 / math.Sqrt(total(x, func(i int) float64 { return (x[i] - mean) * (x[i] - mean) })/n+eps)
	for i, v := range x {
		y[i] = (v-mean)*r*w[i] + b[i]
	}
	return mean, r
}

func layerNormGradRef(dx, dw, db, dy, x, w []float64, mean, r float64) {
	n := float64(len(x))
	sum := total(x, func(i int) float64 { return dy[i] * w[i] }) / n
	dot := total(x, func(i int) float64 { return dy[i] * w[i] * (x[i] - mean) * r }) / n
	for i, v := range x {
		norm := (v - mean) * r
		dw[i] += dy[i] * norm
		db[i] += dy[i]
		dx[i] += r * (dy[i]*w[i] - sum - norm*dot)
	}
}

// The formulas of the gradients are those of the functions: the slope of Σ dy·f between two points close to x.
func TestRowGradients(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, h = 9, 1e-5
	vector := func() []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	dy, x, w, b := vector(), vector(), vector(), vector()
	zero := func() []float64 { return make([]float64, n) }
	check := func(name string, grad, x []float64, f func(y []float64)) {
		t.Helper()
		for i := range x {
			slope := func(d float64) float64 {
				old := x[i]
				x[i] += d
				y := zero()
				f(y)
				x[i] = old
				return total(y, func(i int) float64 { return dy[i] * y[i] })
			}
			if want := (slope(h) - slope(-h)) / (2 * h); math.Abs(grad[i]-want) > 1e-7*(1+math.Abs(want)) {
				t.Errorf("%s %d: %v, want %v", name, i, grad[i], want)
			}
		}
	}

	dgate, dup := zero(), zero()
	for i := range x {
		dgate[i], dup[i] = swiGLUGradRef(dy[i], x[i], w[i])
	}
	swiGLU := func(y []float64) {
		for i := range y {
			y[i] = swiGLURef(x[i], w[i])
		}
	}
	check("gate", dgate, x, swiGLU)
	check("up", dup, w, swiGLU)

	dx, dw, db := zero(), zero(), zero()
	rmsNorm := func(y []float64) { rmsNormRef(y, x, w, 0.1) }
	rmsNormGradRef(dx, dw, dy, x, w, rmsNormRef(zero(), x, w, 0.1))
	check("RMSNorm's x", dx, x, rmsNorm)
	check("RMSNorm's w", dw, w, rmsNorm)

	dx, dw = zero(), zero()
	layerNorm := func(y []float64) { layerNormRef(y, x, w, b, 0.1) }
	mean, r := layerNormRef(zero(), x, w, b, 0.1)
	layerNormGradRef(dx, dw, db, dy, x, w, mean, r)
	check("LayerNorm's x", dx, x, layerNorm)
	check("LayerNorm's w", dw, w, layerNorm)
	check("LayerNorm's b", db, b, layerNorm)
}
