package model

import "curate/kernel"

// cachedSequence is a sequence that is extended by some tokens. qkv holds those, and out, [tokens, heads·headSize], gets their
// attention. cached has the keys of all, [kvHeads, capacity, headSize], and then the values; past tokens are in it. Or they are in small, in 8
// bits, with a scale for each row of headSize, [2·kvHeads, capacity].
type cachedSequence struct {
	qkv, out, cached []float32
	small            []int8
	scales           []float32
	past, capacity   int
}

// extend puts the attention of n tokens that come after those of a sequence into its out, for each of a.sequences. Keys and
// values of the new ones are put behind those of the others first. What comes of a sequence does not depend on the others.
func (a *attention) extend(p *kernel.Pool, n int) {
	s, size, longest := a.stride(), a.headSize, 0
	for q := range a.sequences {
		c := &a.sequences[q]
		longest = max(longest, c.past+n)
		for h := range 2 * a.kvHeads {
			if c.small != nil {
				at := h*c.capacity + c.past
				kernel.Quantize8(n, size, c.qkv[(a.heads+h)*size:], s, c.small[at*size:], c.scales[at:])
				continue
			}
			for i := range n {
				copy(c.cached[(h*c.capacity+c.past+i)*size:][:size], c.qkv[i*s+(a.heads+h)*size:])
			}
		}
	}
	a.grow(p, longest)
	a.job = attentionJob{pool: p, tokens: n, queryTiles: ceil(n, queryTile)}
	p.Each(len(a.sequences)*a.heads*a.job.queryTiles, a.extendPiece)
	a.job = attentionJob{}
	clear(a.sequences) // hold on to nobody's memory
}

// extendTile is a piece of extend: a tile of queries of one head of a sequence.
func (a *attention) extendTile(i, worker int) {
	j := &a.job
	unit, tile := i/j.queryTiles, j.queryTiles-1-i%j.queryTiles
	c, head := &a.sequences[unit/a.heads], unit%a.heads
	kv := head / (a.heads / a.kvHeads)
	h := attentionHead{
		size: a.headSize, scale: a.scale, prec: a.prec, past: c.past,
		q: c.qkv[head*a.headSize:], ldq: a.stride(),
		ldk: a.headSize,
	}
	if k, v := kv*c.capacity, (a.kvHeads+kv)*c.capacity; c.small != nil {
		h.smallK, h.scaleK, h.smallV, h.scaleV = c.small[k*a.headSize:], c.scales[k:], c.small[v*a.headSize:], c.scales[v:]
	} else {
		h.k, h.v = c.cached[k*a.headSize:], c.cached[v*a.headSize:]
	}
	if a.slopes != nil {
		h.slope, h.ramp = a.slopes[head], a.ramp
	}
	i0 := tile * queryTile
	n := min(queryTile, j.tokens-i0)
	out := c.out[(i0*a.heads+head)*a.headSize:]
	a.tiles[worker].attend(&h, i0, n, j.pool.Set(), j.pool.Scratch(worker), out, a.heads*a.headSize, nil)
}
