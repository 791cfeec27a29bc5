package pretokenizer

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// metaspace is Metaspace: spaces become another character, which begins pieces (pre_tokenizers/metaspace.rs).
type metaspace struct {
	replacement string
	finder      finder // of it
	scheme      string // always, first, never
	cuts        bool
}

func readMetaspace(path string, v jsontext.Value, _ int) (PreTokenizer, error) {
	var c struct {
		Type           string  `json:"type"`
		Replacement    string  `json:"replacement"`
		AddPrefixSpace *bool   `json:"add_prefix_space"` // of older files
		Scheme         *string `json:"prepend_scheme"`
		Split          *bool   `json:"split"`
		StrRep         *string `json:"str_rep"` // of older files; the same as replacement
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	t := &metaspace{replacement: c.Replacement, finder: literal(c.Replacement), scheme: "always", cuts: c.Split == nil || *c.Split}
	if utf8.RuneCountInString(c.Replacement) != 1 {
		return nil, fmt.Errorf("%s.replacement: %q; want one character", path, c.Replacement)
	}
	if c.Scheme != nil {
		t.scheme = *c.Scheme
	}
	switch t.scheme {
	case "always", "first", "never":
	default:
		return nil, fmt.Errorf("%s.prepend_scheme: %q; want always, first or never", path, t.scheme)
	}
	if c.AddPrefixSpace != nil && !*c.AddPrefixSpace {
		if t.scheme != "never" {
			return nil, fmt.Errorf("%s: add_prefix_space false and prepend_scheme %q do not go together; want never", path, t.scheme)
		}
	}
	return t, nil
}

func (t *metaspace) Type() string          { return "Metaspace" }
func (t *metaspace) Split(p *Pieces) error { return alone(t, p) }

func (t *metaspace) split(p *Pieces, _ bool) error {
	if bytes.IndexByte(p.Text.B, ' ') >= 0 {
		t.replace(p)
	}
	switch t.scheme {
	case "always":
		p.prefix(t.replacement, everywhere)
	case "first":
		p.prefix(t.replacement, p.Text.AtStart)
	}
	if t.cuts {
		return p.cut(t.finder, mergedWithNext, false)
	}
	return nil
}

func (t *metaspace) replace(p *Pieces) {
	p.Text.Begin()
	from := 0
	for i, end := range p.Ends {
		for from < end {
			n := bytes.IndexByte(p.Text.B[from:end], ' ')
			if n < 0 {
				n = end - from
			}
			p.Text.Keep(n)
			if from += n; from < end {
				p.Text.Replace(1, t.replacement)
				from++
			}
		}
		p.Ends[i] = p.Text.Written()
	}
	p.Text.End()
}
