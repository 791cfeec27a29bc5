package pretokenizer

import (
	"fmt"

	"curate/tokenize/aligned"
	"curate/tokenize/regex"
)

// Pieces is a text cut into pieces, the pretokens: what a model sees one by one. It keeps its memory between texts and
// is for one goroutine.
type Pieces struct {
	// Text is the pieces one behind the other. What pre-tokenizers remove is not in it.
	Text aligned.Text
	// Ends has where in Text.B each piece ends, rising: there are no empty pieces.
	Ends []int
	// InAlphabet says that ByteLevel has spelled the text's bytes in its alphabet of 256 characters. At the end of all
	// pre-tokenizers the bytes are spelled back: models see bytes.
	InAlphabet bool

	found    []span
	cuts     []span
	matchers map[*regex.Regex]*regex.Matcher
}

// A span is a part of a text, and whether it is a match: one to be removed, in the end. A long text has many.
type span struct {
	from, to int32
	match    bool
}

func part(from, to int, match bool) span { return span{int32(from), int32(to), match} }

// A behavior is what becomes of matches: SplitDelimiterBehavior in tokenizer/normalizer.rs of HF tokenizers.
type behavior uint8

const (
	removed behavior = iota
	isolated
	mergedWithPrevious
	mergedWithNext
	contiguous
)

var behaviors = [...]string{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}

func (b *behavior) UnmarshalText(text []byte) error {
	for i, name := range behaviors {
		if name == string(text) {
			*b = behavior(i)
			return nil
		}
	}
	return fmt.Errorf("the behavior %q is not known; there are %q", text, behaviors)
}

// A finder appends the matches in text, and what is between them, without gaps.
type finder interface {
	find(p *Pieces, text []byte, found []span) ([]span, error)
}

// cut cuts each piece at what f finds.
func (p *Pieces) cut(f finder, b behavior, invert bool) error {
	p.cuts = p.cuts[:0]
	if e, ok := f.(engine); ok {
		p.matcher(e.regex).Share(len(p.Text.B))
	}
	from := 0
	for _, end := range p.Ends {
		found, err := f.find(p, p.Text.B[from:end], p.found[:0])
		if err != nil {
			return err
		}
		p.found = found
		if invert {
			for i := range found {
				found[i].match = !found[i].match
			}
		}
		p.merge(found, b, from)
		from = end
	}
	p.apply()
	return nil
}

// merge appends what b makes of found, which is of the piece at from, to p.cuts.
func (p *Pieces) merge(found []span, b behavior, from int) {
	first := len(p.cuts)
	add := func(s span) { p.cuts = append(p.cuts, part(from+int(s.from), from+int(s.to), b == removed && s.match)) }
	switch b {
	case removed, isolated:
		for _, s := range found {
			add(s)
		}
	case contiguous, mergedWithPrevious:
		before := false
		for _, s := range found {
			joins := s.match && !before
			if b == contiguous {
				joins = s.match == before
			}
			if before = s.match; joins && len(p.cuts) > first {
				p.cuts[len(p.cuts)-1].to = int32(from) + s.to
				continue
			}
			add(s)
		}
	case mergedWithNext:
		// From the end: a match goes to what is behind it, if that is none. The last one of several does.
		kept := len(found)
		behind := false
		for i := len(found) - 1; i >= 0; i-- {
			s := found[i]
			if s.match && !behind && kept < len(found) {
				found[kept].from = s.from
			} else {
				kept--
				found[kept] = s
			}
			behind = s.match
		}
		for _, s := range found[kept:] {
			add(s)
		}
	}
}

// apply makes p.cuts, which cover the text, the pieces.
func (p *Pieces) apply() {
	p.Ends = p.Ends[:0]
	gone, at := false, 0
	for _, c := range p.cuts {
		switch {
		case c.from == c.to:
		case c.match:
			gone = true
		default:
			at += int(c.to - c.from)
			p.Ends = append(p.Ends, at)
		}
	}
	if !gone {
		return
	}
	p.Text.Begin()
	for _, c := range p.cuts {
		if c.match {
			p.Text.Skip(int(c.to - c.from))
		} else {
			p.Text.Keep(int(c.to - c.from))
		}
	}
	p.Text.End()
}

// prefix puts s before each piece that does not begin with it, as NormalizedString::prepend does, if want says so.
func (p *Pieces) prefix(s string, want func(from int) bool) {
	edit, from := false, 0
	for _, end := range p.Ends {
		if !hasPrefix(p.Text.B[from:end], s) && want(from) {
			edit = true
			break
		}
		from = end
	}
	if !edit {
		return
	}
	p.Text.Begin()
	from = 0
	for i, end := range p.Ends {
		if !hasPrefix(p.Text.B[from:end], s) && want(from) {
			p.Text.Replace(0, s) // it stands for what the next character stands for
		}
		p.Text.Keep(end - from)
		p.Ends[i] = p.Text.Written()
		from = end
	}
	p.Text.End()
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

// matcher is p's own of r.
func (p *Pieces) matcher(r *regex.Regex) *regex.Matcher {
	m := p.matchers[r]
	if m == nil {
		if p.matchers == nil {
			p.matchers = map[*regex.Regex]*regex.Matcher{}
		}
		m = r.NewMatcher()
		p.matchers[r] = m
	}
	return m
}

// Shrink lets go of memory if there is more of it than for a text of limit bytes. The text is gone.
func (p *Pieces) Shrink(limit int) {
	p.Text.Shrink(limit)
	if max(cap(p.Ends), cap(p.found), cap(p.cuts)) > limit/8 {
		p.Ends, p.found, p.cuts = nil, nil, nil
	}
}
