package report

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" \n ", ""},
		{"one two", "one| two"},
		{"it's 3.14,\n  and_so", "it|'|s| 3|.|14|,|\nand_so"},
		{"añ e\u0301a", "añ| e\u0301a"},
		{"東京tower塔", "東|京|tower|塔"},
		{"ก่อน", "ก่|อ|น"}, // a tone mark stays with its letter
		{"\u0301a", "\u0301a"},
		{"a\xffb", "a|\xff|b"},
		{"🙂🙂", "🙂|🙂"},
	} {
		list, whole := words(c.text, 100)
		var got []string
		for _, w := range list {
			got = append(got, w.gap+w.text)
		}
		if strings.Join(got, "|") != c.want || !whole {
			t.Errorf("%q: %q, want %q", c.text, strings.Join(got, "|"), c.want)
		}
	}
	if list, whole := words("a b c ", 3); len(list) != 3 || !whole {
		t.Errorf("%v %v", list, whole)
	}
	if list, whole := words("a b c.", 3); len(list) != 3 || whole {
		t.Errorf("%v %v", list, whole)
	}
}

// lcs is the length of a longest common subsequence, the slow way.
func lcs(a, b []word) int {
	before := make([]int, len(b)+1)
	for i := range a {
		now := make([]int, len(b)+1)
		for k := range b {
			if a[i].text == b[k].text {
				now[k+1] = before[k] + 1
			} else {
				now[k+1] = max(now[k], before[k+1])
			}
		}
		before = now
	}
	return before[len(b)]
}

// Edits make the one text of the other, and there are no shorter ones.
func TestEdits(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	texts := func(list []word) (all []string) {
		for _, w := range list {
			all = append(all, w.text)
		}
		return all
	}
	for range 3000 {
		letters := 1 + rng.IntN(6)
		some := func() (list []word) {
			for range rng.IntN(30) {
				list = append(list, word{text: string(rune('a' + rng.IntN(letters)))})
			}
			return list
		}
		a, b := some(), some()
		most := rng.IntN(80)
		list, coarse := edits(a, b, most)
		var x, y, common []string
		for i, e := range list {
			if e.n <= 0 || i > 0 && list[i-1].kind == e.kind || i > 0 && list[i-1].kind == kindKept && e.kind == kindDropped {
				t.Fatalf("seed %d: %v", seed, list)
			}
			if e.kind != kindKept {
				x = append(x, texts(a[e.a:e.a+e.n])...)
			}
			if e.kind != kindDropped {
				y = append(y, texts(b[e.b:e.b+e.n])...)
			}
			if e.kind == kindSame {
				common = append(common, texts(a[e.a:e.a+e.n])...)
				if !slices.Equal(texts(a[e.a:e.a+e.n]), texts(b[e.b:e.b+e.n])) {
					t.Fatalf("seed %d: %v of %v and %v is not the same", seed, e, a, b)
				}
			}
		}
		if !slices.Equal(x, texts(a)) || !slices.Equal(y, texts(b)) {
			t.Fatalf("seed %d: %v does not make %v of %v", seed, list, b, a)
		}
		n := lcs(a, b)
		if different := len(a) + len(b) - 2*n; coarse != (different > most) {
			t.Fatalf("seed %d: %d words differ, at most %d, coarse %v", seed, different, most, coarse)
		}
		if !coarse && len(common) != n {
			t.Fatalf("seed %d: %v and %v have %d in common, not %d", seed, a, b, n, len(common))
		}
	}
}

func diff(dropped, kept string) (w WordDiff) {
	w.words(dropped, kept, true)
	return w
}

// told is a WordDiff in one line.
func told(w WordDiff) string {
	var b strings.Builder
	for _, s := range w.Stretches {
		switch s.Kind {
		case kindSame:
			b.WriteString(s.Text)
		case kindDropped:
			b.WriteString("[-" + s.Text + "]")
		case kindKept:
			b.WriteString("[+" + s.Text + "]")
		case kindSkipped:
			b.WriteString("…")
		}
	}
	return b.String()
}

func TestWordDiff(t *testing.T) {
	long := strings.Repeat("w ", 30)
	for _, c := range []struct{ dropped, kept, want string }{
		{"a b c", "a b c", ""},
		{"a  b\nc", "a b c", ""},
		{"a x c", "a y c", "a[- x][+ y] c"},
		{"x", "y", "[-x][+y]"},
		{"", "y", "[+y]"},
		{"a b", "a b d", "a b[+ d]"},
		{"end.", "end!", "end[-.][+!]"},
		{long + "x " + long, long + long, "…w w w w w w w w[- x] w w w w w w w w…"},
		{"x " + long + "y", "z " + long + "y", "[-x][+z] w w w w w w w w…"},
		{"a\nb", "a\nc", "a[-\nb][+\nc]"},
		{long + strings.Repeat("x ", 50), long, "…w w w w w w w w[-" + strings.Repeat(" x", 40) + "]…"},
	} {
		if got := told(diff(c.dropped, c.kept)); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.dropped, c.kept, got, c.want)
		}
	}
}

// What is shown of texts of any size is bounded, and so is the time.
func TestWordDiffBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(string(rune('a'+rng.IntN(26))) + string(rune('a'+rng.IntN(26))) + " ")
		}
		return b.String()
	}
	common := some(3000)
	for name, pair := range map[string][2]string{
		"nothing in common": {some(5000), strings.ToUpper(some(5000))},
		"much":              {some(9000), some(9000)},
		"one long word":     {strings.Repeat("ñ", 200_000), strings.Repeat("ñ", 200_001)},
		"many places":       {strings.ReplaceAll(common, "a", "b"), common},
		"longer":            {some(2000) + common, common},
	} {
		w := diff(pair[0], pair[1])
		size := len(w.Stretches) * 40
		for _, s := range w.Stretches {
			size += len(s.Text)
			if !utf8.ValidString(s.Text) {
				t.Errorf("%s: %q", name, s.Text)
			}
		}
		if size > 32<<10 || len(w.Stretches) > 2*diffPieces || len(w.Stretches) == 0 {
			t.Errorf("%s: %d stretches of %d bytes", name, len(w.Stretches), size)
		}
	}
	// Where too much differs, what can be told apart is.
	if w := diff("x "+common+some(2000), common+some(2000)); !w.Cut || !w.Coarse || w.OnlyDropped > 1000 || w.OnlyKept > 1000 {
		t.Errorf("%d and %d differ, cut %v, coarse %v", w.OnlyDropped, w.OnlyKept, w.Cut, w.Coarse)
	}
	// What is missing at the end of the longer one was not compared, so nobody says that it is missing.
	text := some(5000)
	if w := diff("x "+text, text); !w.Cut || w.OnlyDropped != 1 || w.OnlyKept != 0 {
		t.Errorf("%d and %d differ, cut %v", w.OnlyDropped, w.OnlyKept, w.Cut)
	}
}
