package pretokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
	"curate/tokenize/regex"
)

// split is Split: cuts at the matches of a string or a regex (pre_tokenizers/split.rs). A regex that there is a scanner
// for runs as that.
type split struct {
	finder   finder
	scanner  *Scanner
	regex    *regex.Regex
	behavior behavior
	invert   bool
}

func readSplit(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type    string `json:"type"`
		Pattern struct {
			Regex  *string `json:"Regex"`
			String *string `json:"String"`
		} `json:"pattern"`
		Behavior *behavior `json:"behavior"`
		Invert   bool      `json:"invert"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	if c.Behavior == nil {
		return nil, fmt.Errorf("%s: no behavior; there are %q", path, behaviors)
	}
	t := &split{behavior: *c.Behavior, invert: c.Invert}
	switch pattern := c.Pattern; {
	case (pattern.Regex == nil) == (pattern.String == nil):
		return nil, fmt.Errorf(`%s.pattern: want {"Regex": …} or {"String": …}`, path)
	case pattern.String != nil && *pattern.String != "":
		t.finder = literal(*pattern.String)
	default:
		expr := ""
		if pattern.Regex != nil {
			expr = *pattern.Regex
		}
		if t.scanner = ForPattern(expr); t.scanner != nil {
			t.finder = t.scanner
			break
		}
		r, err := regex.Compile(expr)
		if err != nil {
			var syntax *regex.SyntaxError
			if errors.As(err, &syntax) {
				return nil, &component.UnsupportedError{Path: path + ".pattern", Problem: err.Error()}
			}
			return nil, fmt.Errorf("%s.pattern: %w", path, err)
		}
		t.regex, t.finder = r, engine{r}
	}
	return t, nil
}

func (t *split) Type() string          { return "Split" }
func (t *split) Split(p *Pieces) error { return alone(t, p) }

func (t *split) split(p *Pieces, _ bool) error { return p.cut(t.finder, t.behavior, t.invert) }

// literal finds a string that is not empty.
type literal string

func (l literal) find(_ *Pieces, text []byte, found []span) ([]span, error) {
	from := 0
	for {
		i := index(text[from:], string(l))
		if i < 0 {
			break
		}
		if i > 0 {
			found = append(found, part(from, from+i, false))
		}
		from += i
		found = append(found, part(from, from+len(l), true))
		from += len(l)
	}
	if from < len(text) {
		found = append(found, part(from, len(text), false))
	}
	return found, nil
}

// index is bytes.Index without a copy of s.
func index(text []byte, s string) int {
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], s[0])
		if i < 0 {
			return -1
		}
		if from += i; hasPrefix(text[from:], s) {
			return from
		}
		from++
	}
}

// engine finds the matches of a regex, as FindMatches of the crate onig does: an empty one right behind another does
// not count.
type engine struct{ regex *regex.Regex }

func (e engine) find(p *Pieces, text []byte, found []span) ([]span, error) {
	m := p.matcher(e.regex)
	from, done, last := 0, 0, -1
	for from <= len(text) {
		start, end, ok, err := m.Next(text, from)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if start == end && end == last {
			if from == len(text) {
				break
			}
			_, n := utf8.DecodeRune(text[from:])
			from += n
			continue
		}
		if start > done {
			found = append(found, part(done, start, false))
		}
		found = append(found, part(start, end, true))
		from, done, last = end, end, end
	}
	if done < len(text) {
		found = append(found, part(done, len(text), false))
	}
	return found, nil
}
