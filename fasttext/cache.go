package fasttext

// cache has the sums of words that are not in the vocabulary: one place for a hash, and the word seen last in it.
type cache struct {
	entries []cached
	sums    []float32
	dim     int
	mask    uint32
}

// cached is 32 bytes, half a cache line.
type cached struct {
	hash  uint32
	count uint16 // of rows
	size  uint8  // of word; 0 is an empty place
	word  [maxCached]byte
}

const (
	maxCached  = 25      // bytes of a word: longer ones are rare, and rarely come again
	cacheBytes = 4 << 20 // of all sums at most
)

// make makes a cache, smaller for a model that takes little itself.
func (c *cache) make(dim int, model int64) {
	n := 1
	for n < 1<<15 && int64(2*n)*int64(dim*4+32) <= min(cacheBytes, max(model, 1<<14)) {
		n *= 2
	}
	c.entries, c.sums, c.dim, c.mask = make([]cached, n), make([]float32, n*dim), dim, uint32(n-1)
}

// entry is the place of a word, with its sum; nil if it is too long for one.
func (c *cache) entry(word []byte, h uint32) (*cached, []float32) {
	if len(word) > maxCached {
		return nil, nil
	}
	at := (h ^ h>>15) & c.mask
	return &c.entries[at], c.sums[int(at)*c.dim : (int(at)+1)*c.dim]
}

func (e *cached) is(word []byte, h uint32) bool {
	return e.hash == h && int(e.size) == len(word) && string(e.word[:e.size]) == string(word)
}

func (e *cached) put(word []byte, h uint32, count int) {
	e.hash, e.count, e.size = h, uint16(count), uint8(len(word))
	copy(e.word[:], word)
}
