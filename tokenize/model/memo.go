package model

import (
	"bytes"
	"encoding/binary"
)

// memo remembers the tokens of pieces for one goroutine: of running text, more than nine in ten words have come before.
// It is the same idea as the tables of [Encoder], for models that see one piece at a time.
type memo struct {
	short   []memoShort // pieces of up to memoInline bytes: the key is the piece
	shorts  int
	long    []memoLong // pieces of up to memoLongest bytes: the key is a hash and the piece's place in keys
	longs   int
	keys    []byte
	results []uint32 // token lists that do not fit into an entry
}

const (
	memoInline  = 15
	memoLongest = 127
	memoTokens  = 3 // in an entry

	// A table begins with memoFirst entries and is doubled when it is five eighths full, up to memoShorts or memoLongs:
	// the processor's caches matter more than a probe less. When one of those is three quarters full, or when there is no more room for keys or results, everything is forgotten.
	memoFirst   = 1 << 11
	memoShorts  = 1 << 18
	memoLongs   = 1 << 16
	memoKeys    = 4 << 20 // bytes
	memoResults = 1 << 20 // tokens

	memoMemory = (memoShorts+memoLongs)*32 + memoKeys + 4*memoResults // bytes, the most that is held
)

// PieceEncoderMemory is the most that an encoder of a model other than byte-level BPE keeps, in bytes.
const PieceEncoderMemory = memoMemory + scratchMemory

// memoShort and memoLong are half a cache line.
type memoShort struct {
	lo, hi uint64 // the piece; the last byte is its length, so that 0 is an empty entry
	n      uint32 // tokens
	// ids, or where n > memoTokens the place in results in ids[0].
	ids [memoTokens]uint32
}

type memoLong struct {
	hash uint64
	key  uint32 // place in keys
	size uint32 // bytes of the key; 0 is an empty entry
	n    uint32
	ids  [memoTokens]uint32
}

// pack is a piece of 1 to memoInline bytes as two words, with its length in the last byte.
func pack(p []byte) (lo, hi uint64) {
	n := len(p)
	switch {
	case n >= 8:
		lo = binary.LittleEndian.Uint64(p)
		hi = binary.LittleEndian.Uint64(p[n-8:]) >> (8 * uint(16-n)) // the bytes that lo has fall out; all of them for 8
	case n >= 4:
		lo = uint64(binary.LittleEndian.Uint32(p)) | uint64(binary.LittleEndian.Uint32(p[n-4:]))<<(8*uint(n-4))
	default:
		lo = uint64(p[0]) | uint64(p[n/2])<<(8*uint(n/2)) | uint64(p[n-1])<<(8*uint(n-1))
	}
	return lo, hi | uint64(n)<<56
}

// packAt is pack of text[i:i+n]: where there are 16 bytes to read, without a branch.
func packAt(text []byte, i, n int) (lo, hi uint64) {
	if i+16 > len(text) {
		return pack(text[i : i+n])
	}
	lo = binary.LittleEndian.Uint64(text[i:]) & (^uint64(0) >> (8 * uint(8-min(n, 8))))
	hi = binary.LittleEndian.Uint64(text[i+8:]) & (1<<(8*uint(max(n, 8)-8)) - 1)
	return lo, hi | uint64(n)<<56
}

// append appends the tokens of a piece that is not empty, if they are remembered.
func (m *memo) append(dst []uint32, piece []byte) ([]uint32, bool) {
	if len(piece) <= memoInline {
		return m.appendShort(dst, piece)
	}
	if len(piece) > memoLongest || m.longs == 0 {
		return dst, false
	}
	hash := hashBytes(piece)
	mask := uint64(len(m.long) - 1)
	for h := hash & mask; ; h = (h + 1) & mask {
		x := &m.long[h]
		if x.size == 0 {
			return dst, false
		}
		if x.hash == hash && bytes.Equal(m.keys[x.key:x.key+x.size], piece) {
			return m.tokens(dst, x.n, &x.ids), true
		}
	}
}

func (m *memo) appendShort(dst []uint32, piece []byte) ([]uint32, bool) {
	lo, hi := pack(piece)
	x := m.find(lo, hi)
	if x == nil {
		return dst, false
	}
	return m.tokens(dst, x.n, &x.ids), true
}

// find is the entry of a packed piece, nil if there is none.
func (m *memo) find(lo, hi uint64) *memoShort {
	if len(m.short) == 0 {
		return nil
	}
	mask := uint64(len(m.short) - 1)
	for h := hash2(lo, hi); ; h++ {
		x := &m.short[h&mask]
		if x.lo == lo && x.hi == hi {
			return x
		}
		if x.hi == 0 {
			return nil
		}
	}
}

func (m *memo) tokens(dst []uint32, n uint32, ids *[memoTokens]uint32) []uint32 {
	switch n {
	case 0: // characters may be left out
		return dst
	case 1:
		return append(dst, ids[0])
	case 2:
		return append(dst, ids[0], ids[1])
	case memoTokens:
		return append(dst, ids[0], ids[1], ids[2])
	}
	return append(dst, m.results[ids[0]:ids[0]+n]...)
}

// put remembers the tokens of a piece that append does not find. Pieces that are too long, or have very many tokens,
// are left out.
func (m *memo) put(piece []byte, tokens []uint32) {
	if len(piece) > memoLongest || len(tokens) > memoLongest {
		return
	}
	m.makeRoom()
	if len(piece) <= memoInline {
		lo, hi := pack(piece)
		x := m.shortSlot(lo, hi)
		x.lo, x.hi = lo, hi
		x.n, x.ids = m.keep(tokens)
		m.shorts++
		return
	}
	hash := hashBytes(piece)
	x := m.longSlot(hash)
	x.hash, x.key, x.size = hash, uint32(len(m.keys)), uint32(len(piece))
	m.keys = append(m.keys, piece...)
	x.n, x.ids = m.keep(tokens)
	m.longs++
}

// makeRoom comes before a new entry.
func (m *memo) makeRoom() {
	if len(m.keys) > memoKeys-memoLongest || len(m.results) > memoResults-memoLongest ||
		m.shorts >= memoShorts/4*3 || m.longs >= memoLongs/4*3 {
		clear(m.short)
		clear(m.long)
		m.shorts, m.longs, m.keys, m.results = 0, 0, m.keys[:0], m.results[:0]
	}
	if 8*m.shorts >= 5*len(m.short) && len(m.short) < memoShorts {
		old := m.short
		m.short = make([]memoShort, max(memoFirst, 2*len(old)))
		for i := range old {
			if x := &old[i]; x.hi != 0 {
				*m.shortSlot(x.lo, x.hi) = *x
			}
		}
	}
	if 8*m.longs >= 5*len(m.long) && len(m.long) < memoLongs {
		old := m.long
		m.long = make([]memoLong, max(memoFirst, 2*len(old)))
		for i := range old {
			if x := &old[i]; x.size != 0 {
				*m.longSlot(x.hash) = *x
			}
		}
	}
	m.keys = doubled(m.keys, memoKeys)
	m.results = doubled(m.results, memoResults)
}

// doubled has room for memoLongest more, and is never larger than limit, which append alone could make it.
func doubled[T any](s []T, limit int) []T {
	if cap(s)-len(s) >= memoLongest {
		return s
	}
	return append(make([]T, 0, min(max(2*cap(s), limit/64), limit)), s...)
}

// keep packs the tokens of a new entry.
func (m *memo) keep(tokens []uint32) (n uint32, ids [memoTokens]uint32) {
	if len(tokens) <= memoTokens {
		copy(ids[:], tokens)
	} else {
		ids[0] = uint32(len(m.results))
		m.results = append(m.results, tokens...)
	}
	return uint32(len(tokens)), ids
}

// shortSlot is an empty entry for a key that is not there.
func (m *memo) shortSlot(lo, hi uint64) *memoShort {
	mask := uint64(len(m.short) - 1)
	h := hash2(lo, hi) & mask
	for m.short[h].hi != 0 {
		h = (h + 1) & mask
	}
	return &m.short[h]
}

func (m *memo) longSlot(hash uint64) *memoLong {
	mask := uint64(len(m.long) - 1)
	h := hash & mask
	for m.long[h].size != 0 {
		h = (h + 1) & mask
	}
	return &m.long[h]
}
