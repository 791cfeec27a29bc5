package parquet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"slices"
	"sort"
	"strings"

	"curate/record"
)

// Lists reads a file whose columns are lists of whole numbers, or whole numbers: not as JSON, but the values themselves,
// by row. Each column has a cursor of its own, so that one can be read without the others, and going from one row to the
// next decodes each page once. Going back decodes from the begin of the row group. A Lists belongs to one goroutine.
//
// It holds a page of each column, decompressed and compressed, at most maxListPages of them, and a block of values.
type Lists struct {
	rows    int64
	cursors []listCursor
}

const (
	// maxListPages is what a column may hold of pages, in bytes: a page has a whole row at least.
	maxListPages = 1 << 30
	listAhead    = 256 << 10 // bytes that a column reads at a time, at least
	listBlock    = 1024      // entries decoded at a time: a page of few bytes may claim 2^31 of them
)

// listCursor stands in one column.
type listCursor struct {
	Column
	source source
	column *column
	leaf   int // number of the column among all leaves
	empty  int // definition level of a list without elements
	begins []int64
	groups []rowGroup

	group int   // the open row group; -1: none
	row   int64 // the row to come, if it is not begun
	begun bool  // the first entry of the row was taken

	// A block of entries. Values are those of the entries that have one.
	reps, defs, indices []uint32
	values              []int32
	at, entries, value  int
	wasEmpty            bool // the entry before was an empty list, which has no second entry
}

// OpenLists reads the footer of a file that has these columns in this order, and no other. Of their types Int8, Int16,
// Int32 and Int64 are possible; whether a column may be null is not looked at, but a null is refused when it is read.
// Errors name what is wrong and the remedy, not the file.
func OpenLists(r io.ReaderAt, size int64, columns []Column) (_ *Lists, err error) {
	defer recovered(&err, "footer")
	f, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	l := &Lists{cursors: make([]listCursor, len(columns))}
	begins := make([]int64, 1, len(f.groups)+1)
	for i := range f.groups {
		if l.rows > math.MaxInt64-f.groups[i].rows {
			return nil, damaged("its row groups have more rows than can be counted")
		}
		l.rows += f.groups[i].rows
		begins = append(begins, l.rows)
	}
	top := topFields(f)
	if want := names(columns); !slices.Equal(top, want) {
		return nil, fmt.Errorf("its columns are %s, and %s are expected", quoted(top), quoted(want))
	}
	for i, c := range columns {
		if err := l.cursors[i].init(r, f, c); err != nil {
			return nil, err
		}
		l.cursors[i].begins = begins
	}
	return l, nil
}

func names(columns []Column) []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

// quoted names at most a few of what a stranger's file has.
func quoted(names []string) string {
	const few = 20
	var b strings.Builder
	for i, n := range names {
		if i == few {
			fmt.Fprintf(&b, " and %d more", len(names)-few)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.80q", n)
	}
	return b.String()
}

// topFields are the names of the fields below the root of the schema.
func topFields(f *footer) []string {
	var names []string
	open := []int32{} // children to come, a level each
	for i, e := range f.schema {
		if len(open) == 1 {
			names = append(names, e.name)
		}
		if i > 0 {
			if len(open) == 0 {
				break
			}
			open[len(open)-1]--
		}
		if e.physical < 0 && e.children > 0 {
			open = append(open, e.children)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
	}
	return names
}

func (x *listCursor) init(r io.ReaderAt, f *footer, c Column) error {
	path, err := record.ParsePath(c.Name)
	if err != nil {
		return err
	}
	*x = listCursor{Column: c, group: -1, groups: f.groups}
	x.source = source{r: r, end: f.start, ctx: context.Background(), maxHeld: maxListPages, ahead: listAhead}
	s, err := newSchema(f, &x.source, []record.Path{path})
	if err != nil {
		return err
	}
	for i := range f.groups {
		if n := len(f.groups[i].columns); n != s.leaves {
			return damaged("row group %d has %d columns, and the schema has %d", i, n, s.leaves)
		}
	}
	if len(s.root.children) != 1 {
		return damaged("the schema has %d columns %q", len(s.root.children), c.Name)
	}
	n := s.root.children[0]
	if c.List {
		if n.shape != shapeList {
			return x.otherwise()
		}
		x.empty = n.children[0].def - 1
		n = n.element
	}
	if n.column == nil || n.rep != s.columns[0].maxRep || n.rep > 1 || (n.rep == 1) != c.List || len(s.columns) != 1 {
		return x.otherwise()
	}
	x.column, x.leaf = n.column, s.columnAt[0]
	e, leaf := schemaElement{}, -1
	for _, e = range f.schema {
		if e.physical >= 0 {
			leaf++
		}
		if leaf == x.leaf {
			break
		}
	}
	a, bits := e.annotation, 8*storages[c.Type].raw
	integer := a.logical == logicalInteger && a.signed && a.bits == bits
	if e.physical != storages[c.Type].physical || !integer && (a.logical != logicalNone || bits < 32) {
		return x.otherwise()
	}
	return nil
}

func (x *listCursor) otherwise() error {
	what := storages[x.Type].name
	if x.List {
		what = "a list of " + what
	}
	return fmt.Errorf("column %q is not %s, as is expected", x.Name, what)
}

// Rows of the file.
func (l *Lists) Rows() int64 { return l.rows }

var (
	errNullValue = errors.New("it has a null, and only numbers are expected")
	errTooFar    = errors.New("it has a number that does not fit in 32 bits")
)

// Append appends the values of a row, from 0, in a column, from 0; one that does not fit in an int32 is an error, and so
// are more than limit of them.
func (l *Lists) Append(dst []int32, column int, row int64, limit int) (_ []int32, err error) {
	x := &l.cursors[column]
	defer func() {
		if v := recover(); v != nil { // here, since it gives nothing in a function that is called from here
			err = fmt.Errorf("row %d, column %q: reading it failed in a way that is a bug in curate; please report it with the file: %v\n%s", row, x.Name, v, debug.Stack())
		}
		if err != nil {
			x.group = -1 // the next row begins with its row group, and without the error
		}
	}()
	if row < 0 || row >= l.rows {
		return dst, fmt.Errorf("there is no row %d: the file has %d", row, l.rows)
	}
	if err := x.seek(row); err != nil {
		return dst, x.explain(err)
	}
	for n := 0; ; {
		v, err := x.next()
		if err != nil {
			return dst, x.explain(err)
		}
		if len(v) == 0 {
			return dst, nil
		}
		if n += len(v); n > limit {
			return dst, fmt.Errorf("row %d, column %q: it has more than %d values", row, x.Name, limit)
		}
		dst = append(dst, v...)
	}
}

func (x *listCursor) explain(err error) error {
	if errors.Is(err, errHeld) {
		return fmt.Errorf("row group %d, column %q: a page takes more than %d MiB; write the file again with smaller pages", x.group, x.Name, maxListPages>>20)
	}
	return err
}

// seek goes to the begin of a row.
func (x *listCursor) seek(row int64) error {
	if x.group < 0 || row < x.row || x.begun && row == x.row || row >= x.begins[x.group+1] {
		if err := x.open(sort.Search(len(x.groups), func(i int) bool { return x.begins[i+1] > row })); err != nil {
			return err
		}
	}
	for x.begun || x.row < row {
		if _, err := x.next(); err != nil {
			return err
		}
	}
	return nil
}

// open begins a row group.
func (x *listCursor) open(group int) error {
	x.source.err, x.source.group = nil, group
	x.group, x.row, x.begun, x.wasEmpty = group, x.begins[group], false, false
	x.at, x.entries = 0, 0
	return x.column.open(&x.groups[group].columns[x.leaf])
}

// next gives more values of the row, valid until the next call; none at its end, and then it stands at the next row.
func (x *listCursor) next() ([]int32, error) {
	if x.at == x.entries {
		more, err := x.fill()
		if err != nil {
			return nil, err
		}
		if !more {
			if !x.begun {
				return nil, x.column.damaged(damaged("it has fewer entries than the row group has rows"))
			}
			return nil, x.end()
		}
	}
	first := x.at
	if !x.begun {
		if x.column.maxRep > 0 && x.reps[first] != 0 {
			return nil, x.column.damaged(damaged("its first row has no begin"))
		}
		x.begun = true
		x.at++
		if x.column.maxDef > 0 && int(x.defs[first]) < x.column.maxDef {
			return nil, x.end() // an empty list
		}
	} else if x.column.maxRep == 0 || x.reps[first] == 0 {
		return nil, x.end()
	}
	if x.column.maxRep > 0 {
		for x.at < x.entries && x.reps[x.at] != 0 {
			x.at++
		}
	}
	v := x.values[x.value : x.value+x.at-first]
	x.value += len(v)
	return v, nil
}

// end goes behind the row.
func (x *listCursor) end() error {
	x.begun = false
	x.row++
	if x.row < x.begins[x.group+1] {
		return nil
	}
	if x.at < x.entries || x.column.inPage > 0 || x.column.left > 0 {
		return x.column.damaged(damaged("it has more entries than the row group has rows"))
	}
	return nil
}

// fill decodes the next block of entries, and says whether there is one.
func (x *listCursor) fill() (more bool, err error) {
	c := x.column
	for c.inPage == 0 {
		if c.left == 0 {
			return false, nil
		}
		if err := c.nextPage(); err != nil {
			return false, c.damaged(err)
		}
	}
	n := int(min(c.inPage, listBlock))
	c.inPage -= int64(n)
	x.at, x.entries, x.value = 0, n, 0
	if x.values == nil {
		x.values, x.indices = make([]int32, listBlock), make([]uint32, listBlock)
		x.reps, x.defs = make([]uint32, listBlock), make([]uint32, listBlock)
	}
	present := n
	if c.maxRep > 0 {
		if err := c.reps.fill(x.reps[:n]); err != nil {
			return false, c.damaged(c.bad("repetition levels", err))
		}
	}
	if c.maxDef > 0 {
		if err := c.defs.fill(x.defs[:n]); err != nil {
			return false, c.damaged(c.bad("definition levels", err))
		}
		if present, err = x.count(n); err != nil {
			return false, c.damaged(err)
		}
	}
	if c.maxRep > 0 && slices.Max(x.reps[:n]) > 1 {
		return false, c.damaged(c.bad("repetition levels", nil))
	}
	if err := c.values.fill(x.values[:present], x.indices); err != nil {
		return false, c.damaged(c.bad("values", err))
	}
	return true, nil
}

// count is how many of n entries have a value. It refuses nulls, and lists that are empty and go on.
func (x *listCursor) count(n int) (present int, err error) {
	maxDef, list := uint32(x.column.maxDef), x.column.maxRep > 0
	for i, d := range x.defs[:n] {
		if x.wasEmpty && x.reps[i] != 0 {
			return 0, damaged("%w", errUneven)
		}
		x.wasEmpty = false
		switch {
		case d == maxDef:
			present++
		case d > maxDef:
			return 0, x.column.bad("definition levels", nil)
		case list && int(d) == x.empty && x.reps[i] == 0:
			x.wasEmpty = true
		default:
			return 0, errNullValue
		}
	}
	return present, nil
}

// fill gives the next len(dst) values.
func (h *hybrid) fill(dst []uint32) error {
	for len(dst) > 0 {
		if h.run == 0 {
			if err := h.head(); err != nil {
				return err
			}
		}
		n := int(min(h.run, int64(len(dst))))
		h.run -= int64(n)
		if h.packed {
			for i := range dst[:n] {
				dst[i] = uint32(unpack(h.data, h.bit, h.width))
				h.bit += int64(h.width)
			}
		} else {
			for i := range dst[:n] {
				dst[i] = h.value
			}
		}
		dst = dst[n:]
	}
	return nil
}

// fill gives the next len(dst) values of a page of whole numbers.
func (s *stream) fill(dst []int32, scratch []uint32) error {
	switch {
	case s.encoding == encodingPlain:
		if len(dst)*s.width > len(s.data) {
			return errShort
		}
		if s.width == 4 {
			for i := range dst {
				dst[i] = int32(binary.LittleEndian.Uint32(s.data[4*i:]))
			}
		} else {
			for i := range dst {
				v := int64(binary.LittleEndian.Uint64(s.data[8*i:]))
				if int64(int32(v)) != v {
					return errTooFar
				}
				dst[i] = int32(v)
			}
		}
		s.data = s.data[len(dst)*s.width:]
	case s.encoding == encodingDictionary:
		indices := scratch[:len(dst)]
		if err := s.hybrid.fill(indices); err != nil {
			return err
		}
		d := s.dict
		for i, k := range indices {
			if uint64(k) >= uint64(d.count) {
				return errCorrupt
			}
			v := int64(int32(binary.LittleEndian.Uint32(d.data[int(k)*d.width:])))
			if d.width == 8 {
				if w := int64(binary.LittleEndian.Uint64(d.data[int(k)*8:])); w != v {
					return errTooFar
				}
			}
			dst[i] = int32(v)
		}
	default:
		for i := range dst {
			u, err := s.bits()
			if err != nil {
				return err
			}
			v := int64(u)
			if s.physical == typeInt32 {
				v = int64(int32(u))
			} else if int64(int32(v)) != v {
				return errTooFar
			}
			dst[i] = int32(v)
		}
	}
	return nil
}
