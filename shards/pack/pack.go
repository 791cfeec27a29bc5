// Package pack makes sequences of documents: rows of at most so many tokens, or each document as it is. Every token of
// every document is in some row, and rows say which pieces of which documents they are made of.
//
// A Method is a file of this package, and a line of the table.
package pack

import (
	"fmt"
	"slices"
	"strings"

	"curate/shards/format"
)

// Document is what is packed: the tokens of one copy of one document, EOD included.
type Document struct {
	Tokens []byte // ids in the set's dtype
	Mask   []byte // one byte a token, 1 for those that are learnt; nil if all are
	ID     uint64
	Source uint16
	Copy   uint16
}

// Documents gives one document after the other, in the order of the run, valid until the next call; ok is false at the
// end.
type Documents interface {
	Next() (d Document, ok bool, err error)
}

// Sequences gives one sequence after the other, valid until the next call; ok is false at the end.
type Sequences interface {
	Next() (s format.Sequence, ok bool, err error)
}

// Options of rows.
type Options struct {
	Row   int // tokens of a row at most, at least 2
	Width int // bytes of a token
	// Pad fills up rows with the id PadID, as a piece of their own.
	Pad   bool
	PadID uint32
	// Masked makes a mask for each row, even if no document of it has one: padding is not learnt.
	Masked bool
}

// Method is a way to make rows.
type Method struct {
	Name string
	Doc  string // a line for help
	New  func(docs Documents, o Options) Sequences
}

// methods, sorted by name.
var methods = []Method{
	{"best-fit", "best fit decreasing in buffers of 4,096 documents; only documents longer than a row are cut", newBestFit},
	{"concat", "documents one behind the other, cut where a row is full", newConcat},
	{"document", "one document a row; longer ones take several rows", newDocument},
}

// Names of the methods.
func Names() []string {
	var names []string
	for _, m := range methods {
		names = append(names, m.Name)
	}
	return names
}

// Named finds a method.
func Named(name string) (Method, error) {
	if i := slices.IndexFunc(methods, func(m Method) bool { return m.Name == name }); i >= 0 {
		return methods[i], nil
	}
	return Method{}, fmt.Errorf("no way of packing is called %q; there are: %s", name, strings.Join(Names(), ", "))
}

// Whole makes each document a sequence, however long. Of o only Width and Masked count.
func Whole(docs Documents, o Options) Sequences { return &whole{docs: docs, row: row{o: o}} }

type whole struct {
	docs Documents
	row  row
}

func (w *whole) Next() (format.Sequence, bool, error) {
	d, ok, err := w.docs.Next()
	if !ok || err != nil {
		return format.Sequence{}, false, err
	}
	w.row.begin()
	w.row.pieces = append(w.row.pieces, format.Piece{ID: d.ID, Source: d.Source, Copy: d.Copy, Last: true})
	s := format.Sequence{Tokens: d.Tokens, Pieces: w.row.pieces}
	if w.row.o.Masked {
		if s.Mask = d.Mask; s.Mask == nil {
			w.row.mask = ones(w.row.mask, len(d.Tokens)/w.row.o.Width)
			s.Mask = w.row.mask
		}
	}
	return s, true, nil
}

// part of a document: tokens of it, and what is to be known of them.
type part struct {
	tokens       []byte
	mask         []byte // nil: all are learnt
	id           uint64
	from         uint32
	source, copy uint16
	last         bool // it ends its document
}

// after cuts a part in two, the first with n tokens.
func (p part) after(n, width int) (first, rest part) {
	first, rest = p, p
	first.tokens, rest.tokens = p.tokens[:n*width], p.tokens[n*width:]
	if p.mask != nil {
		first.mask, rest.mask = p.mask[:n], p.mask[n:]
	}
	rest.from += uint32(n)
	first.last = p.last && len(rest.tokens) == 0
	return first, rest
}

func partOf(d Document) part { return part{d.Tokens, d.Mask, d.ID, 0, d.Source, d.Copy, true} }

// row is put together of parts.
type row struct {
	o      Options
	tokens []byte
	mask   []byte
	pieces []format.Piece
}

func (r *row) begin() { r.tokens, r.mask, r.pieces = r.tokens[:0], r.mask[:0], r.pieces[:0] }

// space is how many tokens there is room for.
func (r *row) space() int { return r.o.Row - len(r.tokens)/r.o.Width }

func (r *row) add(p part) {
	r.pieces = append(r.pieces, format.Piece{
		Start: len(r.tokens) / r.o.Width, Continues: p.from > 0, From: p.from, ID: p.id,
		Source: p.source, Copy: p.copy, Last: p.last,
	})
	r.tokens = append(r.tokens, p.tokens...)
	if r.o.Masked {
		if p.mask != nil {
			r.mask = append(r.mask, p.mask...)
		} else {
			r.mask = ones(r.mask, len(p.tokens)/r.o.Width)
		}
	}
}

// end gives the row, padded if rows are.
func (r *row) end() format.Sequence {
	if n := r.space(); r.o.Pad && n > 0 {
		r.pieces = append(r.pieces, format.Piece{Start: len(r.tokens) / r.o.Width, Padding: true})
		for range n {
			r.tokens = append(r.tokens, byte(r.o.PadID), byte(r.o.PadID>>8))
			if r.o.Width == 4 {
				r.tokens = append(r.tokens, byte(r.o.PadID>>16), byte(r.o.PadID>>24))
			}
			if r.o.Masked {
				r.mask = append(r.mask, 0)
			}
		}
	}
	s := format.Sequence{Tokens: r.tokens, Pieces: r.pieces}
	if r.o.Masked {
		s.Mask = r.mask
	}
	return s
}

func ones(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 1)
	}
	return dst
}
