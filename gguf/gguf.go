// Package gguf reads and writes the container of llama.cpp's models, GGUF: pairs of keys and values, a list of tensors with their
// types, and their bytes. It knows neither what a key means nor how numbers lie in a block. docs/formats/gguf.md describes the
// format, and the keys that curate writes.
//
// reader.go opens a file, writer.go writes one in one go, types.go lists the types of tensors and of values.
package gguf

import (
	"fmt"
	"math/bits"
)

// MaxHeader is the longest that all in front of the tensors' bytes may be here. The vocabularies with the most tokens, with their
// merges, take some 20 MB.
const MaxHeader = 128 << 20

const (
	magic     = "GGUF"
	version   = 3  // 2 has the same layout; 1 had counts of 32 bits
	alignment = 32 // of tensors, where the file does not say another (GGUF_DEFAULT_ALIGNMENT)
	maxDims   = 4  // GGML_MAX_DIMS
	// MaxName is how many bytes the name of a tensor may have: ggml has room for 64 with a zero (GGML_MAX_NAME).
	MaxName = 63
)

// AlignmentKey is a key of the container itself: a uint32, a power of two.
const AlignmentKey = "general.alignment"

// Pair is a key with its value: a bool, a string, a number (uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32,
// float64), or a slice of one of these.
type Pair struct {
	Key   string
	Value any
}

// Tensor is a tensor's entry.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []int64 // as elsewhere the last dimension is that whose numbers are neighbours; the file has them the other way round
	Offset int64   // bytes, counted from where the first tensor begins
}

// Bytes is how many bytes the numbers take. A shape that cannot be, or whose rows are no whole blocks, is an error.
func (t *Tensor) Bytes() (int64, error) {
	d := t.Type.describe()
	if d == nil {
		return 0, fmt.Errorf("its type is number %d, which is not known here", t.Type)
	}
	if len(t.Shape) < 1 || len(t.Shape) > maxDims {
		return 0, fmt.Errorf("it has %d dimensions; from 1 to %d are possible", len(t.Shape), maxDims)
	}
	if row := t.Shape[len(t.Shape)-1]; row%d.block != 0 {
		return 0, fmt.Errorf("its rows of %d numbers are no whole blocks of %s, which have %d", row, t.Type, d.block)
	}
	n := uint64(1)
	for _, dim := range t.Shape {
		if dim < 0 {
			return 0, fmt.Errorf("the shape %v has a negative dimension", t.Shape)
		}
		hi, lo := bits.Mul64(n, uint64(dim))
		if hi != 0 || lo > 1<<56 {
			return 0, fmt.Errorf("the shape %v has more numbers than can be", t.Shape)
		}
		n = lo
	}
	return int64(n) / d.block * d.bytes, nil
}

// Corrupt is a file that is no GGUF file, or none that is read here.
type Corrupt struct {
	File string
	Byte int64 // where in the file
	What string
}

func (c *Corrupt) Error() string { return fmt.Sprintf("%s (byte %d): %s", c.File, c.Byte, c.What) }

// padded is the next multiple of a power of two.
func padded(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }
