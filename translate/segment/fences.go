package segment

import "strings"

// fence is an opening fence: CommonMark 0.31, 4.5, but with any indentation, since answers of models indent at will.
type fence struct {
	mark   byte
	length int
	column int  // of the marks
	depth  int  // of quotes
	bare   bool // tildes alone
}

// openFence reads text[at:hi], where the content of a line begins.
func openFence(text string, at, hi int) (f fence, ok bool) {
	at = skipSpace(text, at, hi)
	n := 0
	if at == hi || text[at] != '`' && text[at] != '~' {
		return f, false
	}
	f.mark = text[at]
	for at+n < hi && text[at+n] == f.mark {
		n++
	}
	f.length = n
	f.bare = f.mark == '~' && skipSpace(text, at+n, hi) == hi
	return f, n >= 3 && (f.mark == '~' || strings.IndexByte(text[at+n:hi], '`') < 0)
}

// closes says whether a line is the closing fence of f.
func (f fence) closes(text string, l line) bool {
	_, at := l.content(text, f.depth)
	n := 0
	p := prefixed{at: at}
	p.advance(text, skipSpace(text, at, l.end))
	for p.at+n < l.end && text[p.at+n] == f.mark {
		n++
	}
	return n >= f.length && p.column <= f.column+3 && skipSpace(text, p.at+n, l.end) == l.end
}

// content is where the content of a line begins behind at most depth quote marks, and how many it has.
func (l line) content(text string, depth int) (have, at int) {
	at = l.start
	for have < depth {
		i := skipSpace(text, at, l.end)
		if i == l.end || text[i] != '>' {
			break
		}
		have++
		if at = i + 1; at < l.end && text[at] == ' ' {
			at++
		}
	}
	return have, at
}

// fenced is the line behind the fence f that line i opens. A fence that is never closed ends where the text does, or its
// quote; or, if there is one, at the first line that ends in its marks behind code. Three tildes or more that are never
// closed and name no language are an ornament, and i is returned.
func (x *lexer) fenced(i int, f fence) int {
	glued := 0
	for j := i + 1; j < len(x.lines); j++ {
		l := x.lines[j]
		if have, _ := l.content(x.text, f.depth); have < f.depth {
			return j
		}
		if f.closes(x.text, l) {
			return j + 1
		}
		if glued == 0 && gluedFence(x.text[l.start:l.end], f) {
			glued = j + 1
		}
	}
	if glued > 0 {
		return glued
	}
	if f.bare && x.ornaments < 16 { // each of them has cost a walk to the end
		x.ornaments++
		return i
	}
	return len(x.lines)
}

// gluedFence says whether a line of code ends in the marks that close f.
func gluedFence(s string, f fence) bool {
	s = strings.TrimRight(s, " \t")
	n := len(s)
	for n > 0 && s[n-1] == f.mark {
		n--
	}
	return len(s)-n == f.length && n > 0 && strings.IndexByte(s[:n], f.mark) < 0
}

// tailFence is where a line of prose ends in an opening fence, "Run this: ```bash", if a line of nothing but marks
// closes it; or -1.
func (x *lexer) tailFence(i, lo, hi int) int {
	s := x.text[lo:hi]
	at := strings.LastIndex(s, "```")
	if at < 1 || s[at-1] == '`' || strings.IndexByte(s[:at], '`') >= 0 || strings.ContainsAny(s[at+3:], "` \t") {
		return -1
	}
	for x.nextFence <= i || x.nextFence < len(x.lines) && !strings.HasPrefix(x.trimmed(x.nextFence), "```") {
		x.nextFence++
	}
	if x.nextFence == len(x.lines) || strings.Trim(x.trimmed(x.nextFence), "`") != "" {
		return -1
	}
	return lo + at
}
