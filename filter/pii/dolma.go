package pii

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"curate/text"
)

// What dolma 1.2.1 finds (taggers/pii.py), with Python's re. Its spans are those of whole matches, so that one begins with the
// white space and punctuation before an address and ends with the white space after it.

// AppendDolma appends the spans of pii_regex_v1 and pii_regex_v2, which differ in their scores alone: e-mail addresses whose
// domain has a dot; telephone numbers and IP addresses with neither "isbn", "doi" nor "#" within 100 characters. They come kind by
// kind, each in order; a span of one kind may overlap one of another. The kind of an IP address is IPv4.
func (f *Finder) AppendDolma(dst []Span, doc []byte) []Span {
	f.part = dolmaEmails(f.part[:0], doc, false)
	for _, s := range f.part {
		dst = append(dst, Span{s, Email})
	}
	f.part = dolmaPhones(f.part[:0], doc)
	if len(f.part) > 0 && !hidesURL(doc) {
		for _, s := range f.part {
			if !dolmaDoubt(doc, s) {
				dst = append(dst, Span{s, Phone})
			}
		}
	}
	f.part = dottedQuads(f.part[:0], doc)
	for _, s := range f.part {
		if !dolmaDoubt(doc, s) {
			dst = append(dst, Span{s, IPv4})
		}
	}
	return dst
}

// AppendDolmaFast appends the spans of pii_regex_with_counts_fast_v2, from which Dolma 1.6 was made: line by line, and no look at
// what stands around. In a document with more than 10,000 question marks it finds nothing.
func (f *Finder) AppendDolmaFast(dst []Span, doc []byte) []Span {
	if bytes.Count(doc, []byte("?")) > 10_000 {
		return dst
	}
	for lo := 0; lo < len(doc); {
		hi := next(doc, lo, '\n')
		hi = min(hi+1, len(doc))
		line := doc[lo:hi]
		add := func(k Kind) {
			for _, s := range f.part {
				dst = append(dst, Span{text.Span{Lo: s.Lo + int32(lo), Hi: s.Hi + int32(lo)}, k})
			}
		}
		f.part = dolmaEmails(f.part[:0], line, true)
		add(Email)
		f.part = dolmaPhones(f.part[:0], line)
		add(Phone)
		f.part = dottedQuads(f.part[:0], line)
		add(IPv4)
		lo = hi
	}
	return dst
}

// FindDolma is Find with the spans of AppendDolma, or with fast those of AppendDolmaFast. count is how many there are before
// overlaps are taken out.
func (f *Finder) FindDolma(doc []byte, kinds Set, fast bool) (spans []Span, count int) {
	if fast {
		f.all = f.AppendDolmaFast(f.all[:0], doc)
	} else {
		f.all = f.AppendDolma(f.all[:0], doc)
	}
	f.all = slices.DeleteFunc(f.all, func(s Span) bool { return !kinds.Has(s.Kind) })
	count = len(f.all)
	f.order()
	return f.all, count
}

// dolmaWindow is how many characters on both sides of a number are looked at (WINDOW).
const dolmaWindow = 100

var dolmaWords = [][]byte{[]byte("isbn"), []byte("doi"), []byte("#")}

// dolmaDoubt is whether a number stands where it is likely something else.
func dolmaDoubt(doc []byte, s text.Span) bool {
	lo, hi := int(s.Lo), int(s.Hi)
	for n := 0; n < dolmaWindow && lo > 0; n++ {
		_, w := utf8.DecodeLastRune(doc[:lo])
		lo -= w
	}
	for n := 0; n < dolmaWindow && hi < len(doc); n++ {
		_, w := utf8.DecodeRune(doc[hi:])
		hi += w
	}
	for _, w := range dolmaWords {
		if bytes.Contains(doc[lo:hi], w) {
			return true
		}
	}
	return false
}

// hidesURL is whether the document holds an address of the web, which makes the reference pass over all telephone numbers. Its
// expression begins with "\b" in a string that is not raw: a backspace, U+0008, so hardly any document does. Of what may follow, the
// addresses that begin with http:// or https:// are looked for.
func hidesURL(doc []byte) bool {
	for {
		i := bytes.IndexByte(doc, '\b')
		if i < 0 {
			return false
		}
		doc = doc[i+1:]
		for _, p := range []string{"http://", "https://"} {
			if len(doc) > len(p)+1 && equalFold(doc[:len(p)], p) && !bytes.ContainsAny(doc[len(p):len(p)+2], " \t\r\n()<>") {
				return true
			}
		}
	}
}

// dolmaEmails appends where
//
//	[.\s@,?!;:)(]*([^\s@]+@[^\s@,?!;:)(]+?)[.\s@,?!;:)(]?[\s\n\r]
//
// matches, if a dot follows the first @ of the match before its second. With group, that is asked of the group.
//
// A match begins as far left as it can. Where a start fails, so do all those after it that have no other way to go on: what is left
// to try at an @ is the run of punctuation that holds it.
func dolmaEmails(dst []text.Span, doc []byte, group bool) []text.Span {
	from := 0 // no match begins before
	for at := 0; ; {
		a := next(doc, at, '@')
		if a == len(doc) {
			return dst
		}
		word := a // the word before the @
		for word > from && doc[word-1] != '@' && text.SpaceBefore(doc, word) == 0 {
			word--
		}
		lo := word
		for lo > from {
			w := signBefore(doc, lo)
			if w == 0 || lo-w < from {
				break
			}
			lo -= w
		}
		m, ok := dolmaMatch{}, false
		if word < a {
			m, ok = matchEmail(doc, lo)
		}
		if !ok {
			run := a
			for run > from {
				w := signBefore(doc, run)
				if w == 0 || run-w < from {
					break
				}
				run -= w
			}
			if word == a || run > lo {
				m, ok = matchEmail(doc, run)
				lo = run
			}
		}
		if ok {
			s := text.Span{Lo: int32(lo), Hi: int32(m.end)}
			whole := s.Of(doc)
			if group {
				whole = doc[m.word:m.wordEnd]
			}
			if isDolmaEmail(whole, group) {
				dst = append(dst, s)
			}
			from, at = m.end, m.end
			continue
		}
		i := a
		for {
			w := signAt(doc, i)
			if w == 0 {
				break
			}
			i += w
		}
		from, at = i, i
	}
}

// isDolmaEmail looks at what the expression has found.
func isDolmaEmail(s []byte, group bool) bool {
	before, after, _ := bytes.Cut(s, []byte("@"))
	if !group {
		after, _, _ = bytes.Cut(after, []byte("@"))
	}
	return string(text.TrimLeft(text.TrimRight(before))) != "(" && bytes.IndexByte(after, '.') >= 0
}

// isSign is the ASCII part of [.\s@,?!;:)(] without white space.
func isSign(c byte) bool {
	switch c {
	case '.', '@', ',', '?', '!', ';', ':', ')', '(':
		return true
	}
	return false
}

// signAt is the length of the [.\s@,?!;:)(] at i, or 0.
func signAt(doc []byte, i int) int {
	if i < len(doc) && isSign(doc[i]) {
		return 1
	}
	return text.SpaceAt(doc, i)
}

func signBefore(doc []byte, i int) int {
	if i > 0 && isSign(doc[i-1]) {
		return 1
	}
	return text.SpaceBefore(doc, i)
}

// dolmaMatch is a match of the expression: its group and its end.
type dolmaMatch struct{ word, wordEnd, end int }

// matchEmail matches the expression at lo: as many signs as possible, then fewer and fewer.
func matchEmail(doc []byte, lo int) (m dolmaMatch, ok bool) {
	x := lo
	for {
		w := signAt(doc, x)
		if w == 0 {
			break
		}
		x += w
	}
	y := x // where the word that begins at x ends
	for y < len(doc) && doc[y] != '@' && text.SpaceAt(doc, y) == 0 {
		y++
	}
	word := y > x
	tried := -1
	for {
		if word && y < len(doc) && doc[y] == '@' && y != tried {
			tried = y
			if wordEnd, end := matchDomain(doc, y+1); end > 0 {
				return dolmaMatch{x, wordEnd, end}, true
			}
		}
		if x <= lo {
			return m, false
		}
		w := signBefore(doc, x)
		x -= w
		switch {
		case doc[x] == '@' || text.SpaceAt(doc, x) > 0:
			word = false
		case !word:
			word, y = true, x+w
		}
	}
}

// matchDomain matches [^\s@,?!;:)(]+?[.\s@,?!;:)(]?[\s\n\r] at i.
func matchDomain(doc []byte, i int) (wordEnd, end int) {
	z := i
	for z < len(doc) && (doc[z] == '.' || signAt(doc, z) == 0) {
		z++
	}
	if z == i {
		return 0, 0
	}
	space := text.SpaceAt(doc, z)
	if doc[z-1] == '.' && z-1 > i && space > 0 {
		return z - 1, z + space
	}
	if w := signAt(doc, z); w > 0 {
		if v := text.SpaceAt(doc, z+w); v > 0 {
			return z, z + w + v
		}
	}
	if space > 0 {
		return z, z + space
	}
	return 0, 0
}

// dolmaPhones appends where \s+\(?(\d{3})\)?[-\. ]*(\d{3})[-. ]?(\d{4}) matches.
func dolmaPhones(dst []text.Span, doc []byte) []text.Span {
	for i := 0; i < len(doc); {
		w := text.SpaceAt(doc, i)
		if w == 0 {
			i++
			continue
		}
		lo := i
		for w > 0 {
			i += w
			w = text.SpaceAt(doc, i)
		}
		if i < len(doc) && (doc[i] == '(' || isDigit(doc[i]) || doc[i] >= 0x80) {
			if hi := dolmaPhone(doc, i); hi > 0 {
				dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(hi)})
				i = hi
			}
		}
	}
	return dst
}

// dolmaPhone gives the end of the number that begins at i, or 0.
func dolmaPhone(doc []byte, i int) int {
	if doc[i] == '(' {
		i++
	}
	if i = afterDigits(doc, i, 3); i < 0 {
		return 0
	}
	if i < len(doc) && doc[i] == ')' {
		i++
	}
	for i < len(doc) && (doc[i] == '-' || doc[i] == '.' || doc[i] == ' ') {
		i++
	}
	if i = afterDigits(doc, i, 3); i < 0 {
		return 0
	}
	if i < len(doc) && (doc[i] == '-' || doc[i] == '.' || doc[i] == ' ') {
		i++
	}
	return max(afterDigits(doc, i, 4), 0)
}

// afterDigits is where n digits, in whatever script, that begin at i end, or -1.
func afterDigits(doc []byte, i, n int) int {
	for range n {
		if i >= len(doc) {
			return -1
		}
		if doc[i] < utf8.RuneSelf {
			if !isDigit(doc[i]) {
				return -1
			}
			i++
			continue
		}
		r, w := utf8.DecodeRune(doc[i:])
		if !text.IsDigit(r) {
			return -1
		}
		i += w
	}
	return i
}
