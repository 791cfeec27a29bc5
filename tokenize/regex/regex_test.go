package regex

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

type reference struct {
	P   string
	T   []string
	R   [][][3]int
	Err string
}

// references are what Oniguruma in HF tokenizers 0.23.3 answers; testdata/oniguruma.py asked.
func references(t testing.TB) (out []reference) {
	t.Helper()
	f, err := os.Open("testdata/oniguruma.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r reference
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return out
}

// all are the matches that are not empty, as the crate onig goes on behind each.
func all(t testing.TB, m *Matcher, text []byte) (out [][3]int) {
	from, last := 0, -1
	for from <= len(text) {
		start, end, ok, err := m.Next(text, from)
		if err != nil {
			t.Fatalf("%q on %.40q: %v", m.re.pattern, text, err)
		}
		if !ok {
			break
		}
		if start < from || end < start || end > len(text) {
			t.Fatalf("%q on %q: from %d, [%d, %d)", m.re.pattern, text, from, start, end)
		}
		if start == end && end == last {
			if from == len(text) {
				break
			}
			from += width(text, from)
			continue
		}
		if from, last = end, end; start < end {
			out = append(out, [3]int{start, end})
		}
	}
	return out
}

func TestReference(t *testing.T) {
	ran, refused := 0, 0
	for _, c := range references(t) {
		r, err := Compile(c.P)
		switch {
		case err != nil && c.Err == "":
			refused++
			continue
		case err != nil || c.Err != "": // that more is accepted does no harm
			continue
		}
		m := r.NewMatcher()
		for i, text := range c.T {
			ran++
			if got := all(t, m, []byte(text)); !slices.Equal(got, c.R[i]) {
				t.Errorf("%q on %q:\n got %v\nwant %v", c.P, text, got, c.R[i])
			}
		}
	}
	t.Logf("%d cases; %d patterns refused", ran, refused)
	if ran < 10_000 || refused > 40 {
		t.Errorf("%d cases, %d patterns refused", ran, refused)
	}
}

// TestMemo has the same matches with the memo turned on from the first step.
func TestMemo(t *testing.T) {
	for _, c := range references(t) {
		r, err := Compile(c.P)
		if err != nil || c.Err != "" {
			continue
		}
		for i, text := range c.T {
			m := r.NewMatcher()
			m.Next([]byte(text), 0)
			b := []byte(text)
			m.reset(b)
			m.memo = newMemo(r.program.states, len(b))
			var got [][3]int
			from, last := 0, -1
			for from <= len(b) {
				start, end, ok := m.next(from)
				if !ok {
					break
				}
				if start == end && end == last {
					if from == len(b) {
						break
					}
					from += width(b, from)
					continue
				}
				if from, last = end, end; start < end {
					got = append(got, [3]int{start, end})
				}
			}
			if m.problem != "" || !slices.Equal(got, c.R[i]) {
				t.Errorf("%q on %q: %s\n got %v\nwant %v", c.P, text, m.problem, got, c.R[i])
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{`a)`, "at byte 1: a ) without its ("},
		{`(a`, "at byte 0: a ( without its )"},
		{`*a`, "at byte 0: a quantifier with nothing before it"},
		{`[z-a]`, "a range from 'z' down to 'a'"},
		{`[]`, "an empty class"},
		{`[a`, "a [ without its ]"},
		{`\p{Foo}`, `the property "Foo" is not known`},
		{`(a)\1`, "back-references are not known"},
		{`(?s)a`, "the group option 's' is not known"},
		{`(?=a)*`, "without width"},
		{`(?<=a+)b`, "more than 255 characters"},
		{`(?:a{1000}){1000}`, "more than 100000 times"},
		{`(?:(?:ab){1000}c){1000}`, "more than 20000 instructions"},
		{strings.Repeat("(", 300) + strings.Repeat(")", 300), "groups in more than 200 others"},
		{strings.Repeat("[", 300) + "a" + strings.Repeat("]", 300), "classes in more than 200 others"},
		{"a\xff", "not UTF-8"},
	} {
		_, err := Compile(c.pattern)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v; want %s", c.pattern, err, c.want)
		}
	}
}

// TestHostile ends, and soon: each of these takes exponential or quadratic time if ways are gone twice.
func TestHostile(t *testing.T) {
	const size = 1 << 17
	for _, c := range []struct {
		pattern, text string
		matches       int // -1: the error
	}{
		{`(a*)*b`, "a", 0},
		{`(a|aa)+$`, "a", 1},
		{`(a|aa)+b$`, "a", 0},
		{`((a*)*)*b`, "a", 0},
		{`a*a*a*a*b`, "a", 0},
		{`\s+\S`, " ", 0},
		{`(?=(a|aa)+$)a`, "a", size},
		{`(?!.*b)a`, "a", size},
		{`(?>a*)b`, "a", 0},
		{`[^x]*+x`, "a", 0},
		{`(?>(?:a|c)*)b`, "a", 0},
		{`(?:\w+\s*)+:`, "hello ", 0},
		{`a{1,20000}b`, "a", -1},
		{`a{1,1000}b`, "a", -1},
		{`(?:a?){30}a{30}b`, "a", -1},
		{`(?:a?){30}a{30}b`, "ab", -1},
		{`(?:a{1,100}){1,100}b`, "a", -1},
		{`(?:.?){200}b`, "a", -1},
		{`(?!a{1,1000}b)a`, "a", -1},
		{strings.Repeat("a*", 300) + "b", "a", -1},
		{strings.Repeat("(?:a|b)*", 120) + "c", "ab", -1},
		{strings.Repeat("(a", 100) + strings.Repeat(")*", 100) + "b", "a", -1},
		{"(?i:" + strings.Repeat("a", 200) + ")+b", "a", -1},
		{"(?:" + strings.Repeat("(?=a*b)|", 50) + "a)*b", "a", -1},
	} {
		text := []byte(strings.Repeat(c.text, size/len(c.text)))
		r, err := Compile(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		m := r.NewMatcher()
		n, from := 0, 0
		for {
			_, end, ok, err := m.Next(text, from)
			if err != nil {
				if n = -1; !strings.Contains(err.Error(), "steps for a text of 131072 bytes") {
					t.Error(err)
				}
				break
			}
			if !ok {
				break
			}
			n, from = n+1, end
		}
		if n != c.matches {
			t.Errorf("%s: %d matches, want %d", c.pattern, n, c.matches)
		}
		if limit := (mostSteps+4)*len(text) + 200*spareSteps; m.steps > limit {
			t.Errorf("%s: %d steps", c.pattern, m.steps)
		}
	}
}

// TestProperties compares the table with package unicode, which is at 15.0.0 or later: what was assigned then has its
// category for good.
func TestProperties(t *testing.T) {
	for name, table := range unicode.Categories {
		r, ok := property(name)
		if !ok || name == "C" || name == "Cn" || name == "LC" {
			continue
		}
		for c := rune(0); c <= unicode.MaxRune; c++ {
			if is := unicode.Is(table, c); is != r.has(c) && (is || unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)) {
				if is && known("cn").has(c) || c == 0x1171e { // of a version after 16; Mc before 16, Mn now
					continue
				}
				t.Errorf("%s: %U: %v", name, c, r.has(c))
				break
			}
		}
	}
	if r, _ := property("Lu"); !r.has(0x1c89) { // Unicode 16.0.0
		t.Error("not the table of Unicode 16.0.0")
	}
}

func TestNoAllocations(t *testing.T) {
	r, err := Compile(`(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`)
	if err != nil {
		t.Fatal(err)
	}
	m := r.NewMatcher()
	text := []byte(strings.Repeat("Hello, wörld's 12345  世界!\n", 50))
	if n := testing.AllocsPerRun(10, func() {
		for from := 0; from < len(text); {
			_, end, ok, err := m.Next(text, from)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			from = end
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestBytes has bytes that are not UTF-8, which are U+FFFD.
func TestBytes(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"\xff", "\xe4\xb8", "\xe4", "\xb8", "a", "é", "\ufffd", "世", "\xf0\x9f\x98"}
	for _, pattern := range []string{`\x{fffd}+`, `[^a]+`, `.`, `(?<=\x{fffd})a`, `(?:a|\P{L})+?a`, `\W++`, `\p{L}+`} {
		r, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			var b []byte
			for range rnd.IntN(8) {
				b = append(b, parts[rnd.IntN(len(parts))]...)
			}
			var whole []byte // with U+FFFD spelled out
			at := []int{}
			for i := 0; i < len(b); {
				c, n := utf8.DecodeRune(b[i:])
				for range utf8.RuneLen(c) {
					at = append(at, i)
				}
				whole = utf8.AppendRune(whole, c)
				i += n
			}
			at = append(at, len(b))
			var want [][3]int
			for _, m := range all(t, r.NewMatcher(), whole) {
				want = append(want, [3]int{at[m[0]], at[m[1]]})
			}
			if got := all(t, r.NewMatcher(), b); !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s on %q: got %v want %v", seed, pattern, b, got, want)
			}
		}
	}
}

func FuzzRegex(f *testing.F) {
	for i, c := range references(f) {
		if i%10 == 0 && len(c.T) > 0 {
			f.Add(c.P, []byte(c.T[0]))
		}
	}
	f.Fuzz(func(t *testing.T, pattern string, text []byte) {
		r, err := Compile(pattern)
		if err != nil {
			return
		}
		text = text[:min(len(text), 200)]
		m := r.NewMatcher()
		for from := 0; from <= len(text); {
			start, end, ok, err := m.Next(text, from)
			if err != nil || !ok {
				return
			}
			if start < from || end < start || end > len(text) {
				t.Fatalf("%q on %q: from %d, [%d, %d)", pattern, text, from, start, end)
			}
			if _, again, ok, err := r.NewMatcher().Next(bytes.Clone(text), from); !ok || err != nil || again != end {
				t.Fatalf("%q on %q: from %d: %d, and with a new matcher %d, %v, %v", pattern, text, from, end, again, ok, err)
			}
			if from = end; start == end {
				from++
			}
		}
	})
}

func BenchmarkNext(b *testing.B) {
	text, err := os.ReadFile(os.Getenv("CURATE_TEXT"))
	if err != nil {
		text = []byte(strings.Repeat("Hello world, it's 2024 and the quick brown fox jumps over 12345 lazy dogs.\n  Ünïcödé тоже есть 漢字 too! ", 2000))
	}
	for _, c := range []struct{ name, pattern string }{
		{"gpt2", `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
		{"cl100k", `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
		{"o200k", `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
		{"deepseek3", "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"},
		{"digits", `\p{N}{1,3}`}, {"han", `[一-龥]+`}, {"space", ` `},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, err := Compile(c.pattern)
			if err != nil {
				b.Fatal(err)
			}
			m := r.NewMatcher()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for from := 0; ; {
					_, end, ok, err := m.Next(text, from)
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					from = end
				}
			}
		})
	}
}

// TestShare: many small texts, each of which may take many steps, take no more together than a large one may.
func TestShare(t *testing.T) {
	r, err := Compile(`(?:a?){40}a{40}b`)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("a", 64))
	run := func(m *Matcher, n int) (err error) {
		for range n {
			for from := 0; from <= len(text) && err == nil; from++ {
				_, _, _, err = m.Next(text, from)
			}
		}
		return err
	}
	m := r.NewMatcher()
	if err := run(m, 3); err != nil {
		t.Error(err)
	}
	const n = 1000
	for range 2 { // the same the second time
		m.Share(n * len(text))
		if err := run(m, n); err == nil || !strings.Contains(err.Error(), "steps") {
			t.Errorf("%v", err)
		}
	}
	m.Share(len(text))
	if err := run(m, 1); err != nil {
		t.Error(err)
	}
}
