// Package segment cuts a text into units to translate and a skeleton that stays: list markers, quotes, table rules, code
// blocks, blank lines.
//
// Read segment.go first, then lines.go (what a line is), blocks.go (the line-driven lexer; fences.go, maths.go, tags.go,
// tables.go, data.go, yaml.go and code.go recognise the blocks), prefix.go (what of a line of prose is not its body), units.go,
// wrap.go (hard-wrapped lines), structure.go (are two texts built alike), sentences.go.
package segment

import "strings"

// Span is text[Start:End].
type Span struct{ Start, End int }

// Kind is what a block is.
type Kind uint8

// The kinds. Units come from Prose and Table alone; lines of all others are skeleton as they are.
const (
	Blank       Kind = iota // white space and quote marks
	Prose                   // anything else
	Table                   // rows of a pipe table, its delimiter row with them
	Fence                   // ``` or ~~~, to its closing fence or the end
	Code                    // indented code, and code without a fence, if it looks like it
	Math                    // $$ … $$ and \[ … \]
	Environment             // \begin{X} … \end{X}
	Markup                  // lines of nothing but tags, comments, definitions of links
	Tagged                  // <tool_call> … </tool_call>, <script>, <pre> and others whose content is no text
	Data                    // JSON, YAML, front matter, CSV
	Rule                    // --- and the like
	Tokens                  // lines of nothing but tokens of a chat template: <|im_start|>user
)

var kindNames = [...]string{
	"blank", "prose", "table", "fence", "code", "math", "environment", "markup", "tagged", "data", "rule", "tokens",
}

func (k Kind) String() string { return kindNames[k] }

// Block is a run of whole lines of one kind; blocks concatenate to the text.
type Block struct {
	Kind       Kind
	Start, End int
}

// Blocks appends the blocks of text to dst: every byte belongs to exactly one.
func Blocks(dst []Block, text string) []Block {
	for _, l := range lex(text) {
		if l.first {
			dst = append(dst, Block{l.kind, l.start, l.next})
		} else {
			dst[len(dst)-1].End = l.next
		}
	}
	return dst
}

// Unit is what is translated as one: the body of a line, a cell of a table, or the bodies of hard-wrapped lines. Its spans
// hold no line feed and no other end of a line (see lines.go), no tab, and together at least one letter.
type Unit struct{ Lines []Span }

// Text is the unit as one line: the bodies of several, joined by spaces.
func (u Unit) Text(text string) string {
	if len(u.Lines) == 1 {
		return text[u.Lines[0].Start:u.Lines[0].End]
	}
	var b strings.Builder
	for i, s := range u.Lines {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text[s.Start:s.End])
	}
	return b.String()
}

// Replace is text with targets, one a unit, in place of the units. The target of a unit of several lines is wrapped to as
// many lines; if it has fewer words than there are lines, the last of these lines stay empty. A target that equals its
// unit's Text leaves the bytes as they are.
func Replace(text string, units []Unit, targets []string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	at := 0
	for i, u := range units {
		if len(u.Lines) == 1 {
			b.WriteString(text[at:u.Lines[0].Start])
			b.WriteString(targets[i])
			at = u.Lines[0].End
			continue
		}
		if targets[i] == u.Text(text) {
			continue
		}
		for k, s := range wrap(targets[i], text, u.Lines) {
			b.WriteString(text[at:u.Lines[k].Start])
			b.WriteString(targets[i][s.Start:s.End])
			at = u.Lines[k].End
		}
	}
	b.WriteString(text[at:])
	return b.String()
}
