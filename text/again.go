package text

import (
	"bytes"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Again is an n-gram that occurred before.
type Again struct {
	At, First int32 // words with which it begins here, and where it occurred first
	Second    bool  // it occurred once before
}

// Again appends the n-grams that occurred before, in order, overlapping ones included. Asking for growing n is
// cheapest.
func (r *Repeats) Again(dst []Again, n int, join Join) []Again {
	m := len(r.words) - n + 1
	if m <= 0 || n <= 0 {
		return dst
	}
	r.hash(join)
	candidates := r.sieveWindows(n, m, join)
	if candidates == 0 {
		return dst
	}
	slots, first := r.table.start(candidates, m)
	prefix, counts := r.prefix, r.counts[:m]
	for k, set := range r.maybe {
	candidate:
		for ; set != 0; set &= set - 1 {
			i := k<<6 + bits.TrailingZeros64(set)
			h := mix(prefix[i+n] - prefix[i]*power(r.bytes(i, n)+n*join.len()))
			for j := slotOf(h, len(slots)); ; {
				s := slots[j]
				if uint32(s) < first {
					slots[j] = h<<32 | uint64(first) + uint64(i)
					counts[i] = 1
					continue candidate
				}
				if at := int(uint32(s) - first); uint32(s>>32) == uint32(h) && r.equal(at, i, n, join) {
					counts[at]++
					dst = append(dst, Again{int32(i), int32(at), counts[at] == 2})
					continue candidate
				}
				if j++; j == len(slots) {
					j = 0
				}
			}
		}
	}
	return dst
}

// MostFrequentAt is the word with which the n-gram of MostFrequent begins where it occurs first, and its count;
// without any n-gram the count is 0.
func (r *Repeats) MostFrequentAt(n int, join Join) (at, count int) {
	m := len(r.words) - n + 1
	if m <= 0 || n <= 0 {
		return 0, 0
	}
	r.hash(join)
	return r.mostFrequent(n, m, join)
}

// Copies counts the spans whose text occurs more than once in the list, the first ones included, and their code
// points.
func (r *Repeats) Copies(text []byte, spans []Span) (elements, codePoints int) {
	if len(spans) < 2 {
		return 0, 0
	}
	if cap(r.counts) < len(spans) {
		r.counts = make([]int32, len(spans), roomFor(len(spans)))
	}
	counts := r.counts[:len(spans)]
	if r.what == starts { // the words' offsets were there
		r.what = nothing
	}
	slots, first := r.table.start(len(spans), len(spans))
next:
	for i, s := range spans {
		this := s.Of(text)
		h := mix(xxhash.Sum64(this))
		for j := slotOf(h, len(slots)); ; {
			slot := slots[j]
			if uint32(slot) < first {
				slots[j] = h<<32 | uint64(first) + uint64(i)
				counts[i] = 1
				continue next
			}
			if at := uint32(slot) - first; uint32(slot>>32) == uint32(h) && bytes.Equal(spans[at].Of(text), this) {
				copies := 1
				if counts[at]++; counts[at] == 2 {
					copies = 2
				}
				elements += copies
				codePoints += copies * CodePoints(this)
				continue next
			}
			if j++; j == len(slots) {
				j = 0
			}
		}
	}
	return elements, codePoints
}
