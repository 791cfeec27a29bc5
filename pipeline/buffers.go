package pipeline

import "sync"

// buffers lends byte slices for chunks, rendered output and frames, so that a steady run makes no garbage.
// It holds a few of usual size; what an unusual record needed goes back to the runtime.
type buffers struct {
	mu   sync.Mutex
	free [][]byte
	max  int // bytes of a slice that is worth keeping
	keep int // slices
}

// get returns an empty slice with room for n bytes.
func (b *buffers) get(n int) []byte {
	b.mu.Lock()
	best := -1
	for i, s := range b.free { // the smallest that fits
		if cap(s) >= n && (best < 0 || cap(s) < cap(b.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		s := b.free[best]
		last := len(b.free) - 1
		b.free[best], b.free[last] = b.free[last], nil
		b.free = b.free[:last]
		b.mu.Unlock()
		return s[:0]
	}
	b.mu.Unlock()
	return make([]byte, 0, n)
}

func (b *buffers) put(s []byte) {
	if cap(s) == 0 || cap(s) > b.max {
		return
	}
	b.mu.Lock()
	if len(b.free) < b.keep {
		b.free = append(b.free, s)
	}
	b.mu.Unlock()
}
