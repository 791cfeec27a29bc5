package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"curate/shards/mix"
	"curate/shards/pack"
	"curate/stage"
)

// chosen gives the documents of a stage, of pairs, or of a file in which nothing else is, as they come from sealed
// files.
type chosen struct {
	ctx   context.Context // of the one call that it lives for
	m     *merger
	width int
	in    func(source int, d *sealedDocument) bool // nil for all

	tokens []byte
	mask   []byte
	ends   [2]int       // of a pair
	close  func() error // nil if there is nothing to close
}

// Next implements pack.Documents.
func (c *chosen) Next() (pack.Document, bool, error) {
	for {
		if c.ctx.Err() != nil {
			return pack.Document{}, false, context.Cause(c.ctx)
		}
		s, err := c.m.next()
		if err != nil || s == nil {
			return pack.Document{}, false, err
		}
		d, source := &s.doc, c.m.source(s)
		if c.in != nil && !c.in(source, d) {
			if err := s.skip(); err != nil {
				return pack.Document{}, false, err
			}
			continue
		}
		if size := d.tokens * int64(c.width); cap(c.tokens) > scratchLimit && size < scratchLimit {
			c.tokens, c.mask = nil, nil
		}
		if c.tokens, err = s.body(c.tokens[:0]); err != nil {
			return pack.Document{}, false, err
		}
		out := pack.Document{Tokens: c.tokens, ID: d.id, Source: uint16(source), Copy: uint16(d.copy)}
		switch d.kind {
		case kindMasked:
			c.mask = appendMask(c.mask[:0], d.own)
			out.Mask = c.mask
		case kindPair:
			c.ends = pairEnds(d.own)
		}
		return out, true, nil
	}
}

// orderBytes of tokens are sorted at a time. A constant of the stage: what an earlier attempt has sorted is used again,
// whatever the memory.
const orderBytes = 8 << 20

// fanIn is the most files that are merged at once.
const fanIn = 128

// orderer sorts copies of documents by where they stand in the run: each epoch of a source has an order of its own.
type orderer struct {
	ctx    context.Context // of the one call that it lives for
	ws     stage.Workspace
	width  int
	stages int
	limit  int // bytes
	fanIn  int
	prefix string
	all    *summary

	copies []ordered
	data   []byte
	runs   []string
}

// ordered is a copy of a document that waits to be sorted.
type ordered struct {
	doc  sealedDocument // own is in data
	at   int
	own  int
	size int
}

// order gives the documents of stage g, each as often as the plan says.
func (b *Builder) order(ctx context.Context, m *merger, ws stage.Workspace, p *plan, g int) (*chosen, error) {
	o := &orderer{ctx: ctx, ws: ws, width: b.dtype.Size(), stages: len(b.Schedule), limit: b.orderBytes, fanIn: b.fanIn, all: &m.summary,
		prefix: "order-" + strings.TrimSuffix(dir(b.Schedule[g].Length), "/")}
	var tokens []byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		s, err := m.next()
		if err != nil {
			return nil, err
		}
		if s == nil {
			return o.merged()
		}
		source := m.source(s)
		if s.doc.kind == kindPair || p.stage(source, s.doc.id) != g {
			if err := s.skip(); err != nil {
				return nil, err
			}
			continue
		}
		if cap(tokens) > scratchLimit && s.doc.tokens*int64(o.width) < scratchLimit {
			tokens = nil
		}
		if tokens, err = s.body(tokens[:0]); err != nil {
			return nil, err
		}
		if err := o.add(p.seed, p.epochs[source][g], source, &s.doc, tokens); err != nil {
			return nil, err
		}
	}
}

// add takes in the copies of a document.
func (o *orderer) add(seed uint64, e mix.Epochs, source int, d *sealedDocument, tokens []byte) error {
	copies := e.Copies(copyKey(seed, d.id, e.Whole), d.id)
	for n := range copies {
		c := ordered{doc: *d, at: len(o.data), own: len(d.own), size: len(tokens)}
		c.doc.key, c.doc.copy, c.doc.source, c.doc.own = e.Position(n, copyKey(seed, d.id, n)), n, source, nil
		o.copies = append(o.copies, c)
		o.data = append(append(o.data, d.own...), tokens...)
		if len(o.data)+len(o.copies)*orderedSize >= o.limit {
			if err := o.spill(); err != nil {
				return err
			}
		}
	}
	return nil
}

// orderedSize is what a copy takes beside its tokens, in bytes.
const orderedSize = 96

// spill sorts what there is into a file.
func (o *orderer) spill() error {
	slices.SortFunc(o.copies, func(a, b ordered) int {
		switch {
		case a.doc.before(&b.doc):
			return -1
		case b.doc.before(&a.doc):
			return 1
		}
		return 0
	})
	name := fmt.Sprintf("%s-%05d", o.prefix, len(o.runs))
	err := o.ws.Make(o.ctx, name, func(w io.Writer) error {
		sw := newSealedWriter(w, o.width, o.all)
		for i := range o.copies {
			c := &o.copies[i]
			c.doc.own = o.data[c.at:][:c.own]
			if err := sw.put(&c.doc, c.doc.source, o.data[c.at+c.own:][:c.size]); err != nil {
				return err
			}
		}
		return sw.end()
	})
	o.runs = append(o.runs, name)
	o.copies, o.data = o.copies[:0], o.data[:0]
	if cap(o.data) > 2*o.limit { // after a giant document
		o.data = nil
	}
	return err
}

// merged gives all that was added, in order. The last runs stay until the phase ends: a run that is resumed behind them
// reads them again.
func (o *orderer) merged() (*chosen, error) {
	if err := o.spill(); err != nil {
		return nil, err
	}
	o.copies, o.data = nil, nil
	for level := 1; len(o.runs) > o.fanIn; level++ {
		var next []string
		for k := 0; len(o.runs) > 0; k++ {
			some := o.runs[:min(o.fanIn, len(o.runs))]
			o.runs = o.runs[len(some):]
			name := fmt.Sprintf("%s-%d-%05d", o.prefix, level, k)
			err := o.ws.Make(o.ctx, name, func(w io.Writer) error {
				m, closes, err := o.open(some)
				if err == nil {
					err = m.copyAll(o.ctx, w, o.width)
				}
				return errors.Join(err, closes())
			})
			if err != nil {
				return nil, err
			}
			for _, run := range some {
				if err := remove(o.ctx, o.ws, run); err != nil {
					return nil, err
				}
			}
			next = append(next, name)
		}
		o.runs = next
	}
	m, closes, err := o.open(o.runs)
	if err != nil {
		return nil, errors.Join(err, closes())
	}
	return &chosen{ctx: o.ctx, m: m, width: o.width, close: closes}, nil
}

func (o *orderer) open(names []string) (*merger, func() error, error) {
	var in []io.Reader
	var files []io.Closer
	closes := func() error {
		var err error
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
		return err
	}
	for _, name := range names {
		f, size, err := o.ws.Open(o.ctx, name)
		if err != nil {
			return nil, closes, err
		}
		files = append(files, f)
		in = append(in, io.NewSectionReader(f, 0, size))
	}
	m, err := newMerger(in, windowSize, o.width, o.stages)
	return m, closes, err
}
