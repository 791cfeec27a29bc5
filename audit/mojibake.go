package audit

import (
	"unicode"
	"unicode/utf8"
)

// mojibake counts what looks like UTF-8 that was read as Windows-1252, or as Latin-1, and says where the first is.
//
// Read so, a character of two to four bytes becomes as many characters: one of U+00C2 to U+00F4 for its first byte, and
// then characters of the bytes 0x80 to 0xBF, which hold no letters but š, œ, ž, Š, Œ, Ž, Ÿ, ƒ, ª and º. A sequence of
// three or four that decodes is hardly ever anything else. One of two is taken for it where it begins with Ã or Â, and
// with another first letter only if two follow each other (Cyrillic and Greek come so); a word in capitals that ends in Ã
// before a quotation mark or a dash is none.
func mojibake(doc []byte) (count int64, first int) {
	before := -1 // where the last doubtful sequence ended
	for i := 0; i < len(doc); {
		if doc[i] != 0xC3 { // of the UTF-8 of U+00C0 to U+00FF
			i++
			continue
		}
		size, doubtful := garbled(doc, i)
		if size == 0 {
			i += 2
			continue
		}
		if doubtful && before != i {
			// It counts if the next is one, too.
			before = i + size
			if before < len(doc) && doc[before] == 0xC3 {
				if next, _ := garbled(doc, before); next > 0 {
					doubtful = false
				}
			}
		} else {
			before, doubtful = i+size, false
		}
		if !doubtful {
			if count == 0 {
				first = i
			}
			count++
		}
		i += size
	}
	return count, first
}

// garbled says how many bytes of doc at i, which begins with one of U+00C0 to U+00FF, are a character whose bytes were
// read one by one; 0 for none. It is doubtful where ordinary text may have the same.
func garbled(doc []byte, i int) (size int, doubtful bool) {
	lead := 0xC0 | doc[i+1]&0x3F
	var want int
	switch {
	case lead >= 0xC2 && lead <= 0xDF:
		want = 2
	case lead >= 0xE0 && lead <= 0xEF:
		want = 3
	case lead >= 0xF0 && lead <= 0xF4:
		want = 4
	default:
		return 0, false
	}
	var b [4]byte
	b[0] = lead
	at := i + 2
	for n := 1; n < want; n++ {
		r, size := utf8.DecodeRune(doc[at:])
		c := windows1252(r)
		if c < 0x80 || c > 0xBF {
			return 0, false
		}
		b[n] = c
		at += size
	}
	if _, size := utf8.DecodeRune(b[:want]); size != want {
		return 0, false
	}
	if want > 2 {
		return at - i, false
	}
	if lead != 0xC2 && lead != 0xC3 {
		return at - i, true
	}
	if closes(b[1]) && !(lead == 0xC2 && b[1] == 0xA0) {
		r, _ := utf8.DecodeLastRune(doc[:i])
		return at - i, !unicode.IsLower(r)
	}
	return at - i, false
}

// closes says whether ordinary text has the character of this byte of Windows-1252 right behind a word.
func closes(c byte) bool {
	switch c {
	case 0x84, 0x85, 0x89, 0x8B, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99, 0x9B, 0xA0, 0xAA, 0xAB, 0xAE, 0xB0, 0xB4, 0xB7, 0xB9, 0xBA, 0xBB, 0xB2, 0xB3:
		return true
	}
	return false
}

// windows1252 is the byte that is read as r, of those from 0x80 on; 0 where none is. The bytes to which Windows-1252 gives
// no character, and all as Latin-1 has them, are read as the control characters of their number.
func windows1252(r rune) byte {
	if r >= 0x80 && r <= 0xFF {
		return byte(r)
	}
	for i, c := range [...]rune{ // https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT
		0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
		0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
	} {
		if r == c && c != 0 {
			return byte(0x80 + i)
		}
	}
	return 0
}
