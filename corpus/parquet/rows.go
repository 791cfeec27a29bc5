package parquet

import (
	"bytes"
	"context"
	"errors"

	"curate/corpus/split"
)

// rows writes the rows of a file as JSON, one after another: the record assembly of the Dremel paper
// (Melnik et al., 2010, section 4.2) as a walk down the schema that takes entries from the columns.
type rows struct {
	root    *node
	columns []*column
	source  *source
	o       split.Options
	records bool // the file is one that Records wrote
	big     bigScratch

	buf   []byte // the row; its first bytes, once it is too long
	grown bool   // memory for a row above ChunkSize was asked for
	cut   int64  // bytes of the row that are no longer in buf
	steps int
}

// pieceLen is how much of a byte array is written before the row's length is looked at. A multiple of 3, for
// base64.
const pieceLen = 48 << 10

var errUneven = errors.New("its repetition and definition levels do not go with those of its neighbours")

// next writes the next row, with its line feed, to buf. full is its length without line feed. If that is above
// MaxRecord, buf holds the first split.KeepOfTruncated bytes only, and no line feed.
func (r *rows) next(ctx context.Context) (full int64, err error) {
	r.source.ctx = ctx
	r.buf, r.grown, r.cut = r.buf[:0], false, 0
	if r.records {
		r.record(r.root)
	} else {
		r.object(r.root, 0)
	}
	if r.source.err != nil {
		return 0, r.source.err
	}
	full = int64(len(r.buf)) + r.cut
	if full > int64(r.o.MaxRecord) {
		r.buf = r.buf[:min(len(r.buf), split.KeepOfTruncated)]
		return full, nil
	}
	r.buf = append(r.buf, '\n')
	return full, nil
}

// check keeps the row's length in its bounds. It is called after every piece.
func (r *rows) check() {
	if len(r.buf) <= r.o.ChunkSize && r.cut == 0 {
		return
	}
	if r.steps++; r.steps&0xffff == 0 && r.source.ctx.Err() != nil {
		r.source.fail(context.Cause(r.source.ctx))
	}
	if !r.grown && len(r.buf) > r.o.ChunkSize {
		r.grown = true
		if r.o.Grow != nil {
			if err := r.o.Grow(r.source.ctx); err != nil {
				r.source.fail(err)
			}
		}
	}
	if r.cut > 0 || len(r.buf) > max(r.o.MaxRecord, split.KeepOfTruncated) {
		r.cut += int64(len(r.buf) - split.KeepOfTruncated)
		r.buf = r.buf[:split.KeepOfTruncated]
	}
}

// value writes what is at n. rep is the repetition level that the first entry of each column below n must have.
func (r *rows) value(n *node, rep int) {
	if n.repeated { // without a list around it
		r.list(n, n, rep)
		return
	}
	if n.optional && r.missing(n, rep) {
		r.buf = append(r.buf, "null"...)
		r.check()
		return
	}
	r.present(n, rep)
}

// missing says whether n is null or empty, and takes the entries that say so.
func (r *rows) missing(n *node, rep int) bool {
	first := r.columns[n.lo]
	first.load()
	if first.def >= n.def {
		return false
	}
	for _, c := range r.columns[n.lo:n.hi] {
		c.load()
		if c.rep != rep || c.def >= n.def {
			c.fail(damaged("%w", errUneven))
			return true
		}
		c.loaded = false
	}
	return true
}

// present writes n, which is there.
func (r *rows) present(n *node, rep int) {
	switch n.shape {
	case shapeValue:
		r.leaf(n, rep)
	case shapeObject:
		r.object(n, rep)
	case shapeList:
		r.list(n.children[0], n.element, rep)
	case shapeMap, shapePairs:
		r.entries(n, rep)
	}
}

func (r *rows) object(n *node, rep int) {
	r.buf = append(r.buf, '{')
	for i, c := range n.children {
		if i > 0 {
			r.buf = append(r.buf, ',')
		}
		r.buf = append(r.buf, c.key...)
		r.value(c, rep)
	}
	r.buf = append(r.buf, '}')
	r.check()
}

// record writes a row of a file of Records as the record that it was made of: no member for null, JSON as it is,
// and what is in the extra column among the others.
func (r *rows) record(root *node) {
	r.buf = append(r.buf, '{')
	any := false
	comma := func() {
		if any {
			r.buf = append(r.buf, ',')
		}
		any = true
	}
	for _, c := range root.children {
		if c.optional && r.missing(c, 0) {
			continue
		}
		if !c.isJSON || c.repeated {
			comma()
			r.buf = append(r.buf, c.key...)
			r.value(c, 0)
			continue
		}
		if c.column.load(); c.column.rep != 0 || c.column.def != c.column.maxDef {
			c.column.fail(damaged("%w", errUneven))
			return
		}
		b := c.column.bytes
		if n := len(b); c.name != ExtraColumn || n < 2 || b[0] != '{' || b[n-1] != '}' {
			comma()
			r.buf = append(r.buf, c.key...)
			r.raw(b)
		} else if b = bytes.TrimSpace(b[1 : n-1]); len(b) > 0 {
			comma()
			r.raw(b)
		}
		c.column.loaded = false
	}
	r.buf = append(r.buf, '}')
	r.check()
}

// raw writes JSON as it is stored. It may not be any, after other hands than curate's had the file; but a record is one
// line, and the strict parser sees to the rest.
func (r *rows) raw(b []byte) {
	for len(b) > 0 {
		p := b[:min(len(b), pieceLen)]
		b = b[len(p):]
		at := len(r.buf)
		r.buf = append(r.buf, p...)
		for i := bytes.IndexByte(r.buf[at:], '\n'); i >= 0; i = bytes.IndexByte(r.buf[at:], '\n') {
			at += i
			r.buf[at] = ' '
		}
		r.check()
	}
}

// each calls f for each repetition of n.
func (r *rows) each(n *node, rep int, f func(rep int)) {
	if r.missing(n, rep) {
		return
	}
	first := r.columns[n.lo]
	f(rep)
	for first.nextRep() == n.rep && r.source.err == nil {
		r.buf = append(r.buf, ',')
		f(n.rep)
	}
}

// list writes the repetitions of n. What each holds is element: n or the field of it.
func (r *rows) list(n, element *node, rep int) {
	r.buf = append(r.buf, '[')
	r.each(n, rep, func(rep int) {
		if element == n {
			r.present(n, rep)
		} else {
			r.value(element, rep)
		}
	})
	r.buf = append(r.buf, ']')
	r.check()
}

// entries writes a map in the order in which it is stored. A key that comes twice is written twice: the strict
// parser behind quarantines the record and says why, instead of one of the values being lost.
func (r *rows) entries(n *node, rep int) {
	kv := n.children[0]
	key, value := kv.children[0], kv.children[1]
	if n.shape == shapePairs {
		r.buf = append(r.buf, '[')
		r.each(kv, rep, func(rep int) {
			r.buf = append(r.buf, `{"key":`...)
			r.value(key, rep)
			r.buf = append(r.buf, `,"value":`...)
			r.value(value, rep)
			r.buf = append(r.buf, '}')
		})
		r.buf = append(r.buf, ']')
		r.check()
		return
	}
	r.buf = append(r.buf, '{')
	r.each(kv, rep, func(rep int) {
		c := key.column
		c.load()
		if c.rep != rep || c.def < kv.def {
			c.fail(damaged("%w", errUneven))
			return
		}
		if c.def < c.maxDef { // a null key, which the format forbids: no JSON, so the record is quarantined
			r.buf = append(r.buf, "null"...)
		} else {
			r.str(c.bytes)
		}
		c.loaded = false
		r.buf = append(r.buf, ':')
		r.value(value, rep)
	})
	r.buf = append(r.buf, '}')
	r.check()
}

func (r *rows) leaf(n *node, rep int) {
	c := n.column
	c.load()
	if c.rep != rep || c.def != c.maxDef {
		c.fail(damaged("%w", errUneven))
		return
	}
	switch k := n.format.kind; {
	case k == formatString, k == formatText && isText(c.bytes):
		r.str(c.bytes)
	case k == formatText, k == formatBytes:
		r.buf = append(r.buf, openBytes...)
		for b := c.bytes; len(b) > 0; {
			p := b[:min(len(b), pieceLen)]
			r.buf = appendBase64(r.buf, p)
			b = b[len(p):]
			r.check()
		}
		r.buf = append(r.buf, closeBytes...)
	case k == formatDecimalBytes:
		r.buf = appendBigDecimal(r.buf, c.bytes, n.format.scale, &r.big)
	default:
		r.buf = n.format.appendValue(r.buf, c)
	}
	c.loaded = false
	r.check()
}

// str writes a string in pieces, so that a huge one is cut before it is held.
func (r *rows) str(b []byte) {
	r.buf = append(r.buf, '"')
	for len(b) > pieceLen {
		r.buf = appendEscaped(r.buf, b[:pieceLen])
		b = b[pieceLen:]
		r.check()
	}
	r.buf = appendEscaped(r.buf, b)
	r.buf = append(r.buf, '"')
}
