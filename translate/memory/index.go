package memory

import (
	"encoding/binary"
	"math/bits"
)

// A ref says where an entry is: bits 17 to 63 the offset of its frame, bits 1 to 16 the byte in the frame's block where it
// begins, bit 0 whether it has failed. No frame is at offset 0, so no ref is 0.
type ref uint64

const maxFileSize = 1 << 47 // what 47 bits of offset reach: 128 TiB

func makeRef(frame int64, pos int, failed bool) ref {
	r := ref(frame)<<17 | ref(pos)<<1
	if failed {
		r |= 1
	}
	return r
}

func (r ref) frame() int64 { return int64(r >> 17) }
func (r ref) pos() int     { return int(r >> 1 & 0xffff) }
func (r ref) failed() bool { return r&1 != 0 }

// index finds the ref of a key. It is a hash table with linear probing whose slots are in the order of the keys: a key's home
// is its first 64 bits scaled to the capacity, and what is displaced moves up, never around. So a search ends at the first
// greater key, and the table grows by an eighth in place, its entries spread out anew: no second copy, no garbage. At 24 bytes a slot and a load of 7/9 to 7/8 an entry takes 27 to 31 bytes, and 24 KiB more at most.
// Keys are hashes; were they not, searches would be slow but right.
type index struct {
	chunks   []*[chunkSlots]slot
	capacity int // slots that are homes; the ones above take what is displaced from the last homes
	used     int
}

type slot struct {
	hi, lo uint64 // the key
	ref    ref    // 0: the slot is free
}

const (
	chunkSlots = 1 << 10
	slotBytes  = 24
	chunkBytes = chunkSlots*slotBytes + 16 // with the pointer to it, for which append may keep room twice
)

func newIndex(limit int64) (index, error) {
	x := index{capacity: chunkSlots}
	return x, x.extend(2, limit)
}

func keyWords(k Key) (hi, lo uint64) {
	return binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:])
}

func (s *slot) below(hi, lo uint64) bool { return s.hi < hi || s.hi == hi && s.lo < lo }

func (x *index) slots() int     { return len(x.chunks) * chunkSlots }
func (x *index) at(i int) *slot { return &x.chunks[i/chunkSlots][i%chunkSlots] }
func (x *index) bytes() int64   { return int64(len(x.chunks)) * chunkBytes }

// home is where a key belongs in a table of so many homes: a greater key is never before it.
func home(hi uint64, capacity int) int {
	h, _ := bits.Mul64(hi, uint64(capacity))
	return int(h)
}

// seek is the first slot from the key's home on that is free or whose key is not below it, or the end of the table.
func (x *index) seek(hi, lo uint64) int {
	i := home(hi, x.capacity)
	for n := x.slots(); i < n; i++ {
		if s := x.at(i); s.ref == 0 || !s.below(hi, lo) {
			break
		}
	}
	return i
}

func (x *index) find(k Key) (ref, bool) {
	hi, lo := keyWords(k)
	if i := x.seek(hi, lo); i < x.slots() {
		if s := x.at(i); s.ref != 0 && s.hi == hi && s.lo == lo {
			return s.ref, true
		}
	}
	return 0, false
}

// set enters a key or changes its ref. It fails with *FullError, and changes nothing, if a new key would take the table above
// limit bytes; 0 sets no limit.
func (x *index) set(k Key, r ref, limit int64) error {
	hi, lo := keyWords(k)
	i := x.seek(hi, lo)
	if i < x.slots() {
		if s := x.at(i); s.ref != 0 && s.hi == hi && s.lo == lo {
			s.ref = r
			return nil
		}
	}
	if x.used >= x.capacity/8*7 {
		if err := x.grow(limit); err != nil {
			return err
		}
		i = x.seek(hi, lo)
	}
	free := i
	for free < x.slots() && x.at(free).ref != 0 {
		free++
	}
	if free == x.slots() { // the last home's run has reached the end
		if err := x.extend(len(x.chunks)+1, limit); err != nil {
			return err
		}
	}
	for ; free > i; free-- {
		*x.at(free) = *x.at(free - 1)
	}
	*x.at(i) = slot{hi, lo, r}
	x.used++
	return nil
}

// extend makes the table have so many chunks.
func (x *index) extend(chunks int, limit int64) error {
	if need := int64(chunks) * chunkBytes; limit > 0 && need > limit && chunks > len(x.chunks) {
		return &FullError{Need: need, Max: limit}
	}
	for len(x.chunks) < chunks {
		x.chunks = append(x.chunks, new([chunkSlots]slot))
	}
	return nil
}

// grow makes the capacity an eighth larger, a chunk at least.
func (x *index) grow(limit int64) error {
	capacity := x.capacity + (x.capacity/8+chunkSlots)/chunkSlots*chunkSlots
	old := x.slots()
	last := -1 // where the last entry will be
	for i := range old {
		if s := x.at(i); s.ref != 0 {
			last = max(home(s.hi, capacity), last+1)
		}
	}
	if err := x.extend(max(capacity, last+1)/chunkSlots+1, limit); err != nil {
		return err
	}
	// All entries to the end, keeping their order; then from there each to its place. A place is never above the slot it is
	// read from, since those behind it have room behind it.
	to := x.slots()
	for i := old - 1; i >= 0; i-- {
		if s := x.at(i); s.ref != 0 {
			to--
			if to != i {
				*x.at(to), *s = *s, slot{}
			}
		}
	}
	x.capacity = capacity
	last = -1
	for ; to < x.slots(); to++ {
		s := *x.at(to)
		*x.at(to) = slot{}
		last = max(home(s.hi, capacity), last+1)
		*x.at(last) = s
	}
	return nil
}
