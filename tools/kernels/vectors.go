package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Vectors writes functions over vectors for one set: the bodies in rows_bodies.go are the same for all of them, and
// what is different is here: how wide a register is, how the rest of a vector that does not fill a register is masked,
// and how comparisons choose.
//
// Operands are in the order of Go's assembler, the reverse of Intel's.
type vectors struct {
	*build.Context
	wide   bool // AVX-512: 16 numbers in a register and masks in registers of their own; else 8, and masks in vectors
	labels int
	data   map[string]operand.Mem // by name
}

// A vec is a register of numbers.
type vec = reg.VecVirtual

// width is how many float32 there are in a register.
func (v *vectors) width() int {
	if v.wide {
		return 16
	}
	return 8
}

func (v *vectors) reg() vec {
	if v.wide {
		return v.ZMM()
	}
	return v.YMM()
}

func (v *vectors) label(name string) string {
	v.labels++
	return fmt.Sprintf("%s%d", name, v.labels)
}

// words is a constant in memory, as wide as the widest register.
func (v *vectors) words(name string, at func(i int) uint32) operand.Mem {
	m, ok := v.data[name]
	if !ok {
		m = v.StaticGlobal(name)
		v.DataAttributes(attr.RODATA | attr.NOPTR)
		for i := range 16 {
			v.AppendDatum(operand.U32(at(i)))
		}
		v.data[name] = m
	}
	return m
}

// constant is the same number in every lane.
func (v *vectors) constant(name string, x float32) operand.Mem {
	return v.words(name, func(int) uint32 { return math.Float32bits(x) })
}

// bits is the same word in every lane.
func (v *vectors) bits(name string, x uint32) operand.Mem {
	return v.words(name, func(int) uint32 { return x })
}

// loaded is m in a register.
func (v *vectors) loaded(m operand.Mem) vec {
	r := v.reg()
	v.VMOVUPS(m, r)
	return r
}

// zero is a register of zeros.
func (v *vectors) zero() vec {
	r := v.reg()
	v.VXORPS(r, r, r)
	return r
}

// number is a parameter in every lane.
func (v *vectors) number(param string) vec {
	a, err := v.Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	r := v.reg()
	v.VBROADCASTSS(a.Addr, r)
	return r
}

// vector is the address of a slice.
func (v *vectors) vector(param string) reg.Register {
	return v.Load(v.Param(param).Base(), v.GP64())
}

// length is that of a slice.
func (v *vectors) length(param string) reg.Register {
	return v.Load(v.Param(param).Len(), v.GP64())
}

// A step is a part of a loop's body: the code for a register's worth of numbers.
type step struct {
	*vectors
	i    reg.Register // how many numbers were done before this turn
	u    int          // which register's worth of the turn it is
	rest bool         // fewer numbers than a register holds are left
	mask reg.Register // then: which lanes are theirs
}

// loop goes over n numbers: in turns of unroll registers as long as there are so many, then by single ones, and then
// those that do not fill a register. What happens to number i depends on i and n alone.
func (v *vectors) loop(n reg.Register, unroll int, body func(s *step)) {
	v.turns(n, unroll, func(ss []*step) {
		for _, s := range ss {
			body(s)
		}
	})
}

// turns is as loop, but the body is that of all registers of a turn: long chains of instructions that wait for each
// other are better written side by side, for a processor looks ahead only so far.
func (v *vectors) turns(n reg.Register, unroll int, body func(ss []*step)) {
	many, one, turn, rest, done := v.label("many"), v.label("one"), v.label("turn"), v.label("rest"), v.label("done")
	i, whole := v.GP64(), v.GP64()
	v.XORQ(i, i)
	if unroll > 1 {
		v.MOVQ(n, whole)
		v.ANDQ(operand.I32(-unroll*v.width()), whole)
		v.JZ(operand.LabelRef(one))
		v.Label(many)
		var ss []*step
		for u := range unroll {
			ss = append(ss, &step{vectors: v, i: i, u: u})
		}
		body(ss)
		v.ADDQ(operand.I32(unroll*v.width()), i)
		v.CMPQ(i, whole)
		v.JB(operand.LabelRef(many))
	}
	v.Label(one)
	v.MOVQ(n, whole)
	v.ANDQ(operand.I32(-v.width()), whole)
	v.CMPQ(i, whole)
	v.JAE(operand.LabelRef(rest))
	v.Label(turn)
	body([]*step{{vectors: v, i: i}})
	v.ADDQ(operand.I32(v.width()), i)
	v.CMPQ(i, whole)
	v.JB(operand.LabelRef(turn))
	v.Label(rest)
	left := v.GP64()
	v.MOVQ(n, left)
	v.SUBQ(i, left)
	v.JZ(operand.LabelRef(done))
	body([]*step{{vectors: v, i: i, rest: true, mask: v.firstLanes(left)}})
	v.Label(done)
}

// firstLanes is the mask of the first n lanes, 0 < n < width.
func (v *vectors) firstLanes(n reg.GPVirtual) reg.Register {
	if v.wide {
		b, k := v.GP64(), v.K()
		v.MOVQ(operand.I32(-1), b)
		v.BZHIQ(n, b, b)
		v.KMOVW(b.As32(), k)
		return k
	}
	table := v.words("rowsLanes", func(i int) uint32 { return []uint32{1<<32 - 1, 0}[i/8] })
	b, m := v.GP64(), v.reg()
	v.LEAQ(table.Offset(32), b)
	v.NEGQ(n)
	v.VMOVUPS(operand.Mem{Base: b, Index: n, Scale: 4}, m)
	return m
}

// at is where the step's numbers are in a vector of numbers of some size.
func (s *step) at(p reg.Register, size int) operand.Mem {
	return operand.Mem{Base: p, Index: s.i, Scale: uint8(size), Disp: s.u * s.width() * size}
}

// load gives the step's numbers of a vector; lanes that are not the step's are 0.
func (s *step) load(p reg.Register) vec {
	r := s.reg()
	switch {
	case !s.rest:
		s.VMOVUPS(s.at(p, 4), r)
	case s.wide:
		s.VMOVUPS_Z(s.at(p, 4), s.mask, r)
	default:
		s.VMASKMOVPS(s.at(p, 4), s.mask, r)
	}
	return r
}

// operand is as load, but leaves the numbers in memory if it can, for an instruction that reads them there.
func (s *step) operand(p reg.Register) operand.Op {
	if s.rest {
		return s.load(p)
	}
	return s.at(p, 4)
}

func (s *step) store(r vec, p reg.Register) {
	switch {
	case !s.rest:
		s.VMOVUPS(r, s.at(p, 4))
	case s.wide:
		s.VMOVUPS(r, s.mask, s.at(p, 4))
	default:
		s.VMASKMOVPS(r, s.mask, s.at(p, 4))
	}
}

// clear makes lanes that are not the step's 0.
func (s *step) clear(r vec) {
	switch {
	case !s.rest:
	case s.wide:
		s.VMOVAPS_Z(r, s.mask, r)
	default:
		s.VANDPS(s.mask, r, r)
	}
}

// infinity is -Inf.
func (v *vectors) infinity() operand.Mem {
	return v.bits("rowsNegInf", math.Float32bits(float32(math.Inf(-1))))
}

// bottom gives r with -Inf in lanes that are not the step's.
func (s *step) bottom(r vec) vec {
	if !s.rest {
		return r
	}
	b := s.loaded(s.infinity())
	if s.wide {
		s.VMOVAPS(r, s.mask, b)
	} else {
		s.VBLENDVPS(s.mask, r, b, b)
	}
	return b
}

// Predicates of VCMPPS.
const (
	equal   = operand.U8(0x00) // ordered
	unequal = operand.U8(0x03) // NaN on one side
	less    = operand.U8(0x11) // ordered
	notLess = operand.U8(0x15) // or NaN
	greater = operand.U8(0x1e) // ordered
)

// zeroBelow makes r 0 where x is below the bound.
func (v *vectors) zeroBelow(r, x vec, bound operand.Op) {
	if v.wide {
		k := v.K()
		v.VCMPPS(notLess, bound, x, k)
		v.VMOVAPS_Z(r, k, r)
		return
	}
	m := v.reg()
	v.VCMPPS(less, bound, x, m)
	v.VANDNPS(r, m, r)
}

// putAbove makes x r, or the number where x is above the bound.
func (v *vectors) putAbove(x, r vec, bound operand.Op, number operand.Mem) {
	if v.wide {
		k := v.K()
		v.VCMPPS(greater, bound, x, k)
		v.VMOVAPS(r, x)
		v.VMOVUPS(number, k, x)
		return
	}
	v.VCMPPS(greater, bound, x, x)
	v.VBLENDVPS(x, number, r, x)
}

// The arithmetic, each into a new register.

func (v *vectors) add(x operand.Op, y vec) vec { r := v.reg(); v.VADDPS(x, y, r); return r }
func (v *vectors) mul(x operand.Op, y vec) vec { r := v.reg(); v.VMULPS(x, y, r); return r }

// sub is x - y.
func (v *vectors) sub(x vec, y operand.Op) vec { r := v.reg(); v.VSUBPS(y, x, r); return r }

// div is x / y.
func (v *vectors) div(x vec, y operand.Op) vec { r := v.reg(); v.VDIVPS(y, x, r); return r }

// sumOf joins the lanes of registers: registers and lanes that are half of all apart, then a quarter, down to one.
func (v *vectors) sumOf(rs []vec) reg.Register {
	return v.joined(rs, func(x, y, r reg.Register) { v.VADDPS(x, y, r) })
}

// maxOf is the largest of all lanes, none of them NaN.
func (v *vectors) maxOf(rs []vec) reg.Register {
	return v.joined(rs, func(x, y, r reg.Register) { v.VMAXPS(x, y, r) })
}

func (v *vectors) joined(rs []vec, op func(x, y, r reg.Register)) reg.Register {
	x := v.joinedQuarter(rs, op)
	t := v.XMM()
	v.VMOVHLPS(x, x, t)
	op(t, x, x)
	v.VMOVSHDUP(x, t)
	op(t, x, x)
	return x
}

// joinedQuarter joins down to 128 bits.
func (v *vectors) joinedQuarter(rs []vec, op func(x, y, r reg.Register)) reg.Register {
	for n := len(rs) / 2; n > 0; n /= 2 {
		for i := range n {
			op(rs[i+n], rs[i], rs[i])
		}
	}
	r := rs[0]
	if v.wide {
		t := v.YMM()
		v.VEXTRACTF64X4(operand.U8(1), r.AsZ(), t)
		op(t, r.AsY(), r.AsY())
	}
	t := v.XMM()
	v.VEXTRACTF128(operand.U8(1), r.AsY(), t)
	op(t, r.AsX(), r.AsX())
	return r.AsX()
}

// zeros is n registers of zeros, for sums.
func (v *vectors) zeros(n int) []vec {
	rs := make([]vec, n)
	for i := range rs {
		rs[i] = v.zero()
	}
	return rs
}

// done is the end of a function that gives what is in the registers.
func (v *vectors) done(results ...reg.Register) {
	v.VZEROUPPER()
	for i, r := range results {
		v.Store(r, v.ReturnIndex(i))
	}
	v.RET()
}

// sixteens goes over n numbers, a multiple of 16, sixteen at a time; i is how many were done.
func (v *vectors) sixteens(n reg.Register, body func(i reg.Register)) {
	turn, end := v.label("turn"), v.label("end")
	i := v.GP64()
	v.XORQ(i, i)
	v.Label(turn)
	v.CMPQ(i, n)
	v.JAE(operand.LabelRef(end))
	body(i)
	v.ADDQ(operand.I32(16), i)
	v.JMP(operand.LabelRef(turn))
	v.Label(end)
}
