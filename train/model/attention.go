package model

import "curate/kernel"

// attention is the attention of all layers of a model: what it is like, and room to work in. It works tile by tile, as
// FlashAttention-2 does (arXiv 2307.08691, algorithms 1 and 2), so that scores are never kept and memory is linear in length.
// It is for one goroutine at a time; its methods share their work among a pool's.
//
// A row of qkv holds the queries of a token, then its keys, then its values, each head by head:
// (heads + 2·kvHeads)·headSize numbers. Query head h uses key head h / (heads/kvHeads).
//
// This file cuts the work into pieces, attention_tiles.go does them, and attention_cached.go is for decoding.
type attention struct {
	rows, length             int // of the batch at hand: may be set anew before each forward
	heads, kvHeads, headSize int
	scale                    float32   // of the scores
	slopes                   []float32 // of ALiBi by head; nil: none
	prec                     kernel.Precision

	tiles []tiles   // one a worker
	delta []float32 // [rows, heads, length]: Σ dout·out of a token and head
	ramp  ramp

	// What the pieces of the call at hand work on. They are method values made once: a new closure would be garbage of
	// every call.
	job           attentionJob
	sequences     []cachedSequence // of extend
	forwardPiece  func(i, worker int)
	deltaPiece    func(i, worker int)
	backwardPiece func(i, worker int)
	extendPiece   func(i, worker int)
}

type attentionJob struct {
	pool                              *kernel.Pool
	qkv, out, lse, dout, dqkv         []float32
	starts                            []int32
	queryTiles, keyTiles, wholeGroups int

	tokens int // of extend: new ones of each of sequences
}

// newAttention makes the attention of a model. Its room grows with the first batch of a shape, and stays.
func newAttention(heads, kvHeads, headSize int, scale float32, slopes []float32, prec kernel.Precision) *attention {
	a := &attention{heads: heads, kvHeads: kvHeads, headSize: headSize, scale: scale, slopes: slopes, prec: prec}
	a.forwardPiece, a.deltaPiece, a.backwardPiece = a.forwardTile, a.deltaOf, a.backwardOf
	a.extendPiece = a.extendTile
	return a
}

// attentionBytes is the room that the attention of a model needs for a batch of rows by length, on so many workers.
func attentionBytes(rows, length, heads, headSize, workers int, alibi, backward bool) int64 {
	n := int64(workers) * int64(tileNumbers(length, headSize))
	if backward {
		n += int64(rows) * int64(heads) * int64(length)
	}
	if alibi {
		n += int64(length)
	}
	return 4 * n
}

// bytes is the room that there is at present.
func (a *attention) bytes() int64 {
	n := cap(a.delta) + cap(a.ramp)
	for i := range a.tiles {
		n += cap(a.tiles[i].room)
	}
	return 4 * int64(n)
}

// stride is how long a row of qkv is.
func (a *attention) stride() int { return (a.heads + 2*a.kvHeads) * a.headSize }

// grow makes room for sequences of a length.
func (a *attention) grow(p *kernel.Pool, length int) {
	for len(a.tiles) < p.Workers() {
		a.tiles = append(a.tiles, tiles{})
	}
	for i := range p.Workers() {
		a.tiles[i].grow(length, a.headSize)
	}
	if a.slopes != nil {
		a.ramp.grow(length)
	}
}

// forward puts the attention of all tokens into out, [N, heads·headSize]: token i of a row sees j in [starts[i], i] (starts
// may be nil: from 0) with weights softmax(scale·q·k - slope·(i-j)). lse gets the logarithm of each softmax's sum,
// [rows, heads, length], for the backward pass; nil if there will be none. Tiles in which nothing is seen are passed over.
func (a *attention) forward(p *kernel.Pool, qkv []float32, starts []int32, out, lse []float32) {
	a.grow(p, a.length)
	a.job = attentionJob{pool: p, qkv: qkv, starts: starts, out: out, lse: lse, queryTiles: ceil(a.length, queryTile)}
	p.Each(a.rows*a.heads*a.job.queryTiles, a.forwardPiece)
	a.job = attentionJob{}
}

// forwardTile is a piece of forward: a tile of queries of one head. The last tiles see the most, and come first.
func (a *attention) forwardTile(i, worker int) {
	j := &a.job
	unit, tile := i/j.queryTiles, j.queryTiles-1-i%j.queryTiles
	row, head := unit/a.heads, unit%a.heads
	t := &a.tiles[worker]
	h := a.head(row, head)
	i0 := tile * queryTile
	n := min(queryTile, a.length-i0)
	out := j.out[((row*a.length+i0)*a.heads+head)*a.headSize:]
	var lse []float32
	if j.lse != nil {
		lse = j.lse[unit*a.length+i0:][:n]
	}
	t.attend(&h, i0, n, j.pool.Set(), j.pool.Scratch(worker), out, a.heads*a.headSize, lse)
}

// head is a query head of a row of the batch with the keys and values that it uses.
func (a *attention) head(row, head int) attentionHead {
	j := &a.job
	s := a.stride()
	x := j.qkv[row*a.length*s:][:a.length*s]
	kv := a.heads + head/(a.heads/a.kvHeads)
	h := attentionHead{
		size: a.headSize, scale: a.scale, prec: a.prec,
		q: x[head*a.headSize:], ldq: s,
		k: x[kv*a.headSize:], v: x[(kv+a.kvHeads)*a.headSize:], ldk: s,
	}
	if j.starts != nil {
		h.starts = j.starts[row*a.length:][:a.length]
	}
	if a.slopes != nil {
		h.slope, h.ramp = a.slopes[head], a.ramp
	}
	return h
}

// backward puts the gradient of qkv into dqkv, from that of out.
//
// A group is a key head of a row with its query heads. A worker takes a whole group at a time, which costs five products a
// tile of scores. The groups left over when each worker has had as many take apart into tiles of queries, for dq, and tiles
// of keys, for dk and dv, which all workers share; scores are made twice for them: seven products. Either way the same
// tiles are added in the same order, so that the number of workers does not show.
func (a *attention) backward(p *kernel.Pool, qkv []float32, starts []int32, out, lse, dout, dqkv []float32) {
	a.grow(p, a.length)
	grow(&a.delta, a.rows*a.heads*a.length)
	groups := a.rows * a.kvHeads
	whole := groups - groups%p.Workers()
	j := attentionJob{
		pool: p, qkv: qkv, starts: starts, out: out, lse: lse, dout: dout, dqkv: dqkv,
		queryTiles: ceil(a.length, queryTile), keyTiles: ceil(a.length, keyTile), wholeGroups: whole,
	}
	a.job = j
	p.Each(a.rows*j.queryTiles, a.deltaPiece)
	p.Each(whole+(groups-whole)*(j.keyTiles+a.heads/a.kvHeads*j.queryTiles), a.backwardPiece)
	a.job = attentionJob{}
}

// deltaOf makes delta for a tile of tokens of a row, all heads.
func (a *attention) deltaOf(i, _ int) {
	j := &a.job
	set := j.pool.Set()
	row, i0 := i/j.queryTiles, i%j.queryTiles*queryTile
	for i := i0; i < min(i0+queryTile, a.length); i++ {
		for h := range a.heads {
			at := ((row*a.length+i)*a.heads + h) * a.headSize
			a.delta[(row*a.heads+h)*a.length+i] = set.Dot(j.dout[at:at+a.headSize], j.out[at:at+a.headSize])
		}
	}
}

// backwardOf is a piece of backward: a whole group, or a tile of keys of one, or a tile of queries of one of its heads.
func (a *attention) backwardOf(i, worker int) {
	j := &a.job
	if i < j.wholeGroups {
		a.backwardKeys(i, 0, a.length, true, worker)
		return
	}
	perHead := a.heads / a.kvHeads
	pieces := j.keyTiles + perHead*j.queryTiles
	group := j.wholeGroups + (i-j.wholeGroups)/pieces
	switch i := (i - j.wholeGroups) % pieces; {
	case i < j.keyTiles: // the first are seen by the most
		a.backwardKeys(group, i*keyTile, min((i+1)*keyTile, a.length), false, worker)
	default:
		i -= j.keyTiles
		head, tile := i/j.queryTiles, j.queryTiles-1-i%j.queryTiles
		a.backwardQueries(group, head, tile*queryTile, worker)
	}
}

// backwardKeys puts dk and dv of keys [from, to) of a group; with all, which wants all keys, dq of its queries as well.
func (a *attention) backwardKeys(group, from, to int, all bool, worker int) {
	j := &a.job
	set, w, t := j.pool.Set(), j.pool.Scratch(worker), &a.tiles[worker]
	row, kv := group/a.kvHeads, group%a.kvHeads
	perHead, size, s := a.heads/a.kvHeads, a.headSize, a.stride()
	if all {
		for g := range perHead {
			a.clearQueries(row, kv*perHead+g, 0, a.length)
		}
	}
	dqkv := j.dqkv[row*a.length*s:][:a.length*s]
	for k0 := from; k0 < to; k0 += keyTile {
		n := min(keyTile, to-k0)
		dk, dv := t.dk[:n*size], t.dv[:n*size]
		clear(dk)
		clear(dv)
		for g := range perHead {
			head := kv*perHead + g
			h := a.head(row, head)
			grad := a.headGrad(row, head)
			for i0 := k0 / queryTile * queryTile; i0 < a.length; i0 += queryTile {
				for part := 0; ; part++ {
					b, ok := h.part(i0, min(i0+queryTile, a.length), k0, k0+n, part)
					if !ok {
						break
					}
					if b.empty() {
						continue
					}
					t.gradients(&h, &grad, b, set, w)
					t.addKeys(&h, &grad, b, set, w, dk[(b.k0-k0)*size:], dv[(b.k0-k0)*size:])
					if all {
						t.addQueries(&h, b, set, w, dqkv[b.i0*s+head*size:], s)
					}
				}
			}
		}
		for i := range n {
			d := dqkv[(k0+i)*s+(a.heads+kv)*size:]
			copy(d[:size], dk[i*size:])
			copy(d[a.kvHeads*size:][:size], dv[i*size:])
		}
	}
	if all {
		for g := range perHead {
			a.scaleQueries(row, kv*perHead+g, 0, a.length)
		}
	}
}

// backwardQueries puts dq of a tile of queries of a group's head.
func (a *attention) backwardQueries(group, head, i0, worker int) {
	j := &a.job
	set, w, t := j.pool.Set(), j.pool.Scratch(worker), &a.tiles[worker]
	row := group / a.kvHeads
	head += group % a.kvHeads * (a.heads / a.kvHeads)
	h := a.head(row, head)
	grad := a.headGrad(row, head)
	i1 := min(i0+queryTile, a.length)
	s := a.stride()
	a.clearQueries(row, head, i0, i1)
	for k0 := 0; k0 < i1; k0 += keyTile {
		for part := 0; ; part++ {
			b, ok := h.part(i0, i1, k0, min(k0+keyTile, a.length), part)
			if !ok {
				break
			}
			if b.empty() {
				continue
			}
			t.gradients(&h, &grad, b, set, w)
			t.addQueries(&h, b, set, w, j.dqkv[(row*a.length+b.i0)*s+head*a.headSize:], s)
		}
	}
	a.scaleQueries(row, head, i0, i1)
}

// headGrad is what the gradients of a head are made of.
func (a *attention) headGrad(row, head int) headGrad {
	j := &a.job
	at := (row*a.heads + head) * a.length
	return headGrad{
		dout: j.dout[(row*a.length*a.heads+head)*a.headSize:], ldo: a.heads * a.headSize,
		lse: j.lse[at : at+a.length], delta: a.delta[at : at+a.length],
	}
}

// clearQueries makes dq of tokens [i0, i1) zero.
func (a *attention) clearQueries(row, head, i0, i1 int) {
	s := a.stride()
	for i := i0; i < i1; i++ {
		clear(a.job.dqkv[(row*a.length+i)*s+head*a.headSize:][:a.headSize])
	}
}

// scaleQueries multiplies dq by the scale of the scores, the last step of its sum.
func (a *attention) scaleQueries(row, head, i0, i1 int) {
	s := a.stride()
	for i := i0; i < i1; i++ {
		d := a.job.dqkv[(row*a.length+i)*s+head*a.headSize:][:a.headSize]
		a.job.pool.Set().Scale(d, a.scale, d)
	}
}

func ceil(n, by int) int { return (n + by - 1) / by }
