package audit

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTables(t *testing.T) {
	for _, c := range []struct {
		what string
		list []string
	}{{"elements", elements[:]}, {"entities", entities[:]}, {"attributes", attributes[:]}} {
		if !slices.IsSorted(c.list) || len(slices.Compact(slices.Clone(c.list))) != len(c.list) {
			t.Errorf("%s are not sorted, or twice the same", c.what)
		}
	}
	for i := range findings {
		if findings[i].name == "" || findings[i].about == "" || i > 0 && findings[i-1].name >= findings[i].name {
			t.Errorf("finding %d: %+v", i, findings[i])
		}
	}
	for i := range signals {
		if signals[i].name == "" || signals[i].about == "" || i > 0 && signals[i-1].name >= signals[i].name {
			t.Errorf("signal %d: %+v", i, signals[i])
		}
	}
	for _, name := range elements {
		if len(name) > longestName {
			t.Errorf("%s is longer than %d", name, longestName)
		}
	}
	for _, name := range attributes {
		if len(name) > longestName {
			t.Errorf("%s is longer than %d", name, longestName)
		}
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		doc  string
		want string // findings and how often they are there; "near_empty" is left out
	}{
		{"", "empty=1"},
		{" \n\t\u00a0\r\n", "empty=1"},
		{"egun on", ""},

		{"<p>Kaixo</p>", "html_tags=2"},
		{"<BR/>, <Img src=\"a.png\" alt='b'>", "html_tags=2"},
		{"<!-- x --> <!DOCTYPE html> <?xml version='1.0'?> <![CDATA[", "html_tags=4"},
		{"a < b and c > d, i <3 u, x<y>z, <foo>, <p", ""},
		{"if a<b then c>d", ""},
		{"<b id=x <b id=y> </b id=x>", "html_tags=1"},
		{"<p" + strings.Repeat(" ", longestTag) + ">", ""},
		{"</h2 >", "html_tags=1"},

		{"a&nbsp;b &amp; &#8217; &#x2019; &#X2F;", "html_entities=5"},
		{"AT&T; R&D; Marks&Spencer; &; &#; &#x; &#12345678; &nbsp &NBSP;", ""},

		{"div class=\"x\" href='y'", "html_attributes=2"},
		{"CLASS=\"x\" data-id=\"3\"", "html_attributes=2"},
		{"x=\"1\" class=x subclass=\"y\" the title = \"z\"", ""},
		{"<a class=\"x\" href=\"y\">", "html_tags=1"},

		{"tambiÃ©n, maÃ±ana, â€œkaixoâ€\u009d", "control=1 mojibake=4"},
		{"Ã¡ Ã³ Â¿quÃ©? 5Â\u00a0€", "mojibake=4"},
		{"ï»¿text ï¿½", "mojibake=2"},
		{"ÐŸÑ€Ð¸Ð²ÐµÑ‚", "mojibake=6"},
		{"ðŸ˜€", "mojibake=1"},
		{"MAÇÃ” «AMANHû “CAFÉ” É– SÃO PAULO, Ãfrica, Português, Þór", ""},
		{"naïve café, Ångström, Größe, Ćevapi", ""},
		{"bad \ufffd\ufffd", "replacement=2"},

		{"a\x00b\x1b[0m\u0085\u009f\x7f\tc\r\n", "control=5"},
		{"page\fbreak", "control=1"},
	} {
		var a Auditor
		a.Look([]byte(c.doc))
		var got []string
		for i, f := range findings {
			if n := a.found[i]; n > 0 && i != findNearEmpty && i != findHTML {
				got = append(got, f.name+"="+string(rune('0'+n)))
			}
		}
		if n := a.Found("html"); n != a.Found("html_tags")+a.Found("html_entities")+a.Found("html_attributes") {
			t.Errorf("%q: %d times HTML", c.doc, n)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: %q, want %q", c.doc, s, c.want)
		}
	}
}

func TestSignals(t *testing.T) {
	var a Auditor
	a.Look([]byte("Kaixo, Mundua! 12\n\n  ñandú \r\nBAI\n"))
	for _, c := range []struct {
		name string
		want float64
	}{
		// 24 characters are no white space: 18 letters, 2 digits, 2 of punctuation.
		{"characters", 33}, {"lines", 3}, {"longest_line", 17},
		{"digit_ratio", 0.086957}, {"non_letter_ratio", 0.173913}, {"punctuation_ratio", 0.086957}, {"upper_ratio", 0.263158},
	} {
		if v, ok := a.Value(c.name); !ok || v != c.want {
			t.Errorf("%s is %v, %v; want %v", c.name, v, ok, c.want)
		}
	}
	a.Look([]byte("!!"))
	if _, ok := a.Value("upper_ratio"); ok {
		t.Error("a text without letters has a share of upper case")
	}
	if a.Found("near_empty") != 1 || a.Found("empty") != 0 {
		t.Error("two characters are not nearly empty")
	}
	a.Look([]byte(strings.Repeat("a", nearEmpty)))
	if a.Found("near_empty") != 0 {
		t.Errorf("%d characters are nearly empty", nearEmpty)
	}
}

func TestLines(t *testing.T) {
	var a Auditor
	a.Look([]byte("bat\n bat \nbi\n\n\u00a0\nbat\r\nhiru"))
	got := map[string]int32{}
	for i, l := range a.lines {
		got[string(a.doc[l.start:l.end])] = l.count
		if i > 0 && a.lines[i-1].hash >= l.hash {
			t.Error("lines are not in order")
		}
	}
	if len(got) != 3 || got["bat"] != 3 || got["bi"] != 1 || got["hiru"] != 1 || a.count != 5 || a.lineBytes != 15 {
		t.Errorf("%v, %d lines, %d bytes", got, a.count, a.lineBytes)
	}
}

func TestExcerpt(t *testing.T) {
	for _, text := range []string{"", "a", strings.Repeat("ñ", 200), strings.Repeat("日本", 100)} {
		for at := range len(text) + 1 {
			if at < len(text) && !utf8.RuneStart(text[at]) {
				continue
			}
			e := excerpt([]byte(text), at)
			if !utf8.Valid(e) || len(e) > maxExcerpt || len(text) > 0 && len(e) == 0 && at < len(text) || !strings.Contains(text, string(e)) {
				t.Fatalf("%d of %q: %q", at, text, e)
			}
		}
	}
}

// TestNoAllocation: what a document needs is kept for the next.
func TestNoAllocation(t *testing.T) {
	doc := []byte(strings.Repeat("<p class=\"x\">Kaixo, mundua &amp; tambiÃ©n ñ 12</p>\nlerro bat, eta beste bat\n", 50))
	var a Auditor
	a.Look(doc)
	if n := testing.AllocsPerRun(20, func() { a.Look(doc) }); n != 0 {
		t.Errorf("%v allocations a document", n)
	}
}

func FuzzLook(f *testing.F) {
	for _, s := range []string{"", "<p class=\"x\">a</p>&nbsp;", "tambiÃ©n â€œ ðŸ˜€ Ã", "a\x00\u0085\ufffd", " \n\u2028 x\r\n", "<!--<!doctype<?xml&#x1;href=\"", "ÐŸÑ", "Â\u00a0Ã"} {
		f.Add([]byte(s))
	}
	var a, b Auditor
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !utf8.Valid(doc) {
			return
		}
		a.Look(doc)
		runes := int64(utf8.RuneCount(doc))
		if a.characters.all != runes {
			t.Fatalf("%d characters, want %d", a.characters.all, runes)
		}
		// Lines the slow way.
		want, lines := map[string]int32{}, int64(0)
		for l := range strings.SplitSeq(string(doc), "\n") {
			if l = strings.TrimFunc(l, isSpace); l != "" {
				want[l]++
				lines++
			}
		}
		if lines != a.count || len(want) != len(a.lines) {
			t.Fatalf("%d lines, %d distinct; want %d, %d", a.count, len(a.lines), lines, len(want))
		}
		for _, l := range a.lines {
			if s := string(doc[l.start:l.end]); want[s] != l.count {
				t.Fatalf("%q is there %d times, want %d", s, l.count, want[s])
			}
		}
		for i, n := range a.found {
			if n < 0 || n > runes && n > 1 || n > 0 && (a.at[i] < 0 || a.at[i] > len(doc)) {
				t.Fatalf("%s: %d times, first at %d", findings[i].name, n, a.at[i])
			}
			if n > 0 && !utf8.Valid(excerpt(doc, a.at[i])) {
				t.Fatalf("%s: the excerpt is no text", findings[i].name)
			}
		}
		for i, v := range a.values {
			if v < none || signals[i].ratio && v > million {
				t.Fatalf("%s is %d", signals[i].name, v)
			}
		}
		if a.found[findReplacement] != int64(bytes.Count(doc, []byte("\ufffd"))) {
			t.Fatal("replacement characters")
		}
		b = Auditor{} // scratch of other documents changes nothing
		b.Look(doc)
		if a.found != b.found || a.values != b.values || a.at != b.at || !slices.Equal(a.lines, b.lines) {
			t.Fatal("a used Auditor says something else")
		}
	})
}
