package kernel

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func portablePool(t testing.TB, workers int) *Pool {
	s, err := Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(s, workers)
	t.Cleanup(p.Close)
	return p
}

// Every piece is done once, by a worker that there is and that does one piece at a time.
func TestEach(t *testing.T) {
	for _, workers := range []int{-1, 1, 2, 3, 17} {
		p := portablePool(t, workers)
		if want := max(1, workers); p.Workers() != want {
			t.Fatalf("%d workers of %d", p.Workers(), workers)
		}
		busy := make([]atomic.Bool, p.Workers())
		for round := range 2000 {
			n := rand.IntN(70)
			done := make([]atomic.Int32, n)
			p.Each(n, func(i, worker int) {
				if !busy[worker].CompareAndSwap(false, true) {
					t.Errorf("worker %d does two pieces at a time", worker)
				}
				if done[i].Add(1); round%10 == 0 {
					runtime.Gosched()
				}
				busy[worker].Store(false)
			})
			for i := range done {
				if c := done[i].Load(); c != 1 {
					t.Fatalf("%d workers, round %d: piece %d of %d was done %d times", workers, round, i, n, c)
				}
			}
			if round%500 == 0 {
				time.Sleep(time.Millisecond) // workers fall asleep
			}
		}
	}
}

func TestEachPanic(t *testing.T) {
	p := portablePool(t, 3)
	oops := errors.New("oops")
	for round := range 200 {
		func() {
			defer func() {
				if v := recover(); v != oops {
					t.Fatalf("recovered %v", v)
				}
			}()
			p.Each(20, func(i, _ int) {
				if i == round%20 {
					panic(oops)
				}
			})
			t.Fatal("no panic")
		}()
		var n atomic.Int32
		if p.Each(20, func(int, int) { n.Add(1) }); n.Load() != 20 {
			t.Fatalf("%d pieces of 20 after a panic", n.Load())
		}
	}
}

// All workers take part if pieces take long enough, and sleep when there is nothing to do.
func TestEachShares(t *testing.T) {
	p := portablePool(t, 3)
	deadline := time.Now().Add(20 * time.Second)
	for {
		seen := make([]atomic.Bool, 3)
		p.Each(6, func(_, worker int) {
			seen[worker].Store(true)
			time.Sleep(5 * time.Millisecond)
		})
		if seen[0].Load() && seen[1].Load() && seen[2].Load() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a worker never works")
		}
	}
	for !p.sleeper[1].asleep.Load() || !p.sleeper[2].asleep.Load() {
		if time.Now().After(deadline) {
			t.Fatal("a worker never sleeps")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPoolClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		s, err := Named("portable")
		if err != nil {
			t.Fatal(err)
		}
		p := NewPool(s, 5)
		p.Each(10, func(int, int) {})
		p.Close()
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPeak(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		if p := s.Peak(2 * time.Millisecond); p < 1e7 || p > 1e13 {
			t.Errorf("%v operations a second", p)
		}
	})
}
