//go:build noasm || !amd64

package kernel

func (rowSet) gatherDots(dst, q, k []float32, at []int32) { gatherDotsGeneric(dst, q, k, at) }
func (rowSet) gatherSum(dst, p, v []float32, at []int32)  { gatherSumGeneric(dst, p, v, at) }
