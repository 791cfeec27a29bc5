package jinja

import (
	"slices"
	"sort"
)

// global is a function that every template has.
type global struct {
	name string
	call func(r *run, c call) Value
}

// globals are those of jinja2's defaults.py, with range as the sandbox has it and what transformers adds.
var globals = []global{
	{"cycler", globalCycler},
	{"dict", globalDict},
	{"joiner", globalJoiner},
	{"lipsum", globalLipsum},
	{"namespace", globalNamespace},
	{"raise_exception", globalRaise},
	{"range", globalRange},
	{"strftime_now", globalStrftime},
}

func findGlobal(name string) *global {
	i := sort.Search(len(globals), func(i int) bool { return globals[i].name >= name })
	if i < len(globals) && globals[i].name == name {
		return &globals[i]
	}
	return nil
}

func globalRaise(r *run, c call) Value {
	v := r.bind("raise_exception", []string{"message"}, 1, c)[0]
	// What is not a string is printed by Python when the exception is.
	problem := ""
	if v.k != kUndefined {
		problem = r.str(v)
	}
	panic(&Error{Line: r.line, Problem: problem, Raised: true})
}

func globalStrftime(r *run, c call) Value {
	v := r.bind("strftime_now", []string{"format"}, 1, c)[0]
	format := r.wantString(v, "strftime_now's format")
	if r.now.IsZero() {
		r.fail("strftime_now is called, and no time is set: what is rendered must not depend on when")
	}
	return text(r.strftime(format))
}

func globalRange(r *run, c call) Value {
	if len(c.named) > 0 {
		r.fail("range() takes no keyword arguments")
	}
	if len(c.args) < 1 || len(c.args) > 3 {
		r.fail("range expected 1 to 3 arguments, got %d", len(c.args))
	}
	var n [3]int64
	for i, arg := range c.args {
		r.index(arg)
		if arg.k == kBig {
			r.fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
		}
		n[i] = arg.n
	}
	p := &pyRange{0, n[0], 1}
	if len(c.args) > 1 {
		p.start, p.stop = n[0], n[1]
	}
	if len(c.args) > 2 {
		if p.step = n[2]; p.step == 0 {
			r.fail("range() arg 3 must not be zero")
		}
	}
	if p.len() > maxRange {
		r.fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return Value{k: kRange, o: p}
}

// newDict is Python's dict(...) of a mapping or of pairs, and of named values.
func (r *run) newDict(name string, c call) *dict {
	if len(c.args) > 1 {
		r.fail("%s expected at most 1 argument, got %d", name, len(c.args))
	}
	d := &dict{}
	if len(c.args) == 1 {
		from := c.args[0]
		if from.k == kDict {
			for i, key := range from.dict().keys {
				r.put(d, key, from.dict().vals[i])
			}
		} else {
			it := r.iterate(from)
			for {
				item, ok := it.next(r)
				if !ok {
					break
				}
				two := r.unpack(item, 2)
				r.put(d, two[0], two[1])
			}
		}
	}
	for _, named := range c.named {
		r.put(d, text(named.name), named.value)
	}
	return d
}

func globalDict(r *run, c call) Value { return dictOf(r.newDict("dict", c)) }

func globalNamespace(r *run, c call) Value {
	d := r.newDict("namespace", c)
	for _, key := range d.keys {
		if key.k == kString && key.s != "" && key.s[0] == '_' {
			r.fail("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'. Please rename the attribute.", key.s)
		}
	}
	return Value{k: kNamespace, o: d}
}

func globalLipsum(r *run, _ call) Value {
	r.fail("lipsum makes text by chance, which is not supported")
	return none
}

type cycler struct {
	items []Value
	pos   int
}

func globalCycler(r *run, c call) Value {
	if len(c.args) == 0 || len(c.named) > 0 {
		r.fail("at least one item has to be provided")
	}
	r.roomFor(len(c.args), bytesOfValue)
	return Value{k: kCycler, o: &cycler{items: slices.Clone(c.args)}}
}

func cyclerNext(_ *run, of Value, _ []Value) Value {
	c := of.o.(*cycler)
	v := c.items[c.pos]
	c.pos = (c.pos + 1) % len(c.items)
	return v
}

func cyclerReset(_ *run, of Value, _ []Value) Value {
	of.o.(*cycler).pos = 0
	return none
}

type joiner struct {
	separator Value
	used      bool
}

func globalJoiner(r *run, c call) Value {
	v := or(r.bind("joiner", []string{"sep"}, 0, c)[0], text(", "))
	return Value{k: kJoiner, o: &joiner{separator: v}}
}
