package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"

	"curate/record"
)

// A file of decisions: which records are dropped, sorted by ID, and what for. docs/formats/decisions.md is its
// page; the constants here are the page's.
const (
	decisionsMagic   = "curdecis"
	decisionsVersion = 1
	columnKept       = 1 // the only column of version 1: the ID of the record that is kept instead

	blockPairs  = 4096                                   // dropped records in a block; the last may have fewer
	maxBlock    = 2 * binary.MaxVarintLen64 * blockPairs // bytes
	indexWidth  = 8 + 8 + 8
	footerWidth = 8 + 8 + 4 + 4 + 4 + 4 + 8 + len(decisionsMagic)
	maxID       = 1<<63 - 1
)

// ErrDecisions is in every error about a file of decisions that is not as it was written.
var ErrDecisions = errors.New("the file of decisions is damaged; remove it and repeat the command")

// block is an entry of the index.
type block struct {
	first record.ID // the first record it drops
	at    int64     // offset in the file
	sum   uint64    // xxh64 of its bytes
}

type decisionsWriter struct {
	w     io.Writer
	ids   []uint64 // of the open block
	kept  []uint64
	last  record.ID // that was added
	at    int64
	pairs uint64 // in the blocks before the open one
	buf   []byte
	index []byte
}

func newDecisionsWriter(w io.Writer) *decisionsWriter { return &decisionsWriter{w: w} }

// add takes in a dropped record; IDs ascend.
func (d *decisionsWriter) add(dropped, kept record.ID) error {
	if (d.pairs > 0 || len(d.ids) > 0) && dropped <= d.last {
		return fmt.Errorf("record %d is dropped after record %d", dropped, d.last)
	}
	d.last = dropped
	if len(d.ids) == blockPairs {
		if err := d.flush(); err != nil {
			return err
		}
	}
	d.ids, d.kept = append(d.ids, uint64(dropped)), append(d.kept, uint64(kept))
	return nil
}

func (d *decisionsWriter) flush() error {
	b := d.buf[:0]
	for i, id := range d.ids[1:] {
		b = binary.AppendUvarint(b, id-d.ids[i])
	}
	for i, kept := range d.kept {
		b = binary.AppendVarint(b, int64(kept)-int64(d.ids[i]))
	}
	d.index = binary.LittleEndian.AppendUint64(d.index, d.ids[0])
	d.index = binary.LittleEndian.AppendUint64(d.index, uint64(d.at))
	d.index = binary.LittleEndian.AppendUint64(d.index, xxhash.Sum64(b))
	d.at += int64(len(b))
	d.pairs += uint64(len(d.ids))
	d.buf, d.ids, d.kept = b, d.ids[:0], d.kept[:0]
	_, err := d.w.Write(b)
	return err
}

// close writes index and footer.
func (d *decisionsWriter) close() error {
	if len(d.ids) > 0 {
		if err := d.flush(); err != nil {
			return err
		}
	}
	b := d.index
	b = binary.LittleEndian.AppendUint64(b, uint64(len(d.index)/indexWidth))
	b = binary.LittleEndian.AppendUint64(b, d.pairs)
	b = binary.LittleEndian.AppendUint32(b, blockPairs)
	b = binary.LittleEndian.AppendUint32(b, columnKept)
	b = binary.LittleEndian.AppendUint32(b, decisionsVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
	_, err := d.w.Write(append(b, decisionsMagic...))
	return err
}

// Decisions is an open file of decisions: which records go, and which stay instead of them. It holds only the
// index, 24 bytes for 4,096 dropped records, and serves any number of goroutines through their cursors.
type Decisions struct {
	r     io.ReaderAt
	index []block
	end   int64 // of the last block
	pairs int64
}

// OpenDecisions reads the index of a file of size bytes. The caller closes the file when no cursor is in use.
// Errors that wrap ErrDecisions are a damaged file.
func OpenDecisions(r io.ReaderAt, size int64) (*Decisions, error) {
	damaged := func(what string) error { return fmt.Errorf("%w: %s", ErrDecisions, what) }
	if size < int64(footerWidth) {
		return nil, damaged(fmt.Sprintf("it has only %d bytes", size))
	}
	var footer [footerWidth]byte
	if err := readAt(r, footer[:], size-int64(footerWidth)); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(footer[footerWidth-len(decisionsMagic):]) != decisionsMagic {
		return nil, damaged("it does not end with its magic number")
	}
	if v, c := le.Uint32(footer[24:]), le.Uint32(footer[20:]); v != decisionsVersion || c != columnKept {
		return nil, fmt.Errorf("the file of decisions has version %d and columns %#x; this program reads version %d and columns %#x",
			v, c, decisionsVersion, columnKept)
	}
	blocks, pairs := le.Uint64(footer[0:]), le.Uint64(footer[8:])
	room := uint64(size - int64(footerWidth))
	if blocks > room/indexWidth || le.Uint32(footer[16:]) != blockPairs || le.Uint32(footer[28:]) != 0 ||
		pairs > blocks*blockPairs || pairs <= (max(blocks, 1)-1)*blockPairs && blocks > 0 {
		return nil, damaged("its counts make no sense")
	}
	d := &Decisions{r: r, end: int64(room - blocks*indexWidth), pairs: int64(pairs)}
	raw := make([]byte, blocks*indexWidth, blocks*indexWidth+uint64(footerWidth))
	if err := readAt(r, raw, d.end); err != nil {
		return nil, err
	}
	if xxhash.Sum64(append(raw, footer[:32]...)) != le.Uint64(footer[32:]) {
		return nil, damaged("the checksum of its index is wrong")
	}
	d.index = make([]block, blocks)
	for i := range d.index {
		b := &d.index[i]
		e := raw[i*indexWidth:]
		*b = block{first: record.ID(le.Uint64(e)), at: int64(le.Uint64(e[8:])), sum: le.Uint64(e[16:])}
		switch {
		case i == 0 && b.at == 0 && b.first <= maxID:
		case i > 0 && b.at > d.index[i-1].at && b.at-d.index[i-1].at <= maxBlock && b.first > d.index[i-1].first && b.first <= maxID:
		default:
			return nil, damaged(fmt.Sprintf("block %d of its index is out of order", i))
		}
	}
	last := int64(0)
	if blocks > 0 {
		last = d.index[blocks-1].at
	}
	if n := d.end - last; n < 0 || n > maxBlock || (n == 0) != (blocks == 0) {
		return nil, damaged("its blocks do not end where its index begins")
	}
	return d, nil
}

// Len is how many records are dropped.
func (d *Decisions) Len() int64 { return d.pairs }

// Cursor looks records up for one goroutine. It holds one block, about 100 KiB.
type Cursor struct {
	d         *Decisions
	block     int // in ids and kept; -1 for none
	ids, kept []record.ID
	at        int // all ids before it are smaller than the one that was looked up last
	raw       []byte
}

// NewCursor makes a cursor.
func (d *Decisions) NewCursor() *Cursor { return &Cursor{d: d, block: -1} }

// Lookup says whether id is dropped, and which record is kept instead. It is fastest when ids ascend. An error
// means that the file cannot be read or is damaged.
func (c *Cursor) Lookup(id record.ID) (kept record.ID, dropped bool, err error) {
	index := c.d.index
	if b := c.block; b < 0 || id < index[b].first || b+1 < len(index) && id >= index[b+1].first {
		b = sort.Search(len(index), func(i int) bool { return index[i].first > id }) - 1
		if b < 0 {
			return 0, false, nil
		}
		if err := c.load(b); err != nil {
			return 0, false, err
		}
	}
	if c.at > 0 && c.ids[c.at-1] >= id {
		c.at, _ = slices.BinarySearch(c.ids[:c.at], id)
	}
	for c.at < len(c.ids) && c.ids[c.at] < id {
		c.at++
	}
	if c.at == len(c.ids) || c.ids[c.at] != id {
		return 0, false, nil
	}
	return c.kept[c.at], true, nil
}

// load reads and decodes a block.
func (c *Cursor) load(b int) error {
	c.block = -1 // none, if this fails
	d := c.d
	n, end, last := blockPairs, d.end, uint64(maxID)
	if b+1 < len(d.index) {
		end, last = d.index[b+1].at, uint64(d.index[b+1].first)-1
	} else {
		n = int(d.pairs - int64(b)*blockPairs)
	}
	size := int(end - d.index[b].at)
	c.raw = slices.Grow(c.raw[:0], size)[:size]
	if err := readAt(d.r, c.raw, d.index[b].at); err != nil {
		return err
	}
	damaged := func(what string) error {
		return fmt.Errorf("%w: block %d at byte %d %s", ErrDecisions, b, d.index[b].at, what)
	}
	if xxhash.Sum64(c.raw) != d.index[b].sum {
		return damaged("has a wrong checksum")
	}
	c.ids, c.kept = slices.Grow(c.ids[:0], n), slices.Grow(c.kept[:0], n)
	raw, id := c.raw, uint64(d.index[b].first)
	c.ids = append(c.ids, record.ID(id))
	for range n - 1 {
		v, k := binary.Uvarint(raw)
		if k <= 0 || v == 0 || v > last || id > last-v {
			return damaged("has records out of order")
		}
		id += v
		raw = raw[k:]
		c.ids = append(c.ids, record.ID(id))
	}
	for i := range n {
		v, k := binary.Varint(raw)
		kept := int64(c.ids[i]) + v
		if k <= 0 || kept < 0 || v == 0 { // a sum above maxID wraps to below 0
			return damaged("keeps records that cannot be")
		}
		raw = raw[k:]
		c.kept = append(c.kept, record.ID(kept))
	}
	if len(raw) > 0 {
		return damaged("is too long")
	}
	c.block, c.at = b, 0
	return nil
}

// readAt fills b; a file that ends before is damaged.
func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil // with or without io.EOF
	}
	if err == io.EOF || err == nil {
		return fmt.Errorf("%w: it ends at byte %d", ErrDecisions, at+int64(n))
	}
	return err
}
