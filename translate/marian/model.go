package marian

import (
	"math"

	"curate/kernel"
)

// model is an encoder and a decoder whose layers normalise behind each residual sum (Vaswani et al. 2017, "post-norm"), as
// transformers' modeling_marian.py computes them. It is read-only; goroutines share it, each with a batch of its own.
type model struct {
	cfg       *Config
	set       *kernel.Set
	source    *matrix // rows are the embeddings of source tokens
	target    *matrix // of target tokens; often the same
	output    *matrix // from a decoder's state to logits; mostly the target's embeddings again, with final_logits_bias
	scale     float32 // of embeddings
	places    int     // tokens of a source or of a target
	positions []float32
	encoder   []encoderLayer
	decoder   []decoderLayer
	ones      []float32 // as long as the wider feed-forward layer: what SwiGLU multiplies with
}

// encoderLayer: x = norm(x + attention(x)), then x = norm(x + fc2(act(fc1(x)))).
type encoderLayer struct {
	qkv, out *matrix // queries, keys and values below each other
	selfNorm norm
	feed     feedForward
}

// decoderLayer has attention to the encoder's output between the two.
type decoderLayer struct {
	qkv, out  *matrix
	selfNorm  norm
	crossQ    *matrix
	crossKV   *matrix // keys and values below each other
	crossOut  *matrix
	crossNorm norm
	feed      feedForward
}

type feedForward struct {
	fc1, fc2 *matrix
	norm     norm
}

type norm struct{ weight, bias []float32 }

// normEps is torch's default for LayerNorm, which modeling_marian.py does not change.
const normEps = 1e-5

// matrix is a linear layer: y = W·x + bias, W being [n, k] in f32 or in 8 bits.
type matrix struct {
	n, k int
	f32  *kernel.Packed // one of the two
	int8 *kernel.Int8
	bias []float32 // nil: none
}

// apply puts the layer's outputs [rows, n] for x [rows, k] into y.
func (m *matrix) apply(set *kernel.Set, w *kernel.Scratch, rows int, x, y []float32) {
	if m.int8 != nil {
		set.GemmInt8(w, rows, x, m.k, m.int8, m.bias, y, m.n)
		return
	}
	set.GemmPacked(w, rows, x, m.k, m.f32, false, y, m.n)
	if m.bias == nil {
		return
	}
	for i := range rows {
		r := y[i*m.n : (i+1)*m.n]
		set.Add(r, r, m.bias)
	}
}

// row puts row i of the weights into dst.
func (m *matrix) row(i int, dst []float32) {
	if m.int8 != nil {
		m.int8.Row(i, dst)
		return
	}
	m.f32.Row(i, dst)
}

// bytes that the weights take.
func (m *matrix) bytes() int64 {
	n := int64(len(m.bias)) * 4
	if m.int8 != nil {
		return n + int64(m.n)*int64(m.k) + 4*int64(m.n)
	}
	return n + 4*int64(m.n)*int64(m.k)
}

// add puts x + y, normalised, into x, row by row.
func (n *norm) add(set *kernel.Set, x, y []float32) {
	width := len(n.weight)
	for i := 0; i < len(x); i += width {
		r := x[i : i+width]
		set.Add(r, r, y[i:i+width])
		set.LayerNorm(r, r, n.weight, n.bias, normEps)
	}
}

// embed puts the embedding of a token at a position into x.
func (m *model) embed(e *matrix, token int32, position int, x []float32) {
	d := m.cfg.Width
	e.row(int(token), x)
	m.set.Scale(x, m.scale, x)
	m.set.Add(x, x, m.positions[position*d:(position+1)*d])
}

// apply is the feed-forward layer with its residual and norm: x [rows, d] is changed in place.
func (f *feedForward) apply(m *model, s *room, rows int, x []float32) {
	h := s.hidden.of(rows * f.fc1.n)
	f.fc1.apply(m.set, &s.gemm, rows, x, h)
	activate(m, h, f.fc1.n)
	y := s.result.of(rows * f.fc2.n)
	f.fc2.apply(m.set, &s.gemm, rows, h, y)
	f.norm.add(m.set, x, y)
}

// activate applies the activation to rows of a width (transformers' ACT2FN).
func activate(m *model, h []float32, width int) {
	switch m.cfg.Activation {
	case "swish", "silu":
		for i := 0; i < len(h); i += width {
			r := h[i : i+width]
			m.set.SwiGLU(r, r, m.ones[:width])
		}
	case "relu":
		for i, v := range h {
			h[i] = max(v, 0)
		}
	case "gelu":
		for i, v := range h {
			h[i] = float32(0.5 * float64(v) * (1 + math.Erf(float64(v)/math.Sqrt2)))
		}
	case "gelu_new":
		for i, v := range h {
			x := float64(v)
			h[i] = float32(0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))))
		}
	}
}

// mostPlaces bounds the positions that a configuration may ask for: no file holds them. Models of sentences have 512.
const mostPlaces = 4096

// sinusoids are the positions [n, d] of modeling_marian.py's MarianSinusoidalPositionalEmbedding: the sines of all frequencies,
// then the cosines. Marian itself divides by d/2-1 where this divides by d/2.
func sinusoids(n, d int) []float32 {
	p := make([]float32, n*d)
	half := d / 2
	for pos := range n {
		for i := range half {
			angle := float64(pos) / math.Pow(10000, float64(2*i)/float64(d))
			p[pos*d+i] = float32(math.Sin(angle))
			p[pos*d+half+i] = float32(math.Cos(angle))
		}
	}
	return p
}

// room is what one goroutine computes in.
type room struct {
	gemm   kernel.Scratch
	state  buffer // [rows, d]
	inner  buffer // of attention: [rows, 3d]
	mixed  buffer // [rows, d]
	result buffer // [rows, d]
	hidden buffer // [rows, ffn]
	scores buffer // of attention
	mean   buffer // of a query's attention over heads
	logits buffer
	at     []int32
}

// newRoom has all that so many rows, and as many encoded tokens, need: what they do not write is not there yet, and a buffer that grew
// would leave garbage as large as itself.
func (m *model) newRoom(rows, tokens int) *room {
	s, d := &room{}, m.cfg.Width
	most := max(rows, tokens)
	for _, b := range []struct {
		of *buffer
		n  int
	}{
		{&s.state, most * d}, {&s.inner, most * 3 * d}, {&s.mixed, most * d}, {&s.result, most * d},
		{&s.hidden, most * max(m.cfg.EncoderFFN, m.cfg.DecoderFFN)}, {&s.logits, rows * m.output.n},
	} {
		*b.of = kernel.Outside[room, float32](s, b.n)
	}
	return s
}

// buffer grows to what is asked, and what is small a bit further.
type buffer []float32

func (b *buffer) of(n int) []float32 {
	if cap(*b) < n {
		*b = nil // for the collector, before there are two
		*b = make([]float32, n+min(n/4, 1<<16))
	}
	return (*b)[:n]
}
