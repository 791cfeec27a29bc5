package kernel

// Blocks of the portable product: a piece of C, and the steps of k in which it is made.
const (
	portableM = 64
	portableN = 240
	portableK = 256
)

// gemmPortable makes each number of C as the plain sum in the order of k, of products that are rounded one by one, and
// adds what was there last: 2 by 3 numbers at a time, from packed operands.
func gemmPortable(w *Scratch, p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	if m == 1 && op == NT && p == F32 {
		rowPortable(n, a[:k], b, ldb, add, c)
		return
	}
	pb := grown(&w.b, portableN*portableK)
	ai, al := lda, 1 // strides of a along m and k
	if op == TN {
		ai, al = 1, lda
	}
	bj, bl := 1, ldb
	if op == NT {
		bj, bl = ldb, 1
	}
	blocksPortable(w, p, m, n, k, a, ai, al, func(j, l, n, k int) []float32 {
		packPortable(pb, p, b[j*bj+l*bl:], bj, bl, n, k, 3)
		return pb
	}, add, c, ldc)
}

// blocksPortable is the product with a whose strides along m and k are ai and al, and B that packed gives in blocks of n
// columns from j on and k steps from l on.
func blocksPortable(w *Scratch, p Precision, m, n, k int, a []float32, ai, al int, packed func(j, l, n, k int) []float32, add bool, c []float32, ldc int) {
	pa := grown(&w.a, portableM*portableK)
	var sums []float32
	if add {
		sums = grown(&w.edge, portableM*portableN)
	}
	for j := 0; j < n; j += portableN {
		nn := min(portableN, n-j)
		for i := 0; i < m; i += portableM {
			mm := min(portableM, m-i)
			// The sum is made where it ends, unless something is there.
			to, ld := c[i*ldc+j:], ldc
			if add {
				to, ld = sums, portableN
			}
			for l := 0; l < k; l += portableK {
				kk := min(portableK, k-l)
				pb := packed(j, l, nn, kk)
				packPortable(pa, p, a[i*ai+l*al:], ai, al, mm, kk, 2)
				blockPortable(mm, nn, kk, pa, pb, l == 0, to, ld)
			}
			if !add {
				continue
			}
			for y := range mm {
				to := c[(i+y)*ldc+j:][:nn]
				for x, v := range sums[y*portableN:][:nn] {
					to[x] += v
				}
			}
		}
	}
}

// packPortable packs all blocks of b, whose rows are those from from on.
func (p *Packed) packPortable(from, rows int, b []float32, ldb int) {
	for j := 0; j < rows; j += portableN {
		for l := 0; l < p.k; l += portableK {
			n, k := min(portableN, rows-j), min(portableK, p.k-l)
			packPortable(p.blockPortable(from+j, l, n, k), F32, b[j*ldb+l:], ldb, 1, n, k, 3)
		}
	}
}

// blockPortable is where a block is: behind all those of the columns before it, and those of the steps before it.
func (p *Packed) blockPortable(j, l, n, k int) []float32 {
	n = cut(n, 1, 3)
	return p.x[j*p.k+n*l:][:n*k]
}

func (p *Packed) gemmPortable(w *Scratch, m int, a []float32, lda int, add bool, c []float32, ldc int) {
	blocksPortable(w, F32, m, p.n, p.k, a, lda, 1, p.blockPortable, add, c, ldc)
}

// rowPortable is the product of one row with rows that run along k, which are read once and not packed.
func rowPortable(n int, a, b []float32, ldb int, add bool, c []float32) {
	j := 0
	for ; j+4 <= n; j += 4 {
		b0, b1, b2, b3 := b[j*ldb:][:len(a)], b[(j+1)*ldb:][:len(a)], b[(j+2)*ldb:][:len(a)], b[(j+3)*ldb:][:len(a)]
		var s0, s1, s2, s3 float32
		for l, x := range a {
			s0 += float32(x * b0[l])
			s1 += float32(x * b1[l])
			s2 += float32(x * b2[l])
			s3 += float32(x * b3[l])
		}
		to := c[j:][:4]
		if add {
			s0, s1, s2, s3 = s0+to[0], s1+to[1], s2+to[2], s3+to[3]
		}
		to[0], to[1], to[2], to[3] = s0, s1, s2, s3
	}
	for ; j < n; j++ {
		var sum float32
		for l, y := range b[j*ldb:][:len(a)] {
			sum += float32(a[l] * y)
		}
		if add {
			sum += c[j]
		}
		c[j] = sum
	}
}

// packPortable packs n rows of k numbers in panels of width rows, in which the numbers of one k lie together. Rows that
// are missing in the last panel are 0.
func packPortable(dst []float32, p Precision, src []float32, row, col, n, k, width int) {
	for x := range (n + width - 1) / width * width {
		d := dst[x/width*width*k+x%width:]
		if x >= n {
			for l := range k {
				d[l*width] = 0
			}
			continue
		}
		s := src[x*row:]
		if p == BF16 {
			for l := range k {
				d[l*width] = RoundBF16(s[l*col])
			}
			continue
		}
		for l := range k {
			d[l*width] = s[l*col]
		}
	}
}

// blockPortable goes on with the sums of c [m, n], or begins them, with packed a [m, k] and b [k, n]. More sums at a time
// than 2 by 3 would not stay in registers.
func blockPortable(m, n, k int, a, b []float32, begin bool, c []float32, ldc int) {
	var t [2][3]float32
	for j := 0; j < n; j += 3 {
		nn := min(3, n-j)
		for i := 0; i < m; i += 2 {
			mm := min(2, m-i)
			if begin {
				t = [2][3]float32{}
			} else {
				for y := range mm {
					copy(t[y][:nn], c[(i+y)*ldc+j:])
				}
			}
			tilePortable(a[i*k:][:2*k], b[j*k:][:3*k], &t)
			for y := range mm {
				copy(c[(i+y)*ldc+j:][:nn], t[y][:])
			}
		}
	}
}

func tilePortable(a, b []float32, t *[2][3]float32) {
	s00, s01, s02 := t[0][0], t[0][1], t[0][2]
	s10, s11, s12 := t[1][0], t[1][1], t[1][2]
	for len(a) >= 4 && len(b) >= 6 { // two steps of k
		x, y := (*[4]float32)(a), (*[6]float32)(b)
		s00 += float32(x[0] * y[0])
		s10 += float32(x[1] * y[0])
		s01 += float32(x[0] * y[1])
		s11 += float32(x[1] * y[1])
		s02 += float32(x[0] * y[2])
		s12 += float32(x[1] * y[2])
		s00 += float32(x[2] * y[3])
		s10 += float32(x[3] * y[3])
		s01 += float32(x[2] * y[4])
		s11 += float32(x[3] * y[4])
		s02 += float32(x[2] * y[5])
		s12 += float32(x[3] * y[5])
		a, b = a[4:], b[6:]
	}
	if len(a) >= 2 && len(b) >= 3 {
		x, y := (*[2]float32)(a), (*[3]float32)(b)
		s00 += float32(x[0] * y[0])
		s10 += float32(x[1] * y[0])
		s01 += float32(x[0] * y[1])
		s11 += float32(x[1] * y[1])
		s02 += float32(x[0] * y[2])
		s12 += float32(x[1] * y[2])
	}
	*t = [2][3]float32{{s00, s01, s02}, {s10, s11, s12}}
}
