package model

import (
	"fmt"
	"slices"

	"curate/kernel"
)

// WeightFormat is how a model's matrices are held.
type WeightFormat uint8

const (
	WeightsF32  WeightFormat = iota // as Params
	WeightsInt8                     // as Quantized: GGUF's Q8_0, 8.5 bits a weight
	Weights4Bit                     // Q4_0, 4.5 bits
)

var weightFormats = [...]string{"f32", "int8", "4bit"}

func (f WeightFormat) String() string { return weightFormats[f] }

// ParseWeightFormat reads f32, int8 or 4bit.
func ParseWeightFormat(name string) (WeightFormat, error) {
	if i := slices.Index(weightFormats[:], name); i >= 0 {
		return WeightFormat(i), nil
	}
	return 0, fmt.Errorf("weights %q are unknown; there are f32, int8 and 4bit", name)
}

// Blocks is the format of the matrices in a kernel. There is none of WeightsF32.
func (f WeightFormat) Blocks() kernel.BlockFormat {
	if f == Weights4Bit {
		return kernel.Q4_0
	}
	return kernel.Q8_0
}

// Quantized are the parameters of a model that is only to be run: its matrices in blocks of 32 weights, outside of the collector's heap,
// embedding and head among them, and the vectors as they are. Rows that are no multiple of 32 are filled up. There is no training with
// them.
type Quantized struct {
	Layout *Layout
	Format WeightFormat

	vectors  *Params          // those of the layout, one after the other
	matrices []*kernel.Blocks // one for each that a product uses
	places   []quantizedPlace // by tensor
}

// quantizedPlace is where a tensor's numbers are: in matrix number matrix, from row at on, or in vectors.
type quantizedPlace struct{ matrix, at int }

// NewQuantized has room for the parameters of a configuration that Check has passed.
func NewQuantized(c *Config, f WeightFormat) *Quantized {
	layout, places := newLayout(c)
	q := &Quantized{Layout: layout, Format: f, places: make([]quantizedPlace, len(layout.Tensors))}
	type whole struct {
		span
		in int
	}
	var wholes []whole
	places.eachMatrix(func(w span, in, out int, _ **kernel.Blocks) {
		if n := len(wholes); n == 0 || wholes[0].span != w { // a tied head is the embedding
			wholes = append(wholes, whole{w, in})
			q.matrices = append(q.matrices, kernel.NewBlocks(f.Blocks(), out, in))
		}
	})
	vectors := 0
	for i := range layout.Tensors {
		t := &layout.Tensors[i]
		if t.Vector {
			q.places[i] = quantizedPlace{-1, vectors}
			vectors += t.Len()
			continue
		}
		m := slices.IndexFunc(wholes, func(w whole) bool { return t.Offset >= w.at && t.Offset < w.at+w.len })
		q.places[i] = quantizedPlace{m, (t.Offset - wholes[m].at) / wholes[m].in}
	}
	q.vectors = &Params{Layout: layout, Data: make([]float32, vectors)}
	return q
}

// eachMatrix calls f for the weights of every product, and first for the embedding: where they lie, [out, in], and where a model keeps them
// in blocks.
func (p *places) eachMatrix(f func(w span, in, out int, blocks **kernel.Blocks)) {
	f(p.embedding, p.head.in, p.head.out, &p.table)
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, l := range []*linear{&b.qkv, &b.out, &b.gates, &b.down} {
			f(l.weight, l.in, l.out, &l.blocks)
		}
	}
	f(p.head.weight, p.head.in, p.head.out, &p.head.blocks)
}

// eachVector calls f for every norm and bias.
func (p *places) eachVector(f func(v *span)) {
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, l := range []*norm{&b.norm1, &b.norm2} {
			f(&l.weight)
			f(&l.bias)
		}
		for _, l := range []*linear{&b.qkv, &b.out, &b.gates, &b.down} {
			f(&l.bias)
		}
	}
	f(&p.norm.weight)
	f(&p.norm.bias)
}

// Vector is the room of tensor i, a vector.
func (q *Quantized) Vector(i int) []float32 {
	return q.vectors.Data[q.places[i].at:][:q.Layout.Tensors[i].Len()]
}

// Put quantises a part of tensor i, a matrix: x is [rows, cols] with a stride of ld, and is put from row and col on. col is a multiple of 32,
// and so is cols, unless the row ends with it. Several goroutines may put different parts at a time.
func (q *Quantized) Put(i, row, rows, col, cols int, x []float32, ld int) {
	p := q.places[i]
	q.matrices[p.matrix].Put(p.at+row, rows, col, cols, x, ld)
}

// Each shows all numbers as a product takes them, a row at a time, in the order of the layout. What is shown is valid until f returns.
func (q *Quantized) Each(f func(row []float32)) {
	var row []float32
	for i := range q.Layout.Tensors {
		t := &q.Layout.Tensors[i]
		if t.Vector {
			f(q.Vector(i))
			continue
		}
		row = slices.Grow(row[:0], t.Cols)[:t.Cols]
		for j := range t.Rows {
			q.matrices[q.places[i].matrix].Row(q.places[i].at+j, row)
			f(row)
		}
	}
}

// Bytes is what they take.
func (q *Quantized) Bytes() int64 {
	n := 4 * int64(len(q.vectors.Data))
	for _, m := range q.matrices {
		n += m.Bytes()
	}
	return n
}

// Quantize makes them of parameters in f32.
func Quantize(c *Config, p *Params, f WeightFormat, pool *kernel.Pool) *Quantized {
	q := NewQuantized(c, f)
	for i := range q.Layout.Tensors {
		t, x := &q.Layout.Tensors[i], p.Of(i)
		if t.Vector {
			copy(q.Vector(i), x)
			continue
		}
		const rows = 64
		pool.Each(ceil(t.Rows, rows), func(piece, _ int) {
			from := piece * rows
			q.Put(i, from, min(rows, t.Rows-from), 0, t.Cols, x[from*t.Cols:], t.Cols)
		})
	}
	return q
}

// NewOfQuantized makes a model that can do all that needs no gradients. It holds on to the parameters, which may be shared. Activations are
// rounded to 8 bits where they meet a matrix, in blocks, by each product; attention, norms and sums are as those of New.
func NewOfQuantized(c *Config, q *Quantized, pool *kernel.Pool, prec kernel.Precision) (*Model, error) {
	layout, at, err := placesOf(c, q.Layout)
	if err != nil {
		return nil, err
	}
	next := 0
	at.eachMatrix(func(w span, _, _ int, blocks **kernel.Blocks) {
		if next > 0 && w == at.embedding {
			*blocks = at.table
			return
		}
		*blocks = q.matrices[next]
		next++
	})
	// Vectors have moved together. Some spans have several, which lie side by side there, too.
	to := map[int]int{}
	for i := range layout.Tensors {
		if t := &layout.Tensors[i]; t.Vector {
			to[t.Offset] = q.places[i].at
		}
	}
	at.eachVector(func(v *span) {
		if v.len > 0 {
			v.at = to[v.at]
		}
	})
	m := newModel(c, q.vectors, at, pool, prec)
	m.quantized = q
	return m, nil
}
