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

// appendNumbers appends the numbers of a text as strings of digits, separators taken out: 1,250.50 and 1 250,50 are 125050. A
// space separates only groups of three digits. A number may begin with a letter (B4).
func appendNumbers(dst []string, text string) []string {
	var number []byte
	group := 0 // digits since the last separator
	flush := func() {
		if len(number) > 0 {
			dst = append(dst, string(number))
		}
		number, group = number[:0], 0
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if d := digit(r); d >= 0 {
			number = append(number, '0'+byte(d))
			group++
			i += n
			continue
		}
		if len(number) > 0 {
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
			flush()
		}
		i += n
	}
	flush()
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
func difference(a, b []string) (onlyA, onlyB []string) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch strings.Compare(a[i], b[j]) {
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

func longestNumber(list []string) (longest int) {
	for _, s := range list {
		longest = max(longest, len(s))
	}
	return longest
}

func numbers(c *Checker, v *view) (Finding, bool) {
	s, t := appendNumbers(nil, v.Source), appendNumbers(nil, v.Target)
	slices.Sort(s)
	slices.Sort(t)
	lost, added := difference(s, t)
	if len(lost)+len(added) == 0 {
		return nothing, false
	}
	p := &c.profile
	value := float64(len(lost) + len(added))
	replaced := len(lost) > 0 && len(added) > 0 && (len(lost) == len(added) || float64(longestNumber(lost)) >= p.NumbersDigits)
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
	if replaced || float64(longestNumber(lost)) >= p.NumbersDigitsAlone {
		return hard(value, detail)
	}
	return soft(value, detail)
}

// listed is at most three of a list, each cut at 20 bytes.
func listed(list []string) string {
	var b strings.Builder
	for i, s := range list {
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
