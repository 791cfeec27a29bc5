package gguf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// File is an open file. It may be shared.
type File struct {
	Name     string
	Metadata []Pair   // in the order of the file
	Tensors  []Tensor // by place

	r      io.ReaderAt
	data   int64 // where the tensors' bytes begin
	keys   map[string]int
	byName map[string]int
}

// Open reads and checks all in front of the tensors' bytes: that none of them ends beyond the file, and that they follow one another
// as ggml wants it. Memory is in proportion to what the file has, whatever its counts say. name is for messages; an error of the
// content is a *Corrupt.
func Open(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{Name: name, r: r, keys: map[string]int{}, byName: map[string]int{}}
	d := &decoder{name: name, end: min(size, MaxHeader), cut: size > MaxHeader}
	d.r = bufio.NewReaderSize(io.NewSectionReader(r, 0, d.end), 64<<10)
	f.header(d)
	if d.err != nil {
		return nil, d.err
	}
	return f, f.places(size)
}

// decoder reads what lies one behind the other. The first error stays, and all that is read after it is 0.
type decoder struct {
	name string
	r    *bufio.Reader
	at   int64
	end  int64
	cut  bool // the file goes on behind end
	err  error
	b    [8]byte
}

func (d *decoder) fail(at int64, format string, args ...any) {
	if d.err == nil {
		d.err = &Corrupt{d.name, at, fmt.Sprintf(format, args...)}
	}
}

// room says whether count things of size bytes each can follow.
func (d *decoder) room(count uint64, size int64) bool {
	if d.err == nil && count > uint64(d.end-d.at)/uint64(size) {
		if d.cut {
			d.fail(d.at, "what stands in front of the tensors is longer than %d MiB", MaxHeader>>20)
		} else {
			d.fail(d.at, "the file ends before the %d bytes that are announced here; fetch it again", satisfying(count, size))
		}
	}
	return d.err == nil
}

// satisfying is count·size, or the most there is.
func satisfying(count uint64, size int64) uint64 {
	if count > math.MaxUint64/uint64(size) {
		return math.MaxUint64
	}
	return count * uint64(size)
}

func (d *decoder) bytes(b []byte) {
	if !d.room(uint64(len(b)), 1) {
		clear(b)
		return
	}
	if _, err := io.ReadFull(d.r, b); err != nil {
		d.err = fmt.Errorf("%s (byte %d): %w", d.name, d.at, err)
		clear(b)
		return
	}
	d.at += int64(len(b))
}

func (d *decoder) u8() uint8 { d.bytes(d.b[:1]); return d.b[0] }

func (d *decoder) u16() uint16 { d.bytes(d.b[:2]); return binary.LittleEndian.Uint16(d.b[:]) }

func (d *decoder) u32() uint32 { d.bytes(d.b[:4]); return binary.LittleEndian.Uint32(d.b[:]) }

func (d *decoder) u64() uint64 { d.bytes(d.b[:8]); return binary.LittleEndian.Uint64(d.b[:]) }

func (d *decoder) bool() bool {
	at := d.at
	x := d.u8()
	if x > 1 {
		d.fail(at, "a value that is true or false is %d; it must be 0 or 1", x)
	}
	return x == 1
}

func (d *decoder) string() string {
	n := d.u64()
	if !d.room(n, 1) {
		return ""
	}
	b := make([]byte, n)
	d.bytes(b)
	return string(b)
}

func (d *decoder) value() any {
	at := d.at
	switch kind := d.u32(); kind {
	case kindUint8:
		return d.u8()
	case kindInt8:
		return int8(d.u8())
	case kindUint16:
		return d.u16()
	case kindInt16:
		return int16(d.u16())
	case kindUint32:
		return d.u32()
	case kindInt32:
		return int32(d.u32())
	case kindFloat32:
		return math.Float32frombits(d.u32())
	case kindBool:
		return d.bool()
	case kindString:
		return d.string()
	case kindArray:
		return d.array()
	case kindUint64:
		return d.u64()
	case kindInt64:
		return int64(d.u64())
	case kindFloat64:
		return math.Float64frombits(d.u64())
	default:
		d.fail(at, "a value of kind %d; there are 0 to %d", kind, kindFloat64)
	}
	return nil
}

func (d *decoder) array() any {
	at := d.at
	kind := d.u32()
	if int64(kind) >= int64(len(sizes)) || sizes[kind] == 0 {
		d.fail(at, "an array of values of kind %d, of which there are no arrays", kind)
		return nil
	}
	n := d.u64()
	if !d.room(n, sizes[kind]) {
		return nil
	}
	switch kind {
	case kindUint8:
		return list(d, n, d.u8)
	case kindInt8:
		return list(d, n, func() int8 { return int8(d.u8()) })
	case kindUint16:
		return list(d, n, d.u16)
	case kindInt16:
		return list(d, n, func() int16 { return int16(d.u16()) })
	case kindUint32:
		return list(d, n, d.u32)
	case kindInt32:
		return list(d, n, func() int32 { return int32(d.u32()) })
	case kindFloat32:
		return list(d, n, func() float32 { return math.Float32frombits(d.u32()) })
	case kindBool:
		return list(d, n, d.bool)
	case kindString:
		return list(d, n, d.string)
	case kindUint64:
		return list(d, n, d.u64)
	case kindInt64:
		return list(d, n, func() int64 { return int64(d.u64()) })
	}
	return list(d, n, func() float64 { return math.Float64frombits(d.u64()) })
}

// list reads n values, for which there is room.
func list[T any](d *decoder, n uint64, one func() T) []T {
	x := make([]T, n)
	for i := range x {
		if x[i] = one(); d.err != nil {
			return nil
		}
	}
	return x
}

func (f *File) header(d *decoder) {
	if start := d.u32(); d.err == nil && string(binary.LittleEndian.AppendUint32(nil, start)) != magic {
		d.fail(0, "the file does not begin with %s", magic)
	}
	switch v := d.u32(); {
	case v == 2 || v == version || d.err != nil:
	case v&0xffff == 0:
		d.fail(4, "the file is for machines that have the highest byte first, and only others are read here; convert it with gguf-py's gguf-convert-endian")
	default:
		d.fail(4, "version %d of the format; 2 and %d are read here", v, version)
	}
	tensors, pairs := d.u64(), d.u64()
	// A pair has a key's length, a kind and a byte at least; a tensor a name's length, a dimension, a type and an offset.
	if !d.room(pairs, 8+4+1) || !d.room(tensors, 8+4+8+4+8) {
		return
	}
	for range pairs {
		at := d.at
		p := Pair{Key: d.string(), Value: d.value()}
		if _, twice := f.keys[p.Key]; twice {
			d.fail(at, "the key %q stands twice", p.Key)
		}
		if d.err != nil {
			return
		}
		f.keys[p.Key] = len(f.Metadata)
		f.Metadata = append(f.Metadata, p)
	}
	align := int64(alignment)
	if v := f.Lookup(AlignmentKey); v != nil {
		n, ok := v.(uint32)
		if !ok || n == 0 || n&(n-1) != 0 {
			d.fail(d.at, "%s is %v; it must be a power of two, as a uint32", AlignmentKey, v)
			return
		}
		align = int64(n)
	}
	next := int64(0)
	for range tensors {
		at := d.at
		t := Tensor{Name: d.string()}
		dims := d.u32()
		if d.err == nil && (dims < 1 || dims > maxDims) {
			d.fail(at, "tensor %q has %d dimensions; from 1 to %d are possible", t.Name, dims, maxDims)
		}
		if d.err != nil {
			return
		}
		t.Shape = make([]int64, dims)
		for i := range t.Shape {
			t.Shape[len(t.Shape)-1-i] = int64(d.u64())
		}
		t.Type, t.Offset = Type(d.u32()), int64(d.u64())
		if d.err != nil {
			return
		}
		n, err := t.Bytes()
		_, twice := f.byName[t.Name]
		switch {
		case err != nil:
			d.fail(at, "tensor %q: %v", t.Name, err)
			return
		case twice:
			d.fail(at, "the tensor %q stands twice", t.Name)
			return
		case t.Offset != next:
			d.fail(at, "tensor %q begins at byte %d of the data, and should at %d", t.Name, t.Offset, next)
			return
		}
		if next = padded(t.Offset+n, align); next < t.Offset {
			d.fail(at, "tensor %q ends nowhere", t.Name)
			return
		}
		f.byName[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	f.data = padded(d.at, align)
}

// places checks that the tensors end where the file does at the latest.
func (f *File) places(size int64) error {
	if len(f.Tensors) == 0 {
		return nil
	}
	last := &f.Tensors[len(f.Tensors)-1]
	n, _ := last.Bytes() // header has checked it
	if end := f.data + last.Offset + n; end < 0 || end > size {
		return &Corrupt{f.Name, size, fmt.Sprintf("the file ends in its tensors, which take it to byte %d; fetch it again", end)}
	}
	return nil
}

// Lookup is the value of a key; nil is none.
func (f *File) Lookup(key string) any {
	if i, ok := f.keys[key]; ok {
		return f.Metadata[i].Value
	}
	return nil
}

// Tensor finds a tensor; nil is none.
func (f *File) Tensor(name string) *Tensor {
	if i, ok := f.byName[name]; ok {
		return &f.Tensors[i]
	}
	return nil
}

// Read reads bytes of a tensor's numbers, from byte at on.
func (f *File) Read(t *Tensor, at int64, b []byte) error {
	all, err := t.Bytes()
	if err != nil {
		return err
	}
	if at < 0 || at > all || int64(len(b)) > all-at {
		return fmt.Errorf("gguf: %s: bytes %d to %d of tensor %q, which has %d", f.Name, at, at+int64(len(b)), t.Name, all)
	}
	where := f.data + t.Offset + at
	n, err := f.r.ReadAt(b, where)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s (byte %d): tensor %q: %w", f.Name, where, t.Name, err)
}

// Is says whether a file begins as one of this format does; b are its first bytes.
func Is(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }
