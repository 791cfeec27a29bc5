package train

import (
	"math"

	"curate/train/model"
)

// neftune puts noise on the embeddings of a step (Jain et al. 2023, arXiv 2310.05914, algorithm 1).
type neftune struct {
	alpha float64
	width int
	seed  uint64

	noise     []model.Noise
	amplitude []float32
}

// neftuneStream keeps its numbers apart from others that are made of the same seed.
const neftuneStream = 0x4e4546547565

// perturb gives a step's micro-batches their noise: between ±α/√(L·width) for the tokens of a document of which its row has L.
// Rows are counted over the step, so that the numbers are a function of seed, step, row and position, however the step is cut. What
// fills up a row is a document of one token each, which nobody sees.
func (f *neftune) perturb(step int64, micro []microBatch) {
	key := mix64(mix64(f.seed^neftuneStream) + uint64(step))
	tokens, first := 0, 0
	for i := range micro {
		tokens += len(micro[i].Tokens)
	}
	f.noise = append(f.noise[:0], make([]model.Noise, len(micro))...)
	if cap(f.amplitude) < tokens {
		f.amplitude = make([]float32, tokens)
	}
	rest := f.amplitude[:tokens]
	for i := range micro {
		b := &micro[i].Batch
		f.noise[i] = model.Noise{Key: key, FirstRow: first, Amplitude: rest[:len(b.Tokens)]}
		for from := 0; from < len(b.Tokens); {
			to := from + 1
			for to%b.Length != 0 && (b.Starts == nil || b.Starts[to] == b.Starts[from]) {
				to++
			}
			a := float32(f.alpha / math.Sqrt(float64(to-from)*float64(f.width)))
			for ; from < to; from++ {
				rest[from] = a
			}
		}
		b.Noise = &f.noise[i]
		rest, first = rest[len(b.Tokens):], first+b.Rows
	}
}
