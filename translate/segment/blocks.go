package segment

import "strings"

// lexer goes through the lines once, from top to bottom; what it must look ahead for it looks for once (finder), so that
// the time is linear in the text.
type lexer struct {
	text  string
	lines []line

	list      int // column in which the content of the current list item begins; 0 outside of lists
	noCode    int // lines before this one are no code
	noYAML    int // and no YAML
	nextBlank int // the blank line that blankBefore knows
	nextFence int // the line that tailFence knows
	budget    int // see jsonBudget
	ornaments int // fences that were none

	dollars, brackets, comments finder
	tags                        map[string]*finder
	environments                map[int]int
}

// lex finds the lines of text, their kinds and bodies.
func lex(text string) []line {
	x := &lexer{
		text: text, lines: cutLines(text), budget: jsonBudget*len(text) + 1,
		dollars: finder{text: text, want: "$$"}, brackets: finder{text: text, want: `\]`},
		comments: finder{text: text, want: "-->"}, tags: map[string]*finder{},
	}
	i := x.frontMatter()
	x.mark(0, i, Data)
	for i < len(x.lines) {
		i = x.block(i)
	}
	return x.lines
}

// mark makes lines i to j a block.
func (x *lexer) mark(i, j int, k Kind) int {
	for n := i; n < j; n++ {
		x.lines[n].kind = k
		x.lines[n].first = n == i
	}
	return j
}

func (x *lexer) trimmed(i int) string {
	return strings.TrimSpace(x.text[x.lines[i].start:x.lines[i].end])
}

// blank says of a line of nothing but white space and quote marks.
func (x *lexer) blank(i int) bool {
	_, at := quoted(x.text, x.lines[i].start, x.lines[i].end)
	return skipSpace(x.text, at, x.lines[i].end) == x.lines[i].end
}

// opensFence looks for an opening fence behind quote marks and list markers.
func (x *lexer) opensFence(i int) (f fence, list, ok bool) {
	l := x.lines[i]
	at := skipSpace(x.text, l.start, l.end)
	if at == l.end || strings.IndexByte("`~>-*+0123456789", x.text[at]) < 0 {
		return f, false, false
	}
	p := prefix(x.text, l.start, l.end, false)
	if f, ok = openFence(x.text, p.at, l.end); !ok || p.head {
		return f, false, false
	}
	var at2 int
	f.depth, at2 = quoted(x.text, l.start, l.end)
	q := prefixed{at: at2}
	q.advance(x.text, p.at)
	f.column = q.column
	return f, p.list, true
}

// block takes the block that begins in line i, or a line of one of prose. It returns the line behind.
func (x *lexer) block(i int) int {
	l := x.lines[i]
	_, at := quoted(x.text, l.start, l.end)
	at = skipSpace(x.text, at, l.end)
	if at == l.end {
		x.lines[i].kind = Blank
		x.lines[i].first = i == 0 || x.lines[i-1].kind != Blank
		return i + 1
	}
	if f, list, ok := x.opensFence(i); ok {
		if j := x.fenced(i, f); j > i {
			if list {
				x.list = f.column
			}
			return x.mark(i, j, Fence)
		}
	}
	switch x.text[at] {
	case '{', '[':
		if j := x.data(i); j > i {
			return x.mark(i, j, Data)
		}
	}
	p := prefix(x.text, l.start, l.end, false)
	if p.at < l.end {
		switch x.text[p.at] {
		case '$', '\\':
			k, end := Math, x.formula(i, p.at)
			if end < 0 {
				k, end = Environment, x.environment(p.at)
			}
			if end > 0 {
				if j, rest := x.lineOf(i, end); rest < 0 || j > i+1 {
					return x.until(i, j, rest, k)
				}
			}
		case '<':
			if end := x.tagged(i, p.at); end > 0 {
				t := readTag(x.text[p.at:l.end])
				if j, rest := x.lineOf(i, end); rest < 0 || j > i+1 || isCall(t.name) {
					return x.until(i, j, rest, Tagged)
				}
			}
		}
		if j, rest := x.markup(i, p.at); j > i {
			return x.until(i, j, rest, Markup)
		}
	} else if p.marked && onlyTokens(x.text[at:l.end]) {
		return x.mark(i, i+1, Tokens)
	}
	if rule(x.text[at:l.end]) {
		return x.mark(i, i+1, Rule)
	}
	if j := x.table(i); j > i {
		x.mark(i, j, Table)
		for ; i < j; i++ {
			x.row(i)
		}
		return j
	}
	if i == 0 || x.lines[i-1].kind != Prose || x.text[trimSpace(x.text, x.lines[i-1].start, x.lines[i-1].end)-1] == ':' {
		if j := x.code(i); j > i {
			return x.mark(i, j, Code)
		}
		if j := x.csv(i); j > i {
			return x.mark(i, j, Data)
		}
		if j := x.yaml(i); j > i {
			return x.mark(i, j, Data)
		}
	}
	return x.prose(i, l.start)
}

// until makes lines i to j a block of kind k, but for the last one if text follows there from rest on (-1: none).
func (x *lexer) until(i, j, rest int, k Kind) int {
	if rest < 0 {
		return x.mark(i, j, k)
	}
	x.mark(i, j-1, k)
	return x.prose(j-1, rest)
}

// onlyTokens says whether s, which is all prefix, begins with a token.
func onlyTokens(s string) bool { return token(s) > 0 }

// rule says of a line of three or more of one mark, with white space or without. (CommonMark 0.31, 4.1 and 4.3, and what
// plain text uses.)
func rule(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r':
			continue
		case '-', '*', '_', '=', '#', '.', '~':
		default:
			return false
		}
		if s[i] != s[0] {
			return false
		}
		n++
	}
	return n >= 3
}

// row finds the row of a table between its quote marks and white space; a delimiter row has none.
func (x *lexer) row(i int) {
	l := &x.lines[i]
	_, at := quoted(x.text, l.start, l.end)
	l.lo = skipSpace(x.text, at, l.end)
	l.hi = trimSpace(x.text, l.lo, l.end)
	l.whole = true
	if delimiter(x.text[l.lo:l.hi]) {
		l.hi = l.lo
	}
}

// prose takes line i, whose prefix reaches at least up to from. Formulas, calls of tools, fences and JSON that begin at its
// end are blocks from the next line on; their first line stays in the suffix.
func (x *lexer) prose(i, from int) int {
	l := &x.lines[i]
	l.kind = Prose
	l.first = i == 0 || x.lines[i-1].kind != Prose
	p := prefix(x.text, l.start, l.end, x.lettered(i))
	if from > l.start {
		p = prefixed{at: skipSpace(x.text, from, l.end), marked: true}
	}
	hi := suffix(x.text, p.at, l.end, p.head)
	l.lo, l.hi, l.marked = p.at, hi, p.marked
	switch {
	case p.list:
		x.list = p.column
	case x.list > 0 && p.column < 2 && (i == 0 || x.lines[i-1].kind == Blank):
		x.list = 0
	}
	behind := x.text[hi:l.end]
	l.whole = p.head || hi < l.end && strings.TrimRight(behind, " ") != "" || len(behind) > 1
	next := i + 1
	if next == len(x.lines) || hi == p.at {
		return next
	}
	at, end, k := -1, -1, Math
	if at, end = x.tailMath(i, p.at, hi); at > 0 && x.text[at+1] == 'b' {
		k = Environment
	}
	if at < 0 {
		k = Tagged
		at, end = x.tailCall(i, p.at, hi)
	}
	if at < 0 {
		var j int
		k = Fence
		if at = x.tailFence(i, p.at, hi); at > 0 {
			j = x.nextFence + 1
		} else if at, j = x.tailData(i, p.at, hi); at > 0 {
			k = Data
		} else {
			return next
		}
		l.hi = trimSpace(x.text, l.lo, at)
		l.whole = true
		return x.mark(next, j, k)
	}
	l.hi = trimSpace(x.text, l.lo, at)
	l.whole = true
	j, rest := x.lineOf(next, end)
	return x.until(next, j, rest, k)
}

// lettered says whether line i begins with a letter and a full stop that number an item: "A. Paris" before "B. London".
func (x *lexer) lettered(i int) bool {
	s := x.trimmed(i)
	if bareLetter(s) == 0 {
		return false
	}
	for n := i - 1; n >= max(0, i-3); n-- {
		if t := x.trimmed(n); t != "" {
			if neighbours(t, s) {
				return true
			}
			break
		}
	}
	for n := i + 1; n < min(len(x.lines), i+4); n++ {
		if t := x.trimmed(n); t != "" {
			return neighbours(s, t)
		}
	}
	return false
}
