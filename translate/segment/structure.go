package segment

import (
	"fmt"
	"strings"
)

// SameStructure says in what the blocks, lines or markers of target are others than those of source; "" if in nothing. It
// names the first line, counted from 1, in which they differ. Whether text looks like code or data is no difference.
func SameStructure(source, target string) string {
	s, t := lex(source), lex(target)
	if len(s) != len(t) {
		return fmt.Sprintf("%s instead of %d", count(len(t), "line"), len(s))
	}
	for i := range s {
		if d := s[i].differs(source, target, t[i]); d != "" {
			return fmt.Sprintf("line %d %s", i+1, d)
		}
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// guessed kinds depend on what the words look like.
func (k Kind) guessed() bool { return k == Prose || k == Code || k == Data }

// differs says how line b of target differs from line a of source.
func (a line) differs(source, target string, b line) string {
	was, is := source[a.start:a.end], target[b.start:b.end]
	if x, y := source[a.end:a.next], target[b.end:b.next]; x != y {
		return fmt.Sprintf("ends with %q instead of %q", y, x)
	}
	sameKind := a.kind == b.kind || a.kind.guessed() && b.kind.guessed()
	switch {
	case was == is && sameKind:
		return ""
	case a.kind == Table && a.lo < a.hi && b.kind != Blank:
		if d := a.cellsDiffer(source, target, b); d != "" || misnested(was) != "" {
			return d
		}
		return misnested(is)
	case b.kind == Blank && a.kind != Blank:
		return "is empty"
	case !sameKind:
		return fmt.Sprintf("is %s instead of %s: %s", b.kind, a.kind, excerpt(is))
	case misnested(is) != "" && misnested(was) == "":
		return misnested(is)
	case len(a.parts(nil, source)) == 0:
		return fmt.Sprintf("was to stay %s, but is %s", excerpt(was), excerpt(is))
	}
	if b.kind != Prose {
		p := prefix(target, b.start, b.end, false)
		b.lo, b.hi, b.marked = p.at, suffix(target, p.at, b.end, p.head), p.marked
	}
	x, y := visible(source[a.start:a.lo]), visible(target[b.start:b.lo])
	if x != y && !((a.marked || b.marked) && (strings.TrimRight(x, " \t") == strings.TrimRight(y, " \t") || plainLabel(x, y) || ordinal(x, y, source[a.lo:a.hi]))) {
		return fmt.Sprintf("begins with marker %s instead of %s", excerpt(y), excerpt(x))
	}
	if b.lo == b.hi {
		return "is empty"
	}
	x, y = visible(source[a.hi:a.end]), visible(target[b.hi:b.end])
	if strings.TrimSpace(x) != strings.TrimSpace(y) || strings.HasSuffix(x, "  ") != strings.HasSuffix(y, "  ") {
		return fmt.Sprintf("ends in %s instead of %s", excerpt(y), excerpt(x))
	}
	if n, m := strings.Count(source[a.lo:a.hi], "\t"), strings.Count(target[b.lo:b.hi], "\t"); n != m {
		return fmt.Sprintf("has %s instead of %d", count(m, "tab"), n)
	}
	return ""
}

// plainLabel says whether y is x and a label that is none in Markdown: "XIX. mendean" begins a sentence, too.
func plainLabel(x, y string) bool {
	rest, ok := strings.CutPrefix(y, x)
	return ok && rest != "" && (rest[0] == '(' || hasLetter(rest[:1]))
}

// ordinal says whether y is x and a number that stands in the source's body: Basque and German write "19. mendean" for "the
// 19th century", at the beginning too.
func ordinal(x, y, body string) bool {
	rest, ok := strings.CutPrefix(y, x)
	n := strings.TrimRight(rest, ". ")
	return ok && n != "" && rest == n+". " && strings.Trim(n, "0123456789") == "" && strings.Contains(body, n)
}

// cellsDiffer compares rows of tables.
func (a line) cellsDiffer(source, target string, b line) string {
	_, at := quoted(target, b.start, b.end)
	lo := skipSpace(target, at, b.end)
	hi := trimSpace(target, lo, b.end)
	if n, m := len(cells(nil, source, a.lo, a.hi)), len(cells(nil, target, lo, hi)); n != m {
		return fmt.Sprintf("has %s instead of %d", count(m, "cell"), n)
	}
	if x, y := visible(source[a.start:a.lo]), visible(target[b.start:lo]); x != y {
		return fmt.Sprintf("begins with marker %s instead of %s", excerpt(y), excerpt(x))
	}
	if b.kind != Table {
		return fmt.Sprintf("is %s instead of %s: %s", b.kind, a.kind, excerpt(target[b.start:b.end]))
	}
	return ""
}

// visible takes out of a prefix or suffix what is no marker of Markdown: marks of direction, and the dashes that begin
// speech.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if isInvisible(r) || r == '–' || r == '—' || r == '·' {
			return -1
		}
		return r
	}, s)
}

// excerpt quotes the beginning of s.
func excerpt(s string) string {
	const most = 40 // characters
	n := 0
	for i := range s {
		if n++; n > most {
			return fmt.Sprintf("%q…", s[:i])
		}
	}
	return fmt.Sprintf("%q", s)
}
