package kernel

import "math"

// The functions below work on vectors of one length, that of their first source, in the caller's goroutine. Sums are
// made in lanes of a fixed number that are joined in a fixed order: what comes out depends on the operands and on the
// set, not on where in memory a vector begins. Products and sums are rounded one by one in the portable set (explicit
// conversions keep compilers from fusing them), and are fused where it helps in the others. An output may be one of
// the inputs only where it says so, and then it is the same slice, not one that is shifted.
//
// e^x is within 1.1 ulp of the truth in every set, +Inf from where float32 ends, and 0 below the smallest normal number:
// there are no denormal results.

// rowSet says which implementation of these functions a Set has. rows_amd64.go and rows_other.go hand its methods on;
// rows_generic.go has the portable ones.
type rowSet uint8

const (
	rowsPortable rowSet = iota
	rowsAVX2            // AVX2 and FMA
	rowsAVX512          // AVX-512 F, BW, DQ and VL
)

// Dot is Σ x[i]·y[i].
func (s *Set) Dot(x, y []float32) float32 { return s.rows.dot(x, y[:len(x)]) }

// Sum is Σ x[i].
func (s *Set) Sum(x []float32) float32 { return s.rows.sum(x) }

// SumSquares is Σ x[i]², in float64: the norm of all gradients is made of it. It is finite if and only if every x is.
func (s *Set) SumSquares(x []float32) float64 { return s.rows.sumSquares(x) }

// Finite says that no x is an infinity or NaN.
func (s *Set) Finite(x []float32) bool { return s.rows.zeros(x) == 0 }

// Max is the largest of x, -Inf of none. NaN is passed over; which zero it is of two with different signs is open.
func (s *Set) Max(x []float32) float32 { return s.rows.max(x) }

// Argmax is the first index of the largest of x. NaN is passed over; of nothing else it is -1.
func (s *Set) Argmax(x []float32) int { return s.rows.index(x, s.rows.max(x)) }

// Add puts x[i] + y[i] into dst, which may be either.
func (s *Set) Add(dst, x, y []float32) { s.rows.add(dst[:len(x)], x, y[:len(x)]) }

// Axpy adds a·x[i] to dst[i].
func (s *Set) Axpy(dst []float32, a float32, x []float32) { s.rows.axpy(dst[:len(x)], x, a) }

// Scale puts a·x[i] into dst[i]; dst may be x.
func (s *Set) Scale(dst []float32, a float32, x []float32) { s.rows.scale(dst[:len(x)], x, a) }

// ExpSum puts e^(x[i]-max) into dst, which may be x, and gives their sum. max is not below any x; where x[i] is -Inf,
// the result is 0.
func (s *Set) ExpSum(dst, x []float32, max float32) float32 {
	return s.rows.expSum(dst[:len(x)], x, 1, max)
}

// ExpSumScaled puts e^(scale·x[i]-max) into dst, which may be x, and gives their sum.
func (s *Set) ExpSumScaled(dst, x []float32, scale, max float32) float32 {
	return s.rows.expSum(dst[:len(x)], x, scale, max)
}

// lseBlock is how much of a row LogSumExp takes at once: small enough to be in the innermost cache when it is read
// for the second time.
const lseBlock = 4096

// LogSumExp is log Σ e^x[i], -Inf of none: the row is read from memory once. The sum is about as exact as one
// exponential, and its logarithm is made in float64.
func (s *Set) LogSumExp(x []float32) float32 {
	top, sum := float32(math.Inf(-1)), 0.0
	for len(x) > 0 {
		b := x[:min(len(x), lseBlock)]
		x = x[len(b):]
		if m := s.rows.max(b); m > top {
			if sum != 0 {
				sum = float64(sum * float64(Exp(top-m)))
			}
			top = m
		}
		from := top
		if math.IsInf(float64(top), -1) { // nothing but -Inf and NaN until now
			from = 0
		}
		sum += float64(s.rows.sumExp(b, from))
	}
	switch {
	case math.IsInf(float64(top), 1):
		return top
	case math.IsInf(float64(top), -1):
		return top + float32(sum) // NaN if there was one
	}
	return float32(float64(top) + Log(sum))
}

// SoftmaxGrad puts scale·e^(x[i]-lse) into dst, which may be x: with the LogSumExp of a row of logits it is the gradient
// of scale·(lse - x[target]), but for the target's, from which scale remains to be taken. With scale 1 these are the
// probabilities.
func (s *Set) SoftmaxGrad(dst, x []float32, lse, scale float32) {
	s.rows.expScale(dst[:len(x)], x, lse, scale)
}

// AlibiScale puts scale·x[i] + (bias + step·i) into dst, which may be x, and gives their largest as Max does: scores of
// a query with consecutive keys, and a bias that grows with the key's position (arXiv 2108.12409, section 3). For the
// key j of a query at i, with the slope m, bias is -m·(i-j) at the row's beginning, and step is m.
func (s *Set) AlibiScale(dst, x []float32, scale, bias, step float32) (max float32) {
	return s.rows.alibiScale(dst[:len(x)], x, scale, bias, step)
}

// ProbGrad puts p[i]·(dp[i]-delta)·scale into ds, which may be either: the backward of a softmax whose results are p and
// their gradients dp, delta being Σ p·dp over the whole row, and of the factor scale before it.
func (s *Set) ProbGrad(ds, p, dp []float32, delta, scale float32) {
	s.rows.probGrad(ds[:len(p)], p, dp[:len(p)], delta, scale)
}

// SwiGLU puts silu(gate[i])·up[i] into dst, which may be either; silu(x) = x / (1 + e^-x).
func (s *Set) SwiGLU(dst, gate, up []float32) {
	s.rows.swiGLU(dst[:len(gate)], gate, up[:len(gate)])
}

// SwiGLUGrad is the backward of SwiGLU: from dy it puts the gradients of gate and up into dgate and dup, and what SwiGLU
// gave into y, so that it need not be kept. dgate may be gate, dup may be up, and y may be dy.
func (s *Set) SwiGLUGrad(dgate, dup, y, dy, gate, up []float32) {
	n := len(gate)
	s.rows.swiGLUGrad(dgate[:n], dup[:n], y[:n], dy[:n], gate, up[:n])
}

// RMSNorm puts x[i]·r·w[i] into y, which may be x, and gives r = 1/√(mean(x²) + eps).
func (s *Set) RMSNorm(y, x, w []float32, eps float32) (r float32) {
	r = rsqrt(s.rows.dot(x, x)/float32(len(x)) + eps)
	s.rows.mulScale(y[:len(x)], x, w[:len(x)], r)
	return r
}

// RMSNormGrad is the backward of RMSNorm: it adds the gradients to dx and dw, and puts what RMSNorm gave into y unless y
// is nil; y may be dy.
func (s *Set) RMSNormGrad(dx, dw, y, dy, x, w []float32, r float32) {
	n := len(x)
	dx, dw, dy, w = dx[:n], dw[:n], dy[:n], w[:n]
	c := float32(float32(s.rows.dot3(dy, w, x)*r)*float32(r*r)) / float32(n)
	if y == nil {
		s.rows.rmsNormGrad(dx, dw, dy, x, w, r, c)
	} else {
		s.rows.rmsNormGradAgain(dx, dw, y[:n], dy, x, w, r, c)
	}
}

// LayerNorm puts (x[i] - mean)·r·w[i] + b[i] into y, which may be x, and gives mean and r = 1/√(variance + eps); the
// variance is the biased one.
func (s *Set) LayerNorm(y, x, w, b []float32, eps float32) (mean, r float32) {
	n := len(x)
	mean = s.rows.sum(x) / float32(n)
	r = rsqrt(s.rows.squaresFrom(x, mean)/float32(n) + eps)
	s.rows.layerNorm(y[:n], x, w[:n], b[:n], mean, r)
	return mean, r
}

// LayerNormGrad is the backward of LayerNorm: it adds the gradients to dx, dw and db, and puts what LayerNorm gave into y
// unless y is nil; y may be dy.
func (s *Set) LayerNormGrad(dx, dw, db, y, dy, x, w, b []float32, mean, r float32) {
	n := len(x)
	dx, dw, db, dy, w = dx[:n], dw[:n], db[:n], dy[:n], w[:n]
	sum, dot := s.rows.layerNormSums(dy, x, w, mean, r)
	sum, dot = sum/float32(n), dot/float32(n)
	if y == nil {
		s.rows.layerNormGrad(dx, dw, db, dy, x, w, mean, r, sum, dot)
	} else {
		s.rows.layerNormGradAgain(dx, dw, db, y[:n], dy, x, w, b[:n], mean, r, sum, dot)
	}
}

func rsqrt(x float32) float32 { return float32(1 / math.Sqrt(float64(x))) }

// Rotate turns the pairs (x[i], x[i+h]), h = len(x)/2, by the angles of which cos and sin hold cosine and sine: the rotary
// embedding of a head in the order of Hugging Face ("rotate half"). With negated sines it turns back, which is its backward.
func (s *Set) Rotate(x, cos, sin []float32) {
	h := len(x) / 2
	s.rows.rotate(x[:h], x[h:2*h], cos[:h], sin[:h])
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
	n := len(p)
	decay := 1 - float32(o.Rate*o.Decay)
	s.rows.adamW(p, g[:n], m[:n], v[:n], o.Scale, o.Beta1, 1-o.Beta1, o.Beta2, 1-o.Beta2,
		decay, o.Rate/o.Correction1, rsqrt(o.Correction2), o.Epsilon)
}

// RoundBF16 rounds to bfloat16, to nearest even; NaN stays NaN.
func RoundBF16(x float32) float32 { return math.Float32frombits(uint32(toBF16(x)) << 16) }

// toBF16 is the upper half of x's bits after rounding. A NaN keeps its upper half and becomes a quiet one.
func toBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16 | 1<<6)
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// ToBF16 puts x[i], rounded as RoundBF16 does it, into dst as bfloat16.
func (s *Set) ToBF16(dst []uint16, x []float32) {
	dst = dst[:len(x)]
	n := len(x) &^ 15 // what the sets do; the rest is the same to the bit
	s.rows.toBF16(dst[:n], x[:n])
	for i := n; i < len(x); i++ {
		dst[i] = toBF16(x[i])
	}
}

// FromBF16 puts the bfloat16 x[i] into dst.
func (s *Set) FromBF16(dst []float32, x []uint16) {
	dst = dst[:len(x)]
	n := len(x) &^ 15
	s.rows.fromBF16(dst[:n], x[:n])
	for i := n; i < len(x); i++ {
		dst[i] = math.Float32frombits(uint32(x[i]) << 16)
	}
}
