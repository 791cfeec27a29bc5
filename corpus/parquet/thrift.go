package parquet

import "errors"

// The compact protocol of Thrift, as far as the footer and the page headers need it:
// github.com/apache/thrift, doc/specs/thrift-compact-protocol.md. Generated decoders allocate what a list
// claims to hold before they have seen it; this one never allocates more than a small multiple of the bytes read.

// Kinds of a field or list element in the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// maxThriftDepth bounds recursion over nested structs; the format itself needs 6.
const maxThriftDepth = 32

var (
	errThriftShort = errors.New("it ends in the middle")
	errThrift      = errors.New("it is not in Thrift's compact protocol")
)

// thriftReader reads from b. The first error stays in err; after it every method gives zeros.
type thriftReader struct {
	b     []byte
	pos   int
	depth int
	err   error
}

func (r *thriftReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.b)
}

func (r *thriftReader) byte() byte {
	if r.pos >= len(r.b) {
		r.fail(errThriftShort)
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

func (r *thriftReader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(errThrift)
	return 0
}

// int is any integer of the protocol: zigzag in a varint.
func (r *thriftReader) int() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// int32 is an i32 field; a value that does not fit is damage.
func (r *thriftReader) int32() int32 {
	v := r.int()
	if v != int64(int32(v)) {
		r.fail(errThrift)
		return 0
	}
	return int32(v)
}

// binary is a view of b.
func (r *thriftReader) binary() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.pos) {
		r.fail(errThriftShort)
		return nil
	}
	b := r.b[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// fields calls f for each field of a struct. f reads the value, or says that it did not, and it is skipped: an
// unknown field, or one of another kind than it should be. A boolean has no bytes; its value is its kind.
func (r *thriftReader) fields(f func(id int16, kind byte) (read bool)) {
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThrift)
	}
	id := int16(0)
	for r.err == nil {
		h := r.byte()
		if h == 0 {
			break
		}
		if d := h >> 4; d != 0 {
			id += int16(d)
		} else {
			id = int16(r.int())
		}
		kind := h & 15
		if r.err == nil && !f(id, kind) {
			r.skip(kind)
		}
	}
	r.depth--
}

// list is the head of a list or set. Its elements take at least a byte each, so n is bounded by what there is.
func (r *thriftReader) list() (n int, kind byte) {
	h := r.byte()
	size := uint64(h >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	if size > uint64(len(r.b)-r.pos) {
		r.fail(errThriftShort)
		return 0, 0
	}
	return int(size), h & 15
}

// structs calls f for each element of a list of structs.
func (r *thriftReader) structs(f func()) {
	n, kind := r.list()
	if n > 0 && kind != thriftStruct {
		r.fail(errThrift)
	}
	for i := 0; i < n && r.err == nil; i++ {
		f()
	}
}

func (r *thriftReader) skip(kind byte) {
	switch kind {
	case thriftTrue, thriftFalse: // the value is the kind
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.skipBytes(8)
	case thriftUUID:
		r.skipBytes(16)
	case thriftBinary:
		r.binary()
	case thriftList, thriftSet:
		n, k := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			r.skipElement(k)
		}
	case thriftMap:
		n := r.uvarint()
		if n == 0 {
			return
		}
		if n > uint64(len(r.b)-r.pos) {
			r.fail(errThriftShort)
			return
		}
		kinds := r.byte()
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.skipElement(kinds >> 4)
			r.skipElement(kinds & 15)
		}
	case thriftStruct:
		r.fields(func(int16, byte) bool { return false })
	default:
		r.fail(errThrift)
	}
}

// skipElement skips an element of a container, where a boolean is a byte of its own.
func (r *thriftReader) skipElement(kind byte) {
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftByte
	}
	if r.depth++; r.depth > maxThriftDepth {
		r.fail(errThrift)
	}
	r.skip(kind)
	r.depth--
}

func (r *thriftReader) skipBytes(n int) {
	if n > len(r.b)-r.pos {
		r.fail(errThriftShort)
		return
	}
	r.pos += n
}
