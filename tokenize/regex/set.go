package regex

import (
	"slices"
	"unicode/utf8"
)

// A ranges is a set of code points: pairs first, last, both in it, rising and apart.
type ranges []rune

// normal is r with what overlaps and touches put together.
func (r ranges) normal() ranges {
	if len(r) <= 2 {
		return r
	}
	pairs := make([][2]rune, len(r)/2)
	for i := range pairs {
		pairs[i] = [2]rune{r[2*i], r[2*i+1]}
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	out := r[:0:0]
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
			continue
		}
		out = append(out, p[0], p[1])
	}
	return out
}

// not is all code points that are not in r, which is normal.
func (r ranges) not() ranges {
	var out ranges
	next := rune(0)
	for i := 0; i < len(r); i += 2 {
		if r[i] > next {
			out = append(out, next, r[i]-1)
		}
		next = r[i+1] + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, next, utf8.MaxRune)
	}
	return out
}

// and is what is in r and in s, both normal.
func (r ranges) and(s ranges) ranges {
	var out ranges
	for i, j := 0, 0; i < len(r) && j < len(s); {
		first, last := max(r[i], s[j]), min(r[i+1], s[j+1])
		if first <= last {
			out = append(out, first, last)
		}
		if r[i+1] < s[j+1] {
			i += 2
		} else {
			j += 2
		}
	}
	return out
}

func (r ranges) has(c rune) bool {
	i, j := 0, len(r)/2
	for i < j {
		m := int(uint(i+j) >> 1)
		if r[2*m+1] < c {
			i = m + 1
		} else {
			j = m
		}
	}
	return i < len(r)/2 && r[2*i] <= c
}

const pageBits = 8

// A set is ranges as the matcher asks them: a bit a code point, in pages, since most of them are alike.
type set struct {
	ranges ranges
	ascii  [utf8.RuneSelf]bool
	first  [256]bool // bytes that its code points begin with
	page   [(utf8.MaxRune + 1) >> pageBits]uint8
	pages  [][1 << pageBits / 64]uint64
	bad    bool // U+FFFD, which a byte that is not UTF-8 is, is in it
}

func newSet(r ranges) *set {
	s := &set{ranges: r, bad: r.has(utf8.RuneError)}
	for i := range s.ascii {
		s.ascii[i] = r.has(rune(i))
	}
	s.first = s.firstBytes()
	type bits = [1 << pageBits / 64]uint64
	s.pages = append(s.pages, bits{}, bits{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}) // none and all: most there are
	seen := map[bits]uint8{s.pages[0]: 0, s.pages[1]: 1}
	k := 0
	for p := range s.page {
		first, last := rune(p)<<pageBits, rune(p+1)<<pageBits-1
		for k < len(r) && r[k+1] < first {
			k += 2
		}
		switch {
		case k == len(r) || r[k] > last:
			continue
		case r[k] <= first && r[k+1] >= last:
			s.page[p] = 1
			continue
		}
		var page bits
		for i := k; i < len(r) && r[i] <= last; i += 2 {
			for c := max(r[i], first); c <= min(r[i+1], last); c++ {
				page[c>>6&3] |= 1 << (c & 63)
			}
		}
		n, ok := seen[page]
		if !ok {
			if len(s.pages) == 256 { // no property has so many pages unlike; a class made to have them is asked by ranges
				s.pages = nil
				return s
			}
			n = uint8(len(s.pages))
			seen[page] = n
			s.pages = append(s.pages, page)
		}
		s.page[p] = n
	}
	return s
}

func (s *set) has(c rune) bool {
	if s.pages == nil {
		return s.ranges.has(c)
	}
	return s.pages[s.page[c>>pageBits]][c>>6&3]>>(c&63)&1 != 0
}

// width is how many bytes the code point at text[i] has, if it is in s; else 0. i is below len(text).
func (s *set) width(text []byte, i int) int {
	b := text[i]
	if b < utf8.RuneSelf {
		if s.ascii[b] {
			return 1
		}
		return 0
	}
	return s.wide(text, i)
}

// wide is width where no ASCII stands.
func (s *set) wide(text []byte, i int) int {
	// Well-formed sequences of two and three bytes (The Unicode Standard, table 3-7) are most of what there is.
	b := text[i]
	c, n := rune(0), 0
	switch {
	case b >= 0xc2 && b < 0xe0 && i+1 < len(text) && text[i+1]&0xc0 == 0x80:
		c, n = rune(b&0x1f)<<6|rune(text[i+1]&0x3f), 2
	case b > 0xe0 && b < 0xed && i+2 < len(text) && text[i+1]&0xc0 == 0x80 && text[i+2]&0xc0 == 0x80:
		c, n = rune(b&0x0f)<<12|rune(text[i+1]&0x3f)<<6|rune(text[i+2]&0x3f), 3
	default:
		c, n = utf8.DecodeRune(text[i:])
	}
	if s.has(c) {
		return n
	}
	return 0
}

// run is the end of the code points of s from text[i] on, at most most of them; all there are if most is negative.
func (s *set) run(text []byte, i, most int) int {
	for i < len(text) && most != 0 {
		if b := text[i]; b < utf8.RuneSelf {
			if !s.ascii[b] {
				break
			}
			i++
		} else {
			n := s.wide(text, i)
			if n == 0 {
				break
			}
			i += n
		}
		most--
	}
	return i
}

// firstBytes are the bytes that code points of s begin with.
func (s *set) firstBytes() (first [256]bool) {
	copy(first[:], s.ascii[:])
	if s.bad {
		for b := utf8.RuneSelf; b < 256; b++ {
			first[b] = true
		}
		return first
	}
	var buf [utf8.UTFMax]byte
	for i := 0; i < len(s.ranges); i += 2 {
		if s.ranges[i+1] < utf8.RuneSelf {
			continue
		}
		utf8.EncodeRune(buf[:], max(s.ranges[i], utf8.RuneSelf))
		from := buf[0]
		utf8.EncodeRune(buf[:], s.ranges[i+1])
		for b := int(from); b <= int(buf[0]); b++ {
			first[b] = true
		}
	}
	return first
}

func (s *set) addFirst(to *[256]bool) {
	for b, ok := range s.first {
		to[b] = to[b] || ok
	}
}

// Set is a set of code points, as a class or a property of one character names it: [\p{L}&&[^a-z]], \s. It is immutable
// and may be shared.
type Set struct{ set *set }

// NewSet reads a pattern for one code point.
func NewSet(pattern string) (*Set, error) {
	n, err := parse(pattern)
	switch {
	case err != nil:
		return nil, err
	case n.kind != kSet:
		return nil, &SyntaxError{pattern, 0, "not a class or a property of one character"}
	}
	return &Set{newSet(n.set)}, nil
}

// Has says whether r is in the set.
func (s *Set) Has(r rune) bool { return r >= 0 && r <= utf8.MaxRune && s.set.has(r) }

// Width is how many bytes the code point at text[i] has if it is in the set, else 0. i is below len(text); a byte that
// is not UTF-8 is U+FFFD, one byte wide.
func (s *Set) Width(text []byte, i int) int { return s.set.width(text, i) }
