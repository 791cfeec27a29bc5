package dedup

import "math"

// What the online methods remember, in memory. Nothing here has a pointer for each document, which the garbage collector
// would follow, and nothing grows by a copy of all of it.

const (
	maxHeld   = math.MaxUint32 // documents that have a number
	heldBytes = 24             // of a digested and of a heldDocument
)

// bytes is what the column takes, whose values have so many bytes.
func (c *column[T]) bytes(value int64) int64 {
	return int64(len(c.chunks)-c.given)*columnChunk*value + 24*int64(len(c.chunks))
}

// forget gives up value i. It is called for 0, 1, 2 and so on.
func (c *column[T]) forget(i uint32) {
	if i%columnChunk == columnChunk-1 {
		c.chunks[i/columnChunk] = nil
		c.given++
	}
}

// arena holds lists of numbers. The lists that came first can be given up.
type arena struct {
	blocks [][]uint64
	given  int // blocks given up
	bytes  int64
}

// place is where a list begins.
type place struct{ block, at uint32 }

// arenaBlock is how many values a block has, but for one that holds a larger list alone.
const arenaBlock = 32 << 10

func (a *arena) add(values []uint64) place {
	k := len(a.blocks) - 1
	if k < a.given || cap(a.blocks[k])-len(a.blocks[k]) < len(values) {
		b := make([]uint64, 0, max(arenaBlock, len(values)))
		a.blocks = append(a.blocks, b)
		a.bytes += 8*int64(cap(b)) + 24
		k++
	}
	p := place{uint32(k), uint32(len(a.blocks[k]))}
	a.blocks[k] = append(a.blocks[k], values...)
	return p
}

// at is the n values there.
func (a *arena) at(p place, n int) []uint64 { return a.blocks[p.block][p.at:][:n:n] }

// forget gives up the blocks before a list that is still wanted.
func (a *arena) forget(before place) {
	for ; a.given < int(before.block); a.given++ {
		a.bytes -= 8 * int64(cap(a.blocks[a.given]))
		a.blocks[a.given] = nil
	}
}

// hashTable finds the numbers of documents by a hash, of which each may have several. It is cut into parts by the highest
// bits of the hash, which grow one by one. Within a part an entry lies at the place that the lowest bits say, or in one of
// those behind it that are not empty (Knuth, The Art of Computer Programming 3, 6.4, algorithms L and R).
type hashTable struct {
	parts [tableParts]tablePart
	bytes int64 // that it takes
}

type tablePart struct {
	hashes []uint64
	docs   []uint32 // number + 1; 0 is an empty place
	n      int
}

const (
	tableParts  = 256
	tableShift  = 64 - 8
	firstPlaces = 16
)

// find appends the numbers with the hash, in no order.
func (t *hashTable) find(dst []uint32, hash uint64) []uint32 {
	p := &t.parts[hash>>tableShift]
	mask := uint64(len(p.docs) - 1)
	if len(p.docs) == 0 {
		return dst
	}
	for i := hash & mask; p.docs[i] != 0; i = (i + 1) & mask {
		if p.hashes[i] == hash {
			dst = append(dst, p.docs[i]-1)
		}
	}
	return dst
}

// add puts in a number.
func (t *hashTable) add(hash uint64, doc uint32) {
	p := &t.parts[hash>>tableShift]
	if 4*(p.n+1) > 3*len(p.docs) { // at most three quarters full
		old := *p
		places := max(firstPlaces, 2*len(old.docs))
		p.hashes, p.docs = make([]uint64, places), make([]uint32, places)
		for i, d := range old.docs {
			if d != 0 {
				p.put(old.hashes[i], d)
			}
		}
		t.bytes += 12 * int64(places-len(old.docs))
	}
	p.put(hash, doc+1)
	p.n++
}

func (p *tablePart) put(hash uint64, entry uint32) {
	mask := uint64(len(p.docs) - 1)
	i := hash & mask
	for p.docs[i] != 0 {
		i = (i + 1) & mask
	}
	p.hashes[i], p.docs[i] = hash, entry
}

// remove takes out a number, if it is there.
func (t *hashTable) remove(hash uint64, doc uint32) {
	p := &t.parts[hash>>tableShift]
	if len(p.docs) == 0 {
		return
	}
	mask := uint64(len(p.docs) - 1)
	i := hash & mask
	for ; p.docs[i] == 0 || p.hashes[i] != hash || p.docs[i] != doc+1; i = (i + 1) & mask {
		if p.docs[i] == 0 {
			return
		}
	}
	p.n--
	// Entries behind it move up, unless that would put them before their own place.
	for k := (i + 1) & mask; p.docs[k] != 0; k = (k + 1) & mask {
		if (k-p.hashes[k]&mask)&mask >= (k-i)&mask {
			p.hashes[i], p.docs[i] = p.hashes[k], p.docs[k]
			i = k
		}
	}
	p.hashes[i], p.docs[i] = 0, 0
}
