package text

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// knownTexts are the special cases, which are what Tokenizer.rules holds but for white space, and the tokens of torn
// ones: what the tokenizer looks up. One table for both makes one look-up of most words.
type knownTexts struct {
	texts   map[string]knownText
	longest int         // in bytes
	sieve   [256]uint64 // what is no known text is nearly always not in it: a bit for the first eight bytes and the length
}

type knownText struct {
	special bool
	cuts    specialCuts
	symbol  uint16 // of a token of a torn special case, from 1
}

// specialCuts are the ends of the tokens of a special case but the last.
type specialCuts struct {
	n    uint8
	ends [2]uint8
}

// tokenMark parts the tokens in the tables.
const tokenMark = "·"

func newKnownTexts(tables ...[]string) knownTexts {
	k := knownTexts{texts: map[string]knownText{}}
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
			k.put(whole, knownText{special: true, cuts: c}) // a language's own come later
		}
	}
	return k
}

func (k *knownTexts) put(text string, known knownText) {
	k.texts[text] = known
	k.longest = max(k.longest, len(text))
	i := sieveBit(firstEight([]byte(text)), len(text))
	k.sieve[i>>6] |= 1 << (i & 63)
}

func (k *knownTexts) of(t []byte) knownText {
	if len(t) > k.longest || !k.may(firstEight(t), len(t)) {
		return knownText{}
	}
	return k.texts[string(t)]
}

// may is false of a text that is not known, by its first eight bytes and its length.
func (k *knownTexts) may(first uint64, size int) bool {
	i := sieveBit(first, size)
	return k.sieve[i>>6]>>(i&63)&1 != 0
}

func sieveBit(first uint64, size int) uint64 { return (first ^ uint64(size)<<59) * golden >> 50 }

// golden is odd and close to 2^64 / golden ratio: its products spread over all bits (Knuth, TAOCP 3, section 6.4).
const golden = 0x9E3779B97F4A7C15

// firstEight are the first eight bytes of t, or all and zeros.
func firstEight(t []byte) uint64 {
	if len(t) >= 8 {
		return binary.LittleEndian.Uint64(t)
	}
	v := uint64(0)
	for i, c := range t {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (k *knownTexts) isSpecial(t []byte) bool { return k.of(t).special }

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
	flags []uint8           // of symbols: mayBegin, mayGoOn
	pairs map[uint32]bool   // symbols side by side
	next  map[uint32]uint16 // state << 16 | symbol
	whole []bool            // of states: a special case ends there
}

// findTorn fills s.torn, and s.known with its tokens. The special cases are in s.known.
func (s *Spacy) findTorn() {
	t := tornCases{flags: []uint8{0}, pairs: map[uint32]bool{}, next: map[uint32]uint16{}, whole: []bool{false}}
	rules := &Spacy{rules: s.rules} // without special cases
	var scratch SpacyScratch
	var tokens []Span
	cases := slices.Sorted(maps.Keys(s.known.texts)) // numbers do not depend on the map's order
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
			known := s.known.texts[token]
			if known.symbol == 0 {
				known.symbol = uint16(len(t.flags))
				s.known.put(token, known)
				t.flags = append(t.flags, 0)
			}
			symbol := known.symbol
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
	s.torn = t
}

// places says where in a torn case the token may stand: mayBegin before another, mayGoOn behind one.
func (s *Spacy) places(token []byte) uint8 { return s.torn.flags[s.known.of(token).symbol] }

func (s *Spacy) sideBySide(a, b []byte) bool {
	return s.torn.pairs[uint32(s.known.of(a).symbol)<<16|uint32(s.known.of(b).symbol)]
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
			symbol := s.known.of(tokens[k].Of(doc)).symbol
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
		if k := s.known.of(doc[lo:hi]); k.special {
			dst = k.cuts.append(dst, int(lo), int(hi))
		} else {
			dst = append(dst, tokens[m.lo:m.hi]...)
		}
	}
	return append(dst, tokens[at:]...)
}
