package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unit8 is what the tiles of products in 8 bits are made of: as unit, with sums of 32-bit integers.
type unit8 struct {
	name  string
	what  string // how a is kept
	param string
	rows  int
	size  int // bytes of a vector of sums
	group int // steps of k whose products are added within a lane
	reg   func(i int) reg.VecPhysical
	load  func(c *build.Context, m operand.Mem, w reg.VecPhysical)
	mul   func(c *build.Context, x, w, sum, t reg.VecPhysical) // sum += x·w, lane by lane; t is lost
}

// A lane of AVX2 multiplies two steps of k in 16 bits, which both operands fit into: VPMADDWD is exact, and its products
// of at most 127² leave room for 133,144 steps. Bytes are not multiplied faster (VPMADDUBSW; measured on Zen 3, in both of
// its forms): the unsigned operand wants a change of signs, and the sums of 16 bits another multiplication to widen them.
//
// VNNI multiplies four unsigned bytes with signed ones and wraps around. a is kept with 128 added; sums begin with what
// that adds to them, negated.
var units8 = []unit8{
	{
		name: "AVX2", what: "16 bits", param: "int16", rows: 6, size: 32, group: 2, reg: ymm,
		load: func(c *build.Context, m operand.Mem, w reg.VecPhysical) { c.VPMOVSXBW(m, w) },
		mul: func(c *build.Context, x, w, sum, t reg.VecPhysical) {
			c.VPMADDWD(w, x, t)
			c.VPADDD(t, sum, sum)
		},
	},
	{
		name: "VNNI", what: "bytes, with 128 added", param: "uint8", rows: 12, size: 64, group: 4, reg: zmm,
		load: func(c *build.Context, m operand.Mem, w reg.VecPhysical) { c.VMOVUPS(m, w) },
		mul:  func(c *build.Context, x, w, sum, t reg.VecPhysical) { dotBytes(c, x, w, sum) },
	},
}

// dotBytes is VPDPBUSD sum, x, w of Intel's manual, x unsigned and w signed, which Go's assembler knows and avo does not.
func dotBytes(c *build.Context, x, w, sum reg.VecPhysical) {
	c.Instruction(&ir.Instruction{Opcode: "VPDPBUSD", Operands: []operand.Op{w, x, sum}})
}

// int8Tiles makes all functions of products in 8 bits.
func int8Tiles(c *build.Context) {
	for _, u := range units8 {
		for rows := 1; rows <= u.rows; rows++ {
			tile8(c, u, rows)
		}
	}
}

// unroll8 is how many groups of k are multiplied in a turn of the loop: k is padded to a multiple of them.
const unroll8 = 4

// tile8 makes the inner loop and what follows it: sums become float32 and are scaled.
func tile8(c *build.Context, u unit8, rows int) {
	cols := u.size / 2
	name := fmt.Sprintf("int8Tile%sx%d", u.name, rows)
	function(c, name, "k, panels int, a *"+u.param+", lda int, b *int8, from *int32, scaleA, scaleB, bias *float32, c *float32, ldc int",
		fmt.Sprintf("%s puts products of panels times %d rows of a, %s, with a panel of b into tiles of c that lie", name, rows, u.what),
		fmt.Sprintf("below each other, %d by %d: (from + sums of k groups of %d) · (scaleA·scaleB) + bias, which may be nil.", rows, cols, u.group),
		fmt.Sprintf("Rows of a are lda bytes from each other; k is a multiple of %d.", unroll8))
	a, lda, b, k := reg.RAX, reg.RBX, reg.RCX, reg.RDX
	cc, ldc, panels, scaleA, p, q := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11
	thirds := []reg.GPPhysical{reg.R12, reg.R13, reg.R14, reg.R15}[:(rows+2)/3]
	c.Load(c.Param("panels"), panels)
	c.Load(c.Param("a"), a)
	c.Load(c.Param("lda"), lda)
	c.Load(c.Param("scaleA"), scaleA)
	c.Load(c.Param("c"), cc)
	c.Load(c.Param("ldc"), ldc)
	c.SHLQ(operand.U8(2), ldc)
	sum := func(r, v int) reg.VecPhysical { return u.reg(2*r + v) }
	w := []reg.VecPhysical{u.reg(2 * u.rows), u.reg(2*u.rows + 1)}
	x, t := u.reg(2*u.rows+2), u.reg(2*u.rows+3)
	line := func(r, disp int) operand.Mem {
		switch base := thirds[r/3]; r % 3 {
		case 0:
			return at(base, disp)
		case 1:
			return indexed(base, lda, 1).Offset(disp)
		default:
			return indexed(base, lda, 2).Offset(disp)
		}
	}

	c.Label("panel")
	for i, third := range thirds {
		if i == 0 {
			c.MOVQ(a, third)
			continue
		}
		c.LEAQ(indexed(thirds[i-1], lda, 2), third)
		c.ADDQ(lda, third)
	}
	c.Load(c.Param("from"), p)
	c.MOVQ(cc, q)
	for r := range rows {
		c.PREFETCHT0(at(q, 0))
		c.PREFETCHT0(at(q, 2*u.size-4))
		c.ADDQ(ldc, q)
		for v := range 2 {
			c.VMOVUPS(at(p, v*u.size), sum(r, v))
		}
	}
	c.Load(c.Param("b"), b)
	c.Load(c.Param("k"), k)
	c.Label("steps")
	step := cols * u.group // bytes of b
	for i := 0; i < unroll8*step; i += 64 {
		c.PREFETCHT0(at(b, ahead+i))
	}
	for i := range unroll8 {
		for v := range 2 {
			u.load(c, at(b, i*step+v*step/2), w[v])
		}
		for r := range rows {
			c.VPBROADCASTD(line(r, 4*i), x)
			for v := range 2 {
				u.mul(c, x, w[v], sum(r, v), t)
			}
		}
	}
	c.ADDQ(operand.I32(unroll8*step), b)
	for _, third := range thirds {
		c.ADDQ(operand.I32(4*unroll8), third)
	}
	c.SUBQ(operand.I32(unroll8), k)
	c.JNZ(operand.LabelRef("steps"))

	c.Load(c.Param("scaleB"), p)
	c.Load(c.Param("bias"), q)
	for v := range 2 {
		c.VMOVUPS(at(p, v*u.size), w[v])
	}
	for r := range rows {
		c.VBROADCASTSS(at(scaleA, 4*r), x)
		for v := range 2 {
			c.VMULPS(w[v], x, t)
			c.VCVTDQ2PS(sum(r, v), sum(r, v))
			c.VMULPS(t, sum(r, v), sum(r, v))
		}
	}
	c.CMPQ(q, operand.I32(0))
	c.JE(operand.LabelRef("put"))
	for v := range 2 {
		c.VMOVUPS(at(q, v*u.size), w[v])
	}
	for r := range rows {
		for v := range 2 {
			c.VADDPS(w[v], sum(r, v), sum(r, v))
		}
	}
	c.Label("put")
	for r := range rows {
		for v := range 2 {
			c.VMOVUPS(sum(r, v), at(cc, v*u.size))
		}
		c.ADDQ(ldc, cc)
	}
	c.ADDQ(operand.I32(4*rows), scaleA)
	for range rows {
		c.ADDQ(lda, a)
	}
	c.DECQ(panels)
	c.JNZ(operand.LabelRef("panel"))
	c.VZEROUPPER()
	c.RET()
}
