package sentencepiece

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// trie is a double array over the spellings of pieces: the unit below the unit at i for the byte b stands at base XOR
// b, if its label is b. Everything is within one array, and a step is one access.
type trie struct {
	units []trieUnit
}

type trieUnit struct {
	link uint32 // base << 9 | label; the label of an empty unit and of the root is no byte
	id   int32  // of the piece that ends here; -1: none
}

const (
	labelBits = 9
	noLabel   = 256
	// trieLimit is how many units fit: far above what vocabularies need, XLM-R's 250,000 pieces take less than a tenth.
	trieLimit = 1 << (32 - labelBits)
	// openBlocks is how many of the last blocks of 256 units are searched for room, as in darts-clone.
	openBlocks = 16
)

// root is where walks begin: the base of unit 0.
func (t *trie) root() uint32 { return t.units[0].link >> labelBits }

// step is the unit that b leads to from a base.
func (t *trie) step(base uint32, b byte) (u trieUnit, ok bool) {
	u = t.units[base^uint32(b)]
	return u, u.link&(1<<labelBits-1) == uint32(b)
}

func (t *trie) memory() int64 { return int64(8 * len(t.units)) }

type trieBuilder struct {
	trie
	// Empty units of the open blocks, in a ring around unit 0 (which is none of them).
	next, prev []uint32
	taken      []bool // bases
}

// newTrie makes a trie of the pieces with these ids. Their spellings are not empty, and distinct.
func newTrie(pieces []Piece, ids []uint32) (*trie, error) {
	ids = sorted(pieces, ids)
	b := &trieBuilder{}
	b.grow()
	b.take(0, noLabel)
	type node struct {
		at, from, to uint32 // the unit, and the ids whose spellings lead through it
		depth        int
	}
	var labels []byte
	var starts []uint32
	for stack := []node{{0, 0, uint32(len(ids)), 0}}; len(stack) > 0; {
		x := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if len(pieces[ids[x.from]].Text) == x.depth {
			b.units[x.at].id = int32(ids[x.from])
			x.from++
		}
		if x.from == x.to {
			continue
		}
		labels, starts = labels[:0], starts[:0]
		for i := x.from; i < x.to; i++ {
			if c := pieces[ids[i]].Text[x.depth]; len(labels) == 0 || labels[len(labels)-1] != c {
				labels, starts = append(labels, c), append(starts, i)
			}
		}
		base := b.room(labels)
		if len(b.units) > trieLimit {
			return nil, fmt.Errorf("the pieces are too many and too different: a trie of them has more than %d nodes", trieLimit)
		}
		b.taken[base] = true
		b.units[x.at].link |= base << labelBits
		starts = append(starts, x.to)
		for i, c := range labels {
			b.take(base^uint32(c), uint32(c))
			stack = append(stack, node{base ^ uint32(c), starts[i], starts[i+1], x.depth + 1})
		}
	}
	return &trie{slices.Clip(b.units)}, nil
}

// sorted are the ids by spelling. The first 8 bytes decide nearly always.
func sorted(pieces []Piece, ids []uint32) []uint32 {
	type entry struct {
		head uint64
		id   uint32
	}
	all := make([]entry, len(ids))
	for i, id := range ids {
		var head [8]byte
		copy(head[:], pieces[id].Text)
		all[i] = entry{binary.BigEndian.Uint64(head[:]), id}
	}
	slices.SortFunc(all, func(a, b entry) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Compare(pieces[a.id].Text, pieces[b.id].Text)
	})
	ids = make([]uint32, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	return ids
}

// emptyTrie has nothing in it.
func emptyTrie() *trie {
	b := &trieBuilder{}
	b.grow()
	b.grow()
	b.units[0].link |= 256 << labelBits
	return &b.trie
}

// grow adds a block of empty units, and gives up the rest of the oldest open one.
func (b *trieBuilder) grow() {
	size := uint32(len(b.units))
	for i := size; i < size+256; i++ {
		b.units = append(b.units, trieUnit{noLabel, -1})
		b.taken = append(b.taken, false)
		b.next, b.prev = append(b.next, i), append(b.prev, i)
		if i > 0 {
			last := b.prev[0]
			b.next[last], b.prev[i], b.next[i], b.prev[0] = i, last, 0, i
		}
	}
	if closed := int(size) - openBlocks*256; closed >= 0 {
		for i := b.next[0]; i != 0 && i < uint32(closed)+256; i = b.next[0] {
			b.unlink(i)
		}
	}
}

func (b *trieBuilder) unlink(i uint32) {
	b.next[b.prev[i]], b.prev[b.next[i]] = b.next[i], b.prev[i]
}

func (b *trieBuilder) take(i, label uint32) {
	if i != 0 {
		b.unlink(i)
	}
	b.units[i].link = label
}

// room is a base under which the units for all labels are empty. Base 0 means that nothing is below.
func (b *trieBuilder) room(labels []byte) uint32 {
	for {
	search:
		for i := b.next[0]; i != 0; i = b.next[i] {
			base := i ^ uint32(labels[0])
			if base == 0 || b.taken[base] {
				continue
			}
			for _, c := range labels[1:] {
				// Taken ones have a byte for a label. The root, which is not in the ring, has not.
				if at := base ^ uint32(c); at == 0 || b.units[at].link != noLabel {
					continue search
				}
			}
			return base
		}
		b.grow()
	}
}
