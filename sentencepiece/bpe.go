package sentencepiece

import (
	"math"
	"slices"
	"unicode/utf8"
)

// bpe is what merging needs beside the pieces.
type bpe struct {
	order  []uint32             // by id: the higher, the earlier the merge
	chars  [utf8.RuneSelf]int32 // ids of ASCII characters; -1: no piece
	pairs  *[1 << 14]int32      // ids of two of them
	unused bool                 // there are pieces of type Unused, which fall apart again
}

func newBPE(m *Model, unused bool) *bpe {
	b := &bpe{order: make([]uint32, len(m.pieces)), pairs: new([1 << 14]int32), unused: unused}
	for i := range b.pairs {
		b.pairs[i] = -1
	}
	for i := range b.chars {
		b.chars[i] = -1
	}
	for i := range m.pieces {
		p := &m.pieces[i]
		b.order[i] = scoreOrder(p.Score)
		if !p.inText() || p.Text == "\x00" {
			continue
		}
		switch {
		case len(p.Text) == 1 && p.Text[0] < utf8.RuneSelf:
			b.chars[p.Text[0]] = int32(i)
		case len(p.Text) == 2 && p.Text[0] < utf8.RuneSelf && p.Text[1] < utf8.RuneSelf:
			b.pairs[int(p.Text[0])<<7|int(p.Text[1])] = int32(i)
		}
	}
	return b
}

func (b *bpe) memory() int64 { return int64(4*len(b.order) + 4<<14) }

// scoreOrder is monotonic in the score, as SymbolPairComparator of bpe_model.cc compares: by the bits.
func scoreOrder(score float32) uint32 {
	bits := math.Float32bits(score)
	if bits>>31 == 1 {
		return ^bits
	}
	return bits | 1<<31
}

// segment is a piece of a word: n bytes of it. What is in no piece has the id of the unknown piece, or -1.
type segment struct {
	id int32
	n  int32
}

// fewSymbols is up to how many symbols the next merge is found by looking at all of them.
const fewSymbols = 32

// The ids of symbols that no merge has made.
const (
	single = -1 // a character
	frozen = -2 // a user-defined symbol, which is never merged
)

// bpeScratch is what an encoder keeps for merging.
type bpeScratch struct {
	at         []int32 // where symbols begin, and where the last one ends
	ids        []int32
	prev, next []int32
	heap       []merge
	parts      map[int32][3]int32 // by id of an unused piece: begin, middle and end of its last occurrence
}

// merges appends the pieces of a word: Model::SampleEncode of bpe_model.cc with alpha 0.
func (m *Model) merges(dst []segment, s *bpeScratch, w []byte) []segment {
	s.at, s.ids = s.at[:0], s.ids[:0]
	for i := 0; i < len(w); {
		s.at = append(s.at, int32(i))
		if n := m.normalizer.symbol(w[i:]); n > 0 {
			s.ids = append(s.ids, frozen)
			i += n
		} else {
			s.ids = append(s.ids, single)
			i += charLen(w, i)
		}
	}
	s.at = append(s.at, int32(len(w)))
	if len(s.ids) > fewSymbols || m.bpe.unused {
		return m.mergeMany(dst, s, w)
	}
	return m.mergeFew(dst, s, w)
}

// charLen is the length of the character at i by its first byte, as OneCharLen of util.h.
func charLen(w []byte, i int) int {
	switch b := w[i]; {
	case b < 0xc0:
		return 1
	case b < 0xe0:
		return min(2, len(w)-i)
	case b < 0xf0:
		return min(3, len(w)-i)
	}
	return min(4, len(w)-i)
}

// merged is the piece that two neighbours make, -1 if there is none.
func (m *Model) merged(w []byte, from, to int32) int32 {
	if n := to - from; n == 2 && w[from]|w[from+1] < utf8.RuneSelf {
		return m.bpe.pairs[int(w[from])<<7|int(w[from+1])]
	} else if int(n) > m.longest {
		return -1
	}
	if id, ok := m.index.findBytes(m.pieces, w[from:to]); ok && m.pieces[id].inText() {
		return int32(id)
	}
	return -1
}

// plain is the piece of a symbol that is not merged.
func (m *Model) plain(w []byte, from, to int32) int32 {
	if to-from == 1 && w[from] < utf8.RuneSelf {
		if id := m.bpe.chars[w[from]]; id >= 0 {
			return id
		}
		return m.unk
	}
	if id, ok := m.index.findBytes(m.pieces, w[from:to]); ok && m.pieces[id].inText() {
		return int32(id)
	}
	return m.unk
}

func (m *Model) mergeFew(dst []segment, s *bpeScratch, w []byte) []segment {
	at, ids := s.at, s.ids
	var order [fewSymbols]int64 // of merging a symbol with the next one; -1: they do not merge
	var pairs [fewSymbols]int32
	consider := func(i int) {
		order[i] = -1
		if ids[i] == frozen || ids[i+1] == frozen {
			return
		}
		if id := m.merged(w, at[i], at[i+2]); id >= 0 {
			order[i], pairs[i] = int64(m.bpe.order[id]), id
		}
	}
	for i := range len(ids) - 1 {
		consider(i)
	}
	for n := len(ids) - 1; n > 0; n-- {
		best, i := int64(-1), 0
		for j, o := range order[:n] {
			if o > best {
				best, i = o, j
			}
		}
		if best < 0 {
			break
		}
		ids[i] = pairs[i]
		copy(order[i:n-1], order[i+1:n])
		copy(pairs[i:n-1], pairs[i+1:n])
		copy(at[i+1:], at[i+2:])
		copy(ids[i+1:], ids[i+2:])
		at, ids = at[:len(at)-1], ids[:len(ids)-1]
		if i > 0 {
			consider(i - 1)
		}
		if i+1 < len(ids) {
			consider(i)
		}
	}
	for i, id := range ids {
		if id < 0 {
			id = m.plain(w, at[i], at[i+1])
		}
		dst = append(dst, segment{id, at[i+1] - at[i]})
	}
	return dst
}

// merge is a possible merge in the heap.
type merge struct {
	key   uint64 // the smaller, the earlier: ^order, then the place of the left symbol
	right int32
	size  int32 // bytes of both; if they have another size by now, something else has been merged
	id    int32
}

func (m *Model) mergeMany(dst []segment, s *bpeScratch, w []byte) []segment {
	at, ids := s.at, s.ids
	n := int32(len(ids))
	s.prev, s.next = slices.Grow(s.prev[:0], int(n))[:n], slices.Grow(s.next[:0], int(n))[:n]
	prev, next := s.prev, s.next
	for i := range n {
		prev[i], next[i] = i-1, i+1
	}
	if m.bpe.unused {
		if s.parts == nil {
			s.parts = map[int32][3]int32{}
		}
		clear(s.parts)
	}
	heap := s.heap[:0]
	// A symbol ends where the next one begins. One that was merged into its left neighbour has next -1.
	consider := func(l, r int32) bool {
		if ids[l] == frozen || ids[r] == frozen {
			return false
		}
		from, to := at[l], at[next[r]]
		id := m.merged(w, from, to)
		if id < 0 {
			return false
		}
		heap = append(heap, merge{uint64(^m.bpe.order[id])<<32 | uint64(l), r, to - from, id})
		if m.pieces[id].Type == Unused {
			s.parts[id] = [3]int32{from, at[r], to}
		}
		return true
	}
	for i := int32(1); i < n; i++ {
		consider(i-1, i)
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		down(heap, i)
	}
	for len(heap) > 0 {
		top := heap[0]
		last := len(heap) - 1
		heap[0] = heap[last]
		heap = heap[:last]
		down(heap, 0)
		l, r := int32(uint32(top.key)), top.right
		if next[l] != r || next[r] < 0 || at[next[r]]-at[l] != top.size {
			continue
		}
		ids[l] = top.id
		next[l] = next[r]
		if next[r] < n {
			prev[next[r]] = l
		}
		next[r] = -1
		if prev[l] >= 0 && consider(prev[l], l) {
			up(heap)
		}
		if next[l] < n && consider(l, next[l]) {
			up(heap)
		}
	}
	s.heap = heap
	for i := int32(0); i < n; i = next[i] {
		from, to := at[i], at[next[i]]
		switch {
		case m.bpe.unused:
			dst = m.fallApart(dst, s, w, from, to, 0)
		case ids[i] < 0:
			dst = append(dst, segment{m.plain(w, from, to), to - from})
		default:
			dst = append(dst, segment{ids[i], to - from})
		}
	}
	return dst
}

func down(h []merge, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].key < h[c].key {
			c++
		}
		if h[i].key <= h[c].key {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// up moves the last one to its place.
func up(h []merge) {
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if h[p].key <= h[i].key {
			return
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

// deepest is how often a piece is taken apart (kMaxBpeResegmentDepth of bpe_model.cc).
const deepest = 100

// fallApart appends a symbol, and if that is an unused piece the two that it was last seen to be made of, wherever in
// the text that was: resegment of bpe_model.cc.
func (m *Model) fallApart(dst []segment, s *bpeScratch, w []byte, from, to int32, depth int) []segment {
	id := m.unk
	found, ok := m.index.findBytes(m.pieces, w[from:to])
	if ok && (depth > deepest || m.pieces[found].inText()) {
		id = int32(found)
	}
	if depth > deepest || id < 0 || m.pieces[id].Type != Unused {
		return append(dst, segment{id, to - from})
	}
	p, ok := s.parts[id]
	if !ok {
		return append(dst, segment{m.unk, to - from})
	}
	dst = m.fallApart(dst, s, w, p[0], p[1], depth+1)
	return m.fallApart(dst, s, w, p[1], p[2], depth+1)
}
