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
		case !t.Dtype.Floating():
			return nil, fmt.Errorf("safetensors: tensor %q: only floating numbers are written, not %s", t.Name, t.Dtype)
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
	for len(x) > 0 {
		if w.next >= len(w.tensors) {
			return fmt.Errorf("safetensors: %d numbers more than the tensors have", len(x))
		}
		t := &w.tensors[w.next]
		n := int(min(int64(len(x)), w.left, chunk/t.Dtype.Size()))
		w.buf = appendFloats(w.buf[:0], t.Dtype, x[:n])
		if _, err := w.w.Write(w.buf); err != nil {
			return err
		}
		x, w.left = x[n:], w.left-int64(n)
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
