package model

import (
	"math"

	"curate/kernel"
)

// attention says what the attention of a layer is like.
type attention struct {
	rows, length             int
	heads, kvHeads, headSize int
	scale                    float32   // of the scores
	slopes                   []float32 // of ALiBi by head; nil: none
	prec                     kernel.Precision
}

func newAttention(heads, kvHeads, headSize int, scale float32, slopes []float32, prec kernel.Precision) *attention {
	return &attention{heads: heads, kvHeads: kvHeads, headSize: headSize, scale: scale, slopes: slopes, prec: prec}
}

func (a *attention) weights(qkv []float32, starts []int32, row, h, i int, p []float64) (lo int, lse float64) {
	s := (a.heads + 2*a.kvHeads) * a.headSize
	T := a.length
	if starts != nil {
		lo = int(starts[row*T+i])
	}
	kh := a.heads + h/(a.heads/a.kvHeads)
	q := qkv[(row*T+i)*s+h*a.headSize:][:a.headSize]
	top := math.Inf(-1)
	for j := lo; j <= i; j++ {
		k := qkv[(row*T+j)*s+kh*a.headSize:][:a.headSize]
		var d float64
		for c := range q {
			d += float64(q[c]) * float64(k[c])
		}
		d *= float64(a.scale)
		if a.slopes != nil {
			d -= float64(a.slopes[h]) * float64(i-j)
		}
		p[j] = d
		top = max(top, d)
	}
	var sum float64
	for j := lo; j <= i; j++ {
		p[j] = math.Exp(p[j] - top)
		sum += p[j]
	}
	for j := lo; j <= i; j++ {
		p[j] /= sum
	}
	return lo, top + math.Log(sum)
}

func (a *attention) forward(_ *kernel.Pool, qkv []float32, starts []int32, out, lse []float32) {
	s, D, T := (a.heads+2*a.kvHeads)*a.headSize, a.headSize, a.length
	p := make([]float64, T)
	for row := range a.rows {
		for h := range a.heads {
			vh := a.heads + a.kvHeads + h/(a.heads/a.kvHeads)
			for i := range T {
				lo, l := a.weights(qkv, starts, row, h, i, p)
				if lse != nil {
					lse[(row*a.heads+h)*T+i] = float32(l)
				}
				for c := range D {
					var o float64
					for j := lo; j <= i; j++ {
						o += p[j] * float64(qkv[(row*T+j)*s+vh*D+c])
					}
					out[((row*T+i)*a.heads+h)*D+c] = float32(o)
				}
			}
		}
	}
}

func (a *attention) backward(_ *kernel.Pool, qkv []float32, starts []int32, out, lse, dout, dqkv []float32) {
	s, D, T := (a.heads+2*a.kvHeads)*a.headSize, a.headSize, a.length
	p, dp := make([]float64, T), make([]float64, T)
	g := make([]float64, a.rows*T*s)
	for row := range a.rows {
		for h := range a.heads {
			kh := a.heads + h/(a.heads/a.kvHeads)
			vh := kh + a.kvHeads
			for i := range T {
				lo, _ := a.weights(qkv, starts, row, h, i, p)
				d := dout[((row*T+i)*a.heads+h)*D:][:D]
				var mean float64
				for j := lo; j <= i; j++ {
					at := (row*T+j)*s + vh*D
					dp[j] = 0
					for c := range D {
						dp[j] += float64(d[c]) * float64(qkv[at+c])
						g[at+c] += p[j] * float64(d[c])
					}
					mean += p[j] * dp[j]
				}
				for j := lo; j <= i; j++ {
					ds := p[j] * (dp[j] - mean) * float64(a.scale)
					qa, ka := (row*T+i)*s+h*D, (row*T+j)*s+kh*D
					for c := range D {
						g[qa+c] += ds * float64(qkv[ka+c])
						g[ka+c] += ds * float64(qkv[qa+c])
					}
				}
			}
		}
	}
	for i, v := range g {
		dqkv[i] = float32(v)
	}
}
