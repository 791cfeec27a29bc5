package dedup

import (
	"math/bits"
	"slices"
	"sync"
)

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
	if n := len(shingles); n < setLeast || n > setMost {
		slices.Sort(shingles)
	} else {
		sortHashes(shingles)
	}
	return slices.Compact(shingles)
}

// Of so many hashes sortHashes beats slices.Sort (BenchmarkSet). Beyond setMost its memory would be one more copy of what
// a giant text takes.
const (
	setLeast = 48
	setMost  = 1 << 16
)

// setRoom is what sortHashes needs: the hashes again, and where each bucket ends.
type setRoom struct {
	dealt []uint64
	ends  []uint32
}

var setRooms = sync.Pool{New: func() any { return new(setRoom) }}

// sortHashes deals them into about as many buckets by their leading bits, and puts what lies near by in order: hashes are
// spread evenly, so that the first pass is nearly all of the work. Where many fall into one bucket, as repeats of a
// shingle do, its hashes are sorted by comparison before.
func sortHashes(v []uint64) {
	room := setRooms.Get().(*setRoom)
	defer setRooms.Put(room)
	all := uint64(0)
	for _, h := range v {
		all |= h
	}
	width := bits.Len(uint(len(v)))
	shift := max(0, bits.Len64(all)-width) // some schemes have 32 bits
	room.dealt = slices.Grow(room.dealt[:0], len(v))[:len(v)]
	room.ends = zeros(room.ends, 1<<width)
	dealt, ends := room.dealt, room.ends
	for _, h := range v {
		ends[h>>shift]++
	}
	sum, most := uint32(0), uint32(0)
	for i, n := range ends { // where each begins
		ends[i] = sum
		sum += n
		most = max(most, n)
	}
	for _, h := range v {
		at := &ends[h>>shift]
		dealt[*at] = h
		*at++
	}
	if most > 24 {
		from := uint32(0)
		for _, to := range ends {
			if to-from > 24 {
				slices.Sort(dealt[from:to])
			}
			from = to
		}
	}
	v[0] = dealt[0]
	for i, h := range dealt[1:] {
		j := i
		for ; j >= 0 && v[j] > h; j-- {
			v[j+1] = v[j]
		}
		v[j+1] = h
	}
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
