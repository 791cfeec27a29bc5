package segment

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkText checks what holds for every text.
func checkText(t *testing.T, text string) {
	t.Helper()
	at := 0
	for _, b := range Blocks(nil, text) {
		if b.Start != at || b.End <= b.Start {
			t.Fatalf("block %+v begins not where the last ended (%d): %q", b, at, text)
		}
		at = b.End
	}
	if at != len(text) {
		t.Fatalf("blocks end at %d of %d: %q", at, len(text), text)
	}
	units := Units(nil, text)
	at = 0
	same := make([]string, len(units))
	for i, u := range units {
		for _, s := range u.Lines {
			if s.Start < at || s.End <= s.Start || s.End > len(text) {
				t.Fatalf("span %+v of unit %d is out of order or empty: %q", s, i, text)
			}
			at = s.End
			if c := text[s.Start:s.End]; strings.ContainsAny(c, "\n\r\v\f\x00\t\u2028\u2029\u0085") {
				t.Fatalf("unit %q holds the end of a line", c)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[s.Start:s.End]) {
				t.Fatalf("unit %q cuts a character of %q", text[s.Start:s.End], text)
			}
		}
		if same[i] = u.Text(text); !hasLetter(same[i]) {
			t.Fatalf("unit %q without a letter", same[i])
		}
	}
	if got := Replace(text, units, same); got != text {
		t.Fatalf("with its own units, %q becomes %q", text, got)
	}
	if d := SameStructure(text, text); d != "" {
		t.Fatalf("%q against itself: %s", text, d)
	}
	for _, p := range []string{"a", "Kaixo hau da itzulpena eta honek hitz asko ditu", "- x", "# | ` $$ 1. \\[", "```", "<tool_call>", ""} {
		for i := range same {
			same[i] = p
		}
		got := Replace(text, units, same)
		if n, m := strings.Count(got, "\n"), strings.Count(text, "\n"); n != m {
			t.Fatalf("with units %q, %d line feeds become %d: %q, %q", p, m, n, text, got)
		}
		SameStructure(text, got)
	}
	for _, s := range []string{text, strings.ReplaceAll(text, "\n", " ")} {
		at = 0
		for _, e := range Sentences(nil, s) {
			if e <= at || utf8.ValidString(s) && e < len(s) && !utf8.RuneStart(s[e]) {
				t.Fatalf("sentence end %d after %d: %q", e, at, s)
			}
			at = e
		}
		if at != len(s) {
			t.Fatalf("sentences end at %d of %d: %q", at, len(s), s)
		}
	}
}

func samples(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var texts []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// TestMutations takes lines of the samples in random order, cut, doubled and with characters of markup put in.
func TestMutations(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var lines []string
	for _, s := range samples(t) {
		checkText(t, s)
		lines = append(lines, strings.SplitAfter(s, "\n")...)
	}
	marks := []string{"\n", "\n\n", "```", "~~~~", "$$", "\\[", "\\]", "|", "|---|", "<pre>", "</pre>", "<tool_call>", "{", "}", "[", "> ", "- ", "    ", "\t", "\r\n", "`", "\\begin{a}", "\\end{a}", "<!--", "-->", "\"", "A. ", "B. ", " ", "é", "\xff"}
	for range 3000 {
		var b strings.Builder
		for range r.IntN(12) {
			l := lines[r.IntN(len(lines))]
			switch r.IntN(4) {
			case 0:
				l = l[:r.IntN(len(l)+1)]
			case 1:
				n := r.IntN(len(l) + 1)
				l = l[:n] + marks[r.IntN(len(marks))] + l[n:]
			case 2:
				l = marks[r.IntN(len(marks))] + l
			}
			b.WriteString(l)
		}
		checkText(t, b.String())
	}
}

func FuzzText(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 10000 {
			checkText(t, text)
		}
	})
}
