package sentencepiece

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// cache remembers words: of running text, more than nine in ten have come before. It is bounded, and never changes an
// answer.
type cache struct {
	seed   uint64
	short  []shortWord
	shorts int
	long   []longWord
	longs  int
	keys   []byte
	ids    []uint32 // of words with more pieces than fit into an entry
}

const (
	shortest    = 15 // bytes of a word that is its own key
	longestWord = 63 // longer words are not remembered

	// A table is doubled when it is half full, up to these sizes. When one of those is three quarters full, or when
	// there is no more room for keys or ids, everything is forgotten.
	minWords      = 1 << 10
	maxShortWords = 1 << 17
	maxLongWords  = 1 << 16
	maxKeys       = 2 << 20 // bytes
	maxIDs        = 1 << 19
)

// word is what the model makes of a word.
type word struct {
	limit float32   // Unigram: see safe
	n     uint32    // ids, and hasUnknown
	ids   [2]uint32 // if n is more, the place in cache.ids; ^0 stands for the unknown piece that there is not
}

// hasUnknown says that some of the ids are that of the unknown piece, each for one character.
const hasUnknown = 1 << 31

// holds says whether it is the same after a text with that score.
func (x *word) holds(score float32) bool { return score < x.limit && -score < x.limit }

func (x *word) unknown() bool { return x.n&hasUnknown != 0 }

// shortWord is half a cache line.
type shortWord struct {
	lo, hi uint64 // the word; the last byte is its length, so that 0 is an empty entry
	word
}

type longWord struct {
	hash uint64
	key  uint32 // place in keys
	size uint32 // of the key in bytes; 0 is an empty entry
	word
}

func newCache() cache {
	return cache{seed: rand.Uint64() | 1, short: make([]shortWord, minWords), long: make([]longWord, minWords)}
}

// load is text[i:i+n], of up to shortest bytes, as two words with its length in the last byte.
func load(text []byte, i, n int) (lo, hi uint64) {
	if i+16 <= len(text) {
		lo, hi = binary.LittleEndian.Uint64(text[i:]), binary.LittleEndian.Uint64(text[i+8:])
	} else {
		var end [16]byte
		copy(end[:], text[i:])
		lo, hi = binary.LittleEndian.Uint64(end[:]), binary.LittleEndian.Uint64(end[8:])
	}
	if n <= 8 {
		lo &= 1<<(8*n) - 1 // for 8, 1<<64 is 0
		hi = 0
	} else {
		hi &= 1<<(8*(n-8)) - 1
	}
	return lo, hi | uint64(n)<<56
}

func (c *cache) hash(lo, hi uint64) uint64 {
	a, b := bits.Mul64(lo^c.seed, hi^0x9e3779b97f4a7c15) // 2^64 divided by the golden ratio
	return a ^ b
}

// hashLong hashes 16 to 63 bytes.
func (c *cache) hashLong(w []byte) uint64 {
	h := uint64(len(w))
	for len(w) > 16 {
		h = c.hash(h^binary.LittleEndian.Uint64(w), binary.LittleEndian.Uint64(w[8:]))
		w = w[min(16, len(w)-16):]
	}
	return c.hash(h^binary.LittleEndian.Uint64(w), binary.LittleEndian.Uint64(w[8:]))
}

// find is what is remembered of the word text[i:i+n], of 1 to longestWord bytes, or nil.
func (c *cache) find(text []byte, i, n int) *word {
	if n <= shortest {
		lo, hi := load(text, i, n)
		mask := uint64(len(c.short) - 1)
		for at := c.hash(lo, hi) & mask; ; at = (at + 1) & mask {
			x := &c.short[at]
			if x.lo == lo && x.hi == hi {
				return &x.word
			}
			if x.hi == 0 {
				return nil
			}
		}
	}
	w := text[i : i+n]
	h := c.hashLong(w)
	mask := uint64(len(c.long) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		x := &c.long[at]
		if x.size == 0 {
			return nil
		}
		if x.hash == h && bytes.Equal(c.keys[x.key:x.key+x.size], w) {
			return &x.word
		}
	}
}

// of are the ids of a word that is remembered.
func (c *cache) of(x *word) []uint32 {
	n := x.n &^ hasUnknown
	if n <= uint32(len(x.ids)) {
		return x.ids[:n]
	}
	return c.ids[x.ids[0] : x.ids[0]+n]
}

// add remembers a word that find did not find. x is all but the ids.
func (c *cache) add(text []byte, i, n int, ids []uint32, x word) {
	if c.shorts >= maxShortWords/4*3 || c.longs >= maxLongWords/4*3 || len(c.keys)+n > maxKeys || len(c.ids)+len(ids) > maxIDs {
		clear(c.short)
		clear(c.long)
		c.shorts, c.longs, c.keys, c.ids = 0, 0, c.keys[:0], c.ids[:0]
	}
	x.n |= uint32(len(ids))
	if len(ids) <= len(x.ids) {
		copy(x.ids[:], ids)
	} else {
		x.ids[0] = uint32(len(c.ids))
		c.ids = append(c.ids, ids...)
	}
	if n <= shortest {
		if c.shorts >= len(c.short)/2 && len(c.short) < maxShortWords {
			old := c.short
			c.short = make([]shortWord, 2*len(old))
			for _, x := range old {
				if x.hi != 0 {
					*c.freeShort(x.lo, x.hi) = x
				}
			}
		}
		lo, hi := load(text, i, n)
		*c.freeShort(lo, hi) = shortWord{lo, hi, x}
		c.shorts++
		return
	}
	if c.longs >= len(c.long)/2 && len(c.long) < maxLongWords {
		old := c.long
		c.long = make([]longWord, 2*len(old))
		for _, x := range old {
			if x.size != 0 {
				*c.freeLong(x.hash) = x
			}
		}
	}
	w := text[i : i+n]
	h := c.hashLong(w)
	*c.freeLong(h) = longWord{h, uint32(len(c.keys)), uint32(n), x}
	c.keys = append(c.keys, w...)
	c.longs++
}

func (c *cache) freeShort(lo, hi uint64) *shortWord {
	mask := uint64(len(c.short) - 1)
	at := c.hash(lo, hi) & mask
	for c.short[at].hi != 0 {
		at = (at + 1) & mask
	}
	return &c.short[at]
}

func (c *cache) freeLong(h uint64) *longWord {
	mask := uint64(len(c.long) - 1)
	at := h & mask
	for c.long[at].size != 0 {
		at = (at + 1) & mask
	}
	return &c.long[at]
}
