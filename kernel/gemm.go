package kernel

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

// Scratch is where operands are packed. The zero value is ready; it grows to what the largest product needs, and is
// for one goroutine.
type Scratch struct {
}

// Gemm puts the product of a and b into c, or adds it with add; C is [m, n]. It works in the caller's goroutine. The
// order of the sum over k depends on k alone. c does not overlap a or b. A dimension may be 0: an empty sum is 0.
func (s *Set) Gemm(w *Scratch, p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	gemmPortable(p, op, m, n, k, a, lda, b, ldb, add, c, ldc)
}

// Gemm is as Set.Gemm, shared among the pool's goroutines, with the same result.
func (p *Pool) Gemm(prec Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	p.set.Gemm(&p.scratch[0], prec, op, m, n, k, a, lda, b, ldb, add, c, ldc)
}

func gemmPortable(p Precision, op Op, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	round := func(x float32) float32 {
		if p == BF16 {
			return RoundBF16(x)
		}
		return x
	}
	for i := range m {
		for j := range n {
			var sum float32
			for l := range k {
				x, y := 0, 0
				switch op {
				case NN:
					x, y = i*lda+l, l*ldb+j
				case NT:
					x, y = i*lda+l, j*ldb+l
				case TN:
					x, y = l*lda+i, l*ldb+j
				}
				sum += float32(round(a[x]) * round(b[y]))
			}
			if add {
				sum += c[i*ldc+j]
			}
			c[i*ldc+j] = sum
		}
	}
}
