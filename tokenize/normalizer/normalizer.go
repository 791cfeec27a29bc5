// Package normalizer brings text into the form that a tokenizer was made for: the component normalizer of
// tokenizer.json. There is one: NFC.
package normalizer

import (
	"slices"
	"sort"
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
		if r >= later[0][0] && isLater(r) {
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

// later are the code points that Unicode got after 9.0.0 and that package norm (15.0.0) moves or joins. HF tokenizers
// 0.23.3 has the tables of 9.0.0: to it they are unassigned, so that they stay where they are, and nothing is
// moved or joined across them.
var later = [...][2]rune{
	{0x7fd, 0x7fd}, {0x898, 0x89f}, {0x8ca, 0x8d3}, {0x9fe, 0x9fe}, {0xc3c, 0xc3c}, {0xd3b, 0xd3c}, {0xeba, 0xeba},
	{0x1715, 0x1715}, {0x1abf, 0x1ace}, {0x1df6, 0x1dfa}, {0xa82c, 0xa82c}, {0x10d24, 0x10d27}, {0x10eab, 0x10eac},
	{0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
	{0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x1193d, 0x1193e}, {0x11943, 0x11943},
	{0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42},
	{0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f},
	{0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
}

func isLater(r rune) bool {
	i := sort.Search(len(later), func(i int) bool { return later[i][1] >= r })
	return i < len(later) && later[i][0] <= r
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
