package jinja

import "fmt"

// Bounds of a template and of what it makes. Templates come from strangers: what costs memory or time is paid for
// before it is made, with (*run).pay and (*run).room, and what goes deep is counted.
const (
	maxSource    = 1 << 20   // bytes of a template; the largest that models ship have 30 KB
	maxHeight    = 500       // of the tree of an expression
	maxNesting   = 100       // statements inside statements; Python itself takes at most 100 levels of indentation
	maxCallDepth = 150       // macros that call macros; Python's recursion limit of 1000 ends a template at about 200
	maxDepth     = 500       // of values that are printed, compared or read from JSON
	maxRange     = 100_000   // items of range(); MAX_RANGE of jinja2's sandbox.py
	maxIntBits   = 1 << 16   // of an integer that arithmetic makes
	maxIntDigits = 4300      // of an integer that is read or printed; sys.int_info.default_max_str_digits of Python
	maxWidth     = 1_000_000 // of a field in a format

	defaultMaxOutput = 64 << 20
	defaultMaxSteps  = 10_000_000

	// A value that is built on the way may be as large as what may be written, or as this: a small limit is one for the
	// output. All of them together may take builtPerValue times as much: Go gives memory back when it likes, so what is
	// alive cannot be counted.
	leastMaxValue = 1 << 20
	builtPerValue = 4

	maxHashed = 1 << 10 // bytes of a tuple, or bits of an integer, that is a key

	// What a step pays for: bytes looked at or copied, at about what a memory pass does while a node is evaluated.
	bytesPerStep = 64
	bytesOfValue = 48
)

// raise ends a rendering or a parse with an *Error; Parse and Render recover it.
func raise(line int, format string, args ...any) {
	problem := format
	if len(args) > 0 {
		problem = fmt.Sprintf(format, args...)
	}
	panic(&Error{Line: line, Problem: problem})
}

// fail ends the rendering at the line that is being rendered.
func (r *run) fail(format string, args ...any) {
	raise(r.line, format, args...)
}

// step pays for one node.
func (r *run) step() {
	r.steps--
	if r.steps < 0 {
		r.tooLong()
	}
}

// pay pays for looking at n bytes.
func (r *run) pay(n int) {
	r.steps -= n / bytesPerStep
	if r.steps < 0 {
		r.tooLong()
	}
}

func (r *run) tooLong() {
	r.fail("the template has not ended after %d steps", r.maxSteps)
}

// room makes sure that n bytes more may be built, and pays for them.
func (r *run) room(n int) {
	r.pay(n)
	r.built -= n
	if n < 0 || n > r.maxValue || r.built < 0 {
		r.fail("the template builds more than its limit of %d bytes", r.maxValue)
	}
}

// roomFor makes sure that n times size bytes may be built.
func (r *run) roomFor(n, size int) {
	if size > 0 && n > r.maxValue/size {
		r.room(r.maxValue + 1)
	}
	r.room(n * size)
}
