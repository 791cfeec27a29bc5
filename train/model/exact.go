package model

import "math"

// The functions of this file give the same bits on every processor, which those of package math do not: some of them are
// written in assembly for some processors, and elsewhere the compiler may fuse a product and a sum. Here every product is
// rounded explicitly before it is added. They are good to about one unit in the last place. kernel.Log is another.

const (
	// ln 2 and π/2 in parts, of which the first have so many zeros at their end that their products with numbers below 2^20
	// are exact (fdlibm, e_exp.c and e_rem_pio2.c).
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
	halfPi1 = 1.57079632673412561417e+00
	halfPi2 = 6.07710050630396597660e-11
	halfPi3 = 2.02226624879595063154e-21
)

// exp is e^x, for x whose result is a normal number.
func exp(x float64) float64 {
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(k*ln2High)
	r -= float64(k * ln2Low)
	sum := 1.0 // Taylor; |r| <= ln2/2, and the 14th term is below 2^-57
	for n := 13; n > 0; n-- {
		sum = 1 + float64(r*sum)/float64(n)
	}
	return math.Ldexp(sum, int(k))
}

// sincos is for x from 0 to 10^6.
func sincos(x float64) (sin, cos float64) {
	k := math.Floor(float64(x*(2/math.Pi)) + 0.5)
	r := x - float64(k*halfPi1)
	r -= float64(k * halfPi2)
	r -= float64(k * halfPi3)
	z := float64(r * r)
	sin, cos = 1, 1 // Taylor; |r| <= π/4
	for n := 18; n > 0; n -= 2 {
		cos = 1 - float64(z*cos)/float64(n*(n-1))
		sin = 1 - float64(z*sin)/float64(n*(n+1))
	}
	sin = float64(sin * r)
	switch int(k) & 3 {
	case 1:
		sin, cos = cos, -sin
	case 2:
		sin, cos = -sin, -cos
	case 3:
		sin, cos = -cos, sin
	}
	return sin, cos
}
