package text

import (
	"encoding/binary"
	"math/bits"
)

// Bounds of what Repeats answers, for callers who only ask whether an answer is above a threshold: most texts are far
// below, and to know that much costs a fifth of the answer. A bound is in bytes, so it is one of code points, too.

const (
	// longestFrequent is the largest n of FrequentAtMost.
	longestFrequent = 4
	// ShortestRepeated and LongestRepeated are between what n RepeatedAtMost knows bounds for.
	ShortestRepeated = 5
	LongestRepeated  = 10

	// boundedText is how long a text may be that has bounds, in bytes: their memory, most of it the table's, is 3 MB at most.
	boundedText = 1 << 18
	// sumsSize is the most sums that FrequentAtMost keeps (64 KiB). Of a text with more words more n-grams share
	// a sum, and the bound of the shares is no worse, since that text is longer.
	sumsSize = 1 << 14
	// chainSteps is how many earlier places RepeatedAtMost looks at for each word on average.
	chainSteps = 8
)

// bounds is the memory of the bounds.
type bounds struct {
	sums   []uint32
	joined []byte  // the words, joined by nothing
	chain  []int32 // by word: the last one before it that begins alike, or -1
}

// WordsAtSpaces is Words for words of which none holds a space, which then need not be looked for.
func (r *Repeats) WordsAtSpaces(text []byte, words []Span, codePoints int) {
	r.Words(text, words, codePoints)
	r.apart, r.apartBy = true, Space
}

// FrequentAtMost bounds the length times the count of each n-gram of two to four words joined by a space: so of
// that of MostFrequent, too. Without ok there is no bound.
//
// It adds up how long the n-grams of four words are that begin with the same two. Each n-gram in question begins one of
// them, at each of its places. Equal words have equal hashes; words with equal hashes may differ, and then only the
// bound is higher.
func (r *Repeats) FrequentAtMost() (bytes int, ok bool) {
	words := r.words
	if len(words) < 2 {
		return 0, true
	}
	if len(r.text) > boundedText || !r.separate(Space) {
		return 0, false
	}
	size := min(1<<bits.Len(uint(8*len(words))), sumsSize)
	if len(r.sums) < size {
		r.sums = make([]uint32, size)
	}
	sums := r.sums[:size]
	clear(sums)
	shift := bits.LeadingZeros64(uint64(size)) + 1 // leaves the upper bits that count the sums
	length := longestFrequent - 1                  // of the words from the i-th on, with the spaces between them
	for _, w := range words[:min(longestFrequent, len(words))] {
		length += w.Len()
	}
	most := uint32(0)
	this := tailHash(r.text, words[0])
	for i, w := range words[:len(words)-1] {
		next := tailHash(r.text, words[i+1])
		p := &sums[(bits.RotateLeft64(this, 32)+next)*base>>(shift&63)]
		*p += uint32(length) // at most 4 times the text's length altogether
		most = max(most, *p)
		this = next
		length -= w.Len()
		if i+longestFrequent < len(words) {
			length += words[i+longestFrequent].Len()
		}
	}
	return int(most), true
}

// tailHash is a hash of the length and of the last eight bytes of a word.
func tailHash(text []byte, w Span) uint64 {
	return (wordTail(text, w) + uint64(w.Len())<<56) * 0x9E3779B97F4A7C15
}

// wordTail is the last eight bytes of a word, or all it has; the last one is the highest that is not zero.
func wordTail(text []byte, w Span) (x uint64) {
	if hi := int(w.Hi); hi >= 8 {
		x = binary.LittleEndian.Uint64(text[hi-8 : hi])
		return x >> (8 * (8 - min(w.Len(), 8)) & 63)
	}
	for k, c := range w.Of(text) {
		x |= uint64(c) << (8 * k)
	}
	return x
}

// RepeatedAtMost bounds Repeated(n, Nothing) by n - ShortestRepeated. Without ok there is no bound.
//
// What Repeated counts are n-grams of which no two share a word, each equal to one that begins earlier. So all words of
// such n-grams are a bound, whichever of them Repeated steps over. An n-gram can be one only if the text joined by nothing
// goes on equally at its place and an earlier one for its whole length; how far it does is looked for among the earlier places
// with the same first startBytes. Shorter n-grams all count.
func (r *Repeats) RepeatedAtMost() (most [LongestRepeated - ShortestRepeated + 1]int, ok bool) {
	words := r.words
	m := len(words) - ShortestRepeated + 1 // places where an n-gram begins
	if m <= 0 {
		return most, true
	}
	if len(r.text) > boundedText {
		return most, false
	}
	r.joinAll(words)
	joined, offsets, chain := r.joined, r.counts[:len(words)+1], r.chain[:m]
	slots, first := r.table.start(m, m)
	var ends [len(most)]int32 // of what is counted
	steps := chainSteps * m
	for i := range chain {
		o := offsets[i]
		b := joined[o:][:startBytes]
		h := mix(binary.LittleEndian.Uint64(b)*base ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[8:])*unbase, 32))
		same := int32(startBytes - 1) // how many bytes may have occurred earlier
		chain[i] = -1
		for j := slotOf(h, len(slots)); ; {
			s := slots[j]
			if uint32(s) < first {
				slots[j] = h<<32 | uint64(first) + uint64(i)
				break
			}
			if uint32(s>>32) == uint32(h) {
				slots[j] = h<<32 | uint64(first) + uint64(i)
				chain[i] = int32(uint32(s) - first)
				longest := offsets[min(i+LongestRepeated, len(words))] - o
				for p := chain[i]; p >= 0 && same < longest; p = chain[p] {
					if steps--; steps < 0 {
						return most, false
					}
					same = max(same, commonBytes(joined[offsets[p]:], joined[o:o+longest]))
				}
				break
			}
			if j++; j == len(slots) {
				j = 0
			}
		}
		if offsets[i+ShortestRepeated]-o > same {
			continue
		}
		for k := range most {
			if i+ShortestRepeated+k > len(words) {
				break
			}
			end := offsets[i+ShortestRepeated+k]
			if end-o > same {
				break
			}
			if from := max(o, ends[k]); from < end {
				most[k] += int(end - from)
				ends[k] = end
			}
		}
	}
	return most, true
}

// joinAll joins the words by nothing, with startBytes zeros behind the last one, and notes their offsets.
func (r *Repeats) joinAll(words []Span) {
	if cap(r.counts) <= len(words) {
		r.counts = make([]int32, len(words)+1, roomFor(len(words)+1))
	}
	if cap(r.chain) < len(words) {
		r.chain = make([]int32, roomFor(len(words)))
	}
	if size := len(r.text) + 2*startBytes; len(r.joined) < size {
		r.joined = make([]byte, roomFor(size))
	}
	offsets, joined, at := r.counts[:len(words)+1], r.joined, 0
	for i, w := range words {
		offsets[i] = int32(at)
		lo, n := int(w.Lo), w.Len()
		if n <= startBytes && lo+startBytes <= len(r.text) { // what is copied too much is overwritten by the next word
			from, to := r.text[lo:lo+startBytes], joined[at:at+startBytes]
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
			binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(from[8:]))
		} else {
			copy(joined[at:], r.text[lo:lo+n])
		}
		at += n
	}
	offsets[len(words)] = int32(at)
	clear(joined[at : at+startBytes])
}

// commonBytes is how many bytes of b a begins with. a is not shorter than b.
func commonBytes(a, b []byte) int32 {
	n := 0
	for n+8 <= len(b) {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return int32(n + bits.TrailingZeros64(x)>>3)
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return int32(n)
}

// size is the memory held, in bytes.
func (b *bounds) size() int { return 4*cap(b.sums) + cap(b.joined) + 4*cap(b.chain) }
