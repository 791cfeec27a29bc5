package text

import (
	"bytes"
	"unicode/utf8"
)

// isURL is URL_MATCH of spaCy's lang/tokenizer_exceptions.py: an optional scheme, an optional user before "@", an
// address of four numbers that is in no private network or a host name that ends in small letters, an optional port,
// an optional path. t has no white space.
func isURL(t []byte) bool {
	if bytes.IndexByte(t, '.') < 0 {
		return false
	}
	if isURLHost(t) {
		return true
	}
	// The scheme's letters and "@" are not those of "://", so there is one place where it may end, and what
	// stands before the last of several "@" may be anything.
	if scheme := schemeLen(t); scheme > 0 && isURLHost(t[scheme:]) {
		return true
	}
	_, first := runeAt(t, 0)
	for at := first; ; {
		i := bytes.IndexByte(t[at:], '@')
		if i < 0 {
			return false
		}
		at += i + 1
		if isURLHost(t[at:]) {
			return true
		}
	}
}

var schemeEnd = []byte("://")

// schemeLen is the length of the match of [\w\+\-\.]{2,}:// at the start, or 0.
func schemeLen(t []byte) int {
	i := bytes.Index(t, schemeEnd)
	if i < 2 {
		return 0
	}
	points := 0
	for at := 0; at < i; points++ {
		r, n := runeAt(t, at)
		if r != '+' && r != '-' && r != '.' && !isWord(r) {
			return 0
		}
		at += n
	}
	if points < 2 {
		return 0
	}
	return i + len(schemeEnd)
}

// Numbers of characters in a label of a host name and in the last one.
const (
	longestLabel  = 64
	shortestLabel = 2
	longestLast   = 63
)

// isURLHost says that t is an address or a host name with what may follow it.
func isURLHost(t []byte) bool {
	if len(t) > 0 && isDigit(rune(t[0])) && isURLAddress(t) {
		return true
	}
	var (
		labels         = 0
		at             = 0 // where the label begins
		points         = 0 // of the label
		lower          = true
		first, last, i = false, false, 0
	)
	for i < len(t) {
		r, n := runeAt(t, i)
		if r == '.' {
			if points == 0 || points > longestLabel || !first || !last {
				return false
			}
			labels++
			i++
			at, points, lower = i, 0, true
			continue
		}
		host := isASCIILetter(t[i]) || isDigit(r) || r >= 0xA1 && r <= 0xFFFF
		small := spacyClassOf(r)&spacyLower != 0
		if !host && !small && r != '_' && r != '-' {
			break
		}
		if i == at {
			first = host
		}
		if !host && r != '_' && r != '-' { // a small letter beyond U+FFFF, only possible in the last label
			first = false
		}
		last = host
		lower = lower && small
		points++
		i += n
	}
	return labels > 0 && lower && points >= shortestLabel && points <= longestLast && isURLTail(t[i:])
}

// isURLTail says that nothing but a port and a path follows.
func isURLTail(t []byte) bool {
	if len(t) > 0 && t[0] == ':' {
		n := 0
		t = t[1:]
		for {
			r, size := runeAt(t, 0)
			if size == 0 || spacyClassOf(r)&spacyDigit == 0 {
				break
			}
			n++
			t = t[size:]
		}
		if n < 2 || n > 5 {
			return false
		}
	}
	return len(t) == 0 || t[0] == '/' || t[0] == '?' || t[0] == '#'
}

// isURLAddress says that t is an address of four numbers. Its digits may be those of any script where the
// expression says \d.
func isURLAddress(t []byte) bool {
	var (
		number [4][]byte
		points [4]int
	)
	for k := range number {
		if k > 0 {
			if len(t) == 0 || t[0] != '.' {
				return false
			}
			t = t[1:]
		}
		n := 0
		for points[k] <= 3 {
			r, size := runeAt(t, n)
			if size == 0 || spacyClassOf(r)&spacyDigit == 0 {
				break
			}
			points[k]++
			n += size
		}
		number[k], t = t[:n], t[n:]
	}
	if !octet(number[0], points[0], '2', '3') || number[0][0] == '0' ||
		!octet(number[1], points[1], '5', '5') || !octet(number[2], points[2], '5', '5') ||
		!octet(number[3], points[3], '5', '4') || !isDigit(rune(number[3][0])) || number[3][0] == '0' {
		return false
	}
	switch string(number[0]) {
	case "10", "127":
		return false
	case "169":
		if string(number[1]) == "254" {
			return false
		}
	case "192":
		if string(number[1]) == "168" {
			return false
		}
	case "172":
		if points[1] != 2 {
			break
		}
		switch a, b := number[1][0], number[1][1]; {
		case a == '1' && b >= '6' && b <= '9', a == '2', a == '3' && (b == '0' || b == '1'):
			return false
		}
	}
	return isURLTail(t)
}

// octet says that the digits are a number of 0 to 2de, where d and e are given: one or two digits, or three that begin
// with 1, or with 2 and then not more than de.
func octet(digits []byte, points int, d, e byte) bool {
	switch points {
	case 1, 2:
		return true
	case 3:
	default:
		return false
	}
	if digits[0] == '1' {
		return true
	}
	if digits[0] != '2' || !isDigit(rune(digits[1])) {
		return false
	}
	if digits[1] < d {
		return true // the last may be a digit of any script
	}
	last, n := utf8.DecodeRune(digits[2:])
	return digits[1] == d && n == 1 && last <= rune(e)
}
