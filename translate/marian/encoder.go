package marian

import "curate/kernel"

// encode gives the states [tokens, d] of texts that lie one behind the other in ids; ends are where each ends. There is no
// padding: a text's states do not depend on the others. What is returned holds until the room is used again.
func (m *model) encode(s *room, ids []int32, ends []int) []float32 {
	d, rows := m.cfg.Width, len(ids)
	x := s.state.of(rows * d)
	from := 0
	for _, end := range ends {
		for i := from; i < end; i++ {
			m.embed(m.source, ids[i], i-from, x[i*d:(i+1)*d])
		}
		from = end
	}
	for i := range m.encoder {
		l := &m.encoder[i]
		qkv := s.inner.of(rows * 3 * d)
		l.qkv.apply(m.set, &s.gemm, rows, x, qkv)
		mixed := s.mixed.of(rows * d)
		from := 0
		for _, end := range ends {
			attend(m.set, s, m.cfg.EncoderHeads, d, qkv[from*3*d:end*3*d], mixed[from*d:end*d])
			from = end
		}
		y := s.result.of(rows * d)
		l.out.apply(m.set, &s.gemm, rows, mixed, y)
		l.selfNorm.add(m.set, x, y)
		l.feed.apply(m, s, rows, x)
	}
	return x
}

// attend is attention of all tokens of a text to all of them: qkv is [n, 3d], out [n, d].
func attend(set *kernel.Set, s *room, heads, d int, qkv, out []float32) {
	n, h := len(qkv)/(3*d), d/heads
	scores := s.scores.of(n * n)
	for head := range heads {
		q, k, v := qkv[head*h:], qkv[d+head*h:], qkv[2*d+head*h:]
		set.Gemm(&s.gemm, kernel.F32, kernel.NT, n, n, h, q, 3*d, k, 3*d, false, scores, n)
		for i := range n {
			softmax(set, scores[i*n:(i+1)*n], h)
		}
		set.Gemm(&s.gemm, kernel.F32, kernel.NN, n, h, n, scores, n, v, 3*d, false, out[head*h:], d)
	}
}

// softmax makes probabilities of a query's products with keys of a width.
func softmax(set *kernel.Set, x []float32, width int) {
	scale := inverseRoot(width)
	sum := set.ExpSumScaled(x, x, scale, float32(scale*set.Max(x)))
	set.Scale(x, 1/sum, x)
}
