package dedup

// The permutations' least values over the hashes of a document. There are two families and three results:
//
//	minhash61     ((a*h + b) mod 2^64) mod (2^61-1)
//	minhash61Low  the lower 32 bits of that
//	minhash32     (a*h + b) mod 2^32
//
// The lists a, b and mins have one length. Of no hashes the least value is the upper bound: 2^61-1, or 2^32-1.
//
// Permutations are the outer loop, some at a time with all they need in registers; the hashes of a document stay in the
// first-level cache. The remainder takes no comparison. With v = (a*h + b + 1) mod 2^64, the short remainder
//
//	y = (v + v>>61) mod 2^61
//
// is the wanted value plus one, except where v + v>>61 reaches beyond 61 bits or v is 0: there y is at most 6. So when the
// least y is above 6 it tells the least value, and otherwise the permutation is done anew in full. The lower 32 bits of
// y serve the lower 32 bits in the same way. The assembly does short remainders too.

func (s minhashSet) minhash61(mins, a, b, hashes []uint64) {
	a, b = a[:len(mins)], b[:len(mins)]
	if len(hashes) == 0 {
		for i := range mins {
			mins[i] = mersenne
		}
		return
	}
	s.shortLeast(mins, a, b, hashes)
	for i, m := range mins {
		if m > 6 {
			mins[i] = m - 1
		} else {
			mins[i] = leastValue(a[i], b[i], hashes)
		}
	}
}

func (s minhashSet) minhash61Low(mins, a, b, hashes []uint64) {
	a, b = a[:len(mins)], b[:len(mins)]
	if len(hashes) == 0 {
		for i := range mins {
			mins[i] = 1<<32 - 1
		}
		return
	}
	s.shortLeastLow(mins, a, b, hashes)
	for i, m := range mins {
		if m &= 1<<32 - 1; m > 6 {
			mins[i] = m - 1
		} else {
			mins[i] = leastLowValue(a[i], b[i], hashes)
		}
	}
}

func (s minhashSet) minhash32(mins, a, b, hashes []uint32) {
	s.least32(mins, a[:len(mins)], b[:len(mins)], hashes)
}

// shortLeast is the least short remainder, for each permutation. There are hashes.
func shortLeast(mins, a, b, hashes []uint64) {
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
		mins[i], mins[i+1], mins[i+2], mins[i+3] = m0>>3, m1>>3, m2>>3, m3>>3
	}
	for ; i < n; i++ {
		m := ^uint64(0)
		for _, h := range hashes {
			v := h*a[i] + b[i] + 1
			m = min(m, (v+v>>61)<<3)
		}
		mins[i] = m >> 3
	}
}

// shortLeastLow is the least lower half of a short remainder; the upper 32 bits of mins may be anything.
func shortLeastLow(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	for i := range mins {
		a, b, m := a[i], b[i]+1, ^uint32(0)
		for _, h := range hashes {
			v := h*a + b
			m = min(m, uint32(v+v>>61))
		}
		mins[i] = uint64(m)
	}
}

func minhash32Generic(mins, a, b, hashes []uint32) {
	n := len(mins)
	a, b = a[:n], b[:n]
	for i := range mins {
		a, b, m := a[i], b[i], ^uint32(0)
		for _, h := range hashes {
			m = min(m, h*a+b)
		}
		mins[i] = m
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

// leastLowValue is the definition, for one permutation.
func leastLowValue(a, b uint64, hashes []uint64) uint64 {
	least := uint64(1<<32 - 1)
	for _, h := range hashes {
		least = min(least, (h*a+b)%mersenne&(1<<32-1))
	}
	return least
}
