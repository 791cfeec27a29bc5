package segment

import "strings"

// formula is the end of the display formula that begins at text[at:], or -1: behind "$$" or "\]". A formula holds a blank
// line only if its opening stands alone. One that is never closed reaches to the next blank line if its opening stands alone.
func (x *lexer) formula(i, at int) int {
	l := x.lines[i]
	var f *finder
	switch s := x.text[at:l.end]; {
	case strings.HasPrefix(s, "$$"):
		f = &x.dollars
	case strings.HasPrefix(s, `\[`):
		f = &x.brackets
	default:
		return -1
	}
	end := f.from(at + 2)
	alone := skipSpace(x.text, at+2, l.end) == l.end
	switch {
	case end < 0 && alone:
		for i++; i < len(x.lines) && !x.blank(i); i++ {
		}
		return x.lines[i-1].end
	case end < 0 || !alone && end > l.end && x.blankBefore(i, end):
		return -1
	}
	return end + 2
}

// blankBefore says whether a blank line stands between line i and the place end.
func (x *lexer) blankBefore(i, end int) bool {
	if x.nextBlank <= i {
		for x.nextBlank = i + 1; x.nextBlank < len(x.lines) && !x.blank(x.nextBlank); x.nextBlank++ {
		}
	}
	return x.nextBlank < len(x.lines) && x.lines[x.nextBlank].start < end
}

// environment is the end of the LaTeX environment that begins at text[at:], or -1. Environments of the same name nest.
func (x *lexer) environment(at int) int {
	if !strings.HasPrefix(x.text[at:], `\begin{`) {
		return -1
	}
	if x.environments == nil {
		x.environments = matchEnvironments(x.text)
	}
	if end, ok := x.environments[at]; ok {
		return end
	}
	return -1
}

// matchEnvironments says for each \begin{X} behind which \end{X} its environment ends.
func matchEnvironments(text string) map[int]int {
	ends := map[int]int{}
	open := map[string][]int{}
	for i := 0; ; {
		n := strings.IndexByte(text[i:], '\\')
		if n < 0 {
			return ends
		}
		at := i + n
		i = at + 1
		s := text[at:]
		begins := strings.HasPrefix(s, `\begin{`)
		if !begins && !strings.HasPrefix(s, `\end{`) {
			continue
		}
		lo := at + strings.IndexByte(s, '{') + 1
		n = strings.IndexAny(text[lo:min(lo+40, len(text))], "}{\\\n")
		if n < 1 || text[lo+n] != '}' {
			continue
		}
		name := text[lo : lo+n]
		if begins {
			open[name] = append(open[name], at)
		} else if o := open[name]; len(o) > 0 {
			ends[o[len(o)-1]] = lo + n + 1
			open[name] = o[:len(o)-1]
		}
	}
}

// tailMath is where a formula or an environment begins at the end of a line of prose and goes on in the next, and where it
// ends; or -1.
func (x *lexer) tailMath(i, lo, hi int) (at, end int) {
	s := x.text[lo:hi]
	if n := strings.LastIndex(s, `\begin{`); n > 0 {
		if end := x.environment(lo + n); end > hi {
			return lo + n, end
		}
	}
	n := len(s) - 2
	switch {
	case n < 1:
		return -1, -1
	case strings.HasSuffix(s, `\[`) && s[n-1] != '\\':
		end = x.brackets.from(hi)
	case strings.HasSuffix(s, "$$") && strings.Count(s, "$$")%2 == 1 && s[n-1] != '$':
		end = x.dollars.from(hi)
	default:
		return -1, -1
	}
	if end < 0 {
		return -1, -1
	}
	return lo + n, end + 2
}
