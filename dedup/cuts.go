package dedup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage/runs"
)

// A file of cuts: which units of which records go, sorted. docs/formats/cuts.md is its page; the constants here are the
// page's.
const (
	cutsFile    = "cuts"
	cutsMagic   = "curacuts"
	cutsVersion = 1

	cutWidth       = 8 + 4 // record ID and number of the unit, both big-endian
	blockCuts      = 4096  // in a block; the last may have fewer
	cutsIndexWidth = 8 + 8
	cutsFooter     = 8 + 4 + 4 + 8 + 8
)

// ErrCuts is in every error about a file of cuts that is not as it was written.
var ErrCuts = errors.New("the file of cuts is damaged; remove it and repeat the command")

// writeCuts writes pairs of a record's ID and a unit's number, sorted, as a file of cuts.
func writeCuts(ctx context.Context, w io.Writer, pairs *runs.Iterator) error {
	block := make([]byte, 0, blockCuts*cutWidth)
	var index []byte
	cuts := uint64(0)
	flush := func() error {
		index = append(index, block[:8]...)
		index = binary.BigEndian.AppendUint64(index, xxhash.Sum64(block))
		_, err := w.Write(block)
		block = block[:0]
		return err
	}
	for ; pairs.Next(); cuts++ {
		if cuts%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		pair := pairs.Item()
		block = append(append(block, pair[:8]...), pair[12:16]...)
		if len(block) == cap(block) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := pairs.Err(); err != nil {
		return err
	}
	if len(block) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	n := len(index)
	index = binary.BigEndian.AppendUint64(index, cuts)
	index = binary.BigEndian.AppendUint32(index, cutsVersion)
	index = binary.BigEndian.AppendUint32(index, uint32(n/cutsIndexWidth))
	index = binary.BigEndian.AppendUint64(index, xxhash.Sum64(index))
	_, err := w.Write(append(index, cutsMagic...))
	return err
}

// Cuts is an open file of cuts. It holds only the index, 16 bytes for 4,096 cuts, and serves any number of goroutines
// through their cursors.
type Cuts struct {
	r     io.ReaderAt
	cuts  int64
	index []cutBlock
}

type cutBlock struct {
	first record.ID // of the block's first cut
	sum   uint64    // xxh64 of its bytes
}

// OpenCuts reads the index of a file of size bytes. The caller closes the file when no cursor is in use. Errors that
// wrap ErrCuts are a damaged file.
func OpenCuts(r io.ReaderAt, size int64) (*Cuts, error) {
	damaged := func(what string) error { return fmt.Errorf("%w: %s", ErrCuts, what) }
	if size < cutsFooter {
		return nil, damaged(fmt.Sprintf("it has only %d bytes", size))
	}
	var footer [cutsFooter]byte
	if err := readCuts(r, footer[:], size-cutsFooter); err != nil {
		return nil, err
	}
	be := binary.BigEndian
	if string(footer[cutsFooter-len(cutsMagic):]) != cutsMagic {
		return nil, damaged("it does not end with its magic number")
	}
	if v := be.Uint32(footer[8:]); v != cutsVersion {
		return nil, fmt.Errorf("the file of cuts has version %d; this program reads version %d", v, cutsVersion)
	}
	cuts, blocks := be.Uint64(footer[:]), int64(be.Uint32(footer[12:]))
	if cuts > uint64(size)/cutWidth || blocks != (int64(cuts)+blockCuts-1)/blockCuts ||
		size != int64(cuts)*cutWidth+blocks*cutsIndexWidth+cutsFooter {
		return nil, damaged("its counts make no sense")
	}
	raw := make([]byte, blocks*cutsIndexWidth, blocks*cutsIndexWidth+16)
	if err := readCuts(r, raw, int64(cuts)*cutWidth); err != nil {
		return nil, err
	}
	if xxhash.Sum64(append(raw, footer[:16]...)) != be.Uint64(footer[16:]) {
		return nil, damaged("the checksum of its index is wrong")
	}
	c := &Cuts{r: r, cuts: int64(cuts), index: make([]cutBlock, blocks)}
	for i := range c.index {
		c.index[i] = cutBlock{record.ID(be.Uint64(raw[i*cutsIndexWidth:])), be.Uint64(raw[i*cutsIndexWidth+8:])}
	}
	return c, nil
}

// Len is how many cuts the file has.
func (c *Cuts) Len() int64 { return c.cuts }

// CutsCursor looks records up for one goroutine. It holds one block, 48 KiB.
type CutsCursor struct {
	c     *Cuts
	block int // that is held; -1 for none
	raw   []byte
}

// NewCursor makes a cursor.
func (c *Cuts) NewCursor() *CutsCursor { return &CutsCursor{c: c, block: -1} }

// Append appends the numbers of the units of a record that go, ascending. It is fastest when ids ascend. An error means
// that the file cannot be read or is damaged.
func (c *CutsCursor) Append(dst []uint32, id record.ID) ([]uint32, error) {
	index := c.c.index
	// A record's cuts may begin in the block before the first one that begins with it, and go on over several.
	b := sort.Search(len(index), func(i int) bool { return index[i].first >= id })
	for b = max(0, b-1); b < len(index) && index[b].first <= id; b++ {
		if err := c.load(b); err != nil {
			return dst, err
		}
		n := len(c.raw) / cutWidth
		i := sort.Search(n, func(i int) bool { return c.id(i) >= id })
		for ; i < n && c.id(i) == id; i++ {
			dst = append(dst, binary.BigEndian.Uint32(c.raw[i*cutWidth+8:]))
		}
		if i < n {
			break
		}
	}
	return dst, nil
}

func (c *CutsCursor) id(i int) record.ID {
	return record.ID(binary.BigEndian.Uint64(c.raw[i*cutWidth:]))
}

// load reads a block.
func (c *CutsCursor) load(b int) error {
	if c.block == b {
		return nil
	}
	c.block = -1 // none, if this fails
	n := min(blockCuts, c.c.cuts-int64(b)*blockCuts) * cutWidth
	c.raw = slices.Grow(c.raw[:0], int(n))[:n]
	at := int64(b) * blockCuts * cutWidth
	if err := readCuts(c.c.r, c.raw, at); err != nil {
		return err
	}
	if xxhash.Sum64(c.raw) != c.c.index[b].sum {
		return fmt.Errorf("%w: block %d at byte %d has a wrong checksum", ErrCuts, b, at)
	}
	c.block = b
	return nil
}

// readCuts fills b; a file that ends before is damaged.
func readCuts(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil // with or without io.EOF
	}
	if err == io.EOF || err == nil {
		return fmt.Errorf("%w: it ends at byte %d", ErrCuts, at+int64(n))
	}
	return err
}
