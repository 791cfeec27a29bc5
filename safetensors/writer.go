package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Writer writes a file in one go.
type Writer struct {
	w       io.Writer
	tensors []Tensor
	next    int   // tensor
	left    int64 // of its numbers
	buf     []byte
}

// NewWriter writes the header. From and To of the tensors are set: they lie one behind the other as they are given. The
// reference wants data to begin at a multiple of 8 bytes and pads the header with spaces; it gives the widest dtypes the first
// places, so that numbers are aligned, which is the caller's affair here.
func NewWriter(w io.Writer, tensors []Tensor, metadata map[string]string) (*Writer, error) {
	var b strings.Builder
	b.WriteString(`{`)
	quote := func(s string) error {
		q, err := jsontext.AppendQuote(nil, s)
		b.Write(q)
		return err
	}
	if metadata != nil {
		b.WriteString(`"` + metadataKey + `":{`)
		for i, k := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := quote(k); err != nil {
				return nil, fmt.Errorf("safetensors: key %q of the metadata: %w", k, err)
			}
			b.WriteByte(':')
			if err := quote(metadata[k]); err != nil {
				return nil, fmt.Errorf("safetensors: %q of the metadata: %w", k, err)
			}
		}
		b.WriteByte('}')
	}
	at := int64(0)
	names := map[string]bool{metadataKey: true}
	for i := range tensors {
		t := &tensors[i]
		n, err := t.Len()
		switch {
		case err != nil:
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		case !t.Dtype.Floating() && t.Dtype != I8:
			return nil, fmt.Errorf("safetensors: tensor %q: floating numbers and %s are written, not %s", t.Name, I8, t.Dtype)
		case names[t.Name]:
			return nil, fmt.Errorf("safetensors: there are two tensors %q", t.Name)
		}
		names[t.Name] = true
		t.From, t.To = at, at+n*t.Dtype.Size()
		at = t.To
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if err := quote(t.Name); err != nil {
			return nil, fmt.Errorf("safetensors: name %q: %w", t.Name, err)
		}
		fmt.Fprintf(&b, `:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, t.Dtype, strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ","), "[]"), t.From, t.To)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeader {
		return nil, fmt.Errorf("safetensors: a header of %d bytes; at most %d are possible", b.Len(), MaxHeader)
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(b.Len())), b.String()...)); err != nil {
		return nil, err
	}
	out := &Writer{w: w, tensors: tensors, next: -1}
	out.advance()
	return out, nil
}

// advance goes to the next tensor that has numbers.
func (w *Writer) advance() {
	for w.left == 0 && w.next < len(w.tensors) {
		if w.next++; w.next < len(w.tensors) {
			w.left, _ = w.tensors[w.next].Len() // NewWriter has checked it
		}
	}
}

// Floats writes the next len(x) numbers, in the dtype of the tensor to which they belong.
func (w *Writer) Floats(x []float32) error {
	return w.write(len(x), true, func(d Dtype, from, to int) { w.buf = appendFloats(w.buf, d, x[from:to]) })
}

// Int8s writes the next len(x) numbers of a tensor of I8.
func (w *Writer) Int8s(x []int8) error {
	return w.write(len(x), false, func(_ Dtype, from, to int) {
		for _, v := range x[from:to] {
			w.buf = append(w.buf, byte(v))
		}
	})
}

// write writes count numbers, a piece at a time, which fill puts into the buffer.
func (w *Writer) write(count int, floating bool, fill func(d Dtype, from, to int)) error {
	for at := 0; at < count; {
		if w.next >= len(w.tensors) {
			return fmt.Errorf("safetensors: %d numbers more than the tensors have", count-at)
		}
		t := &w.tensors[w.next]
		if t.Dtype.Floating() != floating {
			return fmt.Errorf("safetensors: tensor %q has %s, and the numbers that come are not", t.Name, t.Dtype)
		}
		n := int(min(int64(count-at), w.left, chunk/t.Dtype.Size()))
		w.buf = w.buf[:0]
		fill(t.Dtype, at, at+n)
		if _, err := w.w.Write(w.buf); err != nil {
			return err
		}
		at, w.left = at+n, w.left-int64(n)
		w.advance()
	}
	return nil
}

// Close says whether all numbers were written. It does not close what is below.
func (w *Writer) Close() error {
	if w.next < len(w.tensors) {
		return fmt.Errorf("safetensors: %d numbers of tensor %q were not written", w.left, w.tensors[w.next].Name)
	}
	return nil
}
