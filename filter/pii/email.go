package pii

import (
	"bytes"

	"curate/text"
)

// Limits of RFC 5321, section 4.5.3.1, and RFC 1035, section 2.3.4.
const (
	maxLocal  = 64
	maxDomain = 253
	maxLabel  = 63
)

// Emails appends the e-mail addresses, found by their @: a local part of letters (Latin ones with accents too), digits and
// . _ % + - ' that begins with a letter, a digit or _ and has no two dots together; a domain of at least two labels, the last
// of letters (or xn--). Addresses in domains that are nobody's (RFC 2606, RFC 6761: example.com, .test, …) and names of image
// files (icon@2x.png) are none.
func Emails(dst []text.Span, doc []byte) []text.Span {
	from := 0 // what lies before belongs to an earlier address
	for at := 0; ; {
		i := bytes.IndexByte(doc[at:], '@')
		if i < 0 {
			return dst
		}
		i += at
		at = i + 1
		hi := domainEnd(doc, i+1)
		if hi < 0 {
			continue
		}
		lo := localStart(doc, from, i)
		if lo == i || isReserved(doc[i+1:hi]) {
			continue
		}
		dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
		from, at = hi, hi
	}
}

// localStart is where the local part that ends at i begins, or i.
func localStart(doc []byte, from, i int) int {
	lo := i
	for lo > from && i-lo < maxLocal {
		c := doc[lo-1]
		switch {
		case isAlnum(c) || c == '_' || c == '+' || c == '-' || c == '%' || c == '\'':
			lo--
			continue
		case c == '.' && lo < i && doc[lo] != '.':
			lo--
			continue
		case c >= 0x80 && c < 0xC0 && lo-1 > from && latinLead(doc[lo-2]) && !blankBefore(doc, lo):
			lo -= 2
			continue
		}
		break
	}
	for lo < i && !isAlnum(doc[lo]) && doc[lo] != '_' && doc[lo] < 0x80 {
		lo++
	}
	if lo < i && doc[i-1] == '.' {
		return i
	}
	return lo
}

// latinLead is the first byte of U+00C0 to U+024F, or of the few signs before them, which blankBefore knows.
func latinLead(c byte) bool { return c >= 0xC2 && c <= 0xC9 }

// domainEnd is where the domain that begins at i ends, or -1.
func domainEnd(doc []byte, i int) int {
	lo, last, end := i, -1, -1
	for {
		j := i
		for j < len(doc) && (isAlnum(doc[j]) || doc[j] == '-') {
			j++
		}
		hi := j
		for hi > i && doc[hi-1] == '-' { // a dash after the address
			hi--
		}
		if hi == i || doc[i] == '-' || hi-i > maxLabel || hi-lo > maxDomain {
			break
		}
		if last >= 0 && isTop(doc[i:hi]) {
			end = hi
		}
		last = i
		if hi < j || j >= len(doc) || doc[j] != '.' {
			break
		}
		i = j + 1
	}
	return end
}

// isTop says whether a label can be the last one of a domain.
func isTop(label []byte) bool {
	if len(label) < 2 {
		return false
	}
	if len(label) > 4 && string(label[:4]) == "xn--" {
		return true
	}
	for _, c := range label {
		if c|0x20-'a' >= 26 {
			return false
		}
	}
	return true
}

// reserved are domains of nobody (RFC 2606, RFC 6761), and endings of files that are named for the density of the screen.
var reserved = []string{
	"example", "example.com", "example.net", "example.org", "gif", "invalid", "jpeg", "jpg", "local", "localhost", "png", "svg", "test", "webp",
}

func isReserved(domain []byte) bool {
	for _, r := range reserved {
		if n := len(domain) - len(r); n >= 0 && equalFold(domain[n:], r) && (n == 0 || domain[n-1] == '.') {
			return true
		}
	}
	return false
}

// equalFold compares with lower-case ASCII.
func equalFold(a []byte, lower string) bool {
	if len(a) != len(lower) {
		return false
	}
	for i, c := range a {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
