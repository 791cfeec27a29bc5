package kernel

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
)

// A product of tiles: C is made of tiles of a few rows and two vectors of columns, which stay in registers for a block of
// k. What a tile needs is packed: A in panels of tiles.rows rows, B in panels of tiles.cols columns; in a panel, the
// numbers of one step of k lie together. Blocks are such that a panel of B stays in the first cache while all panels of a
// block of A, which stays in the second one, pass by (Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008). Blocks of k are the same for all shapes, and each makes its own sum, which is then added to C:
// so the order of the sum over k depends on k alone.
type tiles struct {
	rows, cols     int
	blockK, blockM int // at most so many steps of k, and rows of C, in a block
	f32            []tile
	bf16           []tile // of pairs; nil: numbers are rounded and remain f32
	pack           []packing
	row            [2]rowing
	peak           func(n int)
}

type (
	// A tile puts, or adds, products of panels of a with one panel of b into tiles of c.
	tile func(k, panels int, a, b *float32, step int, c *float32, ldc int, add bool)
	// turning packs n times 4 numbers of rows that run along k.
	turning func(n int, src *float32, ld int, dst *float32, step int)
	// straightening packs pieces of k rows that run across it.
	straightening func(k, panels int, src *float32, ld int, dst *float32, size, step int)
	// rowing puts, or adds, products of one row with 16 rows into c: sums of n times 4 numbers.
	rowing func(n int, a, b *float32, ld int, c *float32, add bool)
)

// Modes of packing.
const (
	plain   = iota
	rounded // to bfloat16
	pairs   // of bfloat16, two steps of k in one number
)

// packing has functions by how many rows or columns they pack.
type packing struct {
	turn     [9]turning
	straight [17]straightening
}

// blockN is how many columns of B are packed at a time, at most.
const blockN = 2048

// grown makes *s at least n long. What is allocated is so large that it begins with a page, and so with a cache line.
func grown[T any](s *[]T, n int) []T {
	if len(*s) < n {
		*s = make([]T, max(n, 1<<14))
	}
	return *s
}

// steps is how the k of a product is cut: into equal blocks of at most blockK.
func (t *tiles) steps(k int) int {
	return cut(k, (k+t.blockK-1)/t.blockK, 8)
}

// mode says how operands are packed, and which tiles make the product.
func (t *tiles) mode(p Precision) (int, []tile) {
	switch {
	case p == F32:
		return plain, t.f32
	case t.bf16 == nil:
		return rounded, t.f32
	}
	return pairs, t.bf16
}

// depth is how many numbers a panel has for a row or column of k numbers.
func depth(mode, k int) int {
	if mode == pairs {
		return (k + 1) / 2
	}
	return k
}

// operand is a matrix whose rows or columns run along k.
type operand struct {
	x      []float32
	ld     int
	across bool // rows run across k: [k, n]; else along it: [n, k]
	width  int  // rows or columns of a panel
	mode   int
}

func (t *tiles) operands(op Op, mode int, a []float32, lda int, b []float32, ldb int) (oa, ob operand) {
	return operand{a, lda, op == TN, t.rows, mode}, operand{b, ldb, op != NT, t.cols, mode}
}

// gemm is Set.Gemm.
func (t *tiles) gemm(w *Scratch, p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	mode, tile := t.mode(p)
	step := t.steps(k)
	if m == 1 && op == NT && k%4 == 0 && mode != pairs {
		done := t.gemv(w, mode, n, k, step, a, b, ldb, add, c)
		if n -= done; n == 0 {
			return
		}
		b, c = b[done*ldb:], c[done:]
	}
	oa, ob := t.operands(op, mode, a, lda, b, ldb)
	d := depth(mode, step)
	pa := grown(&w.a, (min(m, t.blockM)+t.rows)*d)
	// Panels of B that are needed again are kept. Others are made just before they are used, a few at a time if rows run
	// across them, so that cache lines lie together.
	group := t.cols
	if ob.across {
		group *= 4
	}
	keep := m > t.blockM
	if keep {
		group = blockN
	}
	pb := grown(&w.b, cut(min(n, group), 1, t.cols)*d)
	for j := 0; j < n; j += blockN {
		nn := min(blockN, n-j)
		for l := 0; l < k; l += step {
			kk := min(step, k-l)
			d := depth(mode, kk)
			for i := 0; i < m; i += t.blockM {
				mm := min(t.blockM, m-i)
				t.packed(&oa, pa, i, mm, l, kk)
				for x := 0; x < nn; x += t.cols {
					at := x % group
					if i == 0 && at == 0 {
						t.packed(&ob, pb, j+x, min(group, nn-x), l, kk)
					}
					t.panel(w, tile, mm, min(t.cols, nn-x), d, pa, pb[at*d:], add || l > 0, c[i*ldc+j+x:], ldc)
				}
			}
		}
	}
}

// gemv is the product of one row with rows that run along k, except for the last ones, fewer than 16. It says how many
// it did.
func (t *tiles) gemv(w *Scratch, mode, n, k, step int, a, b []float32, ldb int, add bool, c []float32) int {
	if mode == rounded {
		r := grown(&w.a, k)
		for i, v := range a[:k] {
			r[i] = RoundBF16(v)
		}
		a = r
	}
	j := 0
	for ; j+16 <= n; j += 16 {
		for l := 0; l < k; l += step {
			t.row[mode](min(step, k-l)/4, &a[l], &b[j*ldb+l], ldb, &c[j], add || l > 0)
		}
	}
	return j
}

// panel multiplies packed rows of a, m of them, with a packed panel of b, n columns of it, and k numbers deep.
func (t *tiles) panel(w *Scratch, tile []tile, m, n, k int, a, b []float32, add bool, c []float32, ldc int) {
	t.low(w, tile, t.rows, m, n, k, a, b, add, c, ldc)
}

// low is panel with only h rows in each panel of a, the last one with what is left.
func (t *tiles) low(w *Scratch, tile []tile, h, m, n, k int, a, b []float32, add bool, c []float32, ldc int) {
	full := m / h
	rest := m - full*h
	if n == t.cols {
		if rest > 0 { // first, because low tiles fetch b ahead
			tile[rest-1](k, 1, &a[full*t.rows*k], &b[0], 4*t.cols, &c[full*h*ldc], ldc, add)
		}
		if full > 0 {
			tile[h-1](k, full, &a[0], &b[0], 4*t.cols, &c[0], ldc, add)
		}
		return
	}
	// The tile is wider than C.
	edge := grown(&w.edge, t.rows*t.cols)
	for i := 0; i < m; i += h {
		rows := min(h, m-i)
		tile[rows-1](k, 1, &a[i/h*t.rows*k], &b[0], 4*t.cols, &edge[0], t.cols, false)
		for y := range rows {
			to := c[(i+y)*ldc:][:n]
			from := edge[y*t.cols:][:n]
			if !add {
				copy(to, from)
				continue
			}
			for x, v := range from {
				to[x] += v
			}
		}
	}
}

// packed packs rows or columns from i on, n of them, and k steps from l on. What is missing in the last panel is 0.
func (t *tiles) packed(o *operand, dst []float32, i, n, l, k int) {
	d := depth(o.mode, k)
	size := o.width * d // of a panel
	full := n / o.width
	rest := n - full*o.width
	if rest > 0 {
		clear(dst[full*size:][:size])
	}
	if o.across {
		src := o.x[l*o.ld+i:]
		// Few panels at a time: their distances are often multiples of what a cache cannot tell apart.
		for p := 0; p < full; p += 8 {
			if o.width == 32 {
				for q := p; q < min(p+8, full); q++ {
					t.pack[o.mode].straight[16](k, 1, &src[32*q], o.ld, &dst[q*size], 0, 128)
					t.pack[o.mode].straight[16](k, 1, &src[32*q+16], o.ld, &dst[q*size+16], 0, 128)
				}
				continue
			}
			t.pack[o.mode].straight[o.width](k, min(8, full-p), &src[o.width*p], o.ld, &dst[p*size], 4*size, 4*o.width)
		}
		if rest > 0 {
			loose(o, dst[full*size:], src[full*o.width:], 1, o.ld, rest, 0, k)
		}
		return
	}
	src := o.x[i*o.ld+l:]
	n4 := k / 4
	for p := 0; p*o.width < n; p++ {
		dst := dst[p*size:]
		src := src[p*o.width*o.ld:]
		rows := min(o.width, n-p*o.width)
		if n4 > 0 {
			for y := 0; y < rows; {
				h := 1
				switch r := rows - y; {
				case r >= 8:
					h = 8
				case r == 6:
					h = 6
				case r >= 4:
					h = 4
				}
				if h > 1 {
					t.pack[o.mode].turn[h](n4, &src[y*o.ld], o.ld, &dst[y], 4*o.width)
				} else {
					loose(o, dst[y:], src[y*o.ld:], o.ld, 1, 1, 0, 4*n4)
				}
				y += h
			}
		}
		if 4*n4 < k {
			loose(o, dst, src, o.ld, 1, rows, 4*n4, k)
		}
	}
}

// loose packs what is too little for assembly: n rows or columns of one panel, steps of k in [l, end), of which l is even.
func loose(o *operand, dst, src []float32, row, col, n, l, end int) {
	for ; l < end; l++ {
		for y := range n {
			v := src[y*row+l*col]
			switch o.mode {
			case plain:
				dst[l*o.width+y] = v
			case rounded:
				dst[l*o.width+y] = RoundBF16(v)
			case pairs:
				x := &dst[l/2*o.width+y]
				high := math.Float32bits(RoundBF16(v)) >> 16
				if l%2 == 0 {
					*x = math.Float32frombits(high)
				} else {
					*x = math.Float32frombits(math.Float32bits(*x) | high<<16)
				}
			}
		}
	}
}

// share is Pool.Gemm for products of which every number of B is used by many pieces. Blocks of B are packed once, by all
// workers together: the next one while pieces of C are made of this one. Packings and pieces are one list of tasks, and
// each waits only for what it needs of those before it, so that workers do not wait for each other at every block.
func (q *product) share(t *tiles) {
	q.tiles = t
	q.mode, q.tile = t.mode(q.prec)
	q.packA, q.packB = t.operands(q.op, q.mode, q.a, q.lda, q.b, q.ldb)
	q.step = t.steps(q.k)
	q.width = cut(q.n, (q.n+blockN-1)/blockN, t.cols)
	q.size = q.width * depth(q.mode, q.step)
	grown(&q.packed, 2*q.size)

	// Pieces of C, so many that workers end at about the same time.
	q.rows, q.cols = cut(q.m, (q.m+t.blockM-1)/t.blockM, t.rows), q.width
	count := func() int { return (q.m + q.rows - 1) / q.rows * ((q.width + q.cols - 1) / q.cols) }
	for count() < 8*q.pool.workers && q.rows > 8*t.rows {
		q.rows = cut(q.rows, 2, t.rows)
	}
	for count() < 8*q.pool.workers && q.cols > 4*t.cols {
		q.cols = cut(q.cols, 2, t.cols)
	}
	q.across = (q.width + q.cols - 1) / q.cols
	q.pieces = count()
	q.packs = (q.width + panelsOfPiece*t.cols - 1) / (panelsOfPiece * t.cols)
	q.blocks = (q.k + q.step - 1) / q.step * ((q.n + q.width - 1) / q.width)

	q.packsDone, q.piecesDone = counters(q.packsDone, q.blocks), counters(q.piecesDone, q.blocks)
	q.blocksDone = counters(q.blocksDone, q.pieces)
	q.pool.Each(q.packs+q.blocks*(q.pieces+q.packs), q.task)
	q.packA, q.packB = operand{}, operand{}
}

// panelsOfPiece of B are packed as one piece.
const panelsOfPiece = 8

// counters gives n of them that are 0.
func counters(c []atomic.Int32, n int) []atomic.Int32 {
	if len(c) < n {
		return make([]atomic.Int32, n)
	}
	for i := range n {
		c[i].Store(0)
	}
	return c
}

// at is where a block of B begins, and how large it is: first all steps of k, then the next columns.
func (q *product) at(block int) (j, l, n, k int) {
	blocks := (q.k + q.step - 1) / q.step
	j, l = block/blocks*q.width, block%blocks*q.step
	return j, l, min(q.width, q.n-j), min(q.step, q.k-l)
}

// sharedTask does task i: the first ones pack the first block; then, for each block, there are its pieces, and the
// packing of the next block in the middle of them.
func (q *product) sharedTask(i, worker int) {
	if i < q.packs {
		q.pack(i, 0)
		return
	}
	i -= q.packs
	block, i := i/(q.pieces+q.packs), i%(q.pieces+q.packs)
	switch first := q.pieces / 2; {
	case i < first:
		q.multiply(i, block, worker)
	case i >= first+q.packs:
		q.multiply(i-q.packs, block, worker)
	case block+1 < q.blocks:
		q.pack(i-first, block+1)
	}
}

// wait waits until c has come to n. What it waits for has been taken before by a worker that does not wait for this one.
func (q *product) wait(c *atomic.Int32, n int) {
	for i := 1; int(c.Load()) < n && q.pool.failure.Load() == nil; i++ {
		if pause(pauses); i%1024 == 0 { // about a millisecond: that worker has no core
			time.Sleep(20 * time.Microsecond)
		} else if i%32 == 0 {
			runtime.Gosched()
		}
	}
}

func (q *product) pack(i, block int) {
	if block >= 2 { // its place is that of another one
		q.wait(&q.piecesDone[block-2], q.pieces)
	}
	t := q.tiles
	j, l, n, k := q.at(block)
	if x := i * panelsOfPiece * t.cols; x < n {
		t.packed(&q.packB, q.packed[block%2*q.size+x*depth(q.mode, k):], j+x, min(panelsOfPiece*t.cols, n-x), l, k)
	}
	q.packsDone[block].Add(1)
}

func (q *product) multiply(i, block, worker int) {
	t := q.tiles
	j, l, n, k := q.at(block)
	d := depth(q.mode, k)
	w := &q.pool.scratch[worker]
	pa := grown(&w.a, (q.rows+t.rows)*depth(q.mode, q.step))
	y, x := i/q.across*q.rows, i%q.across*q.cols
	if x < n {
		m := min(q.rows, q.m-y)
		t.packed(&q.packA, pa, y, m, l, k)
		q.wait(&q.packsDone[block], q.packs)
		if l > 0 { // the sum so far
			q.wait(&q.blocksDone[i], block)
		}
		pb := q.packed[block%2*q.size:]
		for end := min(x+q.cols, n); x < end; x += t.cols {
			t.panel(w, q.tile, m, min(t.cols, n-x), d, pa, pb[x*d:], q.add || l > 0, q.c[y*q.ldc+j+x:], q.ldc)
		}
	}
	q.blocksDone[i].Add(1) // the next range of columns may be before this one
	q.piecesDone[block].Add(1)
}
