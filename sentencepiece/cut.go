package sentencepiece

import (
	"bytes"
	"strings"
)

// cut is where normalized text may be cut into words so that what the model makes of them one by one is what it makes
// of the whole: where no piece reaches across. A run of marks, which stand for spaces, is never cut.
type cut uint8

const (
	cutNowhere cut = iota
	cutBefore      // before marks that something else stands before
	cutAfter       // after marks that something else stands after
)

// findCut looks for pieces with something before a mark, and something after one.
func findCut(pieces []Piece, mark string) cut {
	before, after := false, false
	for i := range pieces {
		p := &pieces[i]
		if !p.inText() || strings.Index(p.Text, mark) < 0 {
			continue
		}
		marks, others := false, false // up to here
		for s := p.Text; s != ""; {
			if rest, ok := strings.CutPrefix(s, mark); ok {
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
		return cutBefore
	case !after:
		return cutAfter
	}
	return cutNowhere
}

// wordEnd is where the word that begins at i ends, or -1 if that is not inside text.
func (m *Model) wordEnd(text []byte, i int) int {
	switch m.cut {
	case cutBefore:
		for m.markAt(text, i) {
			i += len(m.mark)
		}
		return m.nextMark(text, i)
	case cutAfter:
		if i = m.nextMark(text, i); i < 0 {
			return -1
		}
		for m.markAt(text, i) {
			i += len(m.mark)
		}
		if i < len(text) {
			return i
		}
	}
	return -1
}

func (m *Model) markAt(text []byte, i int) bool {
	if len(m.mark) == 1 {
		return i < len(text) && text[i] == ' '
	}
	return i+2 < len(text) && text[i] == space[0] && text[i+1] == space[1] && text[i+2] == space[2]
}

func (m *Model) nextMark(text []byte, i int) int {
	if len(m.mark) == 1 {
		if n := bytes.IndexByte(text[i:], ' '); n >= 0 {
			return i + n
		}
		return -1
	}
	for ; i+2 < len(text); i++ {
		if text[i] == space[0] && text[i+1] == space[1] && text[i+2] == space[2] {
			return i
		}
	}
	return -1
}
