package jinja

import (
	"slices"
	"sort"
)

// Which variable a name means is decided before anything is rendered, as jinja2's idtracking.py does: each scope
// (the template, a macro, the body of a loop, of with, of a block that is set or filtered) knows what it reads and
// sets, and a name that a scope sets is its own from the scope's beginning, with the value that the outer one had
// there. Scopes that jinja2 compiles to one Python function share a frame here.

// function is what has a frame of its own: the template, a macro, the test of a loop, a recursive loop.
type function struct {
	parent *function
	level  int
	slots  map[ident]int
}

// ident is a variable: scopes of one level in one function that use the same name use the same variable.
type ident struct {
	level int
	name  string
}

// scope is what has to be done when a scope is entered and left.
type scope struct {
	loads []load
	clear []int // slots that are unset in the end
}

type load struct {
	at     int
	action action
	from   slot // of an alias
	given  int  // of what is looked up: its place in the template's names
}

type action uint8

const (
	unset  action = iota // starts unset
	alias                // starts with the value of a variable further out
	lookup               // starts with what Render was given, or a global of that name
	argument
)

// symbols are the names of a scope.
type symbols struct {
	level  int
	parent *symbols
	refs   map[string]ident
	loads  map[ident]symbolLoad
	order  []ident
	stores map[string]bool
	stored []string // in order
}

type symbolLoad struct {
	action action
	from   ident
}

func (s *symbols) inner() *symbols {
	return &symbols{level: s.level + 1, parent: s}
}

func (s *symbols) find(name string) (ident, bool) {
	for ; s != nil; s = s.parent {
		if id, ok := s.refs[name]; ok {
			return id, true
		}
	}
	return ident{}, false
}

func (s *symbols) setLoad(id ident, l symbolLoad) {
	if s.loads == nil {
		s.loads = map[ident]symbolLoad{}
	}
	if _, ok := s.loads[id]; !ok {
		s.order = append(s.order, id)
	}
	s.loads[id] = l
}

func (s *symbols) define(name string, l symbolLoad) {
	id := ident{s.level, name}
	if s.refs == nil {
		s.refs = map[string]ident{}
	}
	s.refs[name] = id
	s.setLoad(id, l)
}

func (s *symbols) mark(name string) {
	if s.stores == nil {
		s.stores = map[string]bool{}
	}
	if !s.stores[name] {
		s.stores[name] = true
		s.stored = append(s.stored, name)
	}
}

func (s *symbols) store(name string) {
	s.mark(name)
	if _, ok := s.refs[name]; ok {
		return
	}
	if outer, ok := s.parent.find(name); ok {
		s.define(name, symbolLoad{alias, outer})
		return
	}
	s.define(name, symbolLoad{action: unset})
}

func (s *symbols) declare(name string) {
	s.mark(name)
	s.define(name, symbolLoad{action: argument})
}

func (s *symbols) read(name string) {
	if _, ok := s.find(name); !ok {
		s.define(name, symbolLoad{action: lookup})
	}
}

// The see methods find what a scope's statements read and set. They stop where an inner scope begins.

func (s *symbols) seeExpr(n node) {
	switch n := n.(type) {
	case nil:
	case *nameNode:
		s.read(n.name)
	case *constNode:
	default:
		n.each(s.seeExpr)
	}
}

func (s *symbols) seeFilter(n *filterNode) {
	if n != nil {
		s.seeExpr(n)
	}
}

func (s *symbols) seeTarget(t *target, as func(string)) {
	switch {
	case t.attr != "":
		s.read(t.name.name)
	case t.name != nil:
		as(t.name.name)
	}
	for _, item := range t.items {
		s.seeTarget(item, as)
	}
}

func (s *symbols) see(body []statement) {
	for _, n := range body {
		switch n := n.(type) {
		case *outputNode:
			for _, part := range n.parts {
				s.seeExpr(part)
			}
		case *assignNode:
			s.seeExpr(n.value)
			s.seeTarget(n.to, s.store)
		case *assignBlockNode:
			s.seeTarget(n.to, s.store)
		case *ifNode:
			s.seeIf(n)
		case *forNode:
			s.seeExpr(n.over)
		case *macroNode:
			s.store(n.name)
		case *callBlockNode:
			if n.call != nil {
				s.seeExpr(n.call)
			}
		case *filterBlockNode:
			s.seeFilter(n.filter)
		case *withNode:
			for _, v := range n.value {
				s.seeExpr(v)
			}
		}
	}
}

// seeIf sees all branches. What only branches set starts with the value further out, or with what Render was given:
// which branch will be taken is not known.
func (s *symbols) seeIf(n *ifNode) {
	s.seeExpr(n.tests[0])
	before := len(s.stored)
	for i, body := range n.then {
		if i > 0 && i < len(n.tests) {
			s.seeExpr(n.tests[i])
		}
		s.see(body)
	}
	for _, name := range s.stored[before:] {
		id := s.refs[name]
		if outer, ok := s.parent.find(name); ok {
			s.setLoad(id, symbolLoad{alias, outer})
		} else {
			s.setLoad(id, symbolLoad{action: lookup})
		}
	}
}

// resolver gives names their slots.
type resolver struct {
	names  []string // that are looked up, in the order of their first use
	places map[string]int
	// generation says that there is a block of that name.
	generation bool
	loops      int // that statements are in, within their function
}

// place is a scope in its function.
type place struct {
	*symbols
	function *function
	// soft scopes are branches: a filter that does not exist is an error only when it is used.
	soft bool
}

func resolve(body []statement) (top function, s scope, r *resolver) {
	r = &resolver{places: map[string]int{}}
	root := place{symbols: &symbols{}, function: &top}
	top.slots = map[ident]int{}
	root.see(body)
	s = r.enter(root)
	r.statements(root, body)
	return top, s, r
}

func (r *resolver) given(name string) int {
	at, ok := r.places[name]
	if !ok {
		at = len(r.names)
		r.places[name] = at
		r.names = append(r.names, name)
	}
	return at
}

// slot is where a variable is, seen from a function.
func (f *function) slot(id ident) slot {
	up := 0
	for id.level < f.level {
		f = f.parent
		up++
	}
	at, ok := f.slots[id]
	if !ok {
		at = len(f.slots)
		f.slots[id] = at
	}
	return slot{up, at}
}

func (r *resolver) enter(p place) scope {
	var s scope
	for _, id := range p.order {
		l := p.loads[id]
		at := p.function.slot(id).at
		s.clear = append(s.clear, at)
		switch l.action {
		case unset:
			s.loads = append(s.loads, load{at: at})
		case alias:
			s.loads = append(s.loads, load{at: at, action: alias, from: p.function.slot(l.from)})
		case lookup:
			s.loads = append(s.loads, load{at: at, action: lookup, given: r.given(id.name)})
		}
	}
	return s
}

func (r *resolver) name(p place, n *nameNode) {
	id, ok := p.find(n.name)
	if !ok {
		// jinja2 does not see the names in the arguments of {% set x | filter(...) %} and gives up too.
		raise(0, "the name %q cannot be used here", n.name)
	}
	n.slot = p.function.slot(id)
}

func (r *resolver) expr(p place, n node) {
	switch n := n.(type) {
	case nil:
		return
	case *constNode:
		return
	case *nameNode:
		r.name(p, n)
		return
	case *conditionNode:
		p.soft = true
	case *filterNode:
		if n.filter == nil && !p.soft {
			raise(n.line, "No filter named '%s'.", n.name)
		}
	case *testNode:
		if n.test == nil && !p.soft {
			raise(n.line, "No test named '%s'.", n.name)
		}
	}
	n.each(func(inner node) { r.expr(p, inner) })
}

func (r *resolver) target(p place, t *target) {
	if t.name != nil {
		r.name(p, t.name)
	}
	for _, item := range t.items {
		r.target(p, item)
	}
}

func (p place) inner() place {
	return place{symbols: p.symbols.inner(), function: p.function}
}

// within is a scope that is a function of its own.
func (p place) within(f *function) place {
	q := p.inner()
	*f = function{parent: p.function, level: q.level, slots: map[ident]int{}}
	q.function = f
	return q
}

func (r *resolver) statements(p place, body []statement) {
	for _, n := range body {
		r.statement(p, n)
	}
}

func (r *resolver) statement(p place, n statement) {
	switch n := n.(type) {
	case *outputNode:
		for _, part := range n.parts {
			r.expr(p, part)
		}
	case *assignNode:
		r.target(p, n.to)
		r.expr(p, n.value)
	case *assignBlockNode:
		q := p.inner()
		q.see(n.body)
		n.scope = r.enter(q)
		r.statements(q, n.body)
		r.target(p, n.to)
		if n.filter != nil {
			r.expr(q, n.filter)
		}
	case *ifNode:
		p.soft = true
		for _, test := range n.tests {
			r.expr(p, test)
		}
		for _, body := range n.then {
			r.statements(p, body)
		}
	case *forNode:
		r.loop(p, n)
	case *macroNode:
		r.macro(p, n)
		r.name(p, n.to)
	case *callBlockNode:
		if n.call == nil {
			r.generation = true
		} else {
			r.expr(p, n.call)
		}
		r.macro(p, &n.macro)
	case *filterBlockNode:
		q := p.inner()
		q.see(n.body)
		q.seeFilter(n.filter)
		n.scope = r.enter(q)
		r.statements(q, n.body)
		r.expr(q, n.filter)
	case *withNode:
		q := p.inner()
		for _, t := range n.to {
			q.seeTarget(t, q.declare)
		}
		q.see(n.body)
		n.scope = r.enter(q)
		for _, t := range n.to {
			r.target(q, t)
		}
		for _, v := range n.value {
			r.expr(p, v)
		}
		r.statements(q, n.body)
	case *jumpNode:
		if r.loops == 0 {
			raise(n.line, "'break' or 'continue' outside of a loop")
		}
	}
}

func (r *resolver) loop(p place, n *forNode) {
	inner := p.inner()
	orElse := p.inner()
	outside := r.loops
	if n.recursive {
		inner = p.within(&n.bodyFunc)
		orElse.function = &n.bodyFunc
	}
	if n.usesLoop {
		inner.declare("loop")
	}
	if assignsLoop(n) {
		raise(n.line, "Can't assign to special loop variable in for-loop target")
	}
	inner.seeTarget(n.to, inner.declare)
	inner.see(n.body)
	orElse.see(n.orElse)
	if n.test != nil {
		test := p.within(&n.testFunc)
		if n.recursive {
			// The test's function stands beside that of the loop, in the function around both.
			n.testFunc.parent = p.function
		}
		test.seeTarget(n.testTo, test.declare)
		test.seeExpr(n.test)
		n.testScope = r.enter(test)
		r.target(test, n.testTo)
		r.expr(test, n.test)
	}
	n.scope = r.enter(inner)
	r.target(inner, n.to)
	if n.usesLoop {
		n.loop = inner.function.slot(inner.refs["loop"])
	}
	r.expr(p, n.over)
	r.loops++
	if n.recursive {
		r.loops = 1
	}
	r.statements(inner, n.body)
	r.loops = outside
	n.elseScope = r.enter(orElse)
	if n.recursive {
		r.loops = 0
	}
	r.statements(orElse, n.orElse)
	r.loops = outside
}

// assignsLoop says whether "loop" is set anywhere in a loop.
func assignsLoop(n *forNode) bool {
	found := false
	s := &symbols{}
	check := func(name string) { found = found || name == "loop" }
	s.seeTarget(n.to, check)
	var walk func(body []statement)
	walk = func(body []statement) {
		for _, n := range body {
			switch n := n.(type) {
			case *assignNode:
				s.seeTarget(n.to, check)
			case *assignBlockNode:
				s.seeTarget(n.to, check)
				walk(n.body)
			case *ifNode:
				for _, body := range n.then {
					walk(body)
				}
			case *forNode:
				s.seeTarget(n.to, check)
				walk(n.body)
				walk(n.orElse)
			case *macroNode:
				walk(n.body)
			case *callBlockNode:
				walk(n.macro.body)
			case *filterBlockNode:
				walk(n.body)
			case *withNode:
				walk(n.body)
			}
		}
	}
	walk(n.body)
	walk(n.orElse)
	return found
}

func (r *resolver) macro(p place, m *macroNode) {
	q := p.within(&m.function)
	see := func() {
		for _, param := range m.params {
			q.declare(param.name.name)
		}
		for _, param := range m.params {
			q.seeExpr(param.value)
		}
		q.see(m.body)
	}
	see()
	isParam := func(name string) bool {
		return slices.ContainsFunc(m.params, func(param parameter) bool { return param.name.name == name })
	}
	m.usesKwargs = m.usesKwargs && !isParam("kwargs")
	m.usesVargs = m.usesVargs && !isParam("varargs")
	special := func(uses bool, name string, at *slot) {
		if uses {
			q.declare(name)
			*at = q.function.slot(q.refs[name])
		}
	}
	special(m.usesCaller && !m.explicitCaller, "caller", &m.caller)
	special(m.usesKwargs, "kwargs", &m.kwargs)
	special(m.usesVargs, "varargs", &m.vargs)
	m.scope = r.enter(q)
	for _, param := range m.params {
		r.name(q, param.name)
		r.expr(q, param.value)
	}
	loops := r.loops
	r.loops = 0
	r.statements(q, m.body)
	r.loops = loops
}

// variables are the names that a template reads and does not set, apart from the globals.
func (r *resolver) variables() []string {
	var names []string
	for _, name := range r.names {
		if findGlobal(name) == nil {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
