package filter

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const slimPajama = "Cerebras modelzoo, data_preparation/nlp/slimpajama"

// slimpajamaShort drops documents of which too little is left without punctuation and white space. The reference
// writes a list of them and has no word for it; the reason is ours.
var slimpajamaShort = Rule{
	Name:    "slimpajama_short",
	Version: 1,
	Summary: "drops documents of which too few characters are left in lower case, without ASCII punctuation and with single blanks; brings the text to NFC",
	Source:  slimPajama + "/preprocessing/filter.py and normalize_text.py",
	Params: []Param{
		{Name: "threshold", Default: 200, Unit: "characters", Source: slimPajama + "/main.py"},
		{Name: "nfc", Default: 1, Unit: "1 on, 0 off: the text is brought to Unicode's normal form C first", Source: slimPajama + "/preprocessing/normalize_text.py", Inside: true},
	},
	NewScratch: func(any) any { return new(slimLength) },
	Edit: func(v *View, p Values) {
		length := v.Scratch(p).(*slimLength)
		doc := v.doc
		if p.On("nfc") && !norm.NFC.IsNormal(doc) {
			b := norm.NFC.Append(v.edit(), doc...)
			v.setEdit(b)
			doc = b
		}
		*length = slimLength(cleanedPoints(doc))
	},
	Edits: "brings it to Unicode's normal form C (the reference calls ftfy.fix_text, which also repairs mojibake, HTML entities and line ends, and straightens quotation marks: repair the text before this rule to have that)",
	Tests: []Test{{
		Reason: "short", Signal: "slimpajama_characters",
		Measure: "number of characters in lower case without the 32 punctuation marks of ASCII, a run of white space counted once, and not at the ends",
		Compare: Below, Param: "threshold",
		Value: func(v *View, p Values) (float64, bool) { return float64(*v.Scratch(p).(*slimLength)), true },
	}},
}

// slimLength is the length that slimpajamaShort's Edit has counted.
type slimLength int

// Classes of ASCII for cleanedPoints.
const (
	cleanedKept uint8 = iota
	cleanedMark
	cleanedWhite
	cleanedWide
)

var cleanedBytes = func() (t [256]uint8) {
	for c := range t {
		b := byte(c)
		switch {
		case c >= utf8.RuneSelf:
			t[c] = cleanedWide
		case b >= '\t' && b <= '\r', b >= 0x1C && b <= ' ':
			t[c] = cleanedWhite // of Python's \s
		case b > ' ' && b < 0x7F && !(b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'):
			t[c] = cleanedMark // string.punctuation
		}
	}
	return t
}()

// cleanedPoints is the length of the reference's clean(text): lower(), without string.punctuation, strip(), and
// \s+ replaced by a blank.
func cleanedPoints(doc []byte) (points int) {
	white := false // since the last character that counted
	for i := 0; i < len(doc); {
		n, more := 1, 0
		switch cleanedBytes[doc[i]] {
		case cleanedMark:
			i++
			continue
		case cleanedWhite:
			white = true
			i++
			continue
		case cleanedWide:
			var r rune
			if r, n = utf8.DecodeRune(doc[i:]); unicode.IsSpace(r) {
				white = true
				i += n
				continue
			} else if r == 'İ' {
				more = 1 // its lower case is two characters
			}
		}
		if white && points > 0 {
			points++
		}
		white = false
		points += 1 + more
		i += n
	}
	return points
}
