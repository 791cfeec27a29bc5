package model

import (
	"math"

	"curate/kernel"
)

// ropeTable has cosine and sine of the angles by which the pairs of a head are turned: [length, half] each, position by
// position from 0.
type ropeTable struct {
	half, length      int
	cos, sin, negated []float32 // negated is -sin, for the backward pass
}

// ropeFrequencies are the angles between neighbouring positions, [HeadSize/2]: theta^(-2i/HeadSize) (arXiv 2104.09864,
// section 3.2.2), stretched as RopeScaling says (rope_type "llama3" of transformers, modeling_rope_utils.py).
func ropeFrequencies(c *Config) []float64 {
	f := make([]float64, c.HeadSize/2)
	for i := range f {
		f[i] = exp(float64(-float64(2*i) / float64(c.HeadSize) * kernel.Log(c.RopeTheta)))
		s := c.RopeScaling
		if s == nil {
			continue
		}
		turns := float64(float64(s.Original)*f[i]) / (2 * math.Pi) // of the pair within the original context
		switch {
		case turns > s.High:
		case turns < s.Low:
			f[i] /= s.Factor
		default:
			k := (turns - s.Low) / (s.High - s.Low)
			f[i] = float64((1-k)*f[i])/s.Factor + float64(k*f[i])
		}
	}
	return f
}

// newRopeTable is for rows of length tokens.
func newRopeTable(c *Config, length int) *ropeTable {
	half := c.HeadSize / 2
	n := half * length
	numbers := make([]float32, 3*n)
	t := &ropeTable{half: half, length: length, cos: numbers[:n], sin: numbers[n : 2*n], negated: numbers[2*n:]}
	for i, f := range ropeFrequencies(c) {
		for position := range length {
			sin, cos := sincos(float64(float64(position) * f))
			at := position*half + i
			t.cos[at], t.sin[at], t.negated[at] = float32(cos), float32(sin), -float32(sin)
		}
	}
	return t
}

// rope turns queries and keys of n tokens where they are: qkv is [n, (heads + 2 kvHeads) headSize]. Token t is at position
// first + t mod length.
func (m *Model) rope(n, length, first int, qkv []float32) { m.turn(m.table.sin, n, length, first, qkv) }

// ropeBackward turns their gradients back.
func (m *Model) ropeBackward(n, length, first int, dqkv []float32) {
	m.turn(m.table.negated, n, length, first, dqkv)
}

func (m *Model) turn(sin []float32, n, length, first int, qkv []float32) {
	width := m.Config.qkv()
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			m.turnToken(sin, first+t%length, qkv[t*width:])
		}
	})
}

// turnToken turns those of one token.
func (m *Model) turnToken(sin []float32, position int, qkv []float32) {
	size, half := m.Config.HeadSize, m.table.half
	at := position * half
	for h := 0; h < (m.Config.Heads+m.Config.KVHeads)*size; h += size {
		m.set.Rotate(qkv[h:h+size], m.table.cos[at:at+half], sin[at:at+half])
	}
}

// ropeCached is rope for sequences that are extended by as many tokens each, n in all, which follow those of their caches.
func (m *Model) ropeCached(n int, caches []*Cache, qkv []float32) {
	width, each := m.Config.qkv(), n/len(caches)
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			m.turnToken(m.table.sin, caches[t/each].length+t%each, qkv[t*width:])
		}
	})
}
