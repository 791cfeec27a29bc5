package dedup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// What a run reads of an index: all keys, in order, beside its own, which are in the same order, and then the sets of those
// documents alone that have a key in common with one of its own.

// beside goes through an index's items in step with a run's.
type beside struct {
	items *runs.Iterator
	width int // of a key
	n     int
	there bool
}

// at says whether there are items with the key, and moves to the first of them. Keys ascend from call to call.
func (b *beside) at(ctx context.Context, key []byte) (bool, error) {
	for {
		if b.n == 0 || b.there && bytes.Compare(b.items.Item()[:b.width], key) < 0 {
			if b.there = b.items.Next(); !b.there {
				b.n++
				return false, b.items.Err()
			}
			if b.n++; b.n%checkEvery == 0 && ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			continue
		}
		return b.there && bytes.Equal(b.items.Item()[:b.width], key), nil
	}
}

// sharedIndexed is shared where there is an index: a document is a candidate, too, if it shares a bucket with one of it.
func sharedIndexed(ctx context.Context, items, indexed *runs.Iterator, pairs *runs.Sorter) error {
	var first, last [candidateWidth]byte
	var pair [pairWidth]byte
	add := func(item []byte) error {
		copy(pair[:8], item[bucketWidth:])
		copy(pair[8:], item[:bucketWidth])
		return pairs.Add(ctx, pair[:])
	}
	old := beside{items: indexed, width: bucketWidth}
	waits := false // the first item is not added, since it may be alone
	for n := 0; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		if bytes.Equal(item, last[:]) && n > 0 {
			continue // as in shared
		}
		copy(last[:], item)
		if n == 0 || !bytes.Equal(item[:bucketWidth], first[:bucketWidth]) {
			copy(first[:], item)
			there, err := old.at(ctx, item[:bucketWidth])
			if err != nil {
				return err
			}
			if waits = !there; waits {
				continue
			}
		} else if waits {
			if err := add(first[:]); err != nil {
				return err
			}
			waits = false
		}
		if err := add(item); err != nil {
			return err
		}
	}
	return items.Err()
}

// pairUpIndexed is pairUp where there is an index: of a group that it has the first of, all go.
func (e *Exact) pairUpIndexed(ctx context.Context, items, indexed *runs.Iterator, pairs *runs.Sorter) error {
	var kept, last [mostItem]byte // the group's first item, and the item before
	var pair [exactPairWidth]byte // ID and source of what the group goes for stay there
	id := e.orderedKey()
	number := id + 8
	old := beside{items: indexed, width: keyWidth}
	for n := 0; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		if n > 0 && bytes.Equal(item[:number], last[:number]) {
			return fmt.Errorf("record %d was sealed twice", binary.BigEndian.Uint64(item[id:]))
		}
		copy(last[:], item)
		if n == 0 || !bytes.Equal(item[:keyWidth], kept[:keyWidth]) {
			there, err := old.at(ctx, item[:keyWidth])
			if err != nil {
				return err
			}
			copy(kept[:], item)
			if !there {
				copy(pair[8:16], item[id:])
				copy(pair[24:32], item[number:])
				continue
			}
			copy(pair[8:16], indexed.Item()[keyWidth:])
			clear(pair[24:32]) // what is of the index has no source
		}
		e.dropped(&pair, item)
		if err := pairs.Add(ctx, pair[:]); err != nil {
			return err
		}
	}
	return items.Err()
}

// touchedFile has, as sealed sets, the documents of the index that share a bucket with a candidate.
const (
	touchedFile    = "indexed"
	touchedBuckets = "indexed-buckets" // those of the candidates
	touchedPairs   = "indexed-pairs"   // documents of the index with their buckets among these
)

// maxOld is how many documents of the index are looked at in a bucket: with more, no round would come to them.
const maxOld = 1 + maxRehubs

// touched makes the file of the index's documents that are to be compared with those of the sealed sets. It holds what scan
// does, a buffer to sort, one for each generation, and a piece of a set.
func (m *MinHash) touched(ctx context.Context, w io.Writer, sealed []stage.Sealed, ws stage.Workspace) error {
	buckets := runs.NewSorter(ws, bucketWidth, m.spillSize/2)
	buckets.Reset(touchedBuckets + "-sort")
	err := ws.Make(ctx, touchedBuckets, func(w io.Writer) error {
		var item [bucketWidth]byte
		memory := ws.Memory()/4*3 - int64(m.spillSize) - int64(len(sealed))*smallRunBuffer - fewBuffers
		// In the order of IDs, so that whatever files they are spread over the same is sorted.
		_, err := m.scan(ctx, sealed, memory, func(bucket uint64, _ uint32) error {
			binary.BigEndian.PutUint64(item[:], bucket)
			return buckets.Add(ctx, item[:])
		})
		if err != nil {
			return err
		}
		return buckets.Merge(ctx, w)
	})
	if err != nil {
		return err
	}
	if err := buckets.Remove(ctx); err != nil {
		return err
	}

	// Document of the index and bucket, sorted by document.
	pairs := runs.NewSorter(ws, pairWidth, m.spillSize/2)
	pairs.Reset(touchedPairs + "-sort")
	err = ws.Make(ctx, touchedPairs, func(w io.Writer) error {
		keys := m.index.keys()
		indexed, err := runs.Open(keys, candidateWidth, runs.Range{}, make([]byte, len(keys)*max(smallRunBuffer, min(runBuffer, int(ws.Memory()/8)/len(keys)))))
		if err != nil {
			return err
		}
		old := beside{items: indexed, width: bucketWidth}
		var last, pair [pairWidth]byte
		err = withRun(ctx, ws, bucketWidth, nil, func(buckets *runs.Iterator) error {
			for n := 0; buckets.Next(); n++ {
				bucket := buckets.Item()
				if n > 0 && bytes.Equal(bucket, last[:bucketWidth]) {
					continue
				}
				copy(last[:], bucket)
				for k := 0; k < maxOld; k++ {
					there, err := old.at(ctx, bucket)
					if err != nil {
						return err
					}
					if !there {
						break
					}
					copy(pair[:], indexed.Item()[bucketWidth:])
					copy(pair[8:], bucket)
					if err := pairs.Add(ctx, pair[:]); err != nil {
						return err
					}
					if old.there = indexed.Next(); !old.there {
						return indexed.Err()
					}
				}
			}
			return nil
		}, touchedBuckets)
		if err != nil {
			return err
		}
		return pairs.Merge(ctx, w)
	})
	if err != nil {
		return err
	}
	if err := pairs.Remove(ctx); err != nil {
		return err
	}

	out := bufio.NewWriterSize(w, runBuffer)
	err = withRun(ctx, ws, pairWidth, nil, func(pairs *runs.Iterator) error {
		in := bufio.NewReaderSize(nil, runBuffer)
		var set indexSet
		var own []uint64
		var id record.ID
		for n := 0; pairs.Next(); n++ {
			if n%checkEvery == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			next := record.ID(binary.BigEndian.Uint64(pairs.Item()))
			if len(own) > 0 && next != id {
				if err := m.index.index.copyEntry(out, id, own, &set, in); err != nil {
					return err
				}
				own = own[:0]
			}
			id, own = next, append(own, binary.BigEndian.Uint64(pairs.Item()[8:]))
		}
		if err := pairs.Err(); err != nil || len(own) == 0 {
			return err
		}
		return m.index.index.copyEntry(out, id, own, &set, in)
	}, touchedPairs)
	if err != nil {
		return err
	}
	return out.Flush()
}

// copyEntry writes a document of the index as a sealed set with these buckets. Its order is the least there is, and of equal
// ones it comes first: so it does whatever Keep is. It has no source and no id here; findings ask Index.Origin.
func (x *Index) copyEntry(w *bufio.Writer, id record.ID, buckets []uint64, set *indexSet, in *bufio.Reader) error {
	g, n, err := x.find(id)
	if err != nil {
		return err
	}
	return g.set(n, set, in, func(count int) error {
		if count == 0 || len(buckets) > maxBuckets {
			return fmt.Errorf("%s: document %d has %d shingles and %d buckets: %w", g.documents.name, n, count, len(buckets), ErrIndex)
		}
		le := binary.LittleEndian
		b := le.AppendUint64(nil, uint64(id))
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(count))
		b = le.AppendUint16(b, uint16(len(buckets)))
		b = le.AppendUint16(b, 0)
		b = le.AppendUint64(b, 0)
		b = le.AppendUint64(b, 0)
		for _, v := range buckets {
			b = le.AppendUint64(b, v)
		}
		_, err := w.Write(b)
		return err
	}, func(piece []uint64) error {
		var b [8]byte
		for _, v := range piece {
			binary.LittleEndian.PutUint64(b[:], v)
			if _, err := w.Write(b[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// set reads the set of document n: how many shingles there are, and then these.
func (g *IndexGeneration) set(n int64, set *indexSet, in *bufio.Reader, begin func(count int) error, piece func([]uint64) error) error {
	row, _, at, err := g.row(n)
	if err != nil {
		return err
	}
	named := func(err error) error {
		if err != nil {
			err = fmt.Errorf("%s: document %d: %w", g.sets.name, n, err)
		}
		return err
	}
	rest := g.sets.section(at, int64(row.setEnd))
	in.Reset(rest)
	if err := set.open(in); err != nil {
		return named(err)
	}
	if err := begin(set.count); err != nil {
		return err
	}
	for {
		values, err := set.next()
		if err != nil {
			return named(err)
		}
		if len(values) == 0 {
			break
		}
		if err := piece(values); err != nil {
			return err
		}
	}
	if _, err := in.ReadByte(); err == nil {
		return named(badSet("is longer than it says"))
	} else if err != io.EOF {
		return named(err)
	}
	return nil
}
