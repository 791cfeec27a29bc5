package kernel

import "math"

// The functions below work on vectors of one length in the caller's goroutine. Sums are made in float32 lanes of a
// fixed number that are joined in a fixed order, if nothing else is said. Products and sums are rounded one by one in
// the portable set (explicit conversions keep compilers from fusing them), and may be fused in the others.

// RoundBF16 rounds to bfloat16, to nearest even; NaN stays NaN.
func RoundBF16(x float32) float32 {
	b := math.Float32bits(x)
	if x != x {
		return math.Float32frombits(b | 1<<22)
	}
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// Dot is Σ x[i]·y[i].
func (s *Set) Dot(x, y []float32) float32 {
	var sum float32
	for i, v := range x {
		sum += float32(v * y[i])
	}
	return sum
}

// SumSquares is Σ x[i]², in float64: the norm of all gradients is made of it.
func (s *Set) SumSquares(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return sum
}

// Max is the largest of x, -Inf of none. NaN is passed over.
func (s *Set) Max(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

// Add puts x[i] + y[i] into dst, which may be either.
func (s *Set) Add(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// Axpy adds a·x[i] to dst[i].
func (s *Set) Axpy(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] += float32(a * v)
	}
}

// Scale puts a·x[i] into dst[i]; dst may be x.
func (s *Set) Scale(dst []float32, a float32, x []float32) {
	for i, v := range x {
		dst[i] = float32(a * v)
	}
}

// ExpSum puts e^(x[i]-max) into dst, which may be x, and gives their sum. max is not below any x; where x[i] is -Inf,
// the result is 0.
func (s *Set) ExpSum(dst, x []float32, max float32) float32 {
	var sum float32
	for i, v := range x {
		e := float32(math.Exp(float64(v - max)))
		dst[i] = e
		sum += e
	}
	return sum
}

// SwiGLU puts silu(gate[i])·up[i] into dst, which may be either; silu(x) = x / (1 + e^-x).
func (s *Set) SwiGLU(dst, gate, up []float32) {
	for i, g := range gate {
		dst[i] = float32(g/(1+float32(math.Exp(-float64(g))))) * up[i]
	}
}

// SwiGLUGrad is the backward of SwiGLU: from dy it puts the gradients of gate and up into dgate and dup, and what SwiGLU
// gave into y, so that it need not be kept. dgate may be gate, dup may be up, and y may be dy.
func (s *Set) SwiGLUGrad(dgate, dup, y, dy, gate, up []float32) {
	for i, g := range gate {
		d, u := dy[i], up[i]
		sig := 1 / (1 + float32(math.Exp(-float64(g))))
		silu := float32(g * sig)
		y[i] = float32(silu * u)
		dup[i] = float32(d * silu)
		dgate[i] = float32(float32(d*u) * float32(sig*(1+float32(g*(1-sig)))))
	}
}

// RMSNorm puts x[i]·r·w[i] into y and gives r = 1/√(mean(x²) + eps).
func (s *Set) RMSNorm(y, x, w []float32, eps float32) (r float32) {
	var sum float32
	for _, v := range x {
		sum += float32(v * v)
	}
	r = float32(1 / math.Sqrt(float64(sum/float32(len(x))+eps)))
	for i, v := range x {
		y[i] = float32(float32(v*r) * w[i])
	}
	return r
}

// RMSNormGrad is the backward of RMSNorm: it adds the gradients to dx and dw, and puts what RMSNorm gave into y unless y
// is nil.
func (s *Set) RMSNormGrad(dx, dw, y, dy, x, w []float32, r float32) {
	var dot float32 // Σ dy·w·x
	for i, v := range x {
		dot += float32(float32(dy[i]*w[i]) * v)
	}
	c := float32(float32(dot*r)*float32(r*r)) / float32(len(x))
	for i, v := range x {
		n := float32(v * r)
		if y != nil {
			y[i] = float32(n * w[i])
		}
		dw[i] += float32(dy[i] * n)
		dx[i] += float32(float32(dy[i]*w[i])*r) - float32(c*v)
	}
}

// LayerNorm puts (x[i] - mean)·r·w[i] + b[i] into y and gives mean and r = 1/√(variance + eps); the variance is the
// biased one.
func (s *Set) LayerNorm(y, x, w, b []float32, eps float32) (mean, r float32) {
	var sum float32
	for _, v := range x {
		sum += v
	}
	mean = sum / float32(len(x))
	sum = 0
	for _, v := range x {
		d := v - mean
		sum += float32(d * d)
	}
	r = float32(1 / math.Sqrt(float64(sum/float32(len(x))+eps)))
	for i, v := range x {
		y[i] = float32(float32((v-mean)*r)*w[i]) + b[i]
	}
	return mean, r
}

// LayerNormGrad is the backward of LayerNorm: it adds the gradients to dx, dw and db, and puts what LayerNorm gave into y
// unless y is nil.
func (s *Set) LayerNormGrad(dx, dw, db, y, dy, x, w, b []float32, mean, r float32) {
	var sum, dot float32 // Σ dy·w, Σ dy·w·n
	for i, v := range x {
		g := float32(dy[i] * w[i])
		sum += g
		dot += float32(g * float32((v-mean)*r))
	}
	sum, dot = sum/float32(len(x)), dot/float32(len(x))
	for i, v := range x {
		n := float32((v - mean) * r)
		if y != nil {
			y[i] = float32(n*w[i]) + b[i]
		}
		dw[i] += float32(dy[i] * n)
		db[i] += dy[i]
		dx[i] += float32(r * (float32(dy[i]*w[i]) - sum - float32(n*dot)))
	}
}

// Rotate turns the pairs (x[i], x[i+h]), h = len(x)/2, by the angles of which cos and sin hold cosine and sine: the rotary
// embedding of a head in the order of Hugging Face ("rotate half"). With negated sines it turns back, which is its backward.
func (s *Set) Rotate(x, cos, sin []float32) {
	h := len(x) / 2
	for i := range h {
		a, b := x[i], x[i+h]
		x[i] = float32(a*cos[i]) - float32(b*sin[i])
		x[i+h] = float32(b*cos[i]) + float32(a*sin[i])
	}
}

// AdamW is a step of an optimiser on one tensor, with decoupled decay (arXiv 1711.05101, algorithm 2) as torch.optim.AdamW
// does it: the decay comes first, and Epsilon is added to the root of the bias-corrected second moment.
type AdamW struct {
	Rate         float32 // learning rate of this tensor
	Beta1, Beta2 float32
	Epsilon      float32
	Decay        float32 // p *= 1 - Rate·Decay
	Scale        float32 // of the gradients, such as by clipping
	// Correction1 and Correction2 are 1 - Beta^t at step t, from 1.
	Correction1, Correction2 float32
}

// AdamW makes the step: p are the parameters, g their gradients, m and v the moments.
func (s *Set) AdamW(o *AdamW, p, g, m, v []float32) {
	decay := 1 - float32(o.Rate*o.Decay)
	rate := o.Rate / o.Correction1
	root := float32(1 / math.Sqrt(float64(o.Correction2)))
	for i := range p {
		d := float32(g[i] * o.Scale)
		m[i] = float32(o.Beta1*m[i]) + float32((1-o.Beta1)*d)
		v[i] = float32(o.Beta2*v[i]) + float32(float32((1-o.Beta2)*d)*d)
		p[i] = float32(p[i]*decay) - float32(rate*m[i])/(float32(float32(math.Sqrt(float64(v[i])))*root)+o.Epsilon)
	}
}
