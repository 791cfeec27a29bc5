package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"curate/record"
	"curate/tokenize"
	"curate/train/model"
)

// PositionsConfig says how the loss by position is measured.
type PositionsConfig struct {
	Text   record.Path // "text" if it is zero
	Length int         // tokens of a row; 0 is the subject's context
	// Bounds lets a document see only itself; else it sees all that is before it in its row.
	Bounds bool
	// Buckets is how many of equal width there are; 0: the powers of two.
	Buckets int
}

// Positions measures the loss by how much a prediction sees. Documents stand one after another, each behind the one before
// and an EOD, and are cut into rows of Length tokens, as for the plot on the model card of BTLM-3B-8K (rows of 32,768). A
// prediction from the first i tokens of a row, or of the document with Bounds, has position i: 1 to Length. What is left at
// the end and fills no row does not count.
type Positions struct {
	c       PositionsConfig
	s       *Subject
	encode  *encoding
	ids     []int32 // what waits for its row
	bytes   []int32 // by token, of the text
	starts  []bool  // by token: a document, with the EOD before it, begins here
	unasked []bool  // by token: its loss does not count
	rows    int64   // full ones
	seen    int64
	buckets []Bucket
	loss    []ratio // by bucket: -ln p and predictions by row
	parts   []ratio // of a row
	scratch []byte
	spans   []tokenize.Span
	new     []uint32
	batch   model.Batch
	probs   []float32
}

// NewPositions makes the task.
func NewPositions(s *Subject, c PositionsConfig) (*Positions, error) {
	c.Length = cmp.Or(c.Length, s.Context)
	if c.Length < 1 || c.Length > 1<<24 {
		return nil, fmt.Errorf("rows of %d tokens: there may be from 1 to %d", c.Length, 1<<24)
	}
	if c.Buckets < 0 || c.Buckets > c.Length || c.Buckets > maxGroups {
		return nil, fmt.Errorf("%d buckets of %d positions; there may be up to %d", c.Buckets, c.Length, min(c.Length, maxGroups))
	}
	if len(c.Text.Names()) == 0 {
		c.Text = record.MustPath("text")
	}
	e, err := newEncoding(s)
	if err != nil {
		return nil, err
	}
	p := &Positions{c: c, s: s, encode: e}
	if c.Buckets == 0 {
		for from := 1; from <= c.Length; from *= 2 {
			p.buckets = append(p.buckets, Bucket{From: from, To: min(2*from-1, c.Length)})
		}
	}
	for k := range c.Buckets {
		p.buckets = append(p.buckets, Bucket{From: k*c.Length/c.Buckets + 1, To: (k + 1) * c.Length / c.Buckets})
	}
	p.loss, p.parts = make([]ratio, len(p.buckets)), make([]ratio, len(p.buckets))
	p.put(int32(s.Prefix), 0, true, true)
	return p, nil
}

func (p *Positions) put(id, bytes int32, start, asked bool) {
	p.ids, p.bytes, p.starts, p.unasked = append(p.ids, id), append(p.bytes, bytes), append(p.starts, start), append(p.unasked, !asked)
}

// bucket is the number of the one that has a position.
func (p *Positions) bucket(position int) int {
	if p.c.Buckets == 0 {
		return bits.Len(uint(position)) - 1
	}
	k := (position - 1) * p.c.Buckets / p.c.Length
	for position > p.buckets[k].To { // where buckets are not all equally wide
		k++
	}
	return k
}

// Add implements Task.
func (p *Positions) Add(ctx context.Context, r *record.Record) error {
	text, err := r.Text(p.c.Text, &p.scratch)
	if err != nil {
		return &RowError{err}
	}
	if p.new, p.spans, err = p.encode.plain.AppendOffsets(p.new[:0], p.spans[:0], text); err != nil {
		return &RowError{err}
	}
	p.seen++
	// A token has the bytes that it reaches beyond those before it, so that all of them are the text's.
	reached := int32(0)
	for i, id := range p.new {
		to := p.spans[i].To
		if i+1 == len(p.new) {
			to = int32(len(text))
		}
		p.put(int32(id), max(0, to-reached), false, true)
		reached = max(reached, to)
	}
	p.put(int32(p.s.EOD), 0, true, true)
	return p.flush(ctx, false)
}

// flush measures the rows that wait, in batches; the last ones too, if they are all.
func (p *Positions) flush(ctx context.Context, all bool) error {
	atOnce := max(1, cmp.Or(p.s.Batch, DefaultBatch)/p.c.Length)
	from := 0
	for {
		rows := min((len(p.ids)-1-from)/p.c.Length, atOnce)
		if rows == 0 || rows < atOnce && !all {
			break
		}
		if err := p.run(ctx, from, rows); err != nil {
			return err
		}
		from += rows * p.c.Length
	}
	p.ids, p.bytes = slices.Delete(p.ids, 0, from), slices.Delete(p.bytes, 0, from)
	p.starts, p.unasked = slices.Delete(p.starts, 0, from), slices.Delete(p.unasked, 0, from)
	return nil
}

// run measures so many rows.
func (p *Positions) run(ctx context.Context, from, rows int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	n := rows * p.c.Length
	ids, bytes, starts := p.ids[from:from+n+1], p.bytes[from:from+n+1], p.starts[from:from+n+1]
	p.batch = model.Batch{Rows: rows, Length: p.c.Length, Tokens: ids[:n], Targets: ids[1:], Starts: p.batch.Starts[:0]}
	start := 0
	for i := range n {
		if at := i % p.c.Length; at == 0 || p.c.Bounds && starts[i] {
			start = at
		}
		p.batch.Starts = append(p.batch.Starts, int32(start))
	}
	p.probs = slices.Grow(p.probs[:0], n)[:n]
	if err := p.s.Scorer.LogProbs(&p.batch, p.probs); err != nil {
		return err
	}
	for r := range rows {
		clear(p.parts)
		for i := r * p.c.Length; i < (r+1)*p.c.Length; i++ {
			if p.unasked[from+i+1] {
				continue
			}
			k := p.bucket(i%p.c.Length - int(p.batch.Starts[i]) + 1)
			p.parts[k].a -= float64(p.probs[i])
			p.parts[k].b++
			p.buckets[k].Tokens++
			p.buckets[k].Bytes += int64(bytes[i+1])
		}
		for k := range p.parts {
			if p.parts[k].b > 0 {
				p.loss[k].add(p.parts[k].a, p.parts[k].b)
			}
		}
	}
	p.rows += int64(rows)
	if p.s.Progress != nil {
		p.s.Progress(p.rows * int64(p.c.Length))
	}
	return nil
}

// Finish implements Task.
func (p *Positions) Finish(ctx context.Context) (*Result, error) {
	if err := p.flush(ctx, true); err != nil {
		return nil, err
	}
	if p.rows == 0 {
		return nil, fmt.Errorf("the texts have %d tokens, which fill no row of %d", len(p.ids)-1, p.c.Length)
	}
	r := &Result{Kind: KindPositions, Rows: p.seen, Context: p.c.Length, Bounds: p.c.Bounds, Left: int64(len(p.ids) - 1)}
	loss, bytes := 0.0, int64(0)
	for k := range p.buckets {
		b, l := &p.buckets[k], &p.loss[k]
		b.Loss, b.Stderr = finite(l.value()), finite(l.stderr())
		b.BitsPerByte = finite(l.a / math.Ln2 / float64(b.Bytes))
		loss += l.a
		bytes += b.Bytes
		r.Tokens += b.Tokens
	}
	r.Buckets = p.buckets
	r.Metrics = []Metric{metric("loss", loss/float64(r.Tokens), math.NaN()), metric("bits_per_byte", loss/math.Ln2/float64(bytes), math.NaN())}
	return r, nil
}
