package marian

import (
	"math"

	"curate/kernel"
)

// cache holds the keys and values of tokens: those of sources that are being translated, and those of what was said so far. A
// token has a slot, in every layer; hypotheses that begin alike share slots, so that to go on with another one copies nothing.
type cache struct {
	width  int         // d
	layers [][]float32 // [slots, 2d]: keys, then values
	free   []int32
	slots  int32
}

func newCache(layers, width int) *cache {
	return &cache{width: width, layers: make([][]float32, layers)}
}

// take gives a free slot.
func (c *cache) take() int32 {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	if size := 2 * c.width; int(c.slots+1)*size > len(c.layers[0]) {
		// Memory that was not written is not there yet: only a text that is longer than the batches are meant for needs more.
		more := max(batchSlots*size, 2*len(c.layers[0]))
		for i, l := range c.layers {
			c.layers[i] = kernel.Outside[cache, float32](c, more)
			copy(c.layers[i], l)
		}
	}
	c.slots++
	return c.slots - 1
}

// give gives slots back.
func (c *cache) give(slots ...int32) { c.free = append(c.free, slots...) }

// at gives the places of slots in a layer.
func (c *cache) at(dst []int32, slots []int32) []int32 {
	dst = dst[:0]
	for _, s := range slots {
		dst = append(dst, s*int32(2*c.width))
	}
	return dst
}

// remember puts the keys and values of encoded tokens, [rows, d], into slots.
func (m *model) remember(s *room, c *cache, states []float32, slots []int32) {
	d := m.cfg.Width
	for i := range m.decoder {
		kv := s.inner.of(len(slots) * 2 * d)
		m.decoder[i].crossKV.apply(m.set, &s.gemm, len(slots), states, kv)
		for j, slot := range slots {
			copy(c.layers[i][int(slot)*2*d:], kv[j*2*d:(j+1)*2*d])
		}
	}
}

// row is a hypothesis that wants its next token.
type row struct {
	token    int32   // its last one
	position int     // of that
	slots    []int32 // of all its tokens, this one's too
	source   []int32 // slots of the source
	aligned  *int32  // where not nil, the source token that the next token comes from
}

// decode gives the logits [rows, vocabulary] of what comes behind each row, until the room is used again. It fills the last
// slot of each.
func (m *model) decode(s *room, c *cache, rows []row) []float32 {
	d, n, heads := m.cfg.Width, len(rows), m.cfg.DecoderHeads
	x := s.state.of(n * d)
	for i, r := range rows {
		m.embed(m.target, r.token, r.position, x[i*d:(i+1)*d])
	}
	mixed := s.mixed.of(n * d)
	for i := range m.decoder {
		l := &m.decoder[i]
		qkv := s.inner.of(n * 3 * d)
		l.qkv.apply(m.set, &s.gemm, n, x, qkv)
		for j, r := range rows {
			slot := int(r.slots[len(r.slots)-1])
			copy(c.layers[i][slot*2*d:], qkv[j*3*d+d:(j+1)*3*d])
			m.look(s, c, i, heads, qkv[j*3*d:j*3*d+d], r.slots, mixed[j*d:(j+1)*d], nil)
		}
		y := s.result.of(n * d)
		l.out.apply(m.set, &s.gemm, n, mixed, y)
		l.selfNorm.add(m.set, x, y)

		q := s.inner.of(n * d)
		l.crossQ.apply(m.set, &s.gemm, n, x, q)
		for j, r := range rows {
			aligned := r.aligned
			if i != m.alignLayer() {
				aligned = nil
			}
			m.look(s, c, i, heads, q[j*d:(j+1)*d], r.source, mixed[j*d:(j+1)*d], aligned)
		}
		l.crossOut.apply(m.set, &s.gemm, n, mixed, y)
		l.crossNorm.add(m.set, x, y)
		l.feed.apply(m, s, n, x)
	}
	logits := s.logits.of(n * m.output.n)
	m.output.apply(m.set, &s.gemm, n, x, logits)
	return logits
}

// alignLayer is the decoder's layer whose attention to the source, averaged over its heads, says which token comes from which:
// the last but one of several (Garg et al. 2019, arXiv 1909.02074, section 4.1, found it best of six); of two, the last one:
// of 134 words that a small model with two layers copied it led 100 back to themselves, and the first one 57.
func (m *model) alignLayer() int {
	n := len(m.decoder)
	return min(n-1, max(1, n-2))
}

// look is attention of one query, [d], to the tokens in slots.
func (m *model) look(s *room, c *cache, layer, heads int, q []float32, slots []int32, out []float32, aligned *int32) {
	d, h := m.cfg.Width, m.cfg.Width/heads
	kv := c.layers[layer]
	s.at = c.at(s.at, slots)
	p := s.scores.of(len(slots))
	var mean []float32
	if aligned != nil {
		mean = s.mean.of(len(slots))
		clear(mean)
	}
	for head := range heads {
		from := head * h
		m.set.GatherDots(p, q[from:from+h], kv[from:], s.at)
		softmax(m.set, p, h)
		m.set.GatherSum(out[from:from+h], p, kv[d+from:], s.at)
		if mean != nil {
			m.set.Add(mean, mean, p)
		}
	}
	if aligned != nil {
		*aligned = int32(m.set.Argmax(mean[:max(1, len(mean)-1)])) // the end is where attention rests that means nothing
	}
}

func inverseRoot(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }
