package protect

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// show writes a text taken apart: before | template with its values in ⟪⟫ | after.
func show(m Masked) string {
	v := make([]string, len(m.Values))
	for k, s := range m.Values {
		v[k] = "⟪" + s + "⟫"
	}
	return m.Before + "|" + m.Template.Fill(v) + "|" + m.After
}

func TestMask(t *testing.T) {
	g := glossary(t, "dialog box\telkarrizketa-koadro\nWriter\nmail\tposta\n")
	for _, c := range []struct{ text, want string }{
		{"", "||"},
		{"  Hello there. ", "  |Hello there.| "},
		{"42", "42||"},
		{"3.14 × 10⁸ 🙂", "3.14 × 10⁸ 🙂||"},
		{"`a` `b`", "`a` `b`||"},
		// At the edges.
		{"Open `a.txt`.", "|Open ⟪`a.txt`⟫.|"},
		{"Open `a.txt`", "|Open| `a.txt`"},
		{"Open `a.txt`, `b.txt`", "|Open| `a.txt`, `b.txt`"},
		{"`x`: does y", "`x`: |does y|"},
		{"`print` is a function.", "`print` |is a function.|"},
		{"`x`s are", "|⟪`x`⟫s are|"},
		{"`x`'s value", "|⟪`x`⟫'s value|"},
		{"(`x` is y)", "|(⟪`x`⟫ is y)|"},
		{"`a` (`b` is y)", "`a` |(⟪`b`⟫ is y)|"},
		{"y (`x`)", "|y| (`x`)"},
		{"y (see `x`)", "|y (see ⟪`x`⟫)|"},
		{"<b>Hello</b>", "<b>|Hello|</b>"},
		{"<p><b>Hello</b>, you.</p>", "<p><b>|Hello⟪</b>⟫, you.|</p>"},
		{"Done! 🎉", "|Done!| 🎉"},
		{"🎉 Done!", "🎉 |Done!|"},
		{"So it was.[^1]", "|So it was.|[^1]"},
		{"[the guide](a.html)", "|[the guide⟪](a.html)⟫|"},
		{"[`x`](a.html) is good", "[`x`](a.html) |is good|"},
		{"**`x`** is good", "**`x`** |is good|"},
		{"**Note `x`**", "|**Note ⟪`x`⟫**|"},
		{"- see `x` there", "|- see ⟪`x`⟫ there|"},
		{"`x` 25 files", "`x` |25 files|"},
		{"“`x`” is y", "“`x`” |is y|"},
		// Adjacent ones.
		{"Use `a` `b` now", "|Use ⟪`a` `b`⟫ now|"},
		{"Use `a`{b} now", "|Use ⟪`a`{b}⟫ now|"},
		{"Use `a`, `b` now", "|Use ⟪`a`⟫, ⟪`b`⟫ now|"},
		// Terms and numbers are words.
		{"Writer is here", "|⟪Writer⟫ is here|"},
		{"Open the Dialog Box Writer", "|Open the ⟪Dialog Box⟫ ⟪Writer⟫|"},
		{"`x` Writer `y`", "`x` |⟪Writer⟫| `y`"},
	} {
		m := Mask(c.text, Options{Glossary: g})
		if got := show(m); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// TestMaskMore are texts of which the table of kinds shows no example: ⟪⟫ around what is protected.
func TestMaskMore(t *testing.T) {
	for _, text := range []string{
		"They are ⟪⟦0⟧⟫ and ⟪__PH_1__⟫ and ⟪<x id=\"2\"/>⟫ and ⟪[[3]]⟫, plus ⟪`code`⟫.",
		"Is 3 < 5 and 7 > 6?", "Yes: 3 < 5 and 7 > 6 are both true.", "if x <y and z> 3 holds",
		"Read ⟪https://example.org/a_(b)?q=one%20two&lang=en#top⟫, then mail ⟪help@example.org⟫.",
		"(see ⟪https://example.org/x⟫), “⟪http://a.org⟫”, **⟪https://b.org/y⟫**!",
		"Solve ⟪$x^2 + y^2 = z^2$⟫ for ⟪$z$⟫.", "We pay R$7, $5, $6 and $7.50 each; US$5 and A$6.",
		"Run ⟪`rm -rf /`⟫ as ⟪`root`⟫, not `here.", "An escaped \\`tick\\` is none.",
		"See [here⟪](<a b.html> 'T')⟫ and [it⟪](/x_(y))⟫.", "f[a](see below) stays", "an array a[i⟪][j]⟫",
		"Hi {{⟪⟫",
		"Set a=( b and ⟪c=d⟫(e now", "Write ⟪k=v⟫, ⟪m=\"n o\"⟫. Or a=\"b", "It costs ⟪x=$5⟫", "We -as you know- left -it",
		"In ⟪{ n , number }⟫ and {n, numbers} and {red, green}", "⟪COM.MICROSOFT.CEILING.S⟫ of the U.S. army",
		"The string 请看⟪https://a.org/x⟫ 吧。", "邮件⟪a@b.org⟫。",
		"<⟪⟫b", "a << b >> c", "x->", "a <- b", "I <3 you", "<< >> <> </> < b>",
		"⟪<img src='a.png' alt=\"a > b\">⟫ text ⟪<!DOCTYPE html>⟫", "⟪<|eot_id|>⟫⟪<think>⟫why⟪</think>⟫", "⟪<｜User｜>⟫hello",
		"⟪<tool_call>{\"name\": \"search\"}</tool_call>⟫ done", "⟪</tool_call>⟫ done",
		"100% of 50 %, 5% discount, 20%off", "⟪%s⟫: ⟪%d⟫ of ⟪%5.1f⟫⟪%%⟫", "%⟪⟫ 5",
		"Set ⟪%APPDATA%⟫ to it.", "Print ⟪{}⟫ and ⟪{:d}⟫.", "a { b } c {", "{ }",
		"At 10:30 and 12:30:45 on 2024-12-31, 1/2, 3:2.", "We use UTF-8, MP3, H2O, A4, F1, 3D, 10th and Q3.",
		"Press Ctrl+S or Shift+F10.", "iPod and eBay", "GitHub, YouTube, OpenOffice, PowerPoint, McDonald.",
		"e.g. this, i.e. that, a.m. and p.m., U.S. and U.S.A. vs. Ph.D.", "Mr.Smith and etc.and so",
		"file(s), word(s), name(s), option(en), note (see above)", "⟪SUM⟫(Number; Count)", "⟪SUM(A1:B2)⟫ and ⟪max(a, b)⟫",
		"snake_⟪⟫ and _lead and __bold__ and ⟪__init__⟫", "well-known and state-of-the-art, x-ray",
		"Use ⟪a.b.c()⟫ and ⟪obj->field⟫ and ⟪Foo::bar⟫.", "Ends here.Next starts; OK.The rest",
		"#1 and # 2 and ⟪#go⟫ and a#b", "C#, F#, C++", "@ 5 and a@ and ⟪@user⟫.",
		"and/or, he/she, km/h, 1/2, w/o, n/a, input/output, Cut /Insert, he /she, call ⟪/users⟫", "in ⟪/etc⟫ and ⟪/usr/bin⟫. At /", "⟪src/main.go⟫ and ⟪./run.sh⟫, ~ and ..",
		`⟪\alpha⟫ is, ⟪\sum_{i=1}^n⟫ too; a\b`, `⟪\emph{⟫a ⟪\textbf{⟫b⟪}⟫ c⟪}⟫ d}`,
		"⟪$HOME/bin⟫ and ⟪$(pwd)⟫ and $ 5 and 5 $", "Sheet ⟪$A$1⟫ and ⟪A1:B2⟫ and A1",
		"⟪1.2.3⟫ and 1.2 and 1.000.000 and ⟪v2.0⟫ and 31.12.99", "⟪192.168.0.1/24⟫ and ⟪1.2.3.4.5⟫",
		"The ratio a:b:c and 5:1 is", "text [NAME⟪⟫", "[OK⟪](x)⟫ and ⟪[OK]⟫", "see [a] and [b] or [1]",
		"**⟪`x`⟫** and *a* and _b_", "R⟪&amp;⟫D",
	} {
		want := strings.ReplaceAll(text, "⟪⟫", "")
		plain := unmark.Replace(text)
		got, kinds := marked(plain, Options{})
		if got != want {
			t.Errorf("%v\n got %s\nwant %s", kinds, got, want)
		}
	}
}

// alphabet are pieces that random texts are made of.
var alphabet = []string{
	"a", "Word", "the", " ", " ", " ", ".", ",", "`", "``", "$", "$$", "\\(", "\\)", "\\[", "\\]", "(", ")", "[", "]", "{", "}", "<", ">", "</", "/", "\\",
	"\"", "'", "=", "%", "%d", "#", "@", "&", "&lt;", ":", "://", "http", "www.", "org", "-", "_", "1", "23", "0", "A1", "X", "XQ", "P", "[[P0]]", "⟦", "⟧",
	"🎉", "\u200d", "🇪", "é", "ñ", "日", "\n", "\n\n", "\\begin{a}", "\\end{a}", "\\textbf{", "\\n", "<b", "<code>", "</code>", "<!--", "-->", "{{", "}}", "](", "][",
	"f(", "x.y", "camelCase", "snake_case", "*", "**", "~", "!", "?", "|", "\x00", "\xff", "\u00a0", "dialog", "box", "Writer",
}

func randomText(r *rand.Rand, pieces int) string {
	var b strings.Builder
	for range r.IntN(pieces + 1) {
		b.WriteString(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

// checkMask holds the laws of Mask.
func checkMask(t *testing.T, text string, o Options) {
	t.Helper()
	m := Mask(text, o)
	if got := m.Before + m.Template.Fill(m.Values) + m.After; got != text {
		t.Fatalf("%q comes back as %q", text, got)
	}
	if len(m.Template.Text) != len(m.Template.Holes)+1 || len(m.Values) != len(m.Template.Holes) || len(m.Kinds) != len(m.Values) || len(m.Targets) != len(m.Values) {
		t.Fatalf("%q: lengths %d %d %d %d %d", text, len(m.Template.Text), len(m.Template.Holes), len(m.Values), len(m.Targets), len(m.Kinds))
	}
	for k, h := range m.Template.Holes {
		if h != k || m.Values[k] == "" {
			t.Fatalf("%q: hole %d is %d, value %q", text, k, h, m.Values[k])
		}
		if k > 0 && m.Template.Text[k] == "" && o.Glossary == nil && !o.Numbers {
			t.Fatalf("%q: two holes side by side", text)
		}
	}
	if s := m.Template.Text; len(m.Template.Holes) == 0 && strings.TrimSpace(s[0]) != s[0] {
		t.Fatalf("%q: white space at the edges of %q", text, s)
	}
	if len(m.Template.Holes) == 0 && m.Template.Text[0] != "" && !m.Template.Letters() {
		t.Fatalf("%q: %q has no letter and is not at the edge", text, m.Template.Text[0])
	}
	end := 0
	for _, p := range spans(nil, text, o) {
		if p.start < end || p.end <= p.start || p.end > len(text) {
			t.Fatalf("%q: span %v after %d", text, p, end)
		}
		end = p.end
	}
}

func TestMaskLaws(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	g := glossary(t, "dialog box\telkarrizketa-koadro\nWriter\nWord\nthe\ta\n")
	for n := range 20000 {
		text := randomText(r, 40)
		for _, o := range []Options{{}, {Numbers: true, Glossary: g}} {
			checkMask(t, text, o)
		}
		if t.Failed() {
			t.Fatalf("seed %d, text %d", seed, n)
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, k := range table {
		for _, e := range k.Examples {
			f.Add(unmark.Replace(e))
		}
	}
	g := glossary(f, "dialog box\tkoadro\nWriter\n")
	f.Fuzz(func(t *testing.T, text string) {
		checkMask(t, text, Options{})
		checkMask(t, text, Options{Numbers: true, Glossary: g})
	})
}

// adversaries are texts that make a scanner look far ahead from every place.
func adversaries(size int) map[string]string {
	rep := func(s string) string { return strings.Repeat(s, size/len(s)) }
	m := map[string]string{}
	for _, s := range []string{
		"`", "$", "<", "(", "[", "{", "\\", "\"", "%", "&", "#", "@", "/", "~", "*", "_", "-", ".", ":", "=", "a", "A", "1", " ", "é", "🎉", "\u200d", "日",
		"a.", "a_", "a/", "a-", "a@", "a(", "A(", "aB(", "f((", "1.", "1:", "a:", "::1", "ab::", "<a ", "<a x=\"", "<a x='", "<a x=\" y='", "<a b=c ", "</", "<!--", "<![CDATA[",
		"<code>", "<kbd><code>", "](", "](a", "](( ", "][", "[^", "[a]: ", "{{", "{%", "{\"", "{\"a\":", "[\"", "['a',", "${", "$(", "%(", "$a", "$a ", "\\(", "\\[", "\\begin{a}", "\\a{", "\\textbf{",
		"\\a\\", "C:\\a", "C:\\a b", "//", "/a", "~/", "./", "../", "://", "a://", "http://", "http://a.org/(", "www.a", "a@b", "a@b.", "data:,", "=A1(", "=(", "=A1:", "$A$1:", "--a", "-a", ":a", "@@1",
		"⟦1", "⟦", "<|", "<｜", "<<SYS>>", "{a", "{a:", "a.b(", "a->", "a::", "x{", "``", "` ``", "`a``b", "a`", "[b=", "[b", "<x id=", "<https:", "<a@", "f(\"", "f(a", "f(x,", "aB(aB,", "&#", "&a", "#a", "a#",
		"<a x=\"<a y='", "dialog ", "dialog box ", "Ab", "aA", "aB3_", "0x", "ff", "1a", "%5", "%-", "*.", ".a", ".txt", "a.txt/", "a+", "+",
	} {
		m[s] = rep(s)
		m["closed "+s] = rep(s) + ")]}>\"'`$\\)\\]"
	}
	nest := size / 2
	m["nested ()"] = strings.Repeat("f(", nest/2) + strings.Repeat(")", nest/2)
	m["nested ( )"] = strings.Repeat("](", nest/2) + "  " + strings.Repeat(")", nest/2)
	m["nested {}"] = strings.Repeat("\\a{", nest/3) + strings.Repeat("}", nest/3)
	m["nested json"] = strings.Repeat("{\"a\":", nest/5) + "x" + strings.Repeat("}", nest/5)
	m["nested begin"] = strings.Repeat("\\begin{a}", size/20) + strings.Repeat("\\end{a}", size/20)
	m["runs of backticks"] = func() string {
		var b strings.Builder
		for n := 1; b.Len() < size; n++ {
			b.WriteString(strings.Repeat("`", n) + "a")
		}
		return b.String()
	}()
	return m
}

// TestLinear gives each adversary a time that only a quadratic scanner exceeds: one took 11 s for half as much. BenchmarkAdversary
// says how long a megabyte takes.
func TestLinear(t *testing.T) {
	g := glossary(t, "dialog box\tkoadro\n")
	for name, text := range adversaries(1 << 16) {
		begin := time.Now()
		m := Mask(text, Options{Numbers: true, Glossary: g})
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%q: %v for %d bytes, %d holes", name, d, len(text), len(m.Values))
		}
		if m.Before+m.Template.Fill(m.Values)+m.After != text {
			t.Errorf("%q does not come back", name)
		}
	}
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct {
		t       Template
		json    string
		letters bool
		plain   string
	}{
		{Template{Text: []string{"Hello"}}, `"Hello"`, true, "Hello"},
		{Template{Text: []string{""}}, `""`, false, ""},
		{Template{Text: []string{"Open ", " now."}, Holes: []int{0}}, `["Open ",0," now."]`, true, "Open   now."},
		{Template{Text: []string{"", "", "!"}, Holes: []int{1, 0}}, `[1,0,"!"]`, false, "  !"},
		{Template{Text: []string{"", ""}, Holes: []int{0}}, `[0]`, false, " "},
	} {
		b, err := c.t.MarshalJSON()
		if err != nil || string(b) != c.json {
			t.Errorf("%v is %s, %v; want %s", c.t, b, err, c.json)
		}
		var back Template
		if err := back.UnmarshalJSON([]byte(c.json)); err != nil || !slices.Equal(back.Text, c.t.Text) || !slices.Equal(back.Holes, c.t.Holes) {
			t.Errorf("%s is read as %v, %v", c.json, back, err)
		}
		if c.t.Letters() != c.letters || c.t.Plain() != c.plain {
			t.Errorf("%v: letters %v, plain %q", c.t, c.t.Letters(), c.t.Plain())
		}
	}
	for _, bad := range []string{`["a","b"]`, `[-1]`, `[1.5]`, `[true]`, `{}`, `[99999999999]`, `null`, `[`, `[[0]]`} {
		var back Template
		if err := back.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is read as %v", bad, back)
		}
	}
	if _, err := (Template{Text: []string{"\xff"}}).MarshalJSON(); err == nil {
		t.Error("invalid UTF-8 is written as JSON")
	}
}

// TestAppendText: different templates have different bytes, also if their texts and holes put together are equal.
func TestAppendText(t *testing.T) {
	seen := map[string]Template{}
	texts := []string{"", "a", "\x00", "\x01a", "a\x00"}
	for _, a := range texts {
		add := func(u Template) {
			b, err := u.AppendText(nil)
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := seen[string(b)]; ok {
				t.Errorf("%v and %v are both %q", u, v, b)
			}
			seen[string(b)] = u
		}
		add(Template{Text: []string{a}})
		for _, b := range texts {
			for h := range 2 {
				add(Template{Text: []string{a, b}, Holes: []int{h}})
				for _, c := range texts {
					add(Template{Text: []string{a, b, c}, Holes: []int{h, 1 - h}})
				}
			}
		}
	}
}

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		text   string
		values []string
		want   string // "" if it fails
	}{
		{"Kopiatu `a` hona: `b`.", []string{"`b`", "`a`"}, `["Kopiatu ",1," hona: ",0,"."]`},
		{"`a` eta `a`", []string{"`a`", "`a`"}, `[0," eta ",1]`},
		{"`a` eta `a`", []string{"`a`"}, ""},
		{"`a`", []string{"`a`", "`b`"}, ""},
		{"Writerren getSize-ri", []string{"Writer", "getSize"}, `[0,"ren ",1,"-ri"]`},
		{"OpenWriter", []string{"Writer"}, ""},
		{"120 eta 12", []string{"12"}, `["120 eta ",0]`},
		{"snake eta snake_case", []string{"snake_case", "snake"}, `[1," eta ",0]`},
		{"ab abc", []string{"abc", "ab"}, `[1," ",0]`},
		{"Ezer ez", nil, `"Ezer ez"`},
		{"請看x吧", []string{"x"}, `["請看",0,"吧"]`},
	} {
		got, ok := Locate(c.text, c.values)
		b, _ := got.MarshalJSON()
		if ok != (c.want != "") || ok && string(b) != c.want {
			t.Errorf("%q %q: %s %v, want %s", c.text, c.values, b, ok, c.want)
		}
		if ok && got.Fill(c.values) != c.text {
			t.Errorf("%q %q comes back as %q", c.text, c.values, got.Fill(c.values))
		}
	}
	// Many values in a long text.
	var values []string
	var b strings.Builder
	for k := range 20000 {
		values = append(values, "`v"+strconv.Itoa(k)+"`")
		b.WriteString("hitz ")
		b.WriteString(values[len(values)-1])
	}
	text := b.String()
	slices.Reverse(values)
	got, ok := Locate(text, values)
	if !ok || got.Fill(values) != text || got.Holes[0] != len(values)-1 {
		t.Error("20,000 values are not located")
	}
}

func TestMaskedLocate(t *testing.T) {
	m := Mask("`x`: opens `y` now 🎉", Options{})
	got, ok := m.Locate(" `x`: orain `y` irekitzen du 🎉")
	if b, _ := got.MarshalJSON(); !ok || string(b) != `["orain ",0," irekitzen du"]` {
		t.Errorf("%s %v", b, ok)
	}
	if _, ok := m.Locate("Orain `y` irekitzen du `x`"); ok {
		t.Error("the beginning is missing and nobody says so")
	}
}

var speed = func() string {
	const p = "The master document lets you manage large documents, such as a book with many chapters. It can be seen as a container " +
		"for individual files (“subdocuments”), e.g. those of LibreOffice Writer. Choose File - Send - Create Master Document. "
	return strings.Repeat(p, 1+2048/len(p))[:2048]
}()

func BenchmarkMaskPlain(b *testing.B) {
	b.SetBytes(int64(len(speed)))
	b.ReportAllocs()
	for b.Loop() {
		Mask(speed, Options{})
	}
}

func BenchmarkMaskGlossary(b *testing.B) {
	var lines strings.Builder
	for k := range 10000 {
		lines.WriteString("term " + strconv.Itoa(k) + "\tx\n")
	}
	g := glossary(b, lines.String()+"master document\tmaisu-dokumentu\n")
	b.SetBytes(int64(len(speed)))
	for b.Loop() {
		Mask(speed, Options{Glossary: g})
	}
}

func BenchmarkAdversary(b *testing.B) {
	for name, text := range adversaries(1 << 20) {
		b.Run(strconv.QuoteToASCII(name), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				spans(nil, text, Options{})
			}
		})
	}
}

func glossary(t testing.TB, lines string) *Glossary {
	t.Helper()
	g, err := ReadGlossary("terms.tsv", []byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	return g
}
