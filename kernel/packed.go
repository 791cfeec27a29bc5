package kernel

import (
	"fmt"
	"runtime"
)

// Packed is a matrix of weights that many products share: B as [n, k], row j of it the k weights of output j, packed once
// in the order in which the tiles of one set read it. It may be shared among goroutines.
type Packed struct {
	n, k  int
	tiles *tiles // nil: portable
	x     []float32
}

// Pack packs b, [n, k], for GemmPacked of the same set. It keeps a copy: 4 bytes a weight, n rounded up to the width of a
// tile (3, 16 or 32 columns).
func (s *Set) Pack(n, k int, b []float32, ldb int) *Packed {
	p := s.NewPacked(n, k)
	p.Put(0, p.n, b, ldb)
	return p
}

// NewPacked is a matrix of zeros, [n, k], which Put fills.
func (s *Set) NewPacked(n, k int) *Packed {
	p := &Packed{n: max(0, n), k: max(0, k), tiles: s.tiles}
	cols := 3
	if p.tiles != nil {
		cols = p.tiles.cols
	}
	p.x = Outside[Packed, float32](p, cut(p.n, 1, cols)*p.k)
	return p
}

// Unit is what the rows that Put begins with are a multiple of.
func (p *Packed) Unit() int {
	if p.tiles == nil {
		return portableN
	}
	return packedGroup * p.tiles.cols
}

// Put packs the rows of b as those from from on, a multiple of Unit. So many are put at a time that the last one of them is the last
// one of a unit, or of all.
func (p *Packed) Put(from, rows int, b []float32, ldb int) {
	if rows <= 0 || p.k == 0 {
		return
	}
	if unit := p.Unit(); from < 0 || from%unit != 0 || from+rows > p.n || rows%unit != 0 && from+rows != p.n {
		panic(fmt.Sprintf("kernel: rows %d to %d of %d are packed, in units of %d", from, from+rows, p.n, unit))
	}
	within("b", rows, p.k, b, ldb)
	if p.tiles == nil {
		p.packPortable(from, rows, b, ldb)
		return
	}
	t := p.tiles
	ob := operand{b, ldb, false, t.cols, plain}
	group, step := packedGroup*t.cols, t.steps(p.k)
	for j := 0; j < rows; j += group {
		for l := 0; l < p.k; l += step {
			t.packed(&ob, p.group(from+j, l), j, min(group, rows-j), l, min(step, p.k-l))
		}
	}
	runtime.KeepAlive(p)
}

// group is where the panels of a group begin that has the columns from j on, and of them the steps of k from l on: in the
// order in which they are read.
func (p *Packed) group(j, l int) []float32 {
	wide := cut(min(packedGroup*p.tiles.cols, p.n-j), 1, p.tiles.cols)
	return p.x[j*p.k+wide*l:]
}

// Row puts row j of what was packed, k numbers, into dst.
func (p *Packed) Row(j int, dst []float32) {
	if j < 0 || j >= p.n {
		panic(fmt.Sprintf("kernel: row %d of %d", j, p.n))
	}
	dst = dst[:p.k]
	if p.tiles == nil {
		block := j / portableN * portableN
		for l := 0; l < p.k; l += portableK {
			k := min(portableK, p.k-l)
			from := p.blockPortable(block, l, min(portableN, p.n-block), k)[(j-block)/3*3*k+(j-block)%3:]
			for i := range k {
				dst[l+i] = from[3*i]
			}
		}
		runtime.KeepAlive(p)
		return
	}
	cols, step := p.tiles.cols, p.tiles.steps(p.k)
	first := j / (packedGroup * cols) * packedGroup * cols
	for l := 0; l < p.k; l += step {
		k := min(step, p.k-l)
		from := p.group(first, l)[(j-first)/cols*cols*k+j%cols:]
		for i := range k {
			dst[l+i] = from[i*cols]
		}
	}
	runtime.KeepAlive(p)
}

// GemmPacked puts the product a·Bᵀ into c, or adds it with add: a is [m, k], C is [m, n]. The result has the same bits as
// that of Gemm with F32 and NT and the matrix that was packed, by the same set. It works in the caller's goroutine; c does
// not overlap a.
func (s *Set) GemmPacked(w *Scratch, m int, a []float32, lda int, b *Packed, add bool, c []float32, ldc int) {
	if b.tiles != s.tiles {
		panic(fmt.Sprintf("kernel: a matrix that another set packed is multiplied with the set %q", s.name))
	}
	if m <= 0 || b.n == 0 {
		return
	}
	within("c", m, b.n, c, ldc)
	if b.k == 0 {
		for i := 0; i < m && !add; i++ {
			clear(c[i*ldc : i*ldc+b.n])
		}
		return
	}
	within("a", m, b.k, a, lda)
	if s.tiles == nil {
		b.gemmPortable(w, m, a, lda, add, c, ldc)
	} else {
		b.gemm(w, m, a, lda, add, c, ldc)
	}
	runtime.KeepAlive(b)
}

const (
	// packedA is how many numbers of a are packed at a time, at most, but for at least a tile: as many as stay in the
	// second or third cache with what they are multiplied with.
	packedA = 1 << 18
	// packedGroup is how many panels of B come before the next step of k, so that panels of A of one step are used again
	// while they are in the second cache, and pieces of C too.
	packedGroup = 4
)

// even says how m rows are cut into tiles of at most most rows: into tiles of the same height but for the last one, because
// a low tile waits for its sums.
func even(m, most int) int {
	tiles := (m + most - 1) / most
	return (m + tiles - 1) / tiles
}

func (p *Packed) gemm(w *Scratch, m int, a []float32, lda int, add bool, c []float32, ldc int) {
	t := p.tiles
	step := t.steps(p.k)
	most := max(1, packedA/(t.rows*p.k)) * t.rows // rows of A at a time
	for i := 0; i < m; i += most {
		mm := min(most, m-i)
		h := even(mm, t.rows)
		panels := (mm + h - 1) / h
		pa := grown(&w.a, panels*t.rows*p.k)
		for l := 0; l < p.k; l += step {
			kk := min(step, p.k-l)
			oa := operand{a, lda, false, t.rows, plain}
			for q := range panels {
				t.packed(&oa, pa[panels*t.rows*l+q*t.rows*kk:], i+q*h, min(h, mm-q*h), l, kk)
			}
		}
		for j := 0; j < p.n; j += packedGroup * t.cols {
			end := min(p.n, j+packedGroup*t.cols)
			for l := 0; l < p.k; l += step {
				kk := min(step, p.k-l)
				pb := p.group(j, l)
				for x := j; x < end; x += t.cols {
					t.low(w, t.f32, h, mm, min(t.cols, p.n-x), kk, pa[panels*t.rows*l:], pb[(x-j)*kk:], add || l > 0, c[i*ldc+x:], ldc)
				}
			}
		}
	}
}
