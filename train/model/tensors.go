package model

import "fmt"

// Role is what a tensor is for. Learning rate, decay, first values and export depend on it.
type Role uint8

const (
	Embedding Role = iota // [Vocabulary, Width]
	Head                  // [Vocabulary, Width], of an untied model
	Hidden                // matrices that read the residual stream: queries, keys, values, gate, up
	Residual              // matrices that write to it: attention's output, FFN's output
	Norm                  // weights of a norm
	Bias                  // of a linear layer or a norm
	AdapterA              // [rank, in], of an adapter: reads what its linear layer reads
	AdapterB              // [out, rank], of an adapter: adds to what its linear layer gives
)

// Tensor is one tensor of a model. In memory a matrix is [Rows, Cols] = [out, in], y = x Wᵀ + b; a vector has one row.
type Tensor struct {
	Name       string // in safetensors: as the family's checkpoints on Hugging Face have it
	Role       Role
	Layer      int // from 0; -1: of none
	Rows, Cols int
	Offset     int  // of its first number in Params.Data
	Vector     bool // its shape in a file is [Cols]
	Transposed bool // in a file it is [in, out] (GPT-2's Conv1D)
}

// Len is how many numbers it has.
func (t *Tensor) Len() int { return t.Rows * t.Cols }

// Layout is the list of a model's tensors, in the order of its layers. Tensors that one product uses together (queries, keys
// and values; gate and up) lie side by side, so that they are one matrix.
type Layout struct {
	Tensors []Tensor
	Len     int // numbers in all
}

// NewLayout lists the tensors of a configuration that Check has passed.
func NewLayout(c *Config) *Layout {
	l, _ := newLayout(c)
	return l
}

// span is a part of Params.Data; its length may be 0.
type span struct{ at, len int }

// of is the part in p, nil if it is empty.
func (s span) of(p *Params) []float32 {
	if s.len == 0 {
		return nil
	}
	return p.Data[s.at : s.at+s.len : s.at+s.len]
}

// places says where the parameters of a model lie.
type places struct {
	embedding span    // [Vocabulary, Width]
	blocks    []layer // by layer
	norm      norm    // after them
	head      linear  // without bias; tied: its weight is the embedding
}

// layer is where the parameters of a block lie.
type layer struct {
	norm1 norm
	qkv   linear // Width -> (Heads + 2 KVHeads) HeadSize
	out   linear // Heads HeadSize -> Width
	norm2 norm
	gates linear // Width -> 2 FFN: the gate, and what it lets through
	down  linear // FFN -> Width
}

// listing adds tensors to a layout, one after the other.
type listing struct {
	*Layout
	layer  int
	prefix string
}

func (l *listing) add(t Tensor) span {
	t.Name, t.Layer, t.Offset = l.prefix+t.Name, l.layer, l.Len
	l.Tensors = append(l.Tensors, t)
	l.Len += t.Len()
	return span{t.Offset, t.Len()}
}

func (l *listing) matrix(name string, r Role, rows, cols int, transposed bool) span {
	return l.add(Tensor{Name: name, Role: r, Rows: rows, Cols: cols, Transposed: transposed})
}

func (l *listing) vector(name string, r Role, cols int) span {
	return l.add(Tensor{Name: name, Role: r, Rows: 1, Cols: cols, Vector: true})
}

// from is the span that begins with s and goes to the end of what is listed by now.
func (l *listing) from(s span) span { return span{s.at, l.Len - s.at} }

func newLayout(c *Config) (*Layout, *places) {
	l, p := &listing{Layout: &Layout{}, layer: -1}, &places{blocks: make([]layer, c.Layers)}
	names := llamaPlaces
	if c.Family == BTLM {
		names = btlmPlaces
	}
	names(c, l, p)
	p.head.in, p.head.out = c.Width, c.Vocabulary
	if c.Tied {
		p.head.weight = p.embedding
	} else {
		p.head.weight = l.matrix("lm_head.weight", Head, c.Vocabulary, c.Width, false)
	}
	return l.Layout, p
}

// llamaPlaces lists all but the head, with the names of transformers' LlamaForCausalLM.
func llamaPlaces(c *Config, l *listing, p *places) {
	d, q, kv := c.Width, c.Heads*c.HeadSize, c.KVHeads*c.HeadSize
	rms := func(name string) norm { return norm{weight: l.vector(name, Norm, d), width: d} }
	p.embedding = l.matrix("model.embed_tokens.weight", Embedding, c.Vocabulary, d, false)
	for i := range p.blocks {
		b := &p.blocks[i]
		l.layer, l.prefix = i, fmt.Sprintf("model.layers.%d.", i)
		b.norm1 = rms("input_layernorm.weight")
		first := l.matrix("self_attn.q_proj.weight", Hidden, q, d, false)
		l.matrix("self_attn.k_proj.weight", Hidden, kv, d, false)
		l.matrix("self_attn.v_proj.weight", Hidden, kv, d, false)
		b.qkv = linear{in: d, out: c.qkv(), weight: l.from(first)}
		b.out = linear{in: q, out: d, weight: l.matrix("self_attn.o_proj.weight", Residual, d, q, false)}
		b.norm2 = rms("post_attention_layernorm.weight")
		first = l.matrix("mlp.gate_proj.weight", Hidden, c.FFN, d, false)
		l.matrix("mlp.up_proj.weight", Hidden, c.FFN, d, false)
		b.gates = linear{in: d, out: 2 * c.FFN, weight: l.from(first)}
		b.down = linear{in: c.FFN, out: d, weight: l.matrix("mlp.down_proj.weight", Residual, d, c.FFN, false)}
	}
	l.layer, l.prefix = -1, ""
	p.norm = rms("model.norm.weight")
}

// btlmPlaces lists all but the head, with the names of Cerebras' BTLMLMHeadModel. The activation is on c_fc2.
func btlmPlaces(c *Config, l *listing, p *places) {
	d := c.Width
	ln := func(name string) norm {
		return norm{weight: l.vector(name+".weight", Norm, d), bias: l.vector(name+".bias", Bias, d), width: d}
	}
	conv := func(name string, r Role, in, out int) linear {
		return linear{in: in, out: out, weight: l.matrix(name+".weight", r, out, in, true), bias: l.vector(name+".bias", Bias, out)}
	}
	p.embedding = l.matrix("transformer.wte.weight", Embedding, c.Vocabulary, d, false)
	for i := range p.blocks {
		b := &p.blocks[i]
		l.layer, l.prefix = i, fmt.Sprintf("transformer.h.%d.", i)
		b.norm1 = ln("ln_1")
		b.qkv = conv("attn.c_attn", Hidden, d, c.qkv())
		b.out = conv("attn.c_proj", Residual, d, d)
		b.norm2 = ln("ln_2")
		first := l.matrix("mlp.c_fc2.weight", Hidden, c.FFN, d, true)
		l.matrix("mlp.c_fc.weight", Hidden, c.FFN, d, true)
		b.gates = linear{in: d, out: 2 * c.FFN, weight: l.from(first)}
		first = l.vector("mlp.c_fc2.bias", Bias, c.FFN)
		l.vector("mlp.c_fc.bias", Bias, c.FFN)
		b.gates.bias = l.from(first)
		b.down = conv("mlp.c_proj", Residual, c.FFN, d)
	}
	l.layer, l.prefix = -1, ""
	p.norm = ln("transformer.ln_f")
}

// Params are numbers for all tensors of a layout: weights, gradients or moments.
type Params struct {
	Layout *Layout
	Data   []float32
}

// NewParams gives zeros.
func NewParams(l *Layout) *Params { return &Params{l, make([]float32, l.Len)} }

// Of are the numbers of tensor i, row by row.
func (p *Params) Of(i int) []float32 {
	t := &p.Layout.Tensors[i]
	return p.Data[t.Offset : t.Offset+t.Len()]
}
