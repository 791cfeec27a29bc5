// Package safetensors reads and writes the safetensors format of Hugging Face: eight bytes of length, a JSON header that
// gives dtype, shape and place of each tensor, and the tensors' bytes. docs/formats/safetensors.md describes it.
package safetensors

import "io"

// Dtype of a tensor's elements, as the header spells it.
type Dtype string

const (
	F32  Dtype = "F32"
	F16  Dtype = "F16"
	BF16 Dtype = "BF16"
	F64  Dtype = "F64"
	I64  Dtype = "I64"
	I32  Dtype = "I32"
	I16  Dtype = "I16"
	I8   Dtype = "I8"
	U8   Dtype = "U8"
	Bool Dtype = "BOOL"
)

// Tensor is a tensor's entry in the header.
type Tensor struct {
	Name     string
	Dtype    Dtype
	Shape    []int64
	From, To int64 // bytes, counted from the end of the header
}

// File is an open file. It may be shared.
type File struct {
	Name     string
	Tensors  []Tensor // by place
	Metadata map[string]string
}

// Open reads and checks the header: offsets must follow one another without gaps to the end of the file, and agree with dtype
// and shape. name is for messages.
func Open(name string, r io.ReaderAt, size int64) (*File, error) { panic("unwritten") }

// Lookup finds a tensor; nil is none.
func (f *File) Lookup(name string) *Tensor { panic("unwritten") }

// Floats reads count numbers of a tensor of a floating dtype, from number from on, as float32. F64 is rounded.
func (f *File) Floats(t *Tensor, from int64, dst []float32) error { panic("unwritten") }

// Ints is the same for a tensor of integers.
func (f *File) Ints(t *Tensor, from int64, dst []int64) error { panic("unwritten") }

// Writer writes a file in one go.
type Writer struct{}

// NewWriter writes the header: places are given to the tensors in their order (From and To are set by it, alignment of the data
// to 8 bytes as the reference does it).
func NewWriter(w io.Writer, tensors []Tensor, metadata map[string]string) (*Writer, error) {
	panic("unwritten")
}

// Floats writes the next len(x) numbers, in the dtype of the tensor to which they belong.
func (w *Writer) Floats(x []float32) error { panic("unwritten") }

// Close says whether all numbers were written. It does not close what is below.
func (w *Writer) Close() error { panic("unwritten") }
