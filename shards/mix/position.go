package mix

import (
	"math"
	"math/bits"
)

// Epochs is how often the documents of a class are used: Whole times each, and those before Part once more.
type Epochs struct {
	Whole int // 0 to MaxRepeats
	Part  Cut // in the order of the digests of copy Whole; the zero Cut for none
}

// Copies is how often a document is used whose copy number Whole has the given digest.
func (e Epochs) Copies(digest, id uint64) int {
	if e.Part.Before(digest, id) {
		return e.Whole + 1
	}
	return e.Whole
}

// Position is where copy number n of a document stands in a run of a source, which is 0 at its begin and 2^64 at its
// end: copy n has the n-th part of it, and its digest for that copy says where in that part, so that each source is
// spread evenly over the whole run, and no document comes again before all others of its source have come:
//
//	(n + digest/2^64) / (Whole + Part.Digest/2^64), times 2^64 and rounded down, and below 2^64
//
// Where Whole is 1 and there is no Part that is the digest itself. It never falls from one digest to the next, nor from
// one copy to the next; where two are the same, the copy's number and the digest decide. Integers only: every machine
// gives the same.
func (e Epochs) Position(n int, digest uint64) uint64 {
	// Numerator and denominator times 2^64 have their digests as low words. n above Whole is no copy; a digest beyond the
	// Part is one of the few that a Cut adds, or as large, since IDs decide between equal digests.
	whole, part := uint64(e.Whole), e.Part.Digest
	if uint64(n) > whole || uint64(n) == whole && digest >= part {
		return math.MaxUint64
	}
	if whole == 0 {
		at, _ := bits.Div64(digest, 0, part)
		return at
	}
	// Three words by two, Knuth, TAOCP 2, 4.3.1, algorithm D: the divisor is shifted until its highest bit is set, the
	// first two words by the first one give a quotient that is at most 2 too large, and the rest says how much.
	s := bits.LeadingZeros64(whole)
	d1, d0 := whole<<s|part>>(64-s), part<<s
	u2, u1 := uint64(n)<<s|digest>>(64-s), digest<<s // and a third, which is 0
	q, r, fits := uint64(math.MaxUint64), u1+d1, u1+d1 >= d1
	if u2 < d1 {
		q, r = bits.Div64(u2, u1, d1)
		fits = true
	}
	for fits { // as long as the rest is one word
		hi, lo := bits.Mul64(q, d0)
		if hi < r || hi == r && lo == 0 {
			break
		}
		q--
		fits = r+d1 >= d1
		r += d1
	}
	return q
}
