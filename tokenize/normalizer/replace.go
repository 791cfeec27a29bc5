package normalizer

import (
	"bytes"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/aligned"
	"curate/tokenize/component"
	"curate/tokenize/regex"
)

// Replace puts a string in the place of each match of a pattern (normalizers/replace.rs). It stands for what the
// match's last character stood for.
type Replace struct {
	pattern []byte // if regex is nil
	regex   *regex.Regex
	content string
	// matchers has *regex.Matcher. Who normalizes brings no scratch of his own, and a matcher keeps its memory between
	// texts: one for each goroutine that normalizes at a time is what a pool holds.
	matchers sync.Pool
}

func readReplace(path string, v jsontext.Value) (Normalizer, error) {
	pattern, isRegex, content, err := component.Replace(path, v)
	if err != nil {
		return nil, err
	}
	r := &Replace{content: content}
	if !isRegex {
		r.pattern = []byte(pattern)
		return r, nil
	}
	re, err := regex.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s.pattern: %w", path, err)
	}
	r.regex = re
	r.matchers.New = func() any { return re.NewMatcher() }
	return r, nil
}

// Type is "Replace".
func (*Replace) Type() string { return "Replace" }

// Normalize implements [Normalizer].
func (r *Replace) Normalize(t *aligned.Text) error {
	text := t.B
	if len(text) == 0 { // even if the pattern matches nothing at all
		return nil
	}
	var m *regex.Matcher
	if r.regex != nil {
		m = r.matchers.Get().(*regex.Matcher)
		defer r.matchers.Put(m)
	}
	e := edit{t: t}
	last := -1 // where the last match ends
	done := 0  // bytes of text that e has seen
	for from := 0; from <= len(text); {
		start, end, ok, err := r.next(m, text, from)
		if err != nil {
			return fmt.Errorf("normalizer Replace: %w", err) // and t is as it was: its edit has not ended
		}
		if !ok {
			break
		}
		if start == end && end == last { // crate onig's find_iter: nothing directly behind a match is no match
			_, n := utf8.DecodeRune(text[from:])
			from += max(1, n)
			continue
		}
		e.keep(start - done)
		if start < end || r.content != "" {
			e.skip(end - start)
			e.insert(r.content)
		}
		from, last, done = end, end, end
	}
	e.end()
	return nil
}

// next is the next match in text at or behind from.
func (r *Replace) next(m *regex.Matcher, text []byte, from int) (start, end int, ok bool, err error) {
	if m != nil {
		return m.Next(text, from)
	}
	i := bytes.Index(text[from:], r.pattern)
	return from + i, from + i + len(r.pattern), i >= 0, nil
}
