package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gathered makes attention of one query: its products with keys that lie apart, and the weighed sum of values that do. Both are
// bound by loads, so that AVX-512 would gain little: its set takes these, too.
func gathered(c *build.Context) {
	gatherDots(c)
	gatherSum(c)
}

// gatherDots does four vectors at a time: len(dst) is a multiple of 4, len(q) one of 8.
func gatherDots(c *build.Context) {
	c.Function("gatherDotsAVX2")
	c.Doc("gatherDotsAVX2 is gatherDotsGeneric for a multiple of 4 vectors whose length is a multiple of 8.")
	c.Pragma("noescape")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(dst, q, k []float32, at []int32)")
	dst := c.Load(c.Param("dst").Base(), c.GP64())
	left := c.Load(c.Param("dst").Len(), c.GP64())
	q := c.Load(c.Param("q").Base(), c.GP64())
	n := c.Load(c.Param("q").Len(), c.GP64())
	k := c.Load(c.Param("k").Base(), c.GP64())
	at := c.Load(c.Param("at").Base(), c.GP64())
	sums := make([]reg.VecVirtual, 4)
	keys := make([]reg.GPVirtual, 4)
	for i := range sums {
		sums[i], keys[i] = c.YMM(), c.GP64()
	}
	i := c.GP64()
	c.Label("four")
	c.CMPQ(left, operand.U8(4))
	c.JB(operand.LabelRef("end"))
	for j, key := range keys {
		c.MOVLQSX(operand.Mem{Base: at, Disp: 4 * j}, key)
		c.LEAQ(operand.Mem{Base: k, Index: key, Scale: 4}, key)
		c.VXORPS(sums[j], sums[j], sums[j])
	}
	c.XORQ(i, i)
	c.Label("eight")
	x := c.YMM()
	c.VMOVUPS(operand.Mem{Base: q, Index: i, Scale: 4}, x)
	for j, key := range keys {
		c.VFMADD231PS(operand.Mem{Base: key, Index: i, Scale: 4}, x, sums[j])
	}
	c.ADDQ(operand.U8(8), i)
	c.CMPQ(i, n)
	c.JB(operand.LabelRef("eight"))
	c.VHADDPS(sums[1], sums[0], sums[0])
	c.VHADDPS(sums[3], sums[2], sums[2])
	c.VHADDPS(sums[2], sums[0], sums[0])
	high := c.XMM()
	c.VEXTRACTF128(operand.U8(1), sums[0], high)
	c.VADDPS(high, sums[0].AsX(), high)
	c.VMOVUPS(high, operand.Mem{Base: dst})
	c.ADDQ(operand.U8(16), dst)
	c.ADDQ(operand.U8(16), at)
	c.SUBQ(operand.U8(4), left)
	c.JMP(operand.LabelRef("four"))
	c.Label("end")
	c.VZEROUPPER()
	c.RET()
}

// gatherSum goes over all vectors for as many numbers of the result as registers hold: len(dst) is a multiple of 8.
func gatherSum(c *build.Context) {
	c.Function("gatherSumAVX2")
	c.Doc("gatherSumAVX2 is gatherSumGeneric for vectors whose length is a multiple of 8.")
	c.Pragma("noescape")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(dst, p, v []float32, at []int32)")
	dst := c.Load(c.Param("dst").Base(), c.GP64())
	left := c.Load(c.Param("dst").Len(), c.GP64())
	p := c.Load(c.Param("p").Base(), c.GP64())
	n := c.Load(c.Param("p").Len(), c.GP64())
	v := c.Load(c.Param("v").Base(), c.GP64())
	at := c.Load(c.Param("at").Base(), c.GP64())
	for _, registers := range []int{8, 4, 1} {
		block, next, turn, store := fmt.Sprint("block", registers), fmt.Sprint("next", registers), fmt.Sprint("turn", registers), fmt.Sprint("store", registers)
		sums := make([]reg.VecVirtual, registers)
		c.Label(block)
		c.CMPQ(left, operand.U8(8*registers))
		c.JB(operand.LabelRef(next))
		for j := range sums {
			sums[j] = c.YMM()
			c.VXORPS(sums[j], sums[j], sums[j])
		}
		t, value, w := c.GP64(), c.GP64(), c.YMM()
		c.XORQ(t, t)
		c.Label(turn)
		c.CMPQ(t, n)
		c.JAE(operand.LabelRef(store))
		c.MOVLQSX(operand.Mem{Base: at, Index: t, Scale: 4}, value)
		c.LEAQ(operand.Mem{Base: v, Index: value, Scale: 4}, value)
		c.VBROADCASTSS(operand.Mem{Base: p, Index: t, Scale: 4}, w)
		for j, s := range sums {
			c.VFMADD231PS(operand.Mem{Base: value, Disp: 32 * j}, w, s)
		}
		c.INCQ(t)
		c.JMP(operand.LabelRef(turn))
		c.Label(store)
		for j, s := range sums {
			c.VMOVUPS(s, operand.Mem{Base: dst, Disp: 32 * j})
		}
		c.ADDQ(operand.I32(32*registers), dst)
		c.ADDQ(operand.I32(32*registers), v)
		c.SUBQ(operand.U8(8*registers), left)
		c.JMP(operand.LabelRef(block))
		c.Label(next)
	}
	c.VZEROUPPER()
	c.RET()
}
