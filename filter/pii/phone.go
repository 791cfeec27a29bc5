package pii

import (
	"bytes"

	"curate/text"
)

// Limits of E.164: 15 digits with the country code. Below 8 there are numbers of small networks, and mostly other numbers.
const (
	minPhone = 8
	maxPhone = 15
)

// Phones appends the telephone numbers, of two forms, found by their first sign:
//
//	+34 943 00 00 00    a plus sign, an assigned country code, and groups of digits with one of space - . / between them,
//	                    of which one may stand in parentheses, as (0): E.123 and E.164; also without groups
//	(415) 555-2671      an area code in parentheses, and seven digits in two groups: the North American plan
//
// A number without either sign is not found: groups of digits alone are more often dates, identifiers and sums. No letter or
// digit touches the number. With country codes 1, 7, 33 and 34 the digits after it are exactly ten, ten, nine and nine.
func Phones(dst []text.Span, doc []byte) []text.Span {
	from := 0
	plus, paren := next(doc, 0, '+'), next(doc, 0, '(')
	for plus < len(doc) || paren < len(doc) {
		var lo, hi int
		if plus < paren {
			lo, hi = plus, international(doc, plus)
			plus = next(doc, plus+1, '+')
		} else {
			lo, hi = paren, northAmerican(doc, paren)
			paren = next(doc, paren+1, '(')
		}
		if hi > 0 && lo >= from {
			dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
			from = hi
		}
	}
	return dst
}

// next is the place of the first c from i on, or len(doc).
func next(doc []byte, i int, c byte) int {
	if n := bytes.IndexByte(doc[i:], c); n >= 0 {
		return i + n
	}
	return len(doc)
}

// countryCode is how many digits the country code has that a number with these two begins with: 0 is none that is assigned
// (ITU-T E.164, list of assigned country codes).
func countryCode(a, b byte) int {
	switch a {
	case '1', '7':
		return 1
	case '2':
		switch b {
		case '0', '7':
			return 2
		case '8':
			return 0
		}
		return 3
	case '3':
		if b == '5' || b == '7' || b == '8' {
			return 3
		}
		return 2
	case '4':
		if b == '2' {
			return 3
		}
		return 2
	case '5':
		if b == '0' || b == '9' {
			return 3
		}
		return 2
	case '6':
		if b >= '7' {
			return 3
		}
		return 2
	case '8':
		switch b {
		case '1', '2', '4', '6':
			return 2
		case '3', '9':
			return 0
		}
		return 3
	case '9':
		if b == '6' || b == '7' || b == '9' {
			return 3
		}
		return 2
	}
	return 0
}

// international reads a number whose plus sign is at i. It gives its end, or 0.
func international(doc []byte, i int) int {
	if i > 0 && (letterBefore(doc, i) || doc[i-1] == '+' || doc[i-1] == '_') || i+2 >= len(doc) || !isDigit(doc[i+1]) {
		return 0
	}
	j := i + 1
	second := doc[j+1]
	if !isDigit(second) {
		second = '0' // a code of one digit, or none
	}
	code := countryCode(doc[j], second)
	if code == 0 {
		return 0
	}
	least, most := minPhone, maxPhone
	switch {
	case code == 1:
		least, most = 11, 11
	case doc[j] == '3' && (second == '3' || second == '4'):
		least, most = 11, 11
	}
	digits, end := 0, 0
	for {
		group := j
		for j < len(doc) && isDigit(doc[j]) {
			j++
		}
		if digits == 0 && j-group < code {
			return 0
		}
		if digits += j - group; digits > most {
			break
		}
		if digits >= least {
			end = j
		}
		if digits == most {
			break
		}
		if j = afterSeparator(doc, j); j < 0 {
			break
		}
		if doc[j] == '(' { // an area code, or a zero for calls inside the country
			k := j + 1
			for k < len(doc) && isDigit(doc[k]) && k-j <= 5 {
				k++
			}
			if k == j+1 || k >= len(doc) || doc[k] != ')' {
				break
			}
			if n := k - j - 1; n > 1 || doc[j+1] != '0' {
				digits += n
			}
			if digits > most {
				break
			}
			if j = afterSeparator(doc, k+1); j < 0 || doc[j] == '(' {
				break
			}
		}
	}
	if end == 0 || end < len(doc) && (isDigit(doc[end]) || doc[end] == '%' || doc[end] == '_' || letterAt(doc, end)) {
		return 0
	}
	return end
}

// afterSeparator is where the next group begins behind a separator at j, or -1.
func afterSeparator(doc []byte, j int) int {
	if j >= len(doc) {
		return -1
	}
	switch c := doc[j]; {
	case c == ' ' || c == '-' || c == '.' || c == '/':
		j++
	case c == 0xC2 && j+1 < len(doc) && doc[j+1] == 0xA0: // no-break space
		j += 2
	case c != '(' && !isDigit(c):
		return -1
	}
	if j >= len(doc) || doc[j] != '(' && !isDigit(doc[j]) {
		return -1
	}
	return j
}

// northAmerican reads "(415) 555-2671" from the parenthesis at i on (ITU-T E.164 for country code 1: neither area code nor
// exchange begins with 0 or 1). It gives its end, or 0.
func northAmerican(doc []byte, i int) int {
	if i > 0 && letterBefore(doc, i) || i+13 > len(doc) {
		return 0
	}
	j := i + 1
	if doc[j] < '2' || !digitsAt(doc, j, 3) || doc[j+3] != ')' {
		return 0
	}
	if j += 4; doc[j] == ' ' || doc[j] == '-' {
		j++
	}
	if j+8 > len(doc) || doc[j] < '2' || !digitsAt(doc, j, 3) || doc[j+3] != '-' && doc[j+3] != '.' && doc[j+3] != ' ' || !digitsAt(doc, j+4, 4) {
		return 0
	}
	if end := j + 8; !letterAt(doc, end) {
		return end
	}
	return 0
}

// digitsAt says whether n digits stand at i.
func digitsAt(doc []byte, i, n int) bool {
	if i+n > len(doc) {
		return false
	}
	for _, c := range doc[i : i+n] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}
