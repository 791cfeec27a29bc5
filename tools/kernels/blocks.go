package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// blockTile is what the tiles of products with weights in blocks of 32 are made of: rows of activations by eight rows of weights, each
// in a lane of 32 bits. Sums over a block are exact integers; they become float32, are scaled, and are added block by block.
type blockTile struct {
	name  string
	bytes int  // of a block of a row of weights, GGUF's
	mask  bool // the constant is the lower half of each byte; or else 1 in each 16 bits
	// dot puts the sums of products of the block at b with that of each row of activations, at line, into sum, a lane for each row of weights.
	// constant is what the loop has made once; w, v and t are lost.
	dot func(c *build.Context, b reg.Register, line func(r, disp int) operand.Mem, sum []reg.VecPhysical, w, v, t, constant reg.VecPhysical)
}

const (
	blockTileRows = 6
	blockRoom     = 40 // bytes of a block of activations: 32 numbers, their scale, and what the zero point of Q4_0 adds
)

// Both formats have four neighbouring weights of a row in a lane, so that VPMADDUBSW, whose first operand is unsigned, and VPMADDWD
// add them up.
//
// Q4_0 is unsigned, from 0 to 15: a sum of 16 products with at most 127 stays within 16 bits, so that one VPMADDWD a block is enough.
// The zero point of 8 is subtracted as 8 times the sum of the activations. Byte i of a block has weights i and 16+i.
//
// Q8_0 is signed; |w| and x·sign(w) have the same products, of which two are at most 2·128·127 and stay within 16 bits.
var blockTiles = []blockTile{
	{
		name: "Q4", bytes: 18, mask: true,
		dot: func(c *build.Context, b reg.Register, line func(r, disp int) operand.Mem, sum []reg.VecPhysical, w, v, t, mask reg.VecPhysical) {
			for g := range 4 {
				halves(c, at(b, 16+32*g), w, v, mask)
				for r, s := range sum {
					for half, nibbles := range []reg.VecPhysical{w, v} {
						if g == 0 && half == 0 {
							c.VPBROADCASTD(line(r, 0), s)
							c.VPMADDUBSW(s, nibbles, s)
							continue
						}
						c.VPBROADCASTD(line(r, 16*half+4*g), t)
						c.VPMADDUBSW(t, nibbles, t)
						c.VPADDW(t, s, s)
					}
				}
			}
			one(c, w)
			for r, s := range sum {
				c.VPMADDWD(w, s, s)
				c.VPBROADCASTD(line(r, 36), t)
				c.VPADDD(t, s, s)
			}
		},
	},
	{
		name: "Q8", bytes: 34,
		dot: func(c *build.Context, b reg.Register, line func(r, disp int) operand.Mem, sum []reg.VecPhysical, w, v, t, one reg.VecPhysical) {
			for g := range 8 {
				c.VMOVDQU(at(b, 16+32*g), w)
				c.VPABSB(w, v)
				for r, s := range sum {
					x := t
					if g == 0 {
						x = s
					}
					c.VPBROADCASTD(line(r, 4*g), x)
					c.VPSIGNB(w, x, x)
					c.VPMADDUBSW(x, v, x)
					c.VPMADDWD(one, x, x)
					if g > 0 {
						c.VPADDD(x, s, s)
					}
				}
			}
		},
	},
	// VNNI, in the vectors of AVX2, adds four products of unsigned bytes with signed ones to 32 bits.
	{
		name: "Q4VNNI", bytes: 18, mask: true,
		dot: func(c *build.Context, b reg.Register, line func(r, disp int) operand.Mem, sum []reg.VecPhysical, w, v, t, mask reg.VecPhysical) {
			for r, s := range sum {
				c.VPBROADCASTD(line(r, 36), s)
			}
			for g := range 4 {
				halves(c, at(b, 16+32*g), w, v, mask)
				for r, s := range sum {
					for half, nibbles := range []reg.VecPhysical{w, v} {
						c.VPBROADCASTD(line(r, 16*half+4*g), t)
						dotBytes(c, nibbles, t, s)
					}
				}
			}
		},
	},
	{
		name: "Q8VNNI", bytes: 34,
		dot: func(c *build.Context, b reg.Register, line func(r, disp int) operand.Mem, sum []reg.VecPhysical, w, v, t, _ reg.VecPhysical) {
			for _, s := range sum {
				c.VXORPS(s, s, s)
			}
			for g := range 8 {
				c.VMOVDQU(at(b, 16+32*g), w)
				c.VPABSB(w, v)
				for r, s := range sum {
					c.VPBROADCASTD(line(r, 4*g), t)
					c.VPSIGNB(w, t, t)
					dotBytes(c, v, t, s)
				}
			}
		},
	},
}

// halves puts the lower halves of bytes into w and the upper ones into v.
func halves(c *build.Context, b operand.Mem, w, v, mask reg.VecPhysical) {
	c.VMOVDQU(b, w)
	c.VPSRLW(operand.U8(4), w, v)
	c.VPAND(mask, w, w)
	c.VPAND(mask, v, v)
}

// one makes each 16 bits 1.
func one(c *build.Context, x reg.VecPhysical) {
	c.VPCMPEQW(x, x, x)
	c.VPABSW(x, x)
}

// blocked makes all functions of weights and keys in blocks.
func blocked(c *build.Context) {
	for _, u := range blockTiles {
		for rows := 1; rows <= blockTileRows; rows++ {
			tileOfBlocks(c, u, rows)
		}
	}
	scaleInt8(c)
	quantizeBlocks(c)
}

func tileOfBlocks(c *build.Context, u blockTile, rows int) {
	name := fmt.Sprintf("blockTile%sx%d", u.name, rows)
	function(c, name, "blocks int, x *byte, ldx int, b *byte, c *float32, ldc int, add bool",
		fmt.Sprintf("%s puts, or adds, products of %d rows of activations, ldx bytes from each other, with a panel of eight", name, rows),
		"rows of weights into c. There is at least one block.")
	n, b, ldx, cc, ldc, left := reg.RCX, reg.RBX, reg.RDX, reg.RSI, reg.RDI, reg.R8
	thirds := []reg.GPPhysical{reg.R9, reg.R10}[:(rows+2)/3]
	c.Load(c.Param("blocks"), n)
	c.Load(c.Param("x"), thirds[0])
	c.Load(c.Param("ldx"), ldx)
	c.Load(c.Param("b"), b)
	c.Load(c.Param("c"), cc)
	c.Load(c.Param("ldc"), ldc)
	c.SHLQ(operand.U8(2), ldc)
	if len(thirds) > 1 {
		c.LEAQ(indexed(thirds[0], ldx, 2), thirds[1])
		c.ADDQ(ldx, thirds[1])
	}
	line := func(r, disp int) operand.Mem {
		switch base := thirds[r/3]; r % 3 {
		case 0:
			return at(base, disp)
		case 1:
			return indexed(base, ldx, 1).Offset(disp)
		default:
			return indexed(base, ldx, 2).Offset(disp)
		}
	}
	var total, sum []reg.VecPhysical
	for r := range rows {
		total, sum = append(total, ymm(r)), append(sum, ymm(blockTileRows+r))
		c.VXORPS(total[r], total[r], total[r])
	}
	w, v, t, constant := ymm(12), ymm(13), ymm(14), ymm(15)
	if u.mask {
		c.MOVL(operand.U32(0x0f0f0f0f), left.As32())
		c.VMOVD(left.As32(), constant.AsX())
		c.VPBROADCASTD(constant.AsX(), constant)
	} else {
		one(c, constant)
	}
	c.Label("block")
	for i := 0; i < 8*u.bytes; i += 64 {
		c.PREFETCHT0(at(b, ahead+i))
	}
	u.dot(c, b, line, sum, w, v, t, constant)
	c.VCVTPH2PS(at(b, 0), w)
	for r := range rows {
		c.VCVTDQ2PS(sum[r], sum[r])
		c.VBROADCASTSS(line(r, 32), t)
		c.VMULPS(w, t, t)
		c.VMULPS(t, sum[r], sum[r])
		c.VADDPS(sum[r], total[r], total[r])
	}
	c.ADDQ(operand.I32(8*u.bytes), b)
	for _, third := range thirds {
		c.ADDQ(operand.I32(blockRoom), third)
	}
	c.DECQ(n)
	c.JNZ(operand.LabelRef("block"))

	c.Load(c.Param("add"), left.As8())
	c.TESTB(left.As8(), left.As8())
	c.JZ(operand.LabelRef("put"))
	to := thirds[0]
	c.MOVQ(cc, to)
	for r := range rows {
		c.VADDPS(at(to, 0), total[r], total[r])
		c.ADDQ(ldc, to)
	}
	c.Label("put")
	for r := range rows {
		c.VMOVUPS(total[r], at(cc, 0))
		c.ADDQ(ldc, cc)
	}
	c.VZEROUPPER()
	c.RET()
}

// scaleInt8 makes float32 of rows of a cache.
func scaleInt8(c *build.Context) {
	function(c, "scaleInt8AVX2", "dst *float32, q *int8, scale *float32, rows, size int",
		"scaleInt8AVX2 is scaleInt8Generic for rows whose size is a multiple of 8. There is at least one row of them.")
	dst, q, scale, rows, size, left := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI
	c.Load(c.Param("dst"), dst)
	c.Load(c.Param("q"), q)
	c.Load(c.Param("scale"), scale)
	c.Load(c.Param("rows"), rows)
	c.Load(c.Param("size"), size)
	x, by := ymm(0), ymm(1)
	c.Label("row")
	c.VBROADCASTSS(at(scale, 0), by)
	c.MOVQ(size, left)
	c.Label("eight")
	c.VPMOVSXBD(at(q, 0), x)
	c.VCVTDQ2PS(x, x)
	c.VMULPS(by, x, x)
	c.VMOVUPS(x, at(dst, 0))
	c.ADDQ(operand.U8(8), q)
	c.ADDQ(operand.U8(32), dst)
	c.SUBQ(operand.U8(8), left)
	c.JNZ(operand.LabelRef("eight"))
	c.ADDQ(operand.U8(4), scale)
	c.DECQ(rows)
	c.JNZ(operand.LabelRef("row"))
	c.VZEROUPPER()
	c.RET()
}

// quantizeBlocks rounds activations to 8 bits. The greatest magnitude of a block is found by its bits, as integers: what is not finite
// is above all else, and the caller's.
func quantizeBlocks(c *build.Context) {
	function(c, "quantizeBlocksAVX2", "dst *byte, x *float32, blocks int, limit float32) (done int",
		"quantizeBlocksAVX2 is quantizeBlocksGeneric for whole blocks. It ends before one whose greatest magnitude is not from limit up to the",
		"greatest finite number, and gives how many it has done. There is at least one.")
	dst, x, n, done, high, low, top := reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8
	c.Load(c.Param("dst"), dst)
	c.Load(c.Param("x"), x)
	c.Load(c.Param("blocks"), n)
	c.Load(c.Param("limit"), ymm(15).AsX())
	c.VMOVD(ymm(15).AsX(), low.As32())
	c.MOVL(operand.U32(0x7f7fffff), high.As32())
	c.XORQ(done, done)
	size, t, by, greatest, num := ymm(4), ymm(5), ymm(6), ymm(7), ymm(8)
	c.VPCMPEQD(size, size, size)
	c.VPSRLD(operand.U8(1), size, size) // all bits but the sign
	c.MOVL(operand.U32(0x42fe0000), top.As32())
	c.VMOVD(top.As32(), num.AsX()) // 127
	order := ymm(9)                // of lanes behind the packing
	c.MOVQ(operand.U64(0x0703060205010400), top)
	c.VMOVQ(top, order.AsX())
	c.VPMOVZXBD(order.AsX(), order)
	eight, ones := ymm(10), ymm(11)
	c.MOVL(operand.U32(0xf8f8f8f8), top.As32()) // -8
	c.VMOVD(top.As32(), eight.AsX())
	c.VPBROADCASTD(eight.AsX(), eight)
	one(c, ones)
	c.Label("block")
	v := []reg.VecPhysical{ymm(0), ymm(1), ymm(2), ymm(3)}
	for i := range v {
		c.VMOVUPS(at(x, 32*i), v[i])
		if i == 0 {
			c.VPAND(size, v[0], greatest)
			continue
		}
		c.VPAND(size, v[i], t)
		c.VPMAXSD(t, greatest, greatest)
	}
	c.VEXTRACTI128(operand.U8(1), greatest, t.AsX())
	c.VPMAXSD(t.AsX(), greatest.AsX(), greatest.AsX())
	c.VPSHUFD(operand.U8(0x4e), greatest.AsX(), t.AsX())
	c.VPMAXSD(t.AsX(), greatest.AsX(), greatest.AsX())
	c.VPSHUFD(operand.U8(0xb1), greatest.AsX(), t.AsX())
	c.VPMAXSD(t.AsX(), greatest.AsX(), greatest.AsX())
	c.VMOVD(greatest.AsX(), top.As32())
	c.CMPL(top.As32(), high.As32())
	c.JA(operand.LabelRef("end"))
	c.CMPL(top.As32(), low.As32())
	c.JB(operand.LabelRef("end"))
	c.VDIVSS(greatest.AsX(), num.AsX(), by.AsX())
	c.VBROADCASTSS(by.AsX(), by)
	c.VDIVSS(num.AsX(), greatest.AsX(), greatest.AsX())
	for i := range v {
		c.VMULPS(by, v[i], v[i])
		c.VCVTPS2DQ(v[i], v[i]) // to nearest, half to even, as the processor is set
	}
	c.VPACKSSDW(v[1], v[0], v[0])
	c.VPACKSSDW(v[3], v[2], v[2])
	c.VPACKSSWB(v[2], v[0], v[0])
	c.VPERMD(v[0], order, v[0])
	c.VMOVDQU(v[0], at(dst, 0))
	c.VMOVSS(greatest.AsX(), at(dst, 32))
	// Eight times the sum, negated: |-8| is unsigned, and the numbers are negated.
	c.VPABSB(eight, t)
	c.VPSIGNB(eight, v[0], v[0])
	c.VPMADDUBSW(v[0], t, t)
	c.VPMADDWD(ones, t, t)
	c.VEXTRACTI128(operand.U8(1), t, by.AsX())
	c.VPADDD(by.AsX(), t.AsX(), t.AsX())
	c.VPSHUFD(operand.U8(0x4e), t.AsX(), by.AsX())
	c.VPADDD(by.AsX(), t.AsX(), t.AsX())
	c.VPSHUFD(operand.U8(0xb1), t.AsX(), by.AsX())
	c.VPADDD(by.AsX(), t.AsX(), t.AsX())
	c.VMOVD(t.AsX(), at(dst, 36))
	c.ADDQ(operand.U8(blockRoom), dst)
	c.ADDQ(operand.I32(128), x)
	c.INCQ(done)
	c.CMPQ(done, n)
	c.JB(operand.LabelRef("block"))
	c.Label("end")
	c.Store(done, c.ReturnIndex(0))
	c.VZEROUPPER()
	c.RET()
}
