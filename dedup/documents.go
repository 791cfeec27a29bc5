package dedup

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"curate/record"
	"curate/stage"
)

// documents are the candidates, numbered from 0 in the order of their IDs. What is held of each is all that the
// second Reducer holds in proportion to the number of candidates.
type documents struct {
	indexed uint32 // how many there are of the index; they come first, and are not compared with one another
	sealed  []stage.Sealed
	ids     column[record.ID]
	places  column[uint64] // number of the sealed file << placeBits | byte of the entry
	ranks   column[uint32] // in which they are looked at: of keep longest and source-order
	orders  column[uint64] // the same of keep best
	parents column[uint32] // see components.go; made when it is needed
	// unwritable are those that cannot hold a verdict: a bit each, at most a hundredth of what else is held, and nothing
	// where there is none.
	unwritable bitSet
	width      int // of an entry's value
}

// placeBits leave 1,048,576 files of 16 TiB.
const placeBits = 44

// documentBytes is what a document takes.
func (m *MinHash) documentBytes() int64 { return 8 + 8 + 4 + m.keep.width() }

// order is where in its cluster a document is looked at, for a Keep that has an order of its own.
func (d *documents) order(doc uint32) uint64 {
	if d.orders.n > 0 {
		return *d.orders.at(doc)
	}
	return uint64(*d.ranks.at(doc))
}

// place is where a document's entry lies.
func (d *documents) place(doc uint32) (file int, at int64) {
	p := *d.places.at(doc)
	return int(p >> placeBits), int64(p & (1<<placeBits - 1))
}

// column is a slice that grows without a copy.
type column[T any] struct {
	chunks [][]T
	n      int
	given  int // chunks given up; see forget
}

// columnChunk is how many values a chunk has.
const columnChunk = 1 << 15

func (c *column[T]) add(v T) {
	if c.n%columnChunk == 0 {
		c.chunks = append(c.chunks, make([]T, columnChunk))
	}
	c.chunks[c.n/columnChunk][c.n%columnChunk] = v
	c.n++
}

func (c *column[T]) at(i uint32) *T { return &c.chunks[i/columnChunk][i%columnChunk] }

// bitSet is a set of numbers.
type bitSet []uint64

func (b *bitSet) set(n uint32) {
	if more := int(n/64) + 1 - len(*b); more > 0 {
		*b = append(*b, make([]uint64, more)...)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitSet) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

// scan finds all documents of the sealed files, and calls each, if it is not nil, for every bucket of every document.
// memory is what the documents may take.
func (m *MinHash) scan(ctx context.Context, sealed []stage.Sealed, memory int64, each func(bucket uint64, doc uint32) error) (*documents, error) {
	if len(sealed) > 1<<(64-placeBits) {
		return nil, fmt.Errorf("%d sealed files are more than %d", len(sealed), 1<<(64-placeBits))
	}
	d := &documents{sealed: sealed, width: m.width}
	space := make([]byte, len(sealed)*smallRunBuffer)
	in := make([]entryScanner, len(sealed))
	var open []int32 // files that have more, by their entries' IDs; the last one is next
	first := record.ID(0)
	if m.index != nil {
		first = indexedBit // documents of the index, which have it, come before others
	}
	order := func(a, b int32) int { return cmp.Compare(in[b].entry.id^first, in[a].entry.id^first) }
	for i := range in {
		in[i].f, in[i].width, in[i].buf = sealed[i], m.width, space[i*smallRunBuffer:(i+1)*smallRunBuffer]
		if err := in[i].next(); err != nil {
			return nil, fmt.Errorf("run %d: %w", i, err)
		}
		if !in[i].done {
			open = append(open, int32(i))
		}
	}
	slices.SortFunc(open, order)
	per := m.documentBytes()
	n, last := int64(0), record.ID(0)
	for ; len(open) > 0; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		i := open[len(open)-1]
		s := &in[i]
		if n > 0 && s.entry.id == last {
			return nil, fmt.Errorf("record %d was sealed twice", last)
		}
		last = s.entry.id
		if (n+columnChunk)*per <= memory && n < math.MaxUint32 {
			d.ids.add(s.entry.id)
			if m.index != nil && IsIndexed(s.entry.id) {
				d.indexed++
			}
			d.places.add(uint64(i)<<placeBits | uint64(s.at))
			if s.entry.source&unwritable != 0 {
				d.unwritable.set(uint32(n))
			}
			switch m.keep.width() {
			case 4:
				d.ranks.add(uint32(s.entry.order))
			case 8:
				d.orders.add(s.entry.order)
			}
			for b := s.buckets; each != nil && len(b) > 0; b = b[8:] {
				if err := each(binary.LittleEndian.Uint64(b), uint32(n)); err != nil {
					return nil, err
				}
			}
		}
		if err := s.next(); err != nil {
			return nil, fmt.Errorf("run %d: %w", i, err)
		}
		// Most often the same file has the next one, too.
		open = open[:len(open)-1]
		if !s.done {
			to, _ := slices.BinarySearchFunc(open, i, order)
			open = slices.Insert(open, to, i)
		}
	}
	if n > int64(d.ids.n) {
		return nil, fmt.Errorf("%d documents are candidates, and to hold them takes %s: %w", n, mebibytes((n+columnChunk)*per), tooMuch((n+columnChunk)*per-memory))
	}
	return d, nil
}

// tooMuch is the remedy where so many bytes are missing: of --memory a part is for other things (pipeline's
// heapShare 0.6, of which a quarter is not counted here).
func tooMuch(missing int64) error {
	return fmt.Errorf("give --memory at least %s more", mebibytes(missing*20/9))
}

func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", (n+1<<20-1)>>20) }
