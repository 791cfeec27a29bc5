package text

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The slow twins below say what is meant, over code points.

// isPySpace is str.isspace of one character (CPython 3.11, Unicode 14.0).
func isPySpace(r rune) bool { return unicode.Is(unicode.White_Space, r) || r >= 0x1C && r <= 0x1F }

func slowWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.Is(unicode.White_Space, r) })
}

func slowLines(s string) (lines []string) {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) {
			return '\n'
		}
		return r
	}, s)
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func slowNewlines(s string) []string {
	for strings.Contains(s, "\n\n") {
		s = strings.ReplaceAll(s, "\n\n", "\n")
	}
	return strings.Split(s, "\n")
}

func slowParagraphs(s string) []string {
	s = strings.TrimFunc(s, isPySpace)
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return strings.Split(s, "\n\n")
}

func cut(f func([]Span, []byte) []Span, s string) (parts []string) {
	for _, p := range f(nil, []byte(s)) {
		parts = append(parts, string(p.Of([]byte(s))))
	}
	return parts
}

// checkCuts compares every cut of a valid text with its twin.
func checkCuts(t *testing.T, s string) {
	t.Helper()
	for _, c := range []struct {
		name string
		fast func([]Span, []byte) []Span
		slow func(string) []string
	}{
		{"Words", Words, slowWords},
		{"Lines", Lines, slowLines},
		{"SplitNewlines", SplitNewlines, slowNewlines},
		{"Paragraphs", Paragraphs, slowParagraphs},
	} {
		if got, want := cut(c.fast, s), c.slow(s); !slices.Equal(got, want) {
			t.Errorf("%s(%q) = %q, want %q", c.name, s, got, want)
		}
	}
	b := []byte(s)
	if got, want := string(TrimLeft(b)), strings.TrimLeftFunc(s, isPySpace); got != want {
		t.Errorf("TrimLeft(%q) = %q, want %q", s, got, want)
	}
	if got, want := string(TrimRight(b)), strings.TrimRightFunc(s, isPySpace); got != want {
		t.Errorf("TrimRight(%q) = %q, want %q", s, got, want)
	}
	if got, want := CodePoints(b), utf8.RuneCount(b); got != want {
		t.Errorf("CodePoints(%q) = %d, want %d", s, got, want)
	}
}

// What CPython 3.11.7 answers.
var pythonCuts = []struct {
	text                        string
	lines, newlines, paragraphs []string
}{
	{"", nil, []string{""}, []string{""}},
	{"\n", []string{""}, []string{"", ""}, []string{""}},
	{"\n\n\n", []string{"", "", ""}, []string{"", ""}, []string{""}},
	{"a\r\nb\rc\n\rd", []string{"a", "b", "c", "", "d"}, []string{"a\r", "b\rc", "\rd"}, []string{"a\r\nb\rc\n\rd"}},
	{"\x1f\x1c a\n\n\nb\n \nc \x1d\u3000\n", []string{"\x1f", " a", "", "", "b", " ", "c ", "\u3000"},
		[]string{"\x1f\x1c a", "b", " ", "c \x1d\u3000", ""}, []string{"a", "b\n \nc"}},
	{"x\u2028y\u2029z\u0085w\vv\fu\x1ct\x1ds\x1er\x1fq", []string{"x", "y", "z", "w", "v", "u", "t", "s", "r\x1fq"},
		[]string{"x\u2028y\u2029z\u0085w\vv\fu\x1ct\x1ds\x1er\x1fq"}, []string{"x\u2028y\u2029z\u0085w\vv\fu\x1ct\x1ds\x1er\x1fq"}},
	{"\u200b\u180e\ufeff", []string{"\u200b\u180e\ufeff"}, []string{"\u200b\u180e\ufeff"}, []string{"\u200b\u180e\ufeff"}},
}

func TestCutsAsPython(t *testing.T) {
	for _, c := range pythonCuts {
		if got := cut(Lines, c.text); !slices.Equal(got, c.lines) {
			t.Errorf("Lines(%q) = %q, want %q", c.text, got, c.lines)
		}
		if got := cut(SplitNewlines, c.text); !slices.Equal(got, c.newlines) {
			t.Errorf("SplitNewlines(%q) = %q, want %q", c.text, got, c.newlines)
		}
		if got := cut(Paragraphs, c.text); !slices.Equal(got, c.paragraphs) {
			t.Errorf("Paragraphs(%q) = %q, want %q", c.text, got, c.paragraphs)
		}
		checkCuts(t, c.text)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\r\n\v\f\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000", nil},
		{"eta etxe\u00a0berria\u3000da", []string{"eta", "etxe", "berria", "da"}},
		{"a\x1cb \x1f", []string{"a\x1cb", "\x1f"}}, // str.split would cut here
		{"a\u200bb\ufeff\u2060", []string{"a\u200bb\ufeff\u2060"}},
		{"áÂ â€™ ê ã", []string{"áÂ", "â€™", "ê", "ã"}},
		{strings.Repeat("x", 100) + "\u00a0", []string{strings.Repeat("x", 100)}},
	} {
		if got := cut(Words, c.text); !slices.Equal(got, c.want) {
			t.Errorf("Words(%q) = %q, want %q", c.text, got, c.want)
		}
		checkCuts(t, c.text)
	}
}

// TestEveryCharacter puts each code point between letters and at the ends.
func TestEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xD800 && r <= 0xDFFF || r > 0x3100 && r%251 != 0 { // no class has a member above U+3000
			continue
		}
		checkCuts(t, "a"+string(r)+"b"+string(r))
		// Words looks at 64 bytes at once: the character before, across and after that border.
		shift := strings.Repeat("x", 58+int(r)%6)
		checkCuts(t, shift+" "+string(r)+"\r\n"+string(r)+string(r)+string(r)+"y"+strings.Repeat(" z", 40)+string(r))
		if t.Failed() {
			t.Fatalf("at U+%04X", r)
		}
	}
}

func FuzzCuts(f *testing.F) {
	for _, c := range pythonCuts {
		f.Add(c.text)
	}
	f.Add("Kaixo,\u00a0mundua!\r\n\r\nBigarren paragrafoa…\u2028\x85\xe2\x80")
	f.Add(strings.Repeat("ñandú ", 20))
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			// Not text, but nothing may be read outside of it, and the spans stay in order.
			for _, cut := range []func([]Span, []byte) []Span{Words, Lines, SplitNewlines, Paragraphs} {
				end := int32(0)
				for _, p := range cut(nil, []byte(s)) {
					if p.Lo < end || p.Hi < p.Lo || int(p.Hi) > len(s) {
						t.Fatalf("%q: span %v after %d", s, p, end)
					}
					end = p.Hi
				}
			}
			s = string(bytes.ToValidUTF8([]byte(s), []byte("\u0085")))
		}
		checkCuts(t, s)
	})
}
