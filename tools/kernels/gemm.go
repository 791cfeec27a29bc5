package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unit is what the tiles of one set are made of. A tile is rows by 2 vectors of C, all of it in registers: as many rows
// as leave registers for the two vectors of B and for two broadcast numbers of A.
type unit struct {
	name string
	what string // one step of the sum
	rows int
	size int // bytes of a vector
	reg  func(i int) reg.VecPhysical
	mul  func(c *build.Context, x, y, sum reg.VecPhysical) // sum += x·y
}

var units = []unit{
	{"AVX2", "k numbers", 6, 32, ymm, fma},
	{"AVX512", "k numbers", 12, 64, zmm, fma},
	{"BF16", "k pairs of bfloat16", 12, 64, zmm, dot},
}

func xmm(i int) reg.VecPhysical {
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), reg.S128).(reg.VecPhysical)
}

func ymm(i int) reg.VecPhysical {
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), reg.S256).(reg.VecPhysical)
}

func zmm(i int) reg.VecPhysical {
	return reg.LookupPhysical(reg.KindVector, reg.Index(i), reg.S512).(reg.VecPhysical)
}

func fma(c *build.Context, x, y, sum reg.VecPhysical) { c.VFMADD231PS(x, y, sum) }

// dot writes VDPBF16PS sum, y, x of 512 bits in bytes, because Go's assembler does not know it: EVEX.512.F3.0F38.W0 52 /r
// (Intel's manual, volume 2, "VDPBF16PS"; its section 2.7 for the bits of EVEX, of which those of registers are inverted).
func dot(c *build.Context, x, y, sum reg.VecPhysical) {
	r, v, b := sum.PhysicalIndex(), y.PhysicalIndex(), x.PhysicalIndex()
	not := func(i reg.Index, bit int) byte { return byte(^i>>bit) & 1 }
	code := []byte{
		0x62,
		not(r, 3)<<7 | not(b, 4)<<6 | not(b, 3)<<5 | not(r, 4)<<4 | 0b010,       // R X B R' and the map 0F38
		not(v, 3)<<6 | not(v, 2)<<5 | not(v, 1)<<4 | not(v, 0)<<3 | 1<<2 | 0b10, // W0, vvvv, and the prefix F3
		0b10<<5 | not(v, 4)<<3, // 512 bits, V', no mask
		0x52,
		0b11<<6 | byte(r&7)<<3 | byte(b&7),
	}
	c.Commentf("VDPBF16PS %s, %s, %s", x.Asm(), y.Asm(), sum.Asm())
	for _, o := range code {
		c.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(o)}})
	}
}

func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func indexed(base, index reg.Register, scale uint8) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale}
}

func function(c *build.Context, name, signature string, doc ...string) {
	c.Function(name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(" + signature + ")")
	c.Doc(doc...)
	c.Pragma("noescape")
}

// gemm makes all functions of products.
func gemm(c *build.Context) {
	for _, u := range units {
		for rows := 1; rows <= u.rows; rows++ {
			tile(c, u, rows)
		}
	}
	for _, u := range units {
		if u.name != "BF16" {
			peak(c, u)
		}
	}
	k := constants(c)
	for _, mode := range []string{"", "Round", "Pair"} {
		for _, rows := range []int{4, 6, 8} {
			turn(c, k, rows, mode)
		}
		for _, width := range []int{6, 12, 16} {
			straight(c, k, width, mode)
		}
	}
	for _, mode := range []string{"", "Round"} {
		row(c, k, mode)
	}
	c.Function("pause")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(n int)")
	c.Doc("pause waits a moment, n times, and leaves the core to its other thread.")
	c.Load(c.Param("n"), reg.RCX)
	c.Label("loop")
	c.PAUSE()
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	c.RET()
}

// ahead is how many bytes ahead of what is multiplied b is fetched: few rows use what comes from beyond the caches up
// faster than a processor fetches it by itself.
const ahead = 2048

// tile makes the inner loop. A panel of A has u.rows numbers for each step of the sum, one after the other, whether
// all of them are used or not.
func tile(c *build.Context, u unit, rows int) {
	function(c, fmt.Sprintf("tile%sx%d", u.name, rows),
		"k, panels int, a, b *float32, step int, c *float32, ldc int, add bool",
		fmt.Sprintf("tile%sx%d puts, or adds, products of panels of a with the panel of b into tiles of c that lie below each", u.name, rows),
		fmt.Sprintf("other, %d by %d: sums of %s. Vectors of b are step bytes from each other.", rows, u.size/2, u.what))
	const unroll = 4
	a, b, k, step := reg.RAX, reg.RBX, reg.RCX, reg.RDI
	cc, ldc, panels, row := reg.RDX, reg.RSI, reg.R8, reg.R9
	c.Load(c.Param("panels"), panels)
	c.Load(c.Param("a"), a)
	c.Load(c.Param("step"), step)
	c.Load(c.Param("c"), cc)
	c.Load(c.Param("ldc"), ldc)
	c.SHLQ(operand.U8(2), ldc)
	sum := func(r, v int) reg.VecPhysical { return u.reg(2*r + v) }
	y := []reg.VecPhysical{u.reg(2 * u.rows), u.reg(2*u.rows + 1)}
	x := []reg.VecPhysical{u.reg(2*u.rows + 2), u.reg(2*u.rows + 3)}

	c.Label("panel")
	c.Load(c.Param("b"), b)
	c.MOVQ(cc, row)
	for r := range rows {
		c.PREFETCHT0(at(row, 0))
		c.PREFETCHT0(at(row, 2*u.size-4))
		c.ADDQ(ldc, row)
		for v := range 2 {
			s := sum(r, v)
			if u.size == 64 {
				c.VPXORD(s, s, s)
			} else {
				c.VXORPS(s, s, s)
			}
		}
	}
	one := func(i int) {
		for v := 0; rows < u.rows && v < 2*u.size; v += 64 {
			c.PREFETCHT0(at(b, ahead+v))
		}
		for v := range 2 {
			c.VMOVUPS(at(b, v*u.size), y[v])
		}
		c.ADDQ(step, b)
		for r := range rows {
			c.VBROADCASTSS(at(a, 4*(i*u.rows+r)), x[r%2])
			for v := range 2 {
				u.mul(c, x[r%2], y[v], sum(r, v))
			}
		}
	}
	c.Load(c.Param("k"), k)
	c.SUBQ(operand.U8(unroll), k)
	c.JL(operand.LabelRef("last"))
	c.Label("steps")
	c.PREFETCHT0(at(a, 4*u.rows*unroll*4))
	if 4*u.rows*unroll > 64 {
		c.PREFETCHT0(at(a, 4*u.rows*unroll*4+64))
	}
	for i := range unroll {
		one(i)
	}
	c.ADDQ(operand.Imm(uint64(4*u.rows*unroll)), a)
	c.SUBQ(operand.U8(unroll), k)
	c.JGE(operand.LabelRef("steps"))
	c.Label("last")
	c.ADDQ(operand.U8(unroll), k)
	c.JZ(operand.LabelRef("out"))
	c.Label("step")
	one(0)
	c.ADDQ(operand.Imm(uint64(4*u.rows)), a)
	c.DECQ(k)
	c.JNZ(operand.LabelRef("step"))

	c.Label("out")
	add, err := c.Param("add").Resolve()
	if err != nil {
		panic(err)
	}
	c.CMPB(add.Addr, operand.U8(0))
	c.JE(operand.LabelRef("put"))
	c.MOVQ(cc, row)
	for r := range rows {
		for v := range 2 {
			c.VADDPS(at(row, v*u.size), sum(r, v), sum(r, v))
		}
		if r < rows-1 {
			c.ADDQ(ldc, row)
		}
	}
	c.Label("put")
	for r := range rows {
		for v := range 2 {
			c.VMOVUPS(sum(r, v), at(cc, v*u.size))
		}
		c.ADDQ(ldc, cc)
	}
	c.DECQ(panels)
	c.JNZ(operand.LabelRef("panel"))
	c.VZEROUPPER()
	c.RET()
}

// peak makes a loop of what a tile multiplies, on registers alone.
func peak(c *build.Context, u unit) {
	c.Function("peak" + u.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(n int)")
	c.Doc(fmt.Sprintf("peak%s multiplies n times %d vectors and adds the products to as many sums.", u.name, 2*u.rows))
	c.Load(c.Param("n"), reg.RCX)
	for i := range 2*u.rows + 2 {
		if v := u.reg(i); u.size == 64 {
			c.VPXORD(v, v, v)
		} else {
			c.VXORPS(v, v, v)
		}
	}
	c.Label("loop")
	for i := range 2 * u.rows {
		u.mul(c, u.reg(2*u.rows), u.reg(2*u.rows+1), u.reg(i))
	}
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}

// rounding holds the constants of round.
type rounding struct{ half, one, quiet, high operand.Mem }

func constants(c *build.Context) rounding {
	data := func(name string, v uint32) operand.Mem {
		m := c.StaticGlobal(name)
		c.DataAttributes(attr.RODATA | attr.NOPTR)
		for range 8 {
			c.AppendDatum(operand.U32(v))
		}
		return m
	}
	return rounding{data("half", 0x7fff), data("one", 1), data("quiet", 1<<22), data("high", 0xffff0000)}
}

// round makes the numbers of v what RoundBF16 makes of them. s and t are lost.
func (k rounding) round(c *build.Context, v, s, t reg.VecPhysical) {
	c.VCMPPS(operand.U8(3), v, v, s) // NaN
	c.VPSRLD(operand.U8(16), v, t)
	c.VPAND(k.one, t, t)
	c.VPADDD(k.half, t, t)
	c.VPADDD(v, t, t)
	c.VPAND(k.high, t, t)
	c.VPOR(k.quiet, v, v)
	c.VBLENDVPS(s, v, t, v)
}

// pair puts the upper halves of the numbers of v and w into the lower and upper halves of v.
func pair(c *build.Context, v, w reg.VecPhysical) {
	c.VPSRLD(operand.U8(16), v, v)
	c.VPBLENDW(operand.U8(0xaa), w, v, v)
}

// modes says in words what is packed.
func modes(mode string) string {
	return map[string]string{
		"":      "as they are",
		"Round": "rounded to bfloat16",
		"Pair":  "as pairs of bfloat16, two steps of k in one number",
	}[mode]
}

// store writes the first n of the 8 or 4 numbers of v, n being 4, 6 or 8. The numbers of 6 are in lanes of 4 and 2.
func store(c *build.Context, v, t reg.VecPhysical, n int, to operand.Mem) {
	if n == 8 {
		c.VMOVUPS(v, to)
		return
	}
	c.VMOVUPS(v.AsX(), to)
	if n == 6 {
		c.VEXTRACTF128(operand.U8(1), v, t.AsX())
		c.VMOVLPS(t.AsX(), to.Offset(16))
	}
}

// turn makes the packing of rows that run along k: 4 numbers of each row become 4 columns of rows numbers.
func turn(c *build.Context, k rounding, rows int, mode string) {
	function(c, fmt.Sprintf("turn%s%d", mode, rows), "n int, src *float32, ld int, dst *float32, step int",
		fmt.Sprintf("turn%s%d packs n times 4 numbers of each of %d rows, %s: the numbers of one step", mode, rows, rows, modes(mode)),
		"of k lie together, those of the next one step bytes further.")
	n, src, ld, dst, step, src3, src6 := reg.RCX, reg.RSI, reg.RBX, reg.RDI, reg.RDX, reg.R8, reg.R9
	c.Load(c.Param("n"), n)
	c.Load(c.Param("src"), src)
	c.Load(c.Param("ld"), ld)
	c.SHLQ(operand.U8(2), ld)
	c.Load(c.Param("dst"), dst)
	c.Load(c.Param("step"), step)
	c.LEAQ(indexed(src, ld, 2), src3)
	c.ADDQ(ld, src3)
	c.LEAQ(indexed(src3, ld, 2), src6)
	c.ADDQ(ld, src6)
	line := func(r int) operand.Mem {
		return []operand.Mem{
			at(src, 0), indexed(src, ld, 1), indexed(src, ld, 2),
			at(src3, 0), indexed(src3, ld, 1), indexed(src3, ld, 2),
			at(src6, 0), indexed(src6, ld, 1),
		}[r]
	}
	size := ymm
	if rows == 4 {
		size = xmm
	}
	c.Label("loop")
	for r := range 4 {
		c.VMOVUPS(line(r), xmm(r))
		if r+4 < rows {
			c.VINSERTF128(operand.U8(1), line(r+4), ymm(r), ymm(r))
		}
	}
	v := func(i int) reg.VecPhysical { return size(i) }
	c.VUNPCKLPS(v(1), v(0), v(4)) // a0 b0 a1 b1
	c.VUNPCKHPS(v(1), v(0), v(5)) // a2 b2 a3 b3
	c.VUNPCKLPS(v(3), v(2), v(6)) // c0 d0 c1 d1
	c.VUNPCKHPS(v(3), v(2), v(7)) // c2 d2 c3 d3
	c.VSHUFPS(operand.U8(0x44), v(6), v(4), v(0))
	c.VSHUFPS(operand.U8(0xee), v(6), v(4), v(1))
	c.VSHUFPS(operand.U8(0x44), v(7), v(5), v(2))
	c.VSHUFPS(operand.U8(0xee), v(7), v(5), v(3))
	if mode != "" {
		for i := range 4 {
			k.round(c, v(i), v(8+2*(i%2)), v(9+2*(i%2)))
		}
	}
	every := 1
	if mode == "Pair" {
		pair(c, v(0), v(1))
		pair(c, v(2), v(3))
		every = 2
	}
	for i := 0; i < 4; i += every {
		store(c, v(i), v(12), rows, at(dst, 0))
		c.ADDQ(step, dst)
	}
	for _, p := range []reg.GPPhysical{src, src3, src6} {
		c.ADDQ(operand.U8(16), p)
	}
	c.DECQ(n)
	c.JNZ(operand.LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}

// straight makes the packing of columns that run along k: rows are cut.
func straight(c *build.Context, k rounding, width int, mode string) {
	function(c, fmt.Sprintf("straight%s%d", mode, width), "k, panels int, src *float32, ld int, dst *float32, size, step int",
		fmt.Sprintf("straight%s%d cuts k rows into panels pieces of %d numbers, %s. Panels are size", mode, width, width, modes(mode)),
		"bytes from each other, and the steps of k in a panel are step bytes from each other.")
	kk, panels, src, ld, dst, size, step := reg.RCX, reg.RDX, reg.RSI, reg.RBX, reg.RDI, reg.R8, reg.R9
	p, s, d, s2 := reg.R10, reg.R11, reg.R12, reg.R13
	c.Load(c.Param("k"), kk)
	c.Load(c.Param("panels"), panels)
	c.Load(c.Param("src"), src)
	c.Load(c.Param("ld"), ld)
	c.SHLQ(operand.U8(2), ld)
	c.Load(c.Param("dst"), dst)
	c.Load(c.Param("size"), size)
	c.Load(c.Param("step"), step)

	type part struct{ from, n int } // a vector of a piece
	var parts []part
	for i := 0; i < width; i += 8 {
		parts = append(parts, part{i, min(8, width-i)})
	}
	load := func(p part, base reg.Register, v reg.VecPhysical) {
		switch m := at(base, 4*p.from); p.n {
		case 8:
			c.VMOVUPS(m, v)
		case 6:
			c.VMOVSD(m.Offset(16), v.AsX())
			c.VINSERTF128(operand.U8(1), v.AsX(), v, v)
			c.VINSERTF128(operand.U8(0), m, v, v)
		case 4:
			c.VMOVUPS(m, v.AsX())
		}
	}
	if mode != "Pair" {
		c.Label("row")
		c.MOVQ(panels, p)
		c.MOVQ(src, s)
		c.MOVQ(dst, d)
		c.Label("piece")
		for i, q := range parts {
			if mode == "" && q.n == 6 { // no need to bring them together
				c.VMOVUPS(at(s, 0), xmm(i))
				c.VMOVSD(at(s, 16), xmm(i+1))
				c.VMOVUPS(xmm(i), at(d, 0))
				c.VMOVLPS(xmm(i+1), at(d, 16))
				continue
			}
			load(q, s, ymm(i))
			if mode != "" {
				k.round(c, ymm(i), ymm(4+2*i), ymm(5+2*i))
			}
			store(c, ymm(i), ymm(12), q.n, at(d, 4*q.from))
		}
		c.ADDQ(operand.Imm(uint64(4*width)), s)
		c.ADDQ(size, d)
		c.DECQ(p)
		c.JNZ(operand.LabelRef("piece"))
		c.ADDQ(ld, src)
		c.ADDQ(step, dst)
		c.DECQ(kk)
		c.JNZ(operand.LabelRef("row"))
		c.VZEROUPPER()
		c.RET()
		return
	}
	// Two rows at a time; the last of an odd number has zeros for a partner.
	body := func(label string, both bool) {
		c.MOVQ(panels, p)
		c.MOVQ(src, s)
		c.LEAQ(indexed(src, ld, 1), s2)
		c.MOVQ(dst, d)
		c.Label(label)
		for i, q := range parts {
			load(q, s, ymm(2*i))
			k.round(c, ymm(2*i), ymm(8), ymm(9))
			if both {
				load(q, s2, ymm(2*i+1))
				k.round(c, ymm(2*i+1), ymm(10), ymm(11))
				pair(c, ymm(2*i), ymm(2*i+1))
			} else {
				c.VPSRLD(operand.U8(16), ymm(2*i), ymm(2*i))
			}
			store(c, ymm(2*i), ymm(12), q.n, at(d, 4*q.from))
		}
		c.ADDQ(operand.Imm(uint64(4*width)), s)
		c.ADDQ(operand.Imm(uint64(4*width)), s2)
		c.ADDQ(size, d)
		c.DECQ(p)
		c.JNZ(operand.LabelRef(label))
	}
	c.SUBQ(operand.U8(2), kk)
	c.JL(operand.LabelRef("odd"))
	c.Label("rows")
	body("pieces", true)
	c.LEAQ(indexed(src, ld, 2), src)
	c.ADDQ(step, dst)
	c.SUBQ(operand.U8(2), kk)
	c.JGE(operand.LabelRef("rows"))
	c.Label("odd")
	c.CMPQ(kk, operand.I32(-1))
	c.JNE(operand.LabelRef("end"))
	body("piece", false)
	c.Label("end")
	c.VZEROUPPER()
	c.RET()
}

// row makes the product of one row with rows that run along k. Nothing is packed: the rows, which are read once, are
// turned in registers, and the sums are made in the order of a tile's.
func row(c *build.Context, k rounding, mode string) {
	what := ""
	if mode != "" {
		what = ", of which those of b are rounded to bfloat16"
	}
	function(c, "row"+mode, "n int, a, b *float32, ld int, c *float32, add bool",
		fmt.Sprintf("row%s puts, or adds, products of a with 16 rows of b into c: sums of n times 4 numbers%s.", mode, what))
	n, a, b, ld, b3, b6, d, d3, d6 := reg.RCX, reg.RAX, reg.RSI, reg.RBX, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12
	c.Load(c.Param("n"), n)
	c.Load(c.Param("a"), a)
	c.Load(c.Param("b"), b)
	c.Load(c.Param("ld"), ld)
	c.SHLQ(operand.U8(2), ld)
	thirds := func(p, p3, p6 reg.Register) {
		c.LEAQ(indexed(p, ld, 2), p3)
		c.ADDQ(ld, p3)
		c.LEAQ(indexed(p3, ld, 2), p6)
		c.ADDQ(ld, p6)
	}
	thirds(b, b3, b6)
	c.LEAQ(indexed(b, ld, 8), d)
	thirds(d, d3, d6)
	c.VXORPS(ymm(0), ymm(0), ymm(0))
	c.VXORPS(ymm(1), ymm(1), ymm(1))
	c.Label("loop")
	for i, p := range [][3]reg.GPPhysical{{b, b3, b6}, {d, d3, d6}} {
		line := []operand.Mem{
			at(p[0], 0), indexed(p[0], ld, 1), indexed(p[0], ld, 2),
			at(p[1], 0), indexed(p[1], ld, 1), indexed(p[1], ld, 2),
			at(p[2], 0), indexed(p[2], ld, 1),
		}
		v := func(i int) reg.VecPhysical { return ymm(2 + i) }
		for r := range 4 {
			c.VMOVUPS(line[r], v(r).AsX())
			c.VINSERTF128(operand.U8(1), line[r+4], v(r), v(r))
		}
		c.VUNPCKLPS(v(1), v(0), v(4))
		c.VUNPCKHPS(v(1), v(0), v(5))
		c.VUNPCKLPS(v(3), v(2), v(6))
		c.VUNPCKHPS(v(3), v(2), v(7))
		c.VSHUFPS(operand.U8(0x44), v(6), v(4), v(0))
		c.VSHUFPS(operand.U8(0xee), v(6), v(4), v(1))
		c.VSHUFPS(operand.U8(0x44), v(7), v(5), v(2))
		c.VSHUFPS(operand.U8(0xee), v(7), v(5), v(3))
		for l := range 4 {
			if mode != "" {
				k.round(c, v(l), v(8+2*(l%2)), v(9+2*(l%2)))
			}
			c.VBROADCASTSS(at(a, 4*l), v(4+l))
			c.VFMADD231PS(v(4+l), v(l), ymm(i))
		}
		for _, q := range p {
			c.ADDQ(operand.U8(16), q)
		}
	}
	c.ADDQ(operand.U8(16), a)
	c.DECQ(n)
	c.JNZ(operand.LabelRef("loop"))
	add, err := c.Param("add").Resolve()
	if err != nil {
		panic(err)
	}
	c.Load(c.Param("c"), reg.RDI)
	c.CMPB(add.Addr, operand.U8(0))
	c.JE(operand.LabelRef("put"))
	for i := range 2 {
		c.VADDPS(at(reg.RDI, 32*i), ymm(i), ymm(i))
	}
	c.Label("put")
	for i := range 2 {
		c.VMOVUPS(ymm(i), at(reg.RDI, 32*i))
	}
	c.VZEROUPPER()
	c.RET()
}
