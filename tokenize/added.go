package tokenize

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"curate/tokenize/regex"
)

// addedToken is a token that is found in the text before the model sees it.
type addedToken struct {
	id             uint32
	content        string
	spelling       string // normalized content, if that is something else: what it is found by and decoded to
	lstrip, rstrip bool   // it takes the white space before or behind it too
	single         bool   // it counts only where no word character stands before or behind it
	normalized     bool   // it is looked for behind the normalizer
	special        bool   // Options.SpecialsAsText leaves it as text
}

// matcher finds added tokens in a text: the leftmost, and of those the longest (added_vocabulary.rs in HF
// tokenizers 0.23.3, which uses an Aho-Corasick automaton with leftmost-longest matches).
type matcher struct {
	tokens []addedToken // sorted by content
	starts [256]bool    // first bytes
	only   int          // the only first byte, or -1
}

// newMatcher is nil if there are no such tokens. What is looked for behind the normalizer is normalized too. Of tokens
// that are then the same the first is found; in HF it is any of them, another one each time a program runs.
func newMatcher(added []addedToken, normalized bool) *matcher {
	m := &matcher{only: -1}
	for _, a := range added {
		if a.normalized == normalized {
			if a.spelling != "" {
				a.content = a.spelling
			}
			m.tokens = append(m.tokens, a)
		}
	}
	if len(m.tokens) == 0 {
		return nil
	}
	slices.SortStableFunc(m.tokens, func(a, b addedToken) int { return strings.Compare(a.content, b.content) })
	first := 0
	for _, a := range m.tokens {
		if b := a.content[0]; !m.starts[b] {
			m.starts[b] = true
			m.only = int(b)
			first++
		}
	}
	if first > 1 {
		m.only = -1
	}
	return m
}

// find is the first match at or behind from: text[at:end] is tokens[k]. k is -1 if there is none.
func (m *matcher) find(text []byte, from int) (at, end, k int) {
	for i := from; i < len(text); i++ {
		if m.only >= 0 {
			n := bytes.IndexByte(text[i:], byte(m.only))
			if n < 0 {
				break
			}
			i += n
		} else if !m.starts[text[i]] {
			continue
		}
		if n, k := m.longest(text[i:]); k >= 0 {
			return i, i + n, k
		}
	}
	return len(text), len(text), -1
}

// longest is the longest token that text begins with: its bytes and its place in tokens, -1 if there is none. It
// narrows the range of tokens that begin as text does, byte by byte.
func (m *matcher) longest(text []byte) (n, k int) {
	lo, hi := 0, len(m.tokens)
	n, k = 0, -1
	for d := 0; lo < hi; d++ {
		if len(m.tokens[lo].content) == d { // the shortest stands first
			n, k = d, lo
			for lo < hi && len(m.tokens[lo].content) == d {
				lo++
			}
		}
		if d == len(text) {
			break
		}
		c := text[d]
		lo += sort.Search(hi-lo, func(i int) bool { return m.tokens[lo+i].content[d] >= c })
		hi = lo + sort.Search(hi-lo, func(i int) bool { return m.tokens[lo+i].content[d] > c })
	}
	return n, k
}

// cutter walks through a text from added token to added token. Without a matcher it finds none.
type cutter struct {
	m        *matcher
	text     []byte
	specials bool // false: special tokens are text
	pos      int  // where to look on
	at, done int  // the added token that was found last; up to done the text has been handed out
}

// next is the text before the next added token, and that token's id; at the end ok is false and before is the rest.
func (c *cutter) next() (before []byte, id uint32, ok bool) {
	for c.m != nil {
		at, end, k := c.m.find(c.text, c.pos)
		if k < 0 {
			break
		}
		c.pos = end
		t := &c.m.tokens[k]
		if t.special && !c.specials {
			continue
		}
		if t.single && (endsWithWord(c.text[:at]) || beginsWithWord(c.text[end:])) {
			continue
		}
		if t.lstrip { // what an earlier token has taken stays its
			at = max(spaceBefore(c.text, at), c.done)
		}
		if t.rstrip {
			end = spaceBehind(c.text, end)
		}
		if at >= end {
			// An earlier token has taken all of it: HF makes an empty piece of it, and leaves empty pieces out. (It
			// panics where the earlier one has taken still more, "AddedVocabulary bad split".)
			continue
		}
		if c.done < at {
			before = c.text[c.done:at]
		}
		c.at, c.done = at, end
		return before, t.id, true
	}
	return c.text[min(c.done, len(c.text)):], 0, false
}

func beginsWithWord(text []byte) bool {
	r, n := utf8.DecodeRune(text)
	return n > 0 && isWord(r)
}

func endsWithWord(text []byte) bool {
	r, n := utf8.DecodeLastRune(text)
	return n > 0 && isWord(r)
}

// isWord is \w of UTS #18, Annex C, as in Rust's regex crate: Alphabetic, marks, decimal digits, connectors and joiners.
func isWord(r rune) bool { return wordCharacters().Has(r) }

var wordCharacters = sync.OnceValue(func() *regex.Set {
	s, err := regex.NewSet(`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return s
})

func spaceBefore(text []byte, i int) int {
	for i > 0 {
		r, n := utf8.DecodeLastRune(text[:i])
		if !unicode.IsSpace(r) {
			break
		}
		i -= n
	}
	return i
}

func spaceBehind(text []byte, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRune(text[i:])
		if !unicode.IsSpace(r) {
			break
		}
		i += n
	}
	return i
}
