package dedup

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"sync"
)

// verifier compares documents by their shingles, in one goroutine.
type verifier struct {
	docs      *documents
	threshold uint32
	a, b      openSet
}

// verifierBytes is what a verifier takes that holds large shingles of a set at a time: of two sets the values, and
// the bytes that they come from.
func verifierBytes(large int) int64 { return 2 * 2 * (8*int64(large) + maxHeader) }

func (m *MinHash) newVerifier(d *documents) *verifier {
	return &verifier{docs: d, threshold: m.threshold, a: openSet{large: m.largeSet}, b: openSet{large: m.largeSet}}
}

// similarity of two documents in millionths, by the sets of their shingles; 0 where it is below the threshold. It
// is fastest when one call after the other has the same first document.
func (v *verifier) similarity(a, b uint32) (uint32, error) {
	if a < v.docs.indexed && b < v.docs.indexed {
		return 0, nil // both stay, whatever they are
	}
	if err := v.a.open(v.docs, a); err != nil {
		return 0, err
	}
	if err := v.b.open(v.docs, b); err != nil {
		return 0, err
	}
	na, nb := v.a.entry.shingles, v.b.entry.shingles
	if millionths(min(na, nb), na, nb) < v.threshold {
		return 0, nil // whatever they are
	}
	common, err := v.common()
	if err != nil {
		return 0, err
	}
	if s := millionths(common, na, nb); s >= v.threshold {
		return s, nil
	}
	return 0, nil
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

// openSet reads a document's shingles. A set of at most large ones stays until another document's is opened.
type openSet struct {
	large int

	docs   *documents
	file   int
	offset int64 // of what comes next
	left   int   // shingles that come next
	entry  entry
	values []uint64 // a piece of them, or all
	opened bool
	whole  bool // values are all
	given  bool // they were, by next
	raw    []byte
}

// firstRead is how much is read of an entry at first: most have less.
const firstRead = 8 << 10

// open moves to the beginning of a document's shingles.
func (s *openSet) open(d *documents, doc uint32) error {
	id, place := *d.ids.at(doc), *d.places.at(doc)
	if s.opened && s.whole && s.entry.id == id {
		s.given = false
		return nil
	}
	s.opened, s.whole, s.given = false, false, false
	file, at := int(place>>placeBits), int64(place&(1<<placeBits-1))
	f := d.sealed[file]
	n := int(min(firstRead, f.Size-at))
	s.raw = slices.Grow(s.raw[:0], n)[:n]
	if err := readSets(f.Data, s.raw, at); err != nil {
		return fmt.Errorf("run %d: %w", file, err)
	}
	e, err := decodeEntry(s.raw) // scan has seen that there is a whole one
	if err == nil && e.id != id {
		err = fmt.Errorf("%w: record %d stands where record %d was", ErrSets, e.id, id)
	}
	if err != nil {
		return fmt.Errorf("run %d: at byte %d: %w", file, at, err)
	}
	s.docs, s.file, s.entry, s.left, s.values = d, file, e, e.shingles, s.values[:0]
	begin := entryHeader + 8*e.buckets
	s.offset = at + int64(begin)
	s.opened = true
	if e.shingles > s.large {
		return nil
	}
	// All of them, and those that are there already need no reading.
	size := 8 * e.shingles
	have := min(len(s.raw)-begin, size)
	have -= have % 8
	if err := s.decode(s.raw[begin:][:have]); err != nil {
		return err
	}
	if err := s.read((size - have) / 8); err != nil {
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

// read decodes n shingles behind those of values.
func (s *openSet) read(n int) error {
	if n == 0 {
		return nil
	}
	s.raw = slices.Grow(s.raw[:0], 8*n)[:8*n]
	if err := readSets(s.docs.sealed[s.file].Data, s.raw, s.offset); err != nil {
		return fmt.Errorf("run %d: %w", s.file, err)
	}
	return s.decode(s.raw)
}

// decode appends shingles to values.
func (s *openSet) decode(raw []byte) error {
	n := len(raw) / 8
	s.values = slices.Grow(s.values, n)
	for i := range n {
		v := binary.LittleEndian.Uint64(raw[8*i:])
		if k := len(s.values); k > 0 && v <= s.values[k-1] {
			return fmt.Errorf("run %d: at byte %d: %w: shingles out of order", s.file, s.offset+int64(8*i), ErrSets)
		}
		s.values = append(s.values, v)
	}
	s.offset += int64(8 * n)
	s.left -= n
	return nil
}

// comparison is a pair of documents to be compared, and what came of it: millionths, 0 below the threshold.
type comparison struct{ a, b, similarity uint32 }

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
				var err error
				if p.similarity, err = v.similarity(p.a, p.b); err != nil {
					cancel(err) // the first one stays
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
