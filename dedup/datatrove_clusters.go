package dedup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"curate/stage"
	"curate/stage/runs"
)

// Clusters as datatrove's third step (MinhashDedupCluster) makes them: pairs in the order of the files' names are joined, the
// smaller set to the larger and, of equal ones, the second document's to the first's. The root of a set stays; every other
// document of it goes, whatever its own similarity to the root.

// forest is union-find over documents that are in a pair.
type forest struct {
	nodes []uint64 // rank << 32 | number, ascending
	// parents of nodes, by their places: a root has the size of its set, negated.
	parents []int32
}

// nodeBytes is what a document takes in a forest, and by the number of its cluster (datatroveFinish.writeClusters).
const nodeBytes = 8 + 4 + 4

// newForest makes one of ascending nodes, each alone.
func newForest(nodes []uint64) *forest {
	f := &forest{nodes, make([]int32, len(nodes))}
	for i := range f.parents {
		f.parents[i] = -1
	}
	return f
}

// root of the node at a place.
func (f *forest) root(i int32) int32 {
	r := i
	for f.parents[r] >= 0 {
		r = f.parents[r]
	}
	for f.parents[i] >= 0 { // what was walked through leads there at once
		i, f.parents[i] = f.parents[i], r
	}
	return r
}

// size of the set with a root.
func (f *forest) size(root int32) uint32 { return uint32(-f.parents[root]) }

// join makes one set of those of two nodes.
func (f *forest) join(a, b uint64) error {
	i, okA := slices.BinarySearch(f.nodes, a)
	k, okB := slices.BinarySearch(f.nodes, b)
	if !okA || !okB {
		return fmt.Errorf("a pair has document %d of rank %d, or %d of %d, which no pair had", uint32(a), a>>32, uint32(b), b>>32)
	}
	ra, rb := f.root(int32(i)), f.root(int32(k))
	if ra == rb {
		return nil
	}
	if f.size(ra) < f.size(rb) {
		ra, rb = rb, ra
	}
	f.parents[ra] += f.parents[rb]
	f.parents[rb] = ra
	return nil
}

// eachPair calls do for the pairs of all files, in order.
func (f *datatroveFinish) eachPair(ctx context.Context, names []string, do func(a, b uint64) error) error {
	for _, name := range names {
		if err := f.pairsOf(ctx, name, do); err != nil {
			return fmt.Errorf("%s: %w", name[len(stage.ResultDir):], err)
		}
	}
	return nil
}

func (f *datatroveFinish) pairsOf(ctx context.Context, name string, do func(a, b uint64) error) (err error) {
	file, size, err := f.ws.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if size%pairRow != 0 {
		return fmt.Errorf("its %d bytes are no whole pairs", size)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(file, 0, size), runBuffer)
	var row [pairRow]byte
	for n := size / pairRow; n > 0; n-- {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := io.ReadFull(r, row[:]); err != nil {
			return err
		}
		if err := do(decodePair(row[:])); err != nil {
			return err
		}
	}
	return nil
}

// clusters makes what is known of each rank's documents.
func (f *datatroveFinish) clusters(ctx context.Context, dups []string) error {
	f.space = nil // nothing more is merged
	trees, err := f.forest(ctx, dups)
	if err != nil {
		return err
	}
	return f.writeClusters(ctx, trees)
}

// writeClusters makes three files of each rank. Clusters have numbers in the order of their first documents.
func (f *datatroveFinish) writeClusters(ctx context.Context, trees *forest) error {
	ids := make([]uint32, len(trees.nodes)) // from 1, at the places of roots
	known := uint32(0)
	for i := range trees.nodes {
		if root := trees.root(int32(i)); ids[root] == 0 {
			known++
			ids[root] = known
		}
	}
	le := binary.LittleEndian
	for lo, hi := 0, 0; lo < len(trees.nodes); lo = hi {
		rank := trees.nodes[lo] >> 32
		gone := false
		for hi = lo; hi < len(trees.nodes) && trees.nodes[hi]>>32 == rank; hi++ {
			gone = gone || trees.root(int32(hi)) != int32(hi)
		}
		for _, file := range []struct {
			extension string
			append    func(dst []byte, number uint32, place, root int32) []byte
		}{
			{RemoveExtension, func(dst []byte, number uint32, place, root int32) []byte {
				if root == place {
					return dst
				}
				return le.AppendUint32(dst, number)
			}},
			{clustersExtension, func(dst []byte, number uint32, _, root int32) []byte {
				return le.AppendUint32(le.AppendUint32(dst, number), ids[root]-1)
			}},
			{sizesExtension, func(dst []byte, number uint32, _, root int32) []byte {
				return le.AppendUint32(le.AppendUint32(dst, number), trees.size(root))
			}},
		} {
			if file.extension == RemoveExtension && !gone { // datatrove makes a file for what is in it
				continue
			}
			name := fmt.Sprintf("%s%s/%06d%s", stage.ResultDir, DatatroveRemoveIDs, rank, file.extension)
			err := f.ws.Make(ctx, name, func(w io.Writer) error {
				out := newFlushing(w)
				for i := lo; i < hi; i++ {
					if i%checkEvery == 0 && ctx.Err() != nil {
						return context.Cause(ctx)
					}
					out.b = file.append(out.b, uint32(trees.nodes[i]), int32(i), trees.root(int32(i)))
					if err := out.full(); err != nil {
						return err
					}
				}
				return out.flush()
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// forest reads the pairs twice: who is in one, and who is joined to whom.
func (f *datatroveFinish) forest(ctx context.Context, dups []string) (*forest, error) {
	const file = "nodes"
	sorter := runs.NewSorter(f.ws, entryID, f.d.spillSize)
	sorter.Reset(file + "-sort")
	err := f.ws.Make(ctx, file, func(w io.Writer) error {
		add := func(node uint64) error {
			var b [entryID]byte
			binary.BigEndian.PutUint64(b[:], node)
			return sorter.Add(ctx, b[:])
		}
		err := f.eachPair(ctx, dups, func(a, b uint64) error {
			if err := add(a); err != nil {
				return err
			}
			return add(b)
		})
		if err != nil {
			return err
		}
		out := newFlushing(w)
		if err := sorter.Merge(ctx, &distinct{out: out}); err != nil {
			return err
		}
		return out.flush()
	})
	if err != nil {
		return nil, err
	}
	if err := sorter.Remove(ctx); err != nil {
		return nil, err
	}
	data, size, err := f.ws.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	n := size / entryID
	if need := n * nodeBytes; n > 1<<31-1 || need > f.ws.Memory()/4*3 {
		return nil, fmt.Errorf("%d documents are in a pair; to join them takes %d MiB of memory, and there are %d MiB: raise --memory", n, need>>20, f.ws.Memory()/4*3>>20)
	}
	nodes := make([]uint64, n)
	r := bufio.NewReaderSize(io.NewSectionReader(data, 0, size), runBuffer)
	var b [entryID]byte
	for i := range nodes {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		nodes[i] = binary.BigEndian.Uint64(b[:])
	}
	trees := newForest(nodes)
	return trees, f.eachPair(ctx, dups, trees.join)
}

// distinct leaves out an item of 8 bytes that is as the one before.
type distinct struct {
	out  *flushing
	last [entryID]byte
	any  bool
}

func (d *distinct) Write(b []byte) (int, error) {
	for at := 0; at < len(b); at += entryID {
		item := b[at : at+entryID]
		if d.any && bytes.Equal(item, d.last[:]) {
			continue
		}
		copy(d.last[:], item)
		d.any = true
		d.out.b = append(d.out.b, item...)
		if err := d.out.full(); err != nil {
			return at, err
		}
	}
	return len(b), nil
}
