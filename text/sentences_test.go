package text

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// TestSentences holds what the rules that the documentation names do, and why.
func TestSentences(t *testing.T) {
	english, _ := SpacyFor("en")
	for _, c := range []struct{ name, want string }{ // sentences parted by "|"
		{"nothing", ""},
		{"only white space", "  "},
		{"one stop", "One two."},
		{"two", "One two.| Three."},
		{"small letter before the stop", "etc.| and so on"},
		{"one capital keeps its stop", "Plan B. is it"},
		{"two capitals do not", "In the EU.| is it"},
		{"digit", "In 1999.| is it"},
		{"abbreviations", "Dr. No and Mr. Bond, e.g. in D.C. on Jan. 5"},
		{"abbreviation in brackets", "(e.g. this) and (vs. that).| End"},
		{"abbreviation before other punctuation", "see e.g., this; vs.: that"},
		{"torn abbreviation", "the Foo-Co. is"},
		{"contraction of one letter", "the chunk id. Value"},
		{"torn in the middle", "by Dr.Craig Hollabaugh"},
		{"stop between small and capital", "here.|There"},
		{"not in an address", "see www.Example.com or http://a.b/c.D?e=F.g or john.Doe@example.org now"},
		{"in a private address with a path", "at 10.1.2.3/ab.|B then"},
		{"ellipsis is no end", "Wait... what"},
		{"ellipsis sign neither", "Wait… what"},
		{"question and exclamation", "What?!| Yes!| No"},
		{"punctuation after belongs to it", "He said \"no.\"| Then (yes.)| End"},
		{"punctuation before the next word too", "Stop. (|See there)"},
		{"signs that are cut off", "Done 😀.| Next"},
		{"symbol behind", "Great!|😀 Next"},
		{"currency", "paid $.| Then"},
		{"no currency", "paid $.5 then"},
		{"degree", "It is 30°C.| Cold"},
		{"a stop alone", "one .| two"},
		{"dots of a name", "use .NET and a.b and 1.5"},
		{"line feed is a token", "One.|\nTwo"},
		{"two blanks are one", "One.| |  Two"},
		{"a tab", "One.|\tTwo"},
		{"full-width", "今天天气很好。我们去公园散步。"},
		{"full-width apart", "今天 。| 我们"},
		{"emoticon with a stop", "so >.< and o.O and"},
		{"exclamation as prefix", "!|important"},
	} {
		plain := strings.ReplaceAll(c.want, "|", "")
		want := strings.Split(c.want, "|")
		if c.name == "punctuation before the next word too" {
			want, plain = []string{"Stop. (", "See there)"}, "Stop. (See there)"
		}
		if c.name == "two blanks are one" {
			want, plain = []string{"One.", "  Two"}, "One.  Two"
		}
		var got []string
		for _, s := range english.Sentences(nil, []byte(plain), new(SpacyScratch)) {
			got = append(got, plain[s.Lo:s.Hi])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }

func eachLine(t *testing.T, file string, f func(line []byte)) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		f(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// FuzzSentences: spans lie end to end, never inside a character.
func FuzzSentences(f *testing.F) {
	for _, s := range []string{"", " ", "He said \"no.\" Then (yes.) End", "by Dr.Craig id. a…?b 5US$. ", "。 ...!?..", "x@10.0.0.1/a.B", "30°C. °c."} {
		f.Add(s)
	}
	english, _ := SpacyFor("en")
	scratch := new(SpacyScratch)
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		spans := english.Sentences(nil, []byte(s), scratch)
		at := int32(0)
		for i, p := range spans {
			if p.Lo != at || p.Hi < p.Lo || p.Hi == p.Lo && len(s) > 0 || !utf8.ValidString(s[p.Lo:p.Hi]) {
				t.Fatalf("%q: span %d is %v after %d", s, i, p, at)
			}
			at = p.Hi
		}
		if int(at) != len(s) {
			t.Fatalf("%q: the spans end at %d", s, at)
		}
		for i, w := range Fields(nil, []byte(s)) {
			if fields := strings.Fields(strings.Map(pythonSpace, s)); i >= len(fields) || s[w.Lo:w.Hi] != fields[i] {
				t.Fatalf("%q: word %d is %q", s, i, s[w.Lo:w.Hi])
			}
		}
	})
}

func pythonSpace(r rune) rune {
	if r >= 0x1C && r <= 0x1F {
		return ' '
	}
	return r
}

func BenchmarkSentences(b *testing.B) {
	text := []byte(strings.Repeat("The committee met on Tuesday to discuss the new budget. Members of the council said (e.g. here) that they have to be careful with spending.\n", 100))
	english, _ := SpacyFor("en")
	var dst []Span
	var scratch SpacyScratch
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		dst = english.Sentences(dst[:0], text, &scratch)
	}
}
