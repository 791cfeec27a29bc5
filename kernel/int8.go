package kernel

import (
	"fmt"
	"math"
	"runtime"
)

// Products in 8 bits. Numbers are quantised symmetrically by rows: x ≈ scale·q with |q| ≤ 127 and scale = max|x| / 127, so
// that nothing is cut off and 0 is 0 (arXiv 1712.05877 §2.1 with a zero point of 0; arXiv 2208.07339 §3.1 for a scale
// for every row of both operands). Products and sums are exact 32-bit integers in every set: no set saturates, and k is at
// most MaxInt8.

// MaxInt8 is the largest k of a product in 8 bits: so many times 127² stay below 2³¹.
const MaxInt8 = (1<<31 - 1) / (127 * 127)

// Int8 is a matrix of weights in 8 bits, as [n, k] with a scale for each row, w[i][l] ≈ scale[i]·q[i][l], packed in the
// order in which the tiles of one set read it. It may be shared among goroutines.
type Int8 struct {
	n, k  int
	tiles *int8Tiles // nil: portable, and q is [n, k]
	deep  int        // k, rounded up to what a tile wants
	q     []int8
	scale []float32 // of each row; like from, rounded up to whole panels
	from  []int32   // what the sums of each row begin with
}

// int8Tiles are the tiles of one kind of processor: as of tiles, with sums of integers over the whole of k. Either of the
// two lists is there.
type int8Tiles struct {
	rows, cols int
	group      int        // steps of k that lie together in a column
	wide       []int8Wide // a is kept in 16 bits
	byte       []int8Byte // a is kept in bytes, with 128 added
}

type (
	int8Wide func(k, panels int, a *int16, lda int, b *int8, from *int32, scaleA, scaleB, bias *float32, c *float32, ldc int)
	int8Byte func(k, panels int, a *uint8, lda int, b *int8, from *int32, scaleA, scaleB, bias *float32, c *float32, ldc int)
)

// int8Unroll is how many groups of k a tile multiplies at a time: k is padded to a multiple of them.
const int8Unroll = 4

// Quantize8 quantises each row of b, [n, k], into q, [n, k] without gaps, and scale, of n numbers: scale = max/127, and
// q = x·(127/max), rounded to nearest, half to even; max is the largest magnitude of the row. A row whose max is so small
// that 127/max is beyond float32 (below about 3.7e-37), or 0, becomes zeros with a scale of 0. A row with an infinity or a NaN
// becomes zeros with a scale of NaN.
func Quantize8(n, k int, b []float32, ldb int, q []int8, scale []float32) {
	if n <= 0 {
		return
	}
	k = max(0, k)
	if k > 0 {
		within("b", n, k, b, ldb)
	}
	q, scale = q[:n*k], scale[:n]
	for i := range n {
		var factor float32
		row := b[min(i*ldb, len(b)):][:k]
		scale[i], factor = scales8(maxAbsGeneric(row))
		if to := q[i*k:][:k]; factor == 0 {
			clear(to)
		} else {
			for l, x := range row {
				to[l] = round8(x, factor)
			}
		}
	}
}

// scales8 gives the scale of a row whose largest magnitude is top, and what its numbers are multiplied with: 0 if they all
// become 0.
func scales8(top float32) (scale, factor float32) {
	factor = 127 / top
	switch {
	case !(top <= math.MaxFloat32):
		return float32(math.NaN()), 0
	case factor > math.MaxFloat32:
		return 0, 0
	}
	return top / 127, factor
}

// round8 is x·a, rounded to nearest, half to even, which is at most 127 in size: where a float32 is 1.5·2²³ + x, its last
// bit is worth 1.
func round8(x, a float32) int8 {
	return int8(math.Float32bits(float32(x*a) + 0x1.8p23))
}

// PackInt8 packs q, [n, k], of which each is at least -127, for GemmInt8 of the same set, with a scale for each row. It
// keeps copies: a byte a weight, n and k rounded up to what a tile wants (at most 32 and 16). It panics if k is above
// MaxInt8.
func (s *Set) PackInt8(n, k int, q []int8, ldq int, scale []float32) *Int8 {
	p := s.NewInt8(n, k)
	p.Put(0, p.n, q, ldq, scale)
	return p
}

// NewInt8 is a matrix of zeros, [n, k], which Put fills.
func (s *Set) NewInt8(n, k int) *Int8 {
	p := &Int8{n: max(0, n), k: max(0, k), tiles: s.int8}
	if n <= 0 {
		return p
	}
	if k > MaxInt8 {
		panic(fmt.Sprintf("kernel: a product of %d steps does not fit into 32 bits; at most %d do", k, MaxInt8))
	}
	cols := 1
	p.deep = p.k
	if t := p.tiles; t != nil {
		cols = t.cols
		p.deep = cut(max(1, p.k), 1, t.group*int8Unroll)
	}
	wide := cut(n, 1, cols)
	p.q, p.scale, p.from = Outside[Int8, int8](p, wide*p.deep), make([]float32, wide), make([]int32, wide)
	return p
}

// Put packs the rows of q as those from from on.
func (p *Int8) Put(from, rows int, q []int8, ldq int, scale []float32) {
	if rows <= 0 {
		return
	}
	if from < 0 || from+rows > p.n {
		panic(fmt.Sprintf("kernel: rows %d to %d of %d are packed", from, from+rows, p.n))
	}
	if k := p.k; k > 0 && (ldq < 0 || rows > 1 && ldq < k || (rows-1)*ldq+k > len(q)) {
		panic(fmt.Sprintf("kernel: q of %d numbers is too short for [%d, %d] with a stride of %d", len(q), rows, k, ldq))
	}
	cols, group := 1, 1
	if t := p.tiles; t != nil {
		cols, group = t.cols, t.group
	}
	copy(p.scale[from:], scale[:rows])
	for i := range rows {
		j := from + i
		to := p.q[j/cols*cols*p.deep+j%cols*group:]
		var sum int32
		for l := range p.k {
			v := q[i*ldq+l]
			if v == -128 {
				panic(fmt.Sprintf("kernel: q(%d, %d) is -128, below the smallest, -127", j, l))
			}
			sum += int32(v)
			to[l/group*group*cols+l%group] = v
		}
		if p.tiles != nil && p.tiles.byte != nil {
			p.from[j] = -128 * sum // may wrap around; so do the sums
		}
	}
	runtime.KeepAlive(p)
}

// Row puts row j of the weights, k numbers scale·q, into dst.
func (p *Int8) Row(j int, dst []float32) {
	if j < 0 || j >= p.n {
		panic(fmt.Sprintf("kernel: row %d of %d", j, p.n))
	}
	cols, group := 1, 1
	if p.tiles != nil {
		cols, group = p.tiles.cols, p.tiles.group
	}
	from := p.q[j/cols*cols*p.deep+j%cols*group:]
	for l := range dst[:p.k] {
		dst[l] = float32(float32(from[l/group*group*cols+l%group]) * p.scale[j])
	}
	runtime.KeepAlive(p)
}

// GemmInt8 puts a·Bᵀ + bias into c: a is [m, k], C is [m, n], and bias has n numbers or is nil. Each row of a is quantised
// as Quantize8 does it, the integer product is exact, and c = float32(sum)·(scaleA·scaleB[j]) + bias[j], each operation
// rounded by itself: all sets give the same bits. Where one of the numbers is not finite, c is what the formula says, so
// that a row of a with a NaN or an infinity gives a row of NaN; which NaN is open. It works in the caller's goroutine; c
// does not overlap a or bias.
func (s *Set) GemmInt8(w *Scratch, m int, a []float32, lda int, b *Int8, bias []float32, c []float32, ldc int) {
	if b.tiles != s.int8 {
		panic(fmt.Sprintf("kernel: a matrix that another set packed is multiplied with the set %q", s.name))
	}
	if m <= 0 || b.n == 0 {
		return
	}
	within("c", m, b.n, c, ldc)
	if b.k > 0 {
		within("a", m, b.k, a, lda)
	} else {
		a, lda = nil, 0
	}
	if bias != nil {
		bias = bias[:b.n]
	}
	// Blocks of a, as many rows as stay in the second cache.
	rows := max(16, int8Block/max(1, b.deep))
	for i := 0; i < m; i += rows {
		mm := min(rows, m-i)
		if b.tiles == nil {
			b.portable(w, s.rows, mm, a[i*lda:], lda, bias, c[i*ldc:], ldc)
		} else {
			b.gemm(w, s.rows, mm, a[i*lda:], lda, bias, c[i*ldc:], ldc)
		}
	}
	runtime.KeepAlive(b)
}

// int8Block is how many numbers of a are quantised at a time, unless 16 rows are more.
const int8Block = 1 << 17

func (p *Int8) gemm(w *Scratch, set rowSet, m int, a []float32, lda int, bias []float32, c []float32, ldc int) {
	t := p.tiles
	h := even(m, t.rows)
	size := 2 // bytes of a number of a
	if t.wide == nil {
		size = 1
	}
	// Rows that are a multiple of 4096 bytes apart would all want the same place of the first cache.
	ld := p.deep
	if ld*size%4096 == 0 {
		ld += 64 / size
	}
	scaleA := grown(&w.scale, m)
	for i := range m { // what is behind the end of a row meets weights of 0
		row := a[i*lda:][:p.k]
		var factor float32
		scaleA[i], factor = scales8(set.maxAbs(row))
		if t.wide != nil {
			quantiseWide(set, grown(&w.wide, m*ld)[i*ld:], row, factor)
		} else {
			quantiseByte(set, grown(&w.byte, m*ld)[i*ld:], row, factor)
		}
	}
	edge := grown(&w.edge, (m+1)*t.cols) // the last tile, which may be wider than C, and its bias
	for j := 0; j < p.n; j += t.cols {
		to, ldt := c[j:], ldc
		add := bias
		last := j+t.cols > p.n
		if bias != nil {
			add = bias[j:]
		}
		if last {
			to, ldt = edge, t.cols
			if bias != nil {
				add = edge[m*t.cols:]
				copy(add[:t.cols], bias[j:])
			}
		}
		var first *float32
		if add != nil {
			first = &add[0]
		}
		// All tiles of h rows, and then the one with what is left.
		for i, n := 0, m/h; i < m; i, n = i+n*h, 1 {
			rows := min(h, m-i)
			q, from, scaleB := &p.q[j*p.deep], &p.from[j], &p.scale[j]
			if t.wide != nil {
				t.wide[rows-1](p.deep/t.group, n, &w.wide[i*ld], size*ld, q, from, &scaleA[i], scaleB, first, &to[i*ldt], ldt)
			} else {
				t.byte[rows-1](p.deep/t.group, n, &w.byte[i*ld], size*ld, q, from, &scaleA[i], scaleB, first, &to[i*ldt], ldt)
			}
		}
		if last {
			for i := range m {
				copy(c[i*ldc+j:i*ldc+p.n], edge[i*t.cols:])
			}
		}
	}
}

// quantiseWide quantises a row.
func quantiseWide(set rowSet, dst []int16, x []float32, a float32) {
	dst = dst[:len(x)]
	if a == 0 {
		clear(dst)
		return
	}
	n := len(x) &^ 15 // what the sets do; the rest is the same to the bit
	set.toInt16(dst[:n], x[:n], a)
	toInt16Generic(dst[n:], x[n:], a)
}

// quantiseByte is quantiseWide with 128 added.
func quantiseByte(set rowSet, dst []uint8, x []float32, a float32) {
	dst = dst[:len(x)]
	if a == 0 {
		for i := range dst {
			dst[i] = 128
		}
		return
	}
	n := len(x) &^ 15
	set.toUint8(dst[:n], x[:n], a)
	toUint8Generic(dst[n:], x[n:], a)
}

// portable makes four numbers of C at a time: one row of a with four of B.
func (p *Int8) portable(w *Scratch, set rowSet, m int, a []float32, lda int, bias []float32, c []float32, ldc int) {
	q, scale := grown(&w.wide, m*p.k), grown(&w.scale, m)
	for i := range m {
		row := a[i*lda:][:p.k]
		var factor float32
		scale[i], factor = scales8(set.maxAbs(row))
		quantiseWide(set, q[i*p.k:], row, factor)
	}
	put := func(i, j int, sum int32) {
		v := float32(float32(sum) * float32(scale[i]*p.scale[j]))
		if bias != nil {
			v += bias[j]
		}
		c[i*ldc+j] = v
	}
	j := 0
	for ; j+4 <= p.n; j += 4 {
		b := p.q[j*p.k:]
		b0, b1, b2, b3 := b[:p.k], b[p.k:][:p.k], b[2*p.k:][:p.k], b[3*p.k:][:p.k]
		for i := range m {
			var s0, s1, s2, s3 int32
			for l, x := range q[i*p.k:][:p.k] {
				s0 += int32(x) * int32(b0[l])
				s1 += int32(x) * int32(b1[l])
				s2 += int32(x) * int32(b2[l])
				s3 += int32(x) * int32(b3[l])
			}
			put(i, j, s0)
			put(i, j+1, s1)
			put(i, j+2, s2)
			put(i, j+3, s3)
		}
	}
	for ; j < p.n; j++ {
		for i := range m {
			var sum int32
			for l, x := range q[i*p.k:][:p.k] {
				sum += int32(x) * int32(p.q[j*p.k+l])
			}
			put(i, j, sum)
		}
	}
}
