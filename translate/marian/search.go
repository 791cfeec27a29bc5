package marian

import (
	"math"
	"slices"

	"curate/kernel"
)

// search is how the target is looked for: what GenerationConfig says, resolved (transformers 5.24, generation/utils.py).
type search struct {
	beams   int
	penalty float64 // length_penalty
	stop    EarlyStopping
	start   int32
	ends    []int32 // eos_token_id
	rules   rules
}

// lowest is the score of what does not count: transformers' -1e9.
const lowest = -1e9

// hypothesis is a beginning of a target.
type hypothesis struct {
	tokens  []int32 // behind the start
	slots   []int32 // of the start and the tokens
	aligned []int32 // the source token of each token
	next    int32   // and of the one that is being looked for
	sum     float32 // of log-probabilities
}

// finished is a target, its end included.
type finished struct {
	tokens, aligned []int32
	sum, score      float32
}

// sentence is a text on its way.
type sentence struct {
	source   []int32 // slots
	most     int     // tokens of a target with its start
	running  []hypothesis
	done     []finished // the best first
	improves bool       // what runs may still become better than what is done
	over     bool
	align    bool
	first    int // of its rows in the batch
}

// begin makes the hypothesis that holds nothing but the start.
func (q *search) begin(s *sentence, c *cache) {
	s.running = []hypothesis{{slots: []int32{c.take()}}}
	s.improves = true
}

// rows appends what the sentence wants to have decoded.
func (q *search) rows(dst []row, s *sentence) []row {
	s.first = len(dst)
	for i := range s.running {
		h := &s.running[i]
		r := row{token: q.start, position: len(h.tokens), slots: h.slots, source: s.source}
		if n := len(h.tokens); n > 0 {
			r.token = h.tokens[n-1]
		}
		if s.align {
			r.aligned = &h.next
		}
		dst = append(dst, r)
	}
	return dst
}

// candidate is a hypothesis and its next token.
type candidate struct {
	beam  int
	token int32
	sum   float32
}

// advance takes the logits of the sentence's rows, which it changes, and goes a token further.
func (q *search) advance(set *kernel.Set, s *sentence, c *cache, logits []float32, w *picks) {
	if q.beams == 1 {
		q.greedy(set, s, c, logits, w)
		return
	}
	vocab := len(logits) / len(s.running)
	keep := max(2, 1+len(q.ends)) * q.beams
	w.begin(keep)
	for i := range s.running {
		h := &s.running[i]
		l := logits[i*vocab : (i+1)*vocab]
		lse := set.LogSumExp(l)
		if q.rules.apply(set, l, lse, q.start, h.tokens, s.most) {
			lse = 0
		}
		w.take(set, l, lse, h.sum, i)
	}
	length := len(s.running[0].tokens) + 1 // of targets with their next token
	norm := float32(math.Pow(float64(length), q.penalty))
	full := q.stop == StopAtOnce && len(s.done) == q.beams
	next := w.next[:0]
	for i, p := range w.list {
		hits := slices.Contains(q.ends, p.token) || length+1 >= s.most
		if !hits {
			if len(next) < q.beams {
				next = append(next, p)
			}
			continue
		}
		if i >= q.beams || full || !s.improves {
			continue
		}
		h := &s.running[p.beam]
		f := finished{sum: p.sum, score: float32(p.sum / norm)}
		if f.score <= lowest || len(s.done) == q.beams && f.score <= s.done[q.beams-1].score {
			continue
		}
		f.tokens = append(slices.Clone(h.tokens), p.token)
		f.aligned = append(slices.Clone(h.aligned), h.next)
		at := slices.IndexFunc(s.done, func(d finished) bool { return d.score < f.score })
		if at < 0 {
			at = len(s.done)
		}
		s.done = slices.Insert(s.done, at, f)
		s.done = s.done[:min(len(s.done), q.beams)]
	}
	w.next = next
	q.follow(s, c, next)
	if len(next) == 0 {
		s.over = true
		return
	}
	s.improves = s.improves && q.mayImprove(s, length)
	s.over = !s.improves || q.stop == StopAtOnce && len(s.done) == q.beams
}

// mayImprove is _check_early_stop_heuristic.
func (q *search) mayImprove(s *sentence, length int) bool {
	if q.stop == StopNever && q.penalty > 0 {
		length = s.most - 1
	}
	best := float32(s.running[0].sum / float32(math.Pow(float64(length), q.penalty)))
	worst := float32(lowest)
	if len(s.done) == q.beams {
		worst = s.done[q.beams-1].score
	}
	return best > worst
}

// follow makes the chosen candidates the hypotheses that run, and gives back the slots of those that nobody follows.
func (q *search) follow(s *sentence, c *cache, chosen []candidate) {
	old := s.running
	follows := make([]int, len(old)) // how many follow each
	for _, p := range chosen {
		follows[p.beam]++
	}
	s.running = make([]hypothesis, 0, len(chosen))
	for _, p := range chosen {
		h := old[p.beam]
		if follows[p.beam]--; follows[p.beam] > 0 { // the last one takes over what the others copy
			h.tokens, h.slots, h.aligned = slices.Clone(h.tokens), slices.Clone(h.slots), slices.Clone(h.aligned)
		}
		h.tokens, h.aligned = append(h.tokens, p.token), append(h.aligned, h.next)
		h.sum = p.sum
		s.running = append(s.running, h)
	}
	release(c, old, s.running)
	for i := range s.running {
		h := &s.running[i]
		h.slots = append(h.slots, c.take())
	}
}

// release gives back the slots of old hypotheses that none of the new ones has.
func release(c *cache, old, now []hypothesis) {
	// Hypotheses share their beginnings, and no more: at each place there are as many slots as different ones.
	longest := 0
	for _, h := range old {
		longest = max(longest, len(h.slots))
	}
	for at := range longest {
		for i, h := range old {
			slot := h.slots[at]
			seen := slices.ContainsFunc(old[:i], func(g hypothesis) bool { return g.slots[at] == slot })
			if !seen && !slices.ContainsFunc(now, func(g hypothesis) bool { return g.slots[at] == slot }) {
				c.give(slot)
			}
		}
	}
}

// leave gives back all slots of a sentence.
func (q *search) leave(s *sentence, c *cache) {
	release(c, s.running, nil)
	c.give(s.source...)
	s.running, s.source = nil, nil
}

// greedy is num_beams 1: the likeliest token, by the logits that the rules have changed (_sample without do_sample).
func (q *search) greedy(set *kernel.Set, s *sentence, c *cache, logits []float32, w *picks) {
	h := &s.running[0]
	lse := set.LogSumExp(logits)
	raw := logits
	if q.rules.any(len(h.tokens), s.most) {
		w.raw = append(w.raw[:0], logits...)
		raw = w.raw
		q.rules.applyRaw(logits, q.start, h.tokens, s.most)
	}
	top := set.Argmax(logits)
	if top < 0 {
		top = int(q.ends[0]) // nothing but NaN: an end is better than none
	}
	h.sum += float32(raw[top] - lse)
	h.tokens, h.aligned = append(h.tokens, int32(top)), append(h.aligned, h.next)
	if slices.Contains(q.ends, int32(top)) || len(h.tokens)+1 >= s.most {
		s.done = []finished{{tokens: h.tokens, aligned: h.aligned, sum: h.sum, score: h.sum}}
		s.over = true
		return
	}
	h.slots = append(h.slots, c.take())
}

// picks are the best candidates of all beams of a sentence.
type picks struct {
	keep int
	list []candidate // the best first
	next []candidate
	raw  []float32 // logits before the rules
}

func (w *picks) begin(keep int) { w.keep, w.list = keep, w.list[:0] }

// pickBlock is how many logits are skipped at once if none is good enough.
const pickBlock = 256

// take offers the tokens of a beam. Of equal ones the first is better.
func (w *picks) take(set *kernel.Set, l []float32, lse, sum float32, beam int) {
	bar := float32(math.Inf(-1))
	if len(w.list) == w.keep {
		bar = w.list[w.keep-1].sum
	}
	for from := 0; from < len(l); from += pickBlock {
		b := l[from:min(from+pickBlock, len(l))]
		if !(float32(float32(set.Max(b)-lse)+sum) > bar) {
			continue
		}
		for i, v := range b {
			p := float32(float32(v-lse) + sum)
			if !(p > bar) {
				continue
			}
			at := len(w.list)
			for at > 0 && w.list[at-1].sum < p {
				at--
			}
			if len(w.list) < w.keep {
				w.list = append(w.list, candidate{})
			}
			copy(w.list[at+1:], w.list[at:])
			w.list[at] = candidate{beam, int32(from + i), p}
			if len(w.list) == w.keep {
				bar = w.list[w.keep-1].sum
			}
		}
	}
}
