package dedup

// mersenne is the prime 2^61-1, the modulus of the permutations.
const mersenne = 1<<61 - 1

// permutations are the functions h -> a*h + b of a family. The overflow of the 64-bit product is part of
// the definition (datatrove 0.10.1, pipeline/dedup/minhash.py; datasketch before 2.0.0): values are those of the
// field's signatures, and what is lost against a true permutation of the field is not measurable.
type permutations struct{ a, b []uint64 }

// drawing is a way to draw permutations of a family.
type drawing struct {
	name   string
	family family
	draw   func(g *mersenneTwister, n int) permutations
}

// drawings is sorted by name.
var drawings = []drawing{
	// a is odd, which makes a bijection of it (datasketch 2.0.0, minhash.py, _init_permutations).
	{"affine32", affine32, drawColumns(
		func(g *mersenneTwister) uint64 { return 2*uint64(g.below32(1<<31-1)) + 1 },
		func(g *mersenneTwister) uint64 { return uint64(g.below32(1<<32 - 1)) },
	)},
	{"affine64", affine64, drawColumns(
		func(g *mersenneTwister) uint64 { return 2*g.between(0, 1<<63) + 1 },
		func(g *mersenneTwister) uint64 { return g.between(0, 0) }, // of all 64 bits
	)},
	// datatrove's get_hash_func and text-dedup's permutations of 64 bits
	{"mersenne61", mersenne61, drawColumns(
		func(g *mersenneTwister) uint64 { return g.between(1, mersenne) },
		func(g *mersenneTwister) uint64 { return g.between(0, mersenne) },
	)},
	// datasketch before 2.0.0, and its scheme legacy since
	{"mersenne61-pairs", mersenne61, func(g *mersenneTwister, n int) permutations {
		p := permutations{make([]uint64, n), make([]uint64, n)}
		for i := range n {
			p.a[i] = g.between(1, mersenne)
			p.b[i] = g.between(0, mersenne)
		}
		return p
	}},
	// text-dedup 0.4.1, config/algorithms/minhash.py, hash_bits 32
	{"prime32", prime32, drawColumns(
		func(g *mersenneTwister) uint64 { return 1 + uint64(g.below32(prime-2)) },
		func(g *mersenneTwister) uint64 { return uint64(g.below32(prime - 1)) },
	)},
}

// drawColumns draws all a, then all b, as numpy's RandomState.randint with a size does.
func drawColumns(a, b func(g *mersenneTwister) uint64) func(*mersenneTwister, int) permutations {
	return func(g *mersenneTwister, n int) permutations {
		p := permutations{make([]uint64, n), make([]uint64, n)}
		for i := range p.a {
			p.a[i] = a(g)
		}
		for i := range p.b {
			p.b[i] = b(g)
		}
		return p
	}
}

// drawPermutations makes n of mersenne61 from a seed.
func drawPermutations(seed uint32, n int) permutations {
	for _, d := range drawings {
		if d.name == "mersenne61" {
			return d.draw(newMersenneTwister(seed), n)
		}
	}
	panic("dedup: no drawing mersenne61")
}

// mersenneTwister is MT19937 of Matsumoto and Nishimura (ACM TOMACS 8(1), 1998), seeded by the init_genrand of
// their mt19937ar.c of 2002, which is what numpy's RandomState does with an integer seed.
type mersenneTwister struct {
	state [twisterN]uint32
	next  int
}

const (
	twisterN = 624
	twisterM = 397
)

func newMersenneTwister(seed uint32) *mersenneTwister {
	g := &mersenneTwister{next: twisterN}
	g.state[0] = seed
	for i := uint32(1); i < twisterN; i++ {
		last := g.state[i-1]
		g.state[i] = 1812433253*(last^last>>30) + i
	}
	return g
}

func (g *mersenneTwister) uint32() uint32 {
	if g.next == twisterN {
		s := &g.state
		for i := range s {
			y := s[i]&0x80000000 | s[(i+1)%twisterN]&0x7FFFFFFF
			s[i] = s[(i+twisterM)%twisterN] ^ y>>1 ^ (y&1)*0x9908B0DF
		}
		g.next = 0
	}
	y := g.state[g.next]
	g.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9D2C5680
	y ^= y << 15 & 0xEFC60000
	return y ^ y>>18
}

// between is numpy's legacy randint of dtype uint64 in [low, high), for ranges above 32 bits: two draws, the upper
// half first, masked to the bits of the range and drawn anew when they lie beyond it. A high of 0 is 2^64.
func (g *mersenneTwister) between(low, high uint64) uint64 {
	last := high - 1 - low
	mask := last
	for s := 1; s < 64; s <<= 1 {
		mask |= mask >> s
	}
	for {
		upper := uint64(g.uint32())
		if v := (upper<<32 | uint64(g.uint32())) & mask; v <= last {
			return low + v
		}
	}
}

// below32 is numpy's legacy randint of dtype uint32 in [0, last]: one draw, masked and drawn anew in the same way.
func (g *mersenneTwister) below32(last uint32) uint32 {
	mask := last
	for s := 1; s < 32; s <<= 1 {
		mask |= mask >> s
	}
	for {
		if v := g.uint32() & mask; v <= last {
			return v
		}
	}
}
