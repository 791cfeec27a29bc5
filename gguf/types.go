package gguf

import "fmt"

// Type of a tensor's numbers: ggml_type.
type Type uint32

// The types that curate writes, and reads.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q8_0 Type = 8
	BF16 Type = 30
)

// description of a type: so many numbers, side by side in a row, take so many bytes.
type description struct {
	name         string
	block, bytes int64
}

// descriptions are those of ggml (GGML_QUANT_SIZES of gguf-py's constants.py, gguf 0.19).
var descriptions = map[Type]description{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, 28: {"F64", 1, 8},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8},
	Q4_0: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, Q8_0: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18},
	21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// describe is nil for a type that is not known.
func (t Type) describe() *description {
	if d, ok := descriptions[t]; ok {
		return &d
	}
	return nil
}

// String is ggml's name, such as Q4_0.
func (t Type) String() string {
	if d := t.describe(); d != nil {
		return d.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block is how many numbers of a row are stored together, 1 where each stands alone, and in how many bytes; 0 for a type that is not
// known.
func (t Type) Block() (numbers, bytes int64) {
	if d := t.describe(); d != nil {
		return d.block, d.bytes
	}
	return 0, 0
}

// Kinds of values: gguf_type.
const (
	kindUint8 = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// sizes are the fewest bytes that a value of each kind takes; 0: no element of an array.
var sizes = [...]int64{1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8}
