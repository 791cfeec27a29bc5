//go:build !noasm

package kernel

func (r rowSet) gatherDots(dst, q, k []float32, at []int32) {
	if r == rowsPortable || len(q)%8 != 0 || len(q) == 0 {
		gatherDotsGeneric(dst, q, k, at)
		return
	}
	n := len(dst) &^ 3
	gatherDotsAVX2(dst[:n], q, k, at[:n])
	if n == len(dst) {
		return
	}
	var last [4]float32 // the rest, filled up with its first vector, so that each sum has the same order
	var from [4]int32
	for i := range from {
		from[i] = at[n]
	}
	copy(from[:], at[n:])
	gatherDotsAVX2(last[:], q, k, from[:])
	copy(dst[n:], last[:])
}

func (r rowSet) gatherSum(dst, p, v []float32, at []int32) {
	if r == rowsPortable || len(dst)%8 != 0 {
		gatherSumGeneric(dst, p, v, at)
		return
	}
	gatherSumAVX2(dst, p, v, at)
}
