// Package regex is the regular expressions of tokenizer.json: those of Oniguruma with Ruby's syntax, as HF tokenizers
// (crate onig) runs them, on UTF-8.
//
// It is an engine of our own because what there is has no possessive quantifiers and no intersections of classes,
// which real files use, works on decoded texts, and takes exponential time where a pattern or a text is hostile.
package regex

// Regex is a compiled pattern. It is immutable and may be shared.
type Regex struct{}

// Compile reads a pattern. An error says where in it something is wrong or not known.
func Compile(pattern string) (*Regex, error) { panic("unwritten") }

// Pattern is what Compile was given.
func (r *Regex) Pattern() string { panic("unwritten") }

// Matcher finds the matches of a regex for one goroutine.
type Matcher struct{}

// NewMatcher makes a matcher. It keeps its memory between texts.
func (r *Regex) NewMatcher() *Matcher { panic("unwritten") }

// Next is the leftmost match in text that begins at or behind from: text[start:end]. ok is false if there is none. What
// stands before from counts for \b, ^ and lookbehind. A byte that is not UTF-8 is U+FFFD. The steps of all calls
// together are at most about in proportion to the text's length, times what the pattern's size allows; what would take
// more gives an error, the same for the same text on every machine.
func (m *Matcher) Next(text []byte, from int) (start, end int, ok bool, err error) {
	panic("unwritten")
}
