package sentencepiece

import (
	"strings"
	"unicode/utf8"
)

// cuts is where normalized text may be cut into words so that what the model makes of them one by one is what it makes
// of the whole: where no piece reaches across. A run of ▁ is never cut.
type cuts struct {
	at cut
	// together says for two ASCII characters a and b, at a<<7|b, whether a piece has one after the other.
	together *[1 << 14]bool
}

type cut uint8

const (
	cutNowhere cut = iota
	cutChars       // between ASCII characters that are never together
	cutBefore      // there, and before ▁ that something else stands before
	cutAfter       // there, and after ▁ that something else stands after
)

func findCuts(pieces []Piece) cuts {
	c := cuts{cutChars, new([1 << 14]bool)}
	before, after := false, false
	for i := range pieces {
		p := &pieces[i]
		if !p.inText() {
			continue
		}
		for j := 1; j < len(p.Text); j++ {
			if a, b := p.Text[j-1], p.Text[j]; a|b < utf8.RuneSelf {
				c.together[int(a)<<7|int(b)] = true
			}
		}
		if !strings.Contains(p.Text, space) {
			continue
		}
		marks, others := false, false // up to here
		for s := p.Text; s != ""; {
			if rest, ok := strings.CutPrefix(s, space); ok {
				before = before || others
				marks, s = true, rest
			} else {
				after = after || marks
				others, s = true, s[1:]
			}
		}
	}
	switch {
	case !before:
		c.at = cutBefore
	case !after:
		c.at = cutAfter
	}
	return c
}

// wordEnd is where the word that begins at i ends, or -1 if that is not inside text. Spaces at the end of text are not
// cut off, since those at the end of all are not part of it (Normalizer::Normalize).
func (c *cuts) wordEnd(text []byte, i int) int {
	if c.at == cutNowhere {
		return -1
	}
	for spaceAt(text, i) {
		i += len(space)
	}
	if i >= len(text) {
		return -1
	}
	before := text[i]
	for i++; i < len(text); i++ {
		b := text[i]
		if before|b < utf8.RuneSelf {
			if !c.together[int(before)<<7|int(b)] {
				return i
			}
		} else if b == space[0] && c.at >= cutBefore && spaceAt(text, i) {
			if c.at == cutBefore {
				return i
			}
			for spaceAt(text, i) {
				i += len(space)
			}
			if i < len(text) {
				return i
			}
			return -1
		}
		before = b
	}
	return -1
}

func spaceAt(text []byte, i int) bool {
	return i+2 < len(text) && text[i] == space[0] && text[i+1] == space[1] && text[i+2] == space[2]
}
