package model

import "math/bits"

// merges is a list of merges as a table: which two tokens become one, and which pair goes before which.
type merges struct {
	// merged is the token that each rank, a place in the list of merges, makes.
	merged []uint32
	// pairs is a flat open-addressed table of left<<43 | right<<22 | rank. Both ids have 21 bits and the rank 22, so
	// that an entry is one word, and a cache line holds eight.
	pairs []uint64
	shift uint // of the hash, so that what is left is an index
	// maybe has a bit set at the hash of each pair, of eight to sixteen bits a pair: most pairs that are asked for are no
	// merge, and this table stays in a nearer cache.
	maybe      []uint64
	maybeShift uint
}

const (
	rankBits = 22
	idBits   = 21
	// MaxMerges is how many merges there may be at most. Real lists have up to about 450,000.
	MaxMerges = 1<<rankBits - 1

	noRank  = 1<<32 - 1
	noEntry = 1<<64 - 1 // no pair has it: MaxIDs is no id
)

// newMerges is an empty table for n merges: put fills it, and its caller fills merged.
func newMerges(n int) merges {
	m := merges{merged: make([]uint32, n)}
	size := 64
	for size < 2*n { // at most half full
		size *= 2
	}
	m.pairs = make([]uint64, size)
	m.shift = uint(64 - bits.TrailingZeros(uint(size)))
	for i := range m.pairs {
		m.pairs[i] = noEntry
	}
	m.maybe = make([]uint64, size/16) // 4 bits a slot
	m.maybeShift = m.shift - 2
	return m
}

func hashPair(key uint64) uint64 { return key * mixA }

func (m *merges) put(a, b, rank uint32) {
	key := uint64(a)<<idBits | uint64(b)
	mask := uint64(len(m.pairs) - 1)
	hash := hashPair(key)
	bit := hash >> m.maybeShift
	m.maybe[bit>>6] |= 1 << (bit & 63)
	h := hash >> m.shift
	for m.pairs[h] != noEntry && m.pairs[h]>>rankBits != key {
		h = (h + 1) & mask
	}
	m.pairs[h] = key<<rankBits | uint64(rank)
}

// rank is the place of the pair in the list of merges, or noRank.
func (m *merges) rank(a, b uint32) uint32 {
	key := uint64(a)<<idBits | uint64(b)
	mask := uint64(len(m.pairs) - 1)
	hash := hashPair(key)
	bit := hash >> (m.maybeShift & 63)
	if m.maybe[bit>>6]>>(bit&63)&1 == 0 {
		return noRank
	}
	for h := hash >> (m.shift & 63); ; h++ {
		e := m.pairs[h&mask]
		if e>>rankBits == key {
			return uint32(e & (1<<rankBits - 1))
		}
		if e == noEntry {
			return noRank
		}
	}
}
