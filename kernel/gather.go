package kernel

import "fmt"

// GatherDots puts the products of q with len(dst) vectors of its length into dst: the scores of one query of one head with keys
// that do not lie one behind the other. Vector t begins at k[at[t]].
func (s *Set) GatherDots(dst, q, k []float32, at []int32) {
	at = at[:len(dst)]
	gathered(k, len(q), at)
	s.rows.gatherDots(dst, q, k, at)
}

// GatherSum puts Σ p[t]·v[at[t]:at[t]+len(dst)] into dst: the values of one head, weighed with the probabilities of a query.
func (s *Set) GatherSum(dst, p, v []float32, at []int32) {
	at = at[:len(p)]
	gathered(v, len(dst), at)
	s.rows.gatherSum(dst, p, v, at)
}

// gathered panics unless x has all vectors of length n. Assembly, which reads them, has no bounds.
func gathered(x []float32, n int, at []int32) {
	for _, o := range at {
		if o < 0 || int(o) > len(x)-n {
			panic(fmt.Sprintf("kernel: a vector of %d numbers at %d of %d", n, o, len(x)))
		}
	}
}

func gatherDotsGeneric(dst, q, k []float32, at []int32) {
	for t, o := range at {
		dst[t] = dotGeneric(q, k[o:int(o)+len(q)])
	}
}

func gatherSumGeneric(dst, p, v []float32, at []int32) {
	clear(dst)
	for t, o := range at {
		axpyGeneric(dst, v[o:int(o)+len(dst)], p[t])
	}
}
