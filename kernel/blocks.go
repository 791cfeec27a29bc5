package kernel

import (
	"encoding/binary"
	"math"
)

// Numbers in blocks, as GGUF has them: BlockLen numbers of a row share a scale in 16 bits, which stands before them.
//
//	Q8_0  d f16, 32 × int8               x ≈ d·q
//	Q4_0  d f16, 16 bytes of two q each  x ≈ d·(q−8); byte j has number j in its low half and number j+16 in its high one
//
// The rounding is that of ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref (ggml/src/ggml-quants.c), each operation rounded
// to float32 by itself; gguf-py's quants.py computes the same. A compiler that fuses ggml's multiplication and addition gives
// another q where a number lies on the border of two.
const (
	BlockLen = 32             // numbers of a block
	Q8Bytes  = 2 + BlockLen   // of a block of Q8_0
	Q4Bytes  = 2 + BlockLen/2 // of a block of Q4_0
)

// AppendQ8 appends x, whose length is a multiple of BlockLen, as blocks of Q8_0. ok is false if a scale is not finite: a number is
// none, or beyond what the format can hold (127·65504).
func AppendQ8(dst []byte, x []float32) (_ []byte, ok bool) {
	for ok = true; len(x) > 0; x = x[BlockLen:] {
		most := float32(0)
		for _, v := range x[:BlockLen] {
			if v != v {
				ok = false
			}
			most = max(most, max(v, -v))
		}
		d := most / 127
		inverse := inverseOf(d)
		half := ToF16(d)
		ok = ok && half < infF16
		dst = binary.LittleEndian.AppendUint16(dst, half)
		for _, v := range x[:BlockLen] {
			q := math.Round(float64(v * inverse)) // away from zero at ties, as C's roundf
			dst = append(dst, byte(int8(min(max(q, -127), 127))))
		}
	}
	return dst, ok
}

// AppendQ4 is the same for Q4_0, whose scale is the number farthest from zero, the first of several, by −8: so that one is exact.
func AppendQ4(dst []byte, x []float32) (_ []byte, ok bool) {
	for ok = true; len(x) > 0; x = x[BlockLen:] {
		farthest, most := float32(0), float32(0)
		for _, v := range x[:BlockLen] {
			if v != v {
				ok = false
			}
			if a := max(v, -v); a > most {
				farthest, most = v, a
			}
		}
		d := farthest / -8
		inverse := inverseOf(d)
		half := ToF16(d)
		ok = ok && half&0x7fff < infF16
		dst = binary.LittleEndian.AppendUint16(dst, half)
		for j := range BlockLen / 2 {
			dst = append(dst, q4(x[j], inverse)|q4(x[j+BlockLen/2], inverse)<<4)
		}
	}
	return dst, ok
}

// inverseOf is 1/d. Where that is nothing finite, d is 0 in 16 bits, so that q does not matter; ggml's is undefined there.
func inverseOf(d float32) float32 {
	if inverse := 1 / d; inverse-inverse == 0 {
		return inverse
	}
	return 0
}

// q4 is ggml's MIN(15, (int8_t)(x·inverse + 8.5)): what the conversion cuts off is at least 0.
func q4(v, inverse float32) byte {
	scaled := float32(v * inverse) // no fused multiplication and addition
	return byte(min(15, max(0, int32(scaled+8.5))))
}

const infF16 = 0x7c00

// FromQ8 reads len(dst) numbers, a multiple of BlockLen, from blocks of Q8_0.
func FromQ8(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[BlockLen:], b[Q8Bytes:] {
		d := FromF16(binary.LittleEndian.Uint16(b))
		for i, q := range b[2:Q8Bytes] {
			dst[i] = d * float32(int8(q))
		}
	}
}

// FromQ4 is the same for Q4_0.
func FromQ4(dst []float32, b []byte) {
	for ; len(dst) > 0; dst, b = dst[BlockLen:], b[Q4Bytes:] {
		d := FromF16(binary.LittleEndian.Uint16(b))
		for j, q := range b[2:Q4Bytes] {
			dst[j] = d * float32(int32(q&15)-8)
			dst[j+BlockLen/2] = d * float32(int32(q>>4)-8)
		}
	}
}
