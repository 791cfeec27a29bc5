package marian

import (
	"math"
	"slices"

	"curate/kernel"
)

// rules change what may come next: transformers' logits processors, in the order in which generate() puts them. Those of a beam
// work on log-probabilities, those of a greedy search on logits.
type rules struct {
	repetition  float32   // repetition_penalty; 1 none
	ngram       int       // no_repeat_ngram_size; 0 none
	bad         [][]int32 // bad_words_ids, without single ends
	least       int       // min_length, the start counted
	ends        []int32   // eos_token_id
	forced      []int32   // forced_eos_token_id, for the last place
	renormalize bool      // renormalize_logits
}

var never = float32(math.Inf(-1))

// apply changes the logits of what comes behind start and tokens, of which lse is the LogSumExp. It says whether they are
// log-probabilities now.
func (r *rules) apply(set *kernel.Set, l []float32, lse float32, start int32, tokens []int32, most int) bool {
	if len(tokens)+2 == most && len(r.forced) > 0 || r.renormalize || r.repetition != 1 {
		for i := range l {
			l[i] = float32(l[i] - lse)
		}
		r.applyRaw(l, start, tokens, most)
		if r.renormalize {
			lse = set.LogSumExp(l)
			for i := range l {
				l[i] = float32(l[i] - lse)
			}
		}
		return true
	}
	r.applyRaw(l, start, tokens, most)
	return false
}

// any says whether applyRaw may change what comes behind n tokens.
func (r *rules) any(n, most int) bool {
	return r.repetition != 1 || r.ngram > 0 || len(r.bad) > 0 || n+1 < r.least || len(r.forced) > 0 && n+2 == most
}

// applyRaw changes scores of either kind; it does not renormalize.
func (r *rules) applyRaw(l []float32, start int32, tokens []int32, most int) {
	if r.repetition != 1 {
		penalize := func(t int32) {
			if v := l[t]; v < 0 {
				l[t] = float32(v * r.repetition)
			} else {
				l[t] = float32(v / r.repetition)
			}
		}
		if !slices.Contains(tokens, start) {
			penalize(start)
		}
		for i, t := range tokens {
			if !slices.Contains(tokens[:i], t) {
				penalize(t)
			}
		}
	}
	if n := r.ngram; n > 0 && len(tokens)+1 >= n {
		at := func(i int) int32 { // of the start and the tokens
			if i == 0 {
				return start
			}
			return tokens[i-1]
		}
		length := len(tokens) + 1
		for from := 0; from+n <= length; from++ {
			same := true
			for j := 0; j < n-1 && same; j++ {
				same = at(from+j) == at(length-n+1+j)
			}
			if same {
				l[at(from+n-1)] = never
			}
		}
	}
	for _, word := range r.bad {
		n := len(word) - 1
		if n == 0 || n <= len(tokens) && slices.Equal(tokens[len(tokens)-n:], word[:n]) ||
			n == len(tokens)+1 && word[0] == start && slices.Equal(tokens, word[1:n]) {
			l[word[n]] = never
		}
	}
	if len(tokens)+1 < r.least {
		for _, e := range r.ends {
			l[e] = never
		}
	}
	if len(r.forced) > 0 && len(tokens)+2 == most {
		for i := range l {
			l[i] = never
		}
		for _, e := range r.forced {
			l[e] = 0
		}
	}
}
