package kernel

import "sync"

// Pool runs the pieces of a job on a fixed number of goroutines. Its methods are called by one goroutine at a time, and
// not from within a piece.
type Pool struct {
	set     *Set
	workers int
	scratch []Scratch // one a worker
}

// NewPool makes a pool of workers goroutines, the caller's among them. Close ends the others.
func NewPool(s *Set, workers int) *Pool {
	return &Pool{set: s, workers: max(1, workers), scratch: make([]Scratch, max(1, workers))}
}

// Set is what the pool computes with.
func (p *Pool) Set() *Set { return p.set }

// Workers is how many goroutines there are.
func (p *Pool) Workers() int { return p.workers }

// Close ends the goroutines. The pool is not used afterwards.
func (p *Pool) Close() {}

// Each calls f once for every i in [0, n). Which worker, in [0, Workers()), gets which i is open: it says only whose
// scratch may be used, and the result must not depend on it. A panic in f comes out of Each.
func (p *Pool) Each(n int, f func(i, worker int)) {
	var wg sync.WaitGroup
	for w := range p.workers {
		wg.Go(func() {
			for i := w; i < n; i += p.workers {
				f(i, w)
			}
		})
	}
	wg.Wait()
}

// Scratch is a worker's scratch for Set.Gemm inside a piece of Each.
func (p *Pool) Scratch(worker int) *Scratch { return &p.scratch[worker] }
