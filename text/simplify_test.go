package text

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// forms are what the reference has an answer to.
var forms = []struct {
	name string
	of   func(text []byte) []byte
}{
	{"lower", func(b []byte) []byte { return AppendLower(nil, b) }},
	{"lower words", func(b []byte) []byte {
		words, _ := AppendLowerWords(nil, nil, b)
		return words
	}},
	{"simplified", func(b []byte) []byte { return AppendSimplified(nil, b) }},
	{"simplified words", func(b []byte) []byte {
		words, _ := AppendSimplifiedWords(nil, nil, AppendSimplified(nil, b))
		return words
	}},
}

// TestEachCharacter compares digests of what becomes of every character alone and with others at its sides:
// testdata/python/answers.py prints them. They are those of Unicode 14.0 whatever the Go release knows.
func TestEachCharacter(t *testing.T) {
	want := map[string]string{
		"lower":            "4df389a62dfdb904b10266149d3a68c543a3ea90f81f344da7069b7ef9aba172",
		"lower words":      "9d568ceacb9f9276b649f69252c0cca835570bd8941ec5fdf77c64ce43a126e4",
		"simplified":       "78511351e0414aea505e8760917376d9f165216b9750dc0e730979089b136fcb",
		"simplified words": "fc5dce8184f1e5b7f30ac00edc959dacb4e4d273db01b8998bdfa11e2e48f5d8",
	}
	digests := map[string]hash.Hash{}
	for _, f := range forms {
		digests[f.name] = sha256.New()
	}
	var block []string
	for c := rune(0); c <= 0xE0200; c++ {
		if 0xD800 <= c && c < 0xE000 || 0x30000 < c && c < 0xE0000 {
			continue
		}
		s := string(c)
		block = append(block, fmt.Sprintf("%[1]s a%[1]s %[1]sb a%[1]sb 0%[1]s 0%[1]s0 AΣ%[1]sb A%[1]sΣ", s))
		if len(block) == 64 {
			b := []byte(strings.Join(block, "\n"))
			for _, f := range forms {
				digests[f.name].Write(append(f.of(b), '\n'))
			}
			block = block[:0]
		}
	}
	for name, d := range digests {
		if got := fmt.Sprintf("%x", d.Sum(nil)); got != want[name] {
			t.Errorf("%s: digest %s, not %s", name, got, want[name])
		}
	}
}

// TestRandomTexts: testdata/python/random_texts.py made them and asked the reference.
func TestRandomTexts(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "python", "random.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var row struct {
			Text, Lower, Simplified string
			LowerWords              []string `json:"lower_words"`
			SimplifiedWords         []string `json:"simplified_words"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		want := []string{row.Lower, strings.Join(row.LowerWords, " "), row.Simplified, strings.Join(row.SimplifiedWords, " ")}
		for i, f := range forms {
			if got := string(f.of([]byte(row.Text))); got != want[i] {
				t.Errorf("%s of %+q:\n got %+q\nwant %+q", f.name, row.Text, got, want[i])
			}
		}
	}
	if err := lines.Err(); err != nil || n == 0 {
		t.Fatalf("%d texts, %v", n, err)
	}
}

func TestSimplified(t *testing.T) {
	tests := []struct{ text, want string }{
		// What datatrove's simplify_text answers, CPython 3.11.
		{"Hello, World! It's 3.14 or 1,000,000.5", "hello world it s 0 or 0 0"},
		{"1|2|3", "0 0 0"},
		{"Café  naïve\tÉCOLE", "cafe naive ecole"},
		{"price: €5 – “quote” … end", "price €0 quote end"},
		{"٣٫١٤ number", "0 number"},
		{"İstanbul ẞ ﬁ", "istanbul ß ﬁ"},
		{"IP 192.168.1.1, v1.2.3", "ip 0 0 v0 0"},
		{"1e10 ½ ² ③", "0e0 ½ ² ③"},
		{"हिन्दी ।", "हिनदी ।"},
		{"한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"},
		{"|$17.56||1|\n|$15.37||2599|", "0 0 0 0"},
		{"", ""},
		{" \u00a0\u2003\u3000.\x1c", ""},
		{"a \u0301 b", "a  b"},                   // a mark alone
		{"\u0301 a \u0301", "a"},                 // and at the ends
		{"a\u200bb", "a\u200bb"},                 // no white space
		{"≠ ≮", "= <"},                           // punctuation that NFD brings forth
		{"ab\uff11\uff11.\uff15c\uff01", "ab0c"}, // a digit that is called punctuation
		{"ΟΔΥΣΣΕΥΣ ΣΑΣ Σ", "οδυσσευς σας σ"},
		{"\u302e\ua953 a\u302e\U0001d165", "\ua953\u302e a\U0001d165\u302e"}, // classes 224, 9; 224, 216
	}
	for _, c := range tests {
		if got := string(AppendSimplified([]byte("x "), []byte(c.text))); got != "x "+c.want {
			t.Errorf("%+q: %+q, not %+q", c.text, got, "x "+c.want)
		}
	}
	var every []byte
	for c := range rune(0x110000) {
		if c < 0xD800 || c >= 0xE000 {
			if k := kindOf(c); k&kindBlank != 0 {
				every = utf8.AppendRune(every, c)
			}
		}
	}
	if got := string(AppendSimplified(nil, every)); got != "0" { // U+FF11; datatrove's tests/pipeline/text/test_text.py
		t.Errorf("all punctuation and white space: %q", got)
	}
}

func TestSimplifiedWords(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"  ", ""},
		{" a  b ", "a b"},
		{"dont cannot shouldntve well ill id", "do nt can not should nt ve well ill i d"},
		{"0km 0kmx x0km² 0€ €0 a€", "0 km 0kmx x0 km² 0 € € 0 a€"},
		{"⌘ctrl a⌘b ⌘⌘ ©im® a©dont", "⌘ ctrl a ⌘ b ⌘ ⌘ © i m ® a © dont"},
		{"‘s ‘s©x ‘sx x‘s ‘a‘", "‘s ‘s © x ‘ sx x‘s ‘ a ‘"},
		{"a<b a=0 <a= a; §a§", "a < b a=0 < a= a ; § a§"},
		{"0тбكم", "0 тбكم"},
	}
	for _, c := range tests {
		words, ends := AppendSimplifiedWords([]byte("x"), []int32{9}, []byte(c.text))
		if got := string(words); got != "x"+c.want {
			t.Errorf("%q: %q, not %q", c.text, got, "x"+c.want)
		}
		if n := len(strings.Fields(c.want)); len(ends) != 1+n || n > 0 && int(ends[n]) != len(words) {
			t.Errorf("%q: %d words end at %d", c.text, n, ends[1:])
		}
	}
}

// checkWords: each word ends before a space or at the end of all, holds no space and is not empty.
func checkWords(t *testing.T, words []byte, ends []int32, prefix int) {
	t.Helper()
	lo := prefix
	for i, e := range ends {
		if int(e) <= lo || bytes.ContainsRune(words[lo:e], ' ') {
			t.Fatalf("word %d of %q is from %d to %d", i, words, lo, e)
		}
		lo = int(e) + 1
	}
	if end := max(prefix, lo-1); end != len(words) {
		t.Fatalf("the last word of %q ends at %d", words, end)
	}
}

func fuzzSeeds(f *testing.F) {
	for _, s := range []string{"", "a", "Hello, World! It's 3.14", "ΑΣ. ΑΣΑ İ", "\u0301 a \u0344\u302e\ua953", "≠ ≮ 각 ⌘dont 0km² ‘s©x", "\xff\xc3", "\xd9\u065e\x9e", "١٫٢٫"} {
		f.Add([]byte(s))
	}
}

// FuzzSimplified: valid UTF-8 in, valid UTF-8 out; nothing that must be gone is there; the splitter only sets
// spaces.
func FuzzSimplified(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		simple := AppendSimplified([]byte("pre"), b)
		if string(simple[:3]) != "pre" {
			t.Fatalf("what was there became %q", simple[:3])
		}
		simple = simple[3:]
		if !bytes.Equal(simple, AppendSimplified(nil, b)) {
			t.Fatalf("%q: depends on what was there", b)
		}
		valid := utf8.Valid(b)
		for i, w := 0, 0; i < len(simple); i += w {
			var r rune
			r, w = utf8.DecodeRune(simple[i:])
			// Of what is no UTF-8, bytes that a mark has kept apart may become a character.
			if k := kindOf(r); valid && (r == utf8.RuneError && w == 1 || k&kindMark != 0 || k&kindDigit != 0 && r != '0') {
				t.Fatalf("%q: %q at byte %d of %q", b, r, i, simple)
			}
		}
		if s := TrimRight(TrimLeft(simple)); len(s) != len(simple) && valid {
			t.Fatalf("%q: %q is not stripped", b, simple)
		}
		for _, in := range [][]byte{simple, b} { // any text, though only simplified text has a meaning
			words, ends := AppendSimplifiedWords([]byte("pre"), nil, in)
			checkWords(t, words, ends, 3)
			if !bytes.Equal(bytes.ReplaceAll(words[3:], []byte(" "), nil), bytes.ReplaceAll(in, []byte(" "), nil)) {
				t.Fatalf("%q became %q", in, words)
			}
		}
	})
}

// TestLowerWord8 compares eight bytes at once with one at a time: every byte at every place, in front of every kind.
func TestLowerWord8(t *testing.T) {
	for _, rest := range []byte{'a', 'Z', '7', '_', ' ', '@', '[', '`', '{', 0, 0x7F, 0x80, 0xC3, 0xE1, 0xFF} {
		for at := range 8 {
			for c := range 256 {
				var b, got [8]byte
				for i := range b {
					b[i] = rest
				}
				b[at] = byte(c)
				lower, n := lowerWord8(binary.LittleEndian.Uint64(b[:]))
				binary.LittleEndian.PutUint64(got[:], lower)
				want := 0
				for want < 8 && asciiWord[b[want]] != 0 {
					b[want] = asciiWord[b[want]]
					want++
				}
				if n != want || string(got[:n]) != string(b[:n]) {
					t.Fatalf("%q at %d among %q: %d bytes %q, not %d bytes %q", byte(c), at, rest, n, got[:min(n, 8)], want, b[:want])
				}
			}
		}
	}
}

// FuzzLowerWords compares them with the runs of \w in the lower case.
func FuzzLowerWords(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		lower := AppendLower([]byte("pre"), b)
		if string(lower[:3]) != "pre" || utf8.Valid(b) && !utf8.Valid(lower) {
			t.Fatalf("%q became %q", b, lower)
		}
		want := bytes.FieldsFunc(lower[3:], func(r rune) bool { return kindOf(r)&kindWord == 0 })
		words, ends := AppendLowerWords([]byte("pre"), []int32{1}, b)
		if !slices.Equal(words[3:], bytes.Join(want, []byte(" "))) || len(ends) != 1+len(want) {
			t.Fatalf("%q: %q, not %q", b, words[3:], want)
		}
		checkWords(t, words, ends[1:], 3)
	})
}

func TestFormsAllocateNothing(t *testing.T) {
	b := []byte(strings.Repeat("Don't “quote” É 3,5km ⌘ctrl ΑΣ İ 각 ‘s \u302e\ua953 x≠y. ", 50))
	var lower, words, simple []byte
	var ends []int32
	work := func() {
		lower = AppendLower(lower[:0], b)
		words, ends = AppendLowerWords(words[:0], ends[:0], b)
		simple = AppendSimplified(simple[:0], b)
		words, ends = AppendSimplifiedWords(words[:0], ends[:0], simple)
	}
	work()
	if n := testing.AllocsPerRun(20, work); n > 0 {
		t.Errorf("%v allocations in steady state", n)
	}
}
