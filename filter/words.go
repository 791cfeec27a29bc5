package filter

import (
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/words"

	"curate/stage"
	"curate/text"
)

// wordCut is a way to cut words.
type wordCut struct {
	name    string
	summary string // for help
	// spacy is the language whose rules cut words and sentences, as text.SpacyFor names it; where there is none,
	// sentences are cut as English.
	spacy string
	// new makes a cutter for one goroutine, where the words are not spaCy's. It appends the words of a document, which
	// is valid UTF-8, as spans in order that do not overlap, none of them empty.
	new func() func(dst []text.Span, doc []byte) []text.Span
}

// wordCuts are sorted by name.
var wordCuts = []wordCut{
	{"nltk-en", "those of NLTK 3.8.1 for English (word_tokenize: Punkt's sentences, then Treebank's words), but that a quotation mark stays what it is", "",
		func() func([]text.Span, []byte) []text.Span { return new(text.NLTK).Words }},
	spacyCut("ca", "Catalan"),
	spacyCut("de", "German"),
	spacyCut("en", "English"),
	spacyCut("es", "Spanish"),
	spacyCut("eu", "Basque"),
	spacyCut("it", "Italian"),
	spacyCut("pt", "Portuguese"),
	spacyCut("xx", "any language that has none of its own"),
	{"unicode", "the segments between word boundaries of Unicode Standard Annex 29, those left out that are only punctuation and white space", "", newUnicodeWords},
	{"whitespace", "the runs of characters between white space (the Unicode property White_Space)", "",
		func() func([]text.Span, []byte) []text.Span { return text.Words }},
}

func spacyCut(code, language string) wordCut {
	return wordCut{"spacy-" + code, "the tokens of spaCy's rules for " + language + " (3.8, blank), white space left out: punctuation marks are words, and \"isn't\" may be two", code, nil}
}

// newView is the way to cut words, and sentences, in one view.
func (w *wordCut) newView() viewCut {
	c := viewCut{spaces: w.name == "whitespace", spacy: &spacyRules{code: w.spacy}}
	if w.new == nil {
		c.cut = c.spacy.words
	} else {
		c.cut, c.spacy.code = w.new(), "en"
	}
	return c
}

// spacyRules are those of a language, with the memory of one view.
type spacyRules struct {
	code    string
	rules   *text.Spacy // found when first needed
	scratch text.SpacyScratch
}

func (s *spacyRules) language() *text.Spacy {
	if s.rules == nil {
		s.rules, _ = text.SpacyFor(s.code) // TestWordCuts has asked for each
	}
	return s.rules
}

func (s *spacyRules) words(dst []text.Span, doc []byte) []text.Span {
	return s.language().Words(dst, doc, &s.scratch)
}

func (s *spacyRules) sentences(dst []text.Span, doc []byte) []text.Span {
	return s.language().Sentences(dst, doc, &s.scratch)
}

// newUnicodeWords makes a cutter for one goroutine.
func newUnicodeWords() func(dst []text.Span, doc []byte) []text.Span {
	segments := words.FromBytes(nil)
	return func(dst []text.Span, doc []byte) []text.Span {
		segments.SetText(doc)
		for segments.Next() {
			if w := segments.Value(); holdsWord(w) {
				dst = append(dst, text.Span{Lo: int32(segments.Start()), Hi: int32(segments.End())})
			}
		}
		segments.SetText(nil) // the document is its owner's
		return dst
	}
}

// holdsWord says that w holds something else than punctuation and white space.
func holdsWord(w []byte) bool {
	for i := 0; i < len(w); {
		r, n := utf8.DecodeRune(w[i:])
		if !unicode.IsPunct(r) && !unicode.IsSpace(r) {
			return true
		}
		i += n
	}
	return false
}

// wordCutNamed finds a way to cut words. The error names the nearest.
func wordCutNamed(name string) (*wordCut, error) {
	for i := range wordCuts {
		if wordCuts[i].name == name {
			return &wordCuts[i], nil
		}
	}
	return nil, stage.UnknownName("way to cut words", name, wordCutNames())
}

func wordCutNames() []string {
	var names []string
	for i := range wordCuts {
		names = append(names, wordCuts[i].name)
	}
	return names
}
