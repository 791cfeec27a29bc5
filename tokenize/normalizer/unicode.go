package normalizer

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"curate/tokenize/aligned"
)

// Form is a normalization form (UAX #15) of Unicode 9.0.0: the tables of crate unicode-normalization-alignments 0.1.12,
// which HF tokenizers 0.23.3 has.
type Form struct {
	name      string
	form      norm.Form // which says what has the form
	apart     norm.Form // which takes characters apart
	composing bool
}

// The forms are the normalizers of their names.
var (
	NFC  = Form{"NFC", norm.NFC, norm.NFD, true}
	NFD  = Form{"NFD", norm.NFD, norm.NFD, false}
	NFKC = Form{"NFKC", norm.NFKC, norm.NFKD, true}
	NFKD = Form{"NFKD", norm.NFKD, norm.NFKD, false}
)

// Type is the form's name.
func (f Form) Type() string { return f.name }

// Normalize implements [Normalizer].
func (f Form) Normalize(t *aligned.Text) error {
	text := t.B
	i := f.form.QuickSpan(text) // what is behind may join or move into what is before
	if i == len(text) {
		return nil
	}
	for i > 0 && !f.boundary(text[i:]) {
		_, n := utf8.DecodeLastRune(text[:i])
		i -= n
	}
	var some [32]char
	chars := some[:0]
	e := edit{t: t}
	e.keep(i)
	for i < len(text) {
		// Part by part: nothing is moved or joined across what begins one.
		to := i + ascii(text[i:])
		if to == len(text) {
			break
		}
		if to > i+1 {
			e.keep(to - 1 - i)
			i = to - 1
		}
		r, n := utf8.DecodeRune(text[i:])
		to = i + n
		for to < len(text) && !f.boundary(text[to:]) {
			_, n := utf8.DecodeRune(text[to:])
			to += n
		}
		if r == utf8.RuneError || to == i+1 {
			e.keep(n)
			i += n
			continue
		}
		if part := text[i:to]; f.form.QuickSpan(part) == len(part) {
			e.keep(len(part))
		} else {
			chars = f.appendPart(chars[:0], part)
			e.part(part, chars)
		}
		i = to
	}
	e.end()
	return nil
}

// part puts chars in the place of text.
func (e *edit) part(text []byte, chars []char) {
	for _, c := range chars {
		r, n := utf8.DecodeRune(text)
		if c.of == 1 && c.r == r {
			e.keep(n)
			text = text[n:]
			continue
		}
		if c.of == 0 {
			e.insertRune(c.r)
			continue
		}
		for range c.of - 1 {
			_, m := utf8.DecodeRune(text[n:])
			n += m
		}
		e.replaceRune(n, c.r)
		text = text[n:]
	}
}

// char is a character of the form on its way.
type char struct {
	r     rune
	of    int32 // how many characters of the text it stands for: 0 for what is not the first of what one became
	class uint8 // canonical combining class
}

// boundary says that what text begins with neither moves before nor joins what stands before it.
func (f Form) boundary(text []byte) bool {
	if text[0] < utf8.RuneSelf {
		return true
	}
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError || isLater(r) {
		return true
	}
	text = text[:n]
	if d := f.apart.Properties(text).Decomposition(); d != nil {
		text = d
	}
	p := norm.NFC.Properties(text)
	if f.composing {
		return p.BoundaryBefore()
	}
	return p.CCC() == 0
}

// appendPart appends the characters of text in the form, as crate unicode-normalization-alignments goes about it
// (decompose.rs, recompose.rs): take apart, order marks by their class, join.
func (f Form) appendPart(chars []char, text []byte) []char {
	start := len(chars)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		chars = f.appendApart(chars, r, text[i:i+n])
		i += n
	}
	part := chars[start:]
	for i := 0; i < len(part); {
		j := i + 1
		if part[i].class != 0 {
			for j < len(part) && part[j].class != 0 {
				j++
			}
			if j > i+1 {
				slices.SortStableFunc(part[i:j], func(a, b char) int { return int(a.class) - int(b.class) })
			}
		}
		i = j
	}
	if f.composing {
		part = join(part)
	}
	return chars[:start+len(part)]
}

// appendApart appends r, which text is, taken apart.
func (f Form) appendApart(chars []char, r rune, text []byte) []char {
	if r < utf8.RuneSelf || isLater(r) {
		return append(chars, char{r: r, of: 1})
	}
	if s := r - hangulBase; 0 <= s && s < hangulCount {
		chars = append(chars, char{r: leadBase + s/(vowelCount*tailCount), of: 1},
			char{r: vowelBase + s%(vowelCount*tailCount)/tailCount})
		if s%tailCount > 0 {
			chars = append(chars, char{r: tailBase + s%tailCount})
		}
		return chars
	}
	d := f.apart.Properties(text).Decomposition()
	if d == nil {
		return append(chars, char{r, 1, norm.NFC.Properties(text).CCC()})
	}
	for of := int32(1); len(d) > 0; of = 0 {
		r, n := utf8.DecodeRune(d)
		chars = append(chars, char{r, of, norm.NFC.Properties(d).CCC()})
		d = d[n:]
	}
	return chars
}

// join composes chars in place.
func join(chars []char) []char {
	starter := -1
	kept := chars[:0]
	for _, c := range chars {
		if starter >= 0 {
			// Blocked if something between has the same class or a higher one, or is a starter.
			last := kept[len(kept)-1]
			if len(kept)-1 == starter || last.class < c.class {
				if both := joined(kept[starter].r, c.r); both != 0 {
					kept[starter].r = both
					kept[starter].of += c.of
					continue
				}
			}
		}
		if c.class == 0 {
			starter = len(kept)
		}
		kept = append(kept, c)
	}
	return kept
}

// Hangul syllables are counted, not listed (The Unicode Standard, section 3.12).
const (
	hangulBase  = 0xac00
	hangulCount = 11172
	leadBase    = 0x1100
	leadCount   = 19
	vowelBase   = 0x1161
	vowelCount  = 21
	tailBase    = 0x11a7
	tailCount   = 28
)

// joined is the character that a and b make; 0 if they make none.
func joined(a, b rune) rune {
	if l, v := a-leadBase, b-vowelBase; 0 <= l && l < leadCount && 0 <= v && v < vowelCount {
		return hangulBase + (l*vowelCount+v)*tailCount
	}
	if s, t := a-hangulBase, b-tailBase; 0 <= s && s < hangulCount && s%tailCount == 0 && 0 < t && t < tailCount {
		return a + t
	}
	all := pairs()
	i, ok := slices.BinarySearchFunc(all, pair{a, b, 0}, comparePairs)
	if !ok {
		return 0
	}
	return all[i].both
}

type pair struct{ a, b, both rune }

func comparePairs(x, y pair) int { return cmp.Or(cmp.Compare(x.b, y.b), cmp.Compare(x.a, y.a)) }

// pairs are the primary composites but for Hangul syllables. In Unicode 9.0.0 all of them are in these ranges.
var pairs = sync.OnceValue(func() []pair {
	all := make([]pair, 0, 1024)
	for _, span := range [...][2]rune{{0xc0, 0x3100}, {0x11000, 0x12000}} {
		for r := span[0]; r < span[1]; r++ {
			text := []byte(string(r))
			d := norm.NFD.Properties(text).Decomposition()
			if d == nil || isLater(r) || !norm.NFC.IsNormal(text) { // never composed: a composition exclusion
				continue
			}
			b, n := utf8.DecodeLastRune(d)
			if n == len(d) {
				continue
			}
			a, _ := utf8.DecodeRune(norm.NFC.Bytes(d[:len(d)-n]))
			all = append(all, pair{a, b, r})
		}
	}
	slices.SortFunc(all, comparePairs)
	return all
})

// later are the code points that Unicode got after 9.0.0 and that package norm (15.0.0) moves, joins or takes apart. To
// the reference they are unassigned, so that they stay where they are, and nothing is moved or joined across them.
var later = [...][2]rune{
	{0x7fd, 0x7fd}, {0x898, 0x89f}, {0x8ca, 0x8d3}, {0x9fe, 0x9fe}, {0xc3c, 0xc3c}, {0xd3b, 0xd3c}, {0xeba, 0xeba},
	{0x1715, 0x1715}, {0x1abf, 0x1ace}, {0x1df6, 0x1dfa}, {0x32ff, 0x32ff}, {0xa7f2, 0xa7f4}, {0xa82c, 0xa82c},
	{0xab69, 0xab69}, {0x10781, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}, {0x10d24, 0x10d27},
	{0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070},
	{0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x11938, 0x11938},
	{0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47},
	{0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42},
	{0x16ff0, 0x16ff1}, {0x1e030, 0x1e06d}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
	{0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9},
}

func isLater(r rune) bool {
	if r < later[0][0] || 0x3300 <= r && r < 0xa7f2 || 0xac00 <= r && r < 0x10781 {
		return false
	}
	i := sort.Search(len(later), func(i int) bool { return later[i][1] >= r })
	return i < len(later) && later[i][0] <= r
}
