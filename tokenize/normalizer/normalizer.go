// Package normalizer brings text into the form that a tokenizer was made for: the component normalizer of
// tokenizer.json. There is one: NFC.
package normalizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AppendNFC appends text, which is UTF-8, in Unicode's normalization form C (UAX #15). Where text has that form
// already, which is nearly always, it appends nothing, and same is true.
func AppendNFC(dst, text []byte) (out []byte, same bool) {
	if norm.NFC.IsNormal(text) {
		return dst, true
	}
	if longRun(text) {
		return appendSlow(dst, text), false
	}
	return norm.NFC.Append(dst, text...), false
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

// appendSlow is UAX #15 as it is written: decompose, order marks by their class, compose.
func appendSlow(dst, text []byte) []byte {
	type char struct {
		r     rune
		class uint8
	}
	var chars []char
	add := func(b []byte) {
		r, _ := utf8.DecodeRune(b)
		chars = append(chars, char{r, norm.NFC.Properties(b).CCC()})
	}
	for i := 0; i < len(text); {
		_, n := utf8.DecodeRune(text[i:])
		if d := norm.NFD.Properties(text[i:]).Decomposition(); len(d) > 0 {
			for len(d) > 0 {
				add(d)
				_, m := utf8.DecodeRune(d)
				d = d[m:]
			}
		} else {
			add(text[i : i+n]) // Hangul syllables too: jamo behind one compose with it all the same
		}
		i += n
	}
	for i := 0; i < len(chars); {
		j := i + 1
		if chars[i].class != 0 {
			for j < len(chars) && chars[j].class != 0 {
				j++
			}
			slices.SortStableFunc(chars[i:j], func(a, b char) int { return int(a.class) - int(b.class) })
		}
		i = j
	}
	var pair, both []byte
	starter := -1
	kept := chars[:0]
	for _, c := range chars {
		if starter >= 0 {
			// Blocked if something between has the same class or a higher one, or is a starter.
			last := kept[len(kept)-1]
			if len(kept)-1 == starter || last.class != 0 && last.class < c.class {
				pair = utf8.AppendRune(utf8.AppendRune(pair[:0], kept[starter].r), c.r)
				both = norm.NFC.Append(both[:0], pair...)
				if r, n := utf8.DecodeRune(both); n == len(both) {
					kept[starter].r = r
					continue
				}
			}
		}
		if c.class == 0 {
			starter = len(kept)
		}
		kept = append(kept, c)
	}
	for _, c := range kept {
		dst = utf8.AppendRune(dst, c.r)
	}
	return dst
}
