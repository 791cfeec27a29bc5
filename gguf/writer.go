package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Writer writes a file in one go.
type Writer struct {
	w       io.Writer
	tensors []Tensor
	next    int   // tensor
	left    int64 // of its bytes
}

// NewWriter writes all in front of the tensors' bytes. Offset of the tensors is set: they lie one behind the other as they are given.
// Data begins where the file says itself (AlignmentKey among the pairs), or at a multiple of 32 bytes.
func NewWriter(w io.Writer, pairs []Pair, tensors []Tensor) (*Writer, error) {
	b := append([]byte(magic), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(pairs)))
	keys := map[string]bool{}
	for _, p := range pairs {
		if p.Key == AlignmentKey {
			return nil, fmt.Errorf("gguf: %s cannot be chosen", AlignmentKey)
		}
		if keys[p.Key] {
			return nil, fmt.Errorf("gguf: there are two keys %q", p.Key)
		}
		keys[p.Key] = true
		b = appendString(b, p.Key)
		kind := kindOf(p.Value)
		if kind < 0 {
			return nil, fmt.Errorf("gguf: %s: a %T is no value of this format", p.Key, p.Value)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(kind))
		b = appendValue(b, p.Value)
	}
	at := int64(0)
	names := map[string]bool{}
	for i := range tensors {
		t := &tensors[i]
		n, err := t.Bytes()
		switch {
		case err != nil:
			return nil, fmt.Errorf("gguf: tensor %q: %w", t.Name, err)
		case len(t.Name) > MaxName:
			return nil, fmt.Errorf("gguf: tensor %q: a name of %d bytes; at most %d are possible", t.Name, len(t.Name), MaxName)
		case names[t.Name]:
			return nil, fmt.Errorf("gguf: there are two tensors %q", t.Name)
		}
		names[t.Name] = true
		t.Offset = at
		at = padded(at+n, alignment)
		b = appendString(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for k := range t.Shape {
			b = binary.LittleEndian.AppendUint64(b, uint64(t.Shape[len(t.Shape)-1-k]))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Offset))
	}
	if len(b) > MaxHeader {
		return nil, fmt.Errorf("gguf: %d bytes in front of the tensors; at most %d are possible", len(b), MaxHeader)
	}
	b = append(b, make([]byte, padded(int64(len(b)), alignment)-int64(len(b)))...)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	out := &Writer{w: w, tensors: tensors, next: -1}
	return out, out.advance()
}

// advance goes to the next tensor that has bytes, behind the padding of the last one.
func (w *Writer) advance() error {
	for w.left == 0 && w.next < len(w.tensors) {
		if w.next >= 0 {
			n, _ := w.tensors[w.next].Bytes() // NewWriter has checked it
			if _, err := w.w.Write(make([]byte, padded(n, alignment)-n)); err != nil {
				return err
			}
		}
		if w.next++; w.next < len(w.tensors) {
			w.left, _ = w.tensors[w.next].Bytes()
		}
	}
	return nil
}

// Write writes the next bytes of the tensors' numbers, which may belong to several tensors.
func (w *Writer) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		if w.next >= len(w.tensors) {
			return written, fmt.Errorf("gguf: %d bytes more than the tensors have", len(b))
		}
		n, err := w.w.Write(b[:min(int64(len(b)), w.left)])
		written, b, w.left = written+n, b[n:], w.left-int64(n)
		if err != nil {
			return written, err
		}
		if err := w.advance(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// Close says whether all bytes were written. It does not close what is below.
func (w *Writer) Close() error {
	if w.next < len(w.tensors) {
		return fmt.Errorf("gguf: %d bytes of tensor %q were not written", w.left, w.tensors[w.next].Name)
	}
	return nil
}

// kindOf is negative for what is no value.
func kindOf(v any) int {
	switch v.(type) {
	case uint8:
		return kindUint8
	case int8:
		return kindInt8
	case uint16:
		return kindUint16
	case int16:
		return kindInt16
	case uint32:
		return kindUint32
	case int32:
		return kindInt32
	case float32:
		return kindFloat32
	case bool:
		return kindBool
	case string:
		return kindString
	case uint64:
		return kindUint64
	case int64:
		return kindInt64
	case float64:
		return kindFloat64
	case []uint8, []int8, []uint16, []int16, []uint32, []int32, []float32, []bool, []string, []uint64, []int64, []float64:
		return kindArray
	}
	return -1
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value that kindOf knows.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case uint8:
		return append(b, v)
	case int8:
		return append(b, byte(v))
	case uint16:
		return binary.LittleEndian.AppendUint16(b, v)
	case int16:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	case uint32:
		return binary.LittleEndian.AppendUint32(b, v)
	case int32:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case float32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case string:
		return appendString(b, v)
	case uint64:
		return binary.LittleEndian.AppendUint64(b, v)
	case int64:
		return binary.LittleEndian.AppendUint64(b, uint64(v))
	case float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case []uint8:
		return appendList(b, v)
	case []int8:
		return appendList(b, v)
	case []uint16:
		return appendList(b, v)
	case []int16:
		return appendList(b, v)
	case []uint32:
		return appendList(b, v)
	case []int32:
		return appendList(b, v)
	case []float32:
		return appendList(b, v)
	case []bool:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	case []uint64:
		return appendList(b, v)
	case []int64:
		return appendList(b, v)
	case []float64:
		return appendList(b, v)
	}
	return b
}

func appendList[T any](b []byte, list []T) []byte {
	var zero T
	b = binary.LittleEndian.AppendUint32(b, uint32(kindOf(zero)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, v := range list {
		b = appendValue(b, v)
	}
	return b
}
