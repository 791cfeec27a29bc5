package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"curate/kernel"
)

// Dtype of a tensor's elements, as the header spells it.
type Dtype string

const (
	BF16 Dtype = "BF16"
	Bool Dtype = "BOOL"
	F16  Dtype = "F16"
	F32  Dtype = "F32"
	F64  Dtype = "F64"
	I16  Dtype = "I16"
	I32  Dtype = "I32"
	I64  Dtype = "I64"
	I8   Dtype = "I8"
	U16  Dtype = "U16"
	U32  Dtype = "U32"
	U64  Dtype = "U64"
	U8   Dtype = "U8"
	// These have no conversion here; their tensors can be listed, and their bytes have their places.
	C64        Dtype = "C64"
	F8E4M3     Dtype = "F8_E4M3"
	F8E4M3FNUZ Dtype = "F8_E4M3FNUZ"
	F8E5M2     Dtype = "F8_E5M2"
	F8E5M2FNUZ Dtype = "F8_E5M2FNUZ"
	F8E8M0     Dtype = "F8_E8M0"
)

// Size is how many bytes an element has; 0 for a dtype that is not known. Those of the reference that are narrower than a
// byte (F4, F6_E2M3, F6_E3M2) are not.
func (d Dtype) Size() int64 {
	switch d {
	case Bool, I8, U8, F8E4M3, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0:
		return 1
	case BF16, F16, I16, U16:
		return 2
	case F32, I32, U32:
		return 4
	case C64, F64, I64, U64:
		return 8
	}
	return 0
}

// Floating says whether Floats converts it.
func (d Dtype) Floating() bool { return d == BF16 || d == F16 || d == F32 || d == F64 }

func (d Dtype) check() error {
	switch d {
	case "F4", "F6_E2M3", "F6_E3M2":
		return fmt.Errorf("dtype %q is narrower than a byte, and this program reads none such; convert the file with torch first", string(d))
	}
	if d.Size() == 0 {
		return fmt.Errorf("dtype %q is not known; this program knows F64, F32, F16, BF16, integers of 8 to 64 bits, BOOL, and the places of F8 and C64", string(d))
	}
	return nil
}

// appendFloats writes x in a dtype, rounded to nearest, ties to even.
func appendFloats(dst []byte, d Dtype, x []float32) []byte {
	at := len(dst)
	dst = slices.Grow(dst, len(x)*int(d.Size()))[:at+len(x)*int(d.Size())]
	b := dst[at:]
	switch d {
	case F32:
		for i, v := range x {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
		}
	case F64:
		for i, v := range x {
			binary.LittleEndian.PutUint64(b[8*i:], math.Float64bits(float64(v)))
		}
	case BF16:
		for i, v := range x {
			binary.LittleEndian.PutUint16(b[2*i:], toBF16(v))
		}
	case F16:
		for i, v := range x {
			binary.LittleEndian.PutUint16(b[2*i:], kernel.Half(v))
		}
	}
	return dst
}

// Floats reads len(dst) numbers of a floating dtype from b, which has as many bytes as they take, the lowest first. F64 is rounded.
func (d Dtype) Floats(dst []float32, b []byte) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	case F16:
		for i := range dst {
			dst[i] = kernel.FromHalf(binary.LittleEndian.Uint16(b[2*i:]))
		}
	}
}

// ints reads len(dst) numbers of a dtype of integers; U64 above the range of int64 wraps.
func ints(dst []int64, d Dtype, b []byte) {
	for i := range dst {
		switch d {
		case I8:
			dst[i] = int64(int8(b[i]))
		case U8, Bool:
			dst[i] = int64(b[i])
		case I16:
			dst[i] = int64(int16(binary.LittleEndian.Uint16(b[2*i:])))
		case U16:
			dst[i] = int64(binary.LittleEndian.Uint16(b[2*i:]))
		case I32:
			dst[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		case U32:
			dst[i] = int64(binary.LittleEndian.Uint32(b[4*i:]))
		case I64, U64:
			dst[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
}

func toBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 1<<6 // quiet, and no infinity
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
