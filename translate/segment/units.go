package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Units appends the units of text to dst, in order; what lies between them is the skeleton.
func Units(dst []Unit, text string) []Unit {
	lines := lex(text)
	var parts []Span
	var p paragraph
	apart := 0 // lines before this one are not joined
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		parts = l.parts(parts[:0], text)
		if len(parts) == 0 {
			continue
		}
		if i >= p.end {
			p = paragraphAt(text, lines, i)
		}
		if len(parts) == 1 && i >= apart && p.widest >= wrapMin && p.widest <= wrapMax {
			n, ok := p.hardWrapped(text, lines, i)
			if ok {
				u := Unit{make([]Span, 0, n)}
				for _, l := range lines[i : i+n] {
					u.Lines = append(u.Lines, Span{l.lo, l.hi})
				}
				dst = append(dst, u)
				i += n - 1
				continue
			}
			apart = i + n
		}
		for _, s := range parts {
			dst = append(dst, Unit{[]Span{s}})
		}
	}
	return dst
}

// parts appends the units of one line to dst: the cells of a row or the body of prose, cut at tabs, at wide gaps, and
// around calls of tools and JSON objects.
func (l line) parts(dst []Span, text string) []Span {
	first := len(dst)
	switch l.kind {
	case Table:
		if l.lo < l.hi {
			for _, c := range cells(nil, text, l.lo, l.hi) {
				dst = gaps(dst, text, c.Start, c.End)
			}
		}
	case Prose:
		dst = gaps(dst, text, l.lo, l.hi)
	}
	out := dst[:first]
	for _, s := range dst[first:] {
		s.Start = skipSpace(text, s.Start, s.End)
		s.End = trimSpace(text, s.Start, s.End)
		if hasLetter(text[s.Start:s.End]) {
			out = append(out, s)
		}
	}
	return out
}

// wideGap is how many spaces divide columns; sentences have two between them, and justified text sometimes three.
const wideGap = 4

// gaps appends the parts of a body.
func gaps(dst []Span, text string, lo, hi int) []Span {
	var holes []Span
	switch {
	case strings.Contains(text[lo:hi], "</tool") || strings.Contains(text[lo:hi], "</func"):
		holes = calls(nil, text, lo, hi)
	case strings.IndexByte(text[lo:hi], ':') > 0:
		holes = objects(nil, text, lo, hi)
	}
	from := lo
	for i := lo; i < hi; {
		n := 0
		switch {
		case len(holes) > 0 && i == holes[0].Start:
			n = holes[0].End - i
			holes = holes[1:]
		case text[i] == '\t':
			n = 1
		case text[i] == ' ':
			for i+n < hi && text[i+n] == ' ' {
				n++
			}
			if n < wideGap {
				i += n
				continue
			}
		default:
			i++
			continue
		}
		if from < i {
			dst = append(dst, Span{from, i})
		}
		i += n
		from = i
	}
	if from < hi {
		dst = append(dst, Span{from, hi})
	}
	return dst
}

// In hard-wrapped text the widest line of a paragraph has 60 to 130 characters (the common widths are 65 to 80 in mail and 79
// to 120 in sources), a line ends where the next word had no place any more, and sentences go on in the next line.
const (
	wrapMin   = 60
	wrapMax   = 130
	shortWrap = 45 // of a line before a long word
)

// paragraph is lines[start:end], none of which is blank, and the width of the widest.
type paragraph struct{ start, end, widest int }

func paragraphAt(text string, lines []line, i int) paragraph {
	p := paragraph{start: i, end: i}
	for ; p.end < len(lines) && lines[p.end].kind == Prose; p.end++ {
		l := lines[p.end]
		p.widest = max(p.widest, utf8.RuneCountInString(text[l.start:l.end]))
	}
	return p
}

// hardWrapped is how many lines of p go on in each other from line i on, and whether they are hard-wrapped text. A run ends at
// the end of a sentence, so that lines stay about as long as they were. Some lines may be shorter than need be, as after a
// change, if the next goes on with a small letter; not most of them.
func (p paragraph) hardWrapped(text string, lines []line, i int) (int, bool) {
	n, lower, full := i+1, false, 0
	for ; n < p.end && continues(text, lines[n-1], lines[n], lines[i]); n++ {
		a, b := lines[n-1], lines[n]
		w := utf8.RuneCountInString(text[a.start:a.hi])
		word := text[b.lo:b.hi]
		if sp := strings.IndexByte(word, ' '); sp > 0 {
			word = word[:sp]
		}
		r, _ := utf8.DecodeRuneInString(text[b.lo:b.hi])
		small := unicode.IsLower(r)
		switch {
		case w >= shortWrap && w+1+utf8.RuneCountInString(word) >= p.widest-1:
			full++
		case !small || w*5 < p.widest*3:
			return n - i, false
		}
		lower = lower || small
	}
	return n - i, n > i+1 && lower && full*2 >= n-i-1
}

// continues says whether line b may go on where a ends; first is the first line of the run.
func continues(text string, a, b, first line) bool {
	if a.kind != Prose || b.kind != Prose || b.first || a.whole || b.marked || a.lo == a.hi || b.lo == b.hi {
		return false
	}
	if end := text[a.end:a.next]; end != "\n" && end != "\r\n" {
		return false
	}
	// The same quote marks; the same indentation, or that of an item's body.
	da, _ := quoted(text, a.start, a.lo)
	db, _ := quoted(text, b.start, b.lo)
	if da != db {
		return false
	}
	wa := utf8.RuneCountInString(text[first.start:first.lo])
	wb := utf8.RuneCountInString(text[b.start:b.lo])
	if first.marked && wb != wa && wb != 0 || !first.marked && a.start != first.start && wb != utf8.RuneCountInString(text[a.start:a.lo]) {
		return false
	}
	if strings.IndexByte(text[a.lo:a.hi], '\t') >= 0 || strings.IndexByte(text[b.lo:b.hi], '\t') >= 0 ||
		strings.Contains(text[a.lo:a.hi], "    ") || strings.Contains(text[b.lo:b.hi], "    ") ||
		len(b.parts(nil, text)) != 1 {
		return false
	}
	body := strings.TrimRight(text[a.lo:a.hi], "\"')]}»”’*_`")
	last, _ := utf8.DecodeLastRuneInString(body)
	next, _ := utf8.DecodeRuneInString(text[b.lo:b.hi])
	return !strings.ContainsRune(".?!:…。？！：", last) && !spaceless(last) && !spaceless(next)
}

// spaceless says of the characters of scripts that put no spaces between words.
func spaceless(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}
