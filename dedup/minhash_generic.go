package dedup

// minhashGeneric sets mins[i], for each permutation i, to the least ((a[i]*h + b[i]) mod 2^64) mod (2^61-1) over
// the hashes h. The lists a, b and mins have one length; hashes is not empty.
//
// Permutations are the outer loop, four at a time with all they need in registers; the hashes of a document stay
// in the first-level cache.
func minhashGeneric(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		b0, b1, b2, b3 := b[i], b[i+1], b[i+2], b[i+3]
		m0, m1, m2, m3 := uint64(mersenne), uint64(mersenne), uint64(mersenne), uint64(mersenne)
		for _, h := range hashes {
			m0 = min(m0, modMersenne(h*a0+b0))
			m1 = min(m1, modMersenne(h*a1+b1))
			m2 = min(m2, modMersenne(h*a2+b2))
			m3 = min(m3, modMersenne(h*a3+b3))
		}
		mins[i], mins[i+1], mins[i+2], mins[i+3] = m0, m1, m2, m3
	}
	for ; i < n; i++ {
		m := uint64(mersenne)
		for _, h := range hashes {
			m = min(m, modMersenne(h*a[i]+b[i]))
		}
		mins[i] = m
	}
}

// modMersenne is v mod 2^61-1: 2^61 is 1 there, so the three upper bits are added to the others.
func modMersenne(v uint64) uint64 {
	v = v&mersenne + v>>61
	if v >= mersenne {
		v -= mersenne
	}
	return v
}
