package model

import (
	"bytes"
	"encoding/binary"
	"slices"

	"curate/tokenize/pretokenizer"
)

// Encoder runs a BPE for one goroutine, and remembers pieces: of running text, more than nine in ten have come
// before. What it remembers is bounded and never changes an answer.
type Encoder struct {
	m       *BPE
	scratch scratch

	ends    [chunk]int // of pieces
	probes  [chunk][2]uint64
	slots   [chunk]uint32
	short   []line // pieces of up to shortPiece bytes: the key is the piece
	shorts  int
	long    []longEntry // pieces of up to longPiece bytes: the key is a hash and the piece's place in keys
	longs   int
	keys    []byte
	results []uint32 // token lists that do not fit into an entry
	halved  uint     // how often the limits below are halved
}

const (
	shortPiece = 15
	longPiece  = 127

	// A table begins with minEntries and is doubled when it is half full, up to maxShort and maxLong. When one of those is
	// three quarters full, or when there is no more room for keys or results, everything is forgotten.
	minEntries = 1 << 11
	maxShort   = 1 << 20
	maxLong    = 1 << 18
	maxKeys    = 8 << 20 // bytes
	maxResults = 2 << 20 // tokens

	// EncoderMemory is the most that an encoder keeps for what it remembers, in bytes.
	EncoderMemory = (maxShort+maxLong)*32 + maxKeys + 4*maxResults
)

// entry is half a cache line.
type entry struct {
	lo, hi uint64 // the piece; the last byte is its length, so that 0 is an empty entry
	value
}

// line is a cache line: a piece may stand in both.
type line [2]entry

// value is the tokens of a piece. The first has their number above its id; where those are more than inline, the second
// is their place in results instead.
type value [inline]uint32

const inline = 4

func (v *value) count() uint32 { return v[0] >> idBits }

type longEntry struct {
	hash uint64
	key  uint32 // place in keys
	size uint32 // bytes of the key; 0 is an empty entry
	value
}

// NewEncoder makes an encoder that keeps up to [EncoderMemory].
func (m *BPE) NewEncoder() *Encoder { return m.NewEncoderWithin(EncoderMemory) }

// NewEncoderWithin makes an encoder that keeps up to so many bytes of what it remembers; at least a sixteenth of
// EncoderMemory. One that keeps less is slower where a text has many different pieces.
func (m *BPE) NewEncoderWithin(limit int64) *Encoder {
	e := &Encoder{m: m, short: make([]line, minEntries/2), long: make([]longEntry, minEntries)}
	for e.halved < 4 && EncoderMemory>>e.halved > limit {
		e.halved++
	}
	return e
}

// Append appends the tokens of text, whose pieces s cuts; without s, the text is one piece.
func (e *Encoder) Append(dst []uint32, text []byte, s *pretokenizer.Scanner) []uint32 {
	if s == nil {
		if len(text) > 0 {
			dst = e.piece(dst, text, 0, len(text))
		}
		return dst
	}
	for at := 0; at < len(text); {
		n := s.Ends(e.ends[:], text, at)
		dst = e.pieces(dst, text, at, e.ends[:n])
		at = e.ends[n-1]
	}
	return dst
}

// keyMasks are what of the 16 bytes at a piece of n bytes is its key.
var keyMasks = func() (m [shortPiece + 1][2]uint64) {
	for n := range m {
		for i := range n {
			m[n][i/8] |= 0xff << (i % 8 * 8)
		}
	}
	return m
}()

// chunk is how many pieces are looked up at a time: what they need stays in the first-level cache.
const chunk = 192

// pieces appends the tokens of the pieces from at on, which end at ends, at most chunk of them. First it computes their
// keys and asks memory for the lines where they should be, for all at a time; then there is little in its loop that the
// processor cannot foresee.
func (e *Encoder) pieces(dst []uint32, text []byte, at int, ends []int) []uint32 {
	short, mask := e.short, uint64(len(e.short)-1)
	keys, slots := e.probes[:len(ends)], e.slots[:len(ends)]
	start := at
	for i, end := range ends {
		size := end - start
		p := &keys[i]
		if size <= shortPiece && start+16 <= len(text) {
			t := (*[16]byte)(text[start:])
			m := &keyMasks[size&shortPiece]
			p[0] = binary.LittleEndian.Uint64(t[:8]) & m[0]
			p[1] = binary.LittleEndian.Uint64(t[8:])&m[1] | uint64(size)<<56
			slots[i] = uint32(hash2(p[0], p[1]) & mask)
		} else {
			p[1], slots[i] = 0, 0
		}
		start = end
	}
	prefetch(&short[0], &slots[0], len(slots))
	dst = slices.Grow(dst, inline*len(ends))
	out, n := dst[:cap(dst)], len(dst)
	for i, slot := range slots {
		lo, hi := keys[i][0], keys[i][1]
		l := &short[uint64(slot)&mask]
		other := l[1].lo ^ lo | l[1].hi ^ hi // 0 if that is it
		x := &l[(other|-other)>>63^1]
		if x.lo^lo|x.hi^hi == 0 && hi != 0 {
			to := (*[inline]uint32)(out[n:])
			*to = x.value
			to[0] &= 1<<idBits - 1
			if count := x.count(); count <= inline {
				n += int(count)
				continue
			}
		}
		if i > 0 {
			at = ends[i-1]
		}
		lines := len(e.short)
		dst = slices.Grow(e.any(dst[:n], text, at, ends[i]), inline*(len(ends)-i))
		out, n = dst[:cap(dst)], len(dst)
		if len(e.short) != lines { // it has grown: the slots have changed
			if i++; i < len(ends) {
				return e.pieces(out[:n], text, ends[i-1], ends[i:])
			}
		}
	}
	return out[:n]
}

// any appends the tokens of the piece text[i:j].
func (e *Encoder) any(dst []uint32, text []byte, i, j int) []uint32 {
	if j-i > shortPiece {
		return e.piece(dst, text, i, j)
	}
	lo, hi := load(text, i, j-i)
	mask := uint64(len(e.short) - 1)
	for h := hash2(lo, hi); ; h++ {
		l := &e.short[h&mask]
		for k := range l {
			x := &l[k]
			if x.lo == lo && x.hi == hi {
				return e.remembered(dst, &x.value)
			}
			if x.hi == 0 {
				return e.miss(dst, text[i:j], lo, hi)
			}
		}
	}
}

func (e *Encoder) remembered(dst []uint32, v *value) []uint32 {
	n := v.count()
	if n <= inline {
		return append(append(dst, v[0]&(1<<idBits-1)), v[1:n]...)
	}
	return append(dst, e.results[v[1]:v[1]+n]...)
}

// load is the piece of n <= shortPiece bytes at text[i] as two words, with its length in the last byte.
func load(text []byte, i, n int) (lo, hi uint64) {
	var p [16]byte
	copy(p[:], text[i:i+n])
	return binary.LittleEndian.Uint64(p[:8]), binary.LittleEndian.Uint64(p[8:]) | uint64(n)<<56
}

// makeRoom comes before a new entry.
func (e *Encoder) makeRoom() {
	if len(e.keys) > maxKeys>>e.halved-longPiece || len(e.results) > maxResults>>e.halved-longPiece ||
		e.shorts >= maxShort>>e.halved/4*3 || e.longs >= maxLong>>e.halved/4*3 {
		e.forget()
	}
	if n := len(e.short); e.shorts >= n && n < maxShort>>e.halved/2 {
		old := e.short
		e.short = make([]line, 2*n)
		for i := range old {
			for k := range old[i] {
				if x := &old[i][k]; x.hi != 0 {
					*e.shortSlot(x.lo, x.hi) = *x
				}
			}
		}
	}
	if 2*e.longs >= len(e.long) && len(e.long) < maxLong>>e.halved {
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
func (e *Encoder) keep(tokens []uint32) (v value) {
	if len(tokens) <= inline {
		copy(v[:], tokens)
	} else {
		v[1] = uint32(len(e.results))
		e.results = append(e.results, tokens...)
	}
	v[0] |= uint32(len(tokens)) << idBits
	return v
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
	x.value = e.keep(dst[was:])
	e.shorts++
	return dst
}

// shortSlot is an empty entry for a key that is not there.
func (e *Encoder) shortSlot(lo, hi uint64) *entry {
	mask := uint64(len(e.short) - 1)
	for h := hash2(lo, hi); ; h++ {
		l := &e.short[h&mask]
		for k := range l {
			if l[k].hi == 0 {
				return &l[k]
			}
		}
	}
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
			return e.remembered(dst, &x.value)
		}
	}
	was := len(dst)
	dst = e.m.append(dst, p, &e.scratch)
	e.makeRoom()
	x := e.longSlot(hash)
	x.hash, x.key, x.size = hash, uint32(len(e.keys)), uint32(len(p))
	e.keys = append(e.keys, p...)
	x.value = e.keep(dst[was:])
	e.longs++
	return dst
}
