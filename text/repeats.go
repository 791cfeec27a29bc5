package text

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Repeats finds what repeats in a text: elements of a list, and n-grams of words. One value serves text after
// text and keeps its memory; it is used by one goroutine at a time. Answers are exact: hashes only lead to
// candidates, whose bytes are compared.
//
// An n-gram is the text of n words in a row, joined by one byte or by nothing. Joined by nothing, "a bc" and
// "ab c" are the same 2-gram. Its hash is a polynomial over its bytes,
//
//	h(c0 c1 ... ck) = (c0+1)·B^k + (c1+1)·B^(k-1) + ... + (ck+1)   mod 2^64
//
// and from the hashes of all prefixes that end with a word, that of any window is one multiplication away:
//
//	h(window) = prefix[end] - prefix[start]·B^(length of the window)
//
// Most n-grams occur once. A sieve (sieve.go) finds those that may occur again, and only they go through the
// table.
//
// For a long text of w words, memory is 8w (prefixes) + 4w (counts) + 2w (sieve) + at most 9w (table) bytes,
// beside the caller's 8w of spans.
//
// Who only asks whether an answer is above a threshold asks for bounds first (bounds.go).
type Repeats struct {
	text   []byte
	words  []Span
	ascii  bool
	hashed bool     // prefix belongs to words and join
	join   Join     // of the prefixes
	prefix []uint64 // of each word's end, the separator after it included; prefix[0] = 0
	// counts are occurrences by place of the first one. While they are not needed they are places in hits,
	// and then, in Repeated, each word's offset in the joined text.
	counts []int32
	table  table

	sieve
	bounds
}

// Join is what stands between the words of an n-gram: a byte, or Nothing.
type Join int16

const (
	Nothing Join = -1
	Space   Join = ' '
)

func (j Join) len() int {
	if j == Nothing {
		return 0
	}
	return 1
}

// base of the polynomial: odd, so that multiplying by it can be undone, and without structure (the first 64
// bits of the fraction of pi, made odd).
const base uint64 = 0x243F6A8885A308D3

// unbase is the inverse of base modulo 2^64, by Newton's iteration: each step doubles the correct bits.
var unbase = func() uint64 {
	x := base // correct to 3 bits for every odd number
	for range 5 {
		x *= 2 - base*x
	}
	return x
}()

// powers of base by exponent. 512 entries (4 KiB) hold a 10-gram of common words and stay in the L1 cache.
var powers = func() (p [512]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * base
	}
	return p
}()

// ones is what the "+1" of n bytes sum up to.
var ones = func() (o [9]uint64) {
	for i := 1; i < len(o); i++ {
		o[i] = o[i-1]*base + 1
	}
	return o
}()

// wordHash is the polynomial over a word, eight bytes at once: a short word takes no branch that depends on its
// length. found is not 0 if one of its bytes is the one that every byte of sep is.
func wordHash(text []byte, w Span, sep uint64) (h, found uint64) {
	lo, n := int(w.Lo), w.Len()
	for {
		k := min(n, 8)
		var x uint64
		if lo+8 <= len(text) {
			x = binary.LittleEndian.Uint64(text[lo:]) << (8 * (8 - k) & 127)
		} else {
			for _, c := range text[lo : lo+k] {
				x = x>>8 | uint64(c)<<56
			}
		}
		h = h*powers[k] + ones[k] +
			x&0xFF*powers[7] + x>>8&0xFF*powers[6] + x>>16&0xFF*powers[5] + x>>24&0xFF*powers[4] +
			x>>32&0xFF*powers[3] + x>>40&0xFF*powers[2] + x>>48&0xFF*powers[1] + x>>56
		z := x ^ sep
		found |= (z - each) &^ z & high
		if n <= 8 {
			return h, found
		}
		lo, n = lo+8, n-8
	}
}

func power(n int) uint64 {
	if uint(n) < uint(len(powers)) {
		return powers[n]
	}
	return longPower(n)
}

func longPower(n int) uint64 {
	p, b := powers[n%len(powers)], powers[len(powers)-1]*base
	for n /= len(powers); n > 0; n >>= 1 {
		if n&1 != 0 {
			p *= b
		}
		b *= b
	}
	return p
}

// Words gives the text and its words, none of them empty, for MostFrequent and Repeated. Both slices stay the
// caller's and must not change until the last question about them. codePoints is CodePoints(text), which callers know anyway.
func (r *Repeats) Words(text []byte, words []Span, codePoints int) {
	r.text, r.words, r.hashed = text, words, false
	r.sieve.reset()
	r.ascii = codePoints == len(text)
}

// hash makes the prefixes for join.
func (r *Repeats) hash(join Join) {
	if r.hashed && r.join == join {
		return
	}
	words := r.words
	if cap(r.prefix) < len(words)+1 {
		r.prefix = make([]uint64, len(words)+1, roomFor(len(words)+1))
	}
	r.prefix = r.prefix[:len(words)+1]
	prefix := r.prefix[1:]
	r.prefix[0] = 0
	sep, sepLen := uint64(byte(join)), join.len()
	add, factor := uint64(0), uint64(1) // what a separator does to a hash
	if join != Nothing {
		add, factor = sep+1, base
	}
	if !r.hashed {
		var p, found uint64
		for i, w := range words {
			h, hits := wordHash(r.text, w, sep*each)
			found |= hits
			p = p*power(w.Len()+sepLen) + h*factor + add
			prefix[i] = p
		}
		r.apart, r.apartBy = found == 0, join // found may be wrong about a separator 0: that costs time only
	} else { // the word's own hash is still in the prefixes of the other join: do not read the text again
		oldLen, oldAdd, oldFactor := r.join.len(), uint64(0), uint64(1)
		if r.join != Nothing {
			oldAdd, oldFactor = uint64(byte(r.join))+1, unbase
		}
		var p, old uint64
		for i, w := range words {
			n := w.Len()
			h := (prefix[i] - old*power(n+oldLen) - oldAdd) * oldFactor
			old = prefix[i]
			p = p*power(n+sepLen) + h*factor + add
			prefix[i] = p
		}
	}
	r.join, r.hashed = join, true
}

// MostFrequent is the length in code points and the count of the n-gram that occurs most often, overlapping
// occurrences included; of several the one that occurs first. Without any n-gram the count is 0. Asking for
// n = 2, 3, 4 in this order is cheapest.
func (r *Repeats) MostFrequent(n int, join Join) (codePoints, count int) {
	m := len(r.words) - n + 1
	if m <= 0 || n <= 0 {
		return 0, 0
	}
	r.hash(join)
	at, count := r.mostFrequent(n, m, join)
	return r.codePoints(at, n) + (n-1)*join.len(), count
}

// mostFrequent is the first place and the count, among m n-grams whose hashes are ready.
func (r *Repeats) mostFrequent(n, m int, join Join) (at, count int) {
	candidates := r.sieveWindows(n, m, join)
	slots, first := r.table.start(candidates, m)
	prefix, counts := r.prefix, r.counts[:m]
	best, bestAt := int32(1), int32(0) // the first n-gram occurs once at least
	for k, set := range r.maybe {
		for ; set != 0; set &= set - 1 {
			i := k<<6 + bits.TrailingZeros64(set)
			h := mix(prefix[i+n] - prefix[i]*power(r.bytes(i, n)+n*join.len()))
			at := int32(i)
			for j := slotOf(h, len(slots)); ; {
				s := slots[j]
				if uint32(s) < first {
					slots[j] = h<<32 | uint64(first) + uint64(i)
					counts[i] = 0
					break
				}
				if uint32(s>>32) == uint32(h) && r.equal(int(uint32(s)-first), i, n, join) {
					at = int32(uint32(s) - first)
					break
				}
				if j++; j == len(slots) {
					j = 0
				}
			}
			c := counts[at] + 1
			counts[at] = c
			if c > best || c == best && at < bestAt {
				best, bestAt = c, at
			}
		}
	}
	return int(bestAt), int(best)
}

// Repeated goes through the words from the first on. An n-gram that was met before adds its code points to
// the answer and is stepped over; any other is remembered, and the next one begins a word later. Asking for
// a small n before larger ones is cheapest.
func (r *Repeats) Repeated(n int, join Join) (codePoints int) {
	m := len(r.words) - n + 1
	if m <= 0 || n <= 0 {
		return 0
	}
	candidates := r.sieveStarts(n, join)
	if candidates == 0 {
		return 0
	}
	r.hash(join)
	slots, first := r.table.start(candidates, m)
	prefix, offsets := r.prefix, r.counts[:len(r.words)+1]
	next := 0 // what lies before it is stepped over
	for k, set := range r.maybe {
	candidate:
		for ; set != 0; set &= set - 1 {
			i := k<<6 + bits.TrailingZeros64(set)
			if i < next {
				continue
			}
			if i >= m {
				return codePoints
			}
			length := int(offsets[i+n]-offsets[i]) + n*join.len()
			h := mix(prefix[i+n] - prefix[i]*power(length))
			for j := slotOf(h, len(slots)); ; {
				s := slots[j]
				if uint32(s) < first {
					slots[j] = h<<32 | uint64(first) + uint64(i)
					continue candidate
				}
				if uint32(s>>32) == uint32(h) && r.equal(int(uint32(s)-first), i, n, join) {
					codePoints += r.codePoints(i, n) + (n-1)*join.len()
					next = i + n
					continue candidate
				}
				if j++; j == len(slots) {
					j = 0
				}
			}
		}
	}
	return codePoints
}

// bytes is the length of n words from the i-th on, without separators.
func (r *Repeats) bytes(i, n int) (length int) {
	for _, w := range r.words[i : i+n] {
		length += w.Len()
	}
	return length
}

func (r *Repeats) codePoints(i, n int) (points int) {
	if r.ascii {
		return r.bytes(i, n)
	}
	for _, w := range r.words[i : i+n] {
		points += CodePoints(w.Of(r.text))
	}
	return points
}

// equal compares the n-grams that begin with the words a and b. Their hashes agree, so they nearly always are
// equal, and most often the text between their ends is too.
func (r *Repeats) equal(a, b, n int, join Join) bool {
	wa, wb := r.words[a:a+n], r.words[b:b+n]
	d := wb[0].Lo - wa[0].Lo
	for k := range wa {
		if wb[k].Lo-wa[k].Lo != d || wb[k].Hi-wa[k].Hi != d {
			return r.equalJoined(wa, wb, join)
		}
	}
	return bytes.Equal(r.text[wa[0].Lo:wa[n-1].Hi], r.text[wb[0].Lo:wb[n-1].Hi]) || r.equalJoined(wa, wb, join)
}

// equalJoined compares n-grams piece by piece, whatever lies between their words and wherever they are cut.
func (r *Repeats) equalJoined(wa, wb []Span, join Join) bool {
	a, b := cursor{words: wa, sep: join}, cursor{words: wb, sep: join}
	for {
		x, y := a.rest(r.text), b.rest(r.text)
		n := min(len(x), len(y))
		if n == 0 {
			return len(x) == len(y)
		}
		if !bytes.Equal(x[:n], y[:n]) {
			return false
		}
		a.at += n
		b.at += n
	}
}

// cursor walks over the bytes of joined words.
type cursor struct {
	words []Span
	sep   Join
	at    int // in the first word; its length means the separator
	one   [1]byte
}

// rest is what lies ahead in one piece; empty at the end.
func (c *cursor) rest(text []byte) []byte {
	for len(c.words) > 0 {
		w := c.words[0].Of(text)
		if c.at < len(w) {
			return w[c.at:]
		}
		if c.at == len(w) && c.sep != Nothing && len(c.words) > 1 {
			c.one[0] = byte(c.sep)
			return c.one[:]
		}
		c.words, c.at = c.words[1:], 0
	}
	return nil
}

// Duplicates counts the spans whose text occurred earlier in the list, and their code points.
func (r *Repeats) Duplicates(text []byte, spans []Span) (elements, codePoints int) {
	if len(spans) < 2 {
		return 0, 0
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
				continue next
			}
			if uint32(slot>>32) == uint32(h) && bytes.Equal(spans[uint32(slot)-first].Of(text), this) {
				elements++
				codePoints += CodePoints(this)
				continue next
			}
			if j++; j == len(slots) {
				j = 0
			}
		}
	}
	return elements, codePoints
}

// Size is the memory held, in bytes.
func (r *Repeats) Size() int {
	return cap(r.prefix)*8 + cap(r.counts)*4 + cap(r.table.slots)*8 + cap(r.hits) + cap(r.maybe)*8 + r.bounds.size()
}

// Shrink gives the memory back that an unusually long text needed, if it is above limit bytes.
func (r *Repeats) Shrink(limit int) {
	r.text, r.words, r.hashed = nil, nil, false
	if r.Size() > limit {
		r.prefix, r.counts, r.table, r.sieve, r.bounds = nil, nil, table{}, sieve{}, bounds{}
	}
}
