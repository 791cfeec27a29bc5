package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestWindow lets lanes of an ordered run take, grow and give back random amounts, in the way lanes do: the
// bound holds, a lane that is not first keeps to its share, and everybody comes through.
func TestWindow(t *testing.T) {
	const lanes, share, common = 4, 100, 300
	var first atomic.Int64
	w := newWindow(share, common, func(l int) bool { return int64(l) == first.Load() })
	var total atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	done := make([]chan struct{}, lanes)
	for l := range lanes {
		done[l] = make(chan struct{})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(l), 1))
			for i := range 400 {
				// Only the first lane may need more than a share; the others would wait until they are first.
				size := int64(1 + rng.IntN(share))
				n, err := w.acquire(ctx, l, size)
				if err != nil {
					t.Errorf("lane %d, round %d: %v", l, i, err)
					return
				}
				if first.Load() == int64(l) && rng.IntN(4) == 0 {
					more, err := w.grow(ctx, l, n, 10*share) // more than there is
					if err != nil {
						t.Errorf("lane %d, round %d: growing: %v", l, i, err)
						return
					}
					if n += more; n != share+common {
						t.Errorf("grew to %d, want all there is, %d", n, share+common)
					}
				}
				if got := total.Add(n); got > lanes*share+common {
					t.Errorf("%d bytes are out, more than %d", got, lanes*share+common)
				}
				total.Add(-n)
				w.release(l, n)
			}
			close(done[l])
		})
	}
	for l := range lanes {
		select {
		case <-done[l]:
		case <-ctx.Done():
			t.Fatalf("lane %d is stuck", l)
		}
		first.Store(int64(l + 1))
		w.changed()
	}
	wg.Wait()
	if len(w.used) != 0 || w.over != 0 {
		t.Errorf("left over: %v, %d", w.used, w.over)
	}
	// A lane that is not first waits for more than its share, and is woken by a cancel.
	first.Store(0)
	short, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { stop(errStop) })
	if _, err := w.acquire(short, 1, share+1); !errors.Is(err, errStop) {
		t.Errorf("%v", err)
	}
}
