package model

import "fmt"

// extendTokens is how many tokens run through the model at once when a cache is extended by many, so that the room for them
// is bounded.
const extendTokens = 256

// Cache holds keys and values of the tokens of one sequence that a model has seen.
type Cache struct {
	length, capacity int
	layers           [][]float32 // of each layer: keys [kvHeads, capacity, headSize], turned by RoPE, then values
	logits           []float32   // [Vocabulary]: what Extend gives
}

// NewCache has room for capacity tokens.
func (m *Model) NewCache(capacity int) *Cache {
	c := &Cache{capacity: max(0, capacity), layers: make([][]float32, m.Config.Layers), logits: make([]float32, m.Config.Vocabulary)}
	for l := range c.layers {
		c.layers[l] = make([]float32, 2*m.Config.KVHeads*c.capacity*m.Config.HeadSize)
	}
	return c
}

// Len is how many tokens it holds.
func (c *Cache) Len() int { return c.length }

// Truncate forgets all tokens but the first n.
func (c *Cache) Truncate(n int) { c.length = max(0, min(c.length, n)) }

// Extend runs the model on the tokens that follow those of the cache, and gives the logits after the last of them, valid
// until the next call with this cache. An error says that a token is none of the vocabulary's, or that there is no room; the
// cache is as it was then.
func (m *Model) Extend(c *Cache, tokens []int32) ([]float32, error) {
	config := m.Config
	if len(c.layers) != config.Layers || len(c.logits) != config.Vocabulary ||
		len(c.layers[0]) != 2*config.KVHeads*c.capacity*config.HeadSize {
		return nil, fmt.Errorf("the cache is of a model of another configuration")
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("a cache is extended by at least one token")
	}
	if free := c.capacity - c.length; len(tokens) > free {
		return nil, fmt.Errorf("%d tokens are too many for a cache that holds %d and has room for %d", len(tokens), c.length, c.capacity)
	}
	for t, token := range tokens {
		if token < 0 || int(token) >= config.Vocabulary {
			return nil, fmt.Errorf("position %d: token %d is none of the vocabulary's %d", c.length+t, token, config.Vocabulary)
		}
	}
	m.reserve(1, min(len(tokens), extendTokens), false)
	if config.Family == Llama && m.table.length < c.capacity {
		m.table = newRopeTable(config, c.capacity)
	}
	for len(tokens) > 0 {
		n := min(len(tokens), extendTokens)
		m.embed(n, tokens[:n], m.last)
		for l := range c.layers {
			m.blockExtend(&m.places.blocks[l], c, c.layers[l], n, m.last)
		}
		c.length += n
		tokens = tokens[n:]
		if len(tokens) == 0 {
			m.headForward(1, nil, m.last[(n-1)*config.Width:], c.logits)
		}
	}
	return c.logits, nil
}

// blockExtend is blockForward for n tokens that follow those of a cache: x, [n, Width], is input and output.
func (m *Model) blockExtend(l *layer, c *Cache, cached []float32, n int, x []float32) {
	k := &m.kept[0]
	l.norm1.forward(m, n, nil, x, m.normed, k.stats1)
	l.qkv.forward(m, n, m.normed, k.qkv)
	if m.table != nil {
		m.rope(n, n, c.length, k.qkv)
	}
	m.attention.extend(m.pool, k.qkv, c.length, n, cached, c.capacity, k.attended)
	l.out.forwardAdd(m, n, k.attended, x, x)

	l.norm2.forward(m, n, nil, x, m.normed, k.stats2)
	l.gates.forward(m, n, m.normed, k.gates)
	swiglu(m, n, m.Config.FFN, k.gates, m.wide)
	l.down.forwardAdd(m, n, m.wide, x, x)
}
