package model

import "curate/kernel"

// extend puts the attention of n tokens that come after past ones into out, [n, heads·headSize]: qkv holds the n new ones.
// cached has the keys of all, [kvHeads, capacity, headSize], and then the values; those of the new ones are put there first.
func (a *attention) extend(p *kernel.Pool, qkv []float32, past, n int, cached []float32, capacity int, out []float32) {
	a.grow(p, past+n)
	s, size := a.stride(), a.headSize
	for h := range 2 * a.kvHeads {
		for i := range n {
			copy(cached[(h*capacity+past+i)*size:][:size], qkv[i*s+(a.heads+h)*size:])
		}
	}
	a.job = attentionJob{
		pool: p, qkv: qkv, out: out, cached: cached, past: past, n: n, capacity: capacity, queryTiles: ceil(n, queryTile),
	}
	p.Each(a.heads*a.job.queryTiles, a.extendPiece)
	a.job = attentionJob{}
}

// extendTile is a piece of extend: a tile of queries of one head.
func (a *attention) extendTile(i, worker int) {
	j := &a.job
	head, tile := i/j.queryTiles, j.queryTiles-1-i%j.queryTiles
	kv := head / (a.heads / a.kvHeads)
	h := attentionHead{
		size: a.headSize, scale: a.scale, prec: a.prec, past: j.past,
		q: j.qkv[head*a.headSize:], ldq: a.stride(),
		k: j.cached[kv*j.capacity*a.headSize:], v: j.cached[(a.kvHeads+kv)*j.capacity*a.headSize:], ldk: a.headSize,
	}
	if a.slopes != nil {
		h.slope, h.ramp = a.slopes[head], a.ramp
	}
	i0 := tile * queryTile
	n := min(queryTile, j.n-i0)
	out := j.out[(i0*a.heads+head)*a.headSize:]
	a.tiles[worker].attend(&h, i0, n, j.pool.Set(), j.pool.Scratch(worker), out, a.heads*a.headSize, nil)
}
