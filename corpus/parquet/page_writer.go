package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// pageWriter turns the values of a column into pages of version 1, the one that every reader knows.
type pageWriter struct {
	codec  int32
	zstd   *zstd.Encoder
	thrift thriftAppender
	page   []byte
	packed []byte // compressed
	levels levelWriter
	dict   dictionaryWriter
}

// writtenChunk is what the footer says of a column chunk.
type writtenChunk struct {
	values                   int64 // nulls and empty lists included
	nulls                    int64
	uncompressed, compressed int64 // bytes of the pages with their heads
	at                       int64 // of the first data page
	dictionary               int64 // where its page is; 0: none
	statistics               bool
	min, max                 []byte // PLAIN, without a length
}

func (p *pageWriter) init(c Compression) (err error) {
	switch c {
	case Zstd:
		p.codec = codecZstd
		p.zstd, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedDefault),
			zstd.WithEncoderConcurrency(1), // one state, on the caller's goroutine
			zstd.WithWindowSize(pageBytes),
			zstd.WithEncoderCRC(false), // pages have a checksum of their own
			zstd.WithZeroFrames(true),
			zstd.WithLowerEncoderMem(true))
	case Snappy:
		p.codec = codecSnappy
	default:
		p.codec = codecNone
	}
	return err
}

// chunk writes the column's pages.
func (p *pageWriter) chunk(w *Writer, c *writtenColumn) writtenChunk {
	start := w.at
	k := writtenChunk{}
	encoding := int32(encodingPlain)
	if p.dict.build(c) {
		encoding = encodingDictionary
		k.dictionary = w.at
		k.uncompressed += p.put(w, p.dict.page, pageDictionary, len(p.dict.ends), encodingPlain)
	}
	k.at = w.at
	at, value := 0, 0 // in raw; values before
	for row := 0; row < w.rows; {
		first, from, firstValue, size := row, at, value, 0
		for row < w.rows && size < pageBytes {
			n := 1
			if c.entries != nil {
				n = int(c.entries[row])
			}
			row++
			if n < 0 {
				k.nulls++
			}
			for size += perEntry; n > 0 && c.storage.raw == 0; n-- { // byte arrays
				l := 4 + int(binary.LittleEndian.Uint32(c.raw[at:]))
				at, size, value = at+l, size+l, value+1
			}
			if n > 0 {
				at, size, value = at+n*c.storage.raw, size+n*c.plain, value+n
			}
		}
		var entries int
		p.page, entries = p.levels.append(p.page[:0], c, first, row)
		if encoding == encodingDictionary {
			p.page = p.dict.append(p.page, firstValue, value)
		} else {
			p.page = c.appendPlain(p.page, c.raw[from:at])
		}
		k.values += int64(entries)
		k.uncompressed += p.put(w, p.page, pageData, entries, encoding)
	}
	k.compressed = w.at - start
	k.measure(c)
	return k
}

// appendPlain appends values in PLAIN.
func (c *writtenColumn) appendPlain(dst, raw []byte) []byte {
	switch {
	case c.Type == Boolean:
		var b byte
		for i, v := range raw {
			b |= v << (i & 7)
			if i&7 == 7 || i == len(raw)-1 {
				dst, b = append(dst, b), 0
			}
		}
		return dst
	case c.Type == Int8:
		for _, v := range raw {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(int8(v)))
		}
		return dst
	case c.Type == Int16:
		for i := 0; i < len(raw); i += 2 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(int16(binary.LittleEndian.Uint16(raw[i:]))))
		}
		return dst
	}
	return append(dst, raw...)
}

// put writes a page and gives its size before compression, with its head.
func (p *pageWriter) put(w *Writer, page []byte, kind int32, values int, encoding int32) int64 {
	body := page
	switch p.codec {
	case codecZstd:
		p.packed = p.zstd.EncodeAll(page, p.packed[:0])
		body = p.packed
	case codecSnappy:
		body = snappy.Encode(p.packed[:cap(p.packed)], page)
		p.packed = body
	}
	if len(page) > math.MaxInt32 || len(body) > math.MaxInt32 {
		w.fail(&w.columns[0], "a page of %d bytes is longer than the format allows", len(page))
		return 0
	}
	a := &p.thrift
	a.reset()
	a.begin()
	a.i32(1, kind)
	a.i32(2, int32(len(page)))
	a.i32(3, int32(len(body)))
	a.i32(4, int32(crc32.ChecksumIEEE(body)))
	if kind == pageDictionary {
		a.open(7)
		a.i32(1, int32(values))
		a.i32(2, encoding)
	} else {
		a.open(5)
		a.i32(1, int32(values))
		a.i32(2, encoding)
		a.i32(3, encodingRLE)
		a.i32(4, encodingRLE)
	}
	a.end()
	a.end()
	head := len(a.b)
	w.write(a.b)
	w.write(body)
	if cap(p.page)+cap(p.packed) > 8*pageBytes { // they held a row that is a page by itself
		p.page, p.packed = nil, nil
	}
	return int64(head + len(page))
}

// append appends the ColumnChunk to the footer.
func (k *writtenChunk) append(a *thriftAppender, c *writtenColumn, codec int32) {
	a.begin()
	a.i64(2, 0) // file_offset: deprecated
	a.open(3)
	a.i32(1, c.physical)
	encodings := []int64{encodingPlain}
	if c.List || c.Optional {
		encodings = append(encodings, encodingRLE)
	}
	if k.dictionary > 0 {
		encodings = append(encodings, encodingDictionary)
	}
	a.list(2, thriftI32, len(encodings))
	for _, e := range encodings {
		a.b = binary.AppendVarint(a.b, e)
	}
	if c.List {
		a.list(3, thriftBinary, 3)
		a.element(c.Name)
		a.element("list")
		a.element("element")
	} else {
		a.list(3, thriftBinary, 1)
		a.element(c.Name)
	}
	a.i32(4, codec)
	a.i64(5, k.values)
	a.i64(6, k.uncompressed)
	a.i64(7, k.compressed)
	a.i64(9, k.at)
	if k.dictionary > 0 {
		a.i64(11, k.dictionary)
	}
	if !c.List {
		a.open(12)
		a.i64(3, k.nulls)
		if k.statistics {
			a.bytes(5, k.max)
			a.bytes(6, k.min)
		}
		a.end()
	}
	a.end()
	a.end()
}

// statisticsBytes is the longest string that may be a minimum or maximum. Those of texts say nothing to a reader.
const statisticsBytes = 64

// measure finds the least and the greatest value of a plain column. With a NaN there are none; zeros get the
// signs that parquet.thrift (ColumnOrder) asks for.
func (k *writtenChunk) measure(c *writtenColumn) {
	if c.List || len(c.raw) == 0 {
		return
	}
	switch {
	case c.storage.raw == 0:
		var lo, hi []byte
		for raw := c.raw; len(raw) > 0; {
			n := 4 + int(binary.LittleEndian.Uint32(raw))
			v := raw[4:n]
			raw = raw[n:]
			if lo == nil || bytes.Compare(v, lo) < 0 {
				lo = v
			}
			if hi == nil || bytes.Compare(v, hi) > 0 {
				hi = v
			}
		}
		if len(lo) > statisticsBytes || len(hi) > statisticsBytes {
			return
		}
		k.min, k.max = bytes.Clone(lo), bytes.Clone(hi)
	case c.Type == Float64:
		lo, hi := math.Inf(1), math.Inf(-1)
		for raw := c.raw; len(raw) > 0; raw = raw[8:] {
			v := math.Float64frombits(binary.LittleEndian.Uint64(raw))
			if math.IsNaN(v) {
				return
			}
			lo, hi = min(lo, v), max(hi, v)
		}
		if lo == 0 {
			lo = math.Copysign(0, -1)
		}
		if hi == 0 {
			hi = 0 // of either sign
		}
		k.min = binary.LittleEndian.AppendUint64(nil, math.Float64bits(lo))
		k.max = binary.LittleEndian.AppendUint64(nil, math.Float64bits(hi))
	default:
		lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
		for raw := c.raw; len(raw) > 0; raw = raw[c.storage.raw:] {
			v := rawInt(raw, c.storage.raw)
			lo, hi = min(lo, v), max(hi, v)
		}
		k.min, k.max = appendRaw(nil, lo, c.plain), appendRaw(nil, hi, c.plain)
	}
	k.statistics = true
}

func rawInt(b []byte, n int) int64 {
	switch n {
	case 1:
		return int64(int8(b[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// levelWriter writes repetition and definition levels.
type levelWriter struct{ runs hybridWriter }

// append appends the levels of some rows, each list behind its length in bytes, and gives the number of entries.
func (l *levelWriter) append(dst []byte, c *writtenColumn, first, end int) (page []byte, entries int) {
	if !c.List && !c.Optional {
		return dst, end - first
	}
	rows := c.entries[first:end]
	if c.List {
		dst = l.begin(dst, 1)
		for _, n := range rows {
			l.runs.put(0, 1)
			if n > 1 {
				l.runs.put(1, int(n)-1)
			}
		}
		dst = l.end(dst)
	}
	highest := uint32(0)
	if c.Optional {
		highest++
	}
	if c.List {
		highest += 2
	}
	width := 1
	if highest > 1 {
		width = 2
	}
	dst = l.begin(dst, width)
	for _, n := range rows {
		switch {
		case n < 0:
			l.runs.put(0, 1)
		case n == 0:
			l.runs.put(highest-2, 1)
		default:
			l.runs.put(highest, int(n))
		}
		entries += max(1, int(n))
	}
	return l.end(dst), entries
}

func (l *levelWriter) begin(dst []byte, width int) []byte {
	l.runs.begin(append(dst, 0, 0, 0, 0), width)
	return dst
}

// end takes what came before the list, and completes it.
func (l *levelWriter) end(before []byte) []byte {
	b := l.runs.end()
	binary.LittleEndian.PutUint32(b[len(before):], uint32(len(b)-len(before)-4))
	return b
}

// hybridWriter writes the RLE / bit-packing hybrid that hybrid reads. A run of eight or more equal values is
// written as a run, and what lies between such runs in groups of eight.
type hybridWriter struct {
	b     []byte
	width int
	group [8]uint32
	n     int // values in group
	head  int // in b, of the open sequence of groups; -1: none
	value uint32
	run   int // of value, not yet written
}

func (h *hybridWriter) begin(dst []byte, width int) {
	*h = hybridWriter{b: dst, width: width, head: -1}
}

// put adds a value n times.
func (h *hybridWriter) put(v uint32, n int) {
	if v != h.value {
		h.flush()
		h.value = v
	}
	h.run += n
}

// flush writes the run.
func (h *hybridWriter) flush() {
	if h.n > 0 || h.run < 8 { // to the end of the open group
		for h.run > 0 && (h.n > 0 || h.run < 8) {
			h.group[h.n] = h.value
			h.n++
			h.run--
			if h.n == 8 {
				h.pack()
			}
		}
	}
	if h.run > 0 {
		h.head = -1
		h.b = binary.AppendUvarint(h.b, uint64(h.run)<<1)
		for i := 0; i < h.width; i += 8 {
			h.b = append(h.b, byte(h.value>>i))
		}
		h.run = 0
	}
}

// pack writes the open group, as one more of the open sequence. A sequence has 63 groups at most, so that its head
// is a byte.
func (h *hybridWriter) pack() {
	if h.head < 0 || h.b[h.head] == 63<<1|1 {
		h.head = len(h.b)
		h.b = append(h.b, 1)
	}
	h.b[h.head] += 2
	var bits uint64
	have := 0
	for _, v := range h.group {
		bits |= uint64(v) << have
		for have += h.width; have >= 8; have -= 8 {
			h.b = append(h.b, byte(bits))
			bits >>= 8
		}
	}
	h.n = 0
}

// end fills the last group with zeros and gives everything.
func (h *hybridWriter) end() []byte {
	h.flush()
	if h.n > 0 {
		for ; h.n < 8; h.n++ {
			h.group[h.n] = 0
		}
		h.pack()
	}
	return h.b
}
