package score

import (
	"math/bits"
	"math/rand/v2"
	"sync"
)

// counter counts the n-grams of a hypothesis and its references that match. An n-gram of the hypothesis has a number, found
// in a table by the number of the (n-1)-gram it begins with, and its last symbol. So n-grams of any length cost the same, and
// equal numbers are equal n-grams for sure. References' n-grams are looked up there; what the hypothesis lacks is none.
type counter struct {
	texts  []sequence // the hypothesis, then the references
	order  int        // of the n-grams that are numbered now
	table  numbering
	have   []int32 // of each n-gram: how many the hypothesis has,
	seen   []int32 // how many of them this reference has,
	most   []int32 // and the most that a reference had
	words  map[string]uint32
	tokens []string
}

// sequence is a text as symbols: characters, or numbers of words.
type sequence struct {
	symbols []uint32
	grams   []uint32 // the number of the n-gram that begins at each symbol, or none
}

// count is how many n-grams of order n the text has.
func (s *sequence) count(n int) int { return max(0, len(s.symbols)-n+1) }

var counters = sync.Pool{New: func() any {
	return &counter{words: map[string]uint32{}, table: numbering{seed: rand.Uint64()}}
}}

// release gives the counter to the next segment, unless a huge text has made it so big that clearing it would cost others.
func (c *counter) release() {
	if len(c.words) > 1<<14 || cap(c.table.places) > 1<<16 {
		return
	}
	clear(c.words)
	clear(c.tokens[:cap(c.tokens)]) // they hold on to texts
	counters.Put(c)
}

// start takes n texts, whose symbols are put in by the caller.
func (c *counter) start(n int) {
	for len(c.texts) < n {
		c.texts = append(c.texts, sequence{})
	}
	c.texts = c.texts[:n]
	c.order = 0
	for i := range c.texts {
		c.texts[i].symbols = c.texts[i].symbols[:0]
	}
}

// word numbers a word.
func (c *counter) word(w string) uint32 {
	n, ok := c.words[w]
	if !ok {
		n = uint32(len(c.words))
		c.words[w] = n
	}
	return n
}

// next numbers the n-grams that are longer by one, and counts the hypothesis'.
func (c *counter) next() {
	c.order++
	c.table.reset(c.texts[0].count(c.order))
	for i := range c.texts {
		t := &c.texts[i]
		if c.order == 1 {
			t.grams = zeros(t.grams, len(t.symbols))
		}
		t.grams = t.grams[:t.count(c.order)]
		for k, g := range t.grams {
			if g == none {
				continue
			}
			key := uint64(g)<<32 | uint64(t.symbols[k+c.order-1])
			if i == 0 {
				t.grams[k] = c.table.number(key)
			} else {
				t.grams[k] = c.table.find(key)
			}
		}
	}
	c.have = zeros(c.have, int(c.table.used))
	c.seen = zeros(c.seen, int(c.table.used))
	for _, g := range c.texts[0].grams {
		c.have[g]++
	}
}

// matches is how many n-grams of the hypothesis are in reference r, each as often as both have it.
func (c *counter) matches(r int) (n int64) {
	for _, g := range c.texts[1+r].grams {
		if g != none && c.seen[g] < c.have[g] {
			c.seen[g]++
			n++
		}
	}
	c.forget(r)
	return n
}

// matchesAny is how many n-grams of the hypothesis are in the references, each as often as the reference that has it most.
func (c *counter) matchesAny() (n int64) {
	c.most = zeros(c.most, int(c.table.used))
	for r := range c.texts[1:] {
		for _, g := range c.texts[1+r].grams {
			if g != none && c.seen[g] < c.have[g] {
				if c.seen[g]++; c.seen[g] > c.most[g] {
					c.most[g]++
					n++
				}
			}
		}
		c.forget(r)
	}
	return n
}

// forget clears what reference r has put in seen.
func (c *counter) forget(r int) {
	for _, g := range c.texts[1+r].grams {
		if g != none {
			c.seen[g] = 0
		}
	}
}

// numbering numbers keys from 0, in the order they come: a hash table with open addressing. The seed is another in each
// process, so that no text is slow on purpose; no number depends on it.
type numbering struct {
	places []place // a power of two of them
	used   uint32
	seed   uint64
}

type place struct {
	key    uint64
	number uint32 // and one; 0 if the place is free
}

// none is the number of a key that is not in the table.
const none = ^uint32(0)

// reset makes room for up to most keys.
func (t *numbering) reset(most int) {
	size := 1 << bits.Len(uint(most+most/2)) // more than one and a half times as many
	if cap(t.places) < size {
		t.places = make([]place, size)
	} else {
		t.places = t.places[:size]
		clear(t.places)
	}
	t.used = 0
}

// at is the place of a key, or the free one where it would be.
func (t *numbering) at(key uint64) *place {
	// Folded multiplication mixes all bits of key and seed (as wyhash does; the constant is its).
	high, low := bits.Mul64(key^t.seed, 0xa0761d6478bd642f)
	mask := uint64(len(t.places) - 1)
	for i := (high ^ low) & mask; ; i = (i + 1) & mask {
		if p := &t.places[i]; p.number == 0 || p.key == key {
			return p
		}
	}
}

// number is that of a key, which gets one if it has none.
func (t *numbering) number(key uint64) uint32 {
	p := t.at(key)
	if p.number == 0 {
		t.used++
		p.key, p.number = key, t.used
	}
	return p.number - 1
}

// find is the number of a key, or none: that is what 0 less one is.
func (t *numbering) find(key uint64) uint32 { return t.at(key).number - 1 }

// zeros is n zeros, in s if they fit.
func zeros[T int32 | uint32](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	s = s[:n]
	clear(s)
	return s
}
