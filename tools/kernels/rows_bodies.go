package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The bodies of the functions over rows, for every width. What they compute is in kernel/rows_generic.go; comments here
// say only what is done otherwise.

func dotRow(v *vectors) {
	x, y, n := v.vector("x"), v.vector("y"), v.length("x")
	sum := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		s.VFMADD231PS(s.operand(y), s.load(x), sum[s.u])
	})
	v.done(v.sumOf(sum))
}

func dot3Row(v *vectors) {
	x, y, z, n := v.vector("x"), v.vector("y"), v.vector("z"), v.length("x")
	sum := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		p := s.mul(s.operand(y), s.load(x))
		s.VFMADD231PS(s.operand(z), p, sum[s.u])
	})
	v.done(v.sumOf(sum))
}

func sumRow(v *vectors) {
	x, n := v.vector("x"), v.length("x")
	sum := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		s.VADDPS(s.operand(x), sum[s.u], sum[s.u])
	})
	v.done(v.sumOf(sum))
}

func squaresFromRow(v *vectors) {
	x, n, from := v.vector("x"), v.length("x"), v.number("from")
	sum := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		d := s.sub(s.load(x), from)
		s.clear(d)
		s.VFMADD231PS(d, d, sum[s.u])
	})
	v.done(v.sumOf(sum))
}

// The square of a float32 is exact in float64.
func sumSquaresRow(v *vectors) {
	x, n := v.vector("x"), v.length("x")
	low, high := v.zeros(2), v.zeros(2)
	v.loop(n, 2, func(s *step) {
		r, l, h := s.load(x), s.reg(), s.reg()
		if s.wide {
			t := s.YMM()
			s.VEXTRACTF64X4(operand.U8(1), r, t)
			s.VCVTPS2PD(r.AsY(), l)
			s.VCVTPS2PD(t, h)
		} else {
			t := s.XMM()
			s.VEXTRACTF128(operand.U8(1), r, t)
			s.VCVTPS2PD(r.AsX(), l)
			s.VCVTPS2PD(t, h)
		}
		s.VFMADD231PD(l, l, low[s.u])
		s.VFMADD231PD(h, h, high[s.u])
	})
	r := v.joinedQuarter(append(low, high...), func(x, y, r reg.Register) { v.VADDPD(x, y, r) })
	t := v.XMM()
	v.VPERMILPD(operand.U8(1), r, t)
	v.VADDPD(t, r, r)
	v.done(r)
}

func zerosRow(v *vectors) {
	x, n, zero := v.vector("x"), v.length("x"), v.zero()
	sum := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		s.VFMADD231PS(s.operand(x), zero, sum[s.u])
	})
	v.done(v.sumOf(sum))
}

// bottoms is n registers of -Inf, for the largest.
func (v *vectors) bottoms(n int) []vec {
	rs := make([]vec, n)
	for i := range rs {
		rs[i] = v.loaded(v.infinity())
	}
	return rs
}

// raise makes top what is larger, it or r: VMAXPS gives its second source, which is the first here, when one is NaN.
func (s *step) raise(top, r vec) { s.VMAXPS(top, r, top) }

func maxRow(v *vectors) {
	x, n := v.vector("x"), v.length("x")
	top := v.bottoms(4)
	v.loop(n, 4, func(s *step) {
		s.raise(top[s.u], s.bottom(s.load(x)))
	})
	v.done(v.maxOf(top))
}

func indexRow(v *vectors) {
	x, n, w := v.vector("x"), v.length("x"), v.number("v")
	found, i, at := v.label("found"), v.GP64(), v.GP64()
	v.loop(n, 1, func(s *step) {
		if s.wide {
			k := s.K()
			if s.rest {
				s.VCMPPS(equal, s.load(x), w, s.mask, k)
			} else {
				s.VCMPPS(equal, s.at(x, 4), w, k)
			}
			s.KMOVW(k, at.As32())
		} else {
			m := s.reg()
			s.VCMPPS(equal, s.operand(x), w, m)
			s.clear(m)
			s.VMOVMSKPS(m, at.As32())
		}
		s.MOVQ(s.i, i)
		s.TESTL(at.As32(), at.As32())
		s.JNZ(operand.LabelRef(found))
	})
	v.MOVQ(operand.I32(-1), i)
	v.done(i)
	v.Label(found)
	v.BSFL(at.As32(), at.As32())
	v.ADDQ(at, i)
	v.done(i)
}

func addRow(v *vectors) {
	dst, x, y, n := v.vector("dst"), v.vector("x"), v.vector("y"), v.length("x")
	v.loop(n, 2, func(s *step) {
		s.store(s.add(s.operand(y), s.load(x)), dst)
	})
	v.done()
}

func axpyRow(v *vectors) {
	dst, x, n, a := v.vector("dst"), v.vector("x"), v.length("x"), v.number("a")
	v.loop(n, 2, func(s *step) {
		d := s.load(dst)
		s.VFMADD231PS(s.operand(x), a, d)
		s.store(d, dst)
	})
	v.done()
}

func scaleRow(v *vectors) {
	dst, x, n, a := v.vector("dst"), v.vector("x"), v.length("x"), v.number("a")
	v.loop(n, 2, func(s *step) {
		s.store(s.mul(s.operand(x), a), dst)
	})
	v.done()
}

// exp puts e^x into each register. The whole part of x/ln 2 is an integer here, not a float32 with a large number added,
// for then NaN can go the way of all others: it is no integer, so that nothing is added to its bits.
func (v *vectors) exp(xs ...vec) {
	whole, r, p := make([]vec, len(xs)), make([]vec, len(xs)), make([]vec, len(xs))
	each := func(f func(i int)) {
		for i := range xs {
			f(i)
		}
	}
	each(func(i int) { whole[i] = v.mul(v.constant("rowsLog2e", math.Log2E), xs[i]) })
	each(func(i int) { v.VCVTPS2DQ(whole[i], whole[i]) })
	each(func(i int) { p[i] = v.reg(); v.VCVTDQ2PS(whole[i], p[i]) })
	each(func(i int) { r[i] = v.reg(); v.VMOVAPS(xs[i], r[i]) })
	each(func(i int) { v.VFNMADD231PS(v.constant("rowsLn2High", 0.693359375), p[i], r[i]) })
	each(func(i int) { v.VFNMADD231PS(v.constant("rowsLn2Low", -2.12194440e-4), p[i], r[i]) })
	// The polynomial in pairs of terms, each pair once times r² more than the next: a shorter chain than one by one.
	square := make([]vec, len(xs))
	each(func(i int) { square[i] = v.mul(r[i], r[i]) })
	pair := func(i, k int, first, second float32) vec {
		q := v.loaded(v.constant(fmt.Sprint("rowsExp", k), first))
		v.VFMADD213PS(v.constant(fmt.Sprint("rowsExp", k-1), second), r[i], q)
		return q
	}
	each(func(i int) { p[i] = pair(i, 5, 1.9875691500e-4, 1.3981999507e-3) })
	each(func(i int) { v.VFMADD213PS(pair(i, 3, 8.3334519073e-3, 4.1665795894e-2), square[i], p[i]) })
	each(func(i int) { v.VFMADD213PS(pair(i, 1, 1.6666665459e-1, 5.0000001201e-1), square[i], p[i]) })
	each(func(i int) { v.VFMADD213PS(r[i], square[i], p[i]) })
	each(func(i int) { v.VADDPS(v.one(), p[i], p[i]) })
	each(func(i int) { v.VPSLLD(operand.U8(23), whole[i], whole[i]) })
	each(func(i int) { v.VPADDD(whole[i], p[i], p[i]) })
	each(func(i int) { v.zeroBelow(p[i], xs[i], v.constant("rowsExpMin", -87.336540)) })
	each(func(i int) {
		v.putAbove(xs[i], p[i], v.constant("rowsExpMax", 88.7228317), v.bits("rowsInf", 0x7f800000))
	})
}

func (v *vectors) one() operand.Mem { return v.constant("rowsOne", 1) }

func expSumRow(v *vectors) {
	dst, x, n := v.vector("dst"), v.vector("x"), v.length("x")
	scale, max := v.number("scale"), v.number("max")
	sum := v.zeros(2)
	v.turns(n, 2, func(ss []*step) {
		e := gather(ss, func(s *step) vec { return s.load(x) })
		for _, e := range e {
			v.VFMSUB213PS(max, scale, e)
		}
		v.exp(e...)
		for i, s := range ss {
			s.store(e[i], dst)
			s.clear(e[i])
			s.VADDPS(e[i], sum[i], sum[i])
		}
	})
	v.done(v.sumOf(sum))
}

// gather is f of every step.
func gather(ss []*step, f func(s *step) vec) []vec {
	var r []vec
	for _, s := range ss {
		r = append(r, f(s))
	}
	return r
}

func sumExpRow(v *vectors) {
	x, n, max := v.vector("x"), v.length("x"), v.number("max")
	sum := v.zeros(2)
	v.turns(n, 2, func(ss []*step) {
		e := gather(ss, func(s *step) vec { return s.sub(s.load(x), max) })
		v.exp(e...)
		for i, s := range ss {
			s.clear(e[i])
			s.VADDPS(e[i], sum[i], sum[i])
		}
	})
	v.done(v.sumOf(sum))
}

func expScaleRow(v *vectors) {
	dst, x, n := v.vector("dst"), v.vector("x"), v.length("x")
	max, scale := v.number("max"), v.number("scale")
	v.turns(n, 2, func(ss []*step) {
		e := gather(ss, func(s *step) vec { return s.sub(s.load(x), max) })
		v.exp(e...)
		for i, s := range ss {
			s.store(s.mul(scale, e[i]), dst)
		}
	})
	v.done()
}

func alibiScaleRow(v *vectors) {
	dst, x, n := v.vector("dst"), v.vector("x"), v.length("x")
	scale, bias, step_ := v.number("scale"), v.number("bias"), v.number("step")
	at := v.loaded(v.words("rowsCount", func(i int) uint32 { return math.Float32bits(float32(i)) }))
	width := map[bool]operand.Mem{false: v.constant("rowsEight", 8), true: v.constant("rowsSixteen", 16)}[v.wide]
	top := v.bottoms(2)
	v.loop(n, 2, func(s *step) {
		b := s.reg()
		s.VMOVAPS(at, b)
		s.VFMADD213PS(bias, step_, b)
		s.VFMADD231PS(s.operand(x), scale, b)
		s.store(b, dst)
		s.raise(top[s.u], s.bottom(b))
		s.VADDPS(width, at, at)
	})
	v.done(v.maxOf(top))
}

func probGradRow(v *vectors) {
	ds, p, dp, n := v.vector("ds"), v.vector("p"), v.vector("dp"), v.length("p")
	delta, scale := v.number("delta"), v.number("scale")
	v.loop(n, 2, func(s *step) {
		d := s.mul(s.operand(p), s.sub(s.load(dp), delta))
		s.store(s.mul(scale, d), ds)
	})
	v.done()
}

// sigmoid gives 1 / (1 + e^-x) for each register.
func (v *vectors) sigmoid(xs []vec, one vec) []vec {
	var r []vec
	zero := v.zero()
	for _, x := range xs {
		r = append(r, v.sub(zero, x))
	}
	v.exp(r...)
	for _, r := range r {
		v.VADDPS(one, r, r)
		v.VDIVPS(r, one, r)
	}
	return r
}

func swiGLURow(v *vectors) {
	dst, gate, up, n := v.vector("dst"), v.vector("gate"), v.vector("up"), v.length("gate")
	one := v.loaded(v.one())
	v.turns(n, 2, func(ss []*step) {
		g := gather(ss, func(s *step) vec { return s.load(gate) })
		sig := v.sigmoid(g, one)
		for i, s := range ss {
			s.store(s.mul(s.operand(up), s.mul(sig[i], g[i])), dst)
		}
	})
	v.done()
}

func swiGLUGradRow(v *vectors) {
	dgate, dup, y := v.vector("dgate"), v.vector("dup"), v.vector("y")
	dy, gate, up, n := v.vector("dy"), v.vector("gate"), v.vector("up"), v.length("gate")
	one := v.loaded(v.one())
	v.turns(n, 2, func(ss []*step) {
		gs := gather(ss, func(s *step) vec { return s.load(gate) })
		sigs := v.sigmoid(gs, one)
		for i, s := range ss {
			g, sig := gs[i], sigs[i]
			silu := s.mul(sig, g)
			d, u := s.load(dy), s.load(up)
			t := s.sub(one, sig)
			s.VFMADD213PS(one, g, t)
			t = s.mul(sig, t)
			s.store(s.mul(u, silu), y)
			s.store(s.mul(d, silu), dup)
			s.store(s.mul(t, s.mul(d, u)), dgate)
		}
	})
	v.done()
}

func mulScaleRow(v *vectors) {
	y, x, w, n, r := v.vector("y"), v.vector("x"), v.vector("w"), v.length("x"), v.number("r")
	v.loop(n, 2, func(s *step) {
		s.store(s.mul(s.operand(w), s.mul(s.operand(x), r)), y)
	})
	v.done()
}

func rmsNormGradRow(v *vectors)      { rmsNormGrads(v, false) }
func rmsNormGradAgainRow(v *vectors) { rmsNormGrads(v, true) }

func rmsNormGrads(v *vectors, again bool) {
	dx, dw, dy, x, w, n := v.vector("dx"), v.vector("dw"), v.vector("dy"), v.vector("x"), v.vector("w"), v.length("x")
	r, c := v.number("r"), v.number("c")
	y := dx
	if again {
		y = v.vector("y")
	}
	v.loop(n, 1, func(s *step) {
		d, f, g := s.load(dy), s.load(x), s.load(w)
		norm := s.mul(f, r)
		b := s.load(dw)
		s.VFMADD231PS(norm, d, b)
		s.store(b, dw)
		b = s.mul(r, s.mul(d, g))
		s.VFNMADD231PS(f, c, b)
		s.store(s.add(s.operand(dx), b), dx)
		if again {
			s.store(s.mul(g, norm), y)
		}
	})
	v.done()
}

func layerNormRow(v *vectors) {
	y, x, w, b, n := v.vector("y"), v.vector("x"), v.vector("w"), v.vector("b"), v.length("x")
	mean, r := v.number("mean"), v.number("r")
	v.loop(n, 2, func(s *step) {
		norm := s.mul(r, s.sub(s.load(x), mean))
		t := s.load(b)
		s.VFMADD231PS(s.operand(w), norm, t)
		s.store(t, y)
	})
	v.done()
}

func layerNormSumsRow(v *vectors) {
	dy, x, w, n := v.vector("dy"), v.vector("x"), v.vector("w"), v.length("x")
	mean, r := v.number("mean"), v.number("r")
	sum, dot := v.zeros(2), v.zeros(2)
	v.loop(n, 2, func(s *step) {
		g := s.mul(s.operand(w), s.load(dy))
		norm := s.mul(r, s.sub(s.load(x), mean))
		s.VADDPS(g, sum[s.u], sum[s.u])
		s.VFMADD231PS(norm, g, dot[s.u])
	})
	v.done(v.sumOf(sum), v.sumOf(dot))
}

func layerNormGradRow(v *vectors)      { layerNormGrads(v, false) }
func layerNormGradAgainRow(v *vectors) { layerNormGrads(v, true) }

func layerNormGrads(v *vectors, again bool) {
	dx, dw, db, dy := v.vector("dx"), v.vector("dw"), v.vector("db"), v.vector("dy")
	x, w, n := v.vector("x"), v.vector("w"), v.length("x")
	mean, r, sum, dot := v.number("mean"), v.number("r"), v.number("sum"), v.number("dot")
	y, bias := dx, dx
	if again {
		y, bias = v.vector("y"), v.vector("b")
	}
	v.loop(n, 1, func(s *step) {
		d, g := s.load(dy), s.load(w)
		norm := s.mul(r, s.sub(s.load(x), mean))
		b := s.load(dw)
		s.VFMADD231PS(norm, d, b)
		s.store(b, dw)
		s.store(s.add(s.operand(db), d), db)
		t := s.reg()
		s.VMOVAPS(d, t)
		s.VFMSUB213PS(sum, g, t)
		s.VFNMADD231PS(norm, dot, t)
		b = s.load(dx)
		s.VFMADD231PS(t, r, b)
		s.store(b, dx)
		if again {
			b = s.load(bias)
			s.VFMADD231PS(g, norm, b)
			s.store(b, y)
		}
	})
	v.done()
}

func rotateRow(v *vectors) {
	x, y, cos, sin, n := v.vector("x"), v.vector("y"), v.vector("cos"), v.vector("sin"), v.length("x")
	v.loop(n, 1, func(s *step) {
		a, b, c, d := s.load(x), s.load(y), s.load(cos), s.load(sin)
		p, q := s.mul(b, d), s.mul(a, d)
		s.VFMADD231PS(b, c, q)
		s.VFMSUB213PS(p, a, c)
		s.store(c, x)
		s.store(q, y)
	})
	v.done()
}

func adamWRow(v *vectors) {
	p, g, m, w, n := v.vector("p"), v.vector("g"), v.vector("m"), v.vector("v"), v.length("p")
	scale, beta1, rest1 := v.number("scale"), v.number("beta1"), v.number("rest1")
	beta2, rest2, decay := v.number("beta2"), v.number("rest2"), v.number("decay")
	rate, root, epsilon := v.number("rate"), v.number("root"), v.number("epsilon")
	v.loop(n, 1, func(s *step) {
		d := s.mul(s.operand(g), scale)
		first := s.mul(s.operand(m), beta1)
		s.VFMADD231PS(d, rest1, first)
		second := s.mul(s.operand(w), beta2)
		s.VFMADD231PS(d, s.mul(d, rest2), second)
		s.store(first, m)
		s.store(second, w)
		t := s.reg()
		s.VSQRTPS(second, t)
		s.VFMADD213PS(epsilon, root, t)
		t = s.div(s.mul(rate, first), t)
		q := s.load(p)
		s.VFMSUB213PS(t, decay, q)
		s.store(q, p)
	})
	v.done()
}

// toBF16 is for whole sixteens.
func toBF16Row(v *vectors) {
	dst, x, n := v.vector("dst"), v.vector("x"), v.length("x")
	half, last, quiet := v.bits("rowsHalf", 0x7fff), v.bits("rowsLast", 1), v.bits("rowsQuiet", 1<<22)
	round := func(m operand.Mem) vec {
		b := v.loaded(m)
		t, nan := v.reg(), v.reg()
		v.VPSRLD(operand.U8(16), b, t)
		v.VANDPS(last, t, t)
		v.VPADDD(half, t, t)
		v.VPADDD(b, t, t)
		v.VORPS(quiet, b, nan)
		if v.wide {
			k := v.K()
			v.VCMPPS(unequal, b, b, k)
			v.VMOVAPS(nan, k, t)
		} else {
			k := v.reg()
			v.VCMPPS(unequal, b, b, k)
			v.VBLENDVPS(k, nan, t, t)
		}
		v.VPSRLD(operand.U8(16), t, t)
		return t
	}
	v.sixteens(n, func(i reg.Register) {
		at, to := operand.Mem{Base: x, Index: i, Scale: 4}, operand.Mem{Base: dst, Index: i, Scale: 2}
		if v.wide {
			v.VPMOVDW(round(at), to)
			return
		}
		a, b := round(at), round(at.Offset(32))
		v.VPACKUSDW(b, a, a)
		v.VPERMQ(operand.U8(0xd8), a, a) // lanes of 64 bits come as 0 2 1 3
		v.VMOVDQU(a, to)
	})
	v.done()
}

func fromBF16Row(v *vectors) {
	dst, x, n := v.vector("dst"), v.vector("x"), v.length("x")
	v.sixteens(n, func(i reg.Register) {
		at, to := operand.Mem{Base: x, Index: i, Scale: 2}, operand.Mem{Base: dst, Index: i, Scale: 4}
		for j := 0; j < 16; j += v.width() {
			r := v.reg()
			v.VPMOVZXWD(at.Offset(2*j), r)
			v.VPSLLD(operand.U8(16), r, r)
			v.VMOVUPS(r, to.Offset(4*j))
		}
	})
	v.done()
}

// maxAbsRow compares the bits of numbers without their signs as integers, in which order NaN is above infinity.
func maxAbsRow(v *vectors) {
	x, n := v.vector("x"), v.length("x")
	size := v.loaded(v.bits("rowsSize", 1<<31-1))
	top := v.zeros(4)
	v.loop(n, 4, func(s *step) {
		r := s.reg()
		s.VANDPS(s.operand(x), size, r)
		s.VPMAXSD(r, top[s.u], top[s.u])
	})
	v.done(v.joined(top, func(x, y, r reg.Register) { v.VPMAXSD(x, y, r) }))
}

// rounded16 goes over 16 numbers at a time, multiplied and rounded to integers, in one register or two.
func (v *vectors) rounded16(store func(i reg.Register, r []vec)) {
	x, n, a := v.vector("x"), v.length("x"), v.number("a")
	v.sixteens(n, func(i reg.Register) {
		var rs []vec
		for j := 0; j < 16; j += v.width() {
			r := v.mul(operand.Mem{Base: x, Index: i, Scale: 4, Disp: 4 * j}, a)
			v.VCVTPS2DQ(r, r)
			rs = append(rs, r)
		}
		store(i, rs)
	})
	v.done()
}

func toInt16Row(v *vectors) {
	dst := v.vector("dst")
	v.rounded16(func(i reg.Register, r []vec) {
		to := operand.Mem{Base: dst, Index: i, Scale: 2}
		if v.wide {
			v.VPMOVSDW(r[0], to)
			return
		}
		v.VPACKSSDW(r[1], r[0], r[0])
		v.VPERMQ(operand.U8(0xd8), r[0], r[0]) // lanes of 64 bits come as 0 2 1 3
		v.VMOVDQU(r[0], to)
	})
}

func toUint8Row(v *vectors) {
	dst := v.vector("dst")
	v.rounded16(func(i reg.Register, r []vec) {
		half := v.bits("rowsHalfByte", 0x80808080) // to flip the upper bit is to add 128
		t := v.XMM()
		if v.wide {
			v.VPMOVSDB(r[0], t)
		} else {
			v.VPACKSSDW(r[1], r[0], r[0])
			v.VPERMQ(operand.U8(0xd8), r[0], r[0])
			v.VEXTRACTF128(operand.U8(1), r[0], t)
			v.VPACKSSWB(t, r[0].AsX(), t)
		}
		v.VXORPS(half, t, t)
		v.VMOVUPS(t, operand.Mem{Base: dst, Index: i, Scale: 1})
	})
}
