package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The permutation loops of package dedup, whose portable forms and whose reasons are in dedup/minhash_generic.go. A
// number lies in a lane for each permutation, and a hash is put into all lanes: a tile of permutations has all it needs
// in registers, and goes over the hashes of a document, which are in the first-level cache.
//
// The functions take whole registers of permutations, and give least values as they are before the remainder of
// 2^61-1 is made whole: see "short" there. Slices of one length; the order of operands is Go's.

// A minhashFunction makes one loop for one set.
type minhashFunction struct {
	name  string
	set   string
	kind  string // of the numbers
	doc   string
	width int   // permutations in a tile of one unit
	tiles []int // units in a tile, the largest first, 1 the last
	tile  func(t *minhashTile)
}

var minhashFunctions = []minhashFunction{
	{"minhash61", "AVX2", "uint64", "shortLeast of whole eights of permutations", 8, []int{1}, func(t *minhashTile) { t.eightAVX2(t.least61) }},
	{"minhash61", "AVX512", "uint64", "shortLeast of whole eights of permutations", 8, []int{2, 1}, func(t *minhashTile) { t.eightsAVX512(t.least61Wide) }},
	{"minhash61Low", "AVX2", "uint64", "shortLeastLow of whole eights of permutations", 8, []int{1}, func(t *minhashTile) { t.eightAVX2(t.leastLow) }},
	{"minhash61Low", "AVX512", "uint64", "shortLeastLow of whole eights of permutations", 8, []int{2, 1}, func(t *minhashTile) { t.eightsAVX512(t.leastLow) }},
	{"minhash32", "AVX2", "uint32", "minhash32Generic of whole eights of permutations", 8, []int{4, 1}, func(t *minhashTile) { t.least32() }},
	{"minhash32", "AVX512", "uint32", "minhash32Generic of whole sixteens of permutations", 16, []int{4, 1}, func(t *minhashTile) { t.least32() }},
}

// minhash makes all of them.
func minhash(c *build.Context) {
	for _, f := range minhashFunctions {
		c.Function(f.name + f.set)
		c.Doc(fmt.Sprintf("%s%s is %s.", f.name, f.set, f.doc))
		c.Pragma("noescape")
		c.Attributes(attr.NOSPLIT)
		c.SignatureExpr(fmt.Sprintf("func(mins, a, b, hashes []%s)", f.kind))
		f.body(c)
	}
}

// body goes over the tiles.
func (f *minhashFunction) body(c *build.Context) {
	size := map[string]int{"uint32": 4, "uint64": 8}[f.kind]
	mins, a, b := c.Load(c.Param("mins").Base(), c.GP64()), c.Load(c.Param("a").Base(), c.GP64()), c.Load(c.Param("b").Base(), c.GP64())
	left := c.Load(c.Param("mins").Len(), c.GP64())
	first, hashes := c.Load(c.Param("hashes").Base(), c.GP64()), c.Load(c.Param("hashes").Len(), c.GP64())
	end := c.GP64()
	c.LEAQ(operand.Mem{Base: first, Index: hashes, Scale: uint8(size)}, end)
	v := &vectors{Context: c, wide: f.set == "AVX512", data: map[string]operand.Mem{}}
	for i, units := range f.tiles {
		again, next := fmt.Sprintf("tile%d", i), fmt.Sprintf("done%d", i)
		n := units * f.width
		c.Label(again)
		c.CMPQ(left, operand.I32(n))
		c.JB(operand.LabelRef(next))
		f.tile(&minhashTile{v, i, units, mins, a, b, first, end})
		for _, p := range []reg.Register{mins, a, b} {
			c.ADDQ(operand.I32(n*size), p)
		}
		c.SUBQ(operand.I32(n), left)
		c.JMP(operand.LabelRef(again))
		c.Label(next)
	}
	c.VZEROUPPER()
	c.RET()
}

// A minhashTile is the code of a tile: where its permutations are, and the hashes.
type minhashTile struct {
	*vectors
	number     int // of the tile in its function
	units      int
	mins, a, b reg.Register
	first, end reg.Register // of the hashes
}

// word is what is disp bytes behind p.
func word(p reg.Register, disp int) operand.Mem { return operand.Mem{Base: p, Disp: disp} }

// loop goes over the hashes, size bytes each.
func (t *minhashTile) loop(size int, body func(h reg.Register)) {
	again, over := fmt.Sprintf("hash%d", t.number), fmt.Sprintf("hashed%d", t.number)
	h := t.GP64()
	t.MOVQ(t.first, h)
	t.CMPQ(h, t.end)
	t.JAE(operand.LabelRef(over))
	t.Label(again)
	body(h)
	t.ADDQ(operand.I32(size), h)
	t.CMPQ(h, t.end)
	t.JB(operand.LabelRef(again))
	t.Label(over)
}

// ones is all bits.
func (t *minhashTile) ones() vec {
	r := t.reg()
	if t.wide {
		t.VPTERNLOGD(operand.U8(0xff), r, r, r)
	} else {
		t.VPCMPEQD(r, r, r)
	}
	return r
}

// eightAVX2 makes 8 products of 64 bits in two registers of 4. What a product's upper half has beside that of the product
// of the lower halves is low(a)·high(h) + high(a)·low(h), of which 32 bits count: for all 8 at once in lanes of 32 bits,
// those of the first register in the even lanes and those of the second in the odd ones.
func (t *minhashTile) eightAVX2(least func(v, mask, least vec)) {
	r := t.reg
	a0, a1, low, high := r(), r(), r(), r()
	t.VMOVUPS(word(t.a, 0), a0)
	t.VMOVUPS(word(t.a, 32), a1)
	t.VPSLLQ(operand.U8(32), a1, low)
	t.VPBLENDD(operand.U8(0xaa), low, a0, low)
	t.VPSRLQ(operand.U8(32), a0, high)
	t.VPBLENDD(operand.U8(0xaa), a1, high, high)
	mask, upper := t.ones(), r()
	t.VPSLLQ(operand.U8(32), mask, upper)
	b0, b1 := r(), r() // b + 1
	t.VMOVUPS(word(t.b, 0), b0)
	t.VPSUBQ(mask, b0, b0)
	t.VMOVUPS(word(t.b, 32), b1)
	t.VPSUBQ(mask, b1, b1)
	t.VPSRLQ(operand.U8(3), mask, mask)
	least0, least1 := r(), r()
	t.VMOVAPS(mask, least0)
	t.VMOVAPS(mask, least1)
	t.loop(8, func(p reg.Register) {
		h, x, y, v0, v1 := r(), r(), r(), r(), r()
		t.VPBROADCASTD(word(p, 4), x)
		t.VPMULLD(x, low, x)
		t.VPBROADCASTD(word(p, 0), h)
		t.VPMULLD(h, high, y)
		t.VPADDD(x, y, x)
		t.VPMULUDQ(h, a0, v0)
		t.VPMULUDQ(h, a1, v1)
		t.VPSLLQ(operand.U8(32), x, y)
		t.VPAND(upper, x, x)
		t.VPADDQ(b0, v0, v0)
		t.VPADDQ(b1, v1, v1)
		t.VPADDQ(y, v0, v0)
		t.VPADDQ(x, v1, v1)
		least(v0, mask, least0)
		least(v1, mask, least1)
	})
	t.stored([]vec{least0, least1})
}

// least61 takes v into the least values. Numbers of 61 bits are in the order of the float64 of the same bits, which has
// an instruction for it: none of them is negative, an infinity or NaN.
func (t *minhashTile) least61(v, mask, least vec) {
	s := t.reg()
	t.VPSRLQ(operand.U8(61), v, s)
	t.VPADDQ(s, v, v)
	t.VPAND(mask, v, v)
	t.VMINPD(v, least, least)
}

// leastLow takes the lower half of v. What the upper halves of the least values become is of no use, and of no harm: the
// caller clears them.
func (t *minhashTile) leastLow(v, _, least vec) {
	s := t.reg()
	t.VPSRLQ(operand.U8(61), v, s)
	t.VPADDQ(s, v, v)
	t.VPMINUD(v, least, least)
}

// eightsAVX512 is a tile of as many registers of 8 as there are units.
func (t *minhashTile) eightsAVX512(least func(v, mask, min vec)) {
	mask := t.ones()
	a, b, mins := t.registers(), t.registers(), t.registers()
	for u := range a {
		t.VMOVUPS(word(t.a, 64*u), a[u])
		t.VMOVUPS(word(t.b, 64*u), b[u])
		t.VPSUBQ(mask, b[u], b[u]) // b + 1
	}
	t.VPSRLQ(operand.U8(3), mask, mask)
	for _, m := range mins {
		t.VMOVAPS(mask, m)
	}
	t.loop(8, func(p reg.Register) {
		h := t.reg()
		t.VPBROADCASTQ(word(p, 0), h)
		vs := t.registers()
		for u, v := range vs {
			t.VPMULLQ(h, a[u], v)
		}
		for u, v := range vs {
			t.VPADDQ(b[u], v, v)
			least(v, mask, mins[u])
		}
	})
	t.stored(mins)
}

// least61Wide is as least61; these processors have the instruction for integers.
func (t *minhashTile) least61Wide(v, mask, least vec) {
	s := t.reg()
	t.VPSRLQ(operand.U8(61), v, s)
	t.VPADDQ(s, v, v)
	t.VPANDQ(mask, v, v)
	t.VPMINUQ(v, least, least)
}

// least32 is a tile of products of 32 bits, of as many registers as there are units.
func (t *minhashTile) least32() {
	ones := t.ones()
	a, b, mins := t.registers(), t.registers(), t.registers()
	for u := range a {
		t.VMOVUPS(word(t.a, t.width()*4*u), a[u])
		t.VMOVUPS(word(t.b, t.width()*4*u), b[u])
		t.VMOVAPS(ones, mins[u])
	}
	t.loop(4, func(p reg.Register) {
		h := t.reg()
		t.VPBROADCASTD(word(p, 0), h)
		for u := range a {
			v := t.reg()
			t.VPMULLD(h, a[u], v)
			t.VPADDD(b[u], v, v)
			t.VPMINUD(v, mins[u], mins[u])
		}
	})
	t.stored(mins)
}

func (t *minhashTile) registers() []vec {
	rs := make([]vec, t.units)
	for i := range rs {
		rs[i] = t.reg()
	}
	return rs
}

// stored puts the least values of a tile where they belong.
func (t *minhashTile) stored(mins []vec) {
	for u, m := range mins {
		t.VMOVUPS(m, word(t.mins, t.width()*4*u))
	}
}
