package model

import (
	"math/bits"
	"unicode/utf8"
)

// cuts are the places where a text may be cut without changing what a [Symbols] makes of it, so that words can be
// remembered although nothing has cut the text before: the vocabularies of Llama 2, Mistral and Gemma come without a
// pre-tokenizer that does.
//
// Every token but the ones of single characters is made by a merge, which joins the last character of its left part to
// the first of its right one. Between two characters that no merge joins, no merge ever happens, and merges on both
// sides of such a place do not see each other. What merges join is nearly all pairs of letters, but hardly ever a
// character and a ▁ behind it. A set of pairs that says yes too often (Bloom 1970, with one bit a pair) costs a cut,
// never an answer.
type cuts struct {
	on    bool
	ascii [utf8.RuneSelf][2]uint64 // a bit for each pair of ASCII characters: not to be cut
	joins []uint64                 // bits: pairs that merges join
	shift uint                     // of a pair's hash, so that what is left is the number of a bit

	// Characters that have no token become bytes or unk. These are in no merge; but where unk tokens are fused or bytes
	// may be missing, unknown characters must stay together, and where they are left out, with their neighbours too.
	strict                bool // one of the two is false
	besideKnown, together bool // may be cut: between an unknown character and a known one, between two unknown ones
	runes                 *runeTable
}

// newCuts are those of m, which is literal. complete says that every byte has a token.
func (m *Symbols) newCuts(merges []symbolMerge, complete bool) cuts {
	c := cuts{on: true, runes: &m.runes}
	c.besideKnown = !m.drops
	c.together = complete || m.unk != noID && !m.o.FuseUnk && !m.o.ByteFallback
	c.strict = !c.besideKnown || !c.together
	size := 1 << 12
	for size < 32*len(merges) && size < 1<<22 { // pairs are far fewer than merges
		size *= 2
	}
	c.joins = make([]uint64, size/64)
	c.shift = uint(64 - bits.TrailingZeros(uint(size)))
	for _, p := range merges {
		last, _ := utf8.DecodeLastRune(m.vocab.Bytes(p.left))
		first, _ := utf8.DecodeRune(m.vocab.Bytes(p.right))
		bit := c.bit(last, first)
		c.joins[bit/64] |= 1 << (bit % 64)
		if last < utf8.RuneSelf && first < utf8.RuneSelf {
			c.ascii[last][first/64] |= 1 << (first % 64)
		}
	}
	for a := range rune(utf8.RuneSelf) {
		for b := range rune(utf8.RuneSelf) {
			if c.strict && c.keepsUnknown(a, b) {
				c.ascii[a][b/64] |= 1 << (b % 64)
			}
		}
	}
	return c
}

func (c *cuts) bit(a, b rune) uint64 { return (uint64(a)<<21 | uint64(b)) * mixA >> c.shift }

// keepsUnknown says that one of the two has no token, and that there may be no cut therefore.
func (c *cuts) keepsUnknown(a, b rune) bool {
	x, y := c.runes.id(a) == noID, c.runes.id(b) == noID
	return x && y && !c.together || x != y && !c.besideKnown
}

// next is where the word ends that begins at text[i].
func (c *cuts) next(text []byte, i int) int {
	if !c.on {
		return len(text)
	}
	a, n := decodeRune(text[i:])
	for i += n; i < len(text); {
		b := rune(text[i])
		if b < utf8.RuneSelf && uint32(a) < utf8.RuneSelf {
			if c.ascii[a][b>>6&1]>>(b&63)&1 == 0 {
				return i
			}
			a = b
			i++
			continue
		}
		b, n := decodeRune(text[i:])
		if a|b >= 0 {
			bit := c.bit(a, b)
			if c.joins[bit/64]>>(bit%64)&1 == 0 && !(c.strict && c.keepsUnknown(a, b)) {
				return i
			}
		}
		a = b
		i += n
	}
	return i
}

// decodeRune is utf8.DecodeRune, but that a byte that is not UTF-8, which must not be cut from its neighbours, is -1,
// and that the usual characters of two and three bytes take few steps.
func decodeRune(p []byte) (rune, int) {
	b := p[0]
	if b < utf8.RuneSelf {
		return rune(b), 1
	}
	if len(p) >= 3 {
		if b >= 0xc2 && b <= 0xdf && p[1]>>6 == 0b10 {
			return rune(b&0x1f)<<6 | rune(p[1]&0x3f), 2
		}
		if b > 0xe0 && b < 0xed && p[1]>>6 == 0b10 && p[2]>>6 == 0b10 { // e0 and ed have limits of their own
			return rune(b&0xf)<<12 | rune(p[1]&0x3f)<<6 | rune(p[2]&0x3f), 3
		}
	}
	r, n := utf8.DecodeRune(p)
	if r == utf8.RuneError && n == 1 {
		r = -1
	}
	return r, n
}
