package segment

import (
	"strings"
	"unicode/utf8"
)

// wrap cuts target into as many lines as there are in lines, each about as long a part of the whole as its line is of
// theirs. It cuts where white space is (which belongs to no line) or between characters of a script without it, not within a
// code span, a formula, a tag or the target of a link, nor before what would begin a block in the next line, as long as
// enough other places are left. If there are too few words the last lines are empty.
func wrap(target, text string, lines []Span) []Span {
	lo, hi := skipSpace(target, 0, len(target)), trimSpace(target, 0, len(target))
	hi = max(lo, hi)
	need := len(lines) - 1
	breaks := breakPlaces(target, lo, hi)
	if n := keepGood(breaks); n >= need {
		breaks = breaks[:n]
	} else {
		sortPlaces(breaks)
	}
	total, ideal := 0, 0
	for _, l := range lines {
		total += l.End - l.Start
	}
	out := make([]Span, 0, len(lines))
	from, b := lo, 0
	for k := 0; k < need; k++ {
		ideal += lines[k].End - lines[k].Start
		want := lo + int(int64(hi-lo)*int64(ideal)/int64(total))
		last := len(breaks) - (need - k) // the last place that leaves enough for the other lines
		if b >= len(breaks) {
			out = append(out, Span{from, hi})
			from = hi
			continue
		}
		for b < last && breaks[b].end < want && distance(breaks[b+1].end, want) <= distance(breaks[b].end, want) {
			b++
		}
		out = append(out, Span{from, breaks[b].end})
		from = breaks[b].next
		b++
	}
	return append(out, Span{from, hi})
}

func distance(a, b int) int {
	if a < b {
		return b - a
	}
	return a - b
}

// place is where a line may end and the next begin.
type place struct {
	end, next int
	bad       bool
}

// breakPlaces are the places at which target[lo:hi] may be cut.
func breakPlaces(target string, lo, hi int) []place {
	var places []place
	solid := solidSpans(target[lo:hi])
	for i := lo; i < hi; {
		r, n := utf8.DecodeRuneInString(target[i:hi])
		at := i
		i += n
		var p place
		switch {
		case r == ' ' || r == '\t' || r == 0x3000:
			i = skipBlanks(target, i, hi)
			p = place{end: at, next: i}
		case at > lo && spaceless(r) && !strings.ContainsRune("々ー゛゜ｰ", r) && r != utf8.RuneError && !isMark(r):
			if before, _ := utf8.DecodeLastRuneInString(target[lo:at]); !spaceless(before) {
				continue
			}
			p = place{end: at, next: at}
		default:
			continue
		}
		for len(solid) > 0 && solid[0].End+lo <= p.end {
			solid = solid[1:]
		}
		p.bad = len(solid) > 0 && solid[0].Start+lo < p.end || startsBlock(target[p.next:min(hi, p.next+64)]) ||
			strings.HasSuffix(target[lo:p.end], "\\")
		if p.end > lo && p.next < hi {
			places = append(places, p)
		}
	}
	return places
}

func skipBlanks(s string, i, hi int) int {
	for i < hi && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// isMark says of vowel signs and tone marks of Thai, Lao, Khmer and Myanmar, and of Thai and Lao vowels that follow or
// precede their consonant: no line begins with them or ends before them.
func isMark(r rune) bool {
	switch {
	case r >= 0x0E30 && r <= 0x0E3A, r >= 0x0E45 && r <= 0x0E4E, r >= 0x0EB0 && r <= 0x0EBD, r >= 0x0EC8 && r <= 0x0ECE:
		return true
	case r >= 0x102B && r <= 0x103E, r >= 0x17B4 && r <= 0x17DD:
		return true
	}
	return false
}

// keepGood moves the good places to the front, in order, and says how many there are; the bad ones follow, in order.
func keepGood(places []place) int {
	var bad []place
	n := 0
	for _, p := range places {
		if p.bad {
			bad = append(bad, p)
		} else {
			places[n] = p
			n++
		}
	}
	copy(places[n:], bad)
	return n
}

// sortPlaces undoes keepGood.
func sortPlaces(places []place) {
	merged := make([]place, 0, len(places))
	n := 0
	for n < len(places) && !places[n].bad {
		n++
	}
	good, bad := places[:n], places[n:]
	for len(good) > 0 || len(bad) > 0 {
		if len(bad) == 0 || len(good) > 0 && good[0].end < bad[0].end {
			merged, good = append(merged, good[0]), good[1:]
		} else {
			merged, bad = append(merged, bad[0]), bad[1:]
		}
	}
	copy(places, merged)
}

// startsBlock says whether a line that begins with s would not be a line of prose without marker.
func startsBlock(s string) bool {
	if p := prefix(s, 0, len(s), true); p.at > 0 {
		return true
	}
	for _, b := range [...]string{"```", "~~~", "$$", `\[`, `\begin{`, "---", "===", "***", "___", "|", "{", "[^"} {
		if strings.HasPrefix(s, b) {
			return true
		}
	}
	return s != "" && s[0] == '<' && len(s) > 1 && (isWord(s[1]) || s[1] == '/' || s[1] == '!' || s[1] == '|')
}

// solidSpans are those of s that no line should end in: code spans, formulas, tags, targets of links.
func solidSpans(s string) []Span {
	var spans []Span
	code := codeSpans(s)
	for i := 0; i < len(s); {
		for len(code) > 0 && code[0].Start < i {
			code = code[1:]
		}
		n := 0
		if len(code) > 0 && code[0].Start == i {
			n = code[0].End - i
		} else {
			n = solid(s[i:])
		}
		if n == 0 {
			i++
			continue
		}
		spans = append(spans, Span{i, i + n})
		i += n
	}
	return spans
}

// solidLimit bounds what solidSpans looks at for one span.
const solidLimit = 400

func solid(s string) int {
	near := s[:min(len(s), solidLimit)]
	end := ""
	switch {
	case s[0] == '<':
		return readTag(near).n
	case strings.HasPrefix(s, `\(`):
		end = `\)`
	case strings.HasPrefix(s, `\[`):
		end = `\]`
	case strings.HasPrefix(s, "]("):
		end = ")"
	case s[0] == '$' && len(s) > 1 && s[1] != ' ':
		end = "$"
	default:
		return 0
	}
	n := strings.Index(near[1:], end)
	if n < 1 || end == "$" && near[n] == ' ' {
		return 0
	}
	return 1 + n + len(end)
}
