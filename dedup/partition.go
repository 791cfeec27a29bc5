package dedup

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// TrainPart is the part that documents of no other part are in.
const TrainPart = "train"

// Part of a corpus.
type Part struct {
	Name string `json:"name"`
	// Share of the distinct values, from 0, all parts together below 1. A part without a share keeps its place in the
	// order.
	Share float64 `json:"share"`
}

// Partition puts values, such as texts, into parts. It is immutable.
//
// A value has a place on a line from 0 to 2^53: the upper 53 bits of its XXH64 with the seed. Places are as good as
// random, and a share of the line is that share of the distinct values. XXH64, since it costs a tenth of what SHA-256
// does and is in every language's libraries: whoever has a text can tell its part. It is no cryptographic hash: an
// author of texts who knows the seed can choose their part, and gains nothing by it that copies would not give.
//
// The first part takes the line from 0 upwards, the second from its end downwards, the third and fourth from the
// middle upwards and downwards, the next two from the first quarter, and so on. So a share that is raised, or a part
// that is added, takes values from train alone: always with two parts, and with more as long as none is so large that
// it reaches where another one begins.
type Partition struct {
	seed  uint64
	spans []span // of the whole line, in order
}

type span struct {
	end  uint64
	name string
}

const (
	placeWidth = 53 // of a float64's mantissa: shares of the line are exact
	lineEnd    = 1 << placeWidth
)

// isPartName says whether a part may be called so.
func isPartName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 64
}

// NewPartition makes the partition with parts in this order.
func NewPartition(seed uint64, parts []Part) (*Partition, error) {
	sum := 0.0
	names := []string{TrainPart, HeldOutPart}
	for _, p := range parts {
		if !isPartName(p.Name) {
			return nil, fmt.Errorf("the part %q: a name has small letters, digits, \"-\" and \"_\", 64 at most, and begins with a letter or a digit", p.Name)
		}
		if slices.Contains(names[:2], p.Name) {
			return nil, fmt.Errorf("the part %q is there anyway, and has no share of its own; choose another name", p.Name)
		}
		if slices.Contains(names, p.Name) {
			return nil, fmt.Errorf("the part %q is there twice", p.Name)
		}
		names = append(names, p.Name)
		if !(p.Share >= 0 && p.Share <= 1) {
			return nil, fmt.Errorf("the part %q: %v is no share from 0 to 1", p.Name, p.Share)
		}
		sum += p.Share
	}
	if sum >= 1 {
		return nil, fmt.Errorf("the parts take %v %% of the documents, and leave nothing to %s; lower their shares, or leave one out: %[2]s is what remains", math.Round(sum*1e8)/1e6, TrainPart)
	}
	l := line{{end: lineEnd, name: TrainPart}}
	for i, p := range parts {
		l.claim(p.Name, bits.Reverse64(uint64(i/2))>>(64-placeWidth), i%2 == 0, uint64(math.Round(p.Share*lineEnd)))
	}
	same := func(a, b span) bool { return a.name == b.name }
	slices.Reverse(l) // of neighbours in one part the end counts
	l = slices.CompactFunc(l, same)
	slices.Reverse(l)
	return &Partition{seed, l}, nil
}

// Part is the name of the part that the value is in.
func (p *Partition) Part(value []byte) string { return p.at(p.place(value)) }

// place of a value on the line.
func (p *Partition) place(value []byte) uint64 { return sum64(value, p.seed) >> (64 - placeWidth) }

// at is the name of the part that has a place.
func (p *Partition) at(place uint64) string {
	for i := range p.spans {
		if place < p.spans[i].end {
			return p.spans[i].name
		}
	}
	return TrainPart // not reached: the last span ends where the line does
}

// line is all spans, in order; train's are free.
type line []span

// start of span i.
func (l line) start(i int) uint64 {
	if i == 0 {
		return 0
	}
	return l[i-1].end
}

// cut makes a border at a place, and returns the span that begins there; there is none at the end.
func (l *line) cut(at uint64) int {
	i, _ := slices.BinarySearchFunc(*l, at, func(s span, at uint64) int {
		if s.end <= at {
			return -1
		}
		return 1
	})
	if i == len(*l) || l.start(i) == at {
		return i
	}
	*l = slices.Insert(*l, i, span{at, (*l)[i].name})
	return i + 1
}

// claim gives a part so much of the free line from a place on, upwards or downwards, and round the ends.
func (l *line) claim(name string, from uint64, up bool, size uint64) {
	for size > 0 {
		n := len(*l)
		i := l.cut(from)
		for range n + 1 { // the next free span
			if !up {
				i = (i + len(*l) - 1) % len(*l)
			} else if i == len(*l) {
				i = 0
			}
			if (*l)[i].name == TrainPart {
				break
			}
			if up {
				i++
			}
		}
		if i == len(*l) || (*l)[i].name != TrainPart {
			return // sizes are rounded, and the line is full
		}
		lo, hi := l.start(i), (*l)[i].end
		take := min(size, hi-lo)
		if up {
			l.cut(lo + take)
		} else {
			i = l.cut(hi - take)
		}
		(*l)[i].name = name
		size -= take
	}
}
