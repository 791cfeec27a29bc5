package filter

import (
	"bytes"
	"math"

	"curate/record"
	"curate/text"
)

// View is what rules see of one document: each cut is made when a rule first asks for it, and once. It
// serves document after document, keeps its memory, and is used by one goroutine at a time.
type View struct {
	doc            []byte
	have           cuts
	points         int
	words          []text.Span // of the view, or given to ResetWords
	own            []text.Span // memory for words
	lines          []text.Span
	pieces         []text.Span
	paragraphs     []text.Span
	repeats        text.Repeats
	dupPieces      duplicates
	dupParas       duplicates
	ownFields      []text.Span
	textLines      []text.Span
	pieceSentences []text.Span
	sentences      []text.Span // of a line
	dupLines       duplicates
	gopher         gopherWords
	fineweb        finewebLines
	c4             c4Result
	viewCut                     // words, as the profile wants them
	cuts           []viewCut    // of a composition
	fields         []text.Span  // Python's words: words, or ownFields where they are others
	fieldRepeats   text.Repeats // of fields, where they are not words
	again          []text.Again
	feedLines      []text.Span
	nemo           nemoView
	dolma          dolmaView
	dupAllLines    duplicates // of lines
	fineweb1       fineweb1Words
	fineweb1Shape  finewebLines

	given   []viewField // fields of the record besides the text
	scratch []any       // of rules, by the order of the profile

	edited  [2][]byte // memory for edited text: one may be the document, the other takes the next edit
	target  int       // the one that takes it
	fresh   bool      // it holds what the rule that is being asked leaves
	changed bool      // the text is no longer the one given to Reset
	lower   []byte
	line    []byte

	frequentAtMost int // bounds of what nGrams answers, in bytes; the largest int if there is none
	repeatedAtMost [text.LongestRepeated - text.ShortestRepeated + 1]int

	// brief says that nobody asks for signals: only whether a test fails has to be right.
	brief  bool
	values []value // by signal, while a Filter checks the document

	record      *record.Record // that expressions ask; nil is one without fields
	expressions *evaluator
	problem     error // of the first expression that could not be evaluated
}

// viewCut cuts words.
type viewCut struct {
	cut    func(dst []text.Span, doc []byte) []text.Span
	spaces bool // at white space
	spacy  *spacyRules
}

// viewField is a field of the record in a View.
type viewField struct {
	name  string
	value []byte
	known bool
}

// value of a signal in a View.
type value struct {
	v         float64
	known, ok bool
}

// duplicates of a list: elements that occurred before, and their code points.
type duplicates struct{ elements, points int }

// cuts says which parts of a View belong to the current document.
type cuts uint32

const (
	havePoints cuts = 1 << iota
	haveWords
	haveLines
	havePieces
	haveParagraphs
	haveDupPieces
	haveDupParas
	haveRepeats // has its words
	haveGopher
	haveFields
	haveTextLines
	haveDupLines
	haveFineweb
	haveFieldRepeats // has its words
	haveFeedLines
	haveNemoCharacters
	haveNemoURLs
	haveNemoWords
	haveNemoLines
	haveNemoParagraphs
	haveNemoDuplicates
	haveDolmaWords
	haveDolmaLinesV1
	haveDolmaLinesV2
	haveNLTKGrams
	haveDupAllLines
	haveFineweb1Words
	haveFineweb1Lines
	haveFrequentBound
	haveRepeatedBounds
	givenWords // to ResetWords
)

func (v *View) first(c cuts) bool {
	if v.have&c != 0 {
		return false
	}
	v.have |= c
	return true
}

// Reset turns to another document. It must be valid UTF-8 and not change while the view is asked about it.
func (v *View) Reset(doc []byte) {
	v.doc, v.have = doc, 0
	v.fresh, v.changed = false, false
	v.record, v.problem = nil, nil
	clear(v.values)
	for i := range v.given {
		v.given[i].value, v.given[i].known = nil, false
	}
}

// recut forgets what was cut, and cuts words in another way from here on. Words that were given stay.
func (v *View) recut(cut int) {
	if given := v.have & givenWords; given != 0 && len(v.cuts) == 1 {
		v.have = given | haveWords
	} else {
		v.have = 0
	}
	v.viewCut = v.cuts[cut]
}

// SetRecord gives the document the record whose fields expressions ask for, after Reset. It does not change while the
// view is asked about the document.
func (v *View) SetRecord(r *record.Record) { v.record = r }

// Problem is why an expression could not be evaluated; nil if all could. No reason that was found behind it counts.
func (v *View) Problem() error { return v.problem }

// holds asks an expression about the document.
func (v *View) holds(c *condition) (bool, error) {
	for i, name := range c.signals {
		s := &v.values[c.from[i]]
		v.expressions.setSignal(name, s.v, s.known && s.ok)
	}
	return v.expressions.eval(c.program, v.record)
}

// SetField gives the document a field that the profile's rules look at, after Reset; another name is ignored.
// The value is valid UTF-8 and does not change while the view is asked about the document.
func (v *View) SetField(name string, value []byte) {
	for i := range v.given {
		if v.given[i].name == name {
			v.given[i].value, v.given[i].known = value, true
		}
	}
}

// Field is a string of the record besides the text; ok is false where the record has none.
func (v *View) Field(name string) (value []byte, ok bool) {
	for i := range v.given {
		if v.given[i].name == name {
			return v.given[i].value, v.given[i].known
		}
	}
	return nil, false
}

// scratchMemory is a rule's scratch that grows with the text.
type scratchMemory interface {
	Size() int // in bytes
	Shrink()   // gives the memory back
}

// Scratch is what the rule's NewScratch has made for this view.
func (v *View) Scratch(p Values) any { return v.scratch[p.more.use] }

// edit is empty memory for the text that a rule leaves; what is made of it is given to setEdit.
func (v *View) edit() []byte { return v.edited[v.target][:0] }

func (v *View) setEdit(b []byte) { v.edited[v.target], v.fresh = b, true }

// keepMemory is for an edit that is given up.
func (v *View) keepMemory(b []byte) { v.edited[v.target] = b }

// applyEdit turns to the text that the rule has left, if it is another: all cuts are made anew then.
func (v *View) applyEdit() {
	b := v.edited[v.target]
	if !v.fresh || bytes.Equal(b, v.doc) {
		return
	}
	v.fresh = false
	v.doc, v.have = b, 0
	v.target ^= 1
	v.changed = true
}

// ResetWords is Reset for a caller who has cut the words: spans in order that do not overlap,
// none of them empty.
func (v *View) ResetWords(doc []byte, words []text.Span) {
	v.Reset(doc)
	v.words = words
	v.have = haveWords | givenWords
}

// Text is the document.
func (v *View) Text() []byte { return v.doc }

// CodePoints is the document's length in characters.
func (v *View) CodePoints() int {
	if v.first(havePoints) {
		v.points = text.CodePoints(v.doc)
	}
	return v.points
}

// Words are cut as the profile says unless they were given.
func (v *View) Words() []text.Span {
	if v.first(haveWords) {
		v.own = v.cut(v.own[:0], v.doc)
		v.words = v.own
	}
	return v.words
}

// Fields are the words of Python's str.split, whatever the words of the profile are.
func (v *View) Fields() []text.Span {
	if v.first(haveFields) {
		if v.spaces && v.have&givenWords == 0 && !text.HasSeparators(v.doc) {
			v.fields = v.Words()
		} else {
			v.ownFields = text.Fields(v.ownFields[:0], v.doc)
			v.fields = v.ownFields
		}
	}
	return v.fields
}

// TextLines are what lies between line feeds and is not only white space.
func (v *View) TextLines() []text.Span {
	if v.first(haveTextLines) {
		v.textLines = v.textLines[:0]
		for _, l := range v.Pieces() {
			if len(text.TrimLeft(l.Of(v.doc))) > 0 {
				v.textLines = append(v.textLines, l)
			}
		}
	}
	return v.textLines
}

// Lines are those of text.Lines: Python's splitlines.
func (v *View) Lines() []text.Span {
	if v.first(haveLines) {
		v.lines = text.Lines(v.lines[:0], v.doc)
	}
	return v.lines
}

// FeedLines are what lies between line feeds, empty ones included, as Python's split("\n").
func (v *View) FeedLines() []text.Span {
	if v.first(haveFeedLines) {
		v.feedLines = splitFeeds(v.feedLines[:0], v.doc)
	}
	return v.feedLines
}

// splitFeeds appends what lies between line feeds.
func splitFeeds(dst []text.Span, doc []byte) []text.Span {
	lo := 0
	for {
		i := bytes.IndexByte(doc[lo:], '\n')
		if i < 0 {
			return append(dst, text.Span{Lo: int32(lo), Hi: int32(len(doc))})
		}
		dst = append(dst, text.Span{Lo: int32(lo), Hi: int32(lo + i)})
		lo += i + 1
	}
}

// Pieces are those of text.SplitNewlines: what lies between runs of line feeds.
func (v *View) Pieces() []text.Span {
	if v.first(havePieces) {
		v.pieces = text.SplitNewlines(v.pieces[:0], v.doc)
	}
	return v.pieces
}

// Paragraphs are those of text.Paragraphs.
func (v *View) Paragraphs() []text.Span {
	if v.first(haveParagraphs) {
		v.paragraphs = text.Paragraphs(v.paragraphs[:0], v.doc)
	}
	return v.paragraphs
}

func (v *View) duplicatePieces() duplicates {
	if v.first(haveDupPieces) {
		v.dupPieces.elements, v.dupPieces.points = v.repeats.Duplicates(v.doc, v.Pieces())
	}
	return v.dupPieces
}

func (v *View) duplicateParagraphs() duplicates {
	if v.first(haveDupParas) {
		v.dupParas.elements, v.dupParas.points = v.repeats.Duplicates(v.doc, v.Paragraphs())
	}
	return v.dupParas
}

func (v *View) duplicateTextLines() duplicates {
	if v.first(haveDupLines) {
		if len(v.TextLines()) == len(v.Pieces()) { // the same list
			v.dupLines = v.duplicatePieces()
		} else {
			v.dupLines.elements, v.dupLines.points = v.repeats.Duplicates(v.doc, v.TextLines())
		}
	}
	return v.dupLines
}

// nGrams is ready for questions about n-grams of the document's words.
func (v *View) nGrams() *text.Repeats {
	if v.first(haveRepeats) {
		if words := v.Words(); v.spaces && v.have&givenWords == 0 {
			v.repeats.WordsAtSpaces(v.doc, words, v.CodePoints())
		} else {
			v.repeats.Words(v.doc, words, v.CodePoints())
		}
	}
	return &v.repeats
}

// frequentBound is FrequentAtMost of the document's words.
func (v *View) frequentBound() int {
	if v.first(haveFrequentBound) {
		n, ok := v.nGrams().FrequentAtMost()
		if !ok {
			n = math.MaxInt
		}
		v.frequentAtMost = n
	}
	return v.frequentAtMost
}

// repeatedBound is RepeatedAtMost of the document's words.
func (v *View) repeatedBound(n int) int {
	if v.first(haveRepeatedBounds) {
		var ok bool
		if v.repeatedAtMost, ok = v.nGrams().RepeatedAtMost(); !ok {
			for i := range v.repeatedAtMost {
				v.repeatedAtMost[i] = math.MaxInt
			}
		}
	}
	return v.repeatedAtMost[n-text.ShortestRepeated]
}

// fieldGrams is ready for questions about n-grams of Fields.
func (v *View) fieldGrams() *text.Repeats {
	if f := v.Fields(); v.have&haveWords != 0 && v.have&givenWords == 0 && len(f) > 0 && len(v.words) == len(f) && &v.words[0] == &f[0] {
		return v.nGrams()
	}
	if v.first(haveFieldRepeats) {
		v.fieldRepeats.Words(v.doc, v.Fields(), v.CodePoints())
	}
	return &v.fieldRepeats
}

const (
	spanSize  = 8
	againSize = 12
)

// Size is the memory held, in bytes, without the document.
func (v *View) Size() int {
	size := 0
	for _, m := range v.scratch {
		if m, ok := m.(scratchMemory); ok {
			size += m.Size()
		}
	}
	return size + v.repeats.Size() + v.fieldRepeats.Size() + againSize*cap(v.again) + v.nemo.size() + v.dolma.size() + spanSize*(cap(v.feedLines)+cap(v.own)+cap(v.lines)+cap(v.pieces)+cap(v.paragraphs)+cap(v.textLines)+cap(v.sentences)+cap(v.ownFields)+cap(v.pieceSentences)) +
		cap(v.edited[0]) + cap(v.edited[1]) + cap(v.lower) + cap(v.line) + v.spacySize()
}

func (v *View) spacySize() int {
	n := 0
	for _, c := range v.cuts {
		n += c.spacy.scratch.Size()
	}
	return n
}

// Shrink forgets the document, and gives the memory back that an unusually long one needed, if it is above
// limit bytes.
func (v *View) Shrink(limit int) {
	over := v.Size() > limit
	v.Reset(nil)
	v.words, v.fields = nil, nil
	if over {
		v.own, v.lines, v.pieces, v.paragraphs, v.textLines = nil, nil, nil, nil, nil
		v.sentences, v.pieceSentences, v.ownFields = nil, nil, nil
		v.edited, v.lower, v.line = [2][]byte{}, nil, nil
		for _, m := range v.scratch {
			if m, ok := m.(scratchMemory); ok {
				m.Shrink()
			}
		}
		v.again, v.feedLines, v.nemo, v.dolma = nil, nil, nemoView{}, dolmaView{}
		for _, c := range v.cuts {
			c.spacy.scratch.Shrink(0)
		}
		limit = 0
	}
	v.repeats.Shrink(limit)
	v.fieldRepeats.Shrink(limit)
}
