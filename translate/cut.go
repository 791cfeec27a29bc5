package translate

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"curate/translate/protect"
	"curate/translate/segment"
)

// piece is a part of a template, with its holes numbered from 0.
type piece struct {
	before   string // white space, and text without a letter, in front of it
	template protect.Template
	holes    []int // of the whole, one a hole of the piece
	after    string
	ask      bool // there is something to translate
}

// joined is the template of translated pieces: targets has one a piece, and is not looked at where nothing was asked.
func joined(pieces []piece, targets []protect.Template) protect.Template {
	var whole protect.Template
	var open strings.Builder // a long text has many pieces
	text := func(s string) { open.WriteString(s) }
	for i, p := range pieces {
		t := p.template
		if p.ask {
			t = targets[i]
		}
		text(p.before)
		for k, s := range t.Text {
			text(s)
			if k < len(t.Holes) {
				whole.Holes = append(whole.Holes, p.holes[t.Holes[k]])
				whole.Text = append(whole.Text, open.String())
				open.Reset()
			}
		}
		text(p.after)
	}
	whole.Text = append(whole.Text, open.String())
	return whole
}

// boundary is a place to cut: in front of byte at of Text[text].
type boundary struct{ text, at int }

// cutAt cuts a template at boundaries, which are in order.
func cutAt(t protect.Template, at []boundary) []piece {
	var pieces []piece
	open := piece{template: protect.Template{Text: []string{""}}}
	flush := func() {
		pieces = append(pieces, trimmed(open))
		open = piece{template: protect.Template{Text: []string{""}}}
	}
	for i, s := range t.Text {
		from := 0
		for len(at) > 0 && at[0].text == i {
			last := len(open.template.Text) - 1
			open.template.Text[last] += s[from:at[0].at]
			from = at[0].at
			at = at[1:]
			flush()
		}
		open.template.Text[len(open.template.Text)-1] += s[from:]
		if i < len(t.Holes) {
			open.template.Holes = append(open.template.Holes, len(open.holes))
			open.holes = append(open.holes, t.Holes[i])
			open.template.Text = append(open.template.Text, "")
		}
	}
	flush()
	return pieces
}

// trimmed moves white space at the edges out of the piece, and says whether there is something to ask.
func trimmed(p piece) piece {
	first, last := 0, len(p.template.Text)-1
	s := p.template.Text[first]
	rest := strings.TrimLeftFunc(s, unicode.IsSpace)
	p.before, p.template.Text[first] = s[:len(s)-len(rest)], rest
	s = p.template.Text[last]
	rest = strings.TrimRightFunc(s, unicode.IsSpace)
	p.after, p.template.Text[last] = s[len(rest):], rest
	p.ask = p.template.Letters()
	return p
}

// stand is what a hole is in the text in which sentences are looked for: a word, so that no sentence begins or ends at it.
const stand = "x"

// sentences cuts a template behind each of its sentences.
func sentences(t protect.Template) []piece {
	flat := strings.Join(t.Text, stand)
	var at []boundary
	text, begin := 0, 0 // flat[begin:] is Text[text]…
	for _, end := range segment.Sentences(nil, flat) {
		for text < len(t.Text)-1 && end > begin+len(t.Text[text]) {
			begin += len(t.Text[text]) + len(stand)
			text++
		}
		if end < len(flat) && end >= begin {
			at = append(at, boundary{text, end - begin})
		}
	}
	return cutAt(t, at)
}

// aroundHoles cuts a template in front of and behind each of its holes.
func aroundHoles(t protect.Template) []piece {
	var at []boundary
	for i, s := range t.Text {
		if i > 0 {
			at = append(at, boundary{i, 0})
		}
		if i < len(t.Text)-1 {
			at = append(at, boundary{i, len(s)})
		}
	}
	return cutAt(t, at)
}

// halves cuts a template near its middle, best behind a clause, else between words; one piece where there is no such place.
func halves(t protect.Template) []piece {
	total := 0
	for _, s := range t.Text {
		total += len(s)
	}
	type place struct {
		boundary
		off  int
		mark bool
	}
	var best place
	found := false
	off := 0
	for i, s := range t.Text {
		for k, r := range s {
			before, _ := utf8.DecodeLastRuneInString(s[:k])
			wide := strings.ContainsRune("，、；：。！？", before) // which have no space behind them
			if r != ' ' && !wide || k == 0 && i == 0 {
				continue
			}
			p := place{boundary{i, k}, off + k, wide || strings.ContainsRune(",;:.!?)", before)}
			if !found || cost(p.off, total, p.mark) < cost(best.off, total, best.mark) {
				best, found = p, true
			}
		}
		off += len(s)
	}
	if !found {
		return cutAt(t, nil)
	}
	return cutAt(t, []boundary{best.boundary})
}

// cost of a cut: how far from the middle it is, where the end of a clause may be a quarter of the text farther.
func cost(off, total int, mark bool) int {
	d := off - total/2
	if d < 0 {
		d = -d
	}
	if !mark {
		d += total / 4
	}
	return d
}
