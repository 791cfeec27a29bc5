package model

import "slices"

// embed puts the embeddings of n tokens, times EmbeddingScale, into x, [n, Width].
func (m *Model) embed(n int, tokens []int32, x []float32) {
	d, scale := m.Config.Width, float32(m.Config.EmbeddingScale)
	var w []float32
	if m.places.table == nil {
		w = m.places.embedding.of(m.Params)
	}
	m.eachBlock(n, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			if m.places.table != nil {
				row := x[t*d : (t+1)*d]
				if m.places.table.Row(int(tokens[t]), row); scale != 1 {
					m.set.Scale(row, scale, row)
				}
				continue
			}
			e := w[int(tokens[t])*d:][:d]
			if scale == 1 {
				copy(x[t*d:(t+1)*d], e)
			} else {
				m.set.Scale(x[t*d:(t+1)*d], scale, e)
			}
		}
	})
}

// embedBackward adds dx, [n, Width], times EmbeddingScale to the gradients of the tokens' embeddings. Tokens are sorted, so
// that all places of a token are one piece's, which adds them in their order.
func (m *Model) embedBackward(n int, tokens []int32, dx []float32, grads *Params) {
	d, scale := m.Config.Width, float32(m.Config.EmbeddingScale)
	w := m.places.embedding.of(grads)
	order := m.order[:n]
	for t := range n {
		order[t] = uint64(tokens[t])<<32 | uint64(t)
	}
	slices.Sort(order)
	m.eachBlock(n, func(from, to, _, _ int) {
		// A piece has the tokens whose first place is in it.
		for from > 0 && from < to && order[from]>>32 == order[from-1]>>32 {
			from++
		}
		if from == to {
			return
		}
		for to < n && order[to]>>32 == order[to-1]>>32 {
			to++
		}
		for _, o := range order[from:to] {
			t := int(uint32(o))
			m.set.Axpy(w[int(o>>32)*d:][:d], scale, dx[t*d:(t+1)*d])
		}
	})
}
