package pretokenizer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// set begins a text.
func (p *Pieces) set(text string, offsets bool) {
	p.Text.Set([]byte(text), 0, offsets)
	p.Ends, p.InAlphabet = p.Ends[:0], false
	if text != "" {
		p.Ends = append(p.Ends, len(text))
	}
}

// TestReference has what HF tokenizers 0.23.3 answers, pieces and offsets; testdata/pretokenizers.py asked.
func TestReference(t *testing.T) {
	f, err := os.Open("testdata/pretokenizers.jsonl.zst")
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
	ran, types := 0, map[string]int{}
	var p Pieces
	for lines.Scan() {
		var c struct {
			C   json.RawMessage
			Err string
			R   [][2]json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		pre, err := New("pre_tokenizer", jsontext.Value(c.C))
		if (err != nil) != (c.Err != "") {
			t.Errorf("%s: %v; the reference: %s", c.C, err, c.Err)
		}
		if err != nil {
			continue
		}
		types[pre.Type()]++
		byteLevel := strings.Contains(string(c.C), "ByteLevel")
		for _, row := range c.R {
			var text string
			var pieces [][3]any
			if json.Unmarshal(row[0], &text) != nil || json.Unmarshal(row[1], &pieces) != nil {
				t.Fatalf("%s", row)
			}
			want := ""
			for _, w := range pieces {
				s := w[0].(string)
				if byteLevel { // bytes, here
					var b strings.Builder
					for _, r := range s {
						if c, ok := AppendBytes(nil, []byte(string(r))); ok {
							b.Write(c)
						} else {
							b.WriteRune(r)
						}
					}
					s = b.String()
				}
				want += fmt.Sprintf("%q %v %v|", s, w[1], w[2])
			}
			ran++
			p.set(text, true)
			if err := pre.Split(&p); err != nil {
				t.Fatal(err)
			}
			got, from := "", 0
			for _, end := range p.Ends {
				o := p.Text.Original(from, end)
				n := utf8.RuneCountInString(text[:o.From])
				got += fmt.Sprintf("%q %d %d|", p.Text.B[from:end], n, n+utf8.RuneCountInString(text[o.From:o.To]))
				from = end
			}
			if got != want {
				t.Errorf("%s on %q:\n got %s\nwant %s", c.C, text, got, want)
			}
			b, ends := string(p.Text.B), slices.Clone(p.Ends)
			p.set(text, false)
			if err := pre.Split(&p); err != nil || string(p.Text.B) != b || !slices.Equal(p.Ends, ends) {
				t.Errorf("%s on %q: %v, other pieces without offsets", c.C, text, err)
			}
		}
	}
	if ran < 8000 || len(types) != len(Types()) {
		t.Errorf("%d cases, types %v", ran, types)
	}
}

func sequenceOf(parts ...string) string {
	return `{"type":"Sequence","pretokenizers":[` + strings.Join(parts, ",") + `]}`
}

func TestFast(t *testing.T) {
	quoted := func(pattern, behavior string, invert bool) string {
		p, _ := json.Marshal(pattern)
		return fmt.Sprintf(`{"type":"Split","pattern":{"Regex":%s},"behavior":%q,"invert":%v}`, p, behavior, invert)
	}
	bytes := `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}`
	for _, c := range []struct {
		json, scanner string
		prefix        bool
		names         string
		regexes       int
	}{
		{`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true}`, "gpt2", true, "gpt2", 0},
		{sequenceOf(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`), "gpt2", false, "gpt2", 0},
		{bytes, "", false, "", 0},
		{sequenceOf(quoted(cl100kPattern, "Isolated", false), bytes), "cl100k", false, "cl100k", 0},
		{sequenceOf(quoted(qwen2Pattern, "Removed", true), bytes), "qwen2", false, "qwen2", 0},
		{sequenceOf(quoted(qwen2Pattern, "Removed", false), bytes), "", false, "qwen2", 0},
		{sequenceOf(quoted(`\d`, "Isolated", false), bytes), "", false, "", 1},
		{sequenceOf(`{"type":"Digits","individual_digits":true}`, `{"type":"ByteLevel"}`), "", false, "gpt2", 0},
		{sequenceOf(`{"type":"Digits","individual_digits":true}`, strings.Replace(bytes, "use_regex\":false", "use_regex\":true", 1)), "digits_gpt2", false, "digits_gpt2", 0},
		{sequenceOf(`{"type":"Digits","individual_digits":false}`, strings.Replace(bytes, "use_regex\":false", "use_regex\":true", 1)), "", false, "gpt2", 0},
		{sequenceOf(quoted(deepSeek3Regexes[0], "Isolated", false), quoted(deepSeek3Regexes[1], "Isolated", false), quoted(deepSeek3Regexes[2], "Isolated", false), bytes), "deepseek3", false, "deepseek3", 0},
		{sequenceOf(quoted(deepSeek3Regexes[1], "Isolated", false), quoted(deepSeek3Regexes[0], "Isolated", false), quoted(deepSeek3Regexes[2], "Isolated", false), bytes), "", false, "", 3},
		{sequenceOf(quoted(deepSeek3Regexes[0], "Removed", false), quoted(deepSeek3Regexes[1], "Isolated", false), quoted(deepSeek3Regexes[2], "Isolated", false), bytes), "", false, "", 3},
	} {
		p, err := New("pre_tokenizer", jsontext.Value(c.json))
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		s, prefix, ok := Fast(p)
		if ok {
			name = s.Name()
		}
		names, regexes := Scanners(p)
		if name != c.scanner || prefix != c.prefix || strings.Join(names, " ") != c.names || len(regexes) != c.regexes {
			t.Errorf("%s: fast %q %v, scanners %v, regexes %q", c.json, name, prefix, names, regexes)
		}
	}
}

func TestNewErrors(t *testing.T) {
	deep := strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 20) + strings.Repeat("]}", 20)
	for _, c := range []struct{ json, want string }{
		{`{"type":"Foo"}`, `pre_tokenizer: pre-tokenizer "Foo"; there are BertPreTokenizer,`},
		{sequenceOf(`{"type":"Whitespace"}`, `{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated","invert":false}`), `pre_tokenizer.pretokenizers[1].pattern: regex "("`},
		{`{"type":"Split","pattern":{},"behavior":"Isolated","invert":false}`, `pre_tokenizer.pattern: want`},
		{`{"type":"Split","pattern":{"String":"a"},"behavior":"isolated","invert":false}`, `the behavior "isolated" is not known`},
		{`{"type":"FixedLength","length":0}`, "want 1 or more"},
		{`{"type":"Metaspace","replacement":"ab"}`, "want one character"},
		{`{"type":"Metaspace","replacement":"a","add_prefix_space":false,"prepend_scheme":"always"}`, "do not go together"},
		{`{"type":"CharDelimiterSplit","delimiter":""}`, "want one character"},
		{`{"type":"Whitespace","x":1}`, "x"},
		{deep, "Sequences in one another"},
	} {
		if _, err := New("pre_tokenizer", jsontext.Value(c.json)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v; want %s", c.json, err, c.want)
		}
	}
}

// TestCharacters has the sizes of the sets that every code point was compared with the reference for.
func TestCharacters(t *testing.T) {
	for _, c := range []struct {
		name string
		has  func(rune) bool
		want int
	}{
		{"white space", whiteSpace().set.Has, 25},
		{"numeric", numericCharacters().set.Has, 1924},
		{"word", wordCharacters().Has, 144667},
		{"punctuation", punctuationMarks().set.Has, 726},
	} {
		n := 0
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if c.has(r) {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d code points, want %d", c.name, n, c.want)
		}
	}
}

func TestAlphabet(t *testing.T) {
	for b := range 256 {
		got, ok := AppendBytes(nil, []byte(string(Letter(byte(b)))))
		if !ok || len(got) != 1 || got[0] != byte(b) || bytesOfAll[b] != byte(b) {
			t.Errorf("%#x: %q %v", b, got, ok)
		}
	}
}

// TestPiecesCover: without one that removes, the pieces are the text.
func TestPiecesCover(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"a", "Z", " ", "\n", "1", "é", "漢", "か", ".", "\xff", "\xe6", "'s", "▁", "Ġ", "²"}
	var p Pieces
	for _, c := range []string{
		`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}`,
		`{"type":"Digits","individual_digits":true}`,
		`{"type":"FixedLength","length":3}`,
		`{"type":"Punctuation","behavior":"MergedWithNext"}`,
		`{"type":"Split","pattern":{"Regex":"\\s?\\p{L}+|"},"behavior":"MergedWithPrevious","invert":true}`,
		sequenceOf(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}`, `{"type":"Digits","individual_digits":false}`),
	} {
		pre, err := New("pre_tokenizer", jsontext.Value(c))
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			var b strings.Builder
			for range rnd.IntN(12) {
				b.WriteString(parts[rnd.IntN(len(parts))])
			}
			text := b.String()
			p.set(text, true)
			if err := pre.Split(&p); err != nil {
				t.Fatal(err)
			}
			last := 0
			for _, end := range p.Ends {
				if end <= last {
					t.Fatalf("seed %d: %s on %q: ends %v", seed, c, text, p.Ends)
				}
				last = end
			}
			if string(p.Text.B) != text || last != len(text) {
				t.Fatalf("seed %d: %s on %q: %q, ends %v", seed, c, text, p.Text.B, p.Ends)
			}
		}
	}
}

func FuzzNew(f *testing.F) {
	f.Add(`{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}`, "a b")
	f.Add(sequenceOf(`{"type":"Whitespace"}`, `{"type":"ByteLevel"}`, `{"type":"Digits","individual_digits":true}`), "a1 \xff")
	f.Add(`{"type":"Split","pattern":{"Regex":"a|"},"behavior":"Contiguous","invert":true}`, "xaay")
	f.Fuzz(func(t *testing.T, config, text string) {
		pre, err := New("pre_tokenizer", jsontext.Value(config))
		if err != nil {
			return
		}
		var p Pieces
		p.set(text[:min(len(text), 1000)], true)
		if err := pre.Split(&p); err != nil {
			return
		}
		last := 0
		for _, end := range p.Ends {
			if end <= last {
				t.Fatalf("ends %v", p.Ends)
			}
			last = end
		}
		if last != len(p.Text.B) || len(p.Text.Of) != last {
			t.Fatalf("ends %v of %d bytes, %d offsets", p.Ends, len(p.Text.B), len(p.Text.Of))
		}
	})
}
