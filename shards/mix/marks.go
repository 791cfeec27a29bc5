package mix

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Mark is a border in an order of digests: a document with digest d and ID id lies before it if d < Digest, or if
// d == Digest and id < ID.
type Mark struct{ Digest, ID uint64 }

// End is behind all documents.
var End = Mark{1<<64 - 1, 1<<64 - 1}

// Before says whether a document lies before the mark.
func (m Mark) Before(digest, id uint64) bool {
	return digest < m.Digest || digest == m.Digest && id < m.ID
}

// Each calls f for every document: the class that it belongs to, its digest and ID, and its tokens (EOD included). The
// order does not matter, and it is called several times, with the same documents each time. An error of f ends it.
type Each func(f func(class int, digest, id uint64, tokens int64) error) error

// Marks finds, for each class, the borders that divide its documents, in the order of (digest, ID), at given sums of
// tokens: wants[class] never falls, and the documents before mark k have as nearly wants[class][k] tokens as whole
// documents allow, the fewer of two that are as near. got are the sums that the documents before each mark have.
//
// A mark before which there are no tokens is the zero Mark, and one that has all tokens is End, but for a want of 0,
// which is always the zero Mark. Documents of one class with the same digest and ID are taken for one.
//
// Memory is bounded by room, in bytes, of which 4 KiB are always used, beside some 100 for each want: each pass counts
// tokens in bins of digests and looks closer at the bin that a border lies in, until the documents in those bins fit.
// Two passes do for a billion documents and a room of 64 MiB; the marks are the same for any room.
func Marks(each Each, wants [][]int64, room int) (marks [][]Mark, got [][]int64, err error) {
	m := marker{each: each, wants: wants, room: max(room, leastRoom), open: make([][]*interval, len(wants)), total: make([]int64, len(wants))}
	for class, ws := range wants {
		if !slices.IsSorted(ws) || len(ws) > 0 && ws[0] < 0 {
			return nil, nil, fmt.Errorf("mix: the wants of class %d are %v, and must be sums that never fall", class, ws)
		}
		m.marks, m.got = append(m.marks, make([]Mark, len(ws))), append(m.got, make([]int64, len(ws)))
		if len(ws) == 0 {
			continue
		}
		iv := &interval{class: class, documents: math.MaxInt64}
		for k := range ws {
			iv.wants = append(iv.wants, k)
		}
		m.open[class] = []*interval{iv}
	}
	for first := true; ; first = false {
		m.plan()
		if len(m.planned) == 0 {
			return m.marks, m.got, nil
		}
		if err := m.pass(first); err != nil {
			return nil, nil, err
		}
		if first {
			m.ends()
		}
		if err := m.settle(); err != nil {
			return nil, nil, err
		}
	}
}

const (
	leastRoom = 4 << 10
	// leastBits of a key that a pass over a bin tells apart: 16 bins. Where there is no room for those of all intervals,
	// some wait for the next pass.
	leastBits = 4
	// mostBits: two such steps, of which the second is a list of documents, are enough for any corpus.
	mostBits     = 20
	binSize      = 16 // bytes
	documentSize = 32
)

// key is a digest and an ID, one number of 128 bits.
type key struct{ digest, id uint64 }

func (k key) compare(o key) int {
	if c := cmp.Compare(k.digest, o.digest); c != 0 {
		return c
	}
	return cmp.Compare(k.id, o.id)
}

// next is the key behind k; the last one stays.
func (k key) next() key {
	if k == (key{math.MaxUint64, math.MaxUint64}) {
		return k
	}
	id, carry := bits.Add64(k.id, 1, 0)
	return key{k.digest + carry, id}
}

// part is bits [from, from+n) of k, from its highest, n at most mostBits.
func (k key) part(from, n int) int {
	if from >= 64 {
		return int(k.id << (from - 64) >> (64 - n))
	}
	return int((k.digest<<from | k.id>>(64-from)) >> (64 - n)) // a shift by 64 gives 0
}

// with is k, whose bits from from on are 0, with part set to b.
func (k key) with(from, n, b int) key {
	hi := uint64(b) << (64 - n) // as part gives it
	if from >= 64 {
		k.id |= hi >> (from - 64)
		return k
	}
	k.digest |= hi >> from
	k.id |= hi << (64 - from)
	return k
}

// shares says whether the first n bits of the two are the same.
func (k key) shares(o key, n int) bool {
	if n >= 64 {
		return k.digest == o.digest && (k.id^o.id)>>(128-n) == 0
	}
	return (k.digest^o.digest)>>(64-n) == 0
}

// interval is all keys of a class with the same first bits, in which borders lie.
type interval struct {
	class int
	from  key   // its first key
	width int   // bits that its keys have in common
	base  int64 // tokens before it
	wants []int // of the class: those whose border lies in it

	documents int64 // in it; MaxInt64 if nobody has counted
	// Of a pass: either bins, each 2^(128-width-bits) keys wide, or, with bits of -1, the documents themselves.
	bits int
	bins []bin
}

type bin struct{ tokens, documents int64 }

type document struct {
	key
	interval int32 // of planned
	tokens   int64
}

type marker struct {
	each  Each
	wants [][]int64
	room  int
	marks [][]Mark
	got   [][]int64
	total []int64 // tokens of each class

	open    [][]*interval // of each class, in order, apart from one another
	planned []*interval   // that this pass looks at, by class and in order
	bins    []bin
	listed  []document
}

// plan says how a pass looks at the open intervals, and makes room for it.
func (m *marker) plan() {
	m.planned = m.planned[:0]
	var all, wide []*interval
	documents := int64(0)
	for _, ivs := range m.open {
		all = append(all, ivs...)
	}
	room := int64(m.room / documentSize)
	for _, iv := range all {
		if iv.documents > room-documents { // not all fit: half of the room is for those that do
			room /= 2
			break
		}
		documents += iv.documents
	}
	documents = 0
	for _, iv := range all {
		if iv.bits = -1; iv.documents <= room-documents {
			documents += iv.documents
			m.planned = append(m.planned, iv)
		} else {
			wide = append(wide, iv)
		}
	}
	if len(wide) == 0 {
		m.bins = nil
	}
	if m.listed = m.listed[:0]; cap(m.listed) < int(documents) {
		m.listed = make([]document, 0, documents)
	}
	if len(wide) == 0 {
		return
	}
	bins := m.room / 2 / binSize
	wide = wide[:min(len(wide), bins>>leastBits)]
	n := min(mostBits, bits.Len(uint(bins/len(wide)))-1)
	if size := len(wide) << n; cap(m.bins) < size {
		m.bins = make([]bin, size)
	} else {
		m.bins = m.bins[:size]
		clear(m.bins)
	}
	for i, iv := range wide {
		iv.bits = min(n, 128-iv.width)
		iv.bins = m.bins[i<<n : i<<n+1<<iv.bits]
	}
	m.planned = append(m.planned, wide...)
	slices.SortFunc(m.planned, func(a, b *interval) int {
		return cmp.Or(cmp.Compare(a.class, b.class), a.from.compare(b.from))
	})
}

// ErrChanged is what Marks says of an Each that does not give the same documents each time.
var ErrChanged = errors.New("mix: the documents are not those of the pass before; they must not change meanwhile")

// pass looks at all documents once.
func (m *marker) pass(first bool) error {
	begin := make([]int, len(m.open)+1) // of each class in planned
	for _, iv := range m.planned {
		begin[iv.class+1]++
	}
	for c := range m.open {
		begin[c+1] += begin[c]
	}
	return m.each(func(class int, digest, id uint64, tokens int64) error {
		if class < 0 || class >= len(m.open) || tokens < 0 {
			return fmt.Errorf("mix: document %d has class %d of %d and %d tokens", id, class, len(m.open), tokens)
		}
		if first {
			if m.total[class] += tokens; m.total[class] < 0 {
				return fmt.Errorf("mix: class %d has more than 2^63-1 tokens", class)
			}
		}
		lo, hi := begin[class], begin[class+1]
		if lo == hi {
			return nil
		}
		k := key{digest, id}
		for lo+1 < hi { // the last one that does not begin behind k
			if mid := (lo + hi) / 2; m.planned[mid].from.compare(k) <= 0 {
				lo = mid
			} else {
				hi = mid
			}
		}
		iv := m.planned[lo]
		if !iv.from.shares(k, iv.width) {
			return nil
		}
		if iv.bits < 0 {
			if len(m.listed) == cap(m.listed) {
				return ErrChanged
			}
			m.listed = append(m.listed, document{k, int32(lo), tokens})
			return nil
		}
		b := &iv.bins[k.part(iv.width, iv.bits)]
		b.tokens += tokens
		b.documents++
		return nil
	})
}

// ends marks what needs no second look: nothing, and all.
func (m *marker) ends() {
	for class, ivs := range m.open {
		if len(ivs) == 0 {
			continue
		}
		iv := ivs[0]
		iv.wants = slices.DeleteFunc(iv.wants, func(k int) bool {
			switch want := m.wants[class][k]; {
			case want == 0:
			case want >= m.total[class]:
				m.marks[class][k], m.got[class][k] = End, m.total[class]
			default:
				return false
			}
			return true
		})
	}
}

// settle makes marks and smaller intervals of what a pass has counted.
func (m *marker) settle() error {
	slices.SortFunc(m.listed, func(a, b document) int {
		return cmp.Or(cmp.Compare(a.interval, b.interval), a.key.compare(b.key))
	})
	listed := m.listed
	next := make([][]*interval, len(m.open))
	seen := map[*interval]bool{}
	for i, iv := range m.planned {
		seen[iv] = true
		var smaller []*interval
		var err error
		if iv.bits < 0 {
			n := 0
			for n < len(listed) && int(listed[n].interval) == i {
				n++
			}
			err = m.list(iv, listed[:n])
			listed = listed[n:]
		} else {
			smaller, err = m.narrow(iv)
		}
		if err != nil {
			return err
		}
		next[iv.class] = append(next[iv.class], smaller...)
	}
	for class, ivs := range m.open { // and those that had to wait
		for _, iv := range ivs {
			if !seen[iv] && len(iv.wants) > 0 {
				next[class] = append(next[class], iv)
			}
		}
		slices.SortFunc(next[class], func(a, b *interval) int { return a.from.compare(b.from) })
	}
	m.open = next
	return nil
}

// narrow finds the bin of each border; a bin of one key is the border itself.
func (m *marker) narrow(iv *interval) (smaller []*interval, err error) {
	base, b := iv.base, 0
	for _, k := range iv.wants {
		want := m.wants[iv.class][k]
		for b < len(iv.bins) && base+iv.bins[b].tokens <= want {
			base += iv.bins[b].tokens
			b++
		}
		if b == len(iv.bins) {
			return nil, ErrChanged
		}
		at := iv.from.with(iv.width, iv.bits, b)
		if iv.width+iv.bits == 128 {
			m.mark(iv.class, k, base, iv.bins[b].tokens, at)
			continue
		}
		if n := len(smaller); n == 0 || smaller[n-1].from != at {
			smaller = append(smaller, &interval{class: iv.class, from: at, width: iv.width + iv.bits, base: base, documents: iv.bins[b].documents})
		}
		last := smaller[len(smaller)-1]
		last.wants = append(last.wants, k)
	}
	return smaller, nil
}

// list finds the border among all documents of the interval, in order.
func (m *marker) list(iv *interval, documents []document) error {
	base := iv.base
	for _, k := range iv.wants {
		want := m.wants[iv.class][k]
		for {
			if len(documents) == 0 {
				return ErrChanged
			}
			tokens, n := same(documents)
			if base+tokens > want {
				m.mark(iv.class, k, base, tokens, documents[0].key)
				break
			}
			base += tokens
			documents = documents[n:]
		}
	}
	return nil
}

// same is how many documents have the first one's key, and their tokens.
func same(documents []document) (tokens int64, n int) {
	for n < len(documents) && documents[n].key == documents[0].key {
		tokens += documents[n].tokens
		n++
	}
	return tokens, n
}

// mark puts mark k before or behind the document with which more than the wanted tokens are reached.
func (m *marker) mark(class, k int, before, tokens int64, at key) {
	want := m.wants[class][k]
	got := before
	if before+tokens-want < want-before {
		got, at = before+tokens, at.next()
	}
	m.got[class][k] = got
	switch got {
	case 0:
		m.marks[class][k] = Mark{}
	case m.total[class]:
		m.marks[class][k] = End
	default:
		m.marks[class][k] = Mark{at.digest, at.id}
	}
}
