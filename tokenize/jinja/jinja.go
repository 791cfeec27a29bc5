// Package jinja renders chat templates: the part of Jinja that they use, as transformers runs it
// (utils/chat_template_utils.py: an immutable sandbox with trim_blocks, lstrip_blocks, loop controls, {% generation %},
// raise_exception, strftime_now and a tojson that is Python's json.dumps).
//
// Templates come from strangers: steps, output, depth and the size of values are bounded.
//
// A template is cut into tokens (lexer.go), read into statements and expressions (parser.go, expressions.go), each name
// of which gets a place (scope.go), and rendered by walking them (exec.go, eval.go). Values are Python's (value.go and
// its neighbours), because a template sees them as such: 1 and 1.0 are one key, True prints as "True".
package jinja

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Template is a template made ready. It is immutable and may be shared.
type Template struct {
	source     string
	body       []statement
	function   function
	scope      scope
	names      []string // that are looked up among what is given
	globals    []Value  // of those names
	variables  []string
	generation bool
}

// Error is what is wrong with a template, or with what it was given.
type Error struct {
	Line    int // of the template, from 1; 0 if no line is at fault
	Problem string
	// Raised says that the template has called raise_exception with Problem: it refuses these messages.
	Raised bool
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return "template: " + e.Problem
	}
	return fmt.Sprintf("template, line %d: %s", e.Line, e.Problem)
}

// caught makes an error of what raise has thrown.
func caught(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case *Error:
		*err = thrown
	default:
		panic(thrown)
	}
}

// Parse reads a template of up to 1 MiB. Its error is an *Error.
func Parse(source string) (t *Template, err error) {
	defer caught(&err)
	if len(source) > maxSource {
		raise(0, "a template of %d bytes; the limit is %d", len(source), maxSource)
	}
	if !utf8.ValidString(source) {
		raise(0, "the template is not UTF-8")
	}
	read := &Template{source: source, body: parse(source)}
	var r *resolver
	read.function, read.scope, r = resolve(read.body)
	read.names = r.names
	read.globals = make([]Value, len(r.names))
	for i, name := range r.names {
		if g := findGlobal(name); g != nil {
			read.globals[i] = Value{k: kFunction, o: g}
		}
	}
	read.variables = r.variables()
	read.generation = r.generation
	return read, nil
}

// Source is what Parse was given.
func (t *Template) Source() string { return t.source }

// HasGeneration says whether a {% generation %} block stands in the template.
func (t *Template) HasGeneration() bool { return t.generation }

// Variables are the names that the template reads and does not set itself, sorted.
func (t *Template) Variables() []string { return append([]string(nil), t.variables...) }

// Var is a variable for a template.
type Var struct {
	Name  string
	Value Value
}

// Options of Render. Zero values are the defaults.
type Options struct {
	// MaxOutput bounds what is written, in bytes; 64 MiB by default. Each string or list that is made on the way may be
	// as large (or 1 MiB), and all that is made on the way, together, may take four times as much.
	MaxOutput int
	MaxSteps  int // nodes evaluated, or 64 bytes looked at; 10,000,000 by default
	// Now is the time for strftime_now. If it is zero, calling that is an error: what is rendered must not depend on
	// when.
	Now time.Time
}

// Rendered is what a template made of its variables.
type Rendered struct {
	Text []byte
	// Generated has the bytes [from, to) of Text that {% generation %} blocks made, in the order in which they ended.
	// Of a block inside of a macro, a call, a filter or a set block transformers counts the text as if it stood where
	// the output had come to when the block ended, and so does this; it never reaches behind Text.
	Generated [][2]int
}

// Render renders. Its error is an *Error. A variable that is not given is undefined; of a name that is given twice the
// last value counts.
func (t *Template) Render(vars []Var, o Options) (rendered Rendered, err error) {
	if o.MaxOutput <= 0 {
		o.MaxOutput = defaultMaxOutput
	}
	if o.MaxSteps <= 0 {
		o.MaxSteps = defaultMaxSteps
	}
	defer caught(&err)
	r := &run{
		tables:    &everything,
		given:     make([]Value, len(t.names)),
		now:       o.Now,
		maxSteps:  o.MaxSteps,
		steps:     o.MaxSteps,
		maxOutput: o.MaxOutput,
		maxValue:  max(o.MaxOutput, leastMaxValue),
	}
	r.built = builtPerValue * min(r.maxValue, math.MaxInt/builtPerValue)
	for i, name := range t.names {
		r.given[i] = t.globals[i]
		for _, v := range vars {
			if v.Name == name && v.Value.k != kMissing {
				r.given[i] = v.Value
			}
		}
	}
	r.out = make([]byte, 0, 1024)
	f := &frame{slots: make([]Value, len(t.function.slots))}
	r.enter(f, &t.scope)
	r.body(t.body, f)
	return Rendered{r.out, r.generated()}, nil
}

// generated are the spans in bytes.
func (r *run) generated() [][2]int {
	if r.spans == nil {
		return nil
	}
	generated := make([][2]int, 0, len(r.spans))
	for _, s := range r.spans {
		if s.runes >= 0 {
			// As many characters as the block made, of what came to stand there.
			s.to = s.from
			for ; s.runes > 0 && s.to < len(r.out); s.runes-- {
				r.pay(bytesPerStep)
				_, n := utf8.DecodeRune(r.out[s.to:])
				s.to += n
			}
		}
		generated = append(generated, [2]int{s.from, s.to})
	}
	return generated
}
