package check

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// markKinds maps a mark to the index it is counted under; opening Spanish marks belong to their closing ones and do not count.
func markKind(r rune) int {
	switch r {
	case '?', '？', '؟':
		return 0
	case '!', '！':
		return 1
	case ':', '：':
		return 2
	case ';', '；', '؛':
		return 3
	case '(', '（':
		return 4
	case ')', '）':
		return 5
	case '"', '“', '”', '„', '«', '»', '「', '」':
		return 6
	}
	return -1
}

func countMarks(text string) (n [7]int) {
	for _, r := range text {
		if k := markKind(r); k >= 0 {
			n[k]++
		}
	}
	return n
}

func markDifference(source, target string) (sum int) {
	s, t := countMarks(source), countMarks(target)
	for k := range s {
		sum += max(s[k]-t[k], t[k]-s[k])
	}
	return sum
}

func punctuation(c *Checker, v *view) (Finding, bool) {
	n := markDifference(v.Source, v.Target)
	if float64(n) <= c.profile.PunctuationMax {
		return nothing, false
	}
	return soft(float64(n), fmt.Sprintf("%d marks more or less than the source, rarely above %g", n, c.profile.PunctuationMax))
}

// lastMark is the mark at the end, brackets and quotes apart: one of . ? ! : … or 0.
func lastMark(text string) rune {
	text = strings.TrimRight(text, " \t\r\n\"'”’»)」")
	if strings.HasSuffix(text, "...") {
		return '…'
	}
	switch r, _ := utf8.DecodeLastRuneInString(text); r {
	case '.', '。', '।', '۔':
		return '.'
	case '?', '？', '؟':
		return '?'
	case '!', '！':
		return '!'
	case ':', '：':
		return ':'
	case '…':
		return '…'
	}
	return 0
}

// endings counts the words that a mark of lastMark's ends.
func endings(text string, mark rune) (n int) {
	for w := range strings.FieldsSeq(text) {
		if lastMark(w) == mark {
			n++
		}
	}
	return n
}

func finalMark(_ *Checker, v *view) (Finding, bool) {
	s, t := lastMark(v.Source), lastMark(v.Target)
	if s == t {
		return nothing, false
	}
	name := func(r rune) string {
		if r == 0 {
			return "no mark"
		}
		return string(r)
	}
	return soft(1, fmt.Sprintf("ends with %s, the source with %s", name(t), name(s)))
}

// lineBreaks counts what ends a line somewhere: a text of one line has none.
func lineBreaks(text string) (n int) {
	for _, r := range text {
		switch r {
		case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
			n++
		}
	}
	return n
}

func newline(_ *Checker, v *view) (Finding, bool) {
	n := lineBreaks(v.Target) - lineBreaks(v.Source)
	if n <= 0 {
		return nothing, false
	}
	return hard(float64(n), fmt.Sprintf("%d line breaks more than the source", n))
}
