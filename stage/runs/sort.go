package runs

import (
	"bytes"
	"fmt"
)

// insertionMax is the most items that are sorted by insertion: below it the 256 counters of a radix pass cost
// more than the moves they save (BenchmarkSort).
const insertionMax = 32

// Sort orders items, whose length is a multiple of width, in place. It needs O(len(items)) steps a byte of width
// at worst, whatever the items are, and 2 KiB of stack for each byte they have in common.
func Sort(items []byte, width int) {
	mustFit(len(items), width)
	if isSorted(items, width) { // as runs of equal items and what was sealed before are; costs little else
		return
	}
	s := sorter{width: width, hold: make([]byte, 2*width)}
	s.radix(items, 0)
}

// SortBlocks returns the items of all blocks, in order, in one new slice: the first pass of a sort, dealt out on the
// way to it, is cheaper than a copy and a Sort.
func SortBlocks(blocks [][]byte, width int) []byte {
	var count [256]int
	size := 0
	for _, b := range blocks {
		mustFit(len(b), width)
		size += len(b)
		for i := 0; i < len(b); i += width {
			count[b[i]] += width
		}
	}
	items := make([]byte, size)
	var next [256]int
	at := 0
	for c, n := range count {
		next[c] = at
		at += n
	}
	for _, b := range blocks {
		for ; len(b) > 0; b = b[width:] {
			to := next[b[0]]
			copy(items[to:to+width], b[:width])
			next[b[0]] = to + width
		}
	}
	s := sorter{width: width, hold: make([]byte, 2*width)}
	at = 0
	for _, n := range count {
		if bucket := items[at : at+n]; width > 1 && !isSorted(bucket, width) {
			s.radix(bucket, 1)
		}
		at += n
	}
	return items
}

func isSorted(items []byte, width int) bool {
	for i := width; i < len(items); i += width {
		if bytes.Compare(items[i-width:i], items[i:i+width]) > 0 {
			return false
		}
	}
	return true
}

func mustFit(n, width int) {
	if width <= 0 || n%width != 0 {
		panic(fmt.Sprintf("runs: %d bytes are no items of %d bytes", n, width))
	}
}

type sorter struct {
	width int
	hold  []byte // two items
}

// radix is American flag sort (McIlroy, Bostic, McIlroy, "Engineering Radix Sort", 1993): items that agree
// before byte at are put into 256 buckets by it, in place, then each bucket is sorted by the next byte.
func (s *sorter) radix(items []byte, at int) {
	w := s.width
	for len(items) > insertionMax*w {
		var count [256]int
		for i := at; i < len(items); i += w {
			count[items[i]]++
		}
		if count[items[at]]*w == len(items) { // nothing to move, and no deeper stack for a common prefix
			if at++; at == w {
				return
			}
			continue
		}
		s.deal(items, at, &count)
		lo := 0
		for _, n := range count {
			hi := lo + n*w
			if n > 1 && at+1 < w {
				s.radix(items[lo:hi], at+1)
			}
			lo = hi
		}
		return
	}
	s.insertion(items, at)
}

// deal moves every item into its bucket. An item in hand is exchanged for the one that lies where it belongs,
// until one is found that belongs where the first was taken.
func (s *sorter) deal(items []byte, at int, count *[256]int) {
	w := s.width
	var next, end [256]int // byte offsets
	sum := 0
	for b, n := range count {
		next[b] = sum
		sum += n * w
		end[b] = sum
	}
	hand, other := s.hold[:w], s.hold[w:]
	for b := range next {
		for next[b] < end[b] {
			hole := next[b]
			d := items[hole+at]
			if int(d) == b {
				next[b] += w
				continue
			}
			copy(hand, items[hole:hole+w])
			for int(d) != b {
				to := items[next[d] : next[d]+w]
				next[d] += w
				copy(other, to)
				copy(to, hand)
				hand, other = other, hand
				d = hand[at]
			}
			copy(items[hole:hole+w], hand)
			next[b] += w
		}
	}
}

func (s *sorter) insertion(items []byte, at int) {
	w := s.width
	hand := s.hold[:w]
	for i := w; i < len(items); i += w {
		if bytes.Compare(items[i-w+at:i], items[i+at:i+w]) <= 0 {
			continue
		}
		copy(hand, items[i:i+w])
		j := i - w
		for j > 0 && bytes.Compare(items[j-w+at:j], hand[at:]) > 0 {
			j -= w
		}
		copy(items[j+w:i+w], items[j:i])
		copy(items[j:j+w], hand)
	}
}
