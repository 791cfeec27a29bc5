package jinja

import (
	"unicode/utf8"
)

// span is what a {% generation %} block made.
type span struct {
	from, to int // bytes of the output
	// runes is how long the text was that the block made, if it was made for a string and not for the output: then it
	// counts from where the output had come to, as in transformers. Otherwise -1.
	runes int
}

func (r *run) body(body []statement, f *frame) control {
	for _, s := range body {
		if c := s.exec(r, f); c != goOn {
			return c
		}
	}
	return goOn
}

// write appends to the output the value that an expression has.
func (r *run) write(v Value) {
	before := len(r.out)
	r.out = r.appendStr(r.out, v)
	r.wrote(len(r.out) - before)
}

// writeScratch moves to the output what stands in r.scratch from a place on.
func (r *run) writeScratch(from int) {
	r.out = append(r.out, r.scratch[from:]...)
	n := len(r.scratch) - from
	r.scratch = r.scratch[:from]
	r.wrote(n)
}

func (r *run) wrote(n int) {
	r.pay(n)
	if len(r.out) > r.maxOutput {
		r.fail("the template writes more than its limit of %d bytes", r.maxOutput)
	}
}

// capture starts to take what is written, for a string.
func (r *run) capture() { r.captured = append(r.captured, len(r.out)) }

// take ends a capture.
func (r *run) take() string {
	last := len(r.captured) - 1
	from := r.captured[last]
	s := string(r.out[from:])
	r.room(len(s))
	r.out = r.out[:from]
	r.captured = r.captured[:last]
	return s
}

func (n *outputNode) exec(r *run, f *frame) control {
	for i, part := range n.parts {
		r.line = n.lines[i]
		if c, ok := part.(*constNode); ok {
			r.step()
			r.out = append(r.out, c.value.s...)
			r.wrote(len(c.value.s))
			continue
		}
		switch n := part.(type) {
		case *concatNode:
			r.step()
			r.writeScratch(n.join(r, f))
		case *binaryNode:
			if n.op == "+" {
				r.step()
				if v, from := r.sum(n, f); from >= 0 {
					r.writeScratch(from)
				} else {
					r.write(v)
				}
				continue
			}
			r.write(r.eval(part, f))
		default:
			r.write(r.eval(part, f))
		}
	}
	return goOn
}

func (r *run) assign(t *target, v Value, f *frame) {
	switch {
	case t.attr != "":
		ns := f.at(t.name.slot)
		if ns.k != kNamespace {
			r.fail("cannot assign attribute on non-namespace object")
		}
		r.setAttribute(ns.dict(), t.attr, v)
		return
	case t.name != nil:
		*f.at(t.name.slot) = v
		return
	}
	var items []Value
	if v.k == kList || v.k == kTuple {
		items = v.list().items
	} else {
		if !v.iterable() {
			r.fail("cannot unpack non-iterable %s object", v.typeName())
		}
		it := r.iterate(v)
		for len(items) <= len(t.items) {
			item, ok := it.next(r)
			if !ok {
				break
			}
			items = append(items, item)
		}
	}
	switch {
	case len(items) < len(t.items):
		r.fail("not enough values to unpack (expected %d, got %d)", len(t.items), len(items))
	case len(items) > len(t.items):
		r.fail("too many values to unpack (expected %d)", len(t.items))
	}
	for i, item := range t.items {
		r.assign(item, items[i], f)
	}
}

// setAttribute sets an attribute of a namespace.
func (r *run) setAttribute(d *dict, name string, v Value) {
	if name[0] == '_' {
		r.fail("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'. Please rename the attribute.", name)
	}
	r.put(d, text(name), v)
}

// namespaces makes sure that what a target sets attributes of are namespaces.
func (r *run) namespaces(t *target, f *frame) {
	if t.attr != "" && f.at(t.name.slot).k != kNamespace {
		r.fail("cannot assign attribute on non-namespace object")
	}
	for _, item := range t.items {
		r.namespaces(item, f)
	}
}

func (n *assignNode) exec(r *run, f *frame) control {
	r.line = n.line
	r.namespaces(n.to, f)
	v := r.eval(n.value, f)
	r.assign(n.to, v, f)
	return goOn
}

func (n *assignBlockNode) exec(r *run, f *frame) control {
	r.enter(f, &n.scope)
	r.capture()
	c := r.body(n.body, f)
	v := text(r.take())
	if c != goOn {
		return c
	}
	r.line = n.line
	if n.filter != nil {
		v = n.filter.blockFilter(r, f, v)
	}
	r.assign(n.to, v, f)
	r.leave(f, &n.scope)
	return goOn
}

// blockFilter applies the filters of a block, of which the innermost has no operand.
func (n *filterNode) blockFilter(r *run, f *frame, v Value) Value {
	if n.of != nil {
		v = n.of.(*filterNode).blockFilter(r, f, v)
	}
	return n.apply(r, f, v)
}

func (n *filterBlockNode) exec(r *run, f *frame) control {
	r.enter(f, &n.scope)
	r.capture()
	c := r.body(n.body, f)
	v := text(r.take())
	if c != goOn {
		return c
	}
	r.line = n.line
	r.write(n.filter.blockFilter(r, f, v))
	r.leave(f, &n.scope)
	return goOn
}

func (n *ifNode) exec(r *run, f *frame) control {
	for i, test := range n.tests {
		r.line = n.line
		if r.eval(test, f).truth() {
			return r.body(n.then[i], f)
		}
	}
	if len(n.then) > len(n.tests) {
		return r.body(n.then[len(n.tests)], f)
	}
	return goOn
}

func (n *withNode) exec(r *run, f *frame) control {
	r.line = n.line
	r.enter(f, &n.scope)
	for i, t := range n.to {
		r.assign(t, r.eval(n.value[i], f), f)
	}
	c := r.body(n.body, f)
	if c == goOn {
		r.leave(f, &n.scope)
	}
	return c
}

func (n *jumpNode) exec(r *run, _ *frame) control {
	r.step()
	return n.control
}

func (n *macroNode) exec(r *run, f *frame) control {
	*f.at(n.to.slot) = n.value(r, f)
	return goOn
}

func (n *macroNode) value(r *run, f *frame) Value {
	r.step()
	r.room(bytesOfValue)
	return Value{k: kMacro, o: &macro{n, f}}
}

func (n *callBlockNode) exec(r *run, f *frame) control {
	r.line = n.line
	if n.call != nil {
		r.write(n.call.call(r, f, n.macro.value(r, f)))
		return goOn
	}
	// A generation block is the body of a macro that is called at once. Its text can stay where it is.
	from := len(r.out)
	r.capture()
	(&macro{&n.macro, f}).write(r, call{})
	r.captured = r.captured[:len(r.captured)-1]
	s := span{from, len(r.out), -1}
	if len(r.captured) > 0 {
		s = span{r.captured[0], r.captured[0], utf8.RuneCount(r.out[from:])}
		r.pay(len(r.out) - from)
	}
	r.room(bytesOfValue)
	r.spans = append(r.spans, s)
	return goOn
}

// macro is a macro in the frame where it was defined.
type macro struct {
	node    *macroNode
	defined *frame
}

func (m *macro) call(r *run, c call) Value {
	r.capture()
	m.write(r, c)
	return text(r.take())
}

// write runs a macro, which writes to the output.
func (m *macro) write(r *run, c call) {
	n := m.node
	if r.calls++; r.calls > maxCallDepth {
		r.fail("macros call each other deeper than %d", maxCallDepth)
	}
	r.roomFor(len(n.function.slots)+2, bytesOfValue)
	f := &frame{make([]Value, len(n.function.slots)), m.defined}
	m.pass(r, f, c)
	r.enter(f, &n.scope)
	for i := range n.params {
		param := &n.params[i]
		if at := f.at(param.name.slot); at.k != kMissing {
			continue
		}
		v := Value{k: kUndefined, n: undefinedHint, s: "parameter '" + param.name.name + "' was not provided"}
		if param.value != nil {
			v = r.eval(param.value, f)
		}
		*f.at(param.name.slot) = v
	}
	r.body(n.body, f)
	r.calls--
}

// pass puts the arguments of a call into their places, by the rules of jinja2's Macro.
func (m *macro) pass(r *run, f *frame, c call) {
	n := m.node
	given := min(len(c.args), len(n.params))
	for i := range given {
		*f.at(n.params[i].name.slot) = c.args[i]
	}
	left := c.named
	take := func(name string) (Value, bool) {
		for i := range left {
			if left[i].name == name {
				v := left[i].value
				left = append(left[:i:i], left[i+1:]...)
				return v, true
			}
		}
		return Value{}, false
	}
	foundCaller := given == len(n.params) && n.explicitCaller
	for _, param := range n.params[given:] {
		if v, ok := take(param.name.name); ok {
			*f.at(param.name.slot) = v
		}
		if param.name.name == "caller" {
			foundCaller = true
		}
	}
	if n.usesCaller && !foundCaller {
		v, ok := take("caller")
		if !ok || v.k == kNone {
			v = Value{k: kUndefined, n: undefinedHint, s: "No caller defined"}
		}
		*f.at(n.caller) = v
	}
	name := n.name
	if name == "" {
		name = "caller"
	}
	if n.usesKwargs {
		d := &dict{}
		for _, named := range left {
			r.put(d, text(named.name), named.value)
		}
		*f.at(n.kwargs) = dictOf(d)
	} else if len(left) > 0 {
		if left[0].name == "caller" {
			r.fail("macro '%s' was invoked with two values for the special caller argument. This is most likely a bug.", name)
		}
		r.fail("macro '%s' takes no keyword argument '%s'", name, left[0].name)
	}
	if n.usesVargs {
		more := c.args[given:]
		r.roomFor(len(more), bytesOfValue)
		*f.at(n.vargs) = tupleOf(append([]Value(nil), more...)...)
	} else if len(c.args) > len(n.params) {
		r.fail("macro '%s' takes not more than %d argument(s)", name, len(n.params))
	}
}
