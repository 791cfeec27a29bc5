package dedup

import (
	"bytes"
	"encoding/binary"
	"slices"

	"curate/text"
)

// unitKey is digest (16 bytes) and number of a unit (4, big-endian).
const unitKey = 16 + 4

// cutter cuts texts into units and takes units out. It serves one goroutine, and is a plain function of its settings.
type cutter struct {
	kind     string // Lines, Paragraphs, Sentences
	form     form
	minChars int
	span     int // sentences in a row that are compared
	spacy    *text.Spacy

	// Of the last text:
	all   int         // units there are, those that are too short among them
	units []text.Span // of lines and paragraphs those that are compared, with their line ends; else all sentences, without the white space around them
	areas []int32     // sentences: the number of the first one of each area between code blocks

	pieces  []text.Span
	scratch text.SpacyScratch
	normal  []byte
	ends    []int32 // of each sentence's form in normal
}

// size is what it holds, in bytes; shrink gives it back after a giant text.
func (c *cutter) size() int {
	return 8*(cap(c.units)+cap(c.pieces)) + 4*(cap(c.ends)+cap(c.areas)) + cap(c.normal) + c.scratch.Size()
}

func (c *cutter) shrink(limit int) {
	if c.size() > limit {
		c.units, c.areas, c.pieces, c.normal, c.ends = nil, nil, nil, nil, nil
		c.scratch.Shrink(limit)
	}
}

// cut finds the units of a text. Lines end at LF; a paragraph is the lines up to one that is blank; sentences are
// spaCy's. None lies in a code block or across one.
func (c *cutter) cut(b []byte) {
	c.all, c.units, c.areas = 0, c.units[:0], c.areas[:0]
	var f fence
	open := -1 // where a paragraph, or an area of sentences, begins
	end := func(at int) {
		if open >= 0 {
			if c.kind == Sentences {
				c.sentences(b, open, at)
			} else {
				c.take(b, open, at)
			}
			open = -1
		}
	}
	for at := 0; at < len(b); {
		to := len(b)
		if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
			to = at + i + 1
		}
		line := b[at:to]
		code := f.code(line)
		switch {
		case c.kind == Lines:
			if !code {
				c.take(b, at, to)
			}
		case code || c.kind == Paragraphs && len(text.TrimLeft(line)) == 0:
			end(at)
		case open < 0:
			open = at
		}
		at = to
	}
	end(len(b))
}

// take adds a line or paragraph, if it is to be compared.
func (c *cutter) take(b []byte, lo, hi int) {
	content := trim(b[lo:hi])
	if len(content) == 0 {
		return
	}
	c.all++
	if len(content) >= c.minChars && text.CodePoints(content) >= c.minChars {
		c.units = append(c.units, text.Span{Lo: int32(lo), Hi: int32(hi)})
	}
}

// sentences adds those of an area.
func (c *cutter) sentences(b []byte, lo, hi int) {
	area := b[lo:hi]
	first := len(c.units)
	c.pieces = c.spacy.Sentences(c.pieces[:0], area, &c.scratch)
	for _, p := range c.pieces {
		left := text.TrimLeft(p.Of(area))
		if content := text.TrimRight(left); len(content) > 0 {
			start := int32(lo) + p.Hi - int32(len(left))
			c.units = append(c.units, text.Span{Lo: start, Hi: start + int32(len(content))})
		}
	}
	if len(c.units) > first {
		c.areas = append(c.areas, int32(first))
	}
	c.all = len(c.units)
}

func trim(b []byte) []byte { return text.TrimRight(text.TrimLeft(b)) }

// appendKeys appends the key of each unit of b, which was cut: its digest in its form, and its number. Of sentences a
// unit is span of them in a row, with a space between their forms, and has the number of the first.
func (c *cutter) appendKeys(dst, b []byte) []byte {
	if c.kind != Sentences {
		for i, u := range c.units {
			d := Digest(c.form.of(trim(u.Of(b)), &c.normal), true)
			dst = binary.BigEndian.AppendUint32(append(dst, d[:]...), uint32(i))
		}
		return dst
	}
	for a, first := range c.areas {
		last := len(c.units)
		if a+1 < len(c.areas) {
			last = int(c.areas[a+1])
		}
		if last-int(first) < c.span {
			continue
		}
		c.normal, c.ends = c.normal[:0], c.ends[:0]
		for _, u := range c.units[first:last] {
			if len(c.ends) > 0 {
				c.normal = append(c.normal, ' ')
			}
			if c.form.append != nil {
				c.normal = c.form.append(c.normal, u.Of(b))
			} else {
				c.normal = append(c.normal, u.Of(b)...)
			}
			c.ends = append(c.ends, int32(len(c.normal)))
		}
		for i := 0; i+c.span <= len(c.ends); i++ {
			from := int32(0)
			if i > 0 {
				from = c.ends[i-1] + 1
			}
			n := int(first) + i
			form := c.normal[from:c.ends[i+c.span-1]]
			whole := b[c.units[n].Lo:c.units[n+c.span-1].Hi]
			if len(trim(form)) == 0 || text.CodePoints(whole) < c.minChars {
				continue
			}
			d := Digest(form, true)
			dst = binary.BigEndian.AppendUint32(append(dst, d[:]...), uint32(n))
		}
	}
	return dst
}

// whole are the numbers in units of what goes when the units with these numbers do, ascending: cuts themselves, or of
// sentences all those of the spans. ok is false if there are no such units.
func (c *cutter) whole(dst []uint32, cuts []uint32) (numbers []uint32, ok bool) {
	next := uint32(0) // all before it are done
	for _, k := range cuts {
		if int(k)+c.span > len(c.units) {
			return dst, false
		}
		for i := max(k, next); i < k+uint32(c.span); i++ {
			dst = append(dst, i)
		}
		next = k + uint32(c.span)
	}
	return dst, true
}

// appendLeft appends what is left of b without the units of these numbers, ascending. All else stays as it is, but for
// white space around what goes: blank lines do not pile up, a paragraph's end between two sentences outlives them, and
// where the text's last unit goes, white space before it does.
func (c *cutter) appendLeft(dst, b []byte, numbers []uint32) []byte {
	if len(numbers) == 0 {
		return append(dst, b...)
	}
	from, at := len(dst), 0
	left := leftText{text: dst, from: from, kept: from, blank: true}
	for i, k := range numbers {
		u := c.units[k]
		gap := b[at:u.Lo]
		switch {
		case i == 0:
			left.append(gap)
		case c.kind == Sentences:
			left.appendBehindSentence(gap)
		default:
			left.appendBehindLines(gap)
		}
		at = int(u.Hi)
	}
	switch rest := b[at:]; {
	case len(text.TrimLeft(rest)) == 0:
		return left.text[:left.kept]
	case c.kind == Sentences:
		left.appendBehindSentence(rest)
	default:
		left.appendBehindLines(rest)
	}
	return left.text
}

// leftText is what is left of a text, and what is known of its end: white space there may be long, and many units may be cut
// behind it, so that it is looked at once, when it is appended.
type leftText struct {
	text  []byte
	from  int  // where it begins in text
	kept  int  // text[:kept] is without the white space at the end
	feeds int  // in text[kept:]
	blank bool // the last line is blank, or there is none
}

// append appends a part of the text as it is.
func (l *leftText) append(part []byte) {
	if len(part) == 0 {
		return
	}
	fresh := len(l.text) == l.from || l.text[len(l.text)-1] == '\n'
	line := bytes.TrimSuffix(part, lineFeed)
	if i := bytes.LastIndexByte(line, '\n'); i >= 0 {
		line, fresh = line[i+1:], true
	}
	l.blank = (fresh || l.blank) && len(text.TrimLeft(line)) == 0
	if content := len(text.TrimRight(part)); content > 0 {
		l.kept, l.feeds = len(l.text)+content, bytes.Count(part[content:], lineFeed)
	} else {
		l.feeds += bytes.Count(part, lineFeed)
	}
	l.text = append(l.text, part...)
}

// appendBehindLines appends a part that stands behind a line or a paragraph which has been cut.
func (l *leftText) appendBehindLines(gap []byte) {
	if l.blank {
		gap = cutBlankLines(gap)
	}
	l.append(gap)
}

// appendBehindSentence appends a part that stands behind a sentence which has been cut.
func (l *leftText) appendBehindSentence(gap []byte) {
	behind := gap[:len(gap)-len(text.TrimLeft(gap))]
	feeds := bytes.Count(behind, lineFeed)
	switch {
	case l.kept > l.from && feeds > l.feeds:
		l.text, l.feeds = l.text[:l.kept], 0
	case feeds > 0:
		gap = gap[bytes.LastIndexByte(behind, '\n')+1:] // what a line, perhaps of code, is indented by stays
	default:
		gap = gap[len(behind):]
	}
	if l.kept == l.from {
		l.text, l.feeds = l.text[:l.from], 0
	}
	l.append(gap)
}

var lineFeed = []byte{'\n'}

// cutBlankLines cuts off the lines before the first that is not blank.
func cutBlankLines(b []byte) []byte {
	white := len(b) - len(text.TrimLeft(b))
	return b[bytes.LastIndexByte(b[:white], '\n')+1:]
}

// reserve makes room for the units of a giant text, as Scratch.reserve.
func (c *cutter) reserve(b []byte) {
	if len(b) > scratchLimit && c.kind == Lines {
		c.units = slices.Grow(c.units[:0], bytes.Count(b, lineFeed)+1)
	}
}
