package torchfile

import (
	"fmt"
	"math/bits"

	"curate/safetensors"
)

// Tensor is a tensor of the file.
type Tensor struct {
	Name  string
	Dtype safetensors.Dtype
	Shape []int64

	storage *storage
	offset  int64   // numbers of the storage before it
	strides []int64 // how many numbers of the storage one step in each dimension takes
	count   int64
}

// storage is an entry of numbers, which several tensors may share.
type storage struct {
	entry string
	dtype safetensors.Dtype
	at    int64 // in the file
	count int64
}

// storages are the classes that a pickle may name for numbers.
var storages = map[string]safetensors.Dtype{
	"torch BFloat16Storage": safetensors.BF16,
	"torch BoolStorage":     safetensors.Bool,
	"torch ByteStorage":     safetensors.U8,
	"torch CharStorage":     safetensors.I8,
	"torch DoubleStorage":   safetensors.F64,
	"torch FloatStorage":    safetensors.F32,
	"torch HalfStorage":     safetensors.F16,
	"torch IntStorage":      safetensors.I32,
	"torch LongStorage":     safetensors.I64,
	"torch ShortStorage":    safetensors.I16,
}

// newTensor checks that all numbers of a tensor lie in its storage.
func newTensor(s *storage, offset int64, shape, strides []int64) (*Tensor, error) {
	if len(shape) != len(strides) {
		return nil, fmt.Errorf("a tensor of %d dimensions has %d strides", len(shape), len(strides))
	}
	t := &Tensor{Dtype: s.dtype, Shape: shape, storage: s, offset: offset, strides: strides, count: 1}
	if offset < 0 || offset > s.count {
		return nil, fmt.Errorf("a tensor begins at number %d of %s, which has %d", offset, s.entry, s.count)
	}
	empty := false
	for i, n := range shape {
		if n < 0 || strides[i] < 0 {
			return nil, fmt.Errorf("a tensor of shape %v has strides %v", shape, strides)
		}
		empty = empty || n == 0
	}
	if empty {
		t.count = 0
		return t, nil
	}
	last := uint64(offset)
	for i, n := range shape {
		hi, count := bits.Mul64(uint64(t.count), uint64(n))
		if hi != 0 || count > 1<<60 {
			return nil, fmt.Errorf("the shape %v has more numbers than can be", shape)
		}
		t.count = int64(count)
		hi, span := bits.Mul64(uint64(n-1), uint64(strides[i]))
		if hi != 0 || span >= uint64(s.count) {
			last = uint64(s.count) // beyond: what is compared below
			continue
		}
		last = min(last+span, uint64(s.count))
	}
	if last >= uint64(s.count) {
		return nil, fmt.Errorf("a tensor of shape %v and strides %v from number %d on does not fit into %s, which has %d", shape, strides, offset, s.entry, s.count)
	}
	return t, nil
}

// Len is how many numbers it has.
func (t *Tensor) Len() int64 { return t.count }

// contiguous says whether the numbers follow one another in the storage, the last dimension fastest.
func (t *Tensor) contiguous() bool {
	next := int64(1)
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] != 1 && t.strides[i] != next {
			return t.count == 0
		}
		next *= t.Shape[i] // at most count
	}
	return true
}

const chunk = 64 << 10 // bytes that are converted at a time

// Floats reads len(dst) numbers of a tensor of a floating dtype, from number from on, the last dimension fastest. F64 is rounded. Where
// the tensor is a view such as a transposed one, all that lies between its numbers in the file is held meanwhile.
func (f *File) Floats(t *Tensor, from int64, dst []float32) error {
	if !t.Dtype.Floating() {
		return &Error{f.Name, t.storage.entry, -1, fmt.Sprintf("the numbers of tensor %q are %s, and floating ones are wanted", t.Name, t.Dtype)}
	}
	if from < 0 || from > t.count || int64(len(dst)) > t.count-from {
		return fmt.Errorf("torchfile: %s: numbers %d to %d of tensor %q, which has %d", f.Name, from, from+int64(len(dst)), t.Name, t.count)
	}
	if len(dst) == 0 {
		return nil
	}
	size := t.Dtype.Size()
	if t.contiguous() {
		buf := make([]byte, min(chunk, int64(len(dst))*size))
		for at := 0; at < len(dst); {
			n := min(len(dst)-at, chunk/int(size))
			b := buf[:int64(n)*size]
			if err := f.numbers(t, t.offset+from+int64(at), b); err != nil {
				return err
			}
			t.Dtype.Floats(dst[at:at+n], b)
			at += n
		}
		return nil
	}
	first, last := t.place(from), t.place(from)
	for i := range dst {
		p := t.place(from + int64(i))
		first, last = min(first, p), max(last, p)
	}
	b := make([]byte, (last-first+1)*size)
	if err := f.numbers(t, first, b); err != nil {
		return err
	}
	for i := range dst {
		at := (t.place(from+int64(i)) - first) * size
		t.Dtype.Floats(dst[i:i+1], b[at:at+size])
	}
	return nil
}

// place is where in the storage number i of the tensor lies.
func (t *Tensor) place(i int64) int64 {
	at := t.offset
	for d := len(t.Shape) - 1; d >= 0; d-- {
		at += i % t.Shape[d] * t.strides[d]
		i /= t.Shape[d]
	}
	return at
}

// numbers reads the bytes of numbers of the storage.
func (f *File) numbers(t *Tensor, from int64, b []byte) error {
	if err := readFull(f.r, b, t.storage.at+from*t.Dtype.Size()); err != nil {
		return fmt.Errorf("%s: %s: tensor %q: %w", f.Name, t.storage.entry, t.Name, err)
	}
	return nil
}
