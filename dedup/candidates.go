package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

const candidatesFile = "candidates"

// candidates is the first Reducer: it finds the documents that share a bucket with another. A bucket is all documents
// with the same rows of a signature in the same band, and is known by a hash of both. 64 bits are enough: who shares
// a bucket by chance is compared in vain, and there is one such pair among the 2e8 buckets of ten million documents
// with a probability of 1e-3.
type candidates struct {
	m *MinHash
	ranged
}

// Bucket (8 bytes) and ID (8), both big-endian.
const (
	bucketWidth    = 8
	candidateWidth = bucketWidth + 8
)

func newCandidates(m *MinHash) *candidates {
	return &candidates{m, ranged{
		name: candidatesFile, prefix: candidatesFile, width: candidateWidth, pairWidth: pairWidth, pair: shared, merge: mergeCandidates,
		columns: columnsCandidates, rangeSize: m.rangeSize, spillSize: m.spillSize,
		indexed: m.index.keys(), indexedWidth: candidateWidth, join: sharedIndexed,
	}}
}

// AppendBuckets appends the hash of each band of a signature. Its bytes are those of the band's number and its
// rows, 8 each, little-endian.
func (s *Scheme) AppendBuckets(dst, signature []uint64) []uint64 {
	var room [8 * (1 + maxRows)]byte
	b := room[:]
	for band := range s.Bands {
		b = binary.LittleEndian.AppendUint64(b[:0], uint64(band))
		for _, v := range signature[band*s.Rows : (band+1)*s.Rows] {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		dst = append(dst, xxhash.Sum64(b))
	}
	return dst
}

// Spec implements stage.Reducer.
func (c *candidates) Spec() stage.Spec { return c.m.candidatesSpec }

// Key implements stage.Reducer. A record's key is its buckets, big-endian, or nothing where there are no shingles.
func (c *candidates) Key() stage.Mapper { return candidatesKey{c.m} }

type candidatesKey struct{ m *MinHash }

func (k candidatesKey) Spec() stage.Spec { return k.m.candidatesSpec }

func (k candidatesKey) NewWorker() stage.Worker { return &candidatesKeyWorker{m: k.m} }

type candidatesKeyWorker struct {
	m *MinHash
	shingling
}

// Map implements stage.Worker.
func (w *candidatesKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, w.m.cfg.Field, w.m.cfg.Annotate, &w.text)
		if !ok {
			continue
		}
		w.cut(w.m.scheme, text)
		if len(w.shingles) > 0 {
			w.sign(w.m.scheme)
			w.key = w.key[:0]
			for _, v := range w.buckets {
				w.key = binary.BigEndian.AppendUint64(w.key, v)
			}
			r.SetKey(w.key)
		}
		w.release(text)
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (c *candidates) NewPartial() stage.Partial {
	return &candidatesPartial{itemsPartial{width: entryID + c.m.scheme.Bands*bucketWidth}}
}

// candidatesPartial holds a document's ID and its buckets, a block a batch: half of what its items take, which are
// made in Seal, a part at a time.
type candidatesPartial struct{ itemsPartial }

// sealParts: items are sorted by so many parts of the buckets' range, a power of 2.
const sealParts = 16

// Add implements stage.Partial.
func (p *candidatesPartial) Add(b *record.Batch) error { return p.takeKeyed(b) }

// Join implements stage.Partial.
func (p *candidatesPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*candidatesPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.itemsPartial)
	return nil
}

// Size implements stage.Partial: a part's items are a sixteenth of twice as much, and a little more by chance.
func (p *candidatesPartial) Size() int { return p.bytes + p.bytes/6 }

// Seal implements stage.Partial.
func (p *candidatesPartial) Seal(w io.Writer) error {
	const shift = 8 - 4 // of the first byte, to its part
	var items []byte
	for part := range byte(sealParts) {
		items = items[:0]
		for _, block := range p.blocks {
			for ; len(block) > 0; block = block[p.width:] {
				for at := entryID; at < p.width; at += bucketWidth {
					if block[at]>>shift == part {
						items = append(items, block[at:at+bucketWidth]...)
						items = append(items, block[:entryID]...)
					}
				}
			}
		}
		runs.Sort(items, candidateWidth)
		if _, err := w.Write(items); err != nil {
			return err
		}
	}
	p.blocks = nil
	return nil
}

// Merge implements stage.Reducer.
func (c *candidates) Merge(w io.Writer, sealed []io.Reader) error {
	return runs.Merge(w, candidateWidth, sealed)
}

// Finish implements stage.Reducer. It needs as much memory as Exact.Finish.
func (c *candidates) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	d, err := c.table(ctx, sealed, ws)
	if err != nil {
		return nil, fmt.Errorf("dedup_candidates: %w", err)
	}
	return marks{c.m, d}, nil
}

// shared adds a pair of ID and bucket for every document in a bucket of two or more.
func shared(ctx context.Context, items *runs.Iterator, pairs *runs.Sorter) error {
	var pair [pairWidth]byte
	return eachShared(ctx, items, func(item []byte) error {
		copy(pair[:8], item[bucketWidth:])
		copy(pair[8:], item[:bucketWidth])
		return pairs.Add(ctx, pair[:])
	})
}

// eachShared calls add for every document in a bucket of two or more, by bucket and ID.
func eachShared(ctx context.Context, items *runs.Iterator, add func(item []byte) error) error {
	var first, last [candidateWidth]byte // the bucket's first item, and the item before
	waits := false                       // the first item is not added, since it may be alone
	for n := 0; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		switch {
		case n == 0 || !bytes.Equal(item[:bucketWidth], first[:bucketWidth]):
			copy(first[:], item)
			waits = true
		case bytes.Equal(item, last[:]): // two bands of a document with the same hash: one bucket
		default:
			if waits {
				if err := add(first[:]); err != nil {
					return err
				}
				waits = false
			}
			if err := add(item); err != nil {
				return err
			}
		}
		copy(last[:], item)
	}
	return items.Err()
}

// mergeCandidates writes pairs of ID and bucket as a table.
func mergeCandidates(ctx context.Context, w io.Writer, pairs *runs.Iterator) error {
	d := newDecisionsWriter(w, columnsCandidates)
	var id uint64
	var buckets []uint64
	for n := 0; pairs.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		pair := pairs.Item()
		next := binary.BigEndian.Uint64(pair)
		if len(buckets) > 0 && next != id {
			if err := d.add(record.ID(id), Decision{}, buckets); err != nil {
				return err
			}
			buckets = buckets[:0]
		}
		if id, buckets = next, append(buckets, binary.BigEndian.Uint64(pair[8:])); len(buckets) > maxBuckets {
			return fmt.Errorf("record %d is in more than %d buckets", id, maxBuckets)
		}
	}
	if err := pairs.Err(); err != nil {
		return err
	}
	if len(buckets) > 0 {
		if err := d.add(record.ID(id), Decision{}, buckets); err != nil {
			return err
		}
	}
	return d.close()
}

// marks gives the documents that share a bucket their buckets as keys, big-endian, ascending, for the second Reducer.
type marks struct {
	m *MinHash
	d *Decisions
}

// Spec implements stage.Mapper.
func (k marks) Spec() stage.Spec { return k.m.candidatesSpec }

// NewWorker implements stage.Mapper.
func (k marks) NewWorker() stage.Worker { return &marksWorker{cursor: k.d.NewCursor()} }

type marksWorker struct {
	cursor *Cursor
	key    []byte
}

// Map implements stage.Worker.
func (w *marksWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		buckets, known, err := w.cursor.Buckets(r.ID)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		w.key = w.key[:0]
		for _, v := range buckets {
			w.key = binary.BigEndian.AppendUint64(w.key, v)
		}
		r.SetKey(w.key)
	}
	return nil
}

// reserve makes room for the words of a giant text, since slices that grow to its size leave several times as much
// garbage, which the limit of memory does not stop in time.
func (sc *Scratch) reserve(text []byte) {
	if len(text) <= scratchLimit {
		return
	}
	words, inside := 0, false
	for _, c := range text {
		in := c >= '0' && (c <= '9' || c >= 'A') // and some that are none
		if in && !inside {
			words++
		}
		inside = in
	}
	sc.words = make([]byte, 0, len(text)+1)
	sc.ends = make([]int32, 0, words)
}
