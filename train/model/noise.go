package model

// Noise is what is added to the embeddings of a batch (NEFTune: Jain et al. 2023, arXiv 2310.05914, algorithm 1): uniform numbers
// between -Amplitude and Amplitude of their token, before EmbeddingScale. They are a function of Key, row and position alone. The
// gradient does not know of them.
type Noise struct {
	Key      uint64
	FirstRow int // number of the batch's first row among those that the key is of
	// Amplitude of each token, Rows·Length of them: α/√(L·Width), where L is how many tokens its document has; 0: none.
	Amplitude []float32
}

func (n *Noise) amplitude() []float32 {
	if n == nil {
		return nil
	}
	return n.Amplitude
}

// perturb adds a batch's noise to its embeddings, [N, Width].
func (m *Model) perturb(b *Batch, x []float32) {
	if len(b.Noise.amplitude()) == 0 {
		return
	}
	d, scale := m.Config.Width, float32(m.Config.EmbeddingScale)
	m.eachBlock(b.Rows*b.Length, func(from, to, _, _ int) {
		for t := from; t < to; t++ {
			amplitude := float32(scale * b.Noise.Amplitude[t])
			if amplitude == 0 {
				continue
			}
			row, position := uint64(b.Noise.FirstRow+t/b.Length), uint64(t%b.Length)
			key := mix(mix(b.Noise.Key+(row+1)*golden) + (position+1)*golden)
			for j := range x[t*d : (t+1)*d] {
				x[t*d+j] += float32(amplitude * symmetric(key, uint64(j)))
			}
		}
	})
}
