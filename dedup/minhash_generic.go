package dedup

// minhashGeneric sets mins[i], for each permutation i, to the least ((a[i]*h + b[i]) mod 2^64) mod (2^61-1) over
// the hashes h. The lists a, b and mins have one length; hashes is not empty.
//
// Permutations are the outer loop, four at a time with all they need in registers; the hashes of a document stay
// in the first-level cache. The remainder takes no comparison. With v = (a*h + b + 1) mod 2^64,
//
//	y = (v + v>>61) mod 2^61
//
// is the wanted value plus one, except where v + v>>61 reaches beyond 61 bits or v is 0: there y is at most 6.
// So when the least y is above 6 it tells the least value, and otherwise, which no text has shown yet, the
// permutation is done anew in full. Shifted to the left by 3, "mod 2^61" costs nothing further.
func minhashGeneric(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		b0, b1, b2, b3 := b[i]+1, b[i+1]+1, b[i+2]+1, b[i+3]+1
		m0, m1, m2, m3 := ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)
		for _, h := range hashes {
			v0, v1, v2, v3 := h*a0+b0, h*a1+b1, h*a2+b2, h*a3+b3
			m0 = min(m0, (v0+v0>>61)<<3)
			m1 = min(m1, (v1+v1>>61)<<3)
			m2 = min(m2, (v2+v2>>61)<<3)
			m3 = min(m3, (v3+v3>>61)<<3)
		}
		for j, m := range [4]uint64{m0, m1, m2, m3} {
			if m >>= 3; m > 6 {
				mins[i+j] = m - 1
			} else {
				mins[i+j] = leastValue(a[i+j], b[i+j], hashes)
			}
		}
	}
	for ; i < n; i++ {
		mins[i] = leastValue(a[i], b[i], hashes)
	}
}

// leastValue is the definition, for one permutation.
func leastValue(a, b uint64, hashes []uint64) uint64 {
	least := uint64(mersenne)
	for _, h := range hashes {
		least = min(least, (h*a+b)%mersenne)
	}
	return least
}
