package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Type is what a written column, or an element of its lists, holds.
type Type uint8

const (
	Int8    Type = iota // INT32, annotated INTEGER(8, signed)
	Int16               // INT32, annotated INTEGER(16, signed)
	Int32               // INT32
	Int64               // INT64
	Float64             // DOUBLE
	Boolean             // BOOLEAN
	String              // BYTE_ARRAY, annotated STRING: UTF-8
	JSON                // BYTE_ARRAY, annotated JSON: UTF-8
)

// storage is how a type is stored.
type storage struct {
	name      string
	physical  int32
	raw       int // bytes of a value while its row group is gathered; 0: byte arrays, behind their length
	plain     int // bytes of a value in the file; a boolean counts as one
	converted int32
	logical   int16 // member of the union LogicalType; 0: none
}

var storages = [...]storage{
	Int8:    {"int8", typeInt32, 1, 4, 15, 10},
	Int16:   {"int16", typeInt32, 2, 4, 16, 10},
	Int32:   {"int32", typeInt32, 4, 4, -1, 0},
	Int64:   {"int64", typeInt64, 8, 8, -1, 0},
	Float64: {"float64", typeDouble, 8, 8, -1, 0},
	Boolean: {"boolean", typeBoolean, 1, 1, -1, 0},
	String:  {"string", typeByteArray, 0, 0, 0, 1},
	JSON:    {"JSON", typeByteArray, 0, 0, 19, 12},
}

func (t Type) String() string { return storages[t].name }

// Column of a file that is written.
type Column struct {
	Name     string
	Type     Type
	List     bool // a list of such values, whose elements are never null; else a plain value
	Optional bool // may be null
}

// Compression of the pages of a file that is written.
type Compression uint8

const (
	Zstd Compression = iota
	Snappy
	Uncompressed
)

// KV is an entry of the file's own metadata.
type KV struct{ Key, Value string }

// WriterOptions may be left as they are.
type WriterOptions struct {
	// RowGroupBytes is from how many bytes of values on a row group ends; 0 is DefaultRowGroup. It is what the Writer
	// holds in memory, besides one row.
	RowGroupBytes int
	Compression   Compression
	KeyValue      []KV
	CreatedBy     string // "" is "curate"
}

const (
	// DefaultRowGroup is the size in bytes of the values of a row group. Programs that stream a file read a row group at
	// a time, of a few columns; the writers of parquet-java and Arrow would make them 8 to 64 times as large.
	DefaultRowGroup = 16 << 20
	pageBytes       = 1 << 20 // of values, from which a page ends, as in Arrow and parquet-java
	// perEntry is what a null or an empty list adds to the size of a row group, so that rows without values do not
	// gather without end.
	perEntry = 4
	// maxValue is the longest string in bytes. The sizes of a page are 32-bit and signed.
	maxValue = 1 << 30
	// maxRows of a row group, as in Arrow (DEFAULT_MAX_ROW_GROUP_LENGTH, cpp/src/parquet/properties.h).
	maxRows = 1 << 20
)

// Writer writes one Parquet file, row by row: one value for each column, in any order, then EndRow. Nothing is
// allocated per row. The same rows give the same bytes. An error stays: whatever follows gives it again.
type Writer struct {
	w       io.Writer
	o       WriterOptions
	columns []writtenColumn
	rows    int   // of the open row group
	size    int   // of its values
	total   int64 // rows of the groups before
	at      int64 // bytes written
	groups  []writtenGroup
	pages   pageWriter
	err     error
}

// writtenColumn gathers the values of the open row group.
type writtenColumn struct {
	Column
	storage
	raw []byte // the values
	// entries has, for each row of a list or of a column that may be null, the number of its values; -1 is null.
	entries []int32
	set     int // rows that have a value, the open one included
}

type writtenGroup struct {
	rows, bytes, compressed int64
	at                      int64
	chunks                  []writtenChunk
}

// NewWriter begins a file.
func NewWriter(w io.Writer, columns []Column, o WriterOptions) (*Writer, error) {
	names := map[string]bool{}
	for i, c := range columns {
		switch {
		case int(c.Type) >= len(storages):
			return nil, fmt.Errorf("column %d, %q: type %d does not exist", i, c.Name, c.Type)
		case names[c.Name]:
			return nil, fmt.Errorf("column %d, %q: there is another one of that name", i, c.Name)
		case !utf8.ValidString(c.Name):
			return nil, fmt.Errorf("column %d, %q: the name is not UTF-8", i, c.Name)
		}
		names[c.Name] = true
	}
	if o.RowGroupBytes <= 0 {
		o.RowGroupBytes = DefaultRowGroup
	}
	if o.CreatedBy == "" {
		o.CreatedBy = "curate"
	}
	x := &Writer{w: w, o: o, columns: make([]writtenColumn, len(columns))}
	for i, c := range columns {
		x.columns[i] = writtenColumn{Column: c, storage: storages[c.Type]}
	}
	if err := x.pages.init(o.Compression); err != nil {
		return nil, err
	}
	x.write([]byte(magic))
	return x, x.err
}

var errClosed = errors.New("the Parquet file is closed already")

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.w.Write(b)
	w.at += int64(n)
	w.err = err
}

func (w *Writer) fail(c *writtenColumn, format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("row %d, column %q: "+format, append([]any{w.total + int64(w.rows), c.Name}, args...)...)
	}
}

// value takes note that the open row has n values in the column. It gives nil if that cannot be: the error
// comes from EndRow.
func (w *Writer) value(col, n int, list bool, of ...Type) *writtenColumn {
	c := &w.columns[col]
	known := false
	for _, t := range of {
		known = known || c.Type == t
	}
	switch {
	case w.err != nil:
		return nil
	case c.set != w.rows:
		w.fail(c, "it has a value already")
		return nil
	case n < 0 && !c.Optional:
		w.fail(c, "it is null, and the column has no nulls")
		return nil
	case n >= 0 && (c.List != list || !known):
		w.fail(c, "the value is of another type than the column's, %s", c.describe())
		return nil
	case n > maxValue/8:
		w.fail(c, "a list of %d values is too long for a page", n)
		return nil
	}
	c.set++
	if c.List || c.Optional {
		c.entries = append(c.entries, int32(n))
		if n <= 0 {
			w.size += perEntry
		}
	}
	w.size += max(0, n) * c.plain
	return c
}

func (c *writtenColumn) describe() string {
	if c.List {
		return "a list of " + c.name
	}
	return c.name
}

// Null makes the column null in the open row. Columns that got no value are null anyway, if they may be.
func (w *Writer) Null(col int) {
	c := &w.columns[col]
	w.value(col, -1, c.List, c.Type)
}

// Int64 sets an integer. One that an Int8, Int16 or Int32 cannot hold is an error.
func (w *Writer) Int64(col int, v int64) {
	c := w.value(col, 1, false, Int8, Int16, Int32, Int64)
	if c == nil {
		return
	}
	if bits := 8 * c.storage.raw; v<<(64-bits)>>(64-bits) != v {
		w.fail(c, "%d does not fit in an %s", v, c.name)
		return
	}
	c.raw = appendRaw(c.raw, v, c.storage.raw)
}

// appendRaw appends the lowest n bytes of v: 1, 2, 4 or 8.
func appendRaw(dst []byte, v int64, n int) []byte {
	switch n {
	case 1:
		return append(dst, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(dst, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(v))
}

// Float sets a Float64.
func (w *Writer) Float(col int, v float64) {
	if c := w.value(col, 1, false, Float64); c != nil {
		c.raw = binary.LittleEndian.AppendUint64(c.raw, math.Float64bits(v))
	}
}

// Bool sets a Boolean.
func (w *Writer) Bool(col int, v bool) {
	if c := w.value(col, 1, false, Boolean); c != nil {
		b := byte(0)
		if v {
			b = 1
		}
		c.raw = append(c.raw, b)
	}
}

// Text sets a String or a JSON, which is copied. That JSON is well formed is the caller's promise; that text is
// UTF-8 is looked at.
func (w *Writer) Text(col int, v []byte) {
	if c := w.value(col, 1, false, String, JSON); c != nil {
		w.text(c, v)
	}
}

func (w *Writer) text(c *writtenColumn, v []byte) {
	switch {
	case len(v) > maxValue:
		w.fail(c, "a text of %d bytes is too long for a page", len(v))
	case !utf8.Valid(v):
		w.fail(c, "the text is not UTF-8")
	default:
		c.raw = append(binary.LittleEndian.AppendUint32(c.raw, uint32(len(v))), v...)
		w.size += 4 + len(v)
	}
}

// Ints sets a list of Int32.
func (w *Writer) Ints(col int, v []int32) {
	if c := w.value(col, len(v), true, Int32); c != nil {
		for _, n := range v {
			c.raw = binary.LittleEndian.AppendUint32(c.raw, uint32(n))
		}
	}
}

// Int64s sets a list of Int64.
func (w *Writer) Int64s(col int, v []int64) {
	if c := w.value(col, len(v), true, Int64); c != nil {
		for _, n := range v {
			c.raw = binary.LittleEndian.AppendUint64(c.raw, uint64(n))
		}
	}
}

// Bytes8 sets a list of Int8, each a byte in two's complement: a mask.
func (w *Writer) Bytes8(col int, v []byte) {
	if c := w.value(col, len(v), true, Int8); c != nil {
		c.raw = append(c.raw, v...)
	}
}

// Texts sets a list of String or JSON.
func (w *Writer) Texts(col int, v [][]byte) {
	c := w.value(col, len(v), true, String, JSON)
	if c == nil {
		return
	}
	before := len(c.raw)
	for _, t := range v {
		w.text(c, t)
	}
	if n := len(c.raw) - before; n > maxValue {
		w.fail(c, "a list of %d bytes is too long for a page", n)
	}
}

// EndRow completes the row. A column without a value is null; one that may not be null is an error. Any error of
// the row's values comes from here.
func (w *Writer) EndRow() error {
	if w.err != nil {
		return w.err
	}
	for i := range w.columns {
		if c := &w.columns[i]; c.set == w.rows {
			w.value(i, -1, c.List, c.Type)
		}
	}
	if w.err != nil {
		return w.err
	}
	if w.rows++; w.size >= w.o.RowGroupBytes || w.rows == maxRows {
		w.flush()
	}
	return w.err
}

// flush writes the open row group.
func (w *Writer) flush() {
	g := writtenGroup{rows: int64(w.rows), at: w.at, chunks: make([]writtenChunk, len(w.columns))}
	held := 0
	for i := range w.columns {
		c := &w.columns[i]
		g.chunks[i] = w.pages.chunk(w, c)
		g.bytes += g.chunks[i].uncompressed
		g.compressed += g.chunks[i].compressed
		held += cap(c.raw) + 4*cap(c.entries)
		c.raw, c.entries, c.set = c.raw[:0], c.entries[:0], 0
	}
	// In each row group another column may have been the large one.
	if held > 2*w.o.RowGroupBytes {
		for i := range w.columns {
			w.columns[i].raw, w.columns[i].entries = nil, nil
		}
	}
	w.groups = append(w.groups, g)
	w.total += int64(w.rows)
	w.rows, w.size = 0, 0
}

// Close writes what is left and the footer. It does not close what it writes to.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.rows > 0 {
		w.flush()
	}
	foot := w.footer()
	if len(foot) > math.MaxInt32 { // its length is 32-bit, and some readers take it as signed
		return fmt.Errorf("%d row groups of %d columns do not fit in the footer of a Parquet file; write several files", len(w.groups), len(w.columns))
	}
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot)))
	w.write(append(foot, magic...))
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

// footer is the file's metadata: parquet.thrift, FileMetaData.
func (w *Writer) footer() []byte {
	a := &w.pages.thrift
	a.reset()
	a.begin()
	a.i32(1, 2) // version: of files with the encodings and annotations of format 2
	elements := 1
	for i := range w.columns {
		elements++
		if w.columns[i].List {
			elements += 2
		}
	}
	a.list(2, thriftStruct, elements)
	a.begin()
	a.string(4, "schema")
	a.i32(5, int32(len(w.columns)))
	a.end()
	for i := range w.columns {
		w.columns[i].appendSchema(a)
	}
	a.i64(3, w.total)
	a.list(4, thriftStruct, len(w.groups))
	for i := range w.groups {
		g := &w.groups[i]
		a.begin()
		a.list(1, thriftStruct, len(g.chunks))
		for k := range g.chunks {
			g.chunks[k].append(a, &w.columns[k], w.pages.codec)
		}
		a.i64(2, g.bytes)
		a.i64(3, g.rows)
		a.i64(5, g.at)
		a.i64(6, g.compressed)
		a.end()
	}
	if len(w.o.KeyValue) > 0 {
		a.list(5, thriftStruct, len(w.o.KeyValue))
		for _, kv := range w.o.KeyValue {
			a.begin()
			a.string(1, kv.Key)
			a.string(2, kv.Value)
			a.end()
		}
	}
	a.string(6, w.o.CreatedBy)
	a.list(7, thriftStruct, len(w.columns)) // column_orders: without them no reader may use min_value and max_value
	for range w.columns {
		a.begin()
		a.open(1) // TYPE_ORDER
		a.end()
		a.end()
	}
	a.end()
	return a.b
}

func (c *writtenColumn) appendSchema(a *thriftAppender) {
	repetition := int32(required)
	if c.Optional {
		repetition = optional
	}
	name := c.Name
	if c.List {
		a.begin()
		a.i32(3, repetition)
		a.string(4, name)
		a.i32(5, 1)
		a.i32(6, 3) // LIST
		a.open(10)
		a.open(3)
		a.end()
		a.end()
		a.end()
		a.begin()
		a.i32(3, repeated)
		a.string(4, "list")
		a.i32(5, 1)
		a.end()
		repetition, name = optional, "element" // as Arrow's lists are by default, though none is null
	}
	a.begin()
	a.i32(1, c.physical)
	a.i32(3, repetition)
	a.string(4, name)
	if c.converted >= 0 {
		a.i32(6, c.converted)
	}
	if c.logical > 0 {
		a.open(10)
		a.open(c.logical)
		if c.logical == 10 {
			a.field(1, thriftByte)
			a.b = append(a.b, byte(8*c.storage.raw))
			a.bool(2, true)
		}
		a.end()
		a.end()
	}
	a.end()
}
