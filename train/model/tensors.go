package model

// Role is what a tensor is for. Learning rate, decay, first values and export depend on it.
type Role uint8

const (
	Embedding Role = iota // [Vocabulary, Width]
	Head                  // [Vocabulary, Width], of an untied model
	Hidden                // matrices that read the residual stream: queries, keys, values, gate, up
	Residual              // matrices that write to it: attention's output, FFN's output
	Norm                  // weights of a norm
	Bias                  // of a linear layer or a norm
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
func NewLayout(c *Config) *Layout { panic("unwritten") }

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
