package model

import (
	"math"

	"curate/kernel"
)

// A tile is queryTile queries by keyTile keys of one head. On the diagonal, where a query sees few of a tile's keys, stairs of
// stair queries each have products of their own, so that little is computed that nobody sees. All three are a choice of
// speed alone, and multiples of the 6 or 12 rows and 16 or 32 columns that kernels compute at once.
const (
	queryTile = 96
	keyTile   = 288
	stair     = 48
)

// attentionHead is a query head with the keys and values that it uses. Token i has its query at q[i*ldq], its key at
// k[i*ldk] and its value at v[i*ldk], or both in 8 bits at i*size, times a scale.
type attentionHead struct {
	size   int
	scale  float32
	slope  float32
	ramp   ramp // nil: no ALiBi
	prec   kernel.Precision
	q      []float32
	ldq    int
	k, v   []float32
	ldk    int
	smallK []int8 // nil: there are k and v
	smallV []int8
	scaleK []float32
	scaleV []float32
	past   int     // tokens before that of query 0: query i is at place past+i
	starts []int32 // by query; nil: 0 for all
}

// sees gives the keys [from, to) that query i sees.
func (h *attentionHead) sees(i int) (from, to int) {
	if h.starts != nil {
		from = int(h.starts[i])
	}
	return from, h.past + i + 1
}

// box is a part of the scores of a head: queries [i0, i1) by keys [k0, k1).
type box struct{ i0, i1, k0, k1 int }

func (b box) empty() bool { return b.i0 >= b.i1 || b.k0 >= b.k1 }

// box is the smallest that holds all that is seen in a given one.
func (h *attentionHead) box(i0, i1, k0, k1 int) box {
	b := box{i1, i0, k1, k0}
	for i := i0; i < i1; i++ {
		from, to := h.sees(i)
		if from, to = max(from, k0), min(to, k1); from < to {
			b = box{min(b.i0, i), i + 1, min(b.k0, from), max(b.k1, to)}
		}
	}
	return b
}

// part is part n of what is seen of a tile: first what lies before all of its queries, and then the stairs. It may be empty.
// Without ok there are no more.
func (h *attentionHead) part(i0, i1, k0, k1, n int) (b box, ok bool) {
	diagonal := h.past + i0
	if n == 0 {
		return h.box(i0, i1, k0, min(k1, diagonal)), true
	}
	from := i0 + (n-1)*stair
	if from >= i1 || k1 <= diagonal {
		return box{}, false
	}
	to := min(from+stair, i1)
	return h.box(from, to, max(k0, diagonal), min(k1, h.past+to)), true
}

// ramp holds the whole numbers up to 0: what ALiBi's slopes are multiplied by.
type ramp []float32

func (r *ramp) grow(length int) {
	if len(*r) >= length {
		return
	}
	*r = make(ramp, length)
	for i := range *r {
		(*r)[i] = float32(i + 1 - length)
	}
}

// until gives -(n-1+behind) ... -behind: the distances of n keys, the last of which is so far behind a query.
func (r ramp) until(behind, n int) []float32 { return r[len(r)-behind-n : len(r)-behind] }

// tiles is what one worker works in.
type tiles struct {
	room      []float32
	width     int       // of a row of s and ds
	q         []float32 // [queryTile, size]: queries times the scale
	o         []float32 // [queryTile, size]: weighted values, not yet divided by the sum
	s, ds     []float32 // [queryTile, width]: scores, then weights; and their gradients
	dk, dv    []float32 // [width, size]
	max, sums []float32 // [queryTile]
}

// tileNumbers is how many numbers tiles holds.
func tileNumbers(length, size int) int {
	n, w := min(queryTile, length), min(keyTile, length)
	return 2*n*size + 2*n*w + 2*w*size + 2*n
}

func (t *tiles) grow(length, size int) {
	grow(&t.room, tileNumbers(length, size))
	n, w := min(queryTile, length), min(keyTile, length)
	r := t.room
	take := func(n int) (x []float32) {
		x, r = r[:n:n], r[n:]
		return x
	}
	t.width = w
	t.q, t.o = take(n*size), take(n*size)
	t.s, t.ds = take(n*w), take(n*w)
	t.dk, t.dv = take(w*size), take(w*size)
	t.max, t.sums = take(n), take(n)
}

// attend puts the attention of queries [i0, i0+n) of a head, n at most queryTile, into out, [n, size] of stride ldo, and the
// logarithms of the softmaxes' sums into lse, [n], unless it is nil. arXiv 2307.08691, algorithm 1.
func (t *tiles) attend(h *attentionHead, i0, n int, set *kernel.Set, w *kernel.Scratch, out []float32, ldo int, lse []float32) {
	o, highest, sums := t.o[:n*h.size], t.max[:n], t.sums[:n]
	clear(o)
	for i := range n {
		highest[i], sums[i] = float32(math.Inf(-1)), 0
	}
	t.queries(h, i0, i0+n, set)
	// Keys before the diagonal are cut evenly, so that no tile is a few of them.
	end := h.past + i0 + n
	diagonal := end - n
	if n <= stair/4 {
		diagonal = end // few queries have no stairs worth a product
	}
	first := min(h.box(i0, i0+n, 0, end).k0, diagonal)
	step := t.width
	if before := diagonal - first; before > 0 {
		step = min((ceil(before, ceil(before, t.width))+15)&^15, t.width)
	}
	for k0 := first; k0 < diagonal; k0 += step {
		t.attendBox(h, h.box(i0, i0+n, k0, min(k0+step, diagonal)), i0, set, w)
	}
	for k0 := diagonal; k0 < end; k0 += t.width {
		for part := 1; ; part++ {
			b, ok := h.part(i0, i0+n, k0, min(k0+t.width, end), part)
			if !ok {
				break
			}
			t.attendBox(h, b, i0, set, w)
		}
	}
	for i := range n {
		set.Scale(out[i*ldo:][:h.size], 1/sums[i], o[i*h.size:][:h.size])
		if lse != nil {
			lse[i] = highest[i] + float32(kernel.Log(float64(sums[i])))
		}
	}
}

// attendBox adds what a box gives to t.o and t.sums, in which queries begin with first.
func (t *tiles) attendBox(h *attentionHead, b box, first int, set *kernel.Set, w *kernel.Scratch) {
	if b.empty() {
		return
	}
	t.scores(h, b, first, set, w)
	o := t.o[(b.i0-first)*h.size:]
	highest, sums := t.max[b.i0-first:], t.sums[b.i0-first:]
	for i := range b.i1 - b.i0 {
		s := t.seen(h, t.s, b, b.i0+i)
		if len(s) == 0 {
			continue
		}
		if m := max(highest[i], set.Max(s)); m != highest[i] {
			// What was summed up to now was relative to a smaller number.
			if sums[i] != 0 {
				by := kernel.Exp(highest[i] - m)
				sums[i] = float32(sums[i] * by)
				x := o[i*h.size:][:h.size]
				set.Scale(x, by, x)
			}
			highest[i] = m
		}
		sums[i] += set.ExpSum(s, s, highest[i])
	}
	v := t.whole(h, h.v, h.smallV, h.scaleV, t.dv, b, set)
	set.Gemm(w, h.prec, kernel.NN, b.i1-b.i0, h.size, b.k1-b.k0, t.s, t.width, v, h.ldk, true, o, h.size)
}

// whole gives the keys or values of a box with the stride h.ldk: as they are, or made of 8 bits in room.
func (t *tiles) whole(h *attentionHead, x []float32, small []int8, scale, room []float32, b box, set *kernel.Set) []float32 {
	if small == nil {
		return x[b.k0*h.ldk:]
	}
	set.ScaleInt8(room, small[b.k0*h.size:], scale[b.k0:b.k1], h.size)
	return room
}

// queries puts queries [i0, i1) times the scale into t.q.
func (t *tiles) queries(h *attentionHead, i0, i1 int, set *kernel.Set) {
	for i := i0; i < i1; i++ {
		set.Scale(t.q[(i-i0)*h.size:][:h.size], h.scale, h.q[i*h.ldq:][:h.size])
	}
}

// scores puts the scores of a box into t.s. t.q holds the queries from first on.
func (t *tiles) scores(h *attentionHead, b box, first int, set *kernel.Set, w *kernel.Scratch) {
	q := t.q[(b.i0-first)*h.size:]
	k := t.whole(h, h.k, h.smallK, h.scaleK, t.dk, b, set)
	set.Gemm(w, h.prec, kernel.NT, b.i1-b.i0, b.k1-b.k0, h.size, q, h.size, k, h.ldk, false, t.s, t.width)
	if h.ramp == nil {
		return
	}
	for i := b.i0; i < b.i1; i++ {
		from, to := h.sees(i)
		if from, to = max(from, b.k0), min(to, b.k1); from < to {
			set.Axpy(t.s[(i-b.i0)*t.width:][from-b.k0:to-b.k0], h.slope, h.ramp.until(h.past+i+1-to, to-from))
		}
	}
}

// seen gives what query i sees in its row of a box's matrix, and makes the rest of the row zero.
func (t *tiles) seen(h *attentionHead, x []float32, b box, i int) []float32 {
	row := x[(i-b.i0)*t.width:][:b.k1-b.k0]
	from, to := h.sees(i)
	from, to = max(from, b.k0), min(to, b.k1)
	if from >= to {
		clear(row)
		return nil
	}
	clear(row[:from-b.k0])
	clear(row[to-b.k0:])
	return row[from-b.k0 : to-b.k0]
}

// headGrad is the gradient of a head's output, dout[i*ldo], with what the forward pass left.
type headGrad struct {
	dout       []float32
	ldo        int
	lse, delta []float32
}

// gradients puts the weights of a box into t.s again, and the gradients of its scores into t.ds; t.q gets its queries.
// arXiv 2307.08691, algorithm 2, lines 11 to 14.
func (t *tiles) gradients(h *attentionHead, g *headGrad, b box, set *kernel.Set, w *kernel.Scratch) {
	t.queries(h, b.i0, b.i1, set)
	t.scores(h, b, b.i0, set, w)
	set.Gemm(w, h.prec, kernel.NT, b.i1-b.i0, b.k1-b.k0, h.size, g.dout[b.i0*g.ldo:], g.ldo, h.v[b.k0*h.ldk:], h.ldk, false, t.ds, t.width)
	for i := b.i0; i < b.i1; i++ {
		s, ds := t.seen(h, t.s, b, i), t.seen(h, t.ds, b, i)
		if len(s) == 0 {
			continue
		}
		set.SoftmaxGrad(s, s, g.lse[i], 1)
		set.ProbGrad(ds, s, ds, g.delta[i], 1)
	}
}

// addKeys adds what a box gives to dk and dv, [b.k1-b.k0, size].
func (t *tiles) addKeys(h *attentionHead, g *headGrad, b box, set *kernel.Set, w *kernel.Scratch, dk, dv []float32) {
	n, keys := b.i1-b.i0, b.k1-b.k0
	set.Gemm(w, h.prec, kernel.TN, keys, h.size, n, t.s, t.width, g.dout[b.i0*g.ldo:], g.ldo, true, dv, h.size)
	set.Gemm(w, h.prec, kernel.TN, keys, h.size, n, t.ds, t.width, t.q, h.size, true, dk, h.size)
}

// addQueries adds what a box gives to dq, [b.i1-b.i0, size] of stride ldq, but for the scale.
func (t *tiles) addQueries(h *attentionHead, b box, set *kernel.Set, w *kernel.Scratch, dq []float32, ldq int) {
	set.Gemm(w, h.prec, kernel.NN, b.i1-b.i0, h.size, b.k1-b.k0, t.ds, t.width, h.k[b.k0*h.ldk:], h.ldk, true, dq, ldq)
}
