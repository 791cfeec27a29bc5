package filter

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"curate/text"
)

// bound is what has to stand beside a phrase: at the ends of the text nothing need.
type bound uint8

const (
	unbound   bound = iota
	spaceless       // white space of Python's str.split
	wordless        // a character outside of \w of Python's re
)

// phraseSet looks for a list of phrases in one pass: the automaton of Aho and Corasick 1975 over bytes, with sorted
// edges, so that memory is a small multiple of the list. It is never changed once it is made.
type phraseSet struct {
	root   [256]int32 // states after the first byte; 0 is the root
	states []phraseState
	edges  []phraseEdge
}

type phraseState struct {
	edges int32 // first of its edges; the next state's are behind them
	fail  int32 // state of the longest proper suffix
	other int32 // next state on the way of fail where a phrase ends, or 0
	size  int32 // of the phrase that ends here, or 0
	bound bound // of it
}

type phraseEdge struct {
	to int32
	c  byte
}

// newPhrases makes the automaton; boundOf says of each phrase what must stand beside it. Empty ones are left out.
func newPhrases(list []string, boundOf func(phrase string) bound) (*phraseSet, error) {
	list = slices.Clone(list)
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > 0 && list[0] == "" {
		list = list[1:]
	}
	total := 0
	for _, s := range list {
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("phrase %q is not UTF-8", s)
		}
		total += len(s)
	}
	if total >= math.MaxInt32 {
		return nil, fmt.Errorf("the phrases have %d bytes; fewer than 2 GiB are possible", total)
	}
	p := &phraseSet{states: []phraseState{{}}}
	// In sorted order the phrases that begin alike lie side by side: a state is a range of them and a depth.
	type part struct{ lo, hi, depth int }
	parts := []part{{0, len(list), 0}}
	for s := 0; s < len(parts); s++ { // the shorter ones first, so that fail of shorter ones is known
		at := parts[s]
		parts[s] = part{}
		p.states[s].edges = int32(len(p.edges))
		lo := at.lo
		if p.states[s].size > 0 {
			lo++
		}
		for lo < at.hi {
			c := list[lo][at.depth]
			hi := lo + 1
			for hi < at.hi && list[hi][at.depth] == c {
				hi++
			}
			state := phraseState{}
			if s > 0 {
				state.fail = p.after(p.states[s].fail, c)
			}
			if len(list[lo]) == at.depth+1 {
				state.size, state.bound = int32(len(list[lo])), boundOf(list[lo])
			}
			if f := &p.states[state.fail]; f.size > 0 {
				state.other = state.fail
			} else {
				state.other = f.other
			}
			to := int32(len(p.states))
			p.states = append(p.states, state)
			parts = append(parts, part{lo, hi, at.depth + 1})
			if s == 0 {
				p.root[c] = to
			} else {
				p.edges = append(p.edges, phraseEdge{to, c})
			}
			lo = hi
		}
	}
	p.states = append(p.states, phraseState{edges: int32(len(p.edges))}) // the end of the last one's edges
	return p, nil
}

// next is the state to which an edge leads, or 0. While the automaton is made it is asked of states whose edges
// are complete.
func (p *phraseSet) next(s int32, c byte) int32 {
	for _, e := range p.edges[p.states[s].edges:p.states[s+1].edges] {
		if e.c >= c {
			if e.c == c {
				return e.to
			}
			return 0
		}
	}
	return 0
}

// after is the state after another byte.
func (p *phraseSet) after(s int32, c byte) int32 {
	for s != 0 {
		if t := p.next(s, c); t != 0 {
			return t
		}
		s = p.states[s].fail
	}
	return p.root[c]
}

// in tells whether the text holds one of the phrases with what has to stand beside it.
func (p *phraseSet) in(doc []byte) bool {
	s := int32(0)
	for i, c := range doc {
		if s = p.after(s, c); s == 0 {
			continue
		}
		m := s
		if p.states[m].size == 0 {
			m = p.states[m].other
		}
		for ; m != 0; m = p.states[m].other {
			if st := &p.states[m]; st.bound.holds(doc[:i+1-int(st.size)], doc[i+1:]) {
				return true
			}
		}
	}
	return false
}

func (b bound) holds(before, after []byte) bool {
	switch b {
	case spaceless:
		t, h := tail(before), head(after)
		return (len(t) == 0 || len(text.TrimRight(t)) < len(t)) && (len(h) == 0 || len(text.TrimLeft(h)) < len(h))
	case wordless:
		if r, n := utf8.DecodeLastRune(before); n > 0 && text.IsWord(r) {
			return false
		}
		r, n := utf8.DecodeRune(after)
		return n == 0 || !text.IsWord(r)
	}
	return true
}

// tail and head are enough for one character.
func tail(b []byte) []byte { return b[max(0, len(b)-utf8.UTFMax):] }
func head(b []byte) []byte { return b[:min(len(b), utf8.UTFMax)] }

// trimmed are the lines of a list without the white space at their ends.
func trimmed(list []string) []string {
	lines := make([]string, len(list))
	for i, l := range list {
		lines[i] = string(text.TrimRight(text.TrimLeft([]byte(l))))
	}
	return lines
}

// empty says that there is no phrase to look for.
func (p *phraseSet) empty() bool { return len(p.states) == 2 }
