package pipeline

import (
	"math/bits"
	"sync"
)

// buffers lends byte slices for chunks, rendered output and frames, so that a steady run makes no garbage:
// under a small --memory each dropped megabyte would be paid for by a collection soon after. Capacities come
// in classes, eight for each doubling, so that a slice given back fits the next one who asks. What is lent
// and what waits together keep to a total, as far as waiting ones can be given up for it.
type buffers struct {
	mu    sync.Mutex
	free  map[int][][]byte // by capacity
	held  int              // bytes in free
	lent  int              // bytes
	total int
}

func newBuffers(total int) *buffers { return &buffers{free: map[int][][]byte{}, total: total} }

// class is the smallest capacity for n bytes: so many eighths of a power of two, and at least 4 KiB.
func class(n int) int {
	const least = 4 << 10
	if n <= least {
		return least
	}
	step := 1 << (bits.Len(uint(n-1)) - 4)
	return (n + step - 1) / step * step
}

// get returns an empty slice with room for n bytes, which goes back by put and not grown by append.
func (b *buffers) get(n int) []byte {
	c := class(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent += c
	list := b.free[c]
	if k := len(list); k > 0 {
		s := list[k-1]
		list[k-1] = nil
		b.free[c] = list[:k-1]
		b.held -= c
		return s[:0]
	}
	for b.held > 0 && b.held+b.lent > b.total {
		b.drop()
	}
	return make([]byte, 0, c)
}

// drop gives up the largest waiting slice.
func (b *buffers) drop() {
	most := 0
	for c, list := range b.free {
		if len(list) > 0 {
			most = max(most, c)
		}
	}
	list := b.free[most]
	list[len(list)-1] = nil
	b.free[most] = list[:len(list)-1]
	b.held -= most
}

// trim gives up all waiting slices, for somebody who needs much at once.
func (b *buffers) trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.free)
	b.held = 0
}

// put takes a slice of get back.
func (b *buffers) put(s []byte) {
	c := cap(s)
	if c == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent -= c
	if b.held+b.lent+c <= b.total {
		b.free[c] = append(b.free[c], s)
		b.held += c
	}
}

// room returns s, a slice of get or nil, with room for n more bytes, moved to a larger one if need be.
func (b *buffers) room(s []byte, n int) []byte {
	if len(s)+n <= cap(s) {
		return s
	}
	t := append(b.get(max(len(s)+n, cap(s)+cap(s)/2)), s...)
	b.put(s)
	return t
}

// adopt returns grown, which was appended to old, a slice of get, as a slice of get.
func (b *buffers) adopt(old, grown []byte) []byte {
	if cap(old) == cap(grown) {
		return grown
	}
	t := append(b.get(len(grown)), grown...)
	b.put(old)
	return t
}
