package dedup

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// posting says that a passage has a key.
type posting struct {
	key     uint64
	passage uint32
}

// postings find the passages that have a key, such as the hash of an n-gram. They are immutable.
type postings struct {
	keys     []uint64 // ascending
	ends     []uint32 // in passages, of each key's
	passages []uint32
	table    []uint32 // numbers of keys + 1, at the first free place from where their upper bits point
	shift    int
}

// newPostings takes the list over. The order of its elements and repeats make no difference.
func newPostings(list []posting) *postings {
	slices.SortFunc(list, func(a, b posting) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.passage, b.passage))
	})
	list = slices.Compact(list)
	p := &postings{passages: make([]uint32, 0, len(list))}
	for i := range list {
		if n := len(p.keys); n == 0 || p.keys[n-1] != list[i].key {
			p.keys, p.ends = append(p.keys, list[i].key), append(p.ends, 0)
		}
		p.passages = append(p.passages, list[i].passage)
		p.ends[len(p.ends)-1] = uint32(len(p.passages))
	}
	size := bits.Len(uint(2*len(p.keys) + 1)) // half of the places stay free
	p.shift = 64 - size
	p.table = make([]uint32, 1<<size)
	for i, key := range p.keys {
		at := int(key >> p.shift)
		for p.table[at] != 0 {
			at = (at + 1) & (len(p.table) - 1)
		}
		p.table[at] = uint32(i) + 1
	}
	return p
}

// find is the number of a key, or -1.
func (p *postings) find(key uint64) int {
	for at := int(key >> p.shift); ; at = (at + 1) & (len(p.table) - 1) {
		i := int(p.table[at]) - 1
		if i < 0 || p.keys[i] == key {
			return i
		}
	}
}

// of are the passages of the key with that number, ascending.
func (p *postings) of(i int) []uint32 {
	lo := uint32(0)
	if i > 0 {
		lo = p.ends[i-1]
	}
	return p.passages[lo:p.ends[i]]
}

// nearSets finds, among sets that are held, those of which another set has a share, at least. It misses none: unlike
// MinHash it needs no luck, which it can afford since one side is in memory. A set of n shingles of which k are asked for
// shares one with the other set even among its n-k+1 rarest (Chaudhuri, Ganti, Kaushik, A primitive operator for
// similarity joins in data cleaning, ICDE 2006: the prefix filter), so only those have postings, and what all sets
// have in common leads nowhere. It is immutable.
type nearSets struct {
	threshold uint32 // in millionths
	jaccard   bool   // of both sets; else common shingles over those of the held one

	sets  []uint64 // of all passages, each ascending
	ends  []int    // in sets
	first *postings
}

// newNearSets takes the sets over; a passage's end in sets is that in ends.
func newNearSets(sets []uint64, ends []int, threshold uint32, jaccard bool) *nearSets {
	s := &nearSets{threshold: threshold, jaccard: jaccard, sets: sets, ends: ends}
	all := slices.Clone(sets)
	slices.Sort(all)
	often := func(v uint64) int {
		i, _ := slices.BinarySearch(all, v)
		j := len(all)
		if v < math.MaxUint64 {
			j, _ = slices.BinarySearch(all, v+1)
		}
		return j - i
	}
	type rare struct {
		often int
		value uint64
	}
	var list []posting
	var by []rare
	for i := range ends {
		set := s.set(uint32(i))
		by = by[:0]
		for _, v := range set {
			by = append(by, rare{often(v), v})
		}
		slices.SortFunc(by, func(a, b rare) int {
			return cmp.Or(cmp.Compare(a.often, b.often), cmp.Compare(a.value, b.value))
		})
		for _, r := range by[:len(by)-min(len(by), s.least(len(by)))+min(len(by), 1)] {
			list = append(list, posting{r.value, uint32(i)})
		}
	}
	s.first = newPostings(list)
	return s
}

// least is how many of n shingles another set must have, or one less where similarity rounds; at least 1. It holds for
// Jaccard's similarity too, which is never above the share.
func (s *nearSets) least(n int) int {
	return max(1, int((2*uint64(s.threshold)-1)*uint64(n)/(2*million)))
}

func (s *nearSets) set(i uint32) []uint64 {
	lo := 0
	if i > 0 {
		lo = s.ends[i-1]
	}
	return s.sets[lo:s.ends[i]]
}

// similarity of the set with this number to another, in millionths; 0 where it is below the threshold.
func (s *nearSets) similarity(i uint32, other []uint64) uint32 {
	set := s.set(i)
	if len(set) == 0 || len(other) == 0 {
		return 0
	}
	all := len(set) // what a share is of, where the one is a part of the other
	if s.jaccard && millionths(min(len(set), len(other)), len(set), len(other)) < s.threshold {
		return 0
	}
	common := Intersection(set, other)
	v := millionths(common, all, common)
	if s.jaccard {
		v = millionths(common, len(set), len(other))
	}
	if v < s.threshold {
		return 0
	}
	return v
}

// candidates appends the numbers of the sets that may be near to another, ascending.
func (s *nearSets) candidates(dst []uint32, other []uint64) []uint32 {
	n := len(dst)
	compactAt := n + 1<<16 // a text may repeat what many sets begin with
	for _, v := range other {
		if k := s.first.find(v); k >= 0 {
			dst = append(dst, s.first.of(k)...)
		}
		if len(dst) >= compactAt {
			slices.Sort(dst[n:])
			dst = append(dst[:n], slices.Compact(dst[n:])...)
			compactAt = max(compactAt, n+2*(len(dst)-n))
		}
	}
	slices.Sort(dst[n:])
	return slices.Compact(dst)
}
