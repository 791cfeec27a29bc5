// Package jinja renders chat templates: the part of Jinja that they use, as transformers runs it
// (utils/chat_template_utils.py: an immutable sandbox with trim_blocks, lstrip_blocks, loop controls, {% generation %},
// raise_exception, strftime_now and a tojson that is Python's json.dumps).
//
// Templates come from strangers: steps, output, depth and the size of values are bounded.
package jinja

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Template is a template made ready. It is immutable and may be shared.
type Template struct{}

// Error is what is wrong with a template, or with what it was given.
type Error struct {
	Line    int // of the template, from 1
	Problem string
	// Raised says that the template has called raise_exception with Problem: it refuses these messages.
	Raised bool
}

func (e *Error) Error() string { panic("unwritten") }

// Parse reads a template. Its error is an *Error.
func Parse(source string) (*Template, error) { panic("unwritten") }

// Source is what Parse was given.
func (t *Template) Source() string { panic("unwritten") }

// HasGeneration says whether a {% generation %} block stands in the template.
func (t *Template) HasGeneration() bool { panic("unwritten") }

// Variables are the names that the template reads and does not set itself, sorted.
func (t *Template) Variables() []string { panic("unwritten") }

// Value is a value of a template: none, a boolean, an integer, a float, a string, a list, an ordered mapping, or
// something that only templates make.
type Value struct{ _ any }

// FromJSON is a JSON value: objects keep their order, and numbers are integers where they are written as such, of any
// size.
func FromJSON(v jsontext.Value) (Value, error) { panic("unwritten") }

// String is a string.
func String(s string) Value { panic("unwritten") }

// Bool is a boolean.
func Bool(b bool) Value { panic("unwritten") }

// Var is a variable for a template.
type Var struct {
	Name  string
	Value Value
}

// Options of Render. Zero values are the defaults.
type Options struct {
	MaxOutput int // bytes; 64 MiB by default, which also bounds all that is built on the way
	MaxSteps  int // nodes evaluated; 10,000,000 by default
	// Now is the time for strftime_now. If it is zero, calling that is an error: what is rendered must not depend on
	// when.
	Now time.Time
}

// Rendered is what a template made of its variables.
type Rendered struct {
	Text []byte
	// Generated has the bytes [from, to) of Text that {% generation %} blocks made, in order.
	Generated [][2]int
}

// Render renders. Its error is an *Error. A variable that is not given is undefined.
func (t *Template) Render(vars []Var, o Options) (Rendered, error) { panic("unwritten") }
