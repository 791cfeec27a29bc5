// Package segment cuts a text into units to translate and a skeleton that stays: list markers, quotes, table rules, code
// blocks, blank lines.
//
// Read segment.go first, then blocks.go (the line-driven lexer), units.go, wrap.go (hard-wrapped lines), sentences.go.
package segment

// Span is text[Start:End].
type Span struct{ Start, End int }

// Kind is what a block is.
type Kind uint8

// Block is a run of whole lines of one kind; blocks concatenate to the text.
type Block struct {
	Kind       Kind
	Start, End int
}

// Blocks appends the blocks of text to dst: every byte belongs to exactly one.
func Blocks(dst []Block, text string) []Block { panic("unwritten") }

// Unit is what is translated as one: the body of a line, a cell of a table, or the bodies of hard-wrapped lines. Its spans
// hold no line feed, and at least one letter.
type Unit struct{ Lines []Span }

// Text is the unit as one line: the bodies of several, joined by spaces.
func (u Unit) Text(text string) string { panic("unwritten") }

// Units appends the units of text to dst, in order; what lies between them is the skeleton.
func Units(dst []Unit, text string) []Unit { panic("unwritten") }

// Replace is text with targets, one a unit, in place of the units. The target of a unit of several lines is wrapped to as
// many lines.
func Replace(text string, units []Unit, targets []string) string { panic("unwritten") }

// SameStructure says in what the blocks, lines or markers of target are others than those of source; "" if in nothing.
func SameStructure(source, target string) string { panic("unwritten") }

// Sentences appends the ends of the sentences of a unit's text to dst, in bytes; the last is len(text). White space behind a
// sentence belongs to it.
func Sentences(dst []int, text string) []int { panic("unwritten") }
