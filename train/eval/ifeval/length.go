package ifeval

import (
	"strings"

	"curate/text"
)

// spacyOf are the rules by which a language other than English is cut; those of a language that has none of its own are
// general ones.
func spacyOf(lang string) *text.Spacy {
	if s, ok := text.SpacyFor(lang); ok {
		return s
	}
	s, _ := text.SpacyFor("xx")
	return s
}

// words: the answer has so many. In English they are runs of \w, as in the reference; in others spaCy's tokens that hold a
// character of \w, so that what a language writes as one word is one.
func words(a *args) func(*answer) bool {
	ok := a.relation("num_words", "relation", 1)
	return func(a *answer) bool { return ok(a.words()) }
}

func (a *answer) words() int {
	n := 0
	if a.lang == English {
		inside := false
		for _, r := range a.text {
			is := text.IsWord(r)
			if is && !inside {
				n++
			}
			inside = is
		}
		return n
	}
	a.c.spans = spacyOf(a.lang).Words(a.c.spans[:0], []byte(a.text), &a.c.scratch)
	for _, w := range a.c.spans {
		if strings.ContainsFunc(a.text[w.Lo:w.Hi], text.IsWord) {
			n++
		}
	}
	return n
}

// sentences: the answer has so many. In English they are NLTK's, as in the reference; in others spaCy's, but for those of
// white space and marks alone, which Punkt does not cut either.
func sentences(a *args) func(*answer) bool {
	ok := a.relation("num_sentences", "relation", 1)
	return func(a *answer) bool { return ok(a.sentences()) }
}

func (a *answer) sentences() int {
	if a.lang == English {
		a.c.spans = a.c.nltk.Sentences(a.c.spans[:0], []byte(a.text))
		return len(a.c.spans)
	}
	n := 0
	a.c.spans = spacyOf(a.lang).Sentences(a.c.spans[:0], []byte(a.text), &a.c.scratch)
	for _, s := range a.c.spans {
		if strings.ContainsFunc(a.text[s.Lo:s.Hi], text.IsWord) {
			n++
		}
	}
	return n
}

// paragraphs: the answer has exactly so many, with *** between them. An empty one stands at either end alone.
func paragraphs(a *args) func(*answer) bool {
	want := a.number("num_paragraphs", 1)
	return func(a *answer) bool {
		list := strings.Split(a.text, "***")
		n := len(list)
		for i, p := range list {
			if trim(p) != "" {
				continue
			}
			if i > 0 && i < len(list)-1 {
				return false
			}
			n--
		}
		return n == want
	}
}

// firstWord: the answer has exactly so many paragraphs, with an empty line between them, and one of them begins with a word.
func firstWord(a *args) func(*answer) bool {
	want, nth, first := a.number("num_paragraphs", 1), a.number("nth_paragraph", 1), lower(a.text("first_word"))
	if a.err == nil && nth > want {
		a.fail(`parameter "nth_paragraph" is %d, and there are to be %d paragraphs`, nth, want)
	}
	return func(a *answer) bool {
		list := strings.Split(a.text, "\n\n")
		n := len(list)
		for _, p := range list {
			if trim(p) == "" {
				n--
			}
		}
		if n != want || nth > n {
			return false
		}
		of := strings.FieldsFunc(list[nth-1], isSpace) // empty ones count here, as in the reference
		if len(of) == 0 {
			return false
		}
		word := strings.TrimLeft(strings.TrimLeft(of[0], "'"), `"`)
		if end := strings.IndexAny(word, `.,?!'"`); end >= 0 {
			word = word[:end]
		}
		return lower(word) == first
	}
}
