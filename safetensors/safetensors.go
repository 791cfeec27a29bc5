// Package safetensors reads and writes the safetensors format of Hugging Face: eight bytes of length, a JSON header that
// gives dtype, shape and place of each tensor, and the tensors' bytes. docs/formats/safetensors.md describes it.
//
// reader.go opens a file and reads numbers of it, writer.go writes one in one go, dtype.go converts.
package safetensors

import (
	"fmt"
	"math/bits"
)

// MaxHeader is the longest header, in bytes, as the reference has it (safetensors/src/tensor.rs, MAX_HEADER_SIZE).
const MaxHeader = 100_000_000

// metadataKey is the header's key that is no tensor.
const metadataKey = "__metadata__"

// Tensor is a tensor's entry in the header.
type Tensor struct {
	Name     string
	Dtype    Dtype
	Shape    []int64
	From, To int64 // bytes, counted from the end of the header
}

// Len is how many numbers it has; it is not negative. A product that is no int64 is an error.
func (t *Tensor) Len() (int64, error) {
	n := uint64(1)
	for _, d := range t.Shape {
		if d < 0 {
			return 0, fmt.Errorf("the shape %v has a negative dimension", t.Shape)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > 1<<60 {
			return 0, fmt.Errorf("the shape %v has more numbers than can be", t.Shape)
		}
		n = lo
	}
	return int64(n), nil
}

// Corrupt is a file that is no safetensors file.
type Corrupt struct {
	File   string
	Byte   int64  // where in the file; -1: nowhere in particular
	Tensor string // whose entry it is; "": none
	What   string
}

func (c *Corrupt) Error() string {
	s := c.File
	if c.Byte >= 0 {
		s += fmt.Sprintf(" (byte %d)", c.Byte)
	}
	if c.Tensor != "" {
		s += fmt.Sprintf(": tensor %q", c.Tensor)
	}
	return s + ": " + c.What
}
