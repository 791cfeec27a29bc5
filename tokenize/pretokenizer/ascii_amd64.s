//go:build !noasm

#include "textflag.h"

// 32 bytes of a value each would be slower to load than one that is broadcast.
DATA bytes<>+0(SB)/8, $0x8a859a002f270d0a
DATA bytes<>+8(SB)/8, $0x000000001f507720
GLOBL bytes<>(SB), RODATA|NOPTR, $16

// func asciiAVX2(b *block, text *[64]byte) (rest uint64)
//
// A byte x is in a range of n from c on if x-c-128, as a number with a sign, is below n-128.
//
//	for i, x := range text {
//		letter := 'a' <= x|0x20 && x|0x20 <= 'z'
//		b.letter |= letter << i
//		b.upper |= (letter && x&0x20 == 0) << i
//		b.number |= ('0' <= x && x <= '9') << i
//		b.blank |= (x == ' ') << i
//		b.newline |= (x == '\n' || x == '\r') << i
//		b.space |= (x == ' ' || '\t' <= x && x <= '\r') << i
//		b.quote |= (x == '\'') << i
//		b.slash |= (x == '/') << i
//		rest |= (x >= 0x80) << i
//	}
//
// The other words of b become 0.
TEXT ·asciiAVX2(SB), NOSPLIT, $0-24
	MOVQ b+0(FP), DI
	MOVQ text+8(FP), SI
	VMOVDQU 0(SI), Y0
	VMOVDQU 32(SI), Y1


	// rest
	VPMOVMSKB Y0, AX
	VPMOVMSKB Y1, R15
	SHLQ $32, R15
	ORQ R15, AX
	MOVQ AX, rest+16(FP)

	// blank: Y14 and Y15 are needed again
	VPBROADCASTB bytes<>+8(SB), Y2
	VPCMPEQB Y2, Y0, Y14
	VPCMPEQB Y2, Y1, Y15
	VPMOVMSKB Y14, BX
	VPMOVMSKB Y15, R15
	SHLQ $32, R15
	ORQ R15, BX
	MOVQ BX, 24(DI)

	// letter
	VPOR Y2, Y0, Y3
	VPOR Y2, Y1, Y4
	VPBROADCASTB bytes<>+11(SB), Y5
	VPBROADCASTB bytes<>+5(SB), Y6
	VPADDB Y5, Y3, Y3
	VPADDB Y5, Y4, Y4
	VPCMPGTB Y3, Y6, Y3
	VPCMPGTB Y4, Y6, Y4
	VPMOVMSKB Y3, CX
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, CX
	MOVQ CX, 0(DI)

	// upper: bit 5 becomes bit 7
	VPSLLW $2, Y0, Y5
	VPSLLW $2, Y1, Y6
	VPANDN Y3, Y5, Y3
	VPANDN Y4, Y6, Y4
	VPMOVMSKB Y3, DX
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, DX
	MOVQ DX, 8(DI)

	// number
	VPBROADCASTB bytes<>+10(SB), Y5
	VPBROADCASTB bytes<>+7(SB), Y6
	VPADDB Y5, Y0, Y3
	VPADDB Y5, Y1, Y4
	VPCMPGTB Y3, Y6, Y3
	VPCMPGTB Y4, Y6, Y4
	VPMOVMSKB Y3, R8
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, R8
	MOVQ R8, 16(DI)

	// space
	VPBROADCASTB bytes<>+9(SB), Y5
	VPBROADCASTB bytes<>+6(SB), Y6
	VPADDB Y5, Y0, Y3
	VPADDB Y5, Y1, Y4
	VPCMPGTB Y3, Y6, Y3
	VPCMPGTB Y4, Y6, Y4
	VPOR Y14, Y3, Y3
	VPOR Y15, Y4, Y4
	VPMOVMSKB Y3, R9
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, R9
	MOVQ R9, 40(DI)

	// newline
	VPBROADCASTB bytes<>+0(SB), Y5
	VPBROADCASTB bytes<>+1(SB), Y6
	VPCMPEQB Y5, Y0, Y3
	VPCMPEQB Y6, Y0, Y4
	VPOR Y3, Y4, Y3
	VPCMPEQB Y5, Y1, Y4
	VPCMPEQB Y6, Y1, Y5
	VPOR Y5, Y4, Y4
	VPMOVMSKB Y3, R10
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, R10
	MOVQ R10, 32(DI)

	// quote
	VPBROADCASTB bytes<>+2(SB), Y5
	VPCMPEQB Y5, Y0, Y3
	VPCMPEQB Y5, Y1, Y4
	VPMOVMSKB Y3, R11
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, R11
	MOVQ R11, 48(DI)

	// slash
	VPBROADCASTB bytes<>+3(SB), Y5
	VPCMPEQB Y5, Y0, Y3
	VPCMPEQB Y5, Y1, Y4
	VPMOVMSKB Y3, R12
	VPMOVMSKB Y4, R15
	SHLQ $32, R15
	ORQ R15, R12
	MOVQ R12, 56(DI)

	// caseless, wide, marks, stop
	VPXOR Y5, Y5, Y5
	VMOVDQU Y5, 64(DI)
	VMOVDQU X5, 96(DI)
	VZEROUPPER
	RET
