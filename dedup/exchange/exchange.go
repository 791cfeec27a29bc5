// Package exchange has what another engine reads and writes of a run for ranks (dedup.Ranks), as Parquet: rows of numbers, no texts.
//
// Out go keys, for an engine that brings together who shares a bucket (Keys), and similar pairs, for one that finds
// components (Edges); in come its answers (Stars, Labels), as the files that Pairs and Components make. Everything is in a folder
// of the workspace that ranks share, and goes with it. IDs and buckets are int64 with the bits of the unsigned ones; an
// ID is never negative, so the smallest one is the same either way.
//
// docs/formats/ranks.md has the columns, contrib/spark the engine's side.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"curate/corpus/parquet"
	"curate/dedup"
	"curate/record"
	"curate/stage"
)

// Folders in the shared workspace. Those of StarsDir and LabelsDir are the other engine's.
const (
	Dir       = "exchange"
	StarsDir  = Dir + "/stars"
	LabelsDir = Dir + "/labels"
)

// KeysFile is what Keys makes of a file.
func KeysFile(file int) string { return fmt.Sprintf("%s/keys/keys-%05d.parquet", Dir, file) }

// EdgesFile is what Edges makes of a part.
func EdgesFile(part int) string { return fmt.Sprintf("%s/edges/edges-%03d.parquet", Dir, part) }

// RangeDir is where the stars of a range are: the engine parts what it writes by a column range.
func RangeDir(r int) string { return fmt.Sprintf("%s/range=%d", StarsDir, r) }

// Names of columns.
const (
	colRange     = "range"
	colBucket    = "bucket"
	colID        = "id"
	colHub       = "hub"
	colAlone     = "alone"
	colXor       = "xor"
	colA         = "a"
	colB         = "b"
	colNode      = "node"
	colComponent = "component"
)

// Hashes do not compress, and Snappy gives up on them at once.
var options = parquet.WriterOptions{Compression: parquet.Snappy}

// Keys writes the keys of a file, of which sealed is what the first Reducer has sealed: range, bucket, id. ranges is how many
// there are.
func Keys(ctx context.Context, k *dedup.Ranks, ranges, file int, sealed []stage.Sealed, shared, scratch stage.Workspace) error {
	count := func(put func(r int, bucket uint64, id record.ID) error) ([]dedup.KeyTally, error) {
		tallies := make([]dedup.KeyTally, ranges)
		return tallies, k.EachKey(ctx, sealed, scratch, func(r int, bucket uint64, id record.ID) error {
			tallies[r].Add(bucket, id)
			return put(r, bucket, id)
		})
	}
	return k.Tally(ctx, file, shared, func() (tallies []dedup.KeyTally, err error) {
		err = shared.Make(ctx, KeysFile(file), func(w io.Writer) error {
			p, err := parquet.NewWriter(w, []parquet.Column{{Name: colRange, Type: parquet.Int32}, {Name: colBucket, Type: parquet.Int64}, {Name: colID, Type: parquet.Int64}}, options)
			if err != nil {
				return err
			}
			tallies, err = count(func(r int, bucket uint64, id record.ID) error {
				p.Int64(0, int64(r))
				p.Int64(1, int64(bucket))
				p.Int64(2, int64(id))
				return p.EndRow()
			})
			if err != nil {
				return err
			}
			return p.Close()
		})
		if err == nil && tallies == nil { // a rank that was killed has made the file, and no more
			tallies, err = count(func(int, uint64, record.ID) error { return nil })
		}
		return tallies, err
	})
}

// Edges writes the similar pairs of a part, of Ranks' ranges: a, b, the numbers of documents.
func Edges(ctx context.Context, k *dedup.Ranks, part int, shared stage.Workspace) error {
	return shared.Make(ctx, EdgesFile(part), func(w io.Writer) error {
		p, err := parquet.NewWriter(w, []parquet.Column{{Name: colA, Type: parquet.Int64}, {Name: colB, Type: parquet.Int64}}, options)
		if err != nil {
			return err
		}
		err = k.EachSimilar(ctx, part, shared, func(a, b uint32) error {
			p.Int64(0, int64(a))
			p.Int64(1, int64(b))
			return p.EndRow()
		})
		if err != nil {
			return err
		}
		return p.Close()
	})
}

// Stars makes the files of Pairs of range r of files that the engine wrote, with two kinds of rows. One with a hub says
// that document id shares the bucket with it, the smallest ID there: bucket, hub, id. One without says of keys that are
// alone in their bucket how many they are, and the xor of all their buckets and IDs: alone, xor. want is what the keys of the range come
// to (dedup.Ranks.Tallies).
func Stars(ctx context.Context, k *dedup.Ranks, r int, want dedup.KeyTally, names []string, shared, scratch stage.Workspace) error {
	return k.PairsFrom(ctx, r, want, func(put func(bucket uint64, id record.ID) error) (alone dedup.KeyTally, err error) {
		err = rows(ctx, shared, names, []string{colBucket, colHub, colID, colAlone, colXor}, func(v []int64) error {
			bucket, hub, id, n, xor := v[0], v[1], v[2], v[3], v[4]
			switch {
			case hub == parquet.NoInt && id == parquet.NoInt && n >= 0:
				alone.Keys += n
				alone.Xor ^= uint64(xor)
				return nil
			case hub < 0 || id <= hub || n != parquet.NoInt:
				return fmt.Errorf("%w: a row has bucket %d, hub %d, id %d, alone %d", dedup.ErrIncomplete, bucket, hub, id, n)
			}
			if err := put(uint64(bucket), record.ID(hub)); err != nil {
				return err
			}
			return put(uint64(bucket), record.ID(id))
		})
		return alone, err
	}, shared, scratch)
}

// Labels makes the file of Components of files that the engine wrote: node, component, where a component is the smallest
// number in it. Nodes that are their own component may be left out.
func Labels(ctx context.Context, k *dedup.Ranks, names []string, shared, scratch stage.Workspace) error {
	return k.ComponentsFrom(ctx, func(put func(doc, component uint32) error) error {
		return rows(ctx, shared, names, []string{colNode, colComponent}, func(v []int64) error {
			if v[0] < 0 || v[0] > math.MaxUint32 || v[1] < 0 || v[1] > v[0] {
				return fmt.Errorf("%w: a row has node %d, component %d", dedup.ErrIncomplete, v[0], v[1])
			}
			return put(uint32(v[0]), uint32(v[1]))
		})
	}, shared, scratch)
}

// Files are those of names that are data: of an engine that writes through Hadoop's committers, those that do not begin with a dot or
// an underscore.
func Files(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		base := path.Base(name)
		return base[0] == '.' || base[0] == '_' || path.Ext(base) != ".parquet"
	})
}

const (
	rowsAtOnce = 4096
	// heldPages bounds the pages of a file that are in memory, in bytes: parquet-java's have 1 MiB.
	heldPages = 256 << 20
)

// rows calls do with the columns of each row of files; null is parquet.NoInt.
func rows(ctx context.Context, ws stage.Workspace, names, columns []string, do func(v []int64) error) error {
	wanted := make([]parquet.Wanted, len(columns))
	for i, name := range columns {
		wanted[i] = parquet.Wanted{Name: name, Kind: parquet.Ints}
	}
	v := make([]int64, len(columns))
	one := func(name string) (err error) {
		data, size, err := ws.Open(ctx, name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, data.Close()) }()
		c, err := parquet.OpenColumns(ctx, data, size, wanted, heldPages)
		if err != nil {
			return err
		}
		for i, column := range columns {
			if !c.Has(i) {
				return fmt.Errorf("it has no column %q", column)
			}
		}
		for {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := c.Next(ctx, rowsAtOnce)
			if err != nil || n == 0 {
				return err
			}
			for row := range n {
				for i := range columns {
					v[i] = c.Ints(i)[row]
				}
				if err := do(v); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range names {
		if err := one(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
