package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// Items of one width, as Reducers seal them (itemsPartial) and files of a workspace hold them, sorted (withRun).

// itemsPartial holds items as they came, a block a batch; all are sorted at once in Seal, which is less work than
// sorting a batch's hundred or so and merging them (BenchmarkExactSeal).
type itemsPartial struct {
	width  int
	blocks [][]byte
	bytes  int // of all blocks
}

func (p *itemsPartial) take(items []byte) {
	p.blocks = append(p.blocks, items)
	p.bytes += len(items)
}

// takeKeyed takes in an item of each record that is kept and has a key: ID (8, big-endian) and key.
func (p *itemsPartial) takeKeyed(b *record.Batch) error {
	n := 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && len(r.Key()) > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	items := make([]byte, 0, n*p.width)
	for i := range b.Records {
		r := &b.Records[i]
		key := r.Key()
		if r.Outcome != record.Keep || len(key) == 0 {
			continue
		}
		if entryID+len(key) != p.width {
			return fmt.Errorf("dedup: record %d has a key of %d bytes instead of %d; Key must run before Add", r.ID, len(key), p.width-entryID)
		}
		items = append(binary.BigEndian.AppendUint64(items, uint64(r.ID)), key...)
	}
	p.take(items)
	return nil
}

func (p *itemsPartial) join(n *itemsPartial) {
	p.blocks = append(p.blocks, n.blocks...)
	p.bytes += n.bytes
	n.blocks, n.bytes = nil, 0
}

// Size implements stage.Partial: Seal makes a second copy.
func (p *itemsPartial) Size() int { return 2 * p.bytes }

// Seal implements stage.Partial.
func (p *itemsPartial) Seal(w io.Writer) error {
	items := runs.SortBlocks(p.blocks, p.width)
	p.blocks = nil
	_, err := w.Write(items)
	return err
}

// nextPartial is what is to be joined, which is of the same Reducer.
func nextPartial[P stage.Partial](next stage.Partial) (P, error) {
	n, ok := next.(P)
	if !ok {
		return n, fmt.Errorf("dedup: a %T cannot be joined", next)
	}
	return n, nil
}

// withRun lets read see the items of all files, in order. space is as in runs.NewIterator.
func withRun(ctx context.Context, ws stage.Workspace, width int, space []byte, read func(*runs.Iterator) error, names ...string) error {
	return withRange(ctx, ws, width, runs.Range{}, space, names, read)
}

// withRange is withRun for the items of a range.
func withRange(ctx context.Context, ws stage.Workspace, width int, of runs.Range, space []byte, names []string, read func(*runs.Iterator) error) (err error) {
	files := make([]stage.Sealed, 0, len(names))
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Data.Close())
		}
	}()
	for _, name := range names {
		data, size, err := ws.Open(ctx, name)
		if err != nil {
			return err
		}
		files = append(files, stage.Sealed{Size: size, Data: data})
	}
	items, err := runs.Open(files, width, of, space)
	if err != nil {
		return err
	}
	return readAll(items, read)
}

// readAll lets read see items, and says what was wrong with them if it does not.
func readAll(items *runs.Iterator, read func(*runs.Iterator) error) error {
	if err := read(items); err != nil {
		return err
	}
	return items.Err()
}

// rangeBuffer is what is read of each of MaxRanges files at a time, in bytes.
const rangeBuffer = 16 << 10

func rangeSpace(files int) []byte { return make([]byte, files*rangeBuffer) }

// withSealed lets read see the items of a range of sealed files, in order: of more than runs.FanIn, runs of them are merged
// first.
func withSealed(ctx context.Context, ws stage.Workspace, width int, of runs.Range, sealed []stage.Sealed, read func(*runs.Iterator) error) error {
	space := rangeSpace(runs.FanIn)
	if len(sealed) <= runs.FanIn {
		items, err := runs.Open(sealed, width, of, space)
		if err != nil {
			return err
		}
		return readAll(items, read)
	}
	var names []string
	for lo := 0; lo < len(sealed); lo += runs.FanIn {
		name := fmt.Sprintf("merged-0-%d", len(names))
		err := ws.Make(ctx, name, func(w io.Writer) error {
			items, err := runs.Open(sealed[lo:min(lo+runs.FanIn, len(sealed))], width, of, space)
			if err != nil {
				return err
			}
			return writeItems(ctx, w, items)
		})
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	for level := 1; len(names) > runs.FanIn; level++ {
		var merged []string
		for lo := 0; lo < len(names); lo += runs.FanIn {
			name := fmt.Sprintf("merged-%d-%d", level, len(merged))
			err := ws.Make(ctx, name, func(w io.Writer) error {
				return withRun(ctx, ws, width, space, func(items *runs.Iterator) error {
					return writeItems(ctx, w, items)
				}, names[lo:min(lo+runs.FanIn, len(names))]...)
			})
			if err != nil {
				return err
			}
			merged = append(merged, name)
		}
		if err := removeAll(ctx, ws, names); err != nil {
			return err
		}
		names = merged
	}
	if err := withRun(ctx, ws, width, space, read, names...); err != nil {
		return err
	}
	return removeAll(ctx, ws, names)
}

// eachItem calls do for what is left of items, in order.
func eachItem(ctx context.Context, items *runs.Iterator, do func(item []byte) error) error {
	for n := 0; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := do(items.Item()); err != nil {
			return err
		}
	}
	return items.Err()
}

// writeItems writes what is left of items.
func writeItems(ctx context.Context, w io.Writer, items *runs.Iterator) error {
	out := bufio.NewWriterSize(w, runBuffer)
	err := eachItem(ctx, items, func(item []byte) error {
		_, err := out.Write(item)
		return err
	})
	return errors.Join(err, out.Flush())
}
