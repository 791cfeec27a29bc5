package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// source is what the columns of one file share. The first error stays; after it columns give entries that end
// every loop.
type source struct {
	r        io.ReaderAt
	end      int64 // of the pages: where the footer begins
	ahead    int   // bytes that are read at a time, at least
	ctx      context.Context
	inflater inflater
	group    int // the row group that is open
	err      error
	held     int64 // bytes of pages and dictionaries, in all columns
	maxHeld  int64 // 0: no bound
}

// errHeld is a file whose pages are larger than the memory for them.
var errHeld = errors.New("raise --memory, or write the file again with smaller pages and row groups")

// hold notes that a column holds more bytes than before.
func (s *source) hold(more int64) error {
	s.held += more
	if s.maxHeld > 0 && s.held > s.maxHeld {
		return fmt.Errorf("the pages of all columns take %d MiB, and %d MiB are allowed for them: %w", s.held>>20, s.maxHeld>>20, errHeld)
	}
	return nil
}

func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// column reads one leaf of the schema, an entry at a time: a value or a null, with its levels. It holds the
// compressed page, the decompressed one, and the dictionary of the row group.
type column struct {
	s        *source
	path     string // for messages
	physical int32
	width    int // bytes of a fixed value
	maxDef   int
	maxRep   int

	chunk  *columnChunk
	pos    int64  // in the file, of window's end
	end    int64  // in the file: no byte of the chunk lies behind it
	window []byte // bytes read and not yet used lie at its end
	used   int    // bytes of window
	left   int64  // entries in pages not yet opened
	inPage int64  // entries of the open page not yet taken
	page   []byte // memory of the decompressed page
	reps   hybrid
	defs   hybrid
	values stream
	dict   dictionary

	// The current entry, if loaded.
	loaded bool
	rep    int
	def    int
	bits   uint64 // of a boolean or number
	bytes  []byte // of any other value; as it is until the next entry
}

// noRep ends every loop over repetitions.
const noRep = -1

// slack is what may lie behind the end of a chunk: parquet-cpp before 1.2.9 forgot the dictionary's header in
// total_compressed_size (PARQUET-816).
const slack = 100

func (c *column) fail(err error) {
	c.loaded, c.rep, c.def = true, noRep, 0
	if c.s.err == nil {
		c.s.err = c.damaged(err)
	}
}

func (c *column) damaged(err error) error {
	return fmt.Errorf("row group %d, column %q: %w", c.s.group, c.path, err)
}

// open begins the column's chunk of a row group.
func (c *column) open(chunk *columnChunk) error {
	c.chunk, c.left, c.inPage, c.loaded = chunk, chunk.values, 0, false
	c.window, c.used = c.window[:0], 0
	c.dict.read = false
	switch {
	case chunk.encrypted:
		return c.damaged(errEncrypted)
	case chunk.elsewhere:
		return c.damaged(errors.New("its data lie in another file; read that one instead"))
	case !chunk.hasMetadata:
		return c.damaged(damaged("the footer does not say where it lies"))
	case chunk.physical != c.physical:
		return c.damaged(damaged("it has physical type %d, and the schema says %d", chunk.physical, c.physical))
	}
	if err := checkCodec(chunk.codec); err != nil {
		return c.damaged(err)
	}
	start := chunk.dataOffset
	if d := chunk.dictionaryOffset; d > 0 && d < start {
		start = d
	}
	if start < int64(len(magic)) || chunk.values < 0 || chunk.compressed < 0 || start > c.s.end || chunk.compressed > c.s.end-start {
		return c.damaged(damaged("%d values in %d bytes from byte %d on do not lie in the file", chunk.values, chunk.compressed, start))
	}
	c.pos, c.end = start, min(start+chunk.compressed+slack, c.s.end)
	return nil
}

// load makes the next entry the current one, if none is.
func (c *column) load() {
	if c.loaded {
		return
	}
	for c.inPage == 0 {
		if c.s.err != nil {
			c.fail(c.s.err)
			return
		}
		if c.left == 0 {
			c.fail(damaged("it has fewer entries than the row group has rows"))
			return
		}
		if err := c.nextPage(); err != nil {
			c.fail(err)
			return
		}
	}
	c.loaded = true
	c.inPage--
	c.rep, c.def = 0, c.maxDef
	if c.maxRep > 0 {
		u, err := c.reps.take()
		if c.rep = int(u); err != nil || c.rep > c.maxRep {
			c.fail(c.bad("repetition levels", err))
			return
		}
	}
	if c.maxDef > 0 {
		u, err := c.defs.take()
		if c.def = int(u); err != nil || c.def > c.maxDef {
			c.fail(c.bad("definition levels", err))
			return
		}
		if c.def < c.maxDef {
			return
		}
	}
	var err error
	switch c.physical {
	case typeByteArray, typeFixedLenByteArray, typeInt96:
		c.bytes, err = c.values.bytes()
	default:
		c.bits, err = c.values.bits()
	}
	if err != nil {
		c.fail(c.bad("values", err))
	}
}

func (c *column) bad(what string, err error) error {
	if err == nil {
		err = errCorrupt
	}
	return damaged("%s before byte %d: %w", what, c.pos, err)
}

// nextRep is the repetition level of the next entry: 0, a new row, if there is none.
func (c *column) nextRep() int {
	if !c.loaded && c.inPage == 0 && c.left == 0 {
		return 0
	}
	c.load()
	return c.rep
}

// ended says whether every entry was taken.
func (c *column) ended() bool { return !c.loaded && c.inPage == 0 && c.left == 0 }

// fill makes n bytes of the chunk available behind used.
func (c *column) fill(n int) error {
	have := len(c.window) - c.used
	if have >= n {
		return nil
	}
	if int64(n-have) > c.end-c.pos {
		return damaged("a page goes on behind the column's end, byte %d", c.end)
	}
	if err := c.s.ctx.Err(); err != nil {
		return context.Cause(c.s.ctx)
	}
	more := int(min(int64(max(n-have, c.s.ahead)), c.end-c.pos))
	if cap(c.window) < have+more {
		if err := c.s.hold(int64(have + more - cap(c.window))); err != nil {
			return err
		}
		w := make([]byte, have+more)
		copy(w, c.window[c.used:])
		c.window = w
	} else {
		copy(c.window, c.window[c.used:])
		c.window = c.window[:have+more]
	}
	c.used = 0
	if err := readFull(c.s.r, c.window[have:], c.pos); err != nil {
		c.window = c.window[:have]
		return err
	}
	c.pos += int64(more)
	return nil
}

// maxHeader bounds what is read for a page's header: the statistics in it hold two whole values.
const maxHeader = 16 << 20

// header reads a page's header.
func (c *column) header() (pageHeader, error) {
	for n := 1 << 10; ; n *= 4 {
		n = int(min(int64(n), int64(len(c.window)-c.used)+c.end-c.pos))
		if err := c.fill(n); err != nil {
			return pageHeader{}, err
		}
		h, size, err := readPageHeader(c.window[c.used:])
		if err == nil {
			c.used += size
			return h, nil
		}
		if whole := c.pos == c.end; err != errThriftShort || whole || n > maxHeader {
			return h, damaged("page header at byte %d: %w", c.pos-int64(len(c.window)-c.used), err)
		}
	}
}

// nextPage opens the next page that has entries.
func (c *column) nextPage() error {
	h, err := c.header()
	if err != nil {
		return err
	}
	at := c.pos - int64(len(c.window)-c.used)
	if err := c.fill(int(h.compressed)); err != nil {
		return err
	}
	data := c.window[c.used : c.used+int(h.compressed)]
	c.used += int(h.compressed)
	if h.hasCRC && crc32.ChecksumIEEE(data) != h.crc {
		return damaged("page at byte %d: its checksum does not fit", at)
	}
	switch h.kind {
	case pageDictionary:
		err = c.openDictionary(h, data)
	case pageData:
		err = c.openPage(h, data)
	case pageDataV2:
		err = c.openPageV2(h, data)
	default: // index pages, and what may come
		return nil
	}
	if errors.Is(err, errHeld) {
		return err
	}
	if err != nil {
		return damaged("page at byte %d: %w", at, err)
	}
	return nil
}

func (c *column) openDictionary(h pageHeader, data []byte) error {
	if c.dict.read {
		return errors.New("it is a second dictionary")
	}
	if h.encoding != encodingPlain && h.encoding != encodingPlainDictionary {
		return errUnknownEncoding
	}
	if err := c.s.hold(int64(max(0, int(h.uncompressed)-cap(c.dict.data)))); err != nil {
		return err
	}
	d, err := c.s.inflater.inflate(c.dict.data, data, c.chunk.codec, int(h.uncompressed))
	if err != nil {
		return err
	}
	if c.chunk.codec == codecNone { // d lies in the window, which goes on
		d = append(c.dict.data[:0], d...)
	}
	return c.dict.open(d, c.physical, c.width, int(h.values))
}

func (c *column) entries(h pageHeader) error {
	if int64(h.values) > c.left {
		return errors.New("it has more entries than the column has left")
	}
	c.left -= int64(h.values)
	c.inPage = int64(h.values)
	return nil
}

// openPage opens a data page of version 1: levels and values are compressed together.
func (c *column) openPage(h pageHeader, data []byte) error {
	if err := c.entries(h); err != nil {
		return err
	}
	data, err := c.inflate(data, int(h.uncompressed))
	if err != nil {
		return err
	}
	levels := func(maxLevel int, encoding int32) (hybrid, error) {
		if encoding != encodingRLE {
			return hybrid{}, errors.New("its levels are not in RLE, the only encoding in use; write the file again")
		}
		if len(data) < 4 {
			return hybrid{}, errShort
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return hybrid{}, errShort
		}
		l := newHybrid(data[4:4+n], bits.Len(uint(maxLevel)))
		data = data[4+n:]
		return l, nil
	}
	if c.maxRep > 0 {
		if c.reps, err = levels(c.maxRep, h.repEncoding); err != nil {
			return err
		}
	}
	if c.maxDef > 0 {
		if c.defs, err = levels(c.maxDef, h.defEncoding); err != nil {
			return err
		}
	}
	return c.values.open(h.encoding, c.physical, c.width, data, &c.dict)
}

// openPageV2 opens a data page of version 2: its levels stand before the compressed part, without lengths.
func (c *column) openPageV2(h pageHeader, data []byte) error {
	if err := c.entries(h); err != nil {
		return err
	}
	r, d := int(h.repBytes), int(h.defBytes)
	if r > len(data) || d > len(data)-r || r+d > int(h.uncompressed) {
		return errShort
	}
	c.reps = newHybrid(data[:r], bits.Len(uint(c.maxRep)))
	c.defs = newHybrid(data[r:r+d], bits.Len(uint(c.maxDef)))
	data = data[r+d:]
	var err error
	// Some writers leave the compressed part of a page of nulls empty.
	if size := int(h.uncompressed) - r - d; h.isCompressed && (size > 0 || len(data) > 0) {
		if data, err = c.inflate(data, size); err != nil {
			return err
		}
	}
	return c.values.open(h.encoding, c.physical, c.width, data, &c.dict)
}

// inflate decompresses a page into the column's memory for it.
func (c *column) inflate(data []byte, size int) ([]byte, error) {
	if c.chunk.codec == codecNone {
		return data, lengthIs(len(data), size)
	}
	if err := c.s.hold(int64(max(0, size-cap(c.page)))); err != nil {
		return nil, err
	}
	p, err := c.s.inflater.inflate(c.page, data, c.chunk.codec, size)
	if err == nil {
		c.page = p
	}
	return p, err
}
