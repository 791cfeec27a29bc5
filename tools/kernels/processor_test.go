package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A processor runs the functions that the generator makes, so that those for processors that are not at hand can be
// tried. It knows the instructions of the functions over rows, of products in 8 bits and of the permutations and nothing else, and what Intel's Software Developer's
// Manual, volume 2, says of them; the order of operands is Go's. Memory is the operands of one call: whoever touches a
// byte that is not of them is told so.
type processor struct {
	vector   [32][64]byte
	general  [16]uint64
	mask     [8]uint64
	zero     bool // flags
	carry    bool
	frame    []byte // parameters and results
	data     map[string][]byte
	segments [][]byte // segment i begins at address (i+1)<<32
	steps    int
}

// wrong is what an instruction that cannot be carried out panics with.
type wrong string

func fail(format string, args ...any) { panic(wrong(fmt.Sprintf(format, args...))) }

// newProcessor has rubbish in its registers.
func newProcessor(f *ir.File) *processor {
	m := &processor{data: map[string][]byte{}}
	for i := range m.vector {
		for j := range m.vector[i] {
			m.vector[i][j] = byte(0x9d*i + 0x35*j + 0x7f)
		}
	}
	for i := range m.general {
		m.general[i] = 0xdeadbeef00000000 + uint64(i)
	}
	for i := range m.mask {
		m.mask[i] = 0xa5a5a5a5a5a5a5a5
	}
	for _, s := range f.Sections {
		if g, ok := s.(*ir.Global); ok {
			b := make([]byte, g.Size)
			for _, d := range g.Data {
				binary.LittleEndian.PutUint32(b[d.Offset:], uint32(d.Value.(operand.U32)))
			}
			m.data[g.Symbol.Name] = b
		}
	}
	return m
}

// segment gives b an address.
func (m *processor) segment(b []byte) uint64 {
	m.segments = append(m.segments, b)
	return uint64(len(m.segments)) << 32
}

// address is what a register's or the data's address amounts to.
func (m *processor) address(a operand.Mem) uint64 {
	if a.Base == reg.StaticBase {
		fail("the address of data is taken in LEAQ only")
	}
	p := m.general[index(a.Base)] + uint64(int64(a.Disp))
	if a.Index != nil {
		p += m.general[index(a.Index)] * uint64(a.Scale)
	}
	return p
}

// bytes are the n bytes at an operand in memory.
func (m *processor) bytes(a operand.Mem, n int) []byte {
	var b []byte
	at := a.Disp
	switch {
	case a.Base == reg.FramePointer:
		b = m.frame
	case a.Base == reg.StaticBase:
		b = m.data[a.Symbol.Name]
	default:
		p := m.address(a)
		s := p>>32 - 1
		if s >= uint64(len(m.segments)) {
			fail("%#x is nowhere", p)
		}
		b, at = m.segments[s], int(p&(1<<32-1))
	}
	if at < 0 || at+n > len(b) {
		fail("bytes %d to %d of %d", at, at+n, len(b))
	}
	return b[at : at+n]
}

func index(r reg.Register) int { return int(r.(reg.Physical).PhysicalIndex()) }

// read gives n bytes of a register or of memory.
func (m *processor) read(o operand.Op, n int) []byte {
	switch o := o.(type) {
	case reg.Register:
		if o.Kind() == reg.KindVector {
			if n > int(o.Size()) {
				fail("%d bytes of %s", n, o.Asm())
			}
			return append([]byte(nil), m.vector[index(o)][:n]...)
		}
	case operand.Mem:
		return append([]byte(nil), m.bytes(o, n)...)
	}
	fail("no vector: %v", o)
	return nil
}

// write puts b into memory, or into a vector register whose rest becomes 0.
func (m *processor) write(o operand.Op, b []byte) {
	switch o := o.(type) {
	case reg.Register:
		if o.Kind() != reg.KindVector || len(b) > int(o.Size()) {
			fail("%d bytes into %s", len(b), o.Asm())
		}
		v := &m.vector[index(o)]
		*v = [64]byte{}
		copy(v[:], b)
	case operand.Mem:
		copy(m.bytes(o, len(b)), b)
	}
}

// number gives a general register, a constant, or 8 bytes of memory.
func (m *processor) number(o operand.Op) uint64 {
	switch o := o.(type) {
	case reg.Register:
		v := m.general[index(o)]
		if o.Size() == 4 {
			v &= 1<<32 - 1
		}
		return v
	case operand.I32:
		return uint64(int64(o))
	case operand.U8:
		return uint64(o)
	case operand.U32:
		return uint64(o)
	case operand.Mem:
		return binary.LittleEndian.Uint64(m.bytes(o, 8))
	}
	fail("no number: %v", o)
	return 0
}

func (m *processor) set(o operand.Op, v uint64) {
	switch o := o.(type) {
	case reg.Register:
		if o.Size() == 4 {
			v &= 1<<32 - 1
		}
		m.general[index(o)] = v
	case operand.Mem:
		binary.LittleEndian.PutUint64(m.bytes(o, 8), v)
	}
}

func size(o operand.Op) int { return int(o.(reg.Register).Size()) }

func isMask(o operand.Op) bool {
	r, ok := o.(reg.Register)
	return ok && r.Kind() == reg.KindOpmask
}

func isMem(o operand.Op) bool { _, ok := o.(operand.Mem); return ok }

var le = binary.LittleEndian

// lanes makes each word of the last operand from those of the others, in their order.
func (m *processor) lanes(ops []operand.Op, f func(x ...uint32) uint32) {
	last := ops[len(ops)-1]
	n := size(last)
	var in [][]byte
	for _, o := range ops[:len(ops)-1] {
		in = append(in, m.read(o, n))
	}
	old, out := m.read(last, n), make([]byte, n)
	for i := 0; i < n; i += 4 {
		var x []uint32
		for _, b := range in {
			x = append(x, le.Uint32(b[i:]))
		}
		x = append(x, le.Uint32(old[i:]))
		le.PutUint32(out[i:], f(x...))
	}
	m.write(last, out)
}

// words is lanes of 16 bits.
func (m *processor) words(ops []operand.Op, f func(x ...uint16) uint16) {
	m.lanes(ops, func(x ...uint32) uint32 {
		var low, high []uint16
		for _, v := range x {
			low, high = append(low, uint16(v)), append(high, uint16(v>>16))
		}
		return uint32(f(low...)) | uint32(f(high...))<<16
	})
}

// absolute is that of a signed byte, which may be 128.
func absolute(x uint16) uint8 { return uint8(max(int16(int8(x)), -int16(int8(x)))) }

// signed is x with the sign of y, or 0 if that is.
func signed(x, y uint16) uint8 {
	switch y := int8(y); {
	case y < 0:
		return -uint8(x)
	case y == 0:
		return 0
	}
	return uint8(x)
}

// quads is lanes of 64 bits.
func (m *processor) quads(ops []operand.Op, f func(x ...uint64) uint64) {
	last := ops[len(ops)-1]
	n := size(last)
	var in [][]byte
	for _, o := range ops {
		in = append(in, m.read(o, n))
	}
	out := make([]byte, n)
	for i := 0; i < n; i += 8 {
		var x []uint64
		for _, b := range in {
			x = append(x, le.Uint64(b[i:]))
		}
		le.PutUint64(out[i:], f(x...))
	}
	m.write(last, out)
}

// float is lanes of float32.
func (m *processor) float(ops []operand.Op, f func(x ...float32) float32) {
	m.lanes(ops, func(x ...uint32) uint32 {
		var y []float32
		for _, v := range x {
			y = append(y, math.Float32frombits(v))
		}
		return math.Float32bits(f(y...))
	})
}

// fused is x·y + z: it may be rounded twice, which is the same for all widths.
func fused(x, y, z float32) float32 {
	return float32(math.FMA(float64(x), float64(y), float64(z)))
}

func compares(predicate uint64, x, y float32) bool {
	nan := x != x || y != y
	switch predicate {
	case 0x00: // EQ_OQ
		return x == y
	case 0x03: // UNORD_Q
		return nan
	case 0x11: // LT_OQ
		return x < y
	case 0x15: // NLT_UQ
		return nan || !(x < y)
	case 0x1e: // GT_OQ
		return x > y
	}
	fail("predicate %#x", predicate)
	return false
}

// call runs a function to its end.
func (m *processor) call(f *ir.Function) (err error) {
	var list []*ir.Instruction
	at := map[ir.Label]int{}
	for _, n := range f.Nodes {
		switch n := n.(type) {
		case ir.Label:
			at[n] = len(list)
		case *ir.Instruction:
			list = append(list, n)
		}
	}
	pc := 0
	defer func() {
		if r := recover(); r != nil {
			w, ok := r.(wrong)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s, instruction %d, %s %v: %s", f.Name, pc, list[pc].OpcodeWithSuffixes(), list[pc].Operands, w)
		}
	}()
	for ; ; pc++ {
		if m.steps++; m.steps > 1<<20 {
			fail("no end")
		}
		in := list[pc]
		jump := false
		switch op := in.OpcodeWithSuffixes(); op {
		case "RET":
			return nil
		case "JMP":
			jump = true
		case "JZ", "JE":
			jump = m.zero
		case "JNZ":
			jump = !m.zero
		case "JB":
			jump = m.carry
		case "JAE":
			jump = !m.carry
		default:
			m.do(op, in.Operands)
		}
		if jump {
			pc = at[*in.TargetLabel()] - 1
		}
	}
}

func (m *processor) do(op string, o []operand.Op) {
	last := o[max(0, len(o)-1):]
	switch op {
	case "PREFETCHT0":
	case "MOVQ":
		m.set(o[1], m.number(o[0]))
	case "MOVL":
		m.set(o[1], m.number(o[0])&(1<<32-1))
	case "MOVB":
		m.set(o[1], m.number(o[1])&^255|uint64(m.bytes(o[0].(operand.Mem), 1)[0]))
	case "TESTB":
		m.zero, m.carry = m.number(o[0])&m.number(o[1])&255 == 0, false
	case "VMOVD":
		var b [4]byte
		le.PutUint32(b[:], uint32(m.number(o[0])))
		m.write(o[1], b[:])
	case "XORQ":
		m.set(o[1], m.number(o[0])^m.number(o[1]))
	case "ANDQ":
		v := m.number(o[0]) & m.number(o[1])
		m.set(o[1], v)
		m.zero, m.carry = v == 0, false
	case "ADDQ":
		m.set(o[1], m.number(o[0])+m.number(o[1]))
	case "SUBQ":
		v := m.number(o[1]) - m.number(o[0])
		m.carry = m.number(o[1]) < m.number(o[0])
		m.set(o[1], v)
		m.zero = v == 0
	case "DECQ":
		v := m.number(o[0]) - 1
		m.set(o[0], v)
		m.zero = v == 0
	case "SHLQ":
		m.set(o[1], m.number(o[1])<<m.number(o[0]))
	case "NEGQ":
		m.set(o[0], -m.number(o[0]))
	case "CMPQ":
		x, y := m.number(o[0]), m.number(o[1])
		m.zero, m.carry = x == y, x < y
	case "TESTL":
		m.zero, m.carry = m.number(o[0])&m.number(o[1]) == 0, false
	case "BSFL":
		m.set(o[1], uint64(bits.TrailingZeros32(uint32(m.number(o[0])))))
	case "BZHIQ":
		m.set(o[2], m.number(o[1])&(1<<(m.number(o[0])&255)-1))
	case "LEAQ":
		a := o[0].(operand.Mem)
		if a.Base == reg.StaticBase {
			m.set(o[1], m.segment(m.data[a.Symbol.Name])+uint64(a.Disp))
		} else {
			m.set(o[1], m.address(a))
		}
	case "KMOVW":
		if isMask(o[1]) {
			m.mask[index(o[1].(reg.Register))] = m.number(o[0]) & 0xffff
		} else {
			m.set(o[1], m.mask[index(o[0].(reg.Register))]&0xffff)
		}
	case "MOVSS":
		m.write(o[1], m.read(o[0], 4))
	case "MOVSD":
		m.write(o[1], m.read(o[0], 8))
	case "VZEROUPPER":
		for i := range 16 {
			clear(m.vector[i][16:])
		}

	case "VMOVUPS", "VMOVAPS", "VMOVDQU", "VMOVUPS.Z", "VMOVAPS.Z":
		if strings.HasPrefix(op, "VMOVAPS") && (isMem(o[0]) || isMem(last[0])) {
			fail("nothing in memory is aligned for certain")
		}
		m.move(op == "VMOVUPS.Z" || op == "VMOVAPS.Z", o)
	case "VMASKMOVPS":
		m.maskMove(o)
	case "VBROADCASTSS":
		b := m.read(o[0], 4)
		m.lanes([]operand.Op{o[1]}, func(...uint32) uint32 { return le.Uint32(b) })
	case "VCMPPS":
		m.compare(o)
	case "VBLENDVPS":
		m.lanes(o, func(x ...uint32) uint32 {
			if x[0]>>31 != 0 {
				return x[1]
			}
			return x[2]
		})
	case "VMOVMSKPS":
		var v uint64
		for i, n := 0, size(o[0]); i < n; i += 4 {
			v |= uint64(m.read(o[0], n)[i+3]>>7) << (i / 4)
		}
		m.set(o[1], v)

	case "VPTERNLOGD", "VPCMPEQD", "VPCMPEQW":
		if op == "VPTERNLOGD" && m.number(o[0]) != 0xff || op != "VPTERNLOGD" && (o[0] != o[1] || o[1] != o[2]) {
			fail("this is known as a way to make ones alone")
		}
		m.lanes(last, func(...uint32) uint32 { return 1<<32 - 1 })
	case "VPBROADCASTD":
		b := m.read(o[0], 4)
		m.lanes(last, func(...uint32) uint32 { return le.Uint32(b) })
	case "VPBROADCASTQ":
		b := m.read(o[0], 8)
		m.quads(last, func(...uint64) uint64 { return le.Uint64(b) })
	case "VPBLENDD":
		i := -1
		m.lanes(o[1:], func(x ...uint32) uint32 {
			if i++; m.number(o[0])>>i&1 != 0 {
				return x[0]
			}
			return x[1]
		})
	case "VPMULLD":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] * x[1] })
	case "VPMAXSD":
		m.lanes(o, func(x ...uint32) uint32 { return uint32(max(int32(x[0]), int32(x[1]))) })
	case "VPMADDWD":
		m.lanes(o, func(x ...uint32) uint32 {
			low := int32(int16(x[0])) * int32(int16(x[1]))
			return uint32(low + int32(x[0])>>16*(int32(x[1])>>16))
		})
	case "VPDPBUSD": // four unsigned bytes times signed ones, added to what is there; it wraps around
		m.lanes(o, func(x ...uint32) uint32 {
			sum := x[2]
			for i := 0; i < 32; i += 8 {
				sum += uint32(int32(uint8(x[1]>>i)) * int32(int8(x[0]>>i)))
			}
			return sum
		})
	case "VPMADDUBSW":
		m.words(o, func(x ...uint16) uint16 {
			sum := int32(uint8(x[1]))*int32(int8(x[0])) + int32(uint8(x[1]>>8))*int32(int8(x[0]>>8))
			return uint16(min(max(sum, -1<<15), 1<<15-1))
		})
	case "VPADDW":
		m.words(o, func(x ...uint16) uint16 { return x[0] + x[1] })
	case "VPABSW":
		m.words(o, func(x ...uint16) uint16 { return uint16(max(int16(x[0]), -int16(x[0]))) })
	case "VPSRLW":
		m.words(o[1:], func(x ...uint16) uint16 { return x[0] >> m.number(o[0]) })
	case "VPABSB":
		m.words(o, func(x ...uint16) uint16 { return uint16(absolute(x[0])) | uint16(absolute(x[0]>>8))<<8 })
	case "VPSIGNB":
		m.words(o, func(x ...uint16) uint16 { return uint16(signed(x[1], x[0])) | uint16(signed(x[1]>>8, x[0]>>8))<<8 })
	case "VPMINUD":
		m.lanes(o, func(x ...uint32) uint32 { return min(x[0], x[1]) })
	case "VPMULUDQ":
		m.quads(o, func(x ...uint64) uint64 { return x[0] & (1<<32 - 1) * (x[1] & (1<<32 - 1)) })
	case "VPMULLQ":
		m.quads(o, func(x ...uint64) uint64 { return x[0] * x[1] })
	case "VPADDQ":
		m.quads(o, func(x ...uint64) uint64 { return x[0] + x[1] })
	case "VPSUBQ":
		m.quads(o, func(x ...uint64) uint64 { return x[1] - x[0] })
	case "VPAND", "VPANDQ":
		m.quads(o, func(x ...uint64) uint64 { return x[0] & x[1] })
	case "VPSLLQ":
		m.quads(o[1:], func(x ...uint64) uint64 { return x[0] << m.number(o[0]) })
	case "VPSRLQ":
		m.quads(o[1:], func(x ...uint64) uint64 { return x[0] >> m.number(o[0]) })
	case "VPMINUQ":
		m.quads(o, func(x ...uint64) uint64 { return min(x[0], x[1]) })
	case "VMINPD":
		m.quads(o, func(x ...uint64) uint64 {
			if math.Float64frombits(x[1]) < math.Float64frombits(x[0]) {
				return x[1]
			}
			return x[0]
		})

	case "VXORPS":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] ^ x[1] })
	case "VANDPS":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] & x[1] })
	case "VORPS":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] | x[1] })
	case "VANDNPS":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] &^ x[1] })
	case "VPADDD":
		m.lanes(o, func(x ...uint32) uint32 { return x[0] + x[1] })
	case "VPSLLD":
		m.lanes(o[1:], func(x ...uint32) uint32 { return x[0] << m.number(o[0]) })
	case "VPSRLD":
		m.lanes(o[1:], func(x ...uint32) uint32 { return x[0] >> m.number(o[0]) })

	case "VADDPS":
		m.float(o, func(x ...float32) float32 { return x[1] + x[0] })
	case "VSUBPS":
		m.float(o, func(x ...float32) float32 { return x[1] - x[0] })
	case "VMULPS":
		m.float(o, func(x ...float32) float32 { return x[1] * x[0] })
	case "VDIVPS":
		m.float(o, func(x ...float32) float32 { return x[1] / x[0] })
	case "VSQRTPS":
		m.float(o, func(x ...float32) float32 { return float32(math.Sqrt(float64(x[0]))) })
	case "VMAXPS":
		m.float(o, func(x ...float32) float32 {
			if x[1] > x[0] {
				return x[1]
			}
			return x[0]
		})
	case "VFMADD231PS":
		m.float(o, func(x ...float32) float32 { return fused(x[1], x[0], x[2]) })
	case "VFNMADD231PS":
		m.float(o, func(x ...float32) float32 { return fused(-x[1], x[0], x[2]) })
	case "VFMADD213PS":
		m.float(o, func(x ...float32) float32 { return fused(x[1], x[2], x[0]) })
	case "VFMSUB213PS":
		m.float(o, func(x ...float32) float32 { return fused(x[1], x[2], -x[0]) })
	case "VCVTPS2DQ":
		m.lanes(o, func(x ...uint32) uint32 {
			v := math.RoundToEven(float64(math.Float32frombits(x[0])))
			if !(-1<<31 <= v && v < 1<<31) {
				return 1 << 31
			}
			return uint32(int32(v))
		})
	case "VCVTDQ2PS":
		m.lanes(o, func(x ...uint32) uint32 { return math.Float32bits(float32(int32(x[0]))) })

	case "VADDPD", "VFMADD231PD":
		n := size(last[0])
		x, y, z := m.read(o[0], n), m.read(o[1], n), m.read(o[2], n)
		for i := 0; i < n; i += 8 {
			a, b, c := math.Float64frombits(le.Uint64(x[i:])), math.Float64frombits(le.Uint64(y[i:])), math.Float64frombits(le.Uint64(z[i:]))
			if op == "VADDPD" {
				c = a + b
			} else {
				c = math.FMA(a, b, c)
			}
			le.PutUint64(z[i:], math.Float64bits(c))
		}
		m.write(o[2], z)
	default:
		m.across(op, o)
	}
}

// move is of whole vectors, or with a mask: the other lanes of a register stay as they are, or become 0; those in memory
// are not touched.
func (m *processor) move(zero bool, o []operand.Op) {
	from, to := o[0], o[len(o)-1]
	n := 0
	if isMem(to) {
		n = size(from)
	} else {
		n = size(to)
	}
	if len(o) == 2 {
		m.write(to, m.read(from, n))
		return
	}
	k := m.mask[index(o[1].(reg.Register))]
	m.choose(from, to, n, zero, func(i int) bool { return k>>i&1 != 0 })
}

func (m *processor) choose(from, to operand.Op, n int, zero bool, chosen func(i int) bool) {
	out := make([]byte, n)
	if !isMem(to) && !zero {
		out = m.read(to, n)
	}
	part := func(o operand.Op, i int) operand.Op { return o.(operand.Mem).Offset(4 * i) }
	for i := range n / 4 {
		if !chosen(i) {
			continue
		}
		var b []byte
		if isMem(from) {
			b = m.read(part(from, i), 4)
		} else {
			b = m.read(from, n)[4*i : 4*i+4]
		}
		if isMem(to) {
			m.write(part(to, i), b)
		} else {
			copy(out[4*i:], b)
		}
	}
	if !isMem(to) {
		m.write(to, out)
	}
}

func (m *processor) maskMove(o []operand.Op) {
	n := size(o[1])
	k := m.read(o[1], n)
	m.choose(o[0], o[2], n, true, func(i int) bool { return k[4*i+3]>>7 != 0 })
}

func (m *processor) compare(o []operand.Op) {
	to := o[len(o)-1]
	predicate, n := m.number(o[0]), size(o[2])
	x, y := m.read(o[2], n), m.read(o[1], n)
	var k uint64
	for i := range n / 4 {
		if compares(predicate, math.Float32frombits(le.Uint32(x[4*i:])), math.Float32frombits(le.Uint32(y[4*i:]))) {
			k |= 1 << i
		}
	}
	if isMask(to) {
		if len(o) == 5 {
			k &= m.mask[index(o[3].(reg.Register))]
		}
		m.mask[index(to.(reg.Register))] = k
		return
	}
	out := make([]byte, n)
	for i := range n {
		out[i] = -byte(k >> (i / 4) & 1)
	}
	m.write(to, out)
}

// across are the instructions whose lanes do not stay where they are.
func (m *processor) across(op string, o []operand.Op) {
	to := o[len(o)-1]
	switch op {
	case "VEXTRACTF128":
		m.write(to, m.read(o[1], 32)[16*m.number(o[0]):][:16])
	case "VEXTRACTF64X4":
		m.write(to, m.read(o[1], 64)[32*m.number(o[0]):][:32])
	case "VMOVHLPS":
		m.write(to, append(m.read(o[0], 16)[8:], m.read(o[1], 16)[8:]...))
	case "VMOVSHDUP":
		b := m.read(o[0], size(to))
		for i := 0; i < len(b); i += 8 {
			copy(b[i:], b[i+4:i+8])
		}
		m.write(to, b)
	case "VPERMILPD":
		b, k := m.read(o[1], 16), m.number(o[0])
		m.write(to, append(append([]byte(nil), b[8*(k&1):][:8]...), b[8*(k>>1&1):][:8]...))
	case "VPERMQ":
		b, k := m.read(o[1], 32), m.number(o[0])
		var out []byte
		for i := range 4 {
			out = append(out, b[8*(k>>(2*i)&3):][:8]...)
		}
		m.write(to, out)
	case "VCVTPS2PD":
		n := size(to)
		b, out := m.read(o[0], n/2), make([]byte, n)
		for i := range n / 8 {
			le.PutUint64(out[8*i:], math.Float64bits(float64(math.Float32frombits(le.Uint32(b[4*i:])))))
		}
		m.write(to, out)
	case "VPACKUSDW":
		n := size(to)
		x, y := m.read(o[1], n), m.read(o[0], n)
		var out []byte
		for i := 0; i < n; i += 16 {
			for _, b := range [][]byte{x[i : i+16], y[i : i+16]} {
				for j := 0; j < 16; j += 4 {
					out = le.AppendUint16(out, uint16(min(max(0, int32(le.Uint32(b[j:]))), 0xffff)))
				}
			}
		}
		m.write(to, out)
	case "VPMOVDW":
		b := m.read(o[0], size(o[0]))
		var out []byte
		for i := 0; i < len(b); i += 4 {
			out = append(out, b[i], b[i+1])
		}
		m.write(to, out)
	case "VPMOVSDW", "VPMOVSDB":
		b := m.read(o[0], size(o[0]))
		var out []byte
		for i := 0; i < len(b); i += 4 {
			v := int32(le.Uint32(b[i:]))
			if op == "VPMOVSDB" {
				out = append(out, byte(min(max(v, -1<<7), 1<<7-1)))
			} else {
				out = le.AppendUint16(out, uint16(min(max(v, -1<<15), 1<<15-1)))
			}
		}
		m.write(to, out)
	case "VPACKSSDW", "VPACKSSWB":
		n := size(to)
		x, y := m.read(o[1], n), m.read(o[0], n)
		var out []byte
		for i := 0; i < n; i += 16 {
			for _, b := range [][]byte{x[i : i+16], y[i : i+16]} {
				for j := 0; j < 16; j += 4 {
					v := le.Uint32(b[j:])
					if op == "VPACKSSDW" {
						out = le.AppendUint16(out, uint16(min(max(int32(v), -1<<15), 1<<15-1)))
						continue
					}
					for _, w := range []int16{int16(v), int16(v >> 16)} {
						out = append(out, byte(min(max(w, -1<<7), 1<<7-1)))
					}
				}
			}
		}
		m.write(to, out)
	case "VPMOVSXBW":
		n := size(to)
		b, out := m.read(o[0], n/2), []byte(nil)
		for _, v := range b {
			out = le.AppendUint16(out, uint16(int8(v)))
		}
		m.write(to, out)
	case "VCVTPH2PS": // of normal numbers
		n := size(to)
		b, out := m.read(o[0], n/2), make([]byte, n)
		for i := range n / 4 {
			h := uint32(le.Uint16(b[2*i:]))
			if e := h >> 10 & 31; e == 0 || e == 31 {
				fail("%#x is none of the numbers in 16 bits that are known here", h)
			}
			le.PutUint32(out[4*i:], h>>15<<31|(h&0x7fff<<13+112<<23))
		}
		m.write(to, out)
	case "VPMOVZXWD":
		n := size(to)
		b, out := m.read(o[0], n/2), make([]byte, n)
		for i := range n / 4 {
			copy(out[4*i:], b[2*i:2*i+2])
		}
		m.write(to, out)
	default:
		fail("an instruction that is not known here")
	}
}
