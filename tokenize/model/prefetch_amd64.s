//go:build !noasm

#include "textflag.h"

// func prefetch(lines *line, slots *uint32, n int)
//
//	for i := range n {
//		ask for lines[slots[i]]
//	}
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVQ lines+0(FP), DI
	MOVQ slots+8(FP), SI
	MOVQ n+16(FP), CX
	TESTQ CX, CX
	JLE  done

loop:
	MOVL (SI), AX
	SHLQ $6, AX
	PREFETCHT0 (DI)(AX*1)
	ADDQ $4, SI
	DECQ CX
	JNZ  loop

done:
	RET
