//go:build !noasm

package pretokenizer

import "golang.org/x/sys/cpu"

// hasAVX2 says that asciiAVX2 can run here.
var hasAVX2 = cpu.X86.HasAVX2

// asciiAVX2 is asciiGeneric with the instructions of AVX2.
//
//go:noescape
func asciiAVX2(b *block, text *[blockSize]byte) (rest uint64)
