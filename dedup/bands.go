package dedup

import "math"

// BandsFor is how many bands of how many rows of a signature of so many values serve a threshold: those for which the
// two areas between the chance that two documents become candidates, 1-(1-s^rows)^bands, and a step at the threshold are
// least in sum. It answers what _optimal_param of datasketch (lsh.py) and optimal_param of text-dedup
// (config/algorithms/minhash.py) do with their weights of 0.5. values is up to MaxValues.
//
// The chance is a polynomial of s whose degree is at most values, so that Gauss's quadrature with values/2+1 points is
// exact but for rounding.
func BandsFor(threshold float64, values int) (bands, rows int) {
	x, w := gaussLegendre(values/2 + 1)
	n := len(x)
	nodes := make([]float64, 2*n) // similarities below the threshold, and above
	for i := range x {
		nodes[i] = threshold * x[i]
		nodes[n+i] = threshold + float64((1-threshold)*x[i])
	}
	powers := make([]float64, 2*n)
	least := math.Inf(1)
	for b := 1; b <= values; b++ {
		for i := range powers {
			powers[i] = 1
		}
		for r := 1; r <= values/b; r++ {
			below, above := 0.0, 0.0
			for i, s := range nodes {
				powers[i] *= s
				if miss := math.Pow(1-powers[i], float64(b)); i < n {
					below += float64(w[i] * (1 - miss))
				} else {
					above += float64(w[i-n] * miss)
				}
			}
			if e := float64(threshold*below) + float64((1-threshold)*above); e < least {
				least, bands, rows = e, b, r
			}
		}
	}
	return bands, rows
}

// gaussLegendre is the n points and weights of Gauss's quadrature on [0, 1]: the zeros of Legendre's polynomial, by
// Newton's iteration.
func gaussLegendre(n int) (x, w []float64) {
	x, w = make([]float64, n), make([]float64, n)
	for i := range n {
		z := math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))
		slope := 0.0
		for range 100 {
			p, last := 1.0, 0.0
			for j := 1; j <= n; j++ {
				k := float64(j)
				p, last = (float64((2*k-1)*z*p)-float64((k-1)*last))/k, p
			}
			slope = float64(n) * (float64(z*p) - last) / (float64(z*z) - 1)
			step := p / slope
			z -= step
			if math.Abs(step) < 1e-15 {
				break
			}
		}
		x[i], w[i] = (1-z)/2, 1/(float64((1-float64(z*z))*slope)*slope)
	}
	return x, w
}
