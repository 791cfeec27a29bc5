package jinja

import (
	"errors"
	"math"
	"math/big"
	"strconv"
)

func float(f float64) Value { return Value{k: kFloat, n: int64(math.Float64bits(f))} }

func (v Value) float() float64 { return math.Float64frombits(uint64(v.n)) }

// bigInt is an integer, as a small one if it fits.
func bigInt(n *big.Int) Value {
	if n.IsInt64() {
		return Value{k: kInt, n: n.Int64()}
	}
	return Value{k: kBig, o: n}
}

func (v Value) isInt() bool { return v.k == kInt || v.k == kBool || v.k == kBig }

func (v Value) isNumber() bool { return v.isInt() || v.k == kFloat }

// big is an integer as a *big.Int that must not be changed.
func (v Value) big() *big.Int {
	if v.k == kBig {
		return v.o.(*big.Int)
	}
	return big.NewInt(v.n)
}

func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

// toFloat is Python's float(v) of a number.
func (r *run) toFloat(v Value) float64 {
	switch v.k {
	case kFloat:
		return v.float()
	case kBig:
		f, _ := new(big.Float).SetInt(v.o.(*big.Int)).Float64()
		if math.IsInf(f, 0) {
			r.fail("int too large to convert to float")
		}
		return f
	}
	return float64(v.n)
}

// compareNumbers compares by value, exactly, as Python does.
func compareNumbers(a, b Value) order {
	small := func(v Value) bool { return v.k == kInt || v.k == kBool }
	if small(a) && small(b) {
		switch {
		case a.n < b.n:
			return less
		case a.n > b.n:
			return more
		}
		return same
	}
	if a.k == kFloat && b.k == kFloat {
		x, y := a.float(), b.float()
		switch {
		case x < y:
			return less
		case x > y:
			return more
		case x == y:
			return same
		}
		return unordered
	}
	if a.k == kFloat || b.k == kFloat {
		x, y := exact(a), exact(b)
		if x == nil || y == nil {
			return unordered
		}
		return order(x.Cmp(y))
	}
	return order(a.big().Cmp(b.big()))
}

// exact is a number without rounding; nil for a NaN.
func exact(v Value) *big.Float {
	if v.k != kFloat {
		return new(big.Float).SetPrec(uint(max(64, v.big().BitLen()))).SetInt(v.big())
	}
	if math.IsNaN(v.float()) {
		return nil
	}
	return new(big.Float).SetFloat64(v.float())
}

// limited is an integer that arithmetic made.
func (r *run) limited(n *big.Int) Value {
	if n.BitLen() > maxIntBits {
		r.fail("an integer of more than %d bits", maxIntBits)
	}
	r.room(n.BitLen()/8 + bytesOfValue)
	return bigInt(n)
}

// number is a value as an operand of arithmetic.
func (r *run) operands(op string, a, b Value) {
	if a.k == kUndefined {
		r.useOfUndefined(a)
	}
	if b.k == kUndefined {
		r.useOfUndefined(b)
	}
	if !a.isNumber() || !b.isNumber() {
		r.fail("unsupported operand type(s) for %s: '%s' and '%s'", op, a.typeName(), b.typeName())
	}
}

func (r *run) add(a, b Value) Value {
	switch {
	case a.k == kInt && b.k == kInt:
		if sum := a.n + b.n; (sum > a.n) == (b.n > 0) {
			return Value{k: kInt, n: sum}
		}
	case a.k == kString && b.k == kString:
		if a.n != b.n {
			a, b = r.escaped(a), r.escaped(b)
		}
		r.room(len(a.s) + len(b.s))
		return Value{k: kString, n: a.n, s: a.s + b.s}
	case a.k == kList && b.k == kList || a.k == kTuple && b.k == kTuple:
		x, y := a.list().items, b.list().items
		r.roomFor(len(x)+len(y), bytesOfValue)
		items := make([]Value, 0, len(x)+len(y))
		return Value{k: a.k, o: &list{items: append(append(items, x...), y...)}}
	}
	r.operands("+", a, b)
	if a.isInt() && b.isInt() {
		return r.limited(new(big.Int).Add(a.big(), b.big()))
	}
	return float(r.toFloat(a) + r.toFloat(b))
}

func (r *run) sub(a, b Value) Value {
	if a.k == kView || b.k == kView {
		r.fail("sets are not supported")
	}
	r.operands("-", a, b)
	if a.k == kInt && b.k == kInt {
		if diff := a.n - b.n; (diff < a.n) == (b.n > 0) {
			return Value{k: kInt, n: diff}
		}
	}
	if a.isInt() && b.isInt() {
		return r.limited(new(big.Int).Sub(a.big(), b.big()))
	}
	return float(r.toFloat(a) - r.toFloat(b))
}

func (r *run) mul(a, b Value) Value {
	if a.isInt() && !b.isNumber() {
		a, b = b, a
	}
	if b.isInt() && (a.k == kString || a.k == kList || a.k == kTuple) {
		return r.repeat(a, b)
	}
	r.operands("*", a, b)
	if a.isInt() && b.isInt() {
		if a.k != kBig && b.k != kBig && abs32(a.n) && abs32(b.n) {
			return Value{k: kInt, n: a.n * b.n}
		}
		if a.big().BitLen()+b.big().BitLen() > maxIntBits {
			r.fail("an integer of more than %d bits", maxIntBits)
		}
		r.pay(a.big().BitLen() / 8 * b.big().BitLen() / 64)
		return r.limited(new(big.Int).Mul(a.big(), b.big()))
	}
	return float(r.toFloat(a) * r.toFloat(b))
}

func abs32(n int64) bool { return n > -1<<31 && n < 1<<31 }

// repeat is a sequence n times.
func (r *run) repeat(a, times Value) Value {
	n := max(0, r.index(times))
	if a.k == kString {
		r.roomFor(n, len(a.s))
		b := make([]byte, 0, n*len(a.s))
		if len(a.s) > 0 {
			for range n {
				b = append(b, a.s...)
			}
		}
		return Value{k: kString, n: a.n, s: string(b)}
	}
	x := a.list().items
	r.roomFor(n, len(x)*bytesOfValue)
	items := make([]Value, 0, n*len(x))
	if len(x) > 0 {
		for range n {
			items = append(items, x...)
		}
	}
	return Value{k: a.k, o: &list{items: items}}
}

func (v Value) isZero() bool {
	switch v.k {
	case kFloat:
		return v.float() == 0
	case kBig:
		return false
	}
	return v.n == 0
}

func (r *run) div(a, b Value) Value {
	r.operands("/", a, b)
	if b.isZero() {
		r.fail("division by zero")
	}
	if a.isInt() && b.isInt() {
		// Python rounds the exact quotient once.
		if abs53(a) && abs53(b) {
			return float(float64(a.n) / float64(b.n))
		}
		f, _ := new(big.Rat).SetFrac(a.big(), b.big()).Float64()
		if math.IsInf(f, 0) {
			r.fail("integer division result too large for a float")
		}
		return float(f)
	}
	return float(r.toFloat(a) / r.toFloat(b))
}

func abs53(v Value) bool { return v.k != kBig && v.n > -1<<53 && v.n < 1<<53 }

// divmod is Python's: the quotient is rounded down, and the rest has the sign of b.
func (r *run) divmod(op string, a, b Value) (quotient, rest Value) {
	r.operands(op, a, b)
	if b.isZero() {
		r.fail("integer division or modulo by zero")
	}
	if !a.isInt() || !b.isInt() {
		x, y := r.toFloat(a), r.toFloat(b)
		mod := math.Mod(x, y)
		div := (x - mod) / y
		if mod != 0 {
			if (y < 0) != (mod < 0) {
				mod += y
				div--
			}
		} else {
			mod = math.Copysign(0, y)
		}
		if div != 0 {
			floor := math.Floor(div)
			if div-floor > 0.5 {
				floor++
			}
			div = floor
		} else {
			div = math.Copysign(0, x/y)
		}
		return float(div), float(mod)
	}
	if a.k != kBig && b.k != kBig && a.n != math.MinInt64 {
		q, m := a.n/b.n, a.n%b.n
		if m != 0 && (m < 0) != (b.n < 0) {
			q, m = q-1, m+b.n
		}
		return Value{k: kInt, n: q}, Value{k: kInt, n: m}
	}
	q, m := new(big.Int).QuoRem(a.big(), b.big(), new(big.Int))
	if m.Sign() != 0 && (m.Sign() < 0) != (b.big().Sign() < 0) {
		q.Sub(q, big.NewInt(1))
		m.Add(m, b.big())
	}
	r.pay(4 * a.big().BitLen())
	return r.limited(q), r.limited(m)
}

func (r *run) pow(a, b Value) Value {
	r.operands("** or pow()", a, b)
	if a.isInt() && b.isInt() && b.big().Sign() >= 0 {
		x, y := a.big(), b.big()
		switch {
		case x.BitLen() <= 1 && x.Sign() >= 0: // 0 or 1
			if y.Sign() == 0 {
				return integer(1)
			}
			return bigInt(new(big.Int).Set(x))
		case x.BitLen() == 1: // -1
			if y.Bit(0) == 0 {
				return integer(1)
			}
			return integer(-1)
		}
		if !y.IsInt64() || y.Int64() > maxIntBits || int64(x.BitLen()-1)*y.Int64() > maxIntBits {
			r.fail("an integer of more than %d bits", maxIntBits)
		}
		r.pay(x.BitLen() * int(y.Int64()))
		return r.limited(new(big.Int).Exp(x, y, nil))
	}
	x, y := r.toFloat(a), r.toFloat(b)
	if x == 0 && y < 0 {
		r.fail("0.0 cannot be raised to a negative power")
	}
	if x < 0 && y != math.Trunc(y) && !math.IsInf(x, 0) {
		r.fail("complex numbers are not supported")
	}
	f := math.Pow(x, y)
	if math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		r.fail("Result too large")
	}
	return float(f)
}

func (r *run) neg(v Value) Value {
	switch {
	case v.k == kInt && v.n != math.MinInt64 || v.k == kBool:
		return Value{k: kInt, n: -v.n}
	case v.isInt():
		return bigInt(new(big.Int).Neg(v.big()))
	case v.k == kFloat:
		return float(-v.float())
	case v.k == kUndefined:
		r.useOfUndefined(v)
	}
	r.fail("bad operand type for unary -: '%s'", v.typeName())
	return Value{}
}

func (r *run) pos(v Value) Value {
	switch {
	case v.k == kBool:
		return Value{k: kInt, n: v.n}
	case v.isNumber():
		return v
	case v.k == kUndefined:
		r.useOfUndefined(v)
	}
	r.fail("bad operand type for unary +: '%s'", v.typeName())
	return Value{}
}

// index is a value where Python wants an integer: __index__.
func (r *run) index(v Value) int {
	switch v.k {
	case kBool, kInt:
		return int(max(math.MinInt32, min(v.n, math.MaxInt32)))
	case kBig:
		r.fail("cannot fit 'int' into an index-sized integer")
	case kUndefined:
		r.useOfUndefined(v)
	}
	r.fail("'%s' object cannot be interpreted as an integer", v.typeName())
	return 0
}
