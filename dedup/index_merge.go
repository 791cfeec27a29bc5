package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage/runs"
)

// MergeOrigins are the origins of what MergeIndex makes of generations.
func MergeOrigins(generations []*IndexGeneration) []Origin {
	var origins []Origin
	for _, g := range generations {
		for _, o := range g.Origins {
			if !slices.ContainsFunc(origins, o.same) {
				origins = append(origins, o)
			}
		}
	}
	return origins
}

// same says whether an origin is of the same documents.
func (o Origin) same(p Origin) bool {
	return p.Generation == o.Generation && p.Documents == o.Documents && p.Sum == o.Sum
}

// MergeIndex makes one generation of several, in order, and says what is in it. All documents stay,
// also those that are like one another: each has been published. But a run that two generations have, with the same
// documents, is taken once. It holds a buffer for each generation.
func MergeIndex(ctx context.Context, generations []*IndexGeneration, sink IndexSink) (IndexCounts, error) {
	x, err := NewIndex("", generations)
	if err != nil {
		return IndexCounts{}, err
	}
	var origins []Origin
	// The documents of an origin lie together. Where those of each begin, in the index and in what is made.
	type stretch struct {
		from   uint64
		to     uint64
		left   bool // it is left out
		origin uint32
	}
	var stretches []stretch
	from, to := uint64(0), uint64(0)
	for _, g := range generations {
		for _, o := range g.Origins {
			s := stretch{from: from, to: to}
			s.left = slices.ContainsFunc(origins, o.same)
			if !s.left {
				s.origin = uint32(len(origins))
				origins = append(origins, o)
				to += uint64(o.Documents)
			}
			from += uint64(o.Documents)
			if o.Documents > 0 {
				stretches = append(stretches, s)
			}
		}
	}
	of := func(n uint64) *stretch {
		i, found := slices.BinarySearchFunc(stretches, n, func(s stretch, n uint64) int {
			switch {
			case s.from < n:
				return -1
			case s.from > n:
				return 1
			}
			return 0
		})
		if !found {
			i--
		}
		return &stretches[i]
	}
	if to > maxIndexed {
		return IndexCounts{}, fmt.Errorf("the indexes have %d documents, and a generation holds at most %d", to, uint32(maxIndexed))
	}

	g := generationWriter{sink: sink}
	err = g.write(ctx, func() error {
		n := uint64(0)
		var id []byte
		buf := make([]byte, runBuffer)
		for _, old := range generations {
			err := old.each(ctx, func(row documentRow, idAt, setAt int64) error {
				s := of(n)
				if n++; s.left {
					return nil
				}
				size := int64(row.idEnd) - idAt
				id = slices.Grow(id[:0], int(size))[:size]
				if err := old.read(old.ids, id, idAt); err != nil {
					return err
				}
				return g.add(row.record, s.origin, id, func(w io.Writer) error {
					_, err := io.CopyBuffer(w, struct{ io.Reader }{old.sets.section(setAt, int64(row.setEnd))}, buf)
					return err
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return IndexCounts{}, err
	}
	err = checkedFileOf(ctx, sink, IndexKeysFile, checkedKeys, func(c *checkedWriter) error {
		items, err := runs.Open(x.keys(), x.keyWidth+8, runs.Range{}, nil)
		if err != nil || len(x.generations) == 0 {
			return err
		}
		for n := 0; items.Next(); n++ {
			if n%checkEvery == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			item := items.Item()
			number := binary.BigEndian.Uint64(item[x.keyWidth:]) &^ indexedBit
			s := of(number)
			if s.left {
				continue
			}
			g.items++
			binary.BigEndian.PutUint32(item[x.keyWidth:], uint32(number-s.from+s.to))
			if _, err := c.Write(item[:x.keyWidth+4]); err != nil {
				return err
			}
		}
		return items.Err()
	})
	if err != nil {
		return IndexCounts{}, err
	}
	return g.counts(), sink.Done(ctx, g.counts())
}

// each calls do for every document in order, with the beginning of its id and of its set.
func (g *IndexGeneration) each(ctx context.Context, do func(row documentRow, idAt, setAt int64) error) error {
	in := bufio.NewReaderSize(g.documents.section(0, g.documents.size), runBuffer)
	var b [documentWidth]byte
	var last documentRow
	for n := range g.Documents() {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return err
		}
		row := decodeDocument(b[:])
		damaged := func(what string) error { return fmt.Errorf("%s: row %d %s: %w", g.documents.name, n, what, ErrIndex) }
		switch {
		case row.idEnd < last.idEnd || row.idEnd-last.idEnd > maxIndexID || row.idEnd > uint64(g.ids.size) || row.setEnd < last.setEnd || row.setEnd > uint64(g.sets.size):
			return damaged("leads to nothing")
		case int(row.origin) >= len(g.Origins) || row.origin < last.origin:
			return damaged("has an origin that cannot be")
		case uint64(row.record) > maxID || n > 0 && row.origin == last.origin && row.record <= last.record:
			return damaged("has a record that cannot be")
		}
		if err := do(row, int64(last.idEnd), int64(last.setEnd)); err != nil {
			return err
		}
		last = row
	}
	return nil
}

// Verify reads everything of a generation: checksums, orders, counts, and for MinHash the buckets that the sets lead to. m
// is the method, nil for exact.
func (g *IndexGeneration) Verify(ctx context.Context, m *MinHash) (IndexCounts, error) {
	c := IndexCounts{Documents: g.Documents(), Keys: g.items()}
	sums := make([]uint64, len(g.Origins)) // of its documents' keys
	counts := make([]int64, len(g.Origins))
	all := newIDSum()
	origin := uint32(0)
	one := newIDSum()
	endOrigin := func() error {
		if o := &g.Origins[origin]; counts[origin] != o.Documents || one.text() != o.Sum {
			return fmt.Errorf("%s: the documents of origin %s are not those that it had: %w", g.documents.name, o.Generation, ErrIndex)
		}
		one = newIDSum()
		return nil
	}
	in := bufio.NewReaderSize(nil, runBuffer)
	var set indexSet
	var shingles, signature, buckets []uint64
	var keys []byte
	var lastIDs, lastSets uint64
	n := int64(0)
	err := g.each(ctx, func(row documentRow, idAt, setAt int64) error {
		for origin < row.origin {
			if err := endOrigin(); err != nil {
				return err
			}
			origin++
		}
		counts[origin]++
		one.add(row.record)
		all.add(row.record)
		lastIDs, lastSets = row.idEnd, row.setEnd
		if m != nil {
			shingles = shingles[:0]
			err := g.set(n, &set, in, func(int) error { return nil }, func(piece []uint64) error {
				shingles = append(shingles, piece...)
				return nil
			})
			if err != nil {
				return err
			}
			c.Shingles += int64(len(shingles))
			if len(shingles) == 0 {
				return fmt.Errorf("%s: document %d has no shingles: %w", g.sets.name, n, ErrIndex)
			}
			keys, signature, buckets = m.appendKeys(keys[:0], signature, buckets, shingles)
			for k := keys; len(k) > 0; k = k[g.keyWidth:] {
				sums[origin] += keySum(k[:g.keyWidth], uint32(n))
			}
		} else if int64(row.setEnd) > setAt {
			return fmt.Errorf("%s: document %d has a set, and the method none: %w", g.sets.name, n, ErrIndex)
		}
		n++
		return nil
	})
	if err != nil {
		return c, err
	}
	for ; int(origin) < len(g.Origins); origin++ {
		if err := endOrigin(); err != nil {
			return c, err
		}
	}
	if lastIDs != uint64(g.ids.size) || lastSets != uint64(g.sets.size) {
		return c, fmt.Errorf("%s: its rows do not end where %s and %s do: %w", g.documents.name, IndexIDsFile, IndexSetsFile, ErrIndex)
	}
	if _, err := io.Copy(io.Discard, g.ids.section(0, g.ids.size)); err != nil {
		return c, err
	}
	c.Sum = all.text()
	if m == nil && g.items() != g.Documents() {
		return c, fmt.Errorf("%s: %d keys of %d documents: %w", g.keys.name, g.items(), g.Documents(), ErrIndex)
	}

	stored := bufio.NewReaderSize(g.keys.section(0, g.keys.size), runBuffer)
	item, last := make([]byte, g.keyWidth+4), make([]byte, g.keyWidth+4)
	sum, want := uint64(0), uint64(0)
	for i := range g.items() {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if _, err := io.ReadFull(stored, item); err != nil {
			return c, err
		}
		number := binary.BigEndian.Uint32(item[g.keyWidth:])
		if i > 0 && string(item) <= string(last) || int64(number) >= g.Documents() {
			return c, fmt.Errorf("%s: key %d is out of order, or of no document: %w", g.keys.name, i, ErrIndex)
		}
		sum += keySum(item[:g.keyWidth], number)
		item, last = last, item
	}
	for _, s := range sums {
		want += s
	}
	if m != nil && sum != want {
		return c, fmt.Errorf("%s: the buckets are not those of the sets: %w", g.keys.name, ErrIndex)
	}
	return c, nil
}

// keySum is a key's share of a sum in which the order does not count.
func keySum(key []byte, number uint32) uint64 { return sum64(key, uint64(number)+1) }

// idSum is the sum of Origin and IndexCounts.
type idSum struct{ digest *xxhash.Digest }

func newIDSum() idSum { return idSum{xxhash.New()} }

func (s idSum) add(id record.ID) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(id))
	_, _ = s.digest.Write(b[:]) // never fails
}

func (s idSum) text() string { return fmt.Sprintf("%016x", s.digest.Sum64()) }
