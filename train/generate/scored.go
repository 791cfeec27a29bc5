package generate

import (
	"math"
	"slices"
)

// Candidate is a token that could stand somewhere, and its log-probability there.
type Candidate struct {
	Token   uint32
	LogProb float32
}

// Scored is a token and what the model thought of it, before any penalty, temperature or limit: the log of its probability among
// all of the model's tokens, and the likeliest, of equals those with lower ids first. Top is valid until the function that is
// given it returns.
type Scored struct {
	Candidate
	Top []Candidate
}

// behind is what the model thinks of what comes behind a token.
type behind struct {
	scores []float32 // of the known tokens
	all    float32   // log Σ e^score over all of the model's; only of jobs that see scores
}

func (w *Writer) behind(j *job, logits []float32) behind {
	b := behind{scores: logits[:w.known]}
	if j.See != nil {
		b.all = w.m.LogSumExp(logits)
	}
	return b
}

// scored is a token by the scores of all tokens that may stand where it stands; those that the tokenizer does not know are never
// among the likeliest.
func (w *Writer) scored(j *job, scores []float32, all float32, token int32) (Scored, error) {
	s := Scored{Candidate: Candidate{uint32(token), scores[token] - all}}
	if !(math.Abs(float64(s.LogProb)) <= math.MaxFloat32) {
		return Scored{}, errNotNumbers
	}
	w.top = likeliest(scores[:w.known], j.Top, w.top[:0])
	for i := range w.top {
		w.top[i].LogProb -= all
	}
	s.Top = w.top
	return s, nil
}

// likeliest appends the n tokens with the highest scores, and those in place of log-probabilities, the highest first.
func likeliest(scores []float32, n int, list []Candidate) []Candidate {
	for id, s := range scores {
		k := len(list)
		if k == n {
			if k == 0 || s <= list[k-1].LogProb {
				continue
			}
			list = list[:k-1]
		}
		at, _ := slices.BinarySearchFunc(list, s, func(c Candidate, s float32) int {
			if c.LogProb >= s {
				return -1
			}
			return 1
		})
		list = slices.Insert(list, at, Candidate{uint32(id), s})
	}
	return list
}
