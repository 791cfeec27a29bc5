package dedup

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

// normal is a normal form of texts: cut fills words and ends of a Scratch with the words and one space between them.
// What is not cut into words has its text there, and no ends.
type normal struct {
	name string
	cut  func(sc *Scratch, b []byte)
}

// normals is sorted by name.
var normals = []normal{
	{"lower", lowerNormal},
	{"simplified", simplifiedNormal},
	{"slimpajama", slimpajamaNormal},
	{"text-dedup", textDedupNormal},
}

// lowerNormal is the words \w+ of Python's re in the lower-cased text. datasketch's users take words so; the labelled
// pairs that thresholds are measured on are counted so.
func lowerNormal(sc *Scratch, b []byte) {
	sc.words, sc.ends = text.AppendLowerWords(sc.words[:0], sc.ends[:0], b)
}

// simplifiedNormal is the English words of the simplified text (datatrove 0.10.1, pipeline/dedup/minhash.py,
// get_shingles).
func simplifiedNormal(sc *Scratch, b []byte) {
	sc.before = text.AppendSimplified(sc.before[:0], b)
	sc.words, sc.ends = text.AppendSimplifiedWords(sc.words[:0], sc.ends[:0], sc.before)
}

// slimpajamaNormal is the text in lower case, without the 32 marks of string.punctuation, with one space for each run of
// white space inside and none at the ends (Cerebras modelzoo, data_preparation/nlp/slimpajama, dedup/to_hash.py,
// get_features). It has characters, and no words.
func slimpajamaNormal(sc *Scratch, b []byte) {
	sc.before = text.AppendLower(slices.Grow(sc.before[:0], len(b)), b)
	dst, white := sc.words[:0], false
	for i := 0; i < len(sc.before); {
		if n := text.SpaceAt(sc.before, i); n > 0 {
			white = true
			i += n
			continue
		}
		c := sc.before[i]
		if c > ' ' && c < 0x7F && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z') { // lower-cased, so no A to Z
			i++
			continue
		}
		if white && len(dst) > 0 {
			dst = append(dst, ' ')
		}
		white = false
		for more := true; more; more = i < len(sc.before) && !utf8.RuneStart(sc.before[i]) {
			dst = append(dst, sc.before[i])
			i++
		}
	}
	sc.words, sc.ends = dst, sc.ends[:0]
}

// textDedupNormal is what is left of the lower-cased text between characters that \W of Python's regex matches
// (text-dedup 0.4.1, config/algorithms/minhash.py): unlike re it counts marks among the characters of words, and numbers
// that are neither digits nor letters it does not.
func textDedupNormal(sc *Scratch, b []byte) {
	sc.before = text.AppendLower(slices.Grow(sc.before[:0], len(b)), b)
	dst, ends := sc.words[:0], sc.ends[:0]
	inside := false
	for i := 0; i < len(sc.before); {
		c := sc.before[i]
		n := 1
		word := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
		if c >= utf8.RuneSelf {
			var r rune
			r, n = utf8.DecodeRune(sc.before[i:])
			word = regexWord(r)
		}
		switch {
		case word && !inside && len(ends) > 0:
			dst = append(dst, ' ')
			fallthrough
		case word:
			dst = append(dst, sc.before[i:i+n]...)
			inside = true
		case inside:
			ends = append(ends, int32(len(dst)))
			inside = false
		}
		i += n
	}
	if inside {
		ends = append(ends, int32(len(dst)))
	}
	sc.words, sc.ends = dst, ends
}

// regexWord says whether \w of Python's regex matches r: Alphabetic, Mark, Decimal_Number, Connector_Punctuation and
// Join_Control (Unicode Technical Standard 18, annex C).
func regexWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
