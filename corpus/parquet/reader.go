package parquet

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sort"

	"curate/corpus/split"
	"curate/record"
)

// reader gives the rows of a file. A split is a run of whole row groups.
type reader struct {
	o       split.Options
	footer  *footer
	schema  *schema
	source  source
	rows    rows
	borders []border // of all splits, and the end
	split   int      // the one that is open
	group   int      // the next row group
	left    int64    // rows of the open row group not yet made
	row     int64    // number of the next row to give
	full    int64    // length of the row in rows.buf that was made but not given; -1: none
	ended   bool
}

// border is where a split begins.
type border struct {
	row   int64
	group int
}

// Bounds of what a column reads at a time, in bytes: a page header and a small page at least, and for all columns
// of a wide file together not more than a few megabytes.
const (
	minAhead   = 16 << 10
	maxAhead   = 256 << 10
	totalAhead = 8 << 20
)

// openAt reads the footer of a file and stands at o.From. Errors name what is wrong and the remedy, not the file.
func openAt(ctx context.Context, r io.ReaderAt, size int64, o split.Options) (_ split.Reader, err error) {
	defer recovered(&err, "footer")
	p := &reader{o: o, full: -1}
	if p.footer, err = readFooter(r, size); err != nil {
		return nil, err
	}
	p.source = source{r: r, end: p.footer.start, ctx: ctx, maxHeld: o.MaxHeld}
	if p.schema, err = newSchema(p.footer, &p.source, o.Columns); err != nil {
		return nil, err
	}
	for i := range p.footer.groups {
		if n := len(p.footer.groups[i].columns); n != p.schema.leaves {
			return nil, damaged("row group %d has %d columns, and the schema has %d", i, n, p.schema.leaves)
		}
	}
	p.source.ahead = min(max(minAhead, totalAhead/max(1, len(p.schema.columns))), maxAhead)
	p.rows = rows{root: p.schema.root, columns: p.schema.columns, source: &p.source, o: o, records: p.footer.records}
	p.cut()
	at := sort.Search(len(p.borders)-1, func(i int) bool { return p.borders[i].row >= o.From.Offset })
	if at == len(p.borders)-1 && o.From.Offset > 0 || p.borders[at].row != o.From.Offset {
		return nil, fmt.Errorf("has no split that begins with row %d, from which the run goes on: the file changed; begin again with --restart", o.From.Offset)
	}
	p.split, p.group, p.row = at, p.borders[at].group, p.borders[at].row
	return p, nil
}

// cut finds the splits: row groups are taken together while they have up to SplitSize bytes.
func (p *reader) cut() {
	p.borders = []border{{}}
	row, bytes := int64(0), int64(0)
	begun := false // the open split has rows
	for i := range p.footer.groups {
		g := &p.footer.groups[i]
		if g.rows == 0 {
			continue
		}
		if begun && g.bytes > p.o.SplitSize-bytes {
			p.borders = append(p.borders, border{row, i})
			bytes = 0
		}
		begun = true
		row += g.rows
		bytes += min(g.bytes, p.o.SplitSize)
	}
	p.borders = append(p.borders, border{row, len(p.footer.groups)})
}

// recovered turns a panic into an error: a file must not end the program, whatever is in it.
func recovered(err *error, where string) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s: reading it failed in a way that is a bug in curate; please report it with the file: %v\n%s", where, v, debug.Stack())
	}
}

// Next gives rows of one split, or the mark of its end.
func (p *reader) Next(ctx context.Context, c *split.Chunk) (err error) {
	if p.ended {
		return io.EOF
	}
	if p.source.err != nil {
		return p.source.err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	defer recovered(&err, fmt.Sprintf("behind row group %d", p.source.group)) // called by itself, or recover does nothing
	*c = split.Chunk{File: p.o.File, Split: p.split, Offset: p.row, End: p.row, MaxRecord: p.o.MaxRecord, Buf: c.Buf[:0], IDs: c.IDs[:0]}
	if c.IDs == nil {
		c.IDs = []record.ID{}
	}
	for p.row < p.borders[p.split+1].row {
		if p.full < 0 {
			if err := p.make(ctx); err != nil {
				return err
			}
		}
		if more := p.give(c); !more {
			return nil
		}
	}
	if c.Lines == 0 {
		c.Last = true
		p.split++
		if p.split == len(p.borders)-1 {
			c.EOF, p.ended = true, true
		}
	}
	return nil
}

// make makes the next row.
func (p *reader) make(ctx context.Context) (err error) {
	p.source.ctx = ctx
	for p.left == 0 {
		g := &p.footer.groups[p.group]
		p.source.group = p.group
		p.group++
		if p.left = g.rows; p.left == 0 {
			continue
		}
		for i, c := range p.schema.columns {
			if err := c.open(&g.columns[p.schema.columnAt[i]]); err != nil {
				p.source.fail(err)
				return err
			}
		}
	}
	if p.full, err = p.rows.next(ctx); err != nil {
		p.full = -1
		p.source.fail(err)
		return err
	}
	if p.left--; p.left == 0 {
		for _, c := range p.schema.columns {
			if !c.ended() {
				c.fail(damaged("it has more entries than the row group has rows"))
				return p.source.err
			}
		}
	}
	return nil
}

// idLen is what a row costs beside its bytes, so that chunks of tiny rows stay small, too.
const idLen = 8

// give adds the row that was made to the chunk, and says whether there may be room for another.
func (p *reader) give(c *split.Chunk) (more bool) {
	b := p.rows.buf
	switch {
	case p.full > int64(p.o.MaxRecord):
		if c.Lines > 0 {
			return false
		}
		c.Buf = append(c.Buf, b...)
		c.Skipped = p.full
		if cap(b) > 2*p.o.ChunkSize {
			p.rows.buf = nil // it held a row of MaxRecord bytes
		}
	case c.Lines > 0 && len(c.Buf)+len(b)+idLen*(len(c.IDs)+1) > p.o.ChunkSize:
		return false
	case c.Lines == 0 && len(b) > p.o.ChunkSize:
		c.Buf, p.rows.buf = b, nil // not copied: there would be two of it; what c had stays its owner's
	default:
		if cap(c.Buf) < p.o.ChunkSize {
			c.Buf = append(make([]byte, 0, p.o.ChunkSize), c.Buf...)
		}
		c.Buf = append(c.Buf, b...)
	}
	c.IDs = append(c.IDs, record.MakeID(p.o.File, p.row))
	c.Lines++
	p.row++
	c.End = p.row
	p.full = -1
	return c.Skipped == 0 && len(c.Buf) < p.o.ChunkSize
}

// Starts are the rows with which the splits begin.
func (p *reader) Starts() []int64 {
	var list []int64
	for _, b := range p.borders[:len(p.borders)-1] {
		list = append(list, b.row)
	}
	return list
}
