package dedup

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"sync"
)

// How a candidate pair is verified, as Verify of a configuration names it.
const (
	// VerifyExact compares the sets of shingles: the similarity is true.
	VerifyExact = "exact"
	// VerifySketch compares the signatures: the share of equal values estimates the similarity s, with a standard deviation
	// of sqrt(s(1-s)/values).
	VerifySketch = "sketch"
	// VerifyNone compares nothing: whoever shares a band with another is its duplicate. So do datatrove and most others.
	VerifyNone = "none"
)

// unknown is the similarity of a pair that nobody has measured.
const unknown = 1<<32 - 1

// verifier compares documents by their values, in one goroutine.
type verifier struct {
	docs      *documents
	threshold uint32
	how       string // VerifyExact, VerifySketch or VerifyNone
	a, b      openSet
}

// verifierBytes is what a verifier takes that holds large shingles of a set at a time: of two sets the values, and
// the bytes that they come from.
func verifierBytes(large int) int64 { return 2 * 2 * (8*int64(large) + maxHeader + maxSignID) }

func (m *MinHash) newVerifier(d *documents) *verifier {
	set := openSet{large: m.largeSet}
	if m.cfg.Verify != VerifyExact { // a signature is held whole, and in no order
		set = openSet{large: MaxValues, unordered: true}
	}
	return &verifier{docs: d, threshold: m.threshold, how: m.cfg.Verify, a: set, b: set}
}

// similarity of two documents in millionths; 0 where it is below the threshold. It is fastest when one call after the
// other has the same first document.
func (v *verifier) similarity(a, b uint32) (uint32, error) {
	c := comparison{a: a, b: b}
	err := v.compare(&c)
	return c.similarity, err
}

// compare fills in what came of a comparison.
func (v *verifier) compare(c *comparison) error {
	if c.a < v.docs.indexed && c.b < v.docs.indexed {
		c.similarity, c.measured, c.shared = 0, unknown, 0 // both stay, whatever they are
		return nil
	}
	if err := v.a.open(v.docs, c.a); err != nil {
		return err
	}
	if err := v.b.open(v.docs, c.b); err != nil {
		return err
	}
	c.shared = uint32(Intersection(v.a.buckets, v.b.buckets))
	c.similarity, c.measured = 0, unknown
	switch v.how {
	case VerifyNone:
		if c.shared > 0 {
			c.similarity = million
		}
		return nil
	case VerifySketch:
		if len(v.a.values) != len(v.b.values) {
			return fmt.Errorf("%w: signatures of %d and %d values", ErrSets, len(v.a.values), len(v.b.values))
		}
		equal := 0
		for i, x := range v.a.values {
			if x == v.b.values[i] {
				equal++
			}
		}
		c.measured = share(equal, len(v.a.values))
	default:
		na, nb := v.a.entry.values, v.b.entry.values
		if millionths(min(na, nb), na, nb) < v.threshold {
			return nil // whatever they are
		}
		common, err := v.common()
		if err != nil {
			return err
		}
		c.measured = millionths(common, na, nb)
	}
	if c.measured >= v.threshold {
		c.similarity = c.measured
	}
	return nil
}

// share is n of all in millionths, rounded, half up.
func share(n, all int) uint32 {
	return uint32((2*million*uint64(n) + uint64(all)) / (2 * uint64(all)))
}

// common counts the shingles that both sets have, a piece at a time where they are large.
func (v *verifier) common() (int, error) {
	n := 0
	var a, b []uint64
	for {
		for _, s := range []struct {
			have *[]uint64
			set  *openSet
		}{{&a, &v.a}, {&b, &v.b}} {
			if len(*s.have) > 0 {
				continue
			}
			var err error
			if *s.have, err = s.set.next(); err != nil || len(*s.have) == 0 {
				return n, err
			}
		}
		// What is not above the smaller of the two last ones is all there, of both.
		last := min(a[len(a)-1], b[len(b)-1])
		i := sort.Search(len(a), func(i int) bool { return a[i] > last })
		j := sort.Search(len(b), func(j int) bool { return b[j] > last })
		n += Intersection(a[:i], b[:j])
		a, b = a[i:], b[j:]
	}
}

// openSet reads a document's values. A set of at most large ones stays until another document's is opened.
type openSet struct {
	large     int
	unordered bool // the values do not ascend

	docs    *documents
	file    int
	offset  int64 // of what comes next
	left    int   // values that come next
	entry   entry
	buckets []uint64
	values  []uint64 // a piece of them, or all
	opened  bool
	whole   bool // values are all
	given   bool // they were, by next
	raw     []byte
}

// firstRead is how much is read of an entry at first: most have less.
const firstRead = 8 << 10

// open moves to the beginning of a document's values.
func (s *openSet) open(d *documents, doc uint32) error {
	id := *d.ids.at(doc)
	if s.opened && s.whole && s.entry.id == id {
		s.given = false
		return nil
	}
	s.opened, s.whole, s.given = false, false, false
	file, at := d.place(doc)
	f := d.sealed[file]
	n := int(min(firstRead, f.Size-at))
	s.raw = slices.Grow(s.raw[:0], n)[:n]
	if err := readSets(f.Data, s.raw, at); err != nil {
		return fmt.Errorf("run %d: %w", file, err)
	}
	e, err := decodeEntry(s.raw, d.width) // scan has seen that there is a whole one
	if err == nil && e.id != id {
		err = fmt.Errorf("%w: record %d stands where record %d was", ErrSets, e.id, id)
	}
	if err != nil {
		return fmt.Errorf("run %d: at byte %d: %w", file, at, err)
	}
	s.docs, s.file, s.entry, s.left, s.values = d, file, e, e.values, s.values[:0]
	s.buckets = s.buckets[:0]
	for b := s.raw[entryHeader:][:8*e.buckets]; len(b) > 0; b = b[8:] {
		s.buckets = append(s.buckets, binary.LittleEndian.Uint64(b))
	}
	begin := e.begin()
	s.offset = at + int64(begin)
	s.opened = true
	if e.width == 0 {
		s.left, s.whole = 0, true
		return nil
	}
	if e.values > s.large {
		if s.unordered {
			return fmt.Errorf("run %d: at byte %d: %w: a signature of %d values", file, at, ErrSets, e.values)
		}
		return nil
	}
	// All of them, and those that are there already need no reading.
	size := e.width * e.values
	have := min(len(s.raw)-begin, size)
	have -= have % e.width
	if err := s.decode(s.raw[begin:][:have]); err != nil {
		return err
	}
	if err := s.read((size - have) / e.width); err != nil {
		return err
	}
	s.whole = true
	return nil
}

// next is the next piece of them, or nothing at the end. It is valid until the next call.
func (s *openSet) next() ([]uint64, error) {
	if s.whole {
		if s.given {
			return nil, nil
		}
		s.given = true
		return s.values, nil
	}
	// The last value stays for a moment: the one behind it must be above it.
	n := min(s.left, s.large)
	kept := 0
	if k := len(s.values); k > 0 {
		s.values[0], kept = s.values[k-1], 1
	}
	s.values = s.values[:kept]
	if err := s.read(n); err != nil {
		return nil, err
	}
	return s.values[kept:], nil
}

// read decodes n values behind those there are.
func (s *openSet) read(n int) error {
	if n == 0 {
		return nil
	}
	size := s.entry.width * n
	s.raw = slices.Grow(s.raw[:0], size)[:size]
	if err := readSets(s.docs.sealed[s.file].Data, s.raw, s.offset); err != nil {
		return fmt.Errorf("run %d: %w", s.file, err)
	}
	return s.decode(s.raw)
}

// decode appends values.
func (s *openSet) decode(raw []byte) error {
	width := s.entry.width
	n := len(raw) / width
	s.values = slices.Grow(s.values, n)
	for i := range n {
		var v uint64
		if width == 8 {
			v = binary.LittleEndian.Uint64(raw[8*i:])
		} else {
			v = uint64(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		if k := len(s.values); k > 0 && v <= s.values[k-1] && !s.unordered {
			return fmt.Errorf("run %d: at byte %d: %w: shingles out of order", s.file, s.offset+int64(width*i), ErrSets)
		}
		s.values = append(s.values, v)
	}
	s.offset += int64(width * n)
	s.left -= n
	return nil
}

// comparison is a pair of documents to be compared, and what came of it.
type comparison struct {
	a, b       uint32
	similarity uint32 // in millionths, 0 below the threshold
	measured   uint32 // the same where it was measured below, too, or unknown
	shared     uint32 // buckets
}

// compare fills in the similarities, a share of the pairs in each verifier's goroutine.
func compare(ctx context.Context, vs []*verifier, pairs []comparison) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i, v := range vs {
		share := pairs[i*len(pairs)/len(vs) : (i+1)*len(pairs)/len(vs)]
		wg.Go(func() {
			for k := range share {
				if k%64 == 0 && ctx.Err() != nil {
					return
				}
				p := &share[k]
				if err := v.compare(p); err != nil {
					cancel(err) // the first one stays
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
