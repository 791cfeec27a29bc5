// Package kernel holds the numeric kernels of training and translation: matrix products, and functions over rows.
//
// A Set is one implementation of all of them for one kind of processor: "portable" in plain Go, which is the law and
// the oracle of the others; "avx2", "avx512" and "avx512bf16" in assembly that tools/kernels generates, the last one with
// the unit that multiplies bfloat16. A Pool shares the work of a
// product, or of any list of independent pieces, among goroutines. The result of every function depends on its operands
// and on the set, never on how many goroutines there are: pieces of work do not overlap in what they write, and sums
// are made in an order that only the shapes decide.
//
// Products with weights that stay as they are have forms of their own: Packed, with the bits of Gemm, and Int8, with
// weights and activations in 8 bits and the same bits in every set; the sets of AVX-512 use VNNI for it where the
// processor has it. They are for callers that share work by themselves: each goroutine has its Scratch. Blocks are weights in 8 or 4
// bits with a scale for each 32, as GGUF has them, which a Pool multiplies.
//
// Matrices are row-major slices with a stride: element (i, j) of a is a[i*lda+j].
//
// Read gemm.go for products, packed.go, int8.go and blocks.go for those with weights that stay, rows.go for the rest.
package kernel

import (
	"fmt"
	"strings"
)

// Set is one implementation of the kernels. It may be shared.
type Set struct {
	name  string
	tiles *tiles     // nil: portable
	int8  *int8Tiles // nil: portable
	// nil: portable
	blocks *blockTiles
	rows   rowSet
}

// Name is "portable", "avx2", "avx512" or "avx512bf16".
func (s *Set) Name() string { return s.name }

// Auto is the name under which Named gives the best set that this processor can run.
const Auto = "auto"

// Names of the sets that this processor can run, the best one last.
func Names() []string {
	var names []string
	for _, s := range sets() { // the best one last
		names = append(names, s.name)
	}
	return names
}

// Named gives a set by its name, or the best for Auto.
func Named(name string) (*Set, error) {
	all := sets()
	if name == Auto {
		return all[len(all)-1], nil
	}
	for _, s := range all {
		if s.name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there are no kernels %q for this processor; it can run %s", name, strings.Join(Names(), ", "))
}
