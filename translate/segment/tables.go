package segment

import "strings"

// delimiter says whether s, without outer white space, is the delimiter row of a pipe table (GitHub Flavored Markdown, 4.10)
// or a rule of a table drawn with + and -.
func delimiter(s string) bool {
	pipes, dashes := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '|', '+':
			pipes++
		case '-', '=':
			dashes++
		case ':', ' ', '\t':
		default:
			return false
		}
	}
	return pipes > 0 && dashes > 0 && (s[0] != '+' || s[len(s)-1] == '+' && pipes > 1) && (s[0] == '|' || s[0] == '+' || s[0] == '-' || s[0] == ':') && !strings.HasPrefix(s, "- ") && !strings.HasPrefix(s, "+ ")
}

// cells appends the cells of the row text[lo:hi], with their white space; what lies between them are the pipes. Escaped pipes
// and those in code spans divide nothing.
func cells(dst []Span, text string, lo, hi int) []Span {
	s := text[lo:hi]
	code := codeSpans(s)
	start, end := 0, len(s)
	if start < end && s[start] == '|' {
		start++
	}
	if end > start && s[end-1] == '|' && !escaped(s, end-1) {
		end--
	}
	from := start
	for i := start; i < end; i++ {
		for len(code) > 0 && code[0].End <= i {
			code = code[1:]
		}
		switch {
		case len(code) > 0 && code[0].Start == i:
			i = code[0].End - 1
		case s[i] == '\\':
			i++
		case s[i] == '|':
			dst = append(dst, Span{lo + from, lo + i})
			from = i + 1
		}
	}
	return append(dst, Span{lo + min(from, end), lo + end})
}

func escaped(s string, i int) bool {
	n := 0
	for i-n > 0 && s[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// codeSpans finds the code spans of s: runs of equally many backticks.
func codeSpans(s string) []Span {
	if strings.IndexByte(s, '`') < 0 {
		return nil
	}
	var runs []Span
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			continue
		}
		n := i
		for i < len(s) && s[i] == '`' {
			i++
		}
		runs = append(runs, Span{n, i})
	}
	// next[i] is the next run of the length of run i.
	next := make([]int, len(runs))
	last := map[int]int{}
	for i := len(runs) - 1; i >= 0; i-- {
		n := runs[i].End - runs[i].Start
		next[i] = last[n]
		last[n] = i
	}
	spans := runs[:0]
	for i := 0; i < len(runs); i++ {
		if next[i] > 0 {
			s := Span{runs[i].Start, runs[next[i]].End}
			i = next[i]
			spans = append(spans, s)
		}
	}
	return spans
}

// hasPipe says whether an unescaped pipe stands in s.
func hasPipe(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '|':
			return true
		}
	}
	return false
}

// piped says of a row that begins and ends with a pipe.
func piped(s string) bool { return len(s) > 2 && s[0] == '|' && s[len(s)-1] == '|' }

// table is the line behind the table that begins with line i, or i: a row and its delimiter row, or rows between rules, or
// at least two rows of as many cells, two or more, that begin and end with pipes.
func (x *lexer) table(i int) int {
	depth, _ := quoted(x.text, x.lines[i].start, x.lines[i].end)
	row := func(j int) string {
		if j >= len(x.lines) {
			return ""
		}
		have, at := x.lines[j].content(x.text, depth)
		if have < depth {
			return ""
		}
		at = skipSpace(x.text, at, x.lines[j].end)
		return x.text[at:trimSpace(x.text, at, x.lines[j].end)]
	}
	r := row(i)
	j := i
	switch {
	case r == "" || !hasPipe(r) && !delimiter(r):
		return i
	case delimiter(r) && (r[0] == '+' && piped(row(i+1)) || r[0] == '|'):
		j = i + 1
	case delimiter(row(i + 1)):
		j = i + 2
	case piped(r) && piped(row(i+1)):
		n := len(cells(nil, r, 0, len(r)))
		if n < 2 {
			return i
		}
		for s := r; piped(s) && len(cells(nil, s, 0, len(s))) == n; s = row(j) {
			j++
		}
		if j < i+2 {
			return i
		}
		return j
	default:
		return i
	}
	for r = row(j); r != "" && (hasPipe(r) || delimiter(r)); r = row(j) {
		if _, _, fenced := x.opensFence(j); fenced {
			break
		}
		j++
	}
	return j
}
