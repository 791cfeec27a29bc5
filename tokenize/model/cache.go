package model

import (
	"bytes"
	"encoding/binary"

	"curate/tokenize/pretokenizer"
)

// Encoder runs a BPE for one goroutine, and remembers pieces: of running text, more than nine in ten have come
// before. What it remembers is bounded and never changes an answer.
type Encoder struct {
	m       *BPE
	scratch scratch

	short   []entry // pieces of up to shortPiece bytes: the key is the piece
	shorts  int
	long    []longEntry // pieces of up to longPiece bytes: the key is a hash and the piece's place in keys
	longs   int
	keys    []byte
	results []uint32 // token lists that do not fit into an entry
}

const (
	shortPiece = 15
	longPiece  = 127

	// A table begins with minEntries and is doubled when it is half full, up to maxEntries. When one of those is three
	// quarters full, or when there is no more room for keys or results, everything is forgotten.
	minEntries = 1 << 11
	maxEntries = 1 << 18
	maxKeys    = 4 << 20 // bytes
	maxResults = 1 << 20 // tokens

	inline = 3 // tokens in an entry

	// EncoderMemory is the most that an encoder keeps for what it remembers, in bytes.
	EncoderMemory = 2*maxEntries*32 + maxKeys + 4*maxResults
)

// entry is half a cache line.
type entry struct {
	lo, hi uint64 // the piece; the last byte is its length, so that 0 is an empty entry
	n      uint32 // tokens
	// ids, or where n > inline the place in results in ids[0].
	ids [inline]uint32
}

type longEntry struct {
	hash uint64
	key  uint32 // place in keys
	size uint32 // bytes of the key; 0 is an empty entry
	n    uint32
	ids  [inline]uint32
}

// NewEncoder makes an encoder.
func (m *BPE) NewEncoder() *Encoder {
	return &Encoder{m: m, short: make([]entry, minEntries), long: make([]longEntry, minEntries)}
}

// Append appends the tokens of text, whose pieces s cuts; without s, the text is one piece.
func (e *Encoder) Append(dst []uint32, text []byte, s *pretokenizer.Scanner) []uint32 {
	if s == nil {
		if len(text) > 0 {
			dst = e.piece(dst, text, 0, len(text))
		}
		return dst
	}
	for i := 0; i < len(text); {
		j := s.Next(text, i)
		if j-i <= shortPiece {
			lo, hi := load(text, i, j-i)
			mask := uint64(len(e.short) - 1)
			h := hash2(lo, hi)
			for {
				x := &e.short[h&mask]
				if x.lo == lo && x.hi == hi {
					if x.n == 1 { // nine in ten
						dst = append(dst, x.ids[0])
					} else {
						dst = e.remembered(dst, x.n, &x.ids)
					}
					break
				}
				if x.hi == 0 {
					dst = e.miss(dst, text[i:j], lo, hi)
					break
				}
				h++
			}
		} else {
			dst = e.piece(dst, text, i, j)
		}
		i = j
	}
	return dst
}

func (e *Encoder) remembered(dst []uint32, n uint32, ids *[inline]uint32) []uint32 {
	if n <= inline {
		return append(dst, ids[:n]...)
	}
	return append(dst, e.results[ids[0]:ids[0]+n]...)
}

// load is the piece of n <= shortPiece bytes at text[i] as two words, with its length in the last byte.
func load(text []byte, i, n int) (lo, hi uint64) {
	if i+16 <= len(text) {
		lo = binary.LittleEndian.Uint64(text[i:])
		hi = binary.LittleEndian.Uint64(text[i+8:])
	} else {
		var end [16]byte
		copy(end[:], text[i:])
		lo = binary.LittleEndian.Uint64(end[:])
		hi = binary.LittleEndian.Uint64(end[8:])
	}
	if n <= 8 {
		lo &= ^uint64(0) >> (8 * uint(8-n))
		hi = 0
	} else {
		hi &= ^uint64(0) >> (8 * uint(16-n))
	}
	return lo, hi | uint64(n)<<56
}

// makeRoom comes before a new entry.
func (e *Encoder) makeRoom() {
	if len(e.keys) > maxKeys-longPiece || len(e.results) > maxResults-longPiece ||
		e.shorts >= maxEntries/4*3 || e.longs >= maxEntries/4*3 {
		e.forget()
	}
	if 2*e.shorts >= len(e.short) && len(e.short) < maxEntries {
		old := e.short
		e.short = make([]entry, 2*len(old))
		for i := range old {
			if x := &old[i]; x.hi != 0 {
				*e.shortSlot(x.lo, x.hi) = *x
			}
		}
	}
	if 2*e.longs >= len(e.long) && len(e.long) < maxEntries {
		old := e.long
		e.long = make([]longEntry, 2*len(old))
		for i := range old {
			if x := &old[i]; x.size != 0 {
				*e.longSlot(x.hash) = *x
			}
		}
	}
}

// keep packs the tokens of a new entry.
func (e *Encoder) keep(tokens []uint32) (n uint32, ids [inline]uint32) {
	if len(tokens) <= inline {
		copy(ids[:], tokens)
	} else {
		ids[0] = uint32(len(e.results))
		e.results = append(e.results, tokens...)
	}
	return uint32(len(tokens)), ids
}

// forget empties both tables, which share results.
func (e *Encoder) forget() {
	clear(e.short)
	clear(e.long)
	e.shorts, e.longs, e.keys, e.results = 0, 0, e.keys[:0], e.results[:0]
}

func (e *Encoder) miss(dst []uint32, piece []byte, lo, hi uint64) []uint32 {
	was := len(dst)
	dst = e.m.append(dst, piece, &e.scratch)
	e.makeRoom()
	x := e.shortSlot(lo, hi)
	x.lo, x.hi = lo, hi
	x.n, x.ids = e.keep(dst[was:])
	e.shorts++
	return dst
}

// shortSlot is an empty entry for a key that is not there.
func (e *Encoder) shortSlot(lo, hi uint64) *entry {
	mask := uint64(len(e.short) - 1)
	h := hash2(lo, hi) & mask
	for e.short[h].hi != 0 {
		h = (h + 1) & mask
	}
	return &e.short[h]
}

func (e *Encoder) longSlot(hash uint64) *longEntry {
	mask := uint64(len(e.long) - 1)
	h := hash & mask
	for e.long[h].size != 0 {
		h = (h + 1) & mask
	}
	return &e.long[h]
}

// piece is a piece of any length.
func (e *Encoder) piece(dst []uint32, text []byte, i, j int) []uint32 {
	p := text[i:j]
	if len(p) > longPiece {
		return e.m.append(dst, p, &e.scratch)
	}
	hash := hashBytes(p)
	mask := uint64(len(e.long) - 1)
	for h := hash & mask; ; h = (h + 1) & mask {
		x := &e.long[h]
		if x.size == 0 {
			break
		}
		if x.hash == hash && bytes.Equal(e.keys[x.key:x.key+x.size], p) {
			return e.remembered(dst, x.n, &x.ids)
		}
	}
	was := len(dst)
	dst = e.m.append(dst, p, &e.scratch)
	e.makeRoom()
	x := e.longSlot(hash)
	x.hash, x.key, x.size = hash, uint32(len(e.keys)), uint32(len(p))
	e.keys = append(e.keys, p...)
	x.n, x.ids = e.keep(dst[was:])
	e.longs++
	return dst
}
