package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"curate/record"
)

// Columns reads some top-level columns of a file, many rows at a time, without making records of them: for numbers that
// are compared, and texts that are looked at. It is used by one goroutine.
type Columns struct {
	footer  *footer
	schema  *schema
	source  source
	wanted  []wantedColumn
	opened  []int // numbers in the schema's columns of those that are read
	group   int
	left    int64  // rows of the open row group not yet given
	rows    int64  // of the open row group
	page    []byte // memory of the column that EachNumbers reads
	window  []byte
	numbers [][]float64
	ints    [][]int64
	texts   []Texts
}

// Kind is what a column is read as.
type Kind uint8

const (
	Numbers Kind = iota // float64; null is NaN. A boolean is 0 or 1
	Ints                // int64; null is NoInt
	JSONs               // JSON text; null is empty
)

// NoInt stands for null in a column of Ints.
const NoInt = math.MinInt64

// Wanted is a column and what it is read as.
type Wanted struct {
	Name string
	Kind Kind
}

type wantedColumn struct {
	Wanted
	node *node // nil: the file has no such column
	at   int   // among those of its kind
	read bool  // of the open row group, by EachNumbers
}

// Texts are the values of a column for a run of rows. Equal neighbours share their bytes.
type Texts struct {
	buf   []byte
	spans [][2]int
	last  []byte // the value, as it is stored, of the last span
}

// Of is the text of row i of the run; empty for null.
func (t *Texts) Of(i int) []byte { return t.buf[t.spans[i][0]:t.spans[i][1]] }

// Same says whether rows i and i-1 of the run are known to have the same text.
func (t *Texts) Same(i int) bool { return i > 0 && t.spans[i] == t.spans[i-1] }

// Reset makes it empty.
func (t *Texts) Reset() { t.buf, t.spans = t.buf[:0], t.spans[:0] }

// Append adds a row's text.
func (t *Texts) Append(text []byte) {
	lo := len(t.buf)
	t.buf = append(t.buf, text...)
	t.spans = append(t.spans, [2]int{lo, len(t.buf)})
}

// OpenColumns begins to read columns of the file r of size bytes. A name that the file lacks is no error: its values
// are null. maxHeld bounds the bytes of pages that are in memory; 0: no bound.
func OpenColumns(ctx context.Context, r io.ReaderAt, size int64, wanted []Wanted, maxHeld int64) (_ *Columns, err error) {
	defer recovered(&err, "footer")
	c := &Columns{}
	if c.footer, err = readFooter(r, size); err != nil {
		return nil, err
	}
	c.source = source{r: r, end: c.footer.start, ctx: ctx, maxHeld: maxHeld}
	paths := make([]record.Path, 0, len(wanted))
	for _, w := range wanted {
		paths = append(paths, record.NamePath(w.Name))
	}
	if c.schema, err = newSchema(c.footer, &c.source, paths); err != nil {
		return nil, err
	}
	for i := range c.footer.groups {
		if n := len(c.footer.groups[i].columns); n != c.schema.leaves {
			return nil, damaged("row group %d has %d columns, and the schema has %d", i, n, c.schema.leaves)
		}
	}
	for _, w := range wanted {
		col := wantedColumn{Wanted: w}
		switch w.Kind {
		case Numbers:
			col.at = len(c.numbers)
			c.numbers = append(c.numbers, nil)
		case Ints:
			col.at = len(c.ints)
			c.ints = append(c.ints, nil)
		default:
			col.at = len(c.texts)
			c.texts = append(c.texts, Texts{})
		}
		for _, n := range c.schema.root.children {
			if n.name != w.Name {
				continue
			}
			if n.column == nil || n.repeated || n.column.maxRep > 0 || w.Kind != JSONs && !n.isNumber() {
				return nil, fmt.Errorf("its column %q is no %s", w.Name, [...]string{"number", "number", "plain value"}[w.Kind])
			}
			col.node = n
			c.opened = append(c.opened, n.lo)
		}
		c.wanted = append(c.wanted, col)
	}
	c.source.ahead = min(max(minAhead, totalAhead/max(1, len(c.opened))), maxAhead)
	return c, nil
}

func (n *node) isNumber() bool {
	switch n.format.kind {
	case formatBool, formatInt, formatUint, formatFloat32, formatFloat64:
		return true
	}
	return false
}

// Has says whether the file has the column that was asked for as number i.
func (c *Columns) Has(i int) bool { return c.wanted[i].node != nil }

// Rows is how many the file has.
func (c *Columns) Rows() int64 { return max(0, c.footer.rows) }

// Next reads up to most rows of one row group, and says how many: 0 at the end of the file.
func (c *Columns) Next(ctx context.Context, most int) (rows int, err error) {
	defer recovered(&err, fmt.Sprintf("behind row group %d", c.group))
	c.source.ctx = ctx
	if err := c.begin(); err != nil || c.left == 0 {
		return 0, err
	}
	rows = int(min(int64(most), c.left))
	for i := range c.wanted {
		w := &c.wanted[i]
		if w.read {
			continue
		}
		switch w.Kind {
		case Numbers:
			c.numbers[w.at] = resized(c.numbers[w.at], rows)
			err = w.readNumbers(c.numbers[w.at])
		case Ints:
			c.ints[w.at] = resized(c.ints[w.at], rows)
			err = w.readInts(c.ints[w.at])
		default:
			err = w.readTexts(&c.texts[w.at], rows)
		}
		if err != nil {
			return 0, err
		}
	}
	if c.left -= int64(rows); c.left == 0 {
		for _, i := range c.opened {
			if col := c.schema.columns[i]; !col.ended() {
				return 0, col.tooMany()
			}
		}
	}
	return rows, nil
}

// begin opens the columns of the next row group that has rows, if none are left of the open one.
func (c *Columns) begin() error {
	for c.left == 0 && c.group < len(c.footer.groups) {
		g := &c.footer.groups[c.group]
		c.source.group = c.group
		c.group++
		c.rows, c.left = g.rows, g.rows
		for i := range c.wanted {
			c.wanted[i].read = false
		}
		if c.left == 0 {
			continue
		}
		for _, i := range c.opened {
			if err := c.schema.columns[i].open(&g.columns[c.schema.columnAt[i]]); err != nil {
				return err
			}
		}
	}
	return nil
}

// NextGroup begins the next row group where Next has read all of the one before, and says how many rows it has: 0 at the
// end of the file.
func (c *Columns) NextGroup(ctx context.Context) (rows int64, err error) {
	defer recovered(&err, fmt.Sprintf("behind row group %d", c.group))
	c.source.ctx = ctx
	err = c.begin()
	return c.left, err
}

// EachNumbers gives f the column asked for as number i, which is one of Numbers, of the row group that NextGroup has
// begun, in order and up to most rows at a time; f does not keep them. Next then leaves the column out. Columns that are
// read so, one behind the other, share the memory for a page, while Next holds a page of each.
func (c *Columns) EachNumbers(i, most int, f func(values []float64)) (err error) {
	defer recovered(&err, fmt.Sprintf("in row group %d", c.group))
	w := &c.wanted[i]
	if c.left != c.rows || w.read || w.Kind != Numbers {
		panic("parquet: EachNumbers of rows that have been read") // a bug of the caller
	}
	w.read = true
	if w.node != nil {
		col := w.node.column
		col.page, col.window = c.page, c.window[:0]
		defer func() { c.page, c.window, col.page, col.window, col.used = col.page, col.window, nil, nil, 0 }()
	}
	for left := c.rows; left > 0; {
		n := int(min(int64(most), left))
		left -= int64(n)
		c.numbers[w.at] = resized(c.numbers[w.at], n)
		if err := w.readNumbers(c.numbers[w.at]); err != nil {
			return err
		}
		f(c.numbers[w.at])
	}
	if w.node != nil && !w.node.column.ended() {
		return w.node.column.tooMany()
	}
	return nil
}

// tooMany is the error of a column that has not ended with its row group.
func (c *column) tooMany() error {
	return c.damaged(damaged("it has more entries than the row group has rows"))
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Numbers are the values of the rows that Next has read, of the column asked for as number i. They are valid until the
// next call.
func (c *Columns) Numbers(i int) []float64 { return c.numbers[c.wanted[i].at] }

// Ints are the same of a column of integers.
func (c *Columns) Ints(i int) []int64 { return c.ints[c.wanted[i].at] }

// Texts are the same of a column of JSON texts.
func (c *Columns) Texts(i int) *Texts { return &c.texts[c.wanted[i].at] }

// alike opens pages until there is an entry, and gives how many of the next n are all there, or all null.
func (c *column) alike(n int) (run int, present bool, err error) {
	for c.inPage == 0 {
		if c.left == 0 {
			return 0, false, c.damaged(damaged("it has fewer entries than the row group has rows"))
		}
		if err := c.nextPage(); err != nil {
			return 0, false, c.damaged(err)
		}
	}
	run = int(min(int64(n), c.inPage))
	if c.maxDef == 0 {
		c.inPage -= int64(run)
		return run, true, nil
	}
	d := &c.defs
	if d.run == 0 {
		if err := d.head(); err != nil {
			return 0, false, c.damaged(c.bad("definition levels", err))
		}
	}
	level := d.value
	if d.packed {
		if level, err = d.take(); err != nil {
			return 0, false, c.damaged(c.bad("definition levels", err))
		}
		run = 1
	} else {
		run = int(min(int64(run), d.run))
		d.run -= int64(run)
	}
	if int(level) > c.maxDef {
		return 0, false, c.damaged(c.bad("definition levels", nil))
	}
	c.inPage -= int64(run)
	return run, int(level) == c.maxDef, nil
}

// readNumbers reads len(dst) entries.
func (w *wantedColumn) readNumbers(dst []float64) error {
	if w.node == nil {
		for i := range dst {
			dst[i] = math.NaN()
		}
		return nil
	}
	c := w.node.column
	for len(dst) > 0 {
		n, present, err := c.alike(len(dst))
		if err != nil {
			return err
		}
		run := dst[:n]
		dst = dst[n:]
		switch {
		case !present:
			for i := range run {
				run[i] = math.NaN()
			}
		case c.physical == typeDouble && c.values.encoding == encodingPlain:
			b, err := c.values.cut(8 * n)
			if err != nil {
				return c.damaged(c.bad("values", err))
			}
			for i := range run {
				run[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
			}
		default:
			for i := range run {
				bits, err := c.values.bits()
				if err != nil {
					return c.damaged(c.bad("values", err))
				}
				run[i] = w.node.format.number(bits)
			}
		}
	}
	return nil
}

// number is the value of a boolean or number.
func (f *format) number(bits uint64) float64 {
	switch f.kind {
	case formatFloat64:
		return math.Float64frombits(bits)
	case formatFloat32:
		return float64(math.Float32frombits(uint32(bits)))
	case formatUint:
		if f.bits == 32 {
			bits = uint64(uint32(bits))
		}
		return float64(bits)
	case formatBool:
		return float64(bits & 1)
	}
	return float64(f.signed(bits))
}

// readInts reads len(dst) entries.
func (w *wantedColumn) readInts(dst []int64) error {
	if w.node == nil {
		for i := range dst {
			dst[i] = NoInt
		}
		return nil
	}
	c, f := w.node.column, &w.node.format
	for len(dst) > 0 {
		n, present, err := c.alike(len(dst))
		if err != nil {
			return err
		}
		run := dst[:n]
		dst = dst[n:]
		if !present {
			for i := range run {
				run[i] = NoInt
			}
			continue
		}
		if c.physical == typeInt64 && f.kind == formatInt && c.values.encoding == encodingPlain {
			b, err := c.values.cut(8 * n)
			if err != nil {
				return c.damaged(c.bad("values", err))
			}
			for i := range run {
				run[i] = f.signed(binary.LittleEndian.Uint64(b[8*i:]))
			}
			continue
		}
		for i := range run {
			bits, err := c.values.bits()
			if err != nil {
				return c.damaged(c.bad("values", err))
			}
			if f.kind == formatInt {
				run[i] = f.signed(bits)
			} else if v := f.number(bits); v >= -1<<53 && v <= 1<<53 {
				run[i] = int64(v)
			} else {
				return c.damaged(fmt.Errorf("%v is no integer that is known exactly", v))
			}
		}
	}
	return nil
}

// readTexts reads n entries.
func (w *wantedColumn) readTexts(t *Texts, n int) error {
	t.Reset()
	t.last = t.last[:0]
	if w.node == nil {
		for range n {
			t.spans = append(t.spans, [2]int{})
		}
		return nil
	}
	c := w.node.column
	some := false   // last is the value of the entry before
	var last []byte // t.last, or where it stands in the page, as long as that is open
	for n > 0 {
		left := c.left
		run, present, err := c.alike(n)
		if err != nil {
			return err
		}
		if c.left != left { // that page is gone
			some = false
		}
		n -= run
		if !present {
			for range run {
				t.spans = append(t.spans, [2]int{len(t.buf), len(t.buf)})
			}
			some = false
			continue
		}
		for range run {
			switch c.physical {
			case typeByteArray, typeFixedLenByteArray, typeInt96:
				b, err := c.values.bytes()
				if err != nil {
					return c.damaged(c.bad("values", err))
				}
				if some && bytes.Equal(b, last) {
					t.spans = append(t.spans, t.spans[len(t.spans)-1])
					continue
				}
				if last, some = b, true; c.values.encoding != encodingPlain { // b is the stream's until the next value
					t.last = append(t.last[:0], b...)
					last = t.last
				}
				c.bytes = b
			default:
				bits, err := c.values.bits()
				if err != nil {
					return c.damaged(c.bad("values", err))
				}
				c.bits = bits
			}
			lo := len(t.buf)
			t.buf = w.node.appendJSON(t.buf)
			if c.s.err != nil {
				return c.s.err
			}
			t.spans = append(t.spans, [2]int{lo, len(t.buf)})
		}
	}
	return nil
}

// appendJSON writes the column's current value.
func (n *node) appendJSON(dst []byte) []byte {
	c := n.column
	switch k := n.format.kind; {
	case n.isJSON:
		return append(dst, c.bytes...)
	case k == formatString, k == formatText && isText(c.bytes):
		return appendString(dst, c.bytes)
	case k == formatText, k == formatBytes:
		dst = append(dst, openBytes...)
		dst = appendBase64(dst, c.bytes)
		return append(dst, closeBytes...)
	case k == formatDecimalBytes:
		var big bigScratch
		return appendBigDecimal(dst, c.bytes, n.format.scale, &big)
	}
	return n.format.appendValue(dst, c)
}
