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

// A file of decisions: what a deduplication has found out about records, sorted by ID, in columns. docs/formats/
// decisions.md is its page; the constants here are the page's.
const (
	decisionsMagic   = "curdecis"
	decisionsVersion = 1

	blockPairs  = 4096 // records in a block; the last may have fewer
	indexWidth  = 8 + 8 + 8
	footerWidth = 8 + 8 + 4 + 4 + 4 + 4 + 8 + len(decisionsMagic)
	maxID       = 1<<63 - 1
)

// columns are the bits of a file's columns, which stand in a block in this order.
type columns uint32

const (
	columnKept       columns = 1 << iota // the ID of the record that is kept instead
	columnSimilarity                     // to that record, in millionths
	columnCluster                        // the smallest ID of the cluster. Such a file has kept records of clusters, too
	columnBuckets                        // the record's MinHash buckets
)

// The sets of columns that there are.
const (
	columnsExact      = columnKept
	columnsMinHash    = columnKept | columnSimilarity | columnCluster
	columnsCandidates = columnBuckets
)

// maxBuckets is the most buckets that a record may be in: a scheme's bands.
const maxBuckets = 255

// maxBlock is how long a block may be, in bytes.
func (c columns) maxBlock() int64 {
	n := int64(binary.MaxVarintLen64) // ID
	for bit, most := range map[columns]int64{
		columnKept: binary.MaxVarintLen64, columnSimilarity: binary.MaxVarintLen32, columnCluster: binary.MaxVarintLen64,
		columnBuckets: binary.MaxVarintLen32 + 8*maxBuckets,
	} {
		if c&bit != 0 {
			n += most
		}
	}
	return blockPairs * n
}

// Decision is what a file says about a record. What the file has no column for is zero.
type Decision struct {
	Kept       record.ID // that is kept instead; the record itself if it is kept
	Similarity uint32    // to Kept, in millionths
	Cluster    record.ID // the smallest ID of the cluster
}

// million is a similarity of 1.
const million = 1_000_000

// ErrDecisions is in every error about a file of decisions that is not as it was written.
var ErrDecisions = errors.New("the file of decisions is damaged; remove it and repeat the command")

// block is an entry of the index.
type block struct {
	first record.ID // the first record it drops
	at    int64     // offset in the file
	sum   uint64    // xxh64 of its bytes
}

type decisionsWriter struct {
	w       io.Writer
	columns columns
	ids     []uint64 // of the open block
	found   []Decision
	buckets []uint64  // of all records of the open block
	counts  []int     // how many of them a record has
	last    record.ID // that was added
	at      int64
	pairs   uint64 // in the blocks before the open one
	buf     []byte
	index   []byte
}

func newDecisionsWriter(w io.Writer, c columns) *decisionsWriter {
	return &decisionsWriter{w: w, columns: c}
}

// add takes in a record; IDs ascend. buckets are copied.
func (d *decisionsWriter) add(id record.ID, found Decision, buckets []uint64) error {
	if (d.pairs > 0 || len(d.ids) > 0) && id <= d.last {
		return fmt.Errorf("record %d is decided after record %d", id, d.last)
	}
	d.last = id
	if len(d.ids) == blockPairs {
		if err := d.flush(); err != nil {
			return err
		}
	}
	d.ids, d.found = append(d.ids, uint64(id)), append(d.found, found)
	d.buckets, d.counts = append(d.buckets, buckets...), append(d.counts, len(buckets))
	return nil
}

func (d *decisionsWriter) flush() error {
	b := d.buf[:0]
	for i, id := range d.ids[1:] {
		b = binary.AppendUvarint(b, id-d.ids[i])
	}
	if d.columns&columnKept != 0 {
		for i := range d.found {
			b = binary.AppendVarint(b, int64(d.found[i].Kept)-int64(d.ids[i]))
		}
	}
	if d.columns&columnSimilarity != 0 {
		for i := range d.found {
			b = binary.AppendUvarint(b, uint64(d.found[i].Similarity))
		}
	}
	if d.columns&columnCluster != 0 {
		for i := range d.found {
			b = binary.AppendUvarint(b, d.ids[i]-uint64(d.found[i].Cluster))
		}
	}
	if d.columns&columnBuckets != 0 {
		for _, n := range d.counts {
			b = binary.AppendUvarint(b, uint64(n))
		}
		for _, v := range d.buckets {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	d.index = binary.LittleEndian.AppendUint64(d.index, d.ids[0])
	d.index = binary.LittleEndian.AppendUint64(d.index, uint64(d.at))
	d.index = binary.LittleEndian.AppendUint64(d.index, xxhash.Sum64(b))
	d.at += int64(len(b))
	d.pairs += uint64(len(d.ids))
	d.buf, d.ids, d.found, d.buckets, d.counts = b, d.ids[:0], d.found[:0], d.buckets[:0], d.counts[:0]
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
	b = binary.LittleEndian.AppendUint32(b, uint32(d.columns))
	b = binary.LittleEndian.AppendUint32(b, decisionsVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
	_, err := d.w.Write(append(b, decisionsMagic...))
	return err
}

// Decisions is an open file of decisions: which records go, and which stay instead of them. It holds only the
// index, 24 bytes for 4,096 records, and serves any number of goroutines through their cursors.
type Decisions struct {
	r       io.ReaderAt
	columns columns
	index   []block
	end     int64 // of the last block
	pairs   int64
}

// OpenDecisions reads the index of a file of size bytes. The caller closes the file when no cursor is in use.
// Errors that wrap ErrDecisions are a damaged file.
func OpenDecisions(r io.ReaderAt, size int64) (*Decisions, error) {
	return openColumns(r, size, columnsExact, columnsMinHash)
}

// openColumns opens a file that has one of the sets of columns.
func openColumns(r io.ReaderAt, size int64, want ...columns) (*Decisions, error) {
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
	has := columns(le.Uint32(footer[20:]))
	if v := le.Uint32(footer[24:]); v != decisionsVersion || !slices.Contains(want, has) {
		return nil, fmt.Errorf("the file of decisions has version %d and columns %#x; this program reads version %d and columns %#x",
			v, has, decisionsVersion, want)
	}
	maxBlock := has.maxBlock()
	blocks, pairs := le.Uint64(footer[0:]), le.Uint64(footer[8:])
	room := uint64(size - int64(footerWidth))
	if blocks > room/indexWidth || le.Uint32(footer[16:]) != blockPairs || le.Uint32(footer[28:]) != 0 ||
		pairs > blocks*blockPairs || pairs <= (max(blocks, 1)-1)*blockPairs && blocks > 0 {
		return nil, damaged("its counts make no sense")
	}
	d := &Decisions{r: r, columns: has, end: int64(room - blocks*indexWidth), pairs: int64(pairs)}
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

// Len is how many records the file has.
func (d *Decisions) Len() int64 { return d.pairs }

// Cursor looks records up for one goroutine. It holds one block, about 200 KiB.
type Cursor struct {
	d       *Decisions
	block   int // that is held; -1 for none
	ids     []record.ID
	found   []Decision
	buckets []uint64
	ends    []int // in buckets, of each record's
	at      int   // all ids before it are smaller than the one that was looked up last
	raw     []byte
}

// NewCursor makes a cursor.
func (d *Decisions) NewCursor() *Cursor { return &Cursor{d: d, block: -1} }

// Lookup says what was found out about id; nothing, if known is false. It is fastest when ids ascend. An error
// means that the file cannot be read or is damaged.
func (c *Cursor) Lookup(id record.ID) (found Decision, known bool, err error) {
	if known, err = c.find(id); !known || err != nil {
		return Decision{}, false, err
	}
	return c.found[c.at], true, nil
}

// Buckets is Lookup for a file of candidates. The slice is valid until the next call.
func (c *Cursor) Buckets(id record.ID) (buckets []uint64, known bool, err error) {
	if known, err = c.find(id); !known || err != nil {
		return nil, false, err
	}
	from := 0
	if c.at > 0 {
		from = c.ends[c.at-1]
	}
	return c.buckets[from:c.ends[c.at]], true, nil
}

// find moves to id.
func (c *Cursor) find(id record.ID) (bool, error) {
	index := c.d.index
	if b := c.block; b < 0 || id < index[b].first || b+1 < len(index) && id >= index[b+1].first {
		b = sort.Search(len(index), func(i int) bool { return index[i].first > id }) - 1
		if b < 0 {
			return false, nil
		}
		if err := c.load(b); err != nil {
			return false, err
		}
	}
	if c.at > 0 && c.ids[c.at-1] >= id {
		c.at, _ = slices.BinarySearch(c.ids[:c.at], id)
	}
	for c.at < len(c.ids) && c.ids[c.at] < id {
		c.at++
	}
	return c.at < len(c.ids) && c.ids[c.at] == id, nil
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
	c.ids, c.found = slices.Grow(c.ids[:0], n), slices.Grow(c.found[:0], n)[:n]
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
	clear(c.found)
	if d.columns&columnKept != 0 {
		for i := range c.found {
			v, k := binary.Varint(raw)
			kept := int64(c.ids[i]) + v
			if k <= 0 || kept < 0 || v == 0 && d.columns&columnCluster == 0 { // a sum above maxID wraps to below 0
				return damaged("keeps records that cannot be")
			}
			raw = raw[k:]
			c.found[i].Kept = record.ID(kept)
		}
	}
	if d.columns&columnSimilarity != 0 {
		for i := range c.found {
			v, k := binary.Uvarint(raw)
			if k <= 0 || v > million {
				return damaged("has similarities that cannot be")
			}
			raw = raw[k:]
			c.found[i].Similarity = uint32(v)
		}
	}
	if d.columns&columnCluster != 0 {
		for i := range c.found {
			v, k := binary.Uvarint(raw)
			if k <= 0 || v > uint64(c.ids[i]) {
				return damaged("has clusters that cannot be")
			}
			raw = raw[k:]
			c.found[i].Cluster = c.ids[i] - record.ID(v)
		}
	}
	if d.columns&columnBuckets != 0 {
		var ok bool
		if raw, ok = c.loadBuckets(raw, n); !ok {
			return damaged("has buckets that cannot be")
		}
	}
	if len(raw) > 0 {
		return damaged("is too long")
	}
	c.block, c.at = b, 0
	return nil
}

// loadBuckets decodes the column of n records and returns what lies behind it.
func (c *Cursor) loadBuckets(raw []byte, n int) ([]byte, bool) {
	c.ends = slices.Grow(c.ends[:0], n)
	total := 0
	for range n {
		v, k := binary.Uvarint(raw)
		if k <= 0 || v == 0 || v > maxBuckets {
			return nil, false
		}
		raw = raw[k:]
		total += int(v)
		c.ends = append(c.ends, total)
	}
	if len(raw) < 8*total {
		return nil, false
	}
	c.buckets = slices.Grow(c.buckets[:0], total)
	for i := range total {
		c.buckets = append(c.buckets, binary.LittleEndian.Uint64(raw[8*i:]))
	}
	return raw[8*total:], true
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
