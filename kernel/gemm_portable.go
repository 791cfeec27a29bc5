package kernel

// Blocks of the portable product: a piece of C, and the steps of k in which it is made.
const (
	portableM = 64
	portableN = 256
	portableK = 256
)

// gemmPortable makes each number of C as the plain sum in the order of k, of products that are rounded one by one, and
// adds what was there last: 2 by 4 numbers at a time, from packed operands.
func gemmPortable(w *Scratch, p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	pa := grown(&w.a, portableM*portableK)
	pb := grown(&w.b, portableN*portableK)
	var sums []float32
	if add {
		sums = grown(&w.edge, portableM*portableN)
	}
	ai, al := lda, 1 // strides of a along m and k
	if op == TN {
		ai, al = 1, lda
	}
	bj, bl := 1, ldb
	if op == NT {
		bj, bl = ldb, 1
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
				packPortable(pb, p, b[j*bj+l*bl:], bj, bl, nn, kk, 4)
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

// blockPortable goes on with the sums of c [m, n], or begins them, with packed a [m, k] and b [k, n].
func blockPortable(m, n, k int, a, b []float32, begin bool, c []float32, ldc int) {
	for j := 0; j < n; j += 4 {
		pb := b[j*k:][:4*k]
		for i := 0; i < m; i += 2 {
			pa := a[i*k:][:2*k]
			var t [2][4]float32
			if !begin {
				for y := range min(2, m-i) {
					copy(t[y][:], c[(i+y)*ldc+j:][:min(4, n-j)])
				}
			}
			s00, s01, s02, s03 := t[0][0], t[0][1], t[0][2], t[0][3]
			s10, s11, s12, s13 := t[1][0], t[1][1], t[1][2], t[1][3]
			for x, y := pa, pb; len(x) >= 2 && len(y) >= 4; x, y = x[2:], y[4:] {
				x0, x1 := x[0], x[1]
				y0 := y[0]
				s00 += float32(x0 * y0)
				s10 += float32(x1 * y0)
				y1 := y[1]
				s01 += float32(x0 * y1)
				s11 += float32(x1 * y1)
				y2 := y[2]
				s02 += float32(x0 * y2)
				s12 += float32(x1 * y2)
				y3 := y[3]
				s03 += float32(x0 * y3)
				s13 += float32(x1 * y3)
			}
			t = [2][4]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
			for y := range min(2, m-i) {
				copy(c[(i+y)*ldc+j:][:min(4, n-j)], t[y][:])
			}
		}
	}
}
