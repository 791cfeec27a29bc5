package normalizer

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AppendNFC appends text, which is UTF-8, in the normalization form C (UAX #15) of Unicode 9.0.0, as the reference
// does. Where text has that form already, which is nearly always, it appends nothing, and same is true.
func AppendNFC(dst, text []byte) (out []byte, same bool) {
	if isNFC(text) { // and so is every part of it
		return dst, true
	}
	start := 0
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
		}
		if isLater(r) {
			dst = appendPart(dst, text[start:i])
			dst = append(dst, text[i:i+n]...)
			start = i + n
		}
		i += n
	}
	return appendPart(dst, text[start:]), false
}

// appendPart appends text as it is normalized alone: norm's own Append would join it with what stands in dst.
func appendPart(dst, text []byte) []byte {
	switch {
	case longRun(text):
		return appendSlow(dst, text)
	case len(dst) == 0:
		return norm.NFC.Append(dst, text...)
	}
	return append(dst, norm.NFC.Bytes(text)...)
}

// maxRun is how many marks in a row are left to package norm. It makes its output stream-safe (UAX #15, section
// 13): behind 30 marks it puts a U+034F in, which normalization form C does not have. A code point becomes at most
// 3 marks behind a starter, and a mark at most 2.
const maxRun = 10

func longRun(text []byte) bool {
	run := 0
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := norm.NFC.Properties(text[i:])
		if p.CCC() == 0 {
			run = 0
		} else if run++; run >= maxRun {
			return true
		}
		i += max(1, p.Size())
	}
	return false
}

// appendSlow is the same without package norm's help.
func appendSlow(dst, text []byte) []byte {
	for _, c := range NFC.appendPart(nil, text) {
		dst = utf8.AppendRune(dst, c.r)
	}
	return dst
}
