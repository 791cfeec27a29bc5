package dedup

import "sync"

// family is a kind of hash functions: what becomes of a*h + b.
type family uint8

const (
	mersenne61    family = iota // mod 2^64, mod 2^61-1
	mersenne61Low               // of that the lower 32 bits
	affine32                    // mod 2^32
	affine64                    // mod 2^64
	prime32                     // mod 2^32, mod 2^32-5
)

// prime is the modulus of prime32.
const prime = 1<<32 - 5

// minima sets mins[i], for each function i of the family, to its least value over the hashes. The lists a, b and mins
// have one length, up to MaxValues; hashes is not empty.
func (f family) minima(mins, a, b, hashes []uint64) {
	switch f {
	case mersenne61:
		minhashBest.minhash61(mins, a, b, hashes)
	case mersenne61Low:
		minhashBest.minhash61Low(mins, a, b, hashes)
	case affine32:
		minhashBest.minhashAffine32(mins, a, b, hashes)
	case affine64:
		minhashAffine64(mins, a, b, hashes)
	case prime32:
		minhashPrime32(mins, a, b, hashes)
	}
}

// narrowed is what minhashAffine32 needs of 32 bits.
type narrowed struct {
	a, b, mins [MaxValues]uint32
	hashes     [512]uint32
}

var narrowedPool = sync.Pool{New: func() any { return new(narrowed) }}

// minhashAffine32 is minhash32 of lists of 64 bits, some hashes at a time.
func (s minhashSet) minhashAffine32(mins, a, b, hashes []uint64) {
	w := narrowedPool.Get().(*narrowed)
	n := len(mins)
	for i := range mins {
		w.a[i], w.b[i], mins[i] = uint32(a[i]), uint32(b[i]), 1<<32-1
	}
	for len(hashes) > 0 {
		k := min(len(hashes), len(w.hashes))
		for i, v := range hashes[:k] {
			w.hashes[i] = uint32(v)
		}
		s.minhash32(w.mins[:n], w.a[:n], w.b[:n], w.hashes[:k])
		for i, v := range w.mins[:n] {
			mins[i] = min(mins[i], uint64(v))
		}
		hashes = hashes[k:]
	}
	narrowedPool.Put(w)
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
