package filter

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"curate/text"
)

func (w *wordCut) view() *View { return &View{viewCut: w.newView()} }

func wordsOf(v *View, doc string) (out []string) {
	v.Reset([]byte(doc))
	for _, w := range v.Words() {
		out = append(out, doc[w.Lo:w.Hi])
	}
	return out
}

func TestWordCuts(t *testing.T) {
	if !slices.IsSortedFunc(wordCuts, func(a, b wordCut) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the table is not sorted by name")
	}
	for i := range wordCuts {
		if _, ok := text.SpacyFor(wordCuts[i].newView().spacy.code); !ok {
			t.Errorf("%s: no such language", wordCuts[i].name)
		}
	}
	const doc = "Don't (e.g.) stop, l'home: 3.5km dir-li …\u00a0naïve #tag 今天."
	for _, c := range []struct{ name, want string }{
		{"whitespace", "Don't|(e.g.)|stop,|l'home:|3.5km|dir-li|…|naïve|#tag|今天."},
		{"unicode", "Don't|e.g|stop|l'home|3.5km|dir|li|naïve|tag|今|天"},
		{"spacy-en", "Do|n't|(|e.g.|)|stop|,|l'home|:|3.5|km|dir|-|li|…|naïve|#|tag|今天|."},
		{"spacy-es", "Don't|(|e.g|.|)|stop|,|l'home|:|3.5|km|dir-li|…|naïve|#|tag|今天|."},
		{"spacy-eu", "Don't|(|e.g|.|)|stop|,|l'home|:|3.5|km|dir|-|li|…|naïve|#|tag|今天|."},
		{"spacy-ca", "Don|'t|(|e.g|.|)|stop|,|l'|home|:|3.5|km|dir|-li|…|naïve|#|tag|今天|."},
	} {
		w, err := wordCutNamed(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(wordsOf(w.view(), doc), "|"); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
	if _, err := wordCutNamed("spacy-eng"); err == nil || !strings.Contains(err.Error(), `did you mean "spacy-en"?`) {
		t.Errorf("an unknown way to cut words: %v", err)
	}
}

// FuzzWordCuts: spans in order, none empty, none of white space alone, and all that is no white space is in one where
// the words are spaCy's.
func FuzzWordCuts(f *testing.F) {
	for _, s := range []string{"", " ", "a", "Don't (e.g.) stop", "今天 :-) EE. UU. \x1f\u2028x", "a\u0301b ' ''"} {
		f.Add(s)
	}
	var views []*View
	for i := range wordCuts {
		views = append(views, wordCuts[i].view())
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for i, v := range views {
			v.Reset([]byte(s))
			at, inside := int32(0), 0
			for _, w := range v.Words() {
				word := s[w.Lo:w.Hi]
				if w.Lo < at || w.Hi <= w.Lo || strings.TrimSpace(word) == "" || !utf8.ValidString(word) {
					t.Fatalf("%s: %q after byte %d in %q", wordCuts[i].name, word, at, s)
				}
				at = w.Hi
				inside += strings.Count(word, "") - 1 - strings.Count(word, " ")
			}
			if want := len([]rune(strings.Map(dropSpace, s))); wordCuts[i].spacy != "" && inside != want {
				t.Fatalf("%s: words of %d characters in %q, want %d", wordCuts[i].name, inside, s, want)
			}
		}
	})
}

func dropSpace(r rune) rune {
	if unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F {
		return -1
	}
	return r
}

func BenchmarkWords(b *testing.B) {
	doc := []byte(strings.Repeat("The committee met on Tuesday to discuss the new budget (members said, e.g., that it isn't enough). It will be reviewed again next year.\n", 400))
	for i := range wordCuts {
		b.Run(wordCuts[i].name, func(b *testing.B) {
			cut := wordCuts[i].view().cut
			var dst []text.Span
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				dst = cut(dst[:0], doc)
			}
		})
	}
}
