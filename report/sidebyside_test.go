package report

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestStringAt(t *testing.T) {
	line := []byte(`{"a":{"b":["x",{"c":"y\u00e9"}],"":"empty","x/y":"slash","~1":"tilde"},"n":5,"text":"t"}`)
	for _, c := range []struct {
		pointer, want string
		ok            bool
	}{
		{"/text", "t", true},
		{"/a/b/0", "x", true},
		{"/a/b/1/c", "yé", true},
		{"/a/", "empty", true},
		{"/a/x~1y", "slash", true},
		{"/a/~01", "tilde", true}, // RFC 6901 section 4: ~01 is ~1, not /
		{"", "", false},
		{"text", "", false},
		{"/n", "", false},
		{"/a/b", "", false},
		{"/a/b/2", "", false},
		{"/a/b/00", "", false},
		{"/a/b/-", "", false},
		{"/a/b/99999999999999999999", "", false},
		{"/a/b/0/0", "", false},
		{"/b", "", false},
	} {
		if got, ok := stringAt(line, c.pointer); got != c.want || ok != c.ok {
			t.Errorf("%q: %q, %v; want %q, %v", c.pointer, got, ok, c.want, c.ok)
		}
	}
}

// marked writes masked stretches in brackets.
func marked(e *Excerpt) string {
	var b strings.Builder
	for _, p := range pieces(*e) {
		if p.Masked {
			b.WriteString("[" + p.Text + "]")
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func TestExcerpts(t *testing.T) {
	long := strings.Repeat("é", pairChars-2)
	for _, c := range []struct {
		name           string
		source         sourceText
		target         string
		marked, inside string
	}{
		{"plain", sourceText{Text: "See it."}, "Ikusi.", "See it.", "Ikusi."},
		{"twice in the target", sourceText{Text: "añ `x` b", Protected: [][2]int{{3, 6}}}, "`x` eta `x`", "añ [`x`] b", "[`x`] eta [`x`]"},
		{"the longest wins", sourceText{Text: "ab abc", Protected: [][2]int{{0, 2}, {3, 6}}}, "abc ab", "[ab] [abc]", "[abc] [ab]"},
		{"side by side", sourceText{Text: "ab", Protected: [][2]int{{0, 1}, {1, 2}}}, "ba", "[ab]", "[ba]"},
		{"spans that make no sense", sourceText{Text: "abcd", Protected: [][2]int{{-1, 2}, {1, 1}, {2, 1}, {0, 1}, {0, 2}, {3, 1 << 62}, {9, 10}}}, "d a", "[a]bc[d]", "[d] [a]"},
		{"across the cut", sourceText{Text: long + "wxyz", Protected: [][2]int{{pairChars - 2, pairChars + 2}}}, long + "wxyz", long + "[wx]…", long + "[wx]…"},
		{"behind the cut in the source", sourceText{Text: long + "abcd", Protected: [][2]int{{pairChars, pairChars + 2}}}, "cd", long + "ab…", "[cd]"},
		{"longer than what is shown", sourceText{Text: long + long, Protected: [][2]int{{0, 2*pairChars - 4}}}, "-" + long + long, "[" + long + "éé]…", "-[" + long + "é]…"},
		{"empty", sourceText{Protected: [][2]int{{0, 1}}}, "", "", ""},
	} {
		e, values := sourceExcerpt(c.source)
		if got := marked(&e); got != c.marked {
			t.Errorf("%s: source %q, want %q", c.name, got, c.marked)
		}
		target := excerpt(c.target, values)
		if got := marked(target); got != c.inside {
			t.Errorf("%s: target %q, want %q", c.name, got, c.inside)
		}
		if e.Characters != utf8.RuneCountInString(c.source.Text) || target.Characters != utf8.RuneCountInString(c.target) {
			t.Errorf("%s: %d and %d characters", c.name, e.Characters, target.Characters)
		}
	}
}

// checkExcerpt looks for what must hold of any.
func checkExcerpt(t *testing.T, what, text string, e *Excerpt) {
	t.Helper()
	want, rest := characters(text, pairChars)
	if rest != "" {
		want += "…"
	}
	if e.Text != want {
		t.Fatalf("%s: %q is not the beginning of %q", what, e.Text, text)
	}
	all, shown := "", utf8.RuneCountInString(want)
	for _, p := range pieces(*e) {
		all += p.Text
	}
	if all != want {
		t.Fatalf("%s: the pieces make %q, not %q", what, all, want)
	}
	at := 0
	for _, m := range e.Masked {
		if m[0] < at || m[1] <= m[0] || m[1] > min(shown, pairChars) {
			t.Fatalf("%s: mask %v after %d, in %d characters", what, m, at, shown)
		}
		at = m[1]
	}
}

// Whatever the spans, what is shown is the beginning of the texts, and masked in the target is a value alone.
func TestExcerptsAtRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	alphabet := []rune("abé🙂 \n")
	text := func(n int) string {
		var b strings.Builder
		for range r.IntN(n + 1) {
			b.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	for range 300 {
		s := sourceText{Text: text(40 + 3*pairChars*r.IntN(2))}
		for range r.IntN(30) {
			s.Protected = append(s.Protected, [2]int{r.IntN(50) - 2, r.IntN(60) - 2})
		}
		if r.IntN(2) == 0 {
			slices.SortFunc(s.Protected, func(a, b [2]int) int { return a[0] - b[0] })
		}
		e, values := sourceExcerpt(s)
		checkExcerpt(t, "source", s.Text, &e)
		target := text(40 + 3*pairChars*r.IntN(2))
		x := excerpt(target, values)
		checkExcerpt(t, "target", target, x)
		for _, p := range pieces(*x) {
			for _, v := range values {
				if !p.Masked && !strings.HasSuffix(p.Text, "…") && strings.Contains(p.Text, v) {
					t.Fatalf("seed %d: %q stands unmasked in %q", seed, v, p.Text)
				}
			}
		}
	}
}

// A text that was made to be slow is not.
func TestExcerptsAreBounded(t *testing.T) {
	s := sourceText{Text: strings.Repeat(strings.Repeat("a", 60)+"b", 1<<14)}
	for from, n := 0, 0; from < len(s.Text); n++ {
		to := min(from+1+n%90, len(s.Text))
		s.Protected = append(s.Protected, [2]int{from, to})
		from = to
	}
	e, values := sourceExcerpt(s)
	total := 0
	for _, v := range values {
		total += len(v)
	}
	if total > 3*pairChars {
		t.Errorf("values of %d characters are looked for", total)
	}
	checkExcerpt(t, "source", s.Text, &e)
	checkExcerpt(t, "target", s.Text, excerpt(s.Text, values))
}

func TestFailedCheck(t *testing.T) {
	for _, c := range []struct{ err, want string }{
		{`translation: numbers in /messages/0/content: 12 is missing; source "12"`, "numbers"},
		{`translation: structure`, "structure"},
		{`translation: not_in_memory; source "a b"`, "not_in_memory"},
		{`translation: length_ratio: 0.31 times as long`, "length_ratio"},
		{`translation: `, ""},
		{`translation:numbers`, ""},
		{`invalid JSON`, ""},
	} {
		if got, ok := failedCheck(c.err); got != c.want && ok || ok != (c.want != "") {
			t.Errorf("%q: %q, %v", c.err, got, ok)
		}
	}
}

func TestMoney(t *testing.T) {
	for micro, want := range map[int64]string{0: "0.000000", 1: "0.000001", 999999: "0.999999", 1e6: "1.00", 1234565000: "1,234.57", -5: "-0.000005", -1 << 63: "-4,611,686,018,427.39"} {
		if got := money(micro); got != want {
			t.Errorf("%d: %s, want %s", micro, got, want)
		}
	}
}

// FuzzExcerpt: whatever texts and spans, what is shown is their beginning, with masks in order; and a pointer finds a
// string of the line or nothing.
func FuzzExcerpt(f *testing.F) {
	f.Add("See `x` and `y`.", "Ikusi `y` eta `x`.", []byte{4, 3, 5, 3}, `{"a":["x"]}`, "/a/0")
	f.Add("🙂é", "é🙂é", []byte{0, 1, 0, 1}, `{"":{"~/":"x"}}`, "//~0~1")
	f.Add(strings.Repeat("añ", 1300), strings.Repeat("ñ", 1300), []byte{1, 255, 255, 255}, `{"a":`, "/a")
	f.Fuzz(func(t *testing.T, text, target string, spans []byte, line, pointer string) {
		if !utf8.ValidString(text) || !utf8.ValidString(target) {
			return // JSON that was found valid has no such strings
		}
		s := sourceText{Text: text}
		for at := 0; len(spans) >= 2; spans = spans[2:] { // gap and length; those above 127 go back
			from := at + int(int8(spans[0]))
			at = from + int(int8(spans[1]))
			s.Protected = append(s.Protected, [2]int{from, at})
		}
		e, values := sourceExcerpt(s)
		checkExcerpt(t, "source", text, &e)
		checkExcerpt(t, "target", target, excerpt(target, values))
		if got, ok := stringAt([]byte(line), pointer); ok && got != "" && (pointer == "" || line == "" || pointer[0] != '/') && line[0] == '{' {
			t.Errorf("%q in %q is %q", pointer, line, got)
		}
	})
}
