package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// nltkRow is what NLTK 3.8.1 answered about a text: offsets are in characters.
type nltkRow struct {
	ID        string
	Sentences [][2]int `json:"sents"`
	Words     []string
}

// TestConformanceNLTK compares the sentences and words with those of NLTK for English.
func TestConformanceNLTK(t *testing.T) {
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" || !exists(filepath.Join(dir, "filter-dedup", "nltk.jsonl.zst")) {
		t.Log("no CURATE_CONFORMANCE with filter-dedup/nltk.jsonl.zst: running the copies of package filter")
		dir = "../filter/testdata"
	}
	texts := map[string]string{}
	eachLine(t, filepath.Join(dir, "filter-dedup", "docs.jsonl.zst"), func(l []byte) {
		var d struct{ ID, Text string }
		if err := json.Unmarshal(l, &d); err != nil {
			t.Fatal(err)
		}
		texts[d.ID] = d.Text
	})
	var k NLTK
	ran, sentences, sameSentences, words, sameWords := 0, 0, 0, 0, 0
	eachLine(t, filepath.Join(dir, "filter-dedup", "nltk.jsonl.zst"), func(l []byte) {
		var r nltkRow
		if err := json.Unmarshal(l, &r); err != nil {
			t.Fatal(err)
		}
		ran++
		s, w := checkNLTK(t, &k, texts[r.ID], r)
		sentences += len(r.Sentences)
		words += len(r.Words)
		if s {
			sameSentences++
		}
		if w {
			sameWords++
		}
	})
	t.Logf("%d documents: the sentences of %d agree (%d sentences), the words of %d (%d words)", ran, sameSentences, sentences, sameWords, words)
	if ran == 0 {
		t.Error("no cases")
	}
}

// checkNLTK compares sentences and words, as they are written by NLTK and as parts of the text.
func checkNLTK(t *testing.T, k *NLTK, s string, r nltkRow) (sentences, words bool) {
	t.Helper()
	at := []int{} // bytes of code points
	for i := range s {
		at = append(at, i)
	}
	at = append(at, len(s))
	var want, got []string
	for _, x := range r.Sentences {
		want = append(want, s[at[x[0]]:at[x[1]]])
	}
	text := []byte(s)
	for _, x := range k.Sentences(nil, text) {
		got = append(got, s[x.Lo:x.Hi])
	}
	if sentences = slices.Equal(got, want); !sentences {
		t.Errorf("%s: sentences %q, want %q", r.ID, got, want)
	}
	joined, spans := k.AppendWords(nil, nil, text)
	got = got[:0]
	for _, w := range spans {
		got = append(got, string(w.Of(joined)))
	}
	if words = slices.Equal(got, r.Words); !words {
		i := 0
		for i < len(got) && i < len(r.Words) && got[i] == r.Words[i] {
			i++
		}
		t.Errorf("%s: %.500q: word %d of %q, want %q", r.ID, s, i, got[max(0, i-3):min(len(got), i+3)], r.Words[max(0, i-3):min(len(r.Words), i+3)])
	}
	parts := k.Words(nil, text)
	if len(parts) != len(spans) {
		t.Errorf("%s: %d words of the text, %d as they are written", r.ID, len(parts), len(spans))
		return sentences, false
	}
	for i, p := range parts {
		part := s[p.Lo:p.Hi]
		if part != got[i] && !(part == `"` && (got[i] == "``" || got[i] == "''")) && !(part == "''" && got[i] == "``") {
			t.Errorf("%s: word %d is %q, written %q", r.ID, i, part, got[i])
		}
	}
	return sentences, words
}

// TestNLTK are cases of the rules one by one, which NLTK has answered.
func TestNLTK(t *testing.T) {
	var rows []struct {
		Text string
		nltkRow
	}
	eachLine(t, "testdata/nltk/random.jsonl.zst", func(l []byte) {
		rows = append(rows, struct {
			Text string
			nltkRow
		}{})
		if err := json.Unmarshal(l, &rows[len(rows)-1]); err != nil {
			t.Fatal(err)
		}
	})
	if len(rows) == 0 {
		t.Fatal("no cases")
	}
	var k NLTK
	for _, r := range rows {
		checkNLTK(t, &k, r.Text, r.nltkRow)
	}
	t.Logf("%d texts", len(rows))
}

func TestNLTKAllocatesNothing(t *testing.T) {
	var k NLTK
	text := []byte(strings.Repeat("Mr. Smith (of the U.S.) said: \"I can't — 'tis… gonna rain.\" No. 5 is here. ", 50))
	var spans []Span
	var joined []byte
	check := func() {
		spans = k.Words(spans[:0], text)
		joined, spans = k.AppendWords(joined[:0], spans[:0], text)
	}
	check()
	if n := testing.AllocsPerRun(10, check); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNLTK(f *testing.F) {
	for _, s := range []string{"", " ", ".", "a. B", "\"''a'' \". . . a", "U.S. (a.)\u00a0B! ?", "'tis cannot, d'ye more'n--``` “”’s", "\xff.\xe2\x80 \xc2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var k NLTK
		last := int32(0)
		for _, s := range k.Sentences(nil, text) {
			if s.Lo < last || s.Hi <= s.Lo || int(s.Hi) > len(text) {
				t.Fatalf("%q: sentence %v after %d", text, s, last)
			}
			last = s.Hi
		}
		last = 0
		for _, w := range k.Words(nil, text) {
			if w.Lo < last || w.Hi <= w.Lo || int(w.Hi) > len(text) || utf8.Valid(text) && !utf8.Valid(w.Of(text)) {
				t.Fatalf("%q: word %v after %d", text, w, last)
			}
			last = w.Hi
		}
	})
}

func BenchmarkNLTKWords(b *testing.B) {
	text := []byte(strings.Repeat("The committee met on Tuesday to discuss the new budget. Members of the council said (e.g. here) that they have to be careful with spending.\n", 100))
	b.SetBytes(int64(len(text)))
	var k NLTK
	var spans []Span
	for b.Loop() {
		spans = k.Words(spans[:0], text)
	}
}
