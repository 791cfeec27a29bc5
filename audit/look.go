package audit

import "unicode/utf8"

// Auditor looks at documents, one after the other, and keeps its memory. It is used by one goroutine at a time.
type Auditor struct {
	doc        []byte
	characters characters
	residue    residue
	lines      []line // distinct, by hash
	count      int64  // of lines that are not blank
	lineBytes  int64
	values     [numSignals]int64
	found      [numFindings]int64
	at         [numFindings]int // byte offset of the first of each
	longest    [2]int           // the line with the most characters, the first of them
}

// Look looks at a document, which is valid UTF-8 and must not change until the next call.
func (a *Auditor) Look(doc []byte) {
	a.doc = doc
	a.characters.count(doc)
	a.residue.scan(doc)
	a.lines, a.count, a.lineBytes, a.longest = a.lines[:0], 0, 0, [2]int{}
	most := 0
	eachLine(doc, func(start, end int) {
		l := doc[start:end]
		a.lines = append(a.lines, line{hash: hashOf(l), start: int32(start), end: int32(end), count: 1})
		a.count++
		a.lineBytes += int64(len(l))
		if len(l) > most { // in bytes first: it has no more characters than those
			if n := utf8.RuneCount(l); n > most {
				most, a.longest = n, [2]int{start, end}
			}
		}
	})
	a.lines = distinct(a.lines)

	c := &a.characters
	dark := c.all - c.white
	a.values = [numSignals]int64{
		sigCharacters:  c.all,
		sigDigits:      ratio(c.digits, dark),
		sigLines:       a.count,
		sigLongest:     int64(most),
		sigOthers:      ratio(dark-c.letters, dark),
		sigPunctuation: ratio(c.punctuation, dark),
		sigUpper:       ratio(c.upper, c.letters),
	}
	garbled, first := mojibake(doc)
	a.found = [numFindings]int64{
		findControl:     c.control,
		findAttributes:  a.residue.attributes,
		findEntities:    a.residue.entities,
		findTags:        a.residue.tags,
		findMojibake:    garbled,
		findReplacement: c.replacement,
	}
	a.found[findHTML] = a.residue.attributes + a.residue.entities + a.residue.tags
	a.at = [numFindings]int{
		findControl:     c.firstControl,
		findAttributes:  a.residue.firstAttribute,
		findEntities:    a.residue.firstEntity,
		findTags:        a.residue.firstTag,
		findMojibake:    first,
		findReplacement: c.firstReplacement,
	}
	a.at[findHTML] = len(doc)
	for _, f := range [...]int{findAttributes, findEntities, findTags} {
		if a.found[f] > 0 {
			a.at[findHTML] = min(a.at[findHTML], a.at[f])
		}
	}
	switch {
	case dark == 0:
		a.found[findEmpty] = 1
	case dark < nearEmpty:
		a.found[findNearEmpty] = 1
	}
}

// Found is how often the finding of that name is in the document.
func (a *Auditor) Found(name string) int64 {
	for i := range findings {
		if findings[i].name == name {
			return a.found[i]
		}
	}
	return 0
}

// Value is the signal of that name; ok is false where the document has none, as of the share of nothing.
func (a *Auditor) Value(name string) (v float64, ok bool) {
	for i := range signals {
		if signals[i].name == name {
			return real(i, a.values[i]), a.values[i] != none
		}
	}
	return 0, false
}

const (
	// maxExcerpt is the longest excerpt, in bytes.
	maxExcerpt = 120
	// excerptBefore is how much of it stands before what it is about.
	excerptBefore = 30
)

// excerpt is a piece of text around the byte at.
func excerpt(text []byte, at int) []byte {
	lo := max(0, at-excerptBefore)
	for lo < at && !utf8.RuneStart(text[lo]) {
		lo++
	}
	hi := min(len(text), lo+maxExcerpt)
	for hi < len(text) && hi > lo && !utf8.RuneStart(text[hi]) {
		hi--
	}
	return text[lo:hi]
}
