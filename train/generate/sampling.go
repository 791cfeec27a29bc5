package generate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Sampling says how a token is chosen of those that a model thinks likely. What is not asked for has the value that Greedy
// has.
type Sampling struct {
	RepetitionPenalty float64 // of tokens that were there before; 1: none
	Temperature       float64 // divides the scores; 0: the likeliest token is taken, and nothing below counts
	TopK              int     // so many likeliest tokens are left; 0: all
	TopP              float64 // of the likeliest tokens so many as have this probability together; 1: all
	MinP              float64 // tokens at least this times as likely as the likeliest; 0: all
	Seed              uint64
}

// Greedy takes the likeliest token.
func Greedy() Sampling { return Sampling{RepetitionPenalty: 1, TopP: 1} }

// Check finds values that mean nothing. name is what a value is called where it was given.
func (s *Sampling) Check(name func(string) string) error {
	for _, v := range []struct {
		name  string
		value float64
		ok    bool
		must  string
	}{
		{"repetition_penalty", s.RepetitionPenalty, s.RepetitionPenalty >= 1e-6 && s.RepetitionPenalty <= 1e6, "above 0; 1 is none, and more makes repetition less likely"},
		{"temperature", s.Temperature, s.Temperature == 0 || s.Temperature >= 1e-6 && s.Temperature <= 1e6, "0, which takes the likeliest token, or above"},
		{"top_k", float64(s.TopK), s.TopK >= 0, "0, which is all tokens, or above"},
		{"top_p", s.TopP, s.TopP > 0 && s.TopP <= 1, "above 0, up to 1, which is all tokens"},
		{"min_p", s.MinP, s.MinP >= 0 && s.MinP <= 1, "from 0, which is all tokens, to 1"},
	} {
		if !v.ok {
			return fmt.Errorf("%s %v: it must be %s", name(v.name), v.value, v.must)
		}
	}
	return nil
}

var errNotNumbers = errors.New("the model's scores are not finite numbers: its training has diverged, or its weights are damaged")

// removed is the score of a token that is not to be chosen.
var removed = float32(math.Inf(-1))

// Chooser chooses the tokens of one sequence after another, for one goroutine.
type Chooser struct {
	Sampling
	seen     []uint64 // a bit a token
	distinct []int32  // those that are seen
	largest  []float32
	order    []int32
}

// NewChooser makes a chooser of a vocabulary's tokens.
func NewChooser(s Sampling, vocabulary int) *Chooser {
	return &Chooser{Sampling: s, seen: make([]uint64, (vocabulary+63)/64)}
}

// Begin forgets the tokens of the last sequence.
func (c *Chooser) Begin() {
	clear(c.seen)
	c.distinct = c.distinct[:0]
}

// See takes note of a token of the sequence, of its prompt or chosen.
func (c *Chooser) See(token int32) {
	if at, bit := token/64, uint64(1)<<(token%64); c.seen[at]&bit == 0 {
		c.seen[at] |= bit
		c.distinct = append(c.distinct, token)
	}
}

// Next chooses a token by its scores, [vocabulary], which it changes. The order is that of transformers
// (GenerationMixin._get_logits_processor in generation/utils.py): repetition penalty, temperature, top-k, top-p, min-p, and
// then a draw by the probabilities of what is left.
func (c *Chooser) Next(scores []float32, d Draw) (int32, error) {
	if _, ok := most(scores); !ok {
		return 0, errNotNumbers
	}
	if c.RepetitionPenalty != 1 {
		RepetitionPenalty(scores, c.distinct, c.RepetitionPenalty)
	}
	if c.Temperature == 0 {
		best, ok := most(scores)
		if !ok {
			return 0, errNotNumbers
		}
		return best, nil
	}
	if c.Temperature != 1 {
		Temperature(scores, c.Temperature)
	}
	if c.TopK > 0 {
		c.largest = TopK(scores, c.TopK, c.largest)
	}
	if c.TopP < 1 {
		c.order = TopP(scores, c.TopP, c.order)
	}
	if c.MinP > 0 {
		MinP(scores, c.MinP)
	}
	return sample(scores, d.Uniform())
}

// most is the token with the highest score, of several the first. It is not ok if there is none, or a score is NaN or +Inf.
func most(scores []float32) (best int32, ok bool) {
	high := removed
	for i, s := range scores {
		if s > high {
			best, high = int32(i), s
		} else if s != s {
			return 0, false
		}
	}
	return best, high > removed && high <= math.MaxFloat32
}

// RepetitionPenalty divides the scores of tokens by penalty where they are positive, and multiplies those that are negative:
// arXiv 1909.05858, section 4.1, as RepetitionPenaltyLogitsProcessor has it (transformers, generation/logits_process.py). Each
// token stands in distinct once.
func RepetitionPenalty(scores []float32, distinct []int32, penalty float64) {
	by := float32(penalty)
	for _, t := range distinct {
		if int(t) >= len(scores) {
			continue
		}
		if s := scores[t]; s < 0 {
			scores[t] = finite(s, s*by)
		} else {
			scores[t] = finite(s, s/by)
		}
	}
}

// Temperature divides all scores (TemperatureLogitsWarper).
func Temperature(scores []float32, temperature float64) {
	by := float32(temperature)
	for i, s := range scores {
		scores[i] = finite(s, s/by)
	}
}

// finite is what became of a score: a number if it was one, and removed if it was that.
func finite(was, s float32) float32 {
	if was == removed {
		return was
	}
	return max(min(s, math.MaxFloat32), -math.MaxFloat32)
}

// TopK removes the tokens whose score is below the k-th highest; those that have the same one stay, so that there may be more
// than k (TopKLogitsWarper). It gives its scratch back.
func TopK(scores []float32, k int, scratch []float32) []float32 {
	if k >= len(scores) {
		return scratch
	}
	// The k highest are in a heap, the least of them first.
	heap := append(scratch[:0], scores[:k]...)
	down := func(i int) {
		for {
			least, l := i, 2*i+1
			for j := l; j < min(l+2, k); j++ {
				if heap[j] < heap[least] {
					least = j
				}
			}
			if least == i {
				return
			}
			heap[i], heap[least] = heap[least], heap[i]
			i = least
		}
	}
	for i := k/2 - 1; i >= 0; i-- {
		down(i)
	}
	for _, s := range scores[k:] {
		if s > heap[0] {
			heap[0] = s
			down(0)
		}
	}
	for i, s := range scores {
		if s < heap[0] {
			scores[i] = removed
		}
	}
	return heap
}

// TopP leaves the fewest likeliest tokens whose probabilities come to p together: a token stays if those that are likelier
// have less than p (arXiv 1904.09751, section 3.1; TopPLogitsWarper, which adds up from the other end). Of tokens of the same
// score those with lower ids count as likelier. It gives its scratch back.
func TopP(scores []float32, p float64, scratch []int32) []int32 {
	best, ok := most(scores)
	if !ok {
		return scratch
	}
	high := float64(scores[best])
	total := 0.0
	for _, s := range scores {
		total += math.Exp(float64(s) - high)
	}
	// To sort a whole vocabulary takes longer than all else; so only those within some distance of the best are sorted,
	// as far as they have enough probability.
	order := scratch
	for distance := 4.0; ; distance *= 2 {
		order = order[:0]
		mass := 0.0
		for i, s := range scores {
			if float64(s) >= high-distance && s > removed {
				order = append(order, int32(i))
				mass += math.Exp(float64(s) - high)
			}
		}
		if mass >= p*total*(1+1e-9) || distance > 1e3 {
			break
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	n, before := 0, 0.0
	for n < len(order) && before < p*total {
		before += math.Exp(float64(scores[order[n]]) - high)
		n++
	}
	// What is kept are n of order: all scores above the last one's, and of equal ones those up to its id.
	last := order[n-1]
	least := scores[last]
	for i, s := range scores {
		if s < least || s == least && int32(i) > last {
			scores[i] = removed
		}
	}
	return order
}

// MinP removes tokens that are less than p times as likely as the likeliest (arXiv 2407.01082, section 3; MinPLogitsWarper).
func MinP(scores []float32, p float64) {
	best, _ := most(scores)
	high := float64(scores[best])
	for i, s := range scores {
		if math.Exp(float64(s)-high) < p {
			scores[i] = removed
		}
	}
}

// sample gives the first token at which the probabilities of those up to it come to more than u, in [0, 1).
func sample(scores []float32, u float64) (int32, error) {
	best, ok := most(scores)
	if !ok {
		return 0, errNotNumbers
	}
	high := float64(scores[best])
	total := 0.0
	for _, s := range scores {
		total += math.Exp(float64(s) - high)
	}
	u *= total
	sum := 0.0
	for i, s := range scores {
		if sum += math.Exp(float64(s) - high); sum > u {
			return int32(i), nil
		}
	}
	return best, nil // u·total was rounded up to total
}
