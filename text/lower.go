package text

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// asciiLower is the lower case of ASCII.
var asciiLower = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// asciiWord is the lower case of the ASCII characters of \w, and 0 for the others and for bytes beyond ASCII.
var asciiWord = func() (t [256]byte) {
	for c := range asciiLower {
		if kindOf(rune(c))&kindWord != 0 {
			t[c] = asciiLower[c]
		}
	}
	return t
}()

// AppendLower appends the text in lower case, as str.lower of Python 3.11 (Unicode 14.0): characters one by one,
// but U+0130 becomes two and a capital sigma at the end of a word the final one (Final_Sigma in SpecialCasing.txt).
func AppendLower(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			dst = append(dst, asciiLower[c])
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if kindOf(r)&kindLower != 0 {
			if r == 'İ' {
				dst = append(dst, 'i')
				r = dotAbove
			} else {
				r = lowerAt(text, i, n, r)
			}
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

const dotAbove = '\u0307' // what is left of İ beside the i

// lowerAt is the lower case of r, the n bytes of text at i. Of İ it is İ.
func lowerAt(text []byte, i, n int, r rune) rune {
	if r != 'Σ' {
		return lowerOf(r)
	}
	if finalSigma(text[:i], text[i+n:]) {
		return 'ς'
	}
	return 'σ'
}

// finalSigma tells whether a sigma is the last letter of a word: before it, characters that case ignores left
// out, comes a cased one, and after it comes none.
func finalSigma(before, after []byte) bool {
	for {
		r, n := utf8.DecodeLastRune(before)
		if n == 0 {
			return false
		}
		before = before[:len(before)-n]
		if k := kindOf(r); k&kindIgnorable == 0 {
			if k&kindCased == 0 {
				return false
			}
			break
		}
	}
	for {
		r, n := utf8.DecodeRune(after)
		if n == 0 {
			return true
		}
		after = after[n:]
		if k := kindOf(r); k&kindIgnorable == 0 {
			return k&kindCased == 0
		}
	}
}

// lowerWord8 looks at 8 bytes of a text, the first one lowest: how many of them, from the first on, are ASCII characters
// of \w, and those in lower case. It is asciiWord for eight at once, and the bytes behind them mean nothing.
func lowerWord8(x uint64) (lower uint64, n int) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	// Of each byte the low seven bits, so that a sum carries into its own high bit and no further.
	b := x &^ high
	folded := b | 0x20*ones
	letters := (folded + (0x80-'a')*ones) &^ (folded + (0x7F-'z')*ones)
	digits := (b + (0x80-'0')*ones) &^ (b + (0x7F-'9')*ones)
	underscores := ^((b ^ '_'*ones) + 0x7F*ones)
	letters &= high
	word := (letters | digits | underscores) &^ x & high
	return x | letters>>2, bits.TrailingZeros64(word^high) / 8
}

// AppendLowerWords appends the words of the text in lower case, with one space between them, and where each ends
// in dst. A word is a run of \w of Python 3.11's re (letters, numbers of any kind, underscore; no marks) in the
// lower case of the text: re.findall(r"\w+", text.lower()).
func AppendLowerWords(dst []byte, ends []int32, text []byte) ([]byte, []int32) {
	first := len(ends)
	inside := false
	for i := 0; i < len(text); {
		if len(text)-i >= 8 { // most words take one turn
			if cap(dst)-len(dst) < 8 {
				dst = slices.Grow(dst, len(text)-i+8)
			}
			lower, n := lowerWord8(binary.LittleEndian.Uint64(text[i:]))
			end := len(dst)
			binary.LittleEndian.PutUint64(dst[end:end+8], lower)
			dst = dst[:end+n]
			inside = inside || n > 0
			if i += n; n == 8 {
				continue
			}
		} else if w := asciiWord[text[i]]; w != 0 {
			dst = append(dst, w)
			inside = true
			i++
			continue
		}
		c := text[i]
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, n = utf8.DecodeRune(text[i:])
			k := kindOf(r)
			switch {
			case r == 'İ': // the dot is a mark and ends the word
				dst = append(dst, 'i')
				inside = true
			case k&kindWord == 0: // some, as U+24B6, have another case all the same
			case k&kindLower != 0:
				dst = utf8.AppendRune(dst, lowerAt(text, i, n, r))
				inside = true
				i += n
				continue
			default:
				dst = append(dst, text[i:i+n]...)
				inside = true
				i += n
				continue
			}
		}
		i += n
		if inside {
			ends = append(ends, int32(len(dst)))
			dst = append(dst, ' ')
			inside = false
		}
	}
	if inside {
		return dst, append(ends, int32(len(dst)))
	}
	if len(ends) > first {
		dst = dst[:len(dst)-1]
	}
	return dst, ends
}
