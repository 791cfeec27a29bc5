package text

import (
	"bytes"
	"unicode/utf8"
)

// AppendSimplifiedWords appends the words of simplified text (see AppendSimplified) with one space between them,
// and where each ends in dst. The words are those of datatrove's English tokenizer, which is spaCy's (3.8, blank
// "en", white space dropped). Of its rules only these can apply to simplified text, the others need punctuation
// or digits that are gone:
//
//	words are parted by spaces
//	contractions without their apostrophe are two or three words: dont is do nt
//	some signs are split off the beginning and the end of a word, one at a time
//	units and currencies are split off a number before them: 0km is 0 km
//	symbols are split out of the middle, and < = > between letters
//	\u2018s is one word, though \u2018 is such a sign
func AppendSimplifiedWords(dst []byte, ends []int32, simplified []byte) ([]byte, []int32) {
	first := len(ends)
	for i := 0; i < len(simplified); {
		if simplified[i] == ' ' {
			i++
			continue
		}
		lo := i
		rare := uint8(0)
		for i < len(simplified) && simplified[i] != ' ' {
			rare |= wordRare[simplified[i]]
			i++
		}
		word := simplified[lo:i]
		switch {
		case rare != 0:
			w := wordSplitter{dst, ends, false}
			w.split(word)
			dst, ends = w.dst, w.ends
		default:
			if c := contractionOf(word); c != "" {
				dst, ends = appendParts(dst, ends, c)
				continue
			}
			dst = append(dst, word...)
			ends = append(ends, int32(len(dst)))
			dst = append(dst, ' ')
		}
	}
	if len(ends) > first {
		dst = dst[:len(dst)-1]
	}
	return dst, ends
}

// wordRare is 1 for the bytes whose word rules of signs and numbers may split.
var wordRare = func() (t [256]uint8) {
	for c := range t {
		if c >= utf8.RuneSelf || c == '0' || kindOf(rune(c))&(kindPrefix|kindSuffix|kindInfix) != 0 {
			t[c] = 1
		}
	}
	return t
}()

const (
	longestContraction = 10 // shouldntve
	openQuote          = "\u2018"
	openQuoteS         = openQuote + "s"
)

func contractionOf(word []byte) string {
	if len(word) < 2 || len(word) > longestContraction {
		return ""
	}
	switch word[len(word)-1] { // nearly all words end here
	case 'a', 'd', 'e', 'l', 'm', 's', 't':
		return contraction(word)
	}
	return ""
}

func appendParts(dst []byte, ends []int32, parts string) ([]byte, []int32) {
	for i := range len(parts) {
		if parts[i] == ' ' {
			ends = append(ends, int32(len(dst)))
		}
		dst = append(dst, parts[i])
	}
	ends = append(ends, int32(len(dst)))
	return append(dst, ' '), ends
}

// wordSplitter splits one word; its pieces follow those that were there.
type wordSplitter struct {
	dst   []byte
	ends  []int32
	quote bool // the last piece is the sign \u2018
}

// split is _split_affixes and _attach_tokens of spaCy's tokenizer.pyx.
func (w *wordSplitter) split(word []byte) {
	lo, hi := 0, len(word)
	unit := 0 // length of the unit split off; it is the first of what is split off the end
	for lo < hi && !isSpecial(word[lo:hi]) {
		pre := prefixLen(word[lo:hi])
		if pre > 0 && isSpecial(word[lo+pre:hi]) {
			w.piece(word[lo : lo+pre])
			lo += pre
			break
		}
		suf, isUnit := suffixLen(word[lo+pre : hi])
		if suf > 0 && isSpecial(word[lo:hi-suf]) {
			hi -= suf
			break
		}
		if pre == 0 && suf == 0 {
			break
		}
		if pre > 0 {
			w.piece(word[lo : lo+pre])
		}
		if isUnit {
			unit = suf
		}
		lo += pre
		hi -= suf
	}
	if c := contractionOf(word[lo:hi]); c != "" {
		w.dst, w.ends = appendParts(w.dst, w.ends, c)
		w.quote = false
	} else if string(word[lo:hi]) == openQuoteS {
		w.piece(word[lo:hi])
	} else if lo < hi {
		w.infixes(word[lo:hi])
	}
	if unit > 0 {
		w.piece(word[hi : hi+unit])
		hi += unit
	}
	for hi < len(word) {
		_, n := utf8.DecodeRune(word[hi:])
		w.piece(word[hi : hi+n])
		hi += n
	}
}

// isSpecial tells whether spaCy's table of special cases has the word. Of those entries that are one word, only
// this one is of consequence: rules would split it.
func isSpecial(word []byte) bool {
	return contractionOf(word) != "" || string(word) == openQuoteS
}

// infixes splits the middle.
func (w *wordSplitter) infixes(word []byte) {
	lo := 0
	before := kind(0)
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRune(word[i:])
		k := kindOf(r)
		split := i > 0 && k&kindInfix != 0
		if r == '<' || r == '=' || r == '>' {
			after, _ := utf8.DecodeRune(word[i+n:])
			split = before&kindAlpha != 0 && kindOf(after)&kindAlpha != 0
		}
		if split {
			if lo < i {
				w.piece(word[lo:i])
			}
			w.piece(word[i : i+n])
			lo = i + n
		}
		before = k
		if r == '0' {
			before = kindAlpha
		}
		i += n
	}
	if lo < len(word) {
		w.piece(word[lo:])
	}
}

// piece appends a word. An s goes back to the sign \u2018 before it: spaCy looks for this special case once more
// when all is split.
func (w *wordSplitter) piece(p []byte) {
	if w.quote && string(p) == "s" {
		w.dst = w.dst[:len(w.dst)-1]
		w.ends = w.ends[:len(w.ends)-1]
	}
	w.dst = append(w.dst, p...)
	w.ends = append(w.ends, int32(len(w.dst)))
	w.dst = append(w.dst, ' ')
	w.quote = string(p) == openQuote
}

func prefixLen(word []byte) int {
	r, n := utf8.DecodeRune(word)
	if n > 0 && kindOf(r)&kindPrefix != 0 {
		return n
	}
	return 0
}

// suffixLen is the length of what is to be split off the end, and whether it is a unit, which may be several
// characters.
func suffixLen(word []byte) (n int, unit bool) {
	r, n := utf8.DecodeLastRune(word)
	if n == 0 {
		return 0, false
	}
	k := kindOf(r)
	number := func(n int) bool { return n < len(word) && word[len(word)-n-1] == '0' }
	if k&kindSuffix != 0 || k&kindAmount != 0 && number(n) {
		return n, false
	}
	tail := word[max(0, len(word)-longestUnit-1):]
	if at := bytes.LastIndexByte(tail, '0'); at >= 0 {
		for _, u := range units {
			if string(tail[at+1:]) == u {
				return len(u), true
			}
		}
	}
	return 0, false
}

const longestUnit = 12 // bytes
