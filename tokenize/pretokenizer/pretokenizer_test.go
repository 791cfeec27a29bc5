package pretokenizer

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"curate/tokenize/regex"
)

func all(t testing.TB) []*Scanner {
	var out []*Scanner
	for _, n := range Names() {
		s, err := NewScanner(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func cut(text string, next func([]byte, int) int) []string {
	var out []string
	for i := 0; i < len(text); {
		j := next([]byte(text), i)
		if j <= i {
			return append(out, "STUCK")
		}
		out = append(out, text[i:j])
		i = j
	}
	return out
}

func TestNames(t *testing.T) {
	if !sort.StringsAreSorted(Names()) {
		t.Error("not sorted:", Names())
	}
	if _, err := NewScanner("gpt"); err == nil || !strings.Contains(err.Error(), "there are: cl100k, gpt2") {
		t.Error(err)
	}
	for _, s := range all(t) {
		if got := ForPattern(s.Pattern()); got == nil || got.Name() != s.Name() {
			t.Errorf("%s: not found by its pattern", s.Name())
		}
	}
	if ForPattern(`\s+`) != nil {
		t.Error("a scanner for an unknown regex")
	}
}

// TestClasses compares the table with package unicode, which is at 15.0.0 or later: a code point that was assigned
// then has its class for good, and one that was not has no class, or one that a later version gave it.
func TestClasses(t *testing.T) {
	c := theClasses()
	if len(c.pages) > 256 {
		t.Fatalf("%d pages do not fit a byte", len(c.pages))
	}
	later := 0
	for r := rune(0); r <= utf8.MaxRune; r++ {
		want := other
		switch {
		case r == '\r' || r == '\n':
			want = newline
		case unicode.IsSpace(r):
			want = space
		case unicode.In(r, unicode.Lu, unicode.Lt):
			want = upper
		case unicode.Is(unicode.Ll, r):
			want = lower
		case unicode.IsLetter(r):
			want = caseless
		case unicode.IsNumber(r):
			want = number
		case unicode.IsMark(r):
			want = mark
		}
		got := c.rune(r).kind()
		if is := c.rune(r)&isSign != 0; is != unicode.In(r, unicode.P, unicode.S) && (!is || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co)) {
			t.Errorf("%U: punctuation or a symbol: %v", r, is)
		}
		if got == want {
			continue
		}
		if unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co) {
			t.Errorf("%U: class %b, package unicode says %b", r, got, want)
		}
		later++
	}
	t.Logf("%d code points have a class in Unicode 16.0.0 and none in %s", later, unicode.Version)
	if c.rune(0x1c89) != upper || c.rune(0x10d40) != number || c.rune(0x3042) != caseless|isCJK { // both of Unicode 16.0.0
		t.Error("not the table of Unicode 16.0.0")
	}
}

func TestScanners(t *testing.T) {
	for _, c := range []struct{ scanner, text, want string }{
		{"gpt2", "Hello world's  end", "Hello| world|'s| | end"},
		{"gpt2", "It'S 'tis\n\n x", "It|'|S| '|tis|\n\n| x"},
		{"gpt2", "a\u00a0b  ", "a|\u00a0|b|  "},
		{"gpt2", "12345 678!?", "12345| 678|!?"},
		{"gpt2", "'ſ", "'|ſ"},
		{"cl100k", "Hello world's  end", "Hello| world|'s| | end"},
		{"cl100k", "It'S 'tis\n\n x", "It|'S| '|tis|\n\n| x"},
		{"cl100k", "a'ſb", "a|'ſ|b"},
		{"cl100k", "'llama 'LLAMA", "'ll|ama| '|LLAMA"},
		{"cl100k", "12345 678!?\n\n", "123|45| |678|!?\n\n"},
		{"cl100k", "\tfoo  \n  bar  ", "\tfoo|  \n| | bar|  "},
		{"cl100k", ".word (x)", ".word| (|x|)"},
		{"cl100k", "\r\na \n", "\r\n|a| \n"},
		{"qwen2", "12345 678", "1|2|3|4|5| |6|7|8"},
		{"o200k", "CamelCase HTMLParser don't", "Camel|Case| HTMLParser| don't"},
		{"o200k", "日本語abcABC DON'T", "日本語abc|ABC| DON'T"},
		{"o200k", "\u0301ABC \u0301ABC", "\u0301|ABC| \u0301|ABC"},
		{"o200k", "a//\n/b 12345", "a|//\n/|b| |123|45"},
		{"o200k", "ABC日本 x", "ABC日本| x"},
	} {
		s, err := NewScanner(c.scanner)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cut(c.text, s.Next), "|"); got != c.want {
			t.Errorf("%s %q:\n got %q\nwant %q", c.scanner, c.text, got, c.want)
		}
		if got := strings.Join(cut(c.text, newOracle(s.Pattern()).next), "|"); got != c.want {
			t.Errorf("oracle %s %q:\n got %q\nwant %q", c.scanner, c.text, got, c.want)
		}
	}
}

func compare(t *testing.T, s *Scanner, o *oracle, text string) {
	t.Helper()
	got := cut(text, s.Next)
	if strings.Join(got, "") != text {
		t.Fatalf("%s: the pieces of %q are %q", s.Name(), text, got)
	}
	if want := cut(text, o.next); !slices.Equal(got, want) {
		t.Fatalf("%s: %q\n got %q\nwant %q", s.Name(), text, got, want)
	}
}

// TestRandom walks through short texts over letters that regexes tell apart.
func TestRandom(t *testing.T) {
	letters := hostileLetters
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range all(t) {
		o := newOracle(s.Pattern())
		engine := engineOf(t, s)
		for range 20000 {
			var b strings.Builder
			for range 1 + rnd.IntN(10) {
				b.WriteString(letters[rnd.IntN(len(letters))])
			}
			compare(t, s, o, b.String())
			if got, want := cut(b.String(), engine), cut(b.String(), s.Next); !slices.Equal(got, want) {
				t.Fatalf("%s through the engine: %q\n got %q\nwant %q", s.Name(), b.String(), got, want)
			}
		}
	}
}

// engineOf is the scanner's regex as the engine of package regex runs it.
func engineOf(t testing.TB, s *Scanner) func(text []byte, at int) int {
	t.Helper()
	r, err := regex.Compile(s.Pattern())
	if err != nil {
		t.Fatal(err)
	}
	m := r.NewMatcher()
	return func(text []byte, at int) int {
		start, end, ok, err := m.Next(text, at)
		if !ok || err != nil || start != at {
			t.Fatalf("%s: %q: %d, %v, %v", s.Name(), text, start, ok, err)
		}
		return end
	}
}

func FuzzScanners(f *testing.F) {
	f.Add("Hello world's  end 'LL 12345\r\n\n x ")
	f.Add("\u0301ABCdef'ſ//\n/日本")
	f.Add("\xff\xe2 ")
	scanners := all(f)
	var oracles []*oracle
	for _, s := range scanners {
		oracles = append(oracles, newOracle(s.Pattern()))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, s := range scanners {
			compare(t, s, oracles[i], text)
		}
	})
}
