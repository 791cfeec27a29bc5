package jinja

import (
	"bytes"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

type kind uint8

// The kinds of values. The order has no meaning.
const (
	kMissing kind = iota // a variable that nobody has set; never seen by an expression
	kNone
	kBool
	kInt // that fits 64 bits
	kBig // that does not; o is a *big.Int
	kFloat
	kString // n is 1 for Markup
	kList
	kTuple
	kDict
	kUndefined
	kRange // o is a *pyRange
	kView  // keys, values or items of a dict, by n; o is the *dict
	kIter  // what map, select and others give: to be used once; o is an *iterator
	kNamespace
	kMacro
	kMethod   // o is a *boundMethod
	kFunction // o is a *global
	kLoop
	kCycler
	kJoiner
)

// Value is a value of a template: none, a boolean, an integer, a float, a string, a list, an ordered mapping, or
// something that only templates make. The zero Value is a variable that is not given. Values are immutable and may be
// shared.
type Value struct {
	k kind
	n int64  // of booleans and integers; bits of floats; which one of a kind
	s string // of strings; the name that is undefined
	o any    // all else
}

// list is what lists and tuples hold.
type list struct {
	items []Value
	// names are those of a named tuple, which groupby makes.
	names []string
}

var none = Value{k: kNone}

func boolean(b bool) Value {
	if b {
		return Value{k: kBool, n: 1}
	}
	return Value{k: kBool}
}

func integer(n int) Value { return Value{k: kInt, n: int64(n)} }

func text(s string) Value { return Value{k: kString, s: s} }

func listOf(items []Value) Value { return Value{k: kList, o: &list{items: items}} }

func tupleOf(items ...Value) Value { return Value{k: kTuple, o: &list{items: items}} }

// pair is a tuple of two in one allocation.
func pair(a, b Value) Value {
	p := &struct {
		list
		two [2]Value
	}{two: [2]Value{a, b}}
	p.items = p.two[:]
	return Value{k: kTuple, o: &p.list}
}

func dictOf(d *dict) Value { return Value{k: kDict, o: d} }

// String is a string. What is not UTF-8 in it becomes U+FFFD.
func String(s string) Value { return text(strings.ToValidUTF8(s, "\ufffd")) }

// Bool is a boolean.
func Bool(b bool) Value { return boolean(b) }

func (v Value) list() *list { return v.o.(*list) }
func (v Value) dict() *dict { return v.o.(*dict) }

// FromJSON is a JSON value: objects keep their order, and numbers are integers where they are written as such, of up
// to 4300 digits. Of names that stand twice the last value counts, at the place of the first, as in Python.
func FromJSON(v jsontext.Value) (Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	value, err := decode(d, 0)
	if err != nil {
		return Value{}, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		if err == nil {
			err = &Error{Problem: "more than one JSON value"}
		}
		return Value{}, err
	}
	return value, nil
}

func decode(d *jsontext.Decoder, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, &Error{Problem: "JSON nested deeper than " + strconv.Itoa(maxDepth)}
	}
	token, err := d.ReadToken()
	if err != nil {
		return Value{}, err
	}
	switch token.Kind() {
	case 'n':
		return none, nil
	case 't', 'f':
		return boolean(token.Bool()), nil
	case '"':
		return text(token.String()), nil
	case '0':
		return number(token.String())
	case '[':
		var items []Value
		for d.PeekKind() != ']' {
			item, err := decode(d, depth+1)
			if err != nil {
				return Value{}, err
			}
			items = append(items, item)
		}
		_, err := d.ReadToken()
		return listOf(items), err
	}
	into := &dict{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return Value{}, err
		}
		key := text(name.String())
		value, err := decode(d, depth+1)
		if err != nil {
			return Value{}, err
		}
		into.set(key, value)
	}
	_, err = d.ReadToken()
	return dictOf(into), err
}

func number(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !isRange(err) {
			return Value{}, err
		}
		return float(f), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Value{k: kInt, n: n}, nil
	}
	if len(s) > maxIntDigits+1 {
		return Value{}, &Error{Problem: "an integer of more than " + strconv.Itoa(maxIntDigits) + " digits"}
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return Value{}, &Error{Problem: strconv.Quote(s) + " is no number"}
	}
	return bigInt(n), nil
}

// typeName is Python's name of the type of a value.
func (v Value) typeName() string {
	switch v.k {
	case kNone:
		return "NoneType"
	case kBool:
		return "bool"
	case kInt, kBig:
		return "int"
	case kFloat:
		return "float"
	case kString:
		if v.n != 0 {
			return "Markup"
		}
		return "str"
	case kList:
		return "list"
	case kTuple:
		return "tuple"
	case kDict:
		return "dict"
	case kRange:
		return "range"
	case kView:
		return [...]string{"dict_keys", "dict_values", "dict_items"}[v.n]
	case kIter:
		return "generator"
	case kNamespace:
		return "TemplateNamespace"
	case kMacro:
		return "Macro"
	case kMethod:
		return "builtin_function_or_method"
	case kFunction:
		return "function"
	case kLoop:
		return "LoopContext"
	case kCycler:
		return "Cycler"
	case kJoiner:
		return "Joiner"
	}
	return "Undefined"
}

// truth is Python's bool(v).
func (v Value) truth() bool {
	switch v.k {
	case kNone, kUndefined, kMissing:
		return false
	case kBool, kInt:
		return v.n != 0
	case kFloat:
		return v.float() != 0
	case kString:
		return v.s != ""
	case kList, kTuple:
		return len(v.list().items) > 0
	case kDict:
		return v.dict().len() > 0
	case kView:
		return v.dict().len() > 0
	case kRange:
		return v.o.(*pyRange).len() > 0
	}
	return true
}

// length is Python's len(v), if it has one.
func (r *run) length(v Value) (int, bool) {
	switch v.k {
	case kString:
		r.pay(len(v.s))
		return utf8.RuneCountInString(v.s), true
	case kList, kTuple:
		return len(v.list().items), true
	case kDict, kView:
		return v.dict().len(), true
	case kUndefined:
		return 0, true
	case kRange:
		return v.o.(*pyRange).len(), true
	case kLoop:
		return v.o.(*loop).length(r), true
	}
	return 0, false
}

// equal is Python's ==.
func (r *run) equal(a, b Value, depth int) bool {
	r.step()
	if depth > maxDepth {
		r.fail("values nested deeper than %d are compared", maxDepth)
	}
	if a.isNumber() && b.isNumber() {
		return compareNumbers(a, b) == same
	}
	switch {
	case a.k == kString && b.k == kString:
		r.pay(min(len(a.s), len(b.s)))
		return a.s == b.s
	case a.k == kNone || b.k == kNone:
		return a.k == b.k
	case a.k == kUndefined || b.k == kUndefined:
		return a.k == b.k
	case a.k == kList && b.k == kList || a.k == kTuple && b.k == kTuple:
		x, y := a.list().items, b.list().items
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !r.equal(x[i], y[i], depth+1) {
				return false
			}
		}
		return true
	case a.k == kDict && b.k == kDict:
		x, y := a.dict(), b.dict()
		if x.len() != y.len() {
			return false
		}
		for i, key := range x.keys {
			r.pay(len(key.s))
			other, ok := y.get(key)
			if !ok || !r.equal(x.vals[i], other, depth+1) {
				return false
			}
		}
		return true
	case a.k == kRange && b.k == kRange:
		x, y := a.o.(*pyRange), b.o.(*pyRange)
		n := x.len()
		return n == y.len() && (n == 0 || x.start == y.start && (n == 1 || x.step == y.step))
	case a.k == kView && b.k == kView && a.n == b.n && a.n == viewKeys:
		x, y := a.dict(), b.dict()
		if x.len() != y.len() {
			return false
		}
		for _, key := range x.keys {
			r.step()
			if _, ok := y.get(key); !ok {
				return false
			}
		}
		return true
	}
	return a.k == b.k && a.n == b.n && a.s == b.s && a.o == b.o
}

type order int8

const (
	less order = iota - 1
	same
	more
	unordered // a NaN is involved: nothing but != holds
)

// compare is Python's order; ok is false if there is none between such values.
func (r *run) compare(a, b Value, depth int) (order, bool) {
	r.step()
	if depth > maxDepth {
		r.fail("values nested deeper than %d are compared", maxDepth)
	}
	switch {
	case a.isNumber() && b.isNumber():
		return compareNumbers(a, b), true
	case a.k == kString && b.k == kString:
		// The order of UTF-8 is that of code points.
		r.pay(min(len(a.s), len(b.s)))
		return order(strings.Compare(a.s, b.s)), true
	case a.k == kList && b.k == kList || a.k == kTuple && b.k == kTuple:
		x, y := a.list().items, b.list().items
		for i := range min(len(x), len(y)) {
			if !r.equal(x[i], y[i], depth+1) {
				return r.compare(x[i], y[i], depth+1)
			}
		}
		switch {
		case len(x) < len(y):
			return less, true
		case len(x) > len(y):
			return more, true
		}
		return same, true
	case a.k == kUndefined:
		r.useOfUndefined(a)
	case b.k == kUndefined:
		r.useOfUndefined(b)
	}
	return same, false
}

// contains is Python's needle in hay.
func (r *run) contains(hay, needle Value) bool {
	switch hay.k {
	case kString:
		if needle.k != kString {
			r.fail("'in <string>' requires string as left operand, not %s", needle.typeName())
		}
		r.pay(len(hay.s))
		return strings.Contains(hay.s, needle.s)
	case kDict:
		return r.has(hay.dict(), needle)
	case kView:
		if hay.n == viewKeys {
			return r.has(hay.dict(), needle)
		}
	case kRange:
		if needle.k == kInt || needle.k == kBool {
			return hay.o.(*pyRange).has(needle.n)
		}
	}
	it := r.iterate(hay)
	for {
		v, ok := it.next(r)
		if !ok {
			return false
		}
		if r.equal(v, needle, 0) {
			return true
		}
	}
}

// identical is Python's "is", as far as it does not depend on how the interpreter shares constants.
func identical(a, b Value) bool {
	return a.k == b.k && a.n == b.n && a.s == b.s && a.o == b.o
}
