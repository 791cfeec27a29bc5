package langid

import (
	"slices"
	"strings"

	"curate/stage"
)

// What a language is asked about. Texts of several languages are told by paragraphs or lines; a document as a whole
// has one answer, whatever it is mixed of.
const (
	Document  = "document"
	Paragraph = "paragraph" // up to a line that is empty but for white space, with it and those that follow
	Line      = "line"      // up to a line feed, with it
)

// Units are the names, sorted.
var units = []string{Document, Line, Paragraph}

func checkUnit(name string) error {
	if !slices.Contains(units, name) {
		return stage.UnknownName("unit", name, units)
	}
	return nil
}

// unitLetters is how many letters a part needs to be asked about by itself. Of pieces of one or two words every
// engine gets a third wrong (docs/langid.md), and headings are names as often as words.
const unitLetters = 20

// Part is a paragraph or line of a text. The parts of a text, one after another, are the text.
type Part struct {
	Lo, Hi  int    // bytes
	Letters int    // code points
	Answer  Answer // its own, or that of the part that it goes with
	own     bool
}

// Share is how much of a text is in a language.
type Share struct {
	Language string
	Letters  int
	Score    float64 // mean of the parts' scores, each as often as it has letters
}

// Mixed finds the languages of a text part by part. It serves one goroutine.
type Mixed struct {
	id     Identifier
	parts  []Part
	shares []Share
}

// NewMixed asks id about each part.
func NewMixed(id Identifier) *Mixed { return &Mixed{id: id} }

// Parts are those of the last text, until the next.
func (m *Mixed) Parts() []Part { return m.parts }

// Identify cuts doc, which is valid UTF-8, into its paragraphs or lines, and says how much of it is in which
// language: the largest share first, then by code. Shares count letters alone.
//
// A part with few letters is not asked about: it goes with the next part that is, as a heading does, or where there is none
// with the one before. A text without any part that is asked about is asked about as a whole. A text without
// letters has one share of Und.
func (m *Mixed) Identify(doc []byte, unit string) []Share {
	m.parts = appendParts(m.parts[:0], doc, unit)
	asked := false
	for i := range m.parts {
		p := &m.parts[i]
		if p.Letters >= unitLetters {
			p.Answer, p.own = m.id.Identify(doc[p.Lo:p.Hi]), true
			asked = true
		}
	}
	if asked {
		at := -1
		for i := len(m.parts) - 1; i >= 0; i-- { // what comes before a part goes with it
			if m.parts[i].own {
				at = i
			} else if at >= 0 {
				m.parts[i].Answer = m.parts[at].Answer
			}
		}
		at = -1
		for i := range m.parts { // the last ones go with the one before
			if m.parts[i].own {
				at = i
			} else if m.parts[i].Answer.Language == "" {
				m.parts[i].Answer = m.parts[at].Answer
			}
		}
	} else {
		all := m.id.Identify(doc)
		for i := range m.parts {
			m.parts[i].Answer = all
		}
		if len(m.parts) == 0 {
			m.shares = append(m.shares[:0], Share{Language: all.Language, Score: all.Score})
			return m.shares
		}
	}
	m.shares = m.shares[:0]
	for i := range m.parts {
		p := &m.parts[i]
		k := slices.IndexFunc(m.shares, func(s Share) bool { return s.Language == p.Answer.Language })
		if k < 0 {
			k = len(m.shares)
			m.shares = append(m.shares, Share{Language: p.Answer.Language})
		}
		m.shares[k].Letters += p.Letters
		m.shares[k].Score += float64(p.Answer.Score * float64(p.Letters))
	}
	for i := range m.shares {
		if s := &m.shares[i]; s.Letters > 0 {
			s.Score /= float64(s.Letters)
		}
	}
	slices.SortFunc(m.shares, func(a, b Share) int {
		if a.Letters != b.Letters {
			return b.Letters - a.Letters
		}
		return strings.Compare(a.Language, b.Language)
	})
	return m.shares
}

func appendParts(dst []Part, doc []byte, unit string) []Part {
	lo, blank := 0, false
	for i := 0; i < len(doc); {
		end := i // of the line, with its line feed
		for end < len(doc) && doc[end] != '\n' {
			end++
		}
		end = min(end+1, len(doc))
		empty := isBlank(doc[i:end])
		if unit == Line && i > lo || unit == Paragraph && blank && !empty {
			dst = append(dst, part(doc, lo, i))
			lo = i
		}
		blank = empty
		i = end
	}
	if lo < len(doc) {
		dst = append(dst, part(doc, lo, len(doc)))
	}
	return dst
}

func isBlank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

func part(doc []byte, lo, hi int) Part {
	p := Part{Lo: lo, Hi: hi}
	for i := lo; i < hi; {
		letter, size := letterAt(doc, i)
		if letter {
			p.Letters++
		}
		i += size
	}
	return p
}

// appendKept appends what is left of doc when the parts in other languages than those that are to be kept are cut
// out, without white space at its ends.
func (m *Mixed) appendKept(dst, doc []byte, keep func(language string) bool) []byte {
	from := len(dst)
	for i := range m.parts {
		if p := &m.parts[i]; keep(p.Answer.Language) {
			dst = append(dst, doc[p.Lo:p.Hi]...)
		}
	}
	hi := len(dst)
	for hi > from && isBlank(dst[hi-1:hi]) {
		hi--
	}
	return dst[:hi]
}
