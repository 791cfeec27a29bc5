package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

const (
	decisionsFile = "decisions"
	// maxRanges bounds the files that are open while the ranges' pairs are merged.
	maxRanges = 64
	// checkEvery is how many items are looked at between two looks at the context.
	checkEvery = 4096
	// runBuffer is what is read of a sealed file at a time, in bytes, where memory allows; smallRunBuffer where not.
	runBuffer      = 64 << 10
	smallRunBuffer = 4 << 10
)

// Finish implements stage.Reducer. Within Workspace.Memory it needs 4 MiB to sort pairs and 4 KiB for each
// sealed file, for each goroutine at work; it takes fewer goroutines where there is less memory.
func (e *Exact) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	d, err := e.decisions(ctx, sealed, ws)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	return e.apply(d), nil
}

// decisions makes the table of them, and what is found beside it.
func (e *Exact) decisions(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (*Decisions, error) {
	sealed, all, err := openHeads(sealed)
	if err != nil {
		return nil, err
	}
	ids, items, err := openOwns(sealed)
	if err != nil {
		return nil, err
	}
	r := e.ranged
	r.found = func(ranges []string) ([]string, error) { return e.findings(ctx, ws, all, ids, ranges) }
	d, err := r.table(ctx, items, ws)
	if err == nil {
		err = e.found.tell(ctx, ws)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ranged makes a table about records, sorted by ID, of sealed items that are sorted by key.
//
// The keys are cut into ranges, and each is worked on alone: its pairs of an ID and what is to be said of it are
// sorted by the ID into one file, and the files are merged into the table. How many ranges there are follows the
// number of records, and where they are cut nothing but that, since keys begin with a digest: so a file that a killed
// attempt has made is the file that this attempt would make, whatever memory and workers either had and however
// the engine had merged what was sealed.
type ranged struct {
	name      string // of the table's file
	prefix    string // of the ranges' files
	width     int    // of an item
	pairWidth int    // of a pair: pairWidth, or more
	// pair adds pairs of the items of a range: ID, and 8 bytes or more about it, both big-endian.
	pair func(ctx context.Context, items *runs.Iterator, pairs *runs.Sorter) error
	// indexed are items of an index, sorted, too (Index.keys). Where there are any, join takes the place of pair.
	indexed      []stage.Sealed
	indexedWidth int
	join         func(ctx context.Context, items, indexed *runs.Iterator, pairs *runs.Sorter) error
	// merge writes all pairs, sorted, as the table.
	merge   func(ctx context.Context, w io.Writer, pairs *runs.Iterator) error
	columns columns
	// found sees all pairs, in these files, before they become the table, and names files to remove. It may be nil.
	found func(ranges []string) ([]string, error)

	// Constants, but in tests: names and bytes of the workspace's files depend on them, so a change raises the
	// version.
	rangeSize int64 // sealed bytes for which there is one more range
	spillSize int   // bytes of pairs that are sorted in memory
}

// The constants of ranged.
const (
	rangeSize = 4 << 20
	spillSize = 4 << 20
)

// table makes the table's file, unless it is there, and opens it.
func (e *ranged) table(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (*Decisions, error) {
	if err := e.build(ctx, sealed, ws, e.merge); err != nil {
		return nil, err
	}
	return openTable(ctx, ws, e.name, e.columns)
}

// build makes the file, unless it is there, of what merge writes of all pairs.
func (e *ranged) build(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace, merge func(context.Context, io.Writer, *runs.Iterator) error) error {
	var ranges, more []string
	err := ws.Make(ctx, e.name, func(w io.Writer) error {
		var err error
		if ranges, err = e.pairs(ctx, sealed, ws); err != nil {
			return err
		}
		if e.found != nil {
			if more, err = e.found(ranges); err != nil {
				return err
			}
		}
		return withRun(ctx, ws, e.pairWidth, nil, func(pairs *runs.Iterator) error { return merge(ctx, w, pairs) }, ranges...)
	})
	if err != nil {
		return err
	}
	// None if an earlier attempt made the file. A kill right here leaves some until the workspace goes.
	return removeAll(ctx, ws, slices.Concat(ranges, more))
}

// openTable opens a file of decisions that was made.
func openTable(ctx context.Context, ws stage.Workspace, name string, c columns) (*Decisions, error) {
	file, size, err := ws.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	d, err := openColumns(file, size, c)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return d, nil
}

func removeAll(ctx context.Context, ws stage.Workspace, names []string) error {
	for _, name := range names {
		if err := ws.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// pairs makes a file of pairs for each range of keys and returns the files' names.
func (e *ranged) pairs(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) ([]string, error) {
	total := int64(0)
	for _, s := range [][]stage.Sealed{sealed, e.indexed} {
		for i := range s {
			total += s[i].Size
		}
	}
	ranges := runs.Uniform(int(min(maxRanges, 1+total/e.rangeSize)))
	names := make([]string, len(ranges))
	for i := range names {
		names[i] = fmt.Sprintf("%s-%02d", e.prefix, i)
	}

	// A quarter of the memory is for what is not counted here.
	memory, each := ws.Memory()/4*3, int64(max(1, len(sealed)+len(e.indexed)))
	workers := max(1, min(int64(ws.Workers()), int64(len(ranges)), memory/(int64(e.spillSize)+each*smallRunBuffer)))
	buffer := max(smallRunBuffer, min(runBuffer, (memory/workers-int64(e.spillSize))/each))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			d := decider{e: e, sealed: sealed, ws: ws, space: make([]byte, each*buffer), pairs: runs.NewSorter(ws, e.pairWidth, e.spillSize)}
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := d.decide(ctx, names[i], ranges[i]); err != nil {
					cancel(err) // the first one stays
				}
			}
		})
	}
	for i := range ranges {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return names, context.Cause(ctx)
}

// decider works on one range after the other, in one goroutine.
type decider struct {
	e      *ranged
	sealed []stage.Sealed
	ws     stage.Workspace
	space  []byte       // to read sealed files
	pairs  *runs.Sorter // of the range at work
}

// pairWidth: ID and what is said of it, both big-endian; of exact the IDs of dropped and kept.
const pairWidth = 8 + 8

// decide makes the file name: the pairs of the keys in r, sorted.
func (d *decider) decide(ctx context.Context, name string, r runs.Range) error {
	d.pairs.Reset(name + "-sort")
	err := d.ws.Make(ctx, name, func(w io.Writer) error {
		cut := len(d.space) / max(1, len(d.sealed)+len(d.e.indexed)) * len(d.sealed)
		keys, err := runs.Open(d.sealed, d.e.width, r, d.space[:cut])
		if err != nil {
			return err
		}
		if len(d.e.indexed) == 0 {
			err = d.e.pair(ctx, keys, d.pairs)
		} else {
			var indexed *runs.Iterator
			if indexed, err = runs.Open(d.e.indexed, d.e.indexedWidth, r, d.space[cut:]); err == nil {
				err = d.e.join(ctx, keys, indexed, d.pairs)
			}
		}
		if err != nil {
			return err
		}
		return d.pairs.Merge(ctx, w)
	})
	if err != nil {
		return err
	}
	return d.pairs.Remove(ctx)
}

// exactPairWidth: IDs of dropped and kept, big-endian, their sources, little-endian, and the length of the value, below
// 2^31, big-endian, whose first bit says that the dropped one has no order.
const (
	exactPairWidth = pairWidth + 2*numberWidth + 4
	withoutOrder   = 1 << 7 // in the first byte of the length
)

// pairUp adds a pair for every item whose digest and length are those of the item before.
func (e *Exact) pairUp(ctx context.Context, items *runs.Iterator, pairs *runs.Sorter) error {
	var kept, last [mostItem]byte // the group's first item, and the item before
	var pair [exactPairWidth]byte
	id := e.orderedKey()
	number := id + 8
	n := 0
	for ; items.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		if n == 0 || !bytes.Equal(item[:keyWidth], kept[:keyWidth]) {
			copy(kept[:], item)
			copy(last[:], item)
			continue
		}
		if bytes.Equal(item[:number], last[:number]) {
			return fmt.Errorf("record %d was sealed twice", binary.BigEndian.Uint64(item[id:]))
		}
		copy(last[:], item)
		e.dropped(&pair, item)
		copy(pair[8:16], kept[id:])
		copy(pair[24:32], kept[number:])
		if err := pairs.Add(ctx, pair[:]); err != nil {
			return err
		}
	}
	return items.Err()
}

// dropped fills in what a pair says of the one that goes.
func (e *Exact) dropped(pair *[exactPairWidth]byte, item []byte) {
	id := e.orderedKey()
	copy(pair[0:8], item[id:])
	copy(pair[16:24], item[id+8:])
	copy(pair[32:], item[keyWidth-4:keyWidth])
	if id > keyWidth && binary.BigEndian.Uint64(item[keyWidth:]) == lastOrder {
		pair[32] |= withoutOrder
	}
}

// mergeDecisions writes pairs of a dropped and a kept ID as decisions.
func mergeDecisions(ctx context.Context, w io.Writer, pairs *runs.Iterator) error {
	d := newDecisionsWriter(w, columnsExact)
	for n := 0; pairs.Next(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		pair := pairs.Item()
		dropped, kept := binary.BigEndian.Uint64(pair), binary.BigEndian.Uint64(pair[8:])
		if err := d.add(record.ID(dropped), Decision{Kept: record.ID(kept)}, nil); err != nil {
			return err
		}
	}
	if err := pairs.Err(); err != nil {
		return err
	}
	return d.close()
}
