package model

// Cache holds keys and values of the tokens of one sequence that a model has seen.
type Cache struct {
	length, capacity int
	layers           [][]float32 // of each layer: keys [kvHeads, capacity, headSize], then values
}

// NewCache has room for capacity tokens.
func (m *Model) NewCache(capacity int) *Cache { panic("unwritten") }

// Len is how many tokens it holds.
func (c *Cache) Len() int { return c.length }

// Truncate forgets all tokens but the first n.
func (c *Cache) Truncate(n int) { c.length = min(c.length, n) }

// Extend runs the model on the tokens that follow those of the cache, and gives the logits after the last of them, valid
// until the next call. An error says that a token is none of the vocabulary's, or that there is no room.
func (m *Model) Extend(c *Cache, tokens []int32) ([]float32, error) { panic("unwritten") }
