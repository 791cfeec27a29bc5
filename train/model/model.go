// Package model holds the two families of transformers that the trainer knows, each with its backward pass beside its
// forward pass: llama (RMSNorm, RoPE, grouped queries, SwiGLU) and btlm (LayerNorm with biases, ALiBi, SwiGLU, µP). There
// is no graph and no tape: a layer is a function, and the next function in its file is its gradient.
//
// config.go says what a model is made of, tensors.go which parameters it has, model.go runs it. A layer is a file: norm.go,
// linear.go, rope.go, alibi.go, attention.go, swiglu.go, loss.go; block.go puts them together. cache.go runs a model one
// token at a time.
//
// Activations are matrices with a row for each token: N = Rows·Length of them, row by row of the batch. All numbers are
// float32; Precision says how the operands of products are rounded.
package model

import "curate/kernel"

// Ignore is a target that is not counted.
const Ignore = -1

// Batch is what a model sees at once. Slices have Rows·Length elements, row by row.
type Batch struct {
	Rows, Length int
	Tokens       []int32
	Targets      []int32 // of each token the one to be predicted, usually the next; or Ignore
	// Starts is for each token the position in its row at which its document begins: it sees those from there on. nil is
	// 0 for all.
	Starts []int32
	// Weights of the targets; nil is 1 for all. They may be negative.
	Weights []float32
}

// Model is a model with its parameters and room for the activations of a batch. It is for one goroutine; its pool shares the
// work.
type Model struct {
	Config *Config
	Params *Params

	pool *kernel.Pool
	prec kernel.Precision
}

// New makes a model of parameters that lie in Config's layout. It holds on to them.
func New(c *Config, p *Params, pool *kernel.Pool, prec kernel.Precision) (*Model, error) {
	panic("unwritten")
}

// Loss gives Σ w·(-log p(target)) over the targets of a batch that are counted, in float64, and how many they are. If
// grads is not nil, scale times the gradient of that sum is added to it. An error says which token of the batch is none of
// the vocabulary's; nothing is computed then.
func (m *Model) Loss(b *Batch, scale float32, grads *Params) (sum float64, counted int, err error) {
	panic("unwritten")
}

// LogProbs puts log p(target) of each token into dst, 0 where the target is Ignore.
func (m *Model) LogProbs(b *Batch, dst []float32) error { panic("unwritten") }

// Logits puts the logits of all tokens into dst: [N, Vocabulary].
func (m *Model) Logits(b *Batch, dst []float32) error { panic("unwritten") }
