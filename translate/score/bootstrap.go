package score

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Bootstrap compares two systems on the same segments by paired resampling (Koehn 2004, as sacrebleu's significance.py).
type Bootstrap struct {
	A, B         float64 // scores on the whole
	MeanA, MeanB float64 // over the samples
	CI95A, CI95B float64 // half the width
	P            float64 // of the difference being chance
	Samples      int
}

// Paired resamples the segments' statistics: each sample draws as many segments as there are, with replacement, the same for
// both systems. The seed makes it repeatable; sacrebleu's numbers are equal to these in distribution, since its generator is
// another. Its usual number of samples is 1,000. Work is samples times segments.
//
// P is (1 + the samples in which |score of B − score of A| exceeds its mean by more than it is on the whole) / (1 + samples).
// Two equal systems have no difference that could be chance: their P is the smallest there is, as in sacrebleu.
//
// It panics if a and b are not of the same length.
func Paired(m Metric, a, b [][]int64, samples int, seed uint64) Bootstrap {
	if len(a) != len(b) {
		panic("score: Paired wants the same segments of both systems")
	}
	samples = max(samples, 0)
	r := Bootstrap{A: m.Score(sum(a)), B: m.Score(sum(b)), P: 1, Samples: samples}
	if samples == 0 || len(a) == 0 {
		r.Samples = 0
		return r
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	scoresA, scoresB := make([]float64, samples), make([]float64, samples)
	sumA, sumB := make([]int64, len(a[0])), make([]int64, len(b[0]))
	for k := range samples {
		clear(sumA)
		clear(sumB)
		for range a {
			i := rng.IntN(len(a))
			add(sumA, a[i])
			add(sumB, b[i])
		}
		scoresA[k], scoresB[k] = m.Score(sumA), m.Score(sumB)
	}
	differences := make([]float64, samples)
	for k := range differences {
		differences[k] = math.Abs(scoresB[k] - scoresA[k])
	}
	over := mean(differences) + math.Abs(r.A-r.B)
	chance := 0
	for _, d := range differences {
		if d > over {
			chance++
		}
	}
	r.P = float64(chance+1) / float64(samples+1)
	r.MeanA, r.CI95A = interval(scoresA)
	r.MeanB, r.CI95B = interval(scoresB)
	return r
}

// interval is the mean, and half of what lies between the scores that cut off a fortieth at either end. It sorts the scores.
func interval(scores []float64) (middle, half float64) {
	slices.Sort(scores)
	n := len(scores)
	return mean(scores), (scores[n-n/40-1] - scores[n/40]) / 2
}

func mean(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total / float64(len(x))
}

func sum(stats [][]int64) []int64 {
	if len(stats) == 0 {
		return nil
	}
	total := make([]int64, len(stats[0]))
	for _, s := range stats {
		add(total, s)
	}
	return total
}

func add(dst, src []int64) {
	for i, v := range src {
		dst[i] += v
	}
}
