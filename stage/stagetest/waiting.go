package stagetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"curate/stage"
)

// inFlightRecords is how many records the engine gives an io-bound Mapper at a time, at most.
const inFlightRecords = 16

// Waiting checks what an io-bound Mapper promises beside the laws of [Mapper]: what becomes of a record depends neither
// on its batch nor on who is answered first, a cancel is obeyed while answers are waited for, and nothing keeps running.
//
// start makes the stage anew, with a server or what stands for it. That calls answer before each of its answers, from
// any goroutine, with a context that ends when nobody waits for the answer any more. stop ends what start has begun.
func Waiting(t *testing.T, start func(answer func(ctx context.Context)) (m stage.Mapper, stop func()), lines [][]byte) {
	t.Helper()
	testWaiting(t, start, lines, 10*time.Second)
}

func testWaiting(t *testing.T, start func(func(context.Context)) (stage.Mapper, func()), lines [][]byte, prompt time.Duration) {
	t.Helper()
	if len(lines) < 20 {
		t.Fatalf("%d lines show nothing; give at least 20", len(lines))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &waiting{start: start, lines: lines, rng: rand.New(rand.NewPCG(seed, 0)), prompt: prompt}
	if !t.Run("alone", w.alone) {
		return // nothing else would mean anything
	}
	t.Run("any batching and order of answers", w.orders)
	t.Run("cancel", w.cancel)
}

type waiting struct {
	start  func(func(context.Context)) (stage.Mapper, func())
	lines  [][]byte
	rng    *rand.Rand
	prompt time.Duration // a cancel is obeyed within it
	want   []result
}

// with runs f with a stage of its own and looks for what it leaves running.
func (w *waiting) with(t *testing.T, answer func(context.Context), f func(m stage.Mapper)) {
	before := runtime.NumGoroutine()
	m, stop := w.start(answer)
	f(m)
	stop()
	for end := time.Now().Add(w.prompt); ; time.Sleep(2 * time.Millisecond) { // one that is just ending may still be counted
		n := runtime.NumGoroutine()
		if n <= before {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d goroutines before, %d after: something keeps running", before, n)
			return
		}
	}
}

func (w *waiting) alone(t *testing.T) {
	w.with(t, func(context.Context) {}, func(m stage.Mapper) {
		if m.Spec().InFlight < 1 {
			t.Errorf("InFlight is %d: the stage is not io-bound", m.Spec().InFlight)
		}
		for i := range w.lines {
			r, err := mapped(t.Context(), m.NewWorker(), w.lines[i:i+1], i)
			if err != nil {
				t.Fatalf("record %d: an error ends the run; a bad record is quarantined: %v", i, err)
			}
			w.want = append(w.want, r[0])
		}
		outcomes(t, w.want)
	})
}

// cuts are the lines in batches as the engine makes them, shuffled.
func (w *waiting) cuts() (list [][2]int) {
	for lo := 0; lo < len(w.lines); {
		hi := min(len(w.lines), lo+1+w.rng.IntN(inFlightRecords))
		list = append(list, [2]int{lo, hi})
		lo = hi
	}
	w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (w *waiting) orders(t *testing.T) {
	for range 3 {
		late := func(ctx context.Context) {
			select {
			case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
			case <-ctx.Done():
			}
		}
		cuts := w.cuts()
		w.with(t, late, func(m stage.Mapper) {
			var wg sync.WaitGroup
			queue := make(chan [2]int)
			for range min(m.Spec().InFlight, len(cuts)) {
				wg.Go(func() {
					worker := m.NewWorker()
					for c := range queue {
						got, err := mapped(t.Context(), worker, w.lines[c[0]:c[1]], c[0])
						if err != nil {
							t.Errorf("records %v: %v", c, err)
						}
						for k := range got {
							if got[k] != w.want[c[0]+k] {
								t.Errorf("record %d in a batch: %+v\nalone: %+v", c[0]+k, got[k], w.want[c[0]+k])
							}
						}
					}
				})
			}
			for _, c := range cuts {
				queue <- c
			}
			close(queue)
			wg.Wait()
		})
	}
}

var errAsked = errors.New("the run was asked to stop")

func (w *waiting) cancel(t *testing.T) {
	asked, free := make(chan struct{}, 1), make(chan struct{})
	never := func(ctx context.Context) {
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
		case <-free: // at the end of the test
		}
	}
	w.with(t, never, func(m stage.Mapper) {
		defer close(free)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		cuts := w.cuts()
		cuts = cuts[:min(len(cuts), m.Spec().InFlight)]
		ends := make(chan error, len(cuts))
		for _, c := range cuts {
			go func() {
				_, err := mapped(ctx, m.NewWorker(), w.lines[c[0]:c[1]], c[0])
				ends <- err
			}()
		}
		select {
		case <-asked:
		case <-time.After(w.prompt):
			t.Error("none of the records makes the stage ask; this shows nothing")
		}
		cancel(errAsked)
		gave := 0
		late := time.After(w.prompt)
		for range cuts {
			select {
			case err := <-ends:
				if err != nil {
					gave++
				}
				if err != nil && !errors.Is(err, errAsked) && !errors.Is(err, context.Canceled) {
					t.Errorf("after a cancel, Map returned %v, which is not the context's cause", err)
				}
			case <-late:
				t.Fatal("Map waits on after its context was cancelled")
			}
		}
		if gave == 0 {
			t.Error("Map returned no error for a batch that was not answered")
		}
	})
}
