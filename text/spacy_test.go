package text

import (
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func spacyFor(t testing.TB, code string) *Spacy {
	t.Helper()
	s, ok := SpacyFor(code)
	if !ok {
		t.Fatalf("no language %q", code)
	}
	return s
}

func spacyWords(s *Spacy, text string) (out []string) {
	for _, w := range s.Words(nil, []byte(text), new(SpacyScratch)) {
		out = append(out, text[w.Lo:w.Hi])
	}
	return out
}

// TestSpacyWords holds what the rules do, one case each. What spaCy itself answers is in TestSpacyAnswers.
func TestSpacyWords(t *testing.T) {
	for _, c := range []struct{ lang, text, want string }{ // words parted by blanks; ␣ is a blank within one
		{"en", "Hello, world!", "Hello , world !"},
		{"en", "don't dont its Its I'm", "do n't do nt its Its I 'm"},
		{"en", "(see e.g. Dr. Who's)", "( see e.g. Dr. Who 's )"},
		{"en", "in the Foo-Co. id. (8) 8)", "in the Foo - Co. i d. ( 8) 8)"},
		{"en", "well-known a--b 5-a 1-2 1+-2 x=y 3/a a/b a/3", "well - known a -- b 5 - a 1 - 2 1 + -2 x = y 3 / a a / b a/3"},
		{"en", "10km 5% $5 5$ US$5 5US$ 20°C. 3rd.", "10 km 5 % $ 5 5 $ US$ 5 5 US$ 20 ° C . 3rd ."},
		{"en", "www.a.com. http://x.yz/z?(q) me@b.org, ab.Cd a.B", "www.a.com . http://x.yz/z?(q ) me@b.org , ab . Cd a. B"},
		{"en", "192.168.1.1/a,b 8.8.8.8/a,b 10.0.0.1:80/x,y", "192.168.1.1 / a , b 8.8.8.8/a,b 10.0.0.1:80 / x , y"},
		{"en", "wait... no…… .NET ..x", "wait ... no …… .NET .. x"},
		{"en", "say : ) :) :-) ;-))) and «this» — that's—it", "say : ) :) :-) ;-) ) ) and « this » — that's — it"},
		{"en", "one\n\n two\u00a0three\u2028four\x1ffive", "one two three four five"},
		{"es", "EE. UU. y EE.UU. del Sr. pal 5%, 1-2 a–b", "EE.␣UU. y EE.UU. del Sr. pa l 5% , 1-2 a–b"},
		{"eu", "LibreOfficeren 3.a etc. 10-a Bai-ez", "LibreOfficeren 3.a etc . 10-a Bai - ez"},
		{"ca", "l'home dels -la se'n dir-li'ls", "l' home d els - la se 'n dir -li 'ls"},
		{"pt", "R$5 guarda-chuva-de-sol e/ou x/guarda-sol", "R$ 5 guarda-chuva-de-sol e/ou x / guarda-sol"},
		{"it", "dell'art. 90° '68 po' l'\"eco\"", "dell' art. 90° '68 po' l' \"eco \""},
		{"de", "z.B. und/oder a(b) 1-2 ``x'' über'm", "z.B. und / oder a ( b ) 1 - 2 `` x '' über 'm"},
	} {
		var want []string
		for _, w := range strings.Fields(c.want) {
			want = append(want, strings.ReplaceAll(w, "␣", " "))
		}
		if got := spacyWords(spacyFor(t, c.lang), c.text); !slices.Equal(got, want) {
			t.Errorf("%s: %q\ngot  %q\nwant %q", c.lang, c.text, got, want)
		}
	}
}

// spacyAnswer is a line of testdata/spacy/answers.jsonl.gz.
type spacyAnswer struct {
	Text  string
	Words map[string][]int // lengths; what stands between is negative; as xx where it is left out
	Ends  map[string][]int // of sentences
}

func spacyAnswers(t testing.TB) (all []spacyAnswer) {
	t.Helper()
	f, err := os.Open("testdata/spacy/answers.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(z); d.More(); {
		var a spacyAnswer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// TestSpacyAnswers holds what spaCy's tokenizers answered for random texts that meet many rules.
func TestSpacyAnswers(t *testing.T) {
	answers := spacyAnswers(t)
	for _, l := range spacyLanguages {
		s := l.load()
		scratch := new(SpacyScratch)
		wrong := 0
		for _, a := range answers {
			doc := []byte(a.Text)
			points := func(lo, hi int32) int { return CodePoints(doc[lo:hi]) }
			var got []int
			at := int32(0)
			for _, w := range s.Words(nil, doc, scratch) {
				if at < w.Lo {
					got = append(got, -points(at, w.Lo))
				}
				got = append(got, points(w.Lo, w.Hi))
				at = w.Hi
			}
			want, ok := a.Words[l.code]
			if !ok {
				want = a.Words["xx"]
			}
			if !slices.Equal(got, want) {
				if wrong++; wrong < 5 {
					t.Errorf("%s: %q\ngot  %q\nwant %q", l.code, a.Text, pieces(a.Text, got), pieces(a.Text, want))
				}
			}
			want, ok = a.Ends[l.code]
			if !ok {
				want = a.Ends["xx"]
			}
			if ends := sentenceEndsOf(s, doc, scratch); len(want) > 0 && !slices.Equal(ends[:len(ends)-1], want[:len(want)-1]) {
				if wrong++; wrong < 5 {
					t.Errorf("%s: sentences of %q end at %v, want %v", l.code, a.Text, ends, want)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d answers differ", l.code, wrong, 2*len(answers))
		}
	}
}

func pieces(text string, lengths []int) (out []string) {
	t := []rune(text)
	for _, n := range lengths {
		if n > 0 {
			out = append(out, string(t[:n]))
		}
		t = t[max(n, -n):]
	}
	return out
}

// sentenceEndsOf are in characters. The last piece ends with the text, spaCy's last sentence may before.
func sentenceEndsOf(s *Spacy, doc []byte, scratch *SpacyScratch) (ends []int) {
	n := 0
	for _, p := range s.Sentences(nil, doc, scratch) {
		n += CodePoints(p.Of(doc))
		ends = append(ends, n)
	}
	return ends
}

// TestConformanceSpacy compares words and ends of sentences with what datatrove 0.10.1 answered for the raw texts.
func TestConformanceSpacy(t *testing.T) {
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" || !exists(filepath.Join(dir, "filter-dedup", "datatrove.jsonl.zst")) {
		t.Log("no CURATE_CONFORMANCE with filter-dedup: running the copies of package filter")
		dir = "../filter/testdata"
	}
	docs := map[string]string{}
	eachLine(t, filepath.Join(dir, "filter-dedup", "docs.jsonl.zst"), func(l []byte) {
		var d struct{ ID, Text string }
		if err := json.Unmarshal(l, &d); err != nil {
			t.Fatal(err)
		}
		docs[d.ID] = d.Text
	})
	codes := map[string]string{"eng": "en", "eus": "eu", "spa": "es"}
	type tally struct{ texts, agreed, words, endTexts, endsAgreed, ends int }
	tallies := map[string]*tally{"eng": {}, "eus": {}, "spa": {}}
	scratches := map[string]*SpacyScratch{"eng": {}, "eus": {}, "spa": {}}
	eachLine(t, filepath.Join(dir, "filter-dedup", "datatrove.jsonl.zst"), func(l []byte) {
		var d struct {
			ID    string
			Words map[string]json.RawMessage
			Ends  map[string]json.RawMessage `json:"sentence_ends"`
		}
		if err := json.Unmarshal(l, &d); err != nil {
			t.Fatal(err)
		}
		text := docs[d.ID]
		for lang, n := range tallies {
			s := spacyFor(t, codes[lang])
			if raw, ok := d.Words[lang]; ok {
				if raw[0] == '"' { // "same as eng"
					raw = d.Words["eng"]
				}
				var want, got []string
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
				for _, w := range s.Words(nil, []byte(text), scratches[lang]) {
					got = append(got, text[w.Lo:w.Hi])
				}
				n.texts++
				n.words += len(want)
				if slices.Equal(got, want) {
					n.agreed++
				} else {
					i := 0
					for i < min(len(got), len(want)) && got[i] == want[i] {
						i++
					}
					t.Errorf("%s: %s: from word %d on %q, datatrove %q", d.ID, lang, i, got[i:min(len(got), i+6)], want[i:min(len(want), i+6)])
				}
			}
			if raw, ok := d.Ends[lang]; ok && text != "" { // datatrove's list is empty then, its pieces are one
				if raw[0] == '"' {
					raw = d.Ends["eng"]
				}
				var want []int
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
				got := sentenceEndsOf(s, []byte(text), scratches[lang])
				n.endTexts++
				n.ends += len(want)
				got[len(got)-1] = want[len(want)-1]
				if slices.Equal(got, want) {
					n.endsAgreed++
				} else {
					t.Errorf("%s: %s: sentences end at %v, datatrove's at %v", d.ID, lang, got, want)
				}
			}
		}
	})
	for _, lang := range []string{"eng", "eus", "spa"} {
		n := tallies[lang]
		t.Logf("%s: words of %d of %d texts agree, %d words; sentences of %d of %d, %d sentences", lang, n.agreed, n.texts, n.words, n.endsAgreed, n.endTexts, n.ends)
		if n.texts == 0 {
			t.Errorf("%s: no cases", lang)
		}
	}
}

// FuzzSpacy compares with the twin, which runs spaCy's own expressions, one language a text. All texts go through one
// scratch, so that the cache is met.
func FuzzSpacy(f *testing.F) {
	seeds := []string{"", " ", "don't (e.g. 8) : ) Foo-Co. id.", "http://me@x.org:80/a 10.0.0.1 1.2.3.4:90000", "l'home -l'x '68 11° R$5 a-b-c", "EE. UU. :) : )", "5US$ 3km². …… ..", "A.B. AB. °C. x²."}
	for _, a := range spacyAnswers(f)[:40] {
		if len(a.Text) < 60 {
			seeds = append(seeds, a.Text)
		}
	}
	for i, s := range seeds {
		f.Add(uint8(i), s)
	}
	for _, l := range spacyLanguages {
		twinOf(f, l.code) // takes longer than a text may
	}
	scratches := make([]SpacyScratch, len(spacyLanguages))
	f.Fuzz(func(t *testing.T, lang uint8, s string) {
		if !utf8.ValidString(s) || len(s) > 100 {
			return
		}
		i := int(lang) % len(spacyLanguages)
		compareWithTwin(t, spacyLanguages[i].code, spacyLanguages[i].load(), s, &scratches[i])
	})
}

func compareWithTwin(t *testing.T, lang string, s *Spacy, text string, scratch *SpacyScratch) {
	t.Helper()
	want := texts(twinOf(t, lang).words(text))
	for range 2 {
		var got []string
		for _, w := range s.Words(nil, []byte(text), scratch) {
			got = append(got, text[w.Lo:w.Hi])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %q\ngot  %q\nwant %q", lang, text, got, want)
		}
	}
}

// TestSpacyTwin is FuzzSpacy on texts that meet many rules.
func TestSpacyTwin(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	answers := spacyAnswers(t)
	for i, l := range spacyLanguages {
		scratch := new(SpacyScratch)
		for range 8 {
			// Two halves of texts, so that they are not those that spaCy has seen.
			a, b := answers[rng.IntN(len(answers))].Text, answers[rng.IntN(len(answers))].Text
			ra, rb := []rune(a), []rune(b)
			compareWithTwin(t, l.code, spacyLanguages[i].load(), string(ra[:rng.IntN(len(ra)+1)])+string(rb[rng.IntN(len(rb)+1):]), scratch)
		}
	}
}

func TestSpacyTables(t *testing.T) {
	if !slices.IsSortedFunc(spacyLanguages[:], func(a, b struct {
		code string
		load func() *Spacy
	}) int {
		return strings.Compare(a.code, b.code)
	}) {
		t.Error("the table of languages is not sorted")
	}
	if _, ok := SpacyFor("eng"); ok {
		t.Error(`there is a language "eng"`)
	}
	for _, l := range spacyLanguages {
		s, ok := SpacyFor(l.code)
		if !ok || s != spacyFor(t, l.code) {
			t.Errorf("%s is not found, or not the same twice", l.code)
		}
		for text, k := range s.known.texts {
			c := []byte(text)
			if got := s.cut(nil, c, 0, len(c), new(SpacyScratch)); k.special && !slices.Equal(got, k.cuts.append(nil, 0, len(c))) {
				t.Errorf("%s: special case %q is cut into %v", l.code, text, got)
			}
		}
	}
}

func TestSpacyAllocatesNothing(t *testing.T) {
	doc := []byte(strings.Repeat("Say : ) or :) (e.g. in Foo-Co.), don't! www.example.com/"+strings.Repeat("x", 40)+" id. ((a))\n", 20))
	for _, l := range spacyLanguages {
		s := l.load()
		var scratch SpacyScratch
		var dst []Span
		if n := testing.AllocsPerRun(10, func() {
			dst = s.Words(dst[:0], doc, &scratch)
			dst = s.Sentences(dst[:0], doc, &scratch)
		}); n > 0 {
			t.Errorf("%s: %v allocations a text", l.code, n)
		}
	}
}

// TestSpacyScratch: one scratch may go from language to language, and what a long text needed is given back.
func TestSpacyScratch(t *testing.T) {
	var scratch SpacyScratch
	const doc = "don't del 5% a-b"
	for range 2 {
		for _, l := range spacyLanguages {
			s := l.load()
			if got, want := s.Words(nil, []byte(doc), &scratch), s.Words(nil, []byte(doc), new(SpacyScratch)); !slices.Equal(got, want) {
				t.Errorf("%s: %v, with a new scratch %v", l.code, got, want)
			}
		}
	}
	spacyFor(t, "en").Words(nil, []byte(strings.Repeat("a ", 1<<20)), &scratch)
	big := scratch.Size()
	scratch.Shrink(1 << 20)
	if small := scratch.Size(); big < 8<<20 || small > 1<<20 {
		t.Errorf("%d bytes for a long text, %d after it", big, small)
	}
}

// TestSpacyTakesLinearTime: each of these texts would take hours if a rule looked at all of it again and again.
func TestSpacyTakesLinearTime(t *testing.T) {
	for _, unit := range []string{"(", "a)", "1", "1)", ".", "..a", "@", "a@b.c", "-", "a-", "'", "l'", ":)", ": ) ", "://", "a.b", "x", "°", "1°", "5km", "…", "Co.", "\u0301", "EE. "} {
		doc := []byte(strings.Repeat(unit, 30_000/len(unit)))
		doc = append(append(doc, "1111"...), strings.Repeat(")", 10_000)...)
		for _, l := range spacyLanguages {
			var scratch SpacyScratch
			words := l.load().Words(nil, doc, &scratch)
			if len(words) == 0 {
				t.Errorf("%s: %q has no words", l.code, unit)
			}
		}
	}
}

func BenchmarkSpacy(b *testing.B) {
	doc := []byte(strings.Repeat("The committee met on Tuesday to discuss the new budget (members said, e.g., that it isn't enough). It will be reviewed again next year.\n", 400))
	english := spacyFor(b, "en")
	b.Run("words", func(b *testing.B) {
		var dst []Span
		var scratch SpacyScratch
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			dst = english.Words(dst[:0], doc, &scratch)
		}
	})
	b.Run("without cache", func(b *testing.B) {
		var dst []Span
		var scratch SpacyScratch
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			clear(scratch.cache)
			dst = english.Words(dst[:0], doc, &scratch)
		}
	})
}
