package text

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// sieve finds the words where an n-gram begins that may occur more than once. It lets some through that do
// not, and never keeps one back that does: hashes are counted in a small table without looking at what they
// stand for, and a hash that was counted once belongs to an n-gram that occurs once. No step of it depends on
// the text, so no branch is mispredicted: that is why it costs less than it saves.
type sieve struct {
	hits  []uint8  // by hash: 0, 1 for once, 3 and more for more than once
	maybe []uint64 // bit i: an n-gram that begins with word i may occur again
	count int      // of bits
	what  sieved
	n     int // the n it was made for
	by    Join

	apart   bool // no word holds the byte apartBy
	apartBy Join

	block [blockBytes]byte
}

type sieved uint8

const (
	nothing sieved = iota
	windows        // n-grams of exactly n words, joined by by
	starts         // n-grams of n words or more, joined by nothing or by what no word holds
)

const (
	// startBytes is how much of an n-gram without separators starts looks at: two to three words. Of the words
	// of the documents that conformance.md counts (nine languages), a quarter to two fifths go through with n = 5, those
	// included that begin a shorter 5-gram.
	startBytes = 16
	blockWords = 512
	blockBytes = startBytes * (blockWords + startBytes + 1)
)

func (s *sieve) reset() {
	s.what = nothing
	s.apartBy = Nothing
}

// begin makes room for the places of n words in a table of hits, and an empty table.
func (r *Repeats) begin(n int) (places []int32, hits []uint8) {
	if cap(r.counts) <= n { // one more: Repeated wants the end of the last word
		r.counts = make([]int32, n+1, roomFor(n+1))
	}
	// One hash in eight hits another one's place by chance; in long texts, where memory counts, two in five.
	size := 8 * n
	if n > 1<<16 {
		size = 2 * n
	}
	if cap(r.hits) < size+1 {
		r.hits = make([]uint8, size+1, roomFor(size+1))
	}
	r.hits = r.hits[:size+1]
	clear(r.hits)
	r.hits[size] = 3 // the place of those that must go through
	return r.counts[:n], r.hits
}

// collect sets the bits of the places that were hit more than once.
func (r *Repeats) collect(places []int32, hits []uint8) {
	n := (len(places) + 63) >> 6
	if cap(r.maybe) < n {
		r.maybe = make([]uint64, n, roomFor(n))
	}
	r.maybe = r.maybe[:n]
	r.count = 0
	for k := range r.maybe {
		part := places[k<<6 : min(len(places), k<<6+64)]
		var set uint64
		for b, p := range part {
			set |= uint64(hits[p]>>1&1) << (b & 63)
		}
		r.maybe[k] = set
		r.count += bits.OnesCount64(set)
	}
}

// sieveWindows looks at the m n-grams of n words, whose prefixes are ready.
func (r *Repeats) sieveWindows(n, m int, join Join) (candidates int) {
	switch {
	case r.what == windows && r.by == join && r.n == n:
		return r.count
	case r.what == windows && r.by == join && r.n == n-1 && r.separate(join):
		// Equal n-grams consist of equal words, so both n-grams of n-1 words in them occur again too.
		r.count = 0
		for k, set := range r.maybe {
			next := set >> 1
			if k+1 < len(r.maybe) {
				next |= r.maybe[k+1] << 63
			}
			set &= next
			r.maybe[k] = set
			r.count += bits.OnesCount64(set)
		}
	default:
		places, hits := r.begin(m)
		words, prefix := r.words[:m], r.prefix[:m]
		ends, nexts := r.words[n-1:][:m], r.prefix[n:][:m]
		length := r.bytes(0, n-1) + n*join.len()
		for i := range places {
			length += ends[i].Len()
			p := slotOf(mix(nexts[i]-prefix[i]*power(length)), len(hits)-1)
			length -= words[i].Len()
			places[i] = int32(p)
			hits[p] = hits[p]<<1 | 1
		}
		r.collect(places, hits)
	}
	r.what, r.n, r.by = windows, n, join
	return r.count
}

// sieveStarts looks at the first bytes of the n-grams, joined by nothing: what is equal as a whole begins
// alike. That is true of longer n-grams too, so one sieve serves all n from the smallest on. Shorter n-grams
// than startBytes all go through.
func (r *Repeats) sieveStarts(n int, join Join) (candidates int) {
	if join != Nothing && !r.separate(join) {
		// Equal n-grams may consist of different words.
		r.what = nothing
		places, hits := r.begin(len(r.words))
		for i := range places {
			places[i] = int32(len(hits) - 1)
		}
		r.collect(places, hits)
		r.offsets()
		return r.count
	}
	if r.what == starts && r.n <= n {
		return r.count
	}
	places, hits := r.begin(len(r.words))
	words := r.words
	size := len(hits) - 1
	length := r.bytes(0, min(n-1, len(words)))
	for lo := 0; lo < len(words); lo += blockWords {
		hi := min(lo+blockWords, len(words))
		r.fill(lo, min(hi+startBytes, len(words)))
		at := 0
		for i := lo; i < hi; i++ {
			b := r.block[at : at+startBytes]
			h := binary.LittleEndian.Uint64(b)*base ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[8:])*unbase, 32)
			p := slotOf(mix(h), size)
			hits[p] = hits[p]<<1 | 1
			if i+n <= len(words) {
				length += words[i+n-1].Len()
			}
			if length < startBytes {
				p = size
			}
			w := words[i].Len()
			length -= w
			places[i] = int32(p)
			at += min(w, startBytes)
		}
	}
	r.collect(places, hits)
	r.offsets()
	r.what, r.n, r.by = starts, n, Nothing
	return r.count
}

// offsets turns counts into the words' offsets in the text that is joined by nothing.
func (r *Repeats) offsets() {
	offsets := r.counts[:len(r.words)+1]
	sum := int32(0)
	for i, w := range r.words {
		offsets[i] = sum
		sum += w.Hi - w.Lo
	}
	offsets[len(r.words)] = sum
}

// fill joins the words from lo to hi in the block, each cut to its first startBytes bytes: no start sees more.
// What lies behind the last one is zero.
func (r *Repeats) fill(lo, hi int) {
	at := 0
	for _, w := range r.words[lo:hi] {
		from, to := int(w.Lo), r.block[at:at+startBytes]
		if from+startBytes <= len(r.text) { // what is copied too much is overwritten by the next word
			copy(to, r.text[from:from+startBytes])
		} else {
			copy(to, r.text[from:])
		}
		at += min(w.Len(), startBytes)
	}
	clear(r.block[at : at+startBytes])
}

// separate says whether no word holds the separator, so that equal n-grams consist of equal words.
func (r *Repeats) separate(join Join) bool {
	if join == Nothing {
		return false
	}
	if r.apartBy != join {
		r.apart, r.apartBy = true, join
		for _, w := range r.words {
			if w.Len() <= 8 && join != 0 { // all of it is in the tail, and so are zeros
				z := wordTail(r.text, w) ^ uint64(join)*each
				if (z-each)&^z&high == 0 {
					continue
				}
			} else if bytes.IndexByte(w.Of(r.text), byte(join)) < 0 {
				continue
			}
			r.apart = false
			break
		}
	}
	return r.apart
}
