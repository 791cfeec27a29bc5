package kernel

import "math"

// The portable functions over rows: what the others are compared with. Sums are made in eight lanes, element i in lane
// i mod 8 but for the last len mod 8 ones, which are summed one after another and come last.

// join adds up the lanes: those that are four apart, then two, then one.
func join(s0, s1, s2, s3, s4, s5, s6, s7 float32) float32 {
	return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}

func dotGeneric(x, y []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7, rest float32
	for len(x) >= 8 && len(y) >= 8 {
		s0 += float32(x[0] * y[0])
		s1 += float32(x[1] * y[1])
		s2 += float32(x[2] * y[2])
		s3 += float32(x[3] * y[3])
		s4 += float32(x[4] * y[4])
		s5 += float32(x[5] * y[5])
		s6 += float32(x[6] * y[6])
		s7 += float32(x[7] * y[7])
		x, y = x[8:], y[8:]
	}
	for i, v := range x {
		rest += float32(v * y[i])
	}
	return join(s0, s1, s2, s3, s4, s5, s6, s7) + rest
}

func dot3Generic(x, y, z []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7, rest float32
	for len(x) >= 8 && len(y) >= 8 && len(z) >= 8 {
		s0 += float32(float32(x[0]*y[0]) * z[0])
		s1 += float32(float32(x[1]*y[1]) * z[1])
		s2 += float32(float32(x[2]*y[2]) * z[2])
		s3 += float32(float32(x[3]*y[3]) * z[3])
		s4 += float32(float32(x[4]*y[4]) * z[4])
		s5 += float32(float32(x[5]*y[5]) * z[5])
		s6 += float32(float32(x[6]*y[6]) * z[6])
		s7 += float32(float32(x[7]*y[7]) * z[7])
		x, y, z = x[8:], y[8:], z[8:]
	}
	for i, v := range x {
		rest += float32(float32(v*y[i]) * z[i])
	}
	return join(s0, s1, s2, s3, s4, s5, s6, s7) + rest
}

func sumGeneric(x []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7, rest float32
	for len(x) >= 8 {
		s0 += x[0]
		s1 += x[1]
		s2 += x[2]
		s3 += x[3]
		s4 += x[4]
		s5 += x[5]
		s6 += x[6]
		s7 += x[7]
		x = x[8:]
	}
	for _, v := range x {
		rest += v
	}
	return join(s0, s1, s2, s3, s4, s5, s6, s7) + rest
}

// squaresFromGeneric is Σ (x[i]-from)².
func squaresFromGeneric(x []float32, from float32) float32 {
	square := func(v float32) float32 {
		v -= from
		return float32(v * v)
	}
	var s0, s1, s2, s3, s4, s5, s6, s7, rest float32
	for len(x) >= 8 {
		s0 += square(x[0])
		s1 += square(x[1])
		s2 += square(x[2])
		s3 += square(x[3])
		s4 += square(x[4])
		s5 += square(x[5])
		s6 += square(x[6])
		s7 += square(x[7])
		x = x[8:]
	}
	for _, v := range x {
		rest += square(v)
	}
	return join(s0, s1, s2, s3, s4, s5, s6, s7) + rest
}

func sumSquaresGeneric(x []float32) float64 {
	square := func(v float32) float64 { return float64(float64(v) * float64(v)) }
	var s0, s1, s2, s3 float64
	for len(x) >= 4 {
		s0 += square(x[0])
		s1 += square(x[1])
		s2 += square(x[2])
		s3 += square(x[3])
		x = x[4:]
	}
	var rest float64
	for _, v := range x {
		rest += square(v)
	}
	return ((s0 + s2) + (s1 + s3)) + rest
}

// zerosGeneric is Σ 0·x[i]: 0, or NaN if an x is not finite.
func zerosGeneric(x []float32) float32 {
	var s0, s1, s2, s3, rest float32
	for len(x) >= 4 {
		s0 += float32(0 * x[0])
		s1 += float32(0 * x[1])
		s2 += float32(0 * x[2])
		s3 += float32(0 * x[3])
		x = x[4:]
	}
	for _, v := range x {
		rest += float32(0 * v)
	}
	return ((s0 + s2) + (s1 + s3)) + rest
}

func maxGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	m0, m1, m2, m3 := m, m, m, m
	for len(x) >= 4 {
		if x[0] > m0 {
			m0 = x[0]
		}
		if x[1] > m1 {
			m1 = x[1]
		}
		if x[2] > m2 {
			m2 = x[2]
		}
		if x[3] > m3 {
			m3 = x[3]
		}
		x = x[4:]
	}
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return max(m, m0, m1, m2, m3)
}

// indexGeneric is the first i with x[i] = v, or -1.
func indexGeneric(x []float32, v float32) int {
	for i, w := range x {
		if w == v {
			return i
		}
	}
	return -1
}

func addGeneric(dst, x, y []float32) {
	dst, y = dst[:len(x)], y[:len(x)]
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

func axpyGeneric(dst, x []float32, a float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] += float32(a * v)
	}
}

func scaleGeneric(dst, x []float32, a float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = float32(a * v)
	}
}

// The constants of Exp are those of expf in the Cephes library (S. L. Moshier, single/expf.c): ln 2 in two parts, the
// first with so few bits that its product with an exponent is exact, and a polynomial for (e^r - 1 - r)/r² on
// [-ln 2/2, ln 2/2].
const (
	expMin  = -87.336540 // e^x of what is below is no normal number
	expMax  = 88.7228317 // e^x of what is above is +Inf
	log2e   = 1.44269504088896341
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4

	exp0 = 5.0000001201e-1
	exp1 = 1.6666665459e-1
	exp2 = 4.1665795894e-2
	exp3 = 8.3334519073e-3
	exp4 = 1.3981999507e-3
	exp5 = 1.9875691500e-4

	// roundMagic brings a float32 of up to 2²² to where its last bit is worth 1, so that adding it rounds.
	roundMagic = 3 << 22
)

// Exp is e^x, the same on all machines and for all sets.
func Exp(x float32) float32 {
	if !(expMin <= x && x <= expMax) {
		switch {
		case x < expMin:
			return 0
		case x > expMax:
			return float32(math.Inf(1))
		}
		return x // NaN
	}
	t := float32(x*log2e) + roundMagic
	n := t - roundMagic
	r := x - float32(n*ln2High)
	r -= float32(n * ln2Low)
	z := float32(r * r)
	p := float32(r*exp5) + exp4 // the polynomial in pairs of terms: a shorter chain than one by one
	p = float32(p*z) + (float32(r*exp3) + exp2)
	p = float32(p*z) + (float32(r*exp1) + exp0)
	p = float32(p*z) + r
	// n in the last bits of t goes to the exponent. 1+p is at least 1 for the smallest n and below 1 for the largest,
	// for expMin and expMax are where they are.
	return math.Float32frombits(math.Float32bits(p+1) + math.Float32bits(t)<<23)
}

// Log is the natural logarithm, the same on all machines and for all sets; of a negative number it is NaN.
//
// With x = 2^k·f it is k·ln 2 + 2·artanh(s), s = (f-1)/(f+1). |s| is at most 0.172, so that twelve terms of
// artanh's series, s^(2i+1)/(2i+1), are enough for float64.
func Log(x float64) float64 {
	switch {
	case x == 0:
		return math.Inf(-1)
	case x < 0:
		return math.NaN()
	case x != x || math.IsInf(x, 1):
		return x
	}
	f, k := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, k = 2*f, k-1
	}
	s := (f - 1) / (f + 1)
	z := float64(s * s)
	var p float64
	for i := 23; i >= 3; i -= 2 {
		p = float64((p + 1/float64(i)) * z)
	}
	return float64(float64(k)*math.Ln2) + float64(2*(s+float64(s*p)))
}

func expSumGeneric(dst, x []float32, scale, max float32) float32 {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = Exp(float32(scale*v) - max)
	}
	return sumGeneric(dst)
}

func sumExpGeneric(x []float32, max float32) float32 {
	var s0, s1, s2, s3, rest float32
	for len(x) >= 4 {
		s0 += Exp(x[0] - max)
		s1 += Exp(x[1] - max)
		s2 += Exp(x[2] - max)
		s3 += Exp(x[3] - max)
		x = x[4:]
	}
	for _, v := range x {
		rest += Exp(v - max)
	}
	return ((s0 + s2) + (s1 + s3)) + rest
}

func expScaleGeneric(dst, x []float32, max, scale float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = float32(scale * Exp(v-max))
	}
}

func alibiScaleGeneric(dst, x []float32, scale, bias, step float32) float32 {
	dst = dst[:len(x)]
	m := float32(math.Inf(-1))
	for i, v := range x {
		b := bias + float32(step*float32(i))
		v = float32(scale*v) + b
		dst[i] = v
		if v > m {
			m = v
		}
	}
	return m
}

func probGradGeneric(ds, p, dp []float32, delta, scale float32) {
	ds, dp = ds[:len(p)], dp[:len(p)]
	for i, v := range p {
		ds[i] = float32(float32(v*(dp[i]-delta)) * scale)
	}
}

func swiGLUGeneric(dst, gate, up []float32) {
	dst, up = dst[:len(gate)], up[:len(gate)]
	for i, g := range gate {
		sig := 1 / (1 + Exp(-g))
		dst[i] = float32(float32(g*sig) * up[i])
	}
}

func swiGLUGradGeneric(dgate, dup, y, dy, gate, up []float32) {
	dgate, dup, y = dgate[:len(gate)], dup[:len(gate)], y[:len(gate)]
	dy, up = dy[:len(gate)], up[:len(gate)]
	for i, g := range gate {
		d, u := dy[i], up[i]
		sig := 1 / (1 + Exp(-g))
		silu := float32(g * sig)
		y[i] = float32(silu * u)
		dup[i] = float32(d * silu)
		dgate[i] = float32(float32(d*u) * float32(sig*(1+float32(g*(1-sig)))))
	}
}

// mulScaleGeneric puts x[i]·r·w[i] into y.
func mulScaleGeneric(y, x, w []float32, r float32) {
	y, w = y[:len(x)], w[:len(x)]
	for i, v := range x {
		y[i] = float32(float32(v*r) * w[i])
	}
}

// rmsNormGradGeneric is the second pass of RMSNormGrad: c is mean(dy·w·x)·r³.
func rmsNormGradGeneric(dx, dw, dy, x, w []float32, r, c float32) {
	dx, dw, dy, w = dx[:len(x)], dw[:len(x)], dy[:len(x)], w[:len(x)]
	for i, v := range x {
		n := float32(v * r)
		dw[i] += float32(dy[i] * n)
		dx[i] += float32(float32(dy[i]*w[i])*r) - float32(c*v)
	}
}

// rmsNormGradAgainGeneric gives what RMSNorm gave as well.
func rmsNormGradAgainGeneric(dx, dw, y, dy, x, w []float32, r, c float32) {
	rmsNormGradGeneric(dx, dw, dy, x, w, r, c)
	mulScaleGeneric(y, x, w, r)
}

func layerNormGeneric(y, x, w, b []float32, mean, r float32) {
	y, w, b = y[:len(x)], w[:len(x)], b[:len(x)]
	for i, v := range x {
		y[i] = float32(float32((v-mean)*r)*w[i]) + b[i]
	}
}

// layerNormSumsGeneric is the first pass of LayerNormGrad: Σ dy·w and Σ dy·w·n, n being the normal x.
func layerNormSumsGeneric(dy, x, w []float32, mean, r float32) (sum, dot float32) {
	var s0, s1, s2, s3, d0, d1, d2, d3 float32
	for len(dy) >= 4 && len(x) >= 4 && len(w) >= 4 {
		g := float32(dy[0] * w[0])
		s0 += g
		d0 += float32(g * float32((x[0]-mean)*r))
		g = float32(dy[1] * w[1])
		s1 += g
		d1 += float32(g * float32((x[1]-mean)*r))
		g = float32(dy[2] * w[2])
		s2 += g
		d2 += float32(g * float32((x[2]-mean)*r))
		g = float32(dy[3] * w[3])
		s3 += g
		d3 += float32(g * float32((x[3]-mean)*r))
		dy, x, w = dy[4:], x[4:], w[4:]
	}
	for i, v := range x {
		g := float32(dy[i] * w[i])
		sum += g
		dot += float32(g * float32((v-mean)*r))
	}
	return ((s0 + s2) + (s1 + s3)) + sum, ((d0 + d2) + (d1 + d3)) + dot
}

// layerNormGradGeneric is the second pass of LayerNormGrad, with the means of what the first gives.
func layerNormGradGeneric(dx, dw, db, dy, x, w []float32, mean, r, sum, dot float32) {
	dx, dw, db, dy, w = dx[:len(x)], dw[:len(x)], db[:len(x)], dy[:len(x)], w[:len(x)]
	for i, v := range x {
		n := float32((v - mean) * r)
		dw[i] += float32(dy[i] * n)
		db[i] += dy[i]
		dx[i] += float32(r * (float32(dy[i]*w[i]) - sum - float32(n*dot)))
	}
}

// layerNormGradAgainGeneric gives what LayerNorm gave as well.
func layerNormGradAgainGeneric(dx, dw, db, y, dy, x, w, b []float32, mean, r, sum, dot float32) {
	layerNormGradGeneric(dx, dw, db, dy, x, w, mean, r, sum, dot)
	layerNormGeneric(y, x, w, b, mean, r)
}

func rotateGeneric(x, y, cos, sin []float32) {
	y, cos, sin = y[:len(x)], cos[:len(x)], sin[:len(x)]
	for i, a := range x {
		b := y[i]
		x[i] = float32(a*cos[i]) - float32(b*sin[i])
		y[i] = float32(b*cos[i]) + float32(a*sin[i])
	}
}

// adamWGeneric: scale is of the gradient, beta1 and beta2 of the moments, rest1 and rest2 of the gradient and its square
// in them, decay of the parameter, rate of the first moment, root of the second one's root.
func adamWGeneric(p, g, m, v []float32, scale, beta1, rest1, beta2, rest2, decay, rate, root, epsilon float32) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	for i := range p {
		d := float32(g[i] * scale)
		first := float32(beta1*m[i]) + float32(rest1*d)
		second := float32(beta2*v[i]) + float32(float32(rest2*d)*d)
		m[i], v[i] = first, second
		s := float32(math.Sqrt(float64(second)))
		p[i] = float32(p[i]*decay) - float32(rate*first)/(float32(s*root)+epsilon)
	}
}

func toBF16Generic(dst []uint16, x []float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = toBF16(v)
	}
}

func fromBF16Generic(dst []float32, x []uint16) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

// maxAbsGeneric is the largest magnitude of x, 0 of none; it is NaN if an x is, and which one is open.
func maxAbsGeneric(x []float32) float32 {
	var top uint32 // bits without the sign are in the order of magnitudes, and NaN is above infinity
	for _, v := range x {
		top = max(top, math.Float32bits(v)&(1<<31-1))
	}
	return math.Float32frombits(top)
}

// toInt16Generic puts x[i]·a, rounded to nearest, half to even, into dst; it is at most 127 in size.
func toInt16Generic(dst []int16, x []float32, a float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = int16(round8(v, a))
	}
}

// toUint8Generic is toInt16Generic with 128 added.
func toUint8Generic(dst []uint8, x []float32, a float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = uint8(round8(v, a)) + 128
	}
}
