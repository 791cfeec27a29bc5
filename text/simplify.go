package text

import (
	"slices"
	"sort"
	"unicode/utf8"
)

// asciiSimple is what becomes of an ASCII character: its lower case, '0' for a digit, 0 for what is blanked out.
var asciiSimple = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		switch k := kindOf(rune(c)); {
		case k&kindBlank != 0:
		case k&kindDigit != 0:
			t[c] = '0'
		default:
			t[c] = asciiLower[c]
		}
	}
	return t
}()

// AppendSimplified appends the form of the text in which the field compares documents: simplify_text of datatrove
// 0.10.1 (utils/text.py) with its default TextNormConfig. One after another:
//
//	lower case (AppendLower)
//	a number, \p{Nd}+([.,\u060c\u066b\u2396\u2397\u2398]\p{Nd}+)?, becomes 0
//	each of 129 characters called PUNCTUATION becomes a space
//	white space is stripped, and what is left of it becomes one space a run
//	NFD, of which marks (Mn) are dropped
//	spaces are stripped
//
// The order shows: a mark that stood alone leaves two spaces; punctuation that only NFD brings forth (; < = > and
// others) stays. All of it is done here in one pass, a character at a time.
func AppendSimplified(dst, text []byte) []byte {
	start := len(dst)
	run := start // where the characters after the last starter (combining class 0) begin
	any, space := false, false
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			s := asciiSimple[c]
			if s == 0 {
				space = true
				i++
				continue
			}
			if s == '0' {
				i = number(text, i)
			} else {
				i++
			}
			if space && any {
				dst = append(dst, ' ')
			}
			any, space = true, false
			dst = append(dst, s)
			run = len(dst)
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		k := kindOf(r)
		if k&(kindBlank|kindDigit) == kindBlank { // U+FF11 is both, and numbers come first
			space = true
			i += n
			continue
		}
		if space && any {
			dst = append(dst, ' ')
			run = len(dst)
		}
		any, space = true, false
		if k&(kindLower|kindDigit|kindCanonical|kindMark) == 0 {
			dst = append(dst, text[i:i+n]...)
			run = len(dst)
			i += n
			continue
		}
		if k&kindDigit != 0 {
			i = number(text, i)
			dst = append(dst, '0')
			run = len(dst)
			continue
		}
		if k&kindLower != 0 {
			if r == 'İ' {
				r = 'i' // and a mark
			} else {
				r = lowerAt(text, i, n, r)
			}
			k = kindOf(r)
		}
		i += n
		dst, run = appendUnmarked(dst, run, r, k)
	}
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	lead := start
	for lead < len(dst) && dst[lead] == ' ' {
		lead++
	}
	return slices.Delete(dst, start, lead)
}

// appendUnmarked appends what NFD leaves of r without its marks. The characters from run on are those since the
// last starter, in their canonical order.
func appendUnmarked(dst []byte, run int, r rune, k kind) ([]byte, int) {
	if k&kindJoins == 0 {
		run = len(dst) // a starter ends the run, even if it is a mark and falls away
	}
	switch {
	case k&kindCanonical == 0:
		if k&kindMark == 0 {
			dst = utf8.AppendRune(dst, r)
			run = len(dst)
		}
	case hangulFirst <= r && r < hangulFirst+hangulL*hangulV*hangulT:
		// The Unicode Standard 14.0, section 3.12, Hangul Syllable Decomposition.
		s := r - hangulFirst
		dst = utf8.AppendRune(dst, 0x1100+s/(hangulV*hangulT))
		dst = utf8.AppendRune(dst, 0x1161+s/hangulT%hangulV)
		if t := s % hangulT; t != 0 {
			dst = utf8.AppendRune(dst, 0x11A7+t)
		}
		run = len(dst)
	default:
		i := sort.Search(len(decomposition), func(i int) bool { return decomposition[i].from >= r })
		if i < len(decomposition) && decomposition[i].from == r {
			return appendOrdered(dst, run, decomposition[i].to)
		}
		i = sort.Search(len(decompositionMore), func(i int) bool { return decompositionMore[i].from >= r })
		if i < len(decompositionMore) && decompositionMore[i].from == r {
			for _, to := range decompositionMore[i].to {
				dst, run = appendOrdered(dst, run, to)
			}
			return dst, run
		}
		return appendOrdered(dst, run, r)
	}
	return dst, run
}

const (
	hangulFirst = 0xAC00
	hangulL     = 19
	hangulV     = 21
	hangulT     = 28
)

// appendOrdered appends r behind those of its run whose combining class is not above its own (Canonical Ordering
// Algorithm). Marks that fell away cannot part others: classes decide, and the order of equals is kept.
func appendOrdered(dst []byte, run int, r rune) ([]byte, int) {
	class := classOf(r)
	if class == 0 {
		dst = utf8.AppendRune(dst, r)
		return dst, len(dst)
	}
	at := len(dst)
	for at > run {
		last, n := utf8.DecodeLastRune(dst[run:at])
		if classOf(last) <= class {
			break
		}
		at -= n
	}
	var b [utf8.UTFMax]byte
	return slices.Insert(dst, at, b[:utf8.EncodeRune(b[:], r)]...), run
}

// number is where the number ends that begins with the digit at i.
func number(text []byte, i int) int {
	i = digits(text, i)
	n := 1
	switch {
	case i == len(text):
		return i
	case text[i] == '.' || text[i] == ',':
	case text[i] < utf8.RuneSelf:
		return i
	default:
		var r rune
		r, n = utf8.DecodeRune(text[i:])
		switch r {
		case '\u060C', '\u066B', '\u2396', '\u2397', '\u2398':
		default:
			return i
		}
	}
	if j := digits(text, i+n); j > i+n {
		return j
	}
	return i
}

// digits is where the digits from i on end.
func digits(text []byte, i int) int {
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if c < '0' || '9' < c {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if kindOf(r)&kindDigit == 0 {
			break
		}
		i += n
	}
	return i
}
