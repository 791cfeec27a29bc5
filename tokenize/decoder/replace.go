package decoder

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
	"curate/tokenize/regex"
)

// Replace puts a string in the place of each match of a pattern (normalizers/replace.rs, which is a decoder too).
type Replace struct {
	pattern string // if regex is nil
	regex   *regex.Regex
	content string
	// matchers has *regex.Matcher: one for each goroutine that decodes at a time.
	matchers sync.Pool
}

func readReplace(path string, v jsontext.Value) (Decoder, error) {
	pattern, isRegex, content, err := component.Replace(path, v)
	if err != nil {
		return nil, err
	}
	r := &Replace{content: content}
	if !isRegex {
		r.pattern = pattern
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

// Decode implements [Decoder]. A token that would take the pattern too many steps stays as it is.
func (r *Replace) Decode(tokens []string) []string {
	if r.regex == nil {
		for i, token := range tokens {
			if token != "" { // even if the pattern is empty
				tokens[i] = strings.ReplaceAll(token, r.pattern, r.content)
			}
		}
		return tokens
	}
	m := r.matchers.Get().(*regex.Matcher)
	defer r.matchers.Put(m)
	for i, token := range tokens {
		tokens[i] = r.replaced(m, token)
	}
	return tokens
}

func (r *Replace) replaced(m *regex.Matcher, token string) string {
	if token == "" { // even if the pattern matches nothing at all
		return token
	}
	text := []byte(token)
	var out []byte
	last := -1 // where the last match ends
	done := 0  // bytes of text that are in out
	for from := 0; from <= len(text); {
		start, end, ok, err := m.Next(text, from)
		if err != nil {
			return token
		}
		if !ok {
			break
		}
		if start == end && end == last { // crate onig's find_iter: nothing directly behind a match is no match
			_, n := utf8.DecodeRune(text[from:])
			from += max(1, n)
			continue
		}
		out = append(append(out, text[done:start]...), r.content...)
		from, last, done = end, end, end
	}
	if last < 0 {
		return token
	}
	return string(append(out, text[done:]...))
}
