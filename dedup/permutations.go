package dedup

// mersenne is the prime 2^61-1, the modulus of the permutations.
const mersenne = 1<<61 - 1

// permutations are the functions h -> ((a*h + b) mod 2^64) mod (2^61-1). The overflow of the 64-bit product is part
// of the definition (datatrove 0.10.1, pipeline/dedup/minhash.py; datasketch before 2.0.0): values are those of the
// field's signatures, and what is lost against a true permutation of the field is not measurable.
type permutations struct{ a, b []uint64 }

// drawPermutations makes n of them from a seed, as numpy does in datatrove's get_hash_func: RandomState(seed)
// draws all a from [1, 2^61-1), then all b from [0, 2^61-1).
func drawPermutations(seed uint32, n int) permutations {
	g := newMersenneTwister(seed)
	p := permutations{make([]uint64, n), make([]uint64, n)}
	for i := range p.a {
		p.a[i] = g.between(1, mersenne)
	}
	for i := range p.b {
		p.b[i] = g.between(0, mersenne)
	}
	return p
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
// half first, masked to the bits of the range and drawn anew when they lie beyond it.
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
