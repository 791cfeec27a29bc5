package jinja

// tests are those of jinja2's tests.py.
var tests = []builtin{
	{name: "!=", params: otherParam, need: 1, call: testNe},
	{name: "<", params: otherParam, need: 1, call: testLt},
	{name: "<=", params: otherParam, need: 1, call: testLe},
	{name: "==", params: otherParam, need: 1, call: testEq},
	{name: ">", params: otherParam, need: 1, call: testGt},
	{name: ">=", params: otherParam, need: 1, call: testGe},
	{name: "boolean", call: testBoolean},
	{name: "callable", call: testCallable},
	{name: "defined", call: testDefined},
	{name: "divisibleby", params: []string{"num"}, need: 1, call: testDivisibleby},
	{name: "eq", params: otherParam, need: 1, call: testEq},
	{name: "equalto", params: otherParam, need: 1, call: testEq},
	{name: "escaped", call: testEscaped},
	{name: "even", call: testEven},
	{name: "false", call: testFalse},
	{name: "filter", call: testFilter},
	{name: "float", call: testFloat},
	{name: "ge", params: otherParam, need: 1, call: testGe},
	{name: "greaterthan", params: otherParam, need: 1, call: testGt},
	{name: "gt", params: otherParam, need: 1, call: testGt},
	{name: "in", params: []string{"seq"}, need: 1, call: testIn},
	{name: "integer", call: testInteger},
	{name: "iterable", call: testIterable},
	{name: "le", params: otherParam, need: 1, call: testLe},
	{name: "lessthan", params: otherParam, need: 1, call: testLt},
	{name: "lower", call: testLower},
	{name: "lt", params: otherParam, need: 1, call: testLt},
	{name: "mapping", call: testMapping},
	{name: "ne", params: otherParam, need: 1, call: testNe},
	{name: "none", call: testNone},
	{name: "number", call: testNumber},
	{name: "odd", call: testOdd},
	{name: "sameas", params: []string{"other"}, need: 1, call: testSameas},
	{name: "sequence", call: testSequence},
	{name: "string", call: testString},
	{name: "test", call: testTest},
	{name: "true", call: testTrue},
	{name: "undefined", call: testUndefined},
	{name: "upper", call: testUpper},
}

var otherParam = []string{"other"}

func testEq(r *run, v Value, args []Value) Value { return boolean(r.holds("==", v, args[0])) }
func testNe(r *run, v Value, args []Value) Value { return boolean(r.holds("!=", v, args[0])) }
func testLt(r *run, v Value, args []Value) Value { return boolean(r.holds("<", v, args[0])) }
func testLe(r *run, v Value, args []Value) Value { return boolean(r.holds("<=", v, args[0])) }
func testGt(r *run, v Value, args []Value) Value { return boolean(r.holds(">", v, args[0])) }
func testGe(r *run, v Value, args []Value) Value { return boolean(r.holds(">=", v, args[0])) }
func testIn(r *run, v Value, args []Value) Value { return boolean(r.contains(args[0], v)) }

func testBoolean(_ *run, v Value, _ []Value) Value   { return boolean(v.k == kBool) }
func testCallable(_ *run, v Value, _ []Value) Value  { return boolean(v.callable()) }
func testDefined(_ *run, v Value, _ []Value) Value   { return boolean(v.k != kUndefined) }
func testUndefined(_ *run, v Value, _ []Value) Value { return boolean(v.k == kUndefined) }
func testEscaped(_ *run, v Value, _ []Value) Value   { return boolean(v.k == kString && v.n != 0) }
func testFalse(_ *run, v Value, _ []Value) Value     { return boolean(v.k == kBool && v.n == 0) }
func testTrue(_ *run, v Value, _ []Value) Value      { return boolean(v.k == kBool && v.n != 0) }
func testFloat(_ *run, v Value, _ []Value) Value     { return boolean(v.k == kFloat) }
func testInteger(_ *run, v Value, _ []Value) Value   { return boolean(v.k == kInt || v.k == kBig) }
func testIterable(_ *run, v Value, _ []Value) Value  { return boolean(v.iterable()) }
func testMapping(_ *run, v Value, _ []Value) Value   { return boolean(v.k == kDict) }
func testNone(_ *run, v Value, _ []Value) Value      { return boolean(v.k == kNone) }
func testNumber(_ *run, v Value, _ []Value) Value    { return boolean(v.isNumber()) }
func testString(_ *run, v Value, _ []Value) Value    { return boolean(v.k == kString) }

func testSameas(_ *run, v Value, args []Value) Value { return boolean(identical(v, args[0])) }

// testSequence is true for what has a length and items by number or name.
func testSequence(_ *run, v Value, _ []Value) Value {
	switch v.k {
	case kString, kList, kTuple, kDict, kRange, kUndefined:
		return boolean(true)
	}
	return boolean(false)
}

func testLower(r *run, v Value, _ []Value) Value {
	s := r.str(v)
	r.pay(len(s))
	return boolean(allCased(s, isUpper))
}

func testUpper(r *run, v Value, _ []Value) Value {
	s := r.str(v)
	r.pay(len(s))
	return boolean(allCased(s, isLower))
}

// modulo is v % n == want. Strings have another %, which makes no number.
func (r *run) modulo(v, n Value, want int64) Value {
	if v.k == kString {
		r.printf(v, n)
		return boolean(false)
	}
	_, rest := r.divmod("%", v, n)
	return boolean(compareNumbers(rest, Value{k: kInt, n: want}) == same)
}

func testOdd(r *run, v Value, _ []Value) Value  { return r.modulo(v, integer(2), 1) }
func testEven(r *run, v Value, _ []Value) Value { return r.modulo(v, integer(2), 0) }

func testDivisibleby(r *run, v Value, args []Value) Value { return r.modulo(v, args[0], 0) }

func testFilter(r *run, v Value, _ []Value) Value {
	if _, ok := hash(v); !ok {
		r.fail("unhashable type: '%s'", v.typeName())
	}
	return boolean(v.k == kString && findBuiltin(r.filters, v.s) != nil)
}

func testTest(r *run, v Value, _ []Value) Value {
	if _, ok := hash(v); !ok {
		r.fail("unhashable type: '%s'", v.typeName())
	}
	return boolean(v.k == kString && findBuiltin(r.tests, v.s) != nil)
}
