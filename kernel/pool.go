package kernel

import (
	"runtime"
	"sync/atomic"
)

// Pool runs the pieces of a job on a fixed number of goroutines. Its methods are called by one goroutine at a time, and
// not from within a piece.
//
// A job does not wait for workers: those that come in time take pieces, and a worker that wakes up when all pieces are
// taken finds the job closed. After a job, workers look for the next one for a moment before they sleep.
type Pool struct {
	set     *Set
	workers int
	scratch []Scratch // one a worker
	product product   // what Gemm works at
	blocks  blockProduct
	spin    int // rounds of looking for a job before a worker sleeps

	// The job: written before state opens it.
	n       int
	f       func(i, worker int)
	failure atomic.Pointer[failure]
	done    chan struct{} // the last worker tells a caller that sleeps
	sleeper []sleeper     // one a worker

	_     [64]byte
	state atomic.Uint64 // see below
	_     [64]byte
	next  atomic.Int64 // the piece that nobody has taken yet
	_     [64]byte
}

// state is the number of the job, three flags, and how many workers are at it.
const (
	working uint64 = 1<<16 - 1
	open    uint64 = 1 << 16 // workers may join
	waiting uint64 = 1 << 17 // the caller sleeps until the last worker leaves
	closed  uint64 = 1 << 18 // the pool is
	job     uint64 = 1 << 19
)

type failure struct{ value any }

type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

// Rounds of looking for a job before a worker sleeps, and pauses of each: 200 to 400 µs together. To wake a worker takes some
// 50 µs, and what lies between the products of a model is mostly shorter.
const (
	rounds = 256
	pauses = 30
)

// NewPool makes a pool of workers goroutines, the caller's among them. Close ends the others.
func NewPool(s *Set, workers int) *Pool {
	workers = min(max(1, workers), int(working))
	p := &Pool{
		set:     s,
		workers: workers,
		scratch: make([]Scratch, workers),
		done:    make(chan struct{}, 1),
		sleeper: make([]sleeper, workers),
	}
	p.product.pool = p
	p.product.functions()
	p.blocks.pool = p
	p.blocks.functions()
	if workers <= min(runtime.GOMAXPROCS(0), runtime.NumCPU()) {
		p.spin = rounds // else they would keep others from working
	}
	for w := 1; w < workers; w++ {
		p.sleeper[w].wake = make(chan struct{}, 1)
		go p.work(w)
	}
	return p
}

// Set is what the pool computes with.
func (p *Pool) Set() *Set { return p.set }

// Workers is how many goroutines there are.
func (p *Pool) Workers() int { return p.workers }

// Close ends the goroutines. The pool is not used afterwards.
func (p *Pool) Close() {
	p.state.Or(closed)
	p.wake(p.workers)
}

// Each calls f once for every i in [0, n). Which worker, in [0, Workers()), gets which i is open: it says only whose
// scratch may be used, and the result must not depend on it. A panic in f comes out of Each.
func (p *Pool) Each(n int, f func(i, worker int)) {
	if n <= 1 || p.workers == 1 {
		for i := range n {
			f(i, 0)
		}
		return
	}
	p.n, p.f = n, f
	p.next.Store(0)
	p.state.Store((p.state.Load()&^(job-1) + job) | open)
	p.wake(min(n, p.workers))
	p.pieces(0)
	p.leave()
	p.f = nil
	if f := p.failure.Swap(nil); f != nil {
		panic(f.value)
	}
}

// Scratch is a worker's scratch for Set.Gemm inside a piece of Each.
func (p *Pool) Scratch(worker int) *Scratch { return &p.scratch[worker] }

// pieces takes pieces until there are none.
func (p *Pool) pieces(worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &failure{v})
			p.next.Store(int64(p.n)) // the others stop
		}
	}()
	for {
		i := int(p.next.Add(1)) - 1
		if i >= p.n {
			return
		}
		p.f(i, worker)
	}
}

// leave closes the job and waits until all workers have left it.
func (p *Pool) leave() {
	p.state.And(^open)
	for left := p.spin; ; left-- {
		s := p.state.Load()
		switch {
		case s&working == 0:
			return
		case left > 0:
			pause(pauses)
		case p.state.CompareAndSwap(s, s|waiting):
			<-p.done
			return
		}
	}
}

// wake wakes workers below n that sleep.
func (p *Pool) wake(n int) {
	for w := 1; w < n; w++ {
		if s := &p.sleeper[w]; s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
			s.wake <- struct{}{}
		}
	}
}

// work is a worker's life.
func (p *Pool) work(worker int) {
	sleeper := &p.sleeper[worker]
	var last uint64 // the job that is known
	for left := p.spin; ; {
		s := p.state.Load()
		if s&closed != 0 {
			return
		}
		if s&open != 0 && s/job != last {
			if !p.state.CompareAndSwap(s, s+1) {
				continue
			}
			last = s / job
			p.join(worker)
			left = p.spin
			continue
		}
		if left > 0 {
			left--
			if pause(pauses); left%8 == 0 {
				runtime.Gosched() // goroutines that have work come first
			}
			continue
		}
		sleeper.asleep.Store(true)
		// A job that was opened before asleep was set did not see it.
		if t := p.state.Load(); (t == s || t&open == 0 && t&closed == 0) || !sleeper.asleep.CompareAndSwap(true, false) {
			<-sleeper.wake
		}
		left = p.spin
	}
}

// join works at the job, and leaves it, whatever happens to the goroutine.
func (p *Pool) join(worker int) {
	defer func() {
		if s := p.state.Add(^uint64(0)); s&working == 0 && s&waiting != 0 {
			p.done <- struct{}{}
		}
	}()
	p.pieces(worker)
}
