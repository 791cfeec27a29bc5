package model

import (
	"fmt"
	"slices"
)

// BPE is byte-level byte pair encoding: a piece of text begins as one token a byte, and again and again the adjacent
// pair that stands first in the list of merges becomes one token, the leftmost of its kind first (Sennrich et al.
// 2016; GPT-2's bytes as symbols). It is immutable and may be shared; an [Encoder] runs it.
type BPE struct {
	vocab        *Vocabulary
	ignoreMerges bool
	count        int         // pairs in merges
	bytes        [256]uint32 // the token of each byte
	merges
	// first is the rank of two bytes' tokens, by the bytes: what the first look at a piece asks for.
	first [256 * 256]uint32
}

// NewBPE makes a model. merges are pairs of ids, the first one done first; of a pair that stands there twice, the
// later place counts (as in HF tokenizers). With ignoreMerges, a piece that is a token becomes that token, whether
// merges lead there or not.
func NewBPE(v *Vocabulary, merges [][2]uint32, ignoreMerges bool) (*BPE, error) {
	m := &BPE{vocab: v, ignoreMerges: ignoreMerges, count: len(merges)}
	if len(merges) > MaxMerges {
		return nil, fmt.Errorf("%d merges; at most %d are possible", len(merges), MaxMerges)
	}
	if err := m.setBytes(); err != nil {
		return nil, err
	}
	m.merges = newMerges(len(merges))
	var both []byte
	for rank, p := range merges {
		a, b := v.Bytes(p[0]), v.Bytes(p[1])
		if len(a) == 0 || len(b) == 0 {
			return nil, fmt.Errorf("merge %d: no token has id %d or %d", rank, p[0], p[1])
		}
		both = append(append(both[:0], a...), b...)
		id, ok := v.Lookup(both)
		if !ok {
			return nil, fmt.Errorf("merge %d: %q and %q make %q, which is no token", rank, a, b, both)
		}
		m.merged[rank] = id
		m.put(p[0], p[1], uint32(rank))
		if len(a) == 1 && len(b) == 1 {
			m.first[int(a[0])<<8|int(b[0])] = uint32(rank)
		}
	}
	return m, nil
}

// setBytes fills bytes, and first with nothing.
func (m *BPE) setBytes() error {
	for b := range 256 {
		id, ok := m.vocab.Lookup([]byte{byte(b)})
		if !ok {
			return fmt.Errorf("no token for the byte 0x%02x: texts that contain it could not be encoded", b)
		}
		m.bytes[b] = id
	}
	for i := range m.first {
		m.first[i] = noRank
	}
	return nil
}

// Vocabulary are the model's tokens.
func (m *BPE) Vocabulary() *Vocabulary { return m.vocab }

// Merges is the number of merges.
func (m *BPE) Merges() int { return m.count }

// Memory is what the model holds, in bytes.
func (m *BPE) Memory() int64 {
	v := m.vocab
	return int64(4*len(m.first) + 4*cap(m.merged) + 8*cap(m.pairs) + 8*cap(m.maybe) + cap(v.arena) + 8*cap(v.spans) + cap(v.known) + 4*cap(v.table))
}

// scanLimit is the longest piece, in bytes, whose pairs are looked through one by one for the first merge; longer ones
// take a heap.
const scanLimit = 32

// scratch is what merging a piece needs.
type scratch struct {
	ids   [scanLimit]uint32
	ranks [scanLimit + 1]uint32

	symbols []uint32
	heap    []uint64 // rank<<32 | position, the smallest first
}

// append encodes a piece that is not empty.
func (m *BPE) append(dst []uint32, piece []byte, s *scratch) []uint32 {
	if m.ignoreMerges {
		if id, ok := m.vocab.Lookup(piece); ok {
			return append(dst, id)
		}
	}
	if len(piece) <= scanLimit {
		return m.scan(dst, piece, s)
	}
	return m.heapMerge(dst, piece, s)
}

// scan merges a piece of up to scanLimit bytes. ranks[i] is the rank of tokens i and i+1.
func (m *BPE) scan(dst []uint32, piece []byte, s *scratch) []uint32 {
	n := len(piece)
	ids, ranks := &s.ids, &s.ranks
	for i := range n {
		ids[i] = m.bytes[piece[i]]
	}
	for i := range n - 1 {
		ranks[i] = m.first[int(piece[i])<<8|int(piece[i+1])]
	}
	for n > 1 {
		best, at := uint32(noRank), 0
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			break
		}
		ids[at] = m.merged[best]
		n--
		for i := at + 1; i < n; i++ {
			ids[i] = ids[i+1]
			ranks[i-1] = ranks[i]
		}
		// Now ranks[at-1] and ranks[at] are of pairs that no longer exist.
		if at+1 < n {
			ranks[at] = m.rank(ids[at], ids[at+1])
		}
		if at > 0 {
			ranks[at-1] = m.rank(ids[at-1], ids[at])
		}
	}
	return append(dst, ids[:n]...)
}

// heapMerge merges a piece of any length in O(n log n). A pair enters the heap when it comes into being; when it is
// taken out, it counts only if it still stands there.
//
// A piece may be as long as a record, so that what it takes counts: a word for each byte, which holds a token's id at
// the token's first byte, with the bit begins, and again at its last one. A token's length is its bytes'.
func (m *BPE) heapMerge(dst []uint32, piece []byte, s *scratch) []uint32 {
	n := len(piece)
	if cap(s.symbols) < n {
		s.symbols, s.heap = make([]uint32, n), make([]uint64, 0, n)
	}
	sym := s.symbols[:n]
	heap := s.heap[:0]
	for i, b := range piece {
		sym[i] = m.bytes[b] | begins
		if i+1 < n {
			if r := m.first[int(b)<<8|int(piece[i+1])]; r != noRank {
				heap = append(heap, uint64(r)<<32|uint64(i))
			}
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		down(heap, i)
	}
	for len(heap) > 0 {
		r, at := uint32(heap[0]>>32), int(uint32(heap[0]))
		last := len(heap) - 1
		heap[0] = heap[last]
		heap = heap[:last]
		down(heap, 0)

		if sym[at]&begins == 0 {
			continue
		}
		a := sym[at] &^ begins
		next := at + m.length(a)
		if next == n {
			continue
		}
		b := sym[next] &^ begins
		// Tokens only grow: a pair at this place with this rank is the pair that was put into the heap.
		if m.rank(a, b) != r {
			continue
		}
		end := next + m.length(b)
		id := m.merged[r]
		sym[next] &^= begins
		sym[end-1] = id
		sym[at] = id | begins
		if end < n {
			if r := m.rank(id, sym[end]&^begins); r != noRank {
				heap = push(heap, uint64(r)<<32|uint64(at))
			}
		}
		if at > 0 {
			before := sym[at-1] &^ begins
			if r := m.rank(before, id); r != noRank {
				heap = push(heap, uint64(r)<<32|uint64(at-m.length(before)))
			}
		}
	}
	if cap(s.symbols) > scratchLimit { // before dst grows: all three would be the most that is held at a time
		s.symbols, s.heap, heap = nil, nil, nil
	} else {
		s.heap = heap[:0]
	}
	count := 0
	for i := 0; i < n; i += m.length(sym[i] &^ begins) {
		count++
	}
	dst = slices.Grow(dst, count)
	for i := 0; i < n; {
		id := sym[i] &^ begins
		dst = append(dst, id)
		i += m.length(id)
	}
	return dst
}

// begins marks a token's first byte. Ids have idBits.
const begins = 1 << 31

// length is how many bytes a token has.
func (m *BPE) length(id uint32) int {
	span := &m.vocab.spans[id]
	return int(span[1] - span[0])
}

// scratchLimit is the longest piece, in bytes, for which memory is kept.
const scratchLimit = 1 << 16
