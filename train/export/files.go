package export

import (
	"curate/safetensors"
	"curate/torchfile"
)

// File is an open file of weights, in whatever format. It may be shared.
type File struct {
	Name    string
	Tensors []Stored
}

// Stored is a tensor in a file.
type Stored struct {
	Name  string
	Shape []int64
	Dtype safetensors.Dtype

	asInMemory bool // a matrix is [out, in], also where the family's checkpoints have it the other way round
	floats     func(from int64, dst []float32) error
}

// Floats reads len(dst) numbers from number from on, the last dimension fastest.
func (s *Stored) Floats(from int64, dst []float32) error { return s.floats(from, dst) }

// Safetensors is a file of safetensors.
func Safetensors(f *safetensors.File) *File {
	out := &File{Name: f.Name, Tensors: make([]Stored, len(f.Tensors))}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		out.Tensors[i] = Stored{Name: t.Name, Shape: t.Shape, Dtype: t.Dtype, floats: func(from int64, dst []float32) error { return f.Floats(t, from, dst) }}
	}
	return out
}

// Torch is a file of torch.save, such as pytorch_model.bin.
func Torch(f *torchfile.File) *File {
	out := &File{Name: f.Name, Tensors: make([]Stored, len(f.Tensors))}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		out.Tensors[i] = Stored{Name: t.Name, Shape: t.Shape, Dtype: t.Dtype, floats: func(from int64, dst []float32) error { return f.Floats(t, from, dst) }}
	}
	return out
}
