package jinja

import (
	"slices"
)

// loop is the variable of that name in a loop, and what goes through the items.
type loop struct {
	over    *iterator
	of      Value // what is iterated over, for its length
	size    int   // -1 if it is not known
	index0  int
	current Value
	before  Value
	after   Value // the next item, if it was looked at already
	changes []Value
	called  bool // changed()
	node    *forNode
	defined *frame // of a recursive loop
	depth0  int
}

func (n *forNode) exec(r *run, f *frame) control {
	r.line = n.line
	if n.recursive {
		l := &loop{node: n, defined: f}
		r.capture()
		l.render(r, r.eval(n.over, f), 0)
		r.write(text(r.take()))
		return goOn
	}
	over := r.eval(n.over, f)
	if !n.usesLoop && n.test == nil && (over.k == kList || over.k == kTuple) {
		return n.plain(r, f, over.list().items)
	}
	l := &loop{size: -1, node: n, index0: -1}
	l.start(r, f, over)
	return l.run(r, f)
}

// plain goes through the items of a list, if nobody asks how far it has come.
func (n *forNode) plain(r *run, f *frame, items []Value) control {
	empty := true
	for _, item := range items {
		r.assign(n.to, item, f)
		r.enter(f, &n.scope)
		c := r.body(n.body, f)
		if c == breakLoop {
			break
		}
		if c == goOn {
			empty = false
		}
	}
	r.leave(f, &n.scope)
	return n.otherwise(r, f, empty)
}

// otherwise is the else of a loop: as jinja2 does it, for loops none of whose rounds has come to its end.
func (n *forNode) otherwise(r *run, f *frame, empty bool) control {
	if !empty || n.orElse == nil {
		return goOn
	}
	r.enter(f, &n.elseScope)
	c := r.body(n.orElse, f)
	if c == goOn {
		r.leave(f, &n.elseScope)
	}
	return c
}

// start sets what a loop goes through; outer is the frame around the loop, in which its test lives.
func (l *loop) start(r *run, outer *frame, over Value) {
	l.over, l.of = r.iterate(over), over
	n := l.node
	if n.test == nil {
		return
	}
	from := l.over
	l.of = Value{}
	var f *frame
	l.over = &iterator{more: func(r *run) (Value, bool) {
		if f == nil {
			r.roomFor(len(n.testFunc.slots)+2, bytesOfValue)
			f = &frame{make([]Value, len(n.testFunc.slots)), outer}
			r.enter(f, &n.testScope)
		}
		for {
			item, ok := from.next(r)
			if !ok {
				return Value{}, false
			}
			r.assign(n.testTo, item, f)
			if r.eval(n.test, f).truth() {
				return item, true
			}
		}
	}}
}

func (l *loop) run(r *run, f *frame) control {
	n := l.node
	empty := true
	for {
		item, ok := l.step(r)
		if !ok {
			break
		}
		r.assign(n.to, item, f)
		if n.usesLoop {
			*f.at(n.loop) = Value{k: kLoop, o: l}
		}
		r.enter(f, &n.scope)
		c := r.body(n.body, f)
		if c == breakLoop {
			break
		}
		if c == goOn {
			empty = false
		}
	}
	r.leave(f, &n.scope)
	return n.otherwise(r, f, empty)
}

// render runs a recursive loop over some items.
func (l *loop) render(r *run, over Value, depth int) {
	if r.calls++; r.calls > maxCallDepth {
		r.fail("loops call themselves deeper than %d", maxCallDepth)
	}
	n := l.node
	r.roomFor(len(n.bodyFunc.slots)+4, bytesOfValue)
	f := &frame{make([]Value, len(n.bodyFunc.slots)), l.defined}
	inner := &loop{size: -1, index0: -1, node: n, defined: l.defined, depth0: depth}
	inner.start(r, l.defined, over)
	inner.run(r, f)
	r.calls--
}

// recur is loop(items) in a recursive loop.
func (l *loop) recur(r *run, c call) Value {
	if !l.node.recursive {
		r.fail("The loop must have the 'recursive' marker to be called recursively.")
	}
	v := r.bind("loop", []string{"iterable"}, 1, c)[0]
	r.capture()
	l.render(r, v, l.depth0+1)
	return text(r.take())
}

func (l *loop) step(r *run) (Value, bool) {
	v := l.after
	l.after = Value{}
	if v.k == kMissing {
		var ok bool
		if v, ok = l.over.next(r); !ok {
			return v, false
		}
	}
	l.index0++
	l.before, l.current = l.current, v
	return v, true
}

func (l *loop) peek(r *run) (Value, bool) {
	if l.after.k == kMissing {
		var ok bool
		if l.after, ok = l.over.next(r); !ok {
			l.after = Value{}
			return Value{}, false
		}
	}
	return l.after, true
}

func (l *loop) length(r *run) int {
	if l.size >= 0 {
		return l.size
	}
	if n, ok := r.length(l.of); ok && l.of.k != kMissing {
		l.size = n
		return n
	}
	rest := r.rest(l.over)
	l.over = &iterator{items: rest}
	l.size = len(rest) + l.index0 + 1
	if l.after.k != kMissing {
		l.size++
	}
	return l.size
}

func (l *loop) attribute(r *run, name string) (Value, bool) {
	switch name {
	case "index":
		return integer(l.index0 + 1), true
	case "index0":
		return integer(l.index0), true
	case "first":
		return boolean(l.index0 == 0), true
	case "last":
		_, ok := l.peek(r)
		return boolean(!ok), true
	case "length":
		return integer(l.length(r)), true
	case "revindex":
		return integer(l.length(r) - l.index0), true
	case "revindex0":
		return integer(l.length(r) - l.index0 - 1), true
	case "previtem":
		if l.index0 == 0 {
			return Value{k: kUndefined, n: undefinedHint, s: "there is no previous item"}, true
		}
		return l.before, true
	case "nextitem":
		if v, ok := l.peek(r); ok {
			return v, true
		}
		return Value{k: kUndefined, n: undefinedHint, s: "there is no next item"}, true
	case "depth":
		return integer(l.depth0 + 1), true
	case "depth0":
		return integer(l.depth0), true
	}
	return Value{}, false
}

// cycle and changed are the methods of a loop.

func loopCycle(r *run, of Value, c call) Value {
	if len(c.args) == 0 || len(c.named) > 0 {
		r.fail("no items for cycling given")
	}
	return c.args[of.o.(*loop).index0%len(c.args)]
}

func loopChanged(r *run, of Value, c call) Value {
	l := of.o.(*loop)
	if len(c.named) > 0 {
		r.fail("changed() takes no keyword arguments")
	}
	if l.called && r.equal(tupleOf(l.changes...), tupleOf(c.args...), 0) {
		return boolean(false)
	}
	l.called = true
	l.changes = slices.Clone(c.args)
	return boolean(true)
}
