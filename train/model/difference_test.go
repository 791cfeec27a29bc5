package model

import (
	"math"
	"math/rand/v2"
	"testing"
)

// random puts normal numbers of a standard deviation into x.
func random(r *rand.Rand, x []float32, std float64) {
	for i := range x {
		x[i] = float32(r.NormFloat64() * std)
	}
}

// derivative is that of f along u at x, which f reads: central differences of the fourth order.
func derivative(f func() float64, x, u []float32, h float64) float64 {
	was := append([]float32(nil), x...)
	at := func(step float64) float64 {
		for i := range x {
			x[i] = float32(float64(was[i]) + step*float64(u[i]))
		}
		return f()
	}
	d := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
	copy(x, was)
	return d
}

// checkGradient compares the gradient of f at x, which f reads, with differences: along random directions, and along axes of the
// axes.
func checkGradient(t *testing.T, r *rand.Rand, name string, f func() float64, x, gradient []float32, axes int) {
	t.Helper()
	const tolerance = 2e-3
	size := norm64(gradient)
	if size == 0 {
		t.Errorf("%s: gradient is 0", name)
		return
	}
	u := make([]float32, len(x))
	for range 2 {
		random(r, u, 1/math.Sqrt(float64(len(x))))
		want, got := derivative(f, x, u, 1./128), 0.0
		for i, v := range u {
			got += float64(v) * float64(gradient[i])
		}
		if !(math.Abs(got-want) <= tolerance*size/math.Sqrt(float64(len(x)))+tolerance*math.Abs(want)) {
			t.Errorf("%s: along a random direction the gradient is %v, differences say %v (its norm is %v)", name, got, want, size)
		}
	}
	clear(u)
	for n := range min(len(x), axes) {
		i := n
		if len(x) > axes {
			i = r.IntN(len(x))
		}
		u[i] = 1
		if want := derivative(f, x, u, 1./256); !(math.Abs(float64(gradient[i])-want) <= tolerance*size/math.Sqrt(float64(len(x)))+tolerance*math.Abs(want)) {
			t.Errorf("%s: element %d of the gradient is %v, differences say %v (the norm is %v)", name, i, gradient[i], want, size)
		}
		u[i] = 0
	}
}
