package check

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// digit is the value of a decimal digit of any script, or -1. The ranges of Nd are whole sets of ten.
func digit(r rune) int {
	if r < utf8.RuneSelf {
		if '0' <= r && r <= '9' {
			return int(r - '0')
		}
		return -1
	}
	for _, x := range unicode.Nd.R16 {
		if lo, hi := rune(x.Lo), rune(x.Hi); lo <= r && r <= hi {
			return int(r-lo) % 10
		}
	}
	for _, x := range unicode.Nd.R32 {
		if lo, hi := rune(x.Lo), rune(x.Hi); lo <= r && r <= hi {
			return int(r-lo) % 10
		}
	}
	return -1
}

// number is one of a text.
type number struct {
	value  string // its digits, without zeros in front
	digits int    // with them
	named  bool   // it stands at a letter and is part of a name, as in F11 or Text1: nobody spells it out
}

func compareNumbers(a, b number) int { return strings.Compare(a.value, b.value) }

// appendNumbers appends the numbers of a text, sorted by value. Joined, separators are taken
// out: 1,250.50 and 1 250,50 are 125050; a space separates only groups of three digits. Otherwise any sign ends a number, so that
// the dates 2001-01-25 and 2001.01.25 have the same ones. A number may stand at a letter (B4).
func appendNumbers(dst []number, text string, joined bool) []number {
	var digits []byte
	var named, letter bool // letter: before i
	group := 0             // digits since the last separator
	flush := func() {
		if len(digits) > 0 {
			s := strings.TrimLeft(string(digits), "0")
			if s == "" {
				s = "0"
			}
			dst = append(dst, number{s, len(digits), named})
		}
		digits, group = digits[:0], 0
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if d := digit(r); d >= 0 {
			if len(digits) == 0 {
				named = letter
			}
			digits = append(digits, '0'+byte(d))
			group++
			i += n
			continue
		}
		letter = unicode.IsLetter(r)
		if len(digits) > 0 && joined {
			switch r {
			case '.', ',', '’', '\'', '٫', '٬':
				if next, _ := utf8.DecodeRuneInString(text[i+n:]); digit(next) >= 0 {
					group = 0
					i += n
					continue
				}
			case ' ', '\u00a0', '\u202f', '\u2009':
				if group <= 3 && threeDigits(text[i+n:]) {
					group = 0
					i += n
					continue
				}
			}
		}
		flush()
		i += n
	}
	flush()
	slices.SortFunc(dst, compareNumbers)
	return dst
}

// threeDigits says that the text begins with just three digits.
func threeDigits(text string) bool {
	n := 0
	for _, r := range text {
		if digit(r) < 0 {
			break
		}
		if n++; n > 3 {
			return false
		}
	}
	return n == 3
}

// difference takes equal elements out of two sorted lists.
func difference(a, b []number) (onlyA, onlyB []number) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch compareNumbers(a[i], b[j]) {
		case 0:
			i, j = i+1, j+1
		case -1:
			onlyA = append(onlyA, a[i])
			i++
		default:
			onlyB = append(onlyB, b[j])
			j++
		}
	}
	return append(onlyA, a[i:]...), append(onlyB, b[j:]...)
}

// numberDifference is nothing if the numbers are the same read either way. name says that one of them is part of a name.
func numberDifference(source, target string) (lost, added []number, name bool) {
	s, t := appendNumbers(nil, source, true), appendNumbers(nil, target, true)
	lost, added = difference(s, t)
	if len(lost)+len(added) == 0 {
		return nil, nil, false
	}
	if a, b := difference(appendNumbers(nil, source, false), appendNumbers(nil, target, false)); len(a)+len(b) == 0 {
		return nil, nil, false
	}
	return lost, added, lostName(s, t, lost, added)
}

// replaced says that a lost number and a new one are of one length, or both long: "19th century" may become "XIX. mendea" beside
// a "two" that becomes a 2, but 25 does not become 36. 10:30 pm may become 22:30.
func replaced(lost, added []number, long int, afternoon bool) bool {
	var lengths [20]bool
	for _, n := range lost {
		lengths[min(n.digits, len(lengths)-1)] = true
	}
	longLost := longestNumber(lost) >= long
	for _, n := range added {
		if afternoon && len(n.value) == 2 && "13" <= n.value && n.value <= "23" {
			continue
		}
		if lengths[min(n.digits, len(lengths)-1)] || longLost && n.digits >= long {
			return true
		}
	}
	return false
}

// lostName says whether a number is lost that is part of a name, or one is there more often.
func lostName(source, target []number, lost, added []number) bool {
	named := func(list []number, value string) (k int) {
		at, _ := slices.BinarySearchFunc(list, number{value: value}, compareNumbers)
		for ; at < len(list) && list[at].value == value; at++ {
			if list[at].named {
				k++
			}
		}
		return k
	}
	changed := func(list []number, sign int) bool {
		for i, n := range list {
			if i > 0 && list[i-1].value == n.value {
				continue
			}
			if had := named(source, n.value); had > 0 && (named(target, n.value)-had)*sign > 0 {
				return true
			}
		}
		return false
	}
	return changed(lost, -1) || changed(added, 1)
}

var afternoon = express(`(?i)\d *p\.? ?m\b`)

func longestNumber(list []number) (longest int) {
	for _, n := range list {
		longest = max(longest, n.digits)
	}
	return longest
}

func numbers(c *Checker, v *view) (Finding, bool) {
	lost, added, name := numberDifference(v.Source, v.Target)
	if len(lost)+len(added) == 0 {
		return nothing, false
	}
	p := &c.profile
	value := float64(len(lost) + len(added))
	detail := ""
	if len(lost) > 0 {
		detail = "number " + listed(lost) + " is lost"
	}
	if len(added) > 0 {
		if detail != "" {
			detail += ", "
		}
		detail += "number " + listed(added) + " is new"
	}
	if replaced(lost, added, int(p.NumbersDigits), afternoon.MatchString(v.Source)) || name || float64(longestNumber(lost)) >= p.NumbersDigitsAlone {
		return hard(value, detail)
	}
	return soft(value, detail)
}

// listed is at most three of a list, each cut at 20 bytes.
func listed(list []number) string {
	var b strings.Builder
	for i, n := range list {
		s := n.value
		if i == 3 {
			fmt.Fprintf(&b, " and %d more", len(list)-3)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if len(s) > 20 {
			s = s[:20] + "…"
		}
		b.WriteString(s)
	}
	return b.String()
}
