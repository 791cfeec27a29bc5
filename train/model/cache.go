package model

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"curate/kernel"
)

// extendTokens is how many tokens run through the model at once when a cache is extended by many, so that the room for them
// is bounded.
const extendTokens = 128

// Cache holds keys and values of the tokens of one sequence that a model has seen. They lie outside of the collector's heap: Free gives
// the memory back, or else the collector does, sooner or later.
type Cache struct {
	length, capacity int
	layers, heads    int // heads of keys and of values of a layer, together
	headSize         int
	// Of each layer [heads, capacity, headSize]: keys, turned by RoPE, then values; or in 8 bits, with a scale for each row of headSize.
	numbers *kernel.Room[float32]
	small   *kernel.Room[int8]
	scales  *kernel.Room[float32] // [layers, heads, capacity]
	logits  []float32             // [Vocabulary]: what Extend gives
}

// NewCache has room for capacity tokens.
func (m *Model) NewCache(capacity int) *Cache {
	config := m.Config
	c := &Cache{capacity: max(0, capacity), layers: config.Layers, heads: 2 * config.KVHeads, headSize: config.HeadSize, logits: make([]float32, config.Vocabulary)}
	rows := c.layers * c.heads * c.capacity
	if m.Int8Cache {
		c.small, c.scales = kernel.NewRoom[int8](rows*c.headSize), kernel.NewRoom[float32](rows)
	} else {
		c.numbers = kernel.NewRoom[float32](rows * c.headSize)
	}
	return c
}

// Free gives the cache's memory back. Nobody uses it any more.
func (c *Cache) Free() {
	if c.small != nil {
		c.small.Free()
		c.scales.Free()
	} else {
		c.numbers.Free()
	}
	c.length, c.capacity = 0, 0
}

// layerOf is the part of x that belongs to a layer. x has size numbers for each token and head.
func layerOf[T any](c *Cache, x []T, layer, size int) []T {
	n := c.heads * c.capacity * size
	return x[layer*n : (layer+1)*n]
}

// Len is how many tokens it holds.
func (c *Cache) Len() int { return c.length }

// Truncate forgets all tokens but the first n.
func (c *Cache) Truncate(n int) { c.length = max(0, min(c.length, n)) }

// Copy makes the first n tokens of another cache of the model the only ones of this one. An error says that it does not hold
// so many, or that there is no room.
func (c *Cache) Copy(from *Cache, n int) error {
	switch {
	case n < 0 || n > from.length:
		return fmt.Errorf("%d tokens of a cache that holds %d cannot be copied", n, from.length)
	case n > c.capacity:
		return fmt.Errorf("%d tokens are too many for a cache that has room for %d", n, c.capacity)
	case c.layers != from.layers || c.heads != from.heads || c.headSize != from.headSize || len(c.logits) != len(from.logits) || (c.small == nil) != (from.small == nil):
		return errOtherModel
	}
	c.length = n
	if n == 0 || c == from {
		return nil
	}
	if c.small == nil {
		copyHeads(c, from, c.numbers.X, from.numbers.X, n, c.headSize)
	} else {
		copyHeads(c, from, c.small.X, from.small.X, n, c.headSize)
		copyHeads(c, from, c.scales.X, from.scales.X, n, 1)
	}
	runtime.KeepAlive(from)
	return nil
}

// copyHeads copies the first n tokens, of which each head of each layer has size numbers: those of a head lie together, capacity times size.
func copyHeads[T any](c, from *Cache, y, x []T, n, size int) {
	for h := range c.layers * c.heads {
		copy(y[h*c.capacity*size:][:n*size], x[h*from.capacity*size:])
	}
}

var errOtherModel = errors.New("the cache is of a model of another configuration")

// Extend runs the model on the tokens that follow those of the cache, and gives the logits after the last of them, valid
// until the next call with this cache. An error says that a token is none of the vocabulary's, or that there is no room; the
// cache is as it was then.
func (m *Model) Extend(c *Cache, tokens []int32) ([]float32, error) {
	return m.ExtendSeen(c, tokens, nil)
}

// ExtendSeen is Extend that also shows the logits after each of the tokens to see, if it is not nil, in order: [Vocabulary], valid
// until see returns. Those after the last token are, bit for bit, what it gives.
func (m *Model) ExtendSeen(c *Cache, tokens []int32, see func(at int, logits []float32)) ([]float32, error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("a cache is extended by at least one token")
	}
	if err := m.ready(c, tokens); err != nil {
		return nil, err
	}
	m.reserve(1, min(len(tokens), extendTokens), false)
	m.one[0] = c
	for at := 0; at < len(tokens); {
		n := min(len(tokens)-at, extendTokens)
		m.extend(m.one[:], tokens[at:at+n])
		if see != nil {
			m.showLogits(n, at, see)
		}
		if at += n; at == len(tokens) {
			m.headForward(1, nil, m.last[(n-1)*m.Config.Width:], c.logits)
		}
	}
	m.one[0] = nil
	return c.logits, nil
}

// showLogits shows those of n tokens whose rows are in m.last, [n, Width], as those of tokens from at on.
func (m *Model) showLogits(n, at int, see func(at int, logits []float32)) {
	v := m.Config.Vocabulary
	step := headRows(n, v)
	grow(&m.logits, step*v) // not in reserve: who sees only the last does without
	for first := 0; first < n; first += step {
		rows := min(step, n-first)
		m.headForward(rows, nil, m.last[first*m.Config.Width:], m.logits)
		for i := range rows {
			see(at+first+i, m.logits[i*v:][:v])
		}
	}
}

// ExtendEach is Extend by one token for several sequences at once: tokens[i] follows those of caches[i], and row i of dst,
// [len(caches), Vocabulary], gets the logits after it. They are, bit for bit, what Extend gives, and come sooner: a product
// with the rows of several tokens reads the weights once. An error says which sequence it is about; all caches are as they
// were then. No cache may be there twice.
func (m *Model) ExtendEach(caches []*Cache, tokens []int32, dst []float32) error {
	v := m.Config.Vocabulary
	if len(tokens) != len(caches) || len(dst) != len(caches)*v {
		return fmt.Errorf("%d tokens and room for %d logits, which are %d each, do not go with %d sequences", len(tokens), len(dst), v, len(caches))
	}
	for i, c := range caches {
		if err := m.ready(c, tokens[i:i+1]); err != nil {
			return fmt.Errorf("sequence %d: %w", i, err)
		}
		if slices.Contains(caches[:i], c) {
			return fmt.Errorf("sequence %d: its cache is another one's, too", i)
		}
	}
	// Logits of so many rows fit into the room that headForward has.
	for most := min(extendTokens, headRows(extendTokens, v)); len(caches) > 0; {
		n := min(len(caches), most)
		m.reserve(1, n, false)
		m.extend(caches[:n], tokens[:n])
		m.headForward(n, nil, m.last, dst[:n*v])
		caches, tokens, dst = caches[n:], tokens[n:], dst[n*v:]
	}
	return nil
}

// ready makes sure that a cache can be extended, and that there are angles for all its positions.
func (m *Model) ready(c *Cache, tokens []int32) error {
	config := m.Config
	if c.layers != config.Layers || len(c.logits) != config.Vocabulary || c.headSize != config.HeadSize || c.heads != 2*config.KVHeads {
		return errOtherModel
	}
	if free := c.capacity - c.length; len(tokens) > free {
		return fmt.Errorf("%d tokens are too many for a cache that holds %d and has room for %d", len(tokens), c.length, c.capacity)
	}
	for t, token := range tokens {
		if token < 0 || int(token) >= config.Vocabulary {
			return fmt.Errorf("position %d: token %d is none of the vocabulary's %d", c.length+t, token, config.Vocabulary)
		}
	}
	if config.Family == Llama && (m.table == nil || m.table.length < c.capacity) {
		m.table = newRopeTable(config, c.capacity)
	}
	return nil
}

// extend runs the blocks on tokens that follow those of caches, as many of each, and puts what the last one gives into m.last.
func (m *Model) extend(caches []*Cache, tokens []int32) {
	n := len(tokens)
	m.embed(n, tokens, m.last)
	for l := range m.Config.Layers {
		m.blockExtend(l, caches, n, m.last)
	}
	for _, c := range caches {
		c.length += n / len(caches)
	}
}

// blockExtend is blockForward for n tokens that follow those of caches, as many of each: x, [n, Width], is input and output.
func (m *Model) blockExtend(number int, caches []*Cache, n int, x []float32) {
	l, k, a := &m.places.blocks[number], &m.kept[0], m.attention
	l.norm1.forward(m, n, nil, x, m.normed, k.stats1)
	l.qkv.forward(m, n, m.normed, k.qkv)
	if m.table != nil {
		m.ropeCached(n, caches, k.qkv)
	}
	each := n / len(caches)
	a.sequences = a.sequences[:0]
	for i, c := range caches {
		s := cachedSequence{qkv: k.qkv[i*each*a.stride():], out: k.attended[i*each*a.heads*a.headSize:], past: c.length, capacity: c.capacity}
		if c.small == nil {
			s.cached = layerOf(c, c.numbers.X, number, c.headSize)
		} else {
			s.small, s.scales = layerOf(c, c.small.X, number, c.headSize), layerOf(c, c.scales.X, number, 1)
		}
		a.sequences = append(a.sequences, s)
	}
	a.extend(m.pool, each)
	l.out.forwardAdd(m, n, k.attended, x, x)

	l.norm2.forward(m, n, nil, x, m.normed, k.stats2)
	l.gates.forward(m, n, m.normed, k.gates)
	swiglu(m, n, m.Config.FFN, k.gates, m.wide)
	l.down.forwardAdd(m, n, m.wide, x, x)
}
