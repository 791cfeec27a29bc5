//go:build !noasm

package dedup

import "golang.org/x/sys/cpu"

// minhashSet is an implementation of the permutation loops. The assembly is made by tools/kernels.
type minhashSet uint8

const (
	minhashPortable minhashSet = iota
	minhashAVX2
	minhashAVX512 // F and DQ
)

func (s minhashSet) String() string { return [...]string{"portable", "avx2", "avx512"}[s] }

// minhashBest is the best set that this processor can run; those before it can be run too.
var minhashBest = func() minhashSet {
	switch x := &cpu.X86; {
	case x.HasAVX2 && x.HasAVX512F && x.HasAVX512DQ:
		return minhashAVX512
	case x.HasAVX2:
		return minhashAVX2
	}
	return minhashPortable
}()

// tiled runs a loop that wants whole registers of width permutations: the last one overlaps the one before, whose
// values come out the same. It says false where there are too few.
func tiled[T uint32 | uint64](loop func(mins, a, b, hashes []T), width int, mins, a, b, hashes []T) bool {
	n := len(mins)
	if n < width {
		return false
	}
	whole := n - n%width
	loop(mins[:whole], a[:whole], b[:whole], hashes)
	if whole < n {
		loop(mins[n-width:], a[n-width:], b[n-width:], hashes)
	}
	return true
}

func (s minhashSet) shortLeast(mins, a, b, hashes []uint64) {
	if s == minhashAVX512 && tiled(minhash61AVX512, 8, mins, a, b, hashes) ||
		s == minhashAVX2 && tiled(minhash61AVX2, 8, mins, a, b, hashes) {
		return
	}
	shortLeast(mins, a, b, hashes)
}

func (s minhashSet) shortLeastLow(mins, a, b, hashes []uint64) {
	if s == minhashAVX512 && tiled(minhash61LowAVX512, 8, mins, a, b, hashes) ||
		s == minhashAVX2 && tiled(minhash61LowAVX2, 8, mins, a, b, hashes) {
		return
	}
	shortLeastLow(mins, a, b, hashes)
}

func (s minhashSet) least32(mins, a, b, hashes []uint32) {
	if s == minhashAVX512 && tiled(minhash32AVX512, 16, mins, a, b, hashes) ||
		s == minhashAVX2 && tiled(minhash32AVX2, 8, mins, a, b, hashes) {
		return
	}
	minhash32Generic(mins, a, b, hashes)
}
