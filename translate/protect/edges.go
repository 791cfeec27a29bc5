package protect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// inSentence says whether a span is a word of the sentence.
func inSentence(p span) bool { return p.kind == glossaryKind || p.kind == numberKind }

func white(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsSpace(r) }) < 0
}

// edges finds what of text is the template: text[from:to]. Spans and white space outside the outermost letters that are not
// protected go, with the punctuation between them, but
//   - only up to white space, unless the span is markup: "`x`s are" and "`x`'s" keep their beginning, "<b>Bold" does not;
//   - a bracket, quote or asterisk only with its partner: "(`x` is y)" keeps all, "y (`x`)" is "y";
//   - punctuation that begins or ends the text stays, and what is beside it: the object in "Open `x`." may move in another language.
//
// If no letter and no term is outside the spans, all goes.
func edges(text string, pieces []span) (from, to int) {
	first, last := outermost(text, pieces)
	if first < 0 {
		return len(text), len(text)
	}
	var b balance
	begun := false // there was something else than white space
	for at, k := 0, 0; at < first; {
		if k < len(pieces) && pieces[k].start == at {
			p := pieces[k]
			begun, at, k = true, p.end, k+1
			b.span(p)
			if b.even() && (table[p.kind].markup || k < len(pieces) && pieces[k].start == at && pieces[k].end <= first) {
				from = at
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		if unicode.IsSpace(r) {
			if b.even() {
				from = at + size
			}
		} else if !b.add(r) && !begun {
			break
		}
		begun = begun || !unicode.IsSpace(r)
		at += size
	}

	b, begun, to = balance{}, false, len(text)
	for at, k := len(text), len(pieces)-1; at > last; {
		if k >= 0 && pieces[k].end == at {
			p := pieces[k]
			begun, at, k = true, p.start, k-1
			b.span(p)
			if b.even() && (table[p.kind].markup || k >= 0 && pieces[k].end == at && pieces[k].start >= last) {
				to = at
			}
			continue
		}
		r, size := utf8.DecodeLastRuneInString(text[:at])
		if unicode.IsSpace(r) {
			if b.even() {
				to = at - size
			}
		} else if !b.add(r) && !begun {
			break
		}
		begun = begun || !unicode.IsSpace(r)
		at -= size
	}
	return from, to
}

// outermost is where the first letter, digit or term outside the spans begins and the last ends; -1 if there is no letter or term.
func outermost(text string, pieces []span) (first, last int) {
	first, last = -1, -1
	letters := false
	at := 0
	for k := 0; k <= len(pieces) && (first < 0 || !letters); k++ {
		stop := len(text)
		if k < len(pieces) {
			stop = pieces[k].start
		}
		for i, r := range text[at:stop] {
			if first < 0 && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
				first = at + i
			}
			if unicode.IsLetter(r) {
				letters = true
				break
			}
		}
		if k < len(pieces) {
			at = pieces[k].end
			if inSentence(pieces[k]) {
				letters = true
				if first < 0 {
					first = pieces[k].start
				}
			}
		}
	}
	if !letters {
		return -1, -1
	}
	at = len(text)
	for k := len(pieces) - 1; k >= -1; k-- {
		start := 0
		if k >= 0 {
			start = pieces[k].end
		}
		if i := strings.LastIndexFunc(text[start:at], func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }); i >= 0 {
			_, size := utf8.DecodeRuneInString(text[start+i:])
			return first, start + i + size
		}
		if k >= 0 {
			if at = pieces[k].start; inSentence(pieces[k]) {
				return first, pieces[k].end
			}
		}
	}
	return first, first
}

// balance counts brackets, quotes and the marks of emphasis.
type balance struct {
	open [5]int // ( [ { “ «
	odd  uint8  // a bit for each of marks
	last rune
}

const (
	openers = "([{“«"
	shut    = ")]}”»"
	marks   = "*_~\"'`|"
)

// add counts r, and says whether it is something that has a partner. A run of one mark is one mark: **.
func (b *balance) add(r rune) bool {
	again := r == b.last
	b.last = r
	if k := runeIndex(openers, r); k >= 0 {
		b.open[k]++
		return true
	}
	if k := runeIndex(shut, r); k >= 0 {
		b.open[k]--
		return true
	}
	k := strings.IndexRune(marks, r)
	if k >= 0 && !again {
		b.odd ^= 1 << k
	}
	return k >= 0
}

// span counts the bracket that the target of a link closes.
func (b *balance) span(p span) {
	b.last = 0
	if p.kind == linkKind {
		b.open[1]--
	}
}

func (b *balance) even() bool { return b.odd == 0 && b.open == [5]int{} }

// runeIndex is the number of r among the runes of s, -1 if it is not there.
func runeIndex(s string, r rune) int {
	n := 0
	for _, q := range s {
		if q == r {
			return n
		}
		n++
	}
	return -1
}
