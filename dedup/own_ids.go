package dedup

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// The records' own ids, which the rows of exact's evidence have. An item of exact is a digest and a record's ID, all of one
// width so that they are sorted as bytes; own ids have any width, and are sealed in front of the items, ascending by
// ID:
//
//	u64 bytes that follow, and for each record that has an own id: u64 ID, u16 bytes, the own id as JSON
//
// little-endian. There are none where nobody asks for evidence.
const (
	ownsWidth = 8
	ownHeader = 8 + 2
)

func appendOwn(dst []byte, id record.ID, own []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(own)))
	return append(dst, own...)
}

// decodeOwn reads an entry's header.
func decodeOwn(b []byte) (record.ID, int, error) {
	id, n := binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint16(b[8:]))
	if id > maxID || n == 0 || n > maxSignID {
		return 0, 0, fmt.Errorf("%w: an id of %d bytes of record %d", ErrSets, n, id)
	}
	return record.ID(id), n, nil
}

// ownsPartial holds entries as they came, a block a batch.
type ownsPartial struct {
	blocks [][]byte
	bytes  int
}

func (p *ownsPartial) take(block []byte) {
	if len(block) > 0 {
		p.blocks = append(p.blocks, block)
		p.bytes += len(block)
	}
}

func (p *ownsPartial) join(n *ownsPartial) {
	p.blocks = append(p.blocks, n.blocks...)
	p.bytes += n.bytes
	n.blocks, n.bytes = nil, 0
}

// seal writes them. The engine adds records in their order, and then they are in order; else they are put into it.
func (p *ownsPartial) seal(w io.Writer) error {
	each := func(do func(id record.ID, raw []byte)) error {
		for _, b := range p.blocks {
			for len(b) > 0 {
				id, n, err := decodeOwn(b)
				if err != nil {
					return err
				}
				do(id, b[:ownHeader+n])
				b = b[ownHeader+n:]
			}
		}
		return nil
	}
	ordered, last, any := true, record.ID(0), false
	if err := each(func(id record.ID, _ []byte) {
		ordered = ordered && !(any && id <= last)
		last, any = id, true
	}); err != nil {
		return err
	}
	blocks := p.blocks
	if !ordered {
		var entries []heldEntry
		if err := each(func(id record.ID, raw []byte) { entries = append(entries, heldEntry{id, raw}) }); err != nil {
			return err
		}
		slices.SortFunc(entries, func(a, b heldEntry) int { return cmp.Compare(a.id, b.id) })
		blocks = make([][]byte, len(entries))
		for i := range entries {
			blocks[i] = entries[i].raw
		}
	}
	out := bufio.NewWriterSize(w, runBuffer)
	if _, err := out.Write(binary.LittleEndian.AppendUint64(nil, uint64(p.bytes))); err != nil {
		return err
	}
	for _, b := range blocks {
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	p.blocks, p.bytes = nil, 0
	return out.Flush()
}

// readOwnsSize reads what stands in front of the own ids of a stream.
func readOwnsSize(r io.Reader) (int64, error) {
	var b [ownsWidth]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, ownsEnd(err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > maxID {
		return 0, fmt.Errorf("%w: %d bytes of own ids", ErrSets, n)
	}
	return int64(n), nil
}

func ownsEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends inside its own ids", ErrSets)
	}
	return err
}

// ownReader reads the own ids of a sealed file.
type ownReader struct {
	r     *bufio.Reader
	file  int
	left  int64 // bytes behind the current one
	id    record.ID
	own   []byte // of the current one
	begun bool
}

// next moves to the next one, if there is one.
func (r *ownReader) next() (bool, error) {
	if r.left == 0 {
		return false, nil
	}
	var head [ownHeader]byte
	if r.left < ownHeader {
		return false, ownsEnd(io.EOF)
	}
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return false, ownsEnd(err)
	}
	id, n, err := decodeOwn(head[:])
	if err == nil && r.begun && id <= r.id {
		err = fmt.Errorf("%w: the id of record %d comes behind that of record %d", ErrSets, id, r.id)
	}
	if err != nil {
		return false, err
	}
	if r.left -= ownHeader + int64(n); r.left < 0 {
		return false, ownsEnd(io.EOF)
	}
	r.own = slices.Grow(r.own[:0], n)[:n]
	if _, err := io.ReadFull(r.r, r.own); err != nil {
		return false, ownsEnd(err)
	}
	r.id, r.begun = id, true
	return true, nil
}

// owns gives the own ids of several sealed files by their records' IDs.
type owns struct {
	open  []*ownReader // that have one, by its ID; the last one is next
	moved bool         // the last one is to be moved
}

func byOwnID(a, b *ownReader) int {
	return cmp.Or(cmp.Compare(b.id, a.id), cmp.Compare(b.file, a.file))
}

// newOwns begins with readers that stand before their first one.
func newOwns(readers []*ownReader) (*owns, error) {
	o := &owns{}
	for _, r := range readers {
		more, err := r.next()
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", r.file, err)
		}
		if more {
			o.open = append(o.open, r)
		}
	}
	slices.SortFunc(o.open, byOwnID)
	return o, nil
}

// next is the reader that stands at the next one; nil at the end. It is valid until the next call.
func (o *owns) next() (*ownReader, error) {
	if o.moved {
		r := o.open[len(o.open)-1]
		more, err := r.next()
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", r.file, err)
		}
		// Most often the same file has the next one, too.
		o.open = o.open[:len(o.open)-1]
		if more {
			to, _ := slices.BinarySearchFunc(o.open, r, byOwnID)
			o.open = slices.Insert(o.open, to, r)
		}
	}
	if o.moved = len(o.open) > 0; !o.moved {
		return nil, nil
	}
	return o.open[len(o.open)-1], nil
}

// of is where the own id of a record stands; nil where it has none. IDs ascend from call to call, and may repeat.
func (o *owns) of(id record.ID) (*ownReader, error) {
	for {
		if o.moved && o.open[len(o.open)-1].id >= id {
			break
		}
		r, err := o.next()
		if err != nil || r == nil {
			return nil, err
		}
	}
	if r := o.open[len(o.open)-1]; r.id == id {
		return r, nil
	}
	return nil, nil
}

// mergeOwns writes the own ids of streams that are merged, each of which is then behind its own.
func mergeOwns(w io.Writer, sealed []*bufio.Reader) error {
	total := int64(0)
	readers := make([]*ownReader, len(sealed))
	for i, r := range sealed {
		n, err := readOwnsSize(r)
		if err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
		total += n
		readers[i] = &ownReader{r: r, file: i, left: n}
	}
	out := bufio.NewWriterSize(w, runBuffer)
	if _, err := out.Write(binary.LittleEndian.AppendUint64(nil, uint64(total))); err != nil {
		return err
	}
	all, err := newOwns(readers)
	if err != nil {
		return err
	}
	var b []byte
	for {
		r, err := all.next()
		if err != nil {
			return err
		}
		if r == nil {
			return out.Flush()
		}
		b = appendOwn(b[:0], r.id, r.own)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
}

// openOwns parts sealed files without heads into own ids and items.
func openOwns(sealed []stage.Sealed) (ids, items []stage.Sealed, err error) {
	part := func(f stage.Sealed, at, size int64) stage.Sealed {
		return stage.Sealed{Size: size, Data: behindHead{io.NewSectionReader(f.Data, at, size)}}
	}
	for i, f := range sealed {
		n, err := readOwnsSize(io.NewSectionReader(f.Data, 0, f.Size))
		if err == nil && n > f.Size-ownsWidth {
			err = ownsEnd(io.EOF)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("run %d: %w", i, err)
		}
		ids, items = append(ids, part(f, ownsWidth, n)), append(items, part(f, ownsWidth+n, f.Size-ownsWidth-n))
	}
	return ids, items, nil
}

// ownsOf begins to read the own ids of sealed files, with an eighth of memory at most, but 4 KiB of each.
func ownsOf(ids []stage.Sealed, memory int64) (*owns, error) {
	buffer := int(max(smallRunBuffer, min(rangeBuffer, memory/8/int64(max(1, len(ids))))))
	readers := make([]*ownReader, len(ids))
	for i, f := range ids {
		readers[i] = &ownReader{r: bufio.NewReaderSize(io.NewSectionReader(f.Data, 0, f.Size), buffer), file: i, left: f.Size}
	}
	return newOwns(readers)
}

// Files about the own ids of kept records. They depend on the records alone, as all that a Finish makes: where the own ids
// stand in sealed files depends on what was merged.
const (
	keptOfFile     = "kept"        // pairs of kept and dropped
	keptOwnsFile   = "kept-ids"    // own ids of those kept, one behind the other
	keptPlaces     = "kept-ids-at" // dropped ID, byte in keptOwnsFile, length; big-endian
	keptOfWidth    = 8 + 8
	keptPlaceWidth = 8 + 8 + 2
)

// keptOwns makes them of the pairs in ranges, and names them. An own id is far from the pair that needs it: kept ones are
// looked up in the order of their IDs, and their places sorted into that of the dropped ones.
func (e *Exact) keptOwns(ctx context.Context, ws stage.Workspace, ids []stage.Sealed, ranges []string) ([]string, error) {
	be := binary.BigEndian
	sorted := func(name string, width int, fill func(s *runs.Sorter) error) error {
		s := runs.NewSorter(ws, width, e.spillSize)
		s.Reset(name + "-sort")
		err := ws.Make(ctx, name, func(w io.Writer) error {
			if err := fill(s); err != nil {
				return err
			}
			return s.Merge(ctx, w)
		})
		if err != nil {
			return err
		}
		return s.Remove(ctx)
	}
	err := sorted(keptOfFile, keptOfWidth, func(s *runs.Sorter) error {
		return withRun(ctx, ws, exactPairWidth, nil, func(pairs *runs.Iterator) error {
			return eachItem(ctx, pairs, func(pair []byte) error {
				if IsIndexed(record.ID(be.Uint64(pair[8:]))) {
					return nil // the index has its own id
				}
				var item [keptOfWidth]byte
				copy(item[:8], pair[8:16])
				copy(item[8:], pair[:8])
				return s.Add(ctx, item[:])
			})
		}, ranges...)
	})
	if err != nil {
		return nil, err
	}
	// each calls do for each dropped record whose kept one has an own id; first says that it is the first with that one.
	each := func(do func(dropped []byte, own []byte, first bool) error) error {
		all, err := ownsOf(ids, ws.Memory())
		if err != nil {
			return err
		}
		last, any := record.ID(0), false
		return withRun(ctx, ws, keptOfWidth, nil, func(pairs *runs.Iterator) error {
			return eachItem(ctx, pairs, func(pair []byte) error {
				r, err := all.of(record.ID(be.Uint64(pair)))
				if err != nil || r == nil {
					return err
				}
				first := !any || r.id != last
				last, any = r.id, true
				return do(pair[8:], r.own, first)
			})
		}, keptOfFile)
	}
	err = ws.Make(ctx, keptOwnsFile, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, runBuffer)
		err := each(func(_, own []byte, first bool) error {
			if !first {
				return nil
			}
			_, err := out.Write(own)
			return err
		})
		if err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil {
		return nil, err
	}
	err = sorted(keptPlaces, keptPlaceWidth, func(s *runs.Sorter) error {
		at, end := uint64(0), uint64(0)
		return each(func(dropped, own []byte, first bool) error {
			if first {
				at, end = end, end+uint64(len(own))
			}
			var item [keptPlaceWidth]byte
			copy(item[:8], dropped)
			be.PutUint64(item[8:], at)
			be.PutUint16(item[16:], uint16(len(own)))
			return s.Add(ctx, item[:])
		})
	})
	return []string{keptOfFile, keptOwnsFile, keptPlaces}, err
}

// pairOwns gives the own ids of pairs, which ascend by the dropped one's ID.
type pairOwns struct {
	dropped *owns
	places  *runs.Iterator // of keptPlaces
	more    bool
	kept    io.ReaderAt // keptOwnsFile
	buf     []byte
}

// withPairOwns lets read use those that keptOwns has prepared.
func withPairOwns(ctx context.Context, ws stage.Workspace, ids []stage.Sealed, read func(*pairOwns) error) error {
	all, err := ownsOf(ids, ws.Memory())
	if err != nil {
		return err
	}
	kept, _, err := ws.Open(ctx, keptOwnsFile)
	if err != nil {
		return err
	}
	err = withRun(ctx, ws, keptPlaceWidth, nil, func(places *runs.Iterator) error {
		more := places.Next()
		if err := places.Err(); err != nil {
			return err
		}
		return read(&pairOwns{dropped: all, places: places, more: more, kept: kept})
	}, keptPlaces)
	return errors.Join(err, kept.Close())
}

// of are the own ids of a dropped record and of the one that it goes for; nil where there is none. They are valid until the
// next call.
func (p *pairOwns) of(dropped record.ID) (own, kept []byte, err error) {
	r, err := p.dropped.of(dropped)
	if err != nil {
		return nil, nil, err
	}
	if r != nil {
		own = r.own
	}
	be := binary.BigEndian
	for p.more && record.ID(be.Uint64(p.places.Item())) < dropped {
		p.more = p.places.Next()
	}
	if err := p.places.Err(); err != nil || !p.more || record.ID(be.Uint64(p.places.Item())) != dropped {
		return own, nil, err
	}
	item := p.places.Item()
	n := int(be.Uint16(item[16:]))
	p.buf = slices.Grow(p.buf[:0], n)[:n]
	if err := readSets(p.kept, p.buf, int64(be.Uint64(item[8:]))); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", keptOwnsFile, err)
	}
	return own, p.buf, nil
}
