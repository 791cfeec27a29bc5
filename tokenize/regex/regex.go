// Package regex is the regular expressions of tokenizer.json: those of Oniguruma in its own syntax (which is Ruby's and
// a little more), as HF tokenizers (crate onig) runs them, on UTF-8.
//
// It is an engine of our own because what there is has no possessive quantifiers and no intersections of classes,
// which real files use, works on decoded texts, and takes exponential time where a pattern or a text is hostile.
//
// What a pattern may have is what doc/RE of Oniguruma 6.9.10 says, but for back-references, calls of groups,
// conditions, absent expressions, callouts, \G, \K, \X, \y, \c and the options of (?…) other than i, m and x: these are
// refused. A lookbehind looks back at most 255 characters. Properties are those of Unicode 16.0.0, without blocks
// (\p{InGreek}). Case is that of CaseFolding.txt 16.0.0, (?i)ß is ss too.
//
// parse.go reads a pattern (escape.go: escapes and classes), compile.go makes a program of it, match.go runs it and is
// the file to read first.
package regex

import "errors"

// Regex is a compiled pattern. It is immutable and may be shared.
type Regex struct {
	pattern string
	program *program
	word    *set // of \b
}

// Compile reads a pattern. An error is a *[SyntaxError] and says where in it something is wrong or not known.
func Compile(pattern string) (*Regex, error) {
	n, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	p, err := compile(pattern, n)
	if err != nil {
		return nil, err
	}
	r := &Regex{pattern: pattern, program: p}
	for i := range p.insts {
		if in := &p.insts[i]; in.op == opAnchor && (in.what == 'b' || in.what == 'B') && r.word == nil {
			r.word = newSet(wordOutside())
		}
	}
	return r, nil
}

// Pattern is what Compile was given.
func (r *Regex) Pattern() string { return r.pattern }

// Matcher finds the matches of a regex for one goroutine.
type Matcher struct {
	re      *Regex
	text    []byte
	from    int // of the last search
	stack   []entry
	memo    *memo
	takes   []taken
	steps   int
	easy    int // steps up to which nothing is noted, or looked at
	most    int // steps that there may be
	shared  bool
	left    int // steps for the text and those after it, if shared
	problem string
}

// NewMatcher makes a matcher. It keeps its memory between texts.
func (r *Regex) NewMatcher() *Matcher { return &Matcher{re: r} }

// Share says that the texts that follow, up to the next Share, are parts of one of size bytes: what Next says of steps
// is about all of them together. It is for who cuts a text into many parts, of which each may have some steps to spare.
func (m *Matcher) Share(size int) {
	m.shared, m.left, m.steps = true, mostOf(size), 0
	m.text, m.from = nil, 1
}

// Next is the leftmost match in text that begins at or behind from: text[start:end]. ok is false if there is none. What
// stands before from counts for \b, ^ and lookbehind. A byte that is not UTF-8 is U+FFFD. The steps of all calls
// together are at most in proportion to the text's length, whatever the pattern: about a second for 1 MB. What would take
// more gives an error, the same for the same text on every machine.
//
// A call with from 0, or before that of the last call, or with another slice begins a text. Until then text does not
// change.
func (m *Matcher) Next(text []byte, from int) (start, end int, ok bool, err error) {
	if from == 0 || from < m.from || !same(text, m.text) {
		m.reset(text)
	}
	m.from = from
	if m.memo != nil {
		m.memo.forget(from)
	}
	if start, end, ok = m.next(from); m.problem != "" {
		return 0, 0, false, errors.New(m.problem)
	}
	return start, end, ok, nil
}

func same(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
