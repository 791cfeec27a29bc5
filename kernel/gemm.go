package kernel

import (
	"fmt"
	"sync/atomic"
)

// Op says which operand of a product is transposed in memory.
type Op uint8

const (
	NN Op = iota // C = A B:  A is [m, k], B is [k, n]
	NT           // C = A Bᵀ: A is [m, k], B is [n, k]
	TN           // C = Aᵀ B: A is [k, m], B is [k, n]
)

// Precision of a product's operands. Sums are f32 in both.
type Precision uint8

const (
	F32  Precision = iota
	BF16           // operands are rounded to bfloat16, to nearest even, before they are multiplied
)

// Scratch is where operands are packed. The zero value is ready; it grows to what the largest product needs, at most to
// a few MB (more where k is above 20,000 in GemmPacked), and is for one goroutine.
type Scratch struct {
	a, b, edge []float32
	// Of products in 8 bits: rows of a and their scales.
	wide  []int16
	byte  []uint8
	scale []float32
}

// Gemm puts the product of a and b into c, or adds it with add; C is [m, n]. It works in the caller's goroutine. The
// order of the sum over k depends on k alone. c does not overlap a or b. A dimension may be 0: an empty sum is 0.
func (s *Set) Gemm(w *Scratch, p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	if s.trivial(op, m, n, k, a, lda, b, ldb, add, c, ldc) {
		return
	}
	if s.tiles == nil {
		gemmPortable(w, p, op, m, n, k, a, lda, b, ldb, add, c, ldc)
		return
	}
	s.tiles.gemm(w, p, op, m, n, k, a, lda, b, ldb, add, c, ldc)
}

// trivial checks the operands, and does the product if a dimension is 0.
func (s *Set) trivial(op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) bool {
	if m <= 0 || n <= 0 {
		return true
	}
	within("c", m, n, c, ldc)
	if k <= 0 {
		for i := 0; i < m && !add; i++ {
			clear(c[i*ldc : i*ldc+n])
		}
		return true
	}
	if op == TN {
		within("a", k, m, a, lda)
	} else {
		within("a", m, k, a, lda)
	}
	if op == NT {
		within("b", n, k, b, ldb)
	} else {
		within("b", k, n, b, ldb)
	}
	return false
}

// within panics unless x has the matrix. Assembly, which reads it, has no bounds.
func within(name string, rows, cols int, x []float32, ld int) {
	if ld < 0 || rows > 1 && ld < cols || (rows-1)*ld+cols > len(x) {
		panic(fmt.Sprintf("kernel: %s of %d numbers is too short for [%d, %d] with a stride of %d", name, len(x), rows, cols, ld))
	}
}

// smallest is how many multiplications are worth a second goroutine: some 5 µs.
const smallest = 1 << 18

// Gemm is as Set.Gemm, shared among the pool's goroutines, with the same result.
func (p *Pool) Gemm(prec Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	if p.set.trivial(op, m, n, k, a, lda, b, ldb, add, c, ldc) {
		return
	}
	if p.workers == 1 || m*n*k < smallest {
		p.set.Gemm(&p.scratch[0], prec, op, m, n, k, a, lda, b, ldb, add, c, ldc)
		return
	}
	q := &p.product
	q.operands = operands{prec, op, m, n, k, a, lda, b, ldb, add, c, ldc}
	if t := p.set.tiles; t == nil {
		q.rows, q.cols = portableM, portableN
		q.split()
	} else if m <= t.blockM/2 {
		// Each number of B is used by one piece alone, which packs it.
		q.rows, q.cols = m, min(max(cut(n, 4*p.workers, t.cols), 4*t.cols), blockN)
		q.split()
	} else {
		q.share(t)
	}
	q.operands = operands{}
}

// product is what a pool works at. It stays, with its functions, so that a product allocates nothing.
type product struct {
	pool *Pool
	operands
	rows, cols int // of a piece of C

	// Of products whose operand B is packed for all.
	tiles          *tiles
	mode           int
	tile           []tile
	packA, packB   operand
	packed         []float32 // two blocks of B
	size           int       // of a block
	width, step    int       // columns and steps of k of a block
	blocks, packs  int       // blocks, and pieces of each that are packed
	pieces, across int       // of C, and how many lie beside each other
	// What is done of each block: packings, and pieces of C; and of each piece: the block that was added last, from 1.
	packsDone, piecesDone, blocksDone []atomic.Int32

	part, task func(i, worker int)
}

type operands struct {
	prec    Precision
	op      Op
	m, n, k int
	a       []float32
	lda     int
	b       []float32
	ldb     int
	add     bool
	c       []float32
	ldc     int
}

func (q *product) functions() {
	q.part, q.task = q.piece, q.sharedTask
}

// split makes each piece of C as a product of its own.
func (q *product) split() {
	q.across = (q.n + q.cols - 1) / q.cols
	q.pool.Each((q.m+q.rows-1)/q.rows*q.across, q.part)
}

func (q *product) piece(i, worker int) {
	y, x := i/q.across*q.rows, i%q.across*q.cols
	dy, dx := q.lda, 1
	if q.op == TN {
		dy = 1
	}
	if q.op == NT {
		dx = q.ldb
	}
	a, b := q.a[y*dy:], q.b[x*dx:]
	p := q.pool
	p.set.Gemm(&p.scratch[worker], q.prec, q.op, min(q.rows, q.m-y), min(q.cols, q.n-x), q.k, a, q.lda, b, q.ldb, q.add, q.c[y*q.ldc+x:], q.ldc)
}

// cut is how large the pieces are if n is cut into so many of them, as a multiple of unit.
func cut(n, pieces, unit int) int {
	size := (n + pieces - 1) / pieces
	return (size + unit - 1) / unit * unit
}
