package jinja

import (
	"time"
	"unicode/utf8"
)

// run is one rendering.
type run struct {
	*tables
	given     []Value // of the template's names
	now       time.Time
	line      int // that is being rendered
	maxSteps  int
	maxOutput int
	maxValue  int // bytes of one value
	steps     int // that are left
	built     int // bytes that may still be built
	calls     int // that are open

	out []byte
	// captured are the places in out from which on text is not written but taken: bodies of macros, of set and of
	// filter blocks.
	captured []int
	spans    []span

	scratch []byte
	args    []Value // of calls that are being made
}

// frame has the variables of one call of a function.
type frame struct {
	slots  []Value
	parent *frame
}

func (f *frame) at(s slot) *Value {
	for range s.up {
		f = f.parent
	}
	return &f.slots[s.at]
}

func (r *run) enter(f *frame, s *scope) {
	r.pay(len(s.loads) * bytesOfValue)
	for i := range s.loads {
		l := &s.loads[i]
		switch l.action {
		case unset:
			f.slots[l.at] = Value{}
		case alias:
			f.slots[l.at] = *f.at(l.from)
		case lookup:
			f.slots[l.at] = r.given[l.given]
		}
	}
}

func (r *run) leave(f *frame, s *scope) {
	for _, at := range s.clear {
		f.slots[at] = Value{}
	}
}

// eval evaluates an expression.
func (r *run) eval(n node, f *frame) Value {
	r.step()
	return n.eval(r, f)
}

func (n *constNode) eval(*run, *frame) Value { return n.value }

func (n *nameNode) eval(_ *run, f *frame) Value {
	if v := f.at(n.slot); v.k != kMissing {
		return *v
	}
	return Value{k: kUndefined, n: undefinedName, s: n.name}
}

func (n *sequenceNode) eval(r *run, f *frame) Value {
	r.roomFor(len(n.items), bytesOfValue)
	items := make([]Value, len(n.items))
	for i, item := range n.items {
		items[i] = r.eval(item, f)
	}
	return Value{k: n.kind, o: &list{items: items}}
}

func (n *dictNode) eval(r *run, f *frame) Value {
	d := &dict{}
	for i := range n.keys {
		key := r.eval(n.keys[i], f)
		r.put(d, key, r.eval(n.values[i], f))
	}
	return dictOf(d)
}

func (n *attributeNode) eval(r *run, f *frame) Value {
	of := r.eval(n.of, f)
	if of.k == kDict && n.ofDict == nil && n.name[0] != '_' {
		// The usual case: an item of a mapping whose name is no method's.
		if v, ok := of.dict().name(n.name); ok {
			return v
		}
		return noAttribute(of, n.name)
	}
	return r.getattr(of, n.name)
}

func (n *itemNode) eval(r *run, f *frame) Value {
	of := r.eval(n.of, f)
	return r.getitem(of, r.eval(n.key, f))
}

func (n *sliceNode) eval(r *run, f *frame) Value {
	of := r.eval(n.of, f)
	part := func(n node) Value {
		if n == nil {
			return none
		}
		return r.eval(n, f)
	}
	start := part(n.start)
	stop := part(n.stop)
	return r.slice(of, start, stop, part(n.step))
}

func (n *notNode) eval(r *run, f *frame) Value { return boolean(!r.eval(n.of, f).truth()) }

func (n *unaryNode) eval(r *run, f *frame) Value {
	v := r.eval(n.of, f)
	if n.op == '-' {
		return r.neg(v)
	}
	return r.pos(v)
}

func (n *logicNode) eval(r *run, f *frame) Value {
	v := r.eval(n.left, f)
	if v.truth() == n.or {
		return v
	}
	return r.eval(n.right, f)
}

func (n *binaryNode) eval(r *run, f *frame) Value {
	if n.op == "+" {
		v, from := r.sum(n, f)
		if from >= 0 {
			v = text(r.takeScratch(from))
		}
		return v
	}
	a := r.eval(n.left, f)
	b := r.eval(n.right, f)
	switch n.op {
	case "-":
		return r.sub(a, b)
	case "*":
		return r.mul(a, b)
	case "/":
		return r.div(a, b)
	case "//":
		quotient, _ := r.divmod("//", a, b)
		return quotient
	case "%":
		if a.k == kString {
			return r.printf(a, b)
		}
		_, rest := r.divmod("%", a, b)
		return rest
	}
	return r.pow(a, b)
}

// sum adds up a chain of +. If all of it are strings, they are not put together one after the other: then the text is
// in r.scratch from the place on that is not negative.
func (r *run) sum(n *binaryNode, f *frame) (v Value, from int) {
	from = -1
	if left, ok := n.left.(*binaryNode); ok && left.op == "+" {
		r.step()
		v, from = r.sum(left, f)
	} else {
		v = r.eval(n.left, f)
	}
	right := r.eval(n.right, f)
	isText := right.k == kString && right.n == 0
	switch {
	case from >= 0 && isText:
	case from >= 0:
		return r.add(text(r.takeScratch(from)), right), -1
	case isText && v.k == kString && v.n == 0:
		from = len(r.scratch)
		r.room(len(v.s))
		r.scratch = append(r.scratch, v.s...)
	default:
		return r.add(v, right), -1
	}
	r.room(len(right.s))
	r.scratch = append(r.scratch, right.s...)
	if len(r.scratch)-from > r.maxValue {
		r.room(len(r.scratch) - from)
	}
	return Value{}, from
}

// takeScratch takes the text that stands in r.scratch from a place on.
func (r *run) takeScratch(from int) string {
	s := string(r.scratch[from:])
	r.scratch = r.scratch[:from]
	r.room(len(s))
	return s
}

func (n *concatNode) eval(r *run, f *frame) Value { return text(r.takeScratch(n.join(r, f))) }

// join puts the text into r.scratch, from the place on that it returns.
func (n *concatNode) join(r *run, f *frame) int {
	mark := len(r.args)
	for _, part := range n.parts {
		v := r.eval(part, f)
		r.args = append(r.args, v)
	}
	values := r.args[mark:]
	from := len(r.scratch)
	for _, v := range values {
		if len(r.scratch)-from > r.maxValue {
			r.room(len(r.scratch) - from)
		}
		if v.k == kString {
			r.room(len(v.s))
		}
		r.scratch = r.appendStr(r.scratch, v)
	}
	r.args = r.args[:mark]
	return from
}

func (n *compareNode) eval(r *run, f *frame) Value {
	left := r.eval(n.first, f)
	for i := range n.rest {
		right := r.eval(n.rest[i].of, f)
		if !r.holds(n.rest[i].op, left, right) {
			return boolean(false)
		}
		left = right
	}
	return boolean(true)
}

func (r *run) holds(op string, a, b Value) bool {
	switch op {
	case "==":
		return r.equal(a, b, 0)
	case "!=":
		return !r.equal(a, b, 0)
	case "in":
		return r.contains(b, a)
	case "not in":
		return !r.contains(b, a)
	}
	o, ok := r.compare(a, b, 0)
	if !ok {
		r.fail("'%s' not supported between instances of '%s' and '%s'", op, a.typeName(), b.typeName())
	}
	switch op {
	case "<":
		return o == less
	case "<=":
		return o == less || o == same
	case ">":
		return o == more
	}
	return o == more || o == same
}

func (n *conditionNode) eval(r *run, f *frame) Value {
	if r.eval(n.test, f).truth() {
		return r.eval(n.yes, f)
	}
	if n.no == nil {
		return Value{k: kUndefined, n: undefinedHint, s: "the inline if-expression evaluated to false and no else section was defined."}
	}
	return r.eval(n.no, f)
}

// call is what a function is called with.
type call struct {
	args  []Value
	named []namedValue
}

type namedValue struct {
	name  string
	value Value
}

// arguments evaluates them. Its args are valid until r.args is cut back to where it was.
func (r *run) arguments(a *arguments, f *frame) call {
	mark := len(r.args)
	for _, arg := range a.args {
		v := r.eval(arg, f)
		r.args = append(r.args, v)
	}
	var c call
	if a.named != nil {
		c.named = make([]namedValue, 0, len(a.named))
		for i := range a.named {
			c.named = append(c.named, namedValue{a.named[i].name, r.eval(a.named[i].value, f)})
		}
	}
	if a.list != nil {
		items := r.items(r.eval(a.list, f))
		r.roomFor(len(items), bytesOfValue)
		r.args = append(r.args, items...)
	}
	if a.mapped != nil {
		m := r.eval(a.mapped, f)
		if m.k != kDict {
			r.fail("argument after ** must be a mapping, not %s", m.typeName())
		}
		d := m.dict()
		r.roomFor(d.len(), bytesOfValue)
		given := make(map[string]bool, len(c.named))
		for _, n := range c.named {
			given[n.name] = true
		}
		for i, key := range d.keys {
			if key.k != kString {
				r.fail("keywords must be strings")
			}
			if given[key.s] {
				r.fail("got multiple values for keyword argument '%s'", key.s)
			}
			c.named = append(c.named, namedValue{key.s, d.vals[i]})
		}
	}
	c.args = r.args[mark:]
	return c
}

func (n *callNode) eval(r *run, f *frame) Value { return n.call(r, f, Value{}) }

// call calls, with a caller if it is for a call block.
func (n *callNode) call(r *run, f *frame, caller Value) Value {
	mark := len(r.args)
	var result Value
	if a, ok := n.of.(*attributeNode); ok {
		// The usual call of a method makes no value of the method.
		of := r.eval(a.of, f)
		var m *method
		switch of.k {
		case kString:
			m = a.ofString
		case kDict:
			m = a.ofDict
		case kList:
			m = a.ofList
		}
		if m != nil && m.supported() && caller.k == kMissing {
			c := r.arguments(&n.args, f)
			r.line = n.line
			result = r.callMethod(m, of, c)
			r.args = r.args[:mark]
			return result
		}
		fn := r.getattr(of, a.name)
		result = r.callWith(n, f, fn, caller)
	} else {
		result = r.callWith(n, f, r.eval(n.of, f), caller)
	}
	r.args = r.args[:mark]
	return result
}

func (r *run) callWith(n *callNode, f *frame, fn, caller Value) Value {
	c := r.arguments(&n.args, f)
	if caller.k != kMissing {
		for _, named := range c.named {
			if named.name == "caller" {
				r.fail("got multiple values for keyword argument 'caller'")
			}
		}
		c.named = append(c.named, namedValue{"caller", caller})
	}
	r.line = n.line
	return r.callValue(fn, c)
}

func (r *run) callValue(fn Value, c call) Value {
	switch fn.k {
	case kMacro:
		return fn.o.(*macro).call(r, c)
	case kFunction:
		g := fn.o.(*global)
		return g.call(r, c)
	case kMethod:
		m := fn.o.(*boundMethod)
		return r.callMethod(m.method, m.of, c)
	case kLoop:
		return fn.o.(*loop).recur(r, c)
	case kJoiner:
		j := fn.o.(*joiner)
		if len(c.args)+len(c.named) > 0 {
			r.fail("a joiner takes no arguments")
		}
		if !j.used {
			j.used = true
			return text("")
		}
		return j.separator
	case kUndefined:
		r.useOfUndefined(fn)
	}
	r.fail("'%s' object is not callable", fn.typeName())
	return Value{}
}

func (v Value) callable() bool {
	switch v.k {
	case kMacro, kFunction, kMethod, kLoop, kJoiner, kUndefined:
		return true
	}
	return false
}

func (n *filterNode) eval(r *run, f *frame) Value { return n.apply(r, f, r.eval(n.of, f)) }

func (n *filterNode) apply(r *run, f *frame, v Value) Value {
	if n.filter == nil {
		raise(n.line, "No filter named '%s' found.", n.name)
	}
	return r.builtin(n.filter, v, &n.args, f, n.line)
}

func (n *testNode) eval(r *run, f *frame) Value {
	v := r.eval(n.of, f)
	if n.test == nil {
		raise(n.line, "No test named '%s' found.", n.name)
	}
	return r.builtin(n.test, v, &n.args, f, n.line)
}

func (r *run) builtin(b *builtin, v Value, a *arguments, f *frame, line int) Value {
	mark := len(r.args)
	c := r.arguments(a, f)
	r.line = line
	result := r.apply(b, v, c)
	r.args = r.args[:mark]
	return result
}

// apply calls a filter or a test.
func (r *run) apply(b *builtin, v Value, c call) Value {
	if b.calls != nil {
		return b.calls(r, v, c)
	}
	mark := len(r.args)
	result := b.call(r, v, r.bind(b.name, b.params, b.need, c))
	r.args = r.args[:mark]
	return result
}

// bind sorts what a call gives into the places of the parameters. What is not given is the zero Value.
func (r *run) bind(name string, params []string, need int, c call) []Value {
	if len(c.args) > len(params) {
		r.fail("%s() takes at most %d arguments (%d given)", name, len(params), len(c.args))
	}
	mark := len(r.args)
	r.args = append(r.args, c.args...)
	for range len(params) - len(c.args) {
		r.args = append(r.args, Value{})
	}
	bound := r.args[mark:]
	for _, named := range c.named {
		at := -1
		for i, param := range params {
			if param == named.name {
				at = i
			}
		}
		if at < 0 {
			r.fail("%s() got an unexpected keyword argument '%s'", name, named.name)
		}
		if bound[at].k != kMissing {
			r.fail("%s() got multiple values for argument '%s'", name, named.name)
		}
		bound[at] = named.value
	}
	for i := range need {
		if bound[i].k == kMissing {
			r.fail("%s() missing required argument: '%s'", name, params[i])
		}
	}
	return bound
}

// The ways in which a value is undefined, in its n; its s is the name or the hint.
const (
	undefinedName   = iota // a variable
	undefinedHint          // s says why
	undefinedUnsafe        // an attribute that a template must not have
	undefinedOf            // an attribute or item of a value, whose kind is n - undefinedOf
	undefinedItem   = undefinedOf + 256
)

// useOfUndefined ends the rendering because of a use of what is undefined.
func (r *run) useOfUndefined(v Value) {
	switch {
	case v.n == undefinedName:
		r.fail("'%s' is undefined", v.s)
	case v.n == undefinedHint:
		r.fail("%s", v.s)
	case v.n == undefinedUnsafe:
		r.fail("access to attribute '%s' is unsafe.", v.s)
	case v.n >= undefinedItem:
		r.fail("%s object has no element %s", Value{k: kind(v.n - undefinedItem)}.typeName(), v.s)
	}
	r.fail("'%s object' has no attribute '%s'", Value{k: kind(v.n - undefinedOf)}.typeName(), v.s)
}

func noAttribute(of Value, name string) Value {
	return Value{k: kUndefined, n: undefinedOf + int64(of.k), s: name}
}

// getattr is of.name: an attribute, or else the item of that name.
func (r *run) getattr(of Value, name string) Value {
	if v, ok := r.attribute(of, name); ok {
		return v
	}
	if of.k == kDict {
		if v, ok := of.dict().name(name); ok {
			return v
		}
	}
	return noAttribute(of, name)
}

// getitem is of[key]: an item, or else the attribute of that name.
func (r *run) getitem(of, key Value) Value {
	switch of.k {
	case kDict:
		d := of.dict()
		r.pay(len(key.s))
		if v, ok := d.get(key); ok {
			return v
		}
	case kList, kTuple:
		if items := of.list().items; key.k == kInt || key.k == kBool {
			if i, ok := within(key.n, len(items)); ok {
				return items[i]
			}
		}
	case kString:
		if key.k == kInt || key.k == kBool {
			if v, ok := r.character(of, key.n); ok {
				return v
			}
		}
	case kRange:
		if p := of.o.(*pyRange); key.k == kInt || key.k == kBool {
			if i, ok := within(key.n, p.len()); ok {
				return Value{k: kInt, n: p.at(i)}
			}
		}
	case kUndefined:
		r.useOfUndefined(of)
	}
	if key.k == kString {
		if v, ok := r.attribute(of, key.s); ok {
			return v
		}
		return noAttribute(of, key.s)
	}
	name := "of that kind"
	if key.isNumber() || key.k == kNone {
		name = r.repr(key, false)
	}
	return Value{k: kUndefined, n: undefinedItem + int64(of.k), s: name}
}

// within is an index of n items, from behind if it is negative.
func within(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

func (r *run) character(of Value, i int64) (Value, bool) {
	s := of.s
	r.pay(len(s))
	n := utf8.RuneCountInString(s)
	at, ok := within(i, n)
	if !ok {
		return Value{}, false
	}
	if n != len(s) {
		at = runeOffset(s, at)
	}
	_, size := utf8.DecodeRuneInString(s[at:])
	return Value{k: kString, n: of.n, s: s[at : at+size]}, true
}
