package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// File is an open file. It may be shared.
type File struct {
	Name     string
	Tensors  []Tensor // by place
	Metadata map[string]string

	r      io.ReaderAt
	data   int64 // where the tensors' bytes begin
	byName map[string]int
}

// entry is a tensor in the header.
type entry struct {
	Dtype Dtype   `json:"dtype"`
	Shape []int64 `json:"shape"`
	Span  []int64 `json:"data_offsets"`
}

// Open reads and checks the header: offsets must follow one another without gaps to the end of the file, and agree with dtype
// and shape. name is for messages; an error of the content is a *Corrupt.
func Open(name string, r io.ReaderAt, size int64) (*File, error) {
	corrupt := func(at int64, format string, args ...any) error {
		return &Corrupt{File: name, Byte: at, What: fmt.Sprintf(format, args...)}
	}
	var head [8]byte
	if size < 8 {
		return nil, corrupt(size, "the file has %d bytes, and the length of its header alone would take 8", size)
	}
	if err := readFull(r, head[:], 0); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	length := binary.LittleEndian.Uint64(head[:])
	if length > MaxHeader {
		return nil, corrupt(0, "a header of %d bytes; at most %d are possible", length, MaxHeader)
	}
	if int64(length) > size-8 {
		return nil, corrupt(size, "the file ends in its header, which has %d bytes", length)
	}
	text := make([]byte, length)
	if err := readFull(r, text, 8); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) == 0 || text[0] != '{' {
		return nil, corrupt(8, "the header does not begin with {")
	}
	f := &File{Name: name, r: r, data: 8 + int64(length), byName: map[string]int{}}
	d := jsontext.NewDecoder(bytes.NewReader(text)) // strict: duplicate keys are errors
	if err := f.header(d); err != nil {
		if c, ok := errors.AsType[*Corrupt](err); ok {
			return nil, c
		}
		return nil, corrupt(8+d.InputOffset(), "the header is no JSON as it should be: %v", err)
	}
	if err := f.places(size - f.data); err != nil {
		return nil, err
	}
	return f, nil
}

// header reads the tensors and the metadata.
func (f *File) header(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil { // {
		return err
	}
	for d.PeekKind() == '"' {
		tok, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		if name == metadataKey {
			if err := json.UnmarshalDecode(d, &f.Metadata); err != nil {
				return err
			}
			continue
		}
		at := 8 + d.InputOffset()
		var e entry
		if err := json.UnmarshalDecode(d, &e); err != nil { // keys that are not known are passed over, as the reference does
			return err
		}
		t := Tensor{Name: name, Dtype: e.Dtype, Shape: e.Shape}
		if len(e.Span) != 2 {
			return &Corrupt{f.Name, at, name, "data_offsets are not two numbers"}
		}
		if e.Shape == nil {
			return &Corrupt{f.Name, at, name, "its shape is missing"}
		}
		t.From, t.To = e.Span[0], e.Span[1]
		if err := e.Dtype.check(); err != nil {
			return &Corrupt{f.Name, at, name, err.Error()}
		}
		n, err := t.Len()
		if err != nil {
			return &Corrupt{f.Name, at, name, err.Error()}
		}
		if t.From < 0 || t.To < t.From || (t.To-t.From)/e.Dtype.Size() != n || (t.To-t.From)%e.Dtype.Size() != 0 {
			return &Corrupt{f.Name, at, name, fmt.Sprintf("%s of shape %v takes %d numbers of %d bytes, and it lies from byte %d to %d of the data", e.Dtype, e.Shape, n, e.Dtype.Size(), t.From, t.To)}
		}
		f.Tensors = append(f.Tensors, t)
	}
	if _, err := d.ReadToken(); err != nil { // }
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF { // white space may pad it
		return cmp.Or(err, errors.New("something stands behind it"))
	}
	return nil
}

// places checks that the tensors follow one another to the end of the data.
func (f *File) places(size int64) error {
	slices.SortStableFunc(f.Tensors, func(a, b Tensor) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	at := int64(0)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if t.From != at {
			return &Corrupt{f.Name, f.data + at, t.Name, fmt.Sprintf("it begins at byte %d of the data, and the one before it ends at %d", t.From, at)}
		}
		at = t.To
		f.byName[t.Name] = i
	}
	if at != size {
		return &Corrupt{f.Name, f.data + min(at, size), "", fmt.Sprintf("the tensors take %d bytes, and the file has %d behind its header", at, size)}
	}
	return nil
}

// Lookup finds a tensor; nil is none.
func (f *File) Lookup(name string) *Tensor {
	if i, ok := f.byName[name]; ok {
		return &f.Tensors[i]
	}
	return nil
}

const chunk = 64 << 10 // bytes that are converted at a time

// Floats reads len(dst) numbers of a tensor of a floating dtype, from number from on. F64 is rounded.
func (f *File) Floats(t *Tensor, from int64, dst []float32) error {
	if !t.Dtype.Floating() {
		return &Corrupt{f.Name, f.data + t.From, t.Name, fmt.Sprintf("its numbers are %s, and floating ones are wanted", t.Dtype)}
	}
	return f.read(t, from, len(dst), func(at int, n int, b []byte) { t.Dtype.Floats(dst[at:at+n], b) })
}

// Ints is the same for a tensor of integers.
func (f *File) Ints(t *Tensor, from int64, dst []int64) error {
	switch t.Dtype {
	case I8, U8, I16, U16, I32, U32, I64, U64, Bool:
	default:
		return &Corrupt{f.Name, f.data + t.From, t.Name, fmt.Sprintf("its numbers are %s, and integers are wanted", t.Dtype)}
	}
	return f.read(t, from, len(dst), func(at int, n int, b []byte) { ints(dst[at:at+n], t.Dtype, b) })
}

// Int8s is the same for a tensor of 8-bit integers.
func (f *File) Int8s(t *Tensor, from int64, dst []int8) error {
	if t.Dtype != I8 {
		return &Corrupt{f.Name, f.data + t.From, t.Name, fmt.Sprintf("its numbers are %s, and %s are wanted", t.Dtype, I8)}
	}
	return f.read(t, from, len(dst), func(at int, n int, b []byte) {
		for i, v := range b[:n] {
			dst[at+i] = int8(v)
		}
	})
}

func (f *File) read(t *Tensor, from int64, count int, take func(at, n int, b []byte)) error {
	size := t.Dtype.Size()
	if all := (t.To - t.From) / size; from < 0 || from > all || int64(count) > all-from {
		return fmt.Errorf("safetensors: %s: numbers %d to %d of tensor %q, which has %d", f.Name, from, from+int64(count), t.Name, all)
	}
	buf := make([]byte, min(chunk, int64(count)*size))
	for at := 0; at < count; {
		n := min(count-at, chunk/int(size))
		b := buf[:int64(n)*size]
		where := f.data + t.From + (from+int64(at))*size
		if err := readFull(f.r, b, where); err != nil {
			return fmt.Errorf("%s (byte %d): tensor %q: %w", f.Name, where, t.Name, err)
		}
		take(at, n, b)
		at += n
	}
	return nil
}

// readFull reads all of b; a file that has become shorter is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
