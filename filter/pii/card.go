package pii

import "curate/text"

// issuer is a range of the first six digits of card numbers, and how long its numbers may be.
type issuer struct {
	lo, hi      int
	least, most int
}

// issuers are what the networks publish of their ranges (ISO/IEC 7812): sorted by lo.
var issuers = []issuer{
	{222100, 272099, 16, 16}, // Mastercard
	{300000, 305999, 14, 14}, // Diners Club
	{340000, 349999, 15, 15}, // American Express
	{352800, 358999, 16, 19}, // JCB
	{360000, 369999, 14, 14}, // Diners Club
	{370000, 379999, 15, 15}, // American Express
	{380000, 399999, 14, 14}, // Diners Club
	{400000, 499999, 16, 16}, // Visa; its numbers of 13 digits are no longer issued
	{510000, 559999, 16, 16}, // Mastercard
	{601100, 601199, 16, 19}, // Discover
	{620000, 629999, 16, 19}, // UnionPay
	{644000, 659999, 16, 19}, // Discover
}

// Cards appends the numbers of payment cards, found by their first digit: 14 to 19 digits in one piece, or in the groups that are
// printed on cards (4-4-4-4, 4-4-4-4-3, 4-6-5, 4-6-4) with one space or dash between them, that begin with a range of an issuer
// and end with the right check digit (Luhn, ISO/IEC 7812-1). Among numbers of 16 digits drawn by chance one in forty is so.
func Cards(dst []text.Span, doc []byte) []text.Span {
	for i := 0; ; {
		if i = nextDigit(doc, i); i == len(doc) {
			return dst
		}
		hi, ok := card(doc, i)
		if ok {
			dst = append(dst, text.Span{Lo: int32(i), Hi: int32(hi)})
		}
		i = hi
	}
}

// card reads the digits that begin at lo. hi is where to go on.
func card(doc []byte, lo int) (hi int, ok bool) {
	i := lo
	for i < len(doc) && isDigit(doc[i]) {
		i++
	}
	first := i
	if lo > 0 {
		switch c := doc[lo-1]; {
		case c == '.' || c == '-' || c == '/' || c == '_' || c == '=' || c == '+' || letterBefore(doc, lo):
			return first, false
		}
	}
	var digits [20]byte
	n := copy(digits[:], doc[lo:min(i, lo+len(digits))])
	if n == 4 && isSeparator(doc[i:]) > 0 {
		sep := doc[i]
		var groups [6]int
		g := 0
		for groups[g] = n; ; {
			w := isSeparator(doc[i:])
			if w == 0 || doc[i] != sep || i+w >= len(doc) || !isDigit(doc[i+w]) {
				break
			}
			at := i + w
			j := at
			for j < len(doc) && isDigit(doc[j]) && j-at < 8 {
				j++
			}
			if g++; j-at > 6 || n+j-at > 19 || g == len(groups) {
				return first, false
			}
			groups[g] = j - at
			n += copy(digits[n:], doc[at:j])
			i = j
		}
		switch groups {
		case [6]int{4, 4, 4, 4}, [6]int{4, 4, 4, 4, 3}, [6]int{4, 6, 5}, [6]int{4, 6, 4}:
		default:
			return first, false
		}
	}
	if n < 14 || n > 19 || i < len(doc) && (doc[i] == '_' || letterAt(doc, i) || (doc[i] == '.' || doc[i] == '-') && i+1 < len(doc) && isAlnum(doc[i+1])) {
		return first, false
	}
	if !issued(digits[:n]) || !luhn(digits[:n]) {
		return first, false
	}
	return i, true
}

func issued(digits []byte) bool {
	prefix := 0
	for _, c := range digits[:6] {
		prefix = prefix*10 + int(c-'0')
	}
	for _, r := range issuers {
		if r.lo <= prefix && prefix <= r.hi {
			return len(digits) >= r.least && len(digits) <= r.most
		}
	}
	return false
}

func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i&1 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
