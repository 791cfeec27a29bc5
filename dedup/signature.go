package dedup

import "slices"

// Signature appends the Values minima of the permutations over the shingles' hashes, band after band. There
// must be at least one shingle; order and repeats make no difference.
func (s *Scheme) Signature(dst []uint64, shingles []uint64) []uint64 {
	if len(shingles) == 0 {
		panic("dedup: a signature of no shingles")
	}
	p := s.permutations()
	n := len(dst)
	dst = slices.Grow(dst, len(p.a))[:n+len(p.a)]
	s.family.minima(dst[n:], p.a, p.b, shingles)
	return dst
}

// Set sorts the hashes and removes repeats, in place.
func Set(shingles []uint64) []uint64 {
	slices.Sort(shingles)
	return slices.Compact(shingles)
}

// Intersection counts what two sets (see Set) have in common. The similarity of Jaccard is that count n over
// len(a) + len(b) - n.
func Intersection(a, b []uint64) int {
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			n++
			i++
			j++
		}
	}
	return n
}
