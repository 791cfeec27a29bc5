package dedup

// family is a kind of hash functions: what becomes of a*h + b.
type family uint8

const (
	mersenne61    family = iota // mod 2^64, mod 2^61-1: minhashGeneric
	mersenne61Low               // of that the lower 32 bits
	affine32                    // mod 2^32
	affine64                    // mod 2^64
	prime32                     // mod 2^32, mod 2^32-5
)

// prime is the modulus of prime32.
const prime = 1<<32 - 5

// minima sets mins[i], for each function i of the family, to its least value over the hashes. The lists a, b and mins
// have one length; hashes is not empty.
func (f family) minima(mins, a, b, hashes []uint64) {
	switch f {
	case mersenne61:
		minhashGeneric(mins, a, b, hashes)
	case mersenne61Low:
		minhashMersenne61Low(mins, a, b, hashes)
	case affine32:
		minhashAffine32(mins, a, b, hashes)
	case affine64:
		minhashAffine64(mins, a, b, hashes)
	case prime32:
		minhashPrime32(mins, a, b, hashes)
	}
}

// minhashMersenne61Low is minhashGeneric with values of 32 bits. The least of these need not be of the least value, so
// the remainder is taken of each: v = q*2^61 + r is q + r mod 2^61-1, and q is below 8.
func minhashMersenne61Low(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		b0, b1, b2, b3 := b[i], b[i+1], b[i+2], b[i+3]
		m0, m1, m2, m3 := ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)
		for _, h := range hashes {
			m0 = min(m0, low61(h*a0+b0))
			m1 = min(m1, low61(h*a1+b1))
			m2 = min(m2, low61(h*a2+b2))
			m3 = min(m3, low61(h*a3+b3))
		}
		mins[i], mins[i+1], mins[i+2], mins[i+3] = uint64(m0), uint64(m1), uint64(m2), uint64(m3)
	}
	for ; i < n; i++ {
		m := ^uint32(0)
		for _, h := range hashes {
			m = min(m, low61(h*a[i]+b[i]))
		}
		mins[i] = uint64(m)
	}
}

// low61 is the lower 32 bits of v mod 2^61-1. The sum y of v's parts is at most 2^61+6; it is the remainder unless it
// reaches 2^61-1, and then y+1 reaches 2^61 and the remainder is y - (2^61-1), of which y+1 has the lower bits.
func low61(v uint64) uint32 {
	y := v&mersenne + v>>61
	return uint32(y + (y+1)>>61)
}

func minhashAffine32(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		a0, a1, a2, a3 := uint32(a[i]), uint32(a[i+1]), uint32(a[i+2]), uint32(a[i+3])
		b0, b1, b2, b3 := uint32(b[i]), uint32(b[i+1]), uint32(b[i+2]), uint32(b[i+3])
		m0, m1, m2, m3 := ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)
		for _, h := range hashes {
			m0 = min(m0, uint32(h)*a0+b0)
			m1 = min(m1, uint32(h)*a1+b1)
			m2 = min(m2, uint32(h)*a2+b2)
			m3 = min(m3, uint32(h)*a3+b3)
		}
		mins[i], mins[i+1], mins[i+2], mins[i+3] = uint64(m0), uint64(m1), uint64(m2), uint64(m3)
	}
	for ; i < n; i++ {
		m := ^uint32(0)
		for _, h := range hashes {
			m = min(m, uint32(h)*uint32(a[i])+uint32(b[i]))
		}
		mins[i] = uint64(m)
	}
}

func minhashAffine64(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		a0, a1, a2, a3 := a[i], a[i+1], a[i+2], a[i+3]
		b0, b1, b2, b3 := b[i], b[i+1], b[i+2], b[i+3]
		m0, m1, m2, m3 := ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)
		for _, h := range hashes {
			m0 = min(m0, h*a0+b0)
			m1 = min(m1, h*a1+b1)
			m2 = min(m2, h*a2+b2)
			m3 = min(m3, h*a3+b3)
		}
		mins[i], mins[i+1], mins[i+2], mins[i+3] = m0, m1, m2, m3
	}
	for ; i < n; i++ {
		m := ^uint64(0)
		for _, h := range hashes {
			m = min(m, h*a[i]+b[i])
		}
		mins[i] = m
	}
}

func minhashPrime32(mins, a, b, hashes []uint64) {
	n := len(mins)
	a, b = a[:n], b[:n]
	for i := range mins {
		a, b, m := uint32(a[i]), uint32(b[i]), ^uint32(0)
		for _, h := range hashes {
			m = min(m, (uint32(h)*a+b)%prime)
		}
		mins[i] = uint64(m)
	}
}
