package text

import (
	"bytes"
	"unicode/utf8"
)

// Mojibake is UTF-8 that somebody has read as Latin-1 or Windows-1252 and written as UTF-8 again: "sÃ³" for "só", "â€œ" for a quotation mark.
// What is done about it is what ftfy 6.3.1 does (ftfy/__init__.py fix_encoding, ftfy/badness.py, ftfy/chardata.py), as far as these two
// encodings go:
//
//	a line is touched only where signs stand together that do not in any language (isBad), such as a small letter with an accent
//	before a currency sign
//	the whole line is taken back to bytes, in Latin-1 or else in Windows-1252; if they are UTF-8, that is the text
//	else each run that looks like UTF-8 is tried by itself, if it is bad by itself
//	C1 control characters are what the byte is in Windows-1252
//	and again, until nothing changes
//
// ftfy also tries eight other encodings, and puts U+FFFD where bytes were lost; neither is sure enough here.

// signs of Windows-1252 beyond Latin-1, by byte from 0x80 on; 0 where the byte stands for nothing.
var windowsSigns = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// windowsByte is the byte that stands for r in Windows-1252, from 0x80 to 0x9F, or 0.
func windowsByte(r rune) byte {
	if r < 0x152 || r > 0x2122 {
		return 0
	}
	for i, s := range windowsSigns {
		if s == r {
			return byte(0x80 + i)
		}
	}
	return 0
}

// oddity is the class of a character in badness.py. Those that do not occur in Windows-1252 have none.
type oddity uint16

const (
	oddCommon oddity = 1 << iota
	oddC1
	oddBad
	oddLaw
	oddCurrency
	oddStart // punctuation that begins something
	oddEnd
	oddNumeric
	oddUpper // a capital letter with an accent
	oddLower

	oddSome = oddLower | oddUpper | oddStart | oddEnd | oddCurrency | oddNumeric | oddLaw
)

// latinOddity is the class of U+0080 and what follows, sixteen to a line.
var latinOddity = [128]oddity{
	oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1,
	oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1, oddC1,
	oddCommon, oddStart, oddCurrency, oddCurrency, oddBad, oddCurrency, oddBad, oddLaw, oddBad, oddStart, oddBad, oddStart, oddBad, oddCommon, oddEnd, oddBad,
	0, oddNumeric, oddNumeric, oddNumeric, oddCommon, oddNumeric, oddLaw, oddCommon, oddBad, oddNumeric, oddBad, oddEnd, oddNumeric, oddNumeric, oddNumeric, oddStart,
	oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper, oddUpper,
	oddUpper, oddUpper, 0, 0, 0, 0, 0, oddNumeric, oddUpper, 0, 0, 0, oddUpper, oddUpper, 0, oddLower,
	oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower, oddLower,
	oddLower, oddLower, 0, 0, 0, 0, 0, oddNumeric, 0, 0, 0, 0, oddLower, 0, 0, 0,
}

// windowsOddity is the class of windowsSigns.
var windowsOddity = [32]oddity{
	oddCurrency, 0, oddStart, oddBad, oddStart, oddCommon, oddBad, oddBad, oddBad, oddBad, oddUpper, oddStart, oddUpper, 0, oddUpper, 0,
	0, oddStart, oddCommon, oddStart, oddEnd, oddStart, oddCommon, oddCommon, oddBad, oddEnd, oddLower, oddEnd, oddLower, 0, oddLower, oddUpper,
}

func oddityOf(r rune) oddity {
	switch {
	case r < 0x80:
		return 0
	case r < 0x100:
		return latinOddity[r-0x80]
	case r == utf8.RuneError:
		return oddBad
	}
	if b := windowsByte(r); b != 0 {
		return windowsOddity[b-0x80]
	}
	return 0
}

func isSmallASCII(r rune) bool  { return 'a' <= r && r <= 'z' }
func isLetterASCII(r rune) bool { return isSmallASCII(r | 0x20) }

// afterCapital are the signs that make mojibake of an  Ã Î or Ð before them.
func afterCapital(r rune, o oddity) bool {
	if o&(oddStart|oddEnd) != 0 {
		return true
	}
	switch r {
	case '€', 'œ', 'Š', 'š', '¢', '£', 'Ÿ', 'ž', 0xA0, 0xAD, '®', '©', '°', '·', '»', '–', '—', '´':
		return true
	}
	return false
}

// inArabic are the signs between the Ø and Ù that Arabic letters begin with.
func inArabic(r rune, o oddity) bool {
	if o&(oddCommon|oddCurrency|oddBad|oddNumeric|oddStart) != 0 {
		return true
	}
	switch r {
	case 'Ÿ', 'Š', '®', '°', 'µ', '»':
		return true
	}
	return false
}

// isBad says whether characters stand together in b that hardly ever do unless they are mojibake.
func isBad(b []byte) bool {
	var p3, p2, p1 rune = -1, -1, -1
	var o2, o1 oddity
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf && o1|o2 == 0 && p1 < utf8.RuneSelf && p2 < utf8.RuneSelf && p3 < utf8.RuneSelf {
			p3, p2, p1 = p2, p1, rune(b[i]) // no ASCII is odd by itself
			i++
			continue
		}
		r, w := utf8.DecodeRune(b[i:])
		o := oddityOf(r)
		if o&oddC1 != 0 || isBadPair(p1, r, o1, o) || isBadTriple(p3, p2, p1, r, o2, o1, o) {
			return true
		}
		p3, p2, p1, o2, o1 = p2, p1, r, o1, o
		i += w
	}
	return false
}

// isBadPair looks at a character and the one before it, -1 at the start.
func isBadPair(p1, r rune, o1, o oddity) bool {
	switch {
	case o&oddBad != 0 && o1&(oddSome|oddBad) != 0,
		o1&oddBad != 0 && o&oddSome != 0,
		o&oddUpper != 0 && o1&(oddLower|oddEnd|oddCurrency|oddNumeric) != 0,
		o&oddLower != 0 && o1&(oddEnd|oddCurrency|oddNumeric) != 0,
		o&oddCurrency != 0 && o1&(oddLower|oddEnd) != 0,
		o1&oddUpper != 0 && (o&(oddNumeric|oddLaw) != 0 || r == '°'),
		o&oddStart != 0 && o1&(oddCurrency|oddNumeric) != 0:
		return true
	}
	switch p1 {
	case 'Œ', 'œ':
		return !isLetterASCII(r)
	case 'Â', 'Ã', 'Î', 'Ð':
		return afterCapital(r, o)
	case '×':
		return r == '²' || r == '³'
	case 'à':
		return r == '²' || r == 'µ' || r == '¹' || '¼' <= r && r <= '¾'
	}
	return false
}

func isBadTriple(p3, p2, p1, r rune, o2, o1, o oddity) bool {
	switch {
	case p1 == 'Þ' && isLetterASCII(p2) && o&oddBad != 0,
		o1&oddUpper != 0 && o&oddCurrency != 0 && isSpaceRune(p2),
		o1&oddStart != 0 && o&oddNumeric != 0 && o2&(oddLower|oddUpper|oddCurrency|oddEnd) != 0,
		o1&oddEnd != 0 && o&oddStart != 0 && o2&(oddLower|oddUpper|oddCurrency|oddNumeric|oddLaw) != 0,
		o1&oddUpper != 0 && o&(oddStart|oddCurrency) != 0 && isSmallASCII(p2),
		o1&(oddStart|oddEnd) != 0 && o2&(oddLower|oddUpper) != 0 && IsWord(r):
		return true
	case p1 == 'Ã' || p1 == 'Â':
		if r == ' ' && (p2 < 0 || isSmallASCII(p2) || isSmallASCII(p3) && isSpaceRune(p2)) {
			return true
		}
		return p1 == 'Â' && (r == ' ' || o&(oddStart|oddEnd) != 0) &&
			(o2&oddEnd != 0 || p2 == '.' || p2 == ',' || p2 == '?' || p2 == '!' || isSmallASCII(p2))
	case (p1 == 'Ø' || p1 == 'Ù') && (p3 == 'Ø' || p3 == 'Ù'):
		return inArabic(r, o) && inArabic(p2, o2)
	}
	return false
}

func isSpaceRune(r rune) bool {
	if r < 0 {
		return false
	}
	if r < utf8.RuneSelf {
		return classes[r]&pySpace != 0
	}
	var b [utf8.UTFMax]byte
	n := utf8.EncodeRune(b[:], r)
	return wideWhite(b[:n], 0) > 0
}

// mojibakeRounds is how often one text is mended again: mojibake of mojibake.
const mojibakeRounds = 8

// mojibakeDepth is how deep runs are looked for inside runs.
const mojibakeDepth = 3

// mender is the memory of appendMended.
type mender struct {
	raw    []byte // a line in one of the two encodings
	spare  []byte
	line   []byte // of a Repairer
	levels [mojibakeDepth][2][]byte
}

// appendMended appends b without mojibake.
func (m *mender) appendMended(dst, b []byte, depth int) []byte {
	buf := &m.levels[depth]
	for round := range mojibakeRounds {
		if !isBad(b) {
			break
		}
		out, changed := m.step(buf[round&1][:0], b, depth)
		buf[round&1] = out
		if !changed {
			break
		}
		b = out
	}
	return append(dst, b...)
}

// step is one round: dst is what b becomes, if it changes.
func (m *mender) step(dst, b []byte, depth int) (out []byte, changed bool) {
	for _, windows := range [...]bool{false, true} {
		raw, ok := appendBytes(m.raw[:0], b, windows)
		m.raw = raw
		if !ok {
			continue
		}
		m.spare = restoreSpaces(m.spare[:0], raw)
		if out, ok := appendUTF8(dst, m.spare); ok {
			return out, !bytes.Equal(out, b)
		}
	}
	if depth+1 < mojibakeDepth {
		if out, changed := m.runs(dst, b, depth); changed {
			return out, true
		}
	}
	return appendC1(dst, b)
}

// appendBytes takes characters back to the bytes that they were read from.
func appendBytes(dst, b []byte, windows bool) (out []byte, ok bool) {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if windows && b[i] == 0x1A {
				return dst, false
			}
			dst = append(dst, b[i])
			i++
			continue
		}
		r, w := utf8.DecodeRune(b[i:])
		i += w
		switch {
		case r < 0x80: // no UTF-8
			return dst, false
		case r < 0xA0:
			if windows && windowsSigns[r-0x80] != 0 {
				return dst, false
			}
			dst = append(dst, byte(r))
		case r < 0x100:
			dst = append(dst, byte(r))
		case windows && windowsByte(r) != 0:
			dst = append(dst, windowsByte(r))
		default:
			return dst, false
		}
	}
	return dst, true
}

func isContinuation(c byte) bool { return c&0xC0 == 0x80 }

// spacedLength is the length of the UTF-8 at i of which one byte, 0xA0, has become a space (ALTERED_UTF8_RE), and where that is; or 0.
func spacedLength(b []byte, i int) (n, space int) {
	at := func(k int) byte {
		if i+k < len(b) {
			return b[i+k]
		}
		return 0
	}
	most := func(c byte) bool { return isContinuation(c) && c != 0x85 && c != 0xA0 }
	x, y, z := at(1), at(2), at(3)
	switch c := b[i]; {
	case c == 0xC2 || c == 0xC3 || c == 0xC5 || c == 0xCE || c == 0xD0 || c == 0xD9:
		if x == ' ' {
			return 2, 1
		}
	case (c == 0xE2 || c == 0xE3) && x == ' ' && most(y):
		return 3, 1
	case c >= 0xE0 && c <= 0xE3 && most(x) && y == ' ':
		return 3, 2
	case c == 0xF0:
		switch {
		case x == ' ' && isContinuation(y) && isContinuation(z):
			return 4, 1
		case isContinuation(x) && y == ' ' && isContinuation(z):
			return 4, 2
		case isContinuation(x) && isContinuation(y) && z == ' ':
			return 4, 3
		}
	}
	return 0, 0
}

// notGrave follow an Ã and a space that is the no-break space of an à, as in Portuguese "àquela".
var notGrave = [][]byte{[]byte(" "), []byte("quele"), []byte("quela"), []byte("quilo"), []byte("s ")}

// restoreSpaces appends raw with 0xA0 where it has become a space inside of UTF-8. "Ã la" is the word à and a space.
func restoreSpaces(dst, raw []byte) []byte {
	any := false
	for i := 0; i < len(raw) && !any; i++ {
		if raw[i] >= 0xC2 {
			n, _ := spacedLength(raw, i)
			any = n > 0
		}
	}
	if !any {
		return append(dst, raw...)
	}
	lo := len(dst)
	for i, c := range raw {
		dst = append(dst, c)
		if c == 0xC3 && isGrave(raw[i+1:]) {
			dst = append(dst, 0xA0)
		}
	}
	b := dst[lo:]
	for i := 0; i < len(b); i++ {
		if b[i] >= 0xC2 {
			if n, space := spacedLength(b, i); n > 0 {
				b[i+space] = 0xA0
				i += n - 1
			}
		}
	}
	return dst
}

// isGrave says whether what follows an Ã shows that it is the word à.
func isGrave(after []byte) bool {
	if len(after) == 0 || after[0] != ' ' {
		return false
	}
	for _, p := range notGrave {
		if bytes.HasPrefix(after[1:], p) {
			return false
		}
	}
	return true
}

// appendUTF8 appends raw if it is UTF-8. Two variants of UTF-8 are read as what they mean: characters beyond U+FFFF as two surrogates of
// three bytes each (CESU-8), and U+0000 in two bytes.
func appendUTF8(dst, raw []byte) (out []byte, ok bool) {
	if utf8.Valid(raw) {
		return append(dst, raw...), true
	}
	for i := 0; i < len(raw); {
		switch {
		case raw[i] == 0xC0 && i+1 < len(raw) && raw[i+1] == 0x80:
			dst = append(dst, 0)
			i += 2
			continue
		case raw[i] == 0xED && i+5 < len(raw) && raw[i+1]&0xF0 == 0xA0 && isContinuation(raw[i+2]) &&
			raw[i+3] == 0xED && raw[i+4]&0xF0 == 0xB0 && isContinuation(raw[i+5]):
			hi := rune(raw[i+1]&0x0F)<<6 | rune(raw[i+2]&0x3F)
			lo := rune(raw[i+4]&0x0F)<<6 | rune(raw[i+5]&0x3F)
			dst = utf8.AppendRune(dst, 0x10000+hi<<10+lo)
			i += 6
			continue
		}
		r, w := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && w == 1 {
			return dst, false
		}
		dst = append(dst, raw[i:i+w]...)
		i += w
	}
	return dst, true
}

// standsAlone are the signs of a continuation byte that often stand for themselves beside mojibake.
func standsAlone(r rune) bool {
	switch r {
	case '–', '—', '‘', '’', '‚', '“', '”', '„', '•', '…':
		return true
	}
	return false
}

// asContinuation says whether r may be a continuation byte, read wrongly.
func asContinuation(r rune) bool { return 0x80 <= r && r < 0xC0 || windowsByte(r) != 0 || r == ' ' }

// runs mends the runs of characters that look like UTF-8, one by one.
func (m *mender) runs(dst, b []byte, depth int) (out []byte, changed bool) {
	lo := len(dst)
	prev := rune(-1)
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			dst = append(dst, b[i])
			prev = rune(b[i])
			i++
			continue
		}
		r, w := utf8.DecodeRune(b[i:])
		n := 0
		if r >= 0xC2 && r < 0xF5 && !(asContinuation(prev) && prev != ' ' && !standsAlone(prev)) {
			n = runLength(b[i:])
		}
		if n == 0 {
			dst = append(dst, b[i:i+w]...)
			prev = r
			i += w
			continue
		}
		run := b[i : i+n]
		if n < len(b) && isBad(run) {
			dst = m.appendMended(dst, run, depth+1)
		} else {
			dst = append(dst, run...)
		}
		prev, _ = utf8.DecodeLastRune(run)
		i += n
	}
	return dst, !bytes.Equal(dst[lo:], b)
}

// runLength is the length of the longest run at the start of b that has the form of UTF-8: each first byte with the continuation bytes
// that it wants.
func runLength(b []byte) int {
	i := 0
	for {
		r, w := utf8.DecodeRune(b[i:])
		more := 0
		switch {
		case 0xC2 <= r && r <= 0xDF:
			more = 1
		case 0xE0 <= r && r <= 0xEF:
			more = 2
		case r == 0xF0 || r == 0xF3:
			more = 3
		default:
			return i
		}
		j := i + w
		for range more {
			r, w := utf8.DecodeRune(b[j:])
			if w == 0 || !asContinuation(r) {
				return i
			}
			j += w
		}
		i = j
	}
}

// appendC1 appends b with its C1 control characters as what they are in Windows-1252.
func appendC1(dst, b []byte) (out []byte, changed bool) {
	for i := 0; i < len(b); {
		if b[i] == 0xC2 && i+1 < len(b) && isContinuation(b[i+1]) && b[i+1] < 0xA0 {
			if r := windowsSigns[b[i+1]-0x80]; r != 0 {
				dst = utf8.AppendRune(dst, r)
				i += 2
				changed = true
				continue
			}
		}
		dst = append(dst, b[i])
		i++
	}
	return dst, changed
}
