package train

import (
	"bytes"
	"hash/maphash"
	"math"
	"slices"
)

// counts says how often each of many pretokens occurs. Pretokens lie one behind the other in text, so that a
// million of them are a few allocations.
type counts struct {
	seed    maphash.Seed
	text    []byte
	entries []entry
	index   []uint32 // open addressing: an entry's place in entries, plus 1; a power of two of them
}

type entry struct {
	at    uint64 // in text
	count uint64
	n     uint32 // bytes
	hash  uint32
}

const entrySize = 24

func (c *counts) bytes(e *entry) []byte { return c.text[e.at : e.at+uint64(e.n)] }

// add counts a pretoken n times more. It fails where the sum is above 2^63-1.
func (c *counts) add(pretoken []byte, n uint64) error {
	return c.addHashed(pretoken, uint32(maphash.Bytes(c.seed, pretoken)), n)
}

func (c *counts) addHashed(pretoken []byte, hash uint32, n uint64) error {
	if 4*len(c.entries) >= 3*len(c.index) {
		c.grow()
	}
	mask := uint32(len(c.index) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		k := c.index[i]
		if k == 0 {
			c.entries = append(c.entries, entry{uint64(len(c.text)), n, uint32(len(pretoken)), hash})
			c.text = append(c.text, pretoken...)
			c.index[i] = uint32(len(c.entries))
			return nil
		}
		if e := &c.entries[k-1]; e.hash == hash && bytes.Equal(c.bytes(e), pretoken) {
			if n > math.MaxInt64-e.count {
				return errOverflow
			}
			e.count += n
			return nil
		}
	}
}

func (c *counts) grow() {
	c.index = make([]uint32, max(64, 2*len(c.index)))
	mask := uint32(len(c.index) - 1)
	for k := range c.entries {
		i := c.entries[k].hash & mask
		for c.index[i] != 0 {
			i = (i + 1) & mask
		}
		c.index[i] = uint32(k + 1)
	}
}

// addAll adds what others has.
func (c *counts) addAll(others *counts) error {
	for i := range others.entries {
		e := &others.entries[i]
		if err := c.addHashed(others.bytes(e), e.hash, e.count); err != nil {
			return err
		}
	}
	return nil
}

// sort orders entries by their pretokens, bytewise. Nothing can be added afterwards.
func (c *counts) sort() {
	c.index = nil
	slices.SortFunc(c.entries, func(a, b entry) int { return bytes.Compare(c.bytes(&a), c.bytes(&b)) })
}

// size is the memory it takes, in bytes.
func (c *counts) size() int {
	return cap(c.text) + entrySize*cap(c.entries) + 4*len(c.index)
}
