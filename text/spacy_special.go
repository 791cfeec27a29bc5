package text

import (
	"cmp"
	"slices"
	"strings"
)

// spacySpecials is the table of special cases: what Tokenizer.rules holds, white space left out.
type spacySpecials struct {
	cuts    map[string]specialCuts
	longest int
}

// specialCuts are the ends of the tokens of a special case but the last.
type specialCuts struct {
	n    uint8
	ends [2]uint8
}

// tokenMark parts the tokens in the tables.
const tokenMark = "·"

func newSpecials(tables ...[]string) spacySpecials {
	s := spacySpecials{cuts: map[string]specialCuts{}}
	for _, t := range tables {
		for _, marked := range t {
			whole := strings.ReplaceAll(marked, tokenMark, "")
			var c specialCuts
			for at := 0; ; c.n++ {
				token, rest, more := strings.Cut(marked, tokenMark)
				if !more {
					break
				}
				at += len(token)
				c.ends[c.n] = uint8(at)
				marked = rest
			}
			s.cuts[whole] = c // a language's own come later
			s.longest = max(s.longest, len(whole))
		}
	}
	return s
}

func (s *spacySpecials) of(t []byte) (specialCuts, bool) {
	if len(t) > s.longest {
		return specialCuts{}, false
	}
	c, ok := s.cuts[string(t)]
	return c, ok
}

func (s *spacySpecials) has(t []byte) bool {
	_, ok := s.of(t)
	return ok
}

// append appends the tokens of the special case from lo to hi.
func (c specialCuts) append(dst []Span, lo, hi int) []Span {
	at := int32(lo)
	for _, e := range c.ends[:c.n] {
		end := int32(lo) + int32(e)
		dst = append(dst, Span{at, end})
		at = end
	}
	return append(dst, Span{at, int32(hi)})
}

// tornCases are the special cases that affixes or infixes may tear apart, as the tokens that the rules alone make
// of them: Tokenizer._special_matcher. A trie finds them among the tokens of a text.
type tornCases struct {
	symbols map[string]uint16 // tokens, from 1
	flags   []uint8           // of symbols: mayBegin, mayGoOn
	pairs   map[uint32]bool   // symbols side by side
	next    map[uint32]uint16 // state << 16 | symbol
	whole   []bool            // of states: a special case ends there
	longest int               // token in bytes
}

// tornSpecials asks s, whose table of special cases is made.
func (s *Spacy) tornSpecials() tornCases {
	t := tornCases{symbols: map[string]uint16{}, flags: []uint8{0}, pairs: map[uint32]bool{}, next: map[uint32]uint16{}, whole: []bool{false}}
	rules := &Spacy{rules: s.rules} // without special cases
	var scratch SpacyScratch
	var tokens []Span
	cases := make([]string, 0, len(s.specials.cuts))
	for c := range s.specials.cuts {
		cases = append(cases, c)
	}
	slices.Sort(cases) // numbers do not depend on the map's order
	for _, text := range cases {
		c := []byte(text)
		f := infixSearch{rules: s.rules, t: c}
		_, _, infix := f.next()
		if !infix && s.prefix(c, digitsAt(c)) == 0 && s.suffix(c) == 0 && !strings.Contains(text, " ") {
			continue
		}
		tokens = tokens[:0]
		for _, chunk := range Fields(nil, c) {
			tokens = rules.cut(tokens, c, int(chunk.Lo), int(chunk.Hi), &scratch)
		}
		state, before := uint16(0), uint16(0)
		for i, w := range tokens {
			token := text[w.Lo:w.Hi]
			symbol, ok := t.symbols[token]
			if !ok {
				symbol = uint16(len(t.flags))
				t.symbols[token] = symbol
				t.flags = append(t.flags, 0)
				t.longest = max(t.longest, len(token))
			}
			if i > 0 {
				t.flags[before] |= mayBegin
				t.flags[symbol] |= mayGoOn
				t.pairs[uint32(before)<<16|uint32(symbol)] = true
			}
			before = symbol
			edge := uint32(state)<<16 | uint32(symbol)
			to, ok := t.next[edge]
			if !ok {
				to = uint16(len(t.whole))
				t.next[edge] = to
				t.whole = append(t.whole, false)
			}
			state = to
		}
		t.whole[state] = true
	}
	return t
}

// symbol is the number of a token, 0 if no torn case has it.
func (t *tornCases) symbol(token []byte) uint16 {
	if len(token) > t.longest {
		return 0
	}
	return t.symbols[string(token)]
}

// places says where in a torn case the token may stand: mayBegin before another, mayGoOn behind one.
func (t *tornCases) places(token []byte) uint8 { return t.flags[t.symbol(token)] }

func (t *tornCases) sideBySide(a, b []byte) bool {
	return t.pairs[uint32(t.symbol(a))<<16|uint32(t.symbol(b))]
}

// tornMatch is a torn case among tokens.
type tornMatch struct{ lo, hi int32 }

// mend appends the tokens with torn special cases put together and cut as their table says:
// Tokenizer._apply_special_cases. Tokens with one blank between them are side by side, so a match may hold a blank;
// that is a special case only if the table has it with the blank, but it keeps others from being found.
func (s *Spacy) mend(dst []Span, doc []byte, tokens []Span, scratch *SpacyScratch) []Span {
	t := &s.torn
	matches := scratch.matches[:0]
	for i := range tokens {
		state := uint16(0)
		for k := i; k < len(tokens); k++ {
			symbol := t.symbol(tokens[k].Of(doc))
			if symbol == 0 {
				break
			}
			to, ok := t.next[uint32(state)<<16|uint32(symbol)]
			if !ok {
				break
			}
			if state = to; t.whole[state] {
				matches = append(matches, tornMatch{int32(i), int32(k + 1)})
			}
		}
	}
	scratch.matches = matches
	if len(matches) == 0 {
		return append(dst, tokens...)
	}
	// Tokenizer._filter_special_spans: the longest first, of those the first; a match that is left out hides
	// its tokens all the same.
	slices.SortFunc(matches, func(a, b tornMatch) int {
		return cmp.Or(cmp.Compare(b.hi-b.lo, a.hi-a.lo), cmp.Compare(a.lo, b.lo))
	})
	seen := slices.Grow(scratch.seen[:0], len(tokens))[:len(tokens)]
	clear(seen)
	scratch.seen = seen
	kept := matches[:0]
	for _, m := range matches {
		free := !seen[m.lo] && !seen[m.hi-1]
		for i := m.lo; i < m.hi; i++ {
			seen[i] = true
		}
		if free {
			kept = append(kept, m)
		}
	}
	slices.SortFunc(kept, func(a, b tornMatch) int { return cmp.Compare(a.lo, b.lo) })
	at := int32(0)
	for _, m := range kept {
		dst = append(dst, tokens[at:m.lo]...)
		at = m.hi
		lo, hi := tokens[m.lo].Lo, tokens[m.hi-1].Hi
		if cuts, ok := s.specials.of(doc[lo:hi]); ok {
			dst = cuts.append(dst, int(lo), int(hi))
		} else {
			dst = append(dst, tokens[m.lo:m.hi]...)
		}
	}
	return append(dst, tokens[at:]...)
}
