package dedup

import (
	"slices"
	"unicode/utf8"

	"curate/text"
)

// CutConfig says what goes beside what was found, and when a document goes wholly. The zero value is what GPT-3's authors did.
type CutConfig struct {
	// Window of characters on each side goes, too; 200 by default ("removed the colliding 13-gram plus a 200 character window
	// around it"). Negative is none.
	Window int
	// LeastPiece is the least number of characters that a piece has that stays; 200 by default ("Pieces less than 200
	// characters long were discarded").
	LeastPiece int
	// MostPieces is into how many pieces a document may fall; 10 by default ("Documents split into more than 10 pieces were
	// considered contaminated and removed entirely").
	MostPieces int
}

func (c *CutConfig) resolve() {
	for v, of := range map[*int]int{&c.Window: 200, &c.LeastPiece: 200, &c.MostPieces: 10} {
		if *v == 0 {
			*v = of
		}
	}
	c.Window, c.LeastPiece = max(c.Window, 0), max(c.LeastPiece, 0)
}

// pieceBreak stands between two pieces that stay. A record is one document before and after, so they are not documents of their
// own, as GPT-3's were.
const pieceBreak = "\n\n"

// appendPieces appends what stays of a text: all but the stretches of its words, with their windows. pieces is how many it fell
// into, those that were too short to stay included; where they are more than may be, nothing is appended.
func (c *CutConfig) appendPieces(dst, b []byte, words []plainWord, stretches []stretch) (out []byte, pieces int) {
	slices.SortFunc(stretches, func(a, b stretch) int { return a.lo - b.lo })
	begin := len(dst)
	piece := func(lo, hi int) {
		if lo >= hi {
			return
		}
		p := text.TrimLeft(text.TrimRight(b[lo:hi]))
		if len(p) == 0 {
			return
		}
		pieces++
		if text.CodePoints(p) < c.LeastPiece {
			return
		}
		if len(dst) > begin {
			dst = append(dst, pieceBreak...)
		}
		dst = append(dst, p...)
	}
	done := 0
	for _, s := range stretches {
		lo, hi := int(words[s.lo].lo), int(words[s.hi-1].hi)
		for range c.Window {
			if lo > done {
				_, n := utf8.DecodeLastRune(b[:lo])
				lo -= n
			}
			if hi < len(b) {
				_, n := utf8.DecodeRune(b[hi:])
				hi += n
			}
		}
		piece(done, lo)
		done = max(done, hi)
	}
	piece(done, len(b))
	if pieces > c.MostPieces {
		return dst[:begin], pieces
	}
	return dst, pieces
}
