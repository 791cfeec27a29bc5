package pipeline

import (
	"context"
	"sync"
)

// window bounds the bytes in flight. Each lane owns a share; what is left over is common. A lane whose
// results cannot flow off yet, because another lane's come first in the one output stream, gets no more than
// its share: so the lane that everybody waits for can always go on, and the run never locks up.
type window struct {
	mu     sync.Mutex
	wake   chan struct{} // closed and renewed when bytes are given back
	share  int64
	common int64 // of the part above all shares
	used   map[int]int64
	over   int64            // sum of what lanes hold above their share
	mayUse func(l int) bool // the common part
}

func newWindow(share, common int64, mayUse func(lane int) bool) *window {
	return &window{wake: make(chan struct{}), share: share, common: common, used: map[int]int64{}, mayUse: mayUse}
}

// acquire blocks until n bytes are free for the lane, and returns what it took: n, or all there is if n is
// more than that.
func (w *window) acquire(ctx context.Context, lane int, n int64) (int64, error) {
	return w.grow(ctx, lane, 0, n)
}

// grow does so for somebody who has bytes already and will not give them back before he has n. All of it
// comes at once, never in steps: two lanes that each held half of what there is would wait for ever.
func (w *window) grow(ctx context.Context, lane int, has, n int64) (more int64, err error) {
	n = min(n, w.share+w.common) - has
	if n <= 0 {
		return 0, nil
	}
	for {
		w.mu.Lock()
		held := w.used[lane]
		add := max(0, held+n-w.share) - max(0, held-w.share)
		if add == 0 || w.mayUse(lane) && w.over+add <= w.common {
			w.used[lane] = held + n
			w.over += add
			w.mu.Unlock()
			return n, nil
		}
		wake := w.wake
		w.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (w *window) release(lane int, n int64) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	held := w.used[lane]
	w.over -= max(0, held-w.share) - max(0, held-n-w.share)
	if held -= n; held == 0 {
		delete(w.used, lane)
	} else {
		w.used[lane] = held
	}
	w.mu.Unlock()
	w.changed()
}

// changed wakes those who wait: bytes came back, or another lane is first now.
func (w *window) changed() {
	w.mu.Lock()
	close(w.wake)
	w.wake = make(chan struct{})
	w.mu.Unlock()
}
