package jinja

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strings"
)

// attribute is a Python attribute of a value. One that the sandbox hides is there, and undefined: names with an
// underscore in front, and methods that change lists and mappings.
func (r *run) attribute(of Value, name string) (Value, bool) {
	t := r.tables
	var methods []method
	switch of.k {
	case kUndefined:
		r.useOfUndefined(of)
	case kDict:
		methods = t.dicts
	case kString:
		methods = t.strings
	case kList:
		methods = t.lists
	case kTuple:
		methods = t.tuples
		if l := of.list(); l.names != nil {
			if i := slices.Index(l.names, name); i >= 0 {
				return l.items[i], true
			}
		}
	case kInt, kBool, kBig:
		methods = t.ints
		switch name {
		case "real", "numerator":
			return r.pos(of), true
		case "imag":
			return integer(0), true
		case "denominator":
			return integer(1), true
		}
	case kFloat:
		methods = t.floats
		switch name {
		case "real":
			return of, true
		case "imag":
			return float(0), true
		}
	case kRange:
		methods = t.ranges
		p := of.o.(*pyRange)
		switch name {
		case "start":
			return Value{k: kInt, n: p.start}, true
		case "stop":
			return Value{k: kInt, n: p.stop}, true
		case "step":
			return Value{k: kInt, n: p.step}, true
		}
	case kView:
		methods = t.views
	case kIter:
		methods = t.generators
	case kNamespace:
		if name == "__class__" {
			break
		}
		return of.dict().name(name)
	case kLoop:
		if v, ok := of.o.(*loop).attribute(r, name); ok {
			return v, true
		}
		methods = t.loops
	case kMacro:
		if v, ok := of.o.(*macro).attribute(name); ok {
			return v, true
		}
	case kCycler:
		c := of.o.(*cycler)
		switch name {
		case "current":
			return c.items[c.pos], true
		case "pos":
			return integer(c.pos), true
		case "items":
			return tupleOf(c.items...), true
		}
		methods = t.cyclers
	case kJoiner:
		j := of.o.(*joiner)
		switch name {
		case "sep":
			return j.separator, true
		case "used":
			return boolean(j.used), true
		}
	case kFunction:
		if of.o.(*global).name == "dict" && name == "fromkeys" {
			return Value{k: kMethod, o: &boundMethod{findMethod(t.dicts, "fromkeys"), dictOf(&dict{})}}, true
		}
	}
	if m := findMethod(methods, name); m != nil {
		if m.unsafe {
			return Value{k: kUndefined, n: undefinedUnsafe, s: name}, true
		}
		r.room(bytesOfValue)
		return Value{k: kMethod, o: &boundMethod{m, of}}, true
	}
	if strings.HasPrefix(name, "__") && isInternal(of, name) {
		return Value{k: kUndefined, n: undefinedUnsafe, s: name}, true
	}
	return Value{}, false
}

// isInternal says whether Python's values have an attribute of that name, which begins with two underscores.
func isInternal(of Value, name string) bool {
	switch name {
	case "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__",
		"__getstate__", "__gt__", "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__",
		"__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__":
		return true
	case "__len__", "__contains__", "__getitem__":
		return of.k == kString || of.k == kList || of.k == kTuple || of.k == kDict || of.k == kRange
	case "__iter__":
		return of.iterable()
	case "__add__", "__mul__", "__rmul__":
		return of.k == kString || of.k == kList || of.k == kTuple || of.isNumber()
	case "__setitem__", "__delitem__", "__class_getitem__", "__reversed__":
		return of.k == kDict || of.k == kList
	case "__call__", "__dict__", "__module__", "__weakref__":
		return of.k == kMacro || of.k == kFunction || of.k == kLoop || of.k == kCycler || of.k == kJoiner
	case "__name__", "__qualname__", "__self__":
		return of.k == kMethod || of.k == kFunction
	}
	return false
}

func (m *macro) attribute(name string) (Value, bool) {
	n := m.node
	switch name {
	case "name":
		if n.name == "" {
			return none, true
		}
		return text(n.name), true
	case "arguments":
		var names []Value
		for _, param := range n.params {
			names = append(names, text(param.name.name))
		}
		return tupleOf(names...), true
	case "catch_kwargs":
		return boolean(n.usesKwargs), true
	case "catch_varargs":
		return boolean(n.usesVargs), true
	case "caller":
		return boolean(n.usesCaller), true
	case "explicit_caller":
		return boolean(n.explicitCaller), true
	}
	return Value{}, false
}

// Which view of a dict a value is, in its n.
const (
	viewKeys = iota
	viewValues
	viewItems
)

func dictView(of Value, which int64) Value { return Value{k: kView, n: which, o: of.o} }

func dictKeys(_ *run, of Value, _ []Value) Value   { return dictView(of, viewKeys) }
func dictValues(_ *run, of Value, _ []Value) Value { return dictView(of, viewValues) }
func dictItems(_ *run, of Value, _ []Value) Value  { return dictView(of, viewItems) }

func dictCopy(_ *run, of Value, _ []Value) Value {
	copied := *of.dict()
	return dictOf(&copied)
}

func dictGet(r *run, of Value, args []Value) Value {
	d := of.dict()
	r.pay(len(args[0].s))
	if v, ok := d.get(args[0]); ok {
		return v
	}
	r.has(d, args[0]) // fails for what cannot be a key
	if args[1].k == kMissing {
		return none
	}
	return args[1]
}

func dictFromkeys(r *run, _ Value, args []Value) Value {
	v := args[1]
	if v.k == kMissing {
		v = none
	}
	d := &dict{}
	for _, key := range r.items(args[0]) {
		r.put(d, key, v)
	}
	return dictOf(d)
}

func listCopy(_ *run, of Value, _ []Value) Value { return listOf(of.list().items) }

func listCount(r *run, of Value, args []Value) Value {
	n := 0
	for _, item := range r.items(of) {
		if r.equal(item, args[0], 0) {
			n++
		}
	}
	return integer(n)
}

func listIndex(r *run, of Value, args []Value) Value {
	items := r.items(of)
	from, to := 0, len(items)
	if len(args) > 1 {
		clamp := func(v Value, absent int) int {
			if v.k == kMissing {
				return absent
			}
			i := r.sliceIndex(v)
			if i < 0 {
				i = max(0, i+len(items))
			}
			return min(i, len(items))
		}
		from, to = clamp(args[1], 0), clamp(args[2], len(items))
	}
	for i := from; i < to; i++ {
		if r.equal(items[i], args[0], 0) {
			return integer(i)
		}
	}
	r.fail("the value is not in the list")
	return none
}

func intBitLength(_ *run, of Value, _ []Value) Value { return integer(of.big().BitLen()) }

func intBitCount(_ *run, of Value, _ []Value) Value {
	n := 0
	for _, w := range new(big.Int).Abs(of.big()).Bits() {
		n += bits.OnesCount(uint(w))
	}
	return integer(n)
}

func floatIsInteger(_ *run, of Value, _ []Value) Value {
	f := of.float()
	return boolean(f == math.Trunc(f) && !math.IsInf(f, 0))
}
