package parquet

import "encoding/binary"

// thriftAppender writes the compact protocol: fields in the order of their numbers, as small as they can be.
type thriftAppender struct {
	b     []byte
	last  int16   // number of the field before, in the struct that is open
	outer []int16 // the same of the structs around it
}

func (a *thriftAppender) reset() { a.b, a.last, a.outer = a.b[:0], 0, a.outer[:0] }

func (a *thriftAppender) field(id int16, kind byte) {
	if d := id - a.last; d > 0 && d < 16 {
		a.b = append(a.b, byte(d)<<4|kind)
	} else {
		a.b = binary.AppendVarint(append(a.b, kind), int64(id))
	}
	a.last = id
}

func (a *thriftAppender) int(id int16, kind byte, v int64) {
	a.field(id, kind)
	a.b = binary.AppendVarint(a.b, v) // zigzag
}

func (a *thriftAppender) i32(id int16, v int32) { a.int(id, thriftI32, int64(v)) }
func (a *thriftAppender) i64(id int16, v int64) { a.int(id, thriftI64, v) }

func (a *thriftAppender) bool(id int16, v bool) {
	if v {
		a.field(id, thriftTrue)
	} else {
		a.field(id, thriftFalse)
	}
}

func (a *thriftAppender) bytes(id int16, v []byte) {
	a.field(id, thriftBinary)
	a.b = append(binary.AppendUvarint(a.b, uint64(len(v))), v...)
}

func (a *thriftAppender) string(id int16, v string) {
	a.field(id, thriftBinary)
	a.element(v)
}

// element is a string of a list.
func (a *thriftAppender) element(v string) {
	a.b = append(binary.AppendUvarint(a.b, uint64(len(v))), v...)
}

func (a *thriftAppender) list(id int16, kind byte, n int) {
	a.field(id, thriftList)
	if n < 15 {
		a.b = append(a.b, byte(n)<<4|kind)
	} else {
		a.b = binary.AppendUvarint(append(a.b, 15<<4|kind), uint64(n))
	}
}

// begin opens a struct that is an element of a list, or the outermost one.
func (a *thriftAppender) begin() {
	a.outer = append(a.outer, a.last)
	a.last = 0
}

// open begins a struct that is a field.
func (a *thriftAppender) open(id int16) {
	a.field(id, thriftStruct)
	a.begin()
}

func (a *thriftAppender) end() {
	a.b = append(a.b, 0)
	a.last = a.outer[len(a.outer)-1]
	a.outer = a.outer[:len(a.outer)-1]
}
