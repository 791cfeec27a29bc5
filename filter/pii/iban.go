package pii

import (
	"sort"

	"curate/text"
)

// ibanLengths are the countries of the IBAN registry (ISO 13616, SWIFT's registry, release 99) with the length of their numbers,
// sorted.
const ibanLengths = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27" +
	"GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27" +
	"MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24" +
	"XK20YE30"

// ibanLength is the length of the numbers of a country, or 0.
func ibanLength(a, b byte) int {
	i := sort.Search(len(ibanLengths)/4, func(i int) bool {
		x, y := ibanLengths[4*i], ibanLengths[4*i+1]
		return x > a || x == a && y >= b
	})
	if 4*i == len(ibanLengths) || ibanLengths[4*i] != a || ibanLengths[4*i+1] != b {
		return 0
	}
	return int(ibanLengths[4*i+2]-'0')*10 + int(ibanLengths[4*i+3]-'0')
}

// IBANs appends the international bank account numbers, found by their first digit: two capital letters of a country of the
// registry, as many letters and digits as its numbers have, in one piece or in groups of four, and the right check digits
// (ISO 7064, MOD 97-10). One number in 97 that looks so has them by chance.
func IBANs(dst []text.Span, doc []byte) []text.Span {
	for i := 0; ; {
		if i = nextDigit(doc, i); i == len(doc) {
			return dst
		}
		if i >= 2 && isUpper(doc[i-1]) && isUpper(doc[i-2]) {
			if hi := iban(doc, i-2); hi > 0 {
				dst = append(dst, text.Span{Lo: int32(i - 2), Hi: int32(hi)})
				i = hi
				continue
			}
		}
		for i++; i < len(doc) && isDigit(doc[i]); i++ {
		}
	}
}

// iban gives the end of the number that begins at lo, or 0.
func iban(doc []byte, lo int) int {
	n := ibanLength(doc[lo], doc[lo+1])
	if n == 0 || lo > 0 && (letterBefore(doc, lo) || doc[lo-1] == '_') || !digitsAt(doc, lo+2, 2) {
		return 0
	}
	rem, i := 0, lo+4
	for have := 4; have < n; {
		if i >= len(doc) {
			return 0
		}
		switch c := doc[i]; {
		case isDigit(c):
			rem = (rem*10 + int(c-'0')) % 97
		case isUpper(c):
			rem = (rem*100 + int(c-'A') + 10) % 97
		case have%4 == 0 && isSeparator(doc[i-1:i]) == 0 && isSeparator(doc[i:]) > 0:
			i += isSeparator(doc[i:])
			if i >= len(doc) || !isDigit(doc[i]) && !isUpper(doc[i]) {
				return 0
			}
			continue
		default:
			return 0
		}
		have++
		i++
	}
	if i < len(doc) && (doc[i] == '_' || letterAt(doc, i)) {
		return 0
	}
	for _, c := range doc[lo : lo+2] {
		rem = (rem*100 + int(c-'A') + 10) % 97
	}
	check := int(doc[lo+2]-'0')*10 + int(doc[lo+3]-'0')
	if (rem*100+check)%97 != 1 || check < 2 || check > 98 {
		return 0
	}
	return i
}

// isSeparator is the length of the separator of groups at the start of b, or 0.
func isSeparator(b []byte) int {
	switch {
	case len(b) == 0:
	case b[0] == ' ' || b[0] == '-':
		return 1
	case b[0] == 0xC2 && len(b) > 1 && b[1] == 0xA0:
		return 2
	}
	return 0
}
