package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
	"curate/tokenize"
)

// tokenizer has a token for each byte, and for "low" and " low".
func tokenizer(t testing.TB) *tokenize.Tokenizer {
	t.Helper()
	name := func(s string) string { // in the alphabet of byte-level tokenizers
		var b strings.Builder
		for _, c := range []byte(s) {
			switch {
			case c >= '!' && c <= '~' || c >= 0xa1 && c <= 0xac || c >= 0xae:
				b.WriteRune(rune(c))
			default:
				n := 0
				for o := range c {
					if !(o >= '!' && o <= '~' || o >= 0xa1 && o <= 0xac || o >= 0xae) {
						n++
					}
				}
				b.WriteRune(rune(256 + n))
			}
		}
		return b.String()
	}
	vocab := map[string]int{}
	for b := range 256 {
		vocab[name(string([]byte{byte(b)}))] = b
	}
	var merges []string
	for i, m := range [][2]string{{"l", "o"}, {"lo", "w"}, {" ", "low"}} {
		vocab[name(m[0]+m[1])] = 256 + i
		merges = append(merges, name(m[0])+" "+name(m[1]))
	}
	v, err := json.Marshal(vocab)
	if err != nil {
		t.Fatal(err)
	}
	m, err := json.Marshal(merges)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Load(strings.NewReader(`{"added_tokens":[],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},"model":{"type":"BPE","vocab":` + string(v) + `,"merges":` + string(m) + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestCount(t *testing.T) {
	e := tokenizer(t).NewEncoder(tokenize.Options{})
	var c counter
	for _, x := range []struct {
		text string
		Text
		Tokens
	}{
		{"", Text{1, 0, 0, 0}, Tokens{0, 0, 0}},
		{" \n ", Text{1, 3, 3, 0}, Tokens{3, 0, 0}},
		{"low low", Text{1, 7, 7, 2}, Tokens{2, 0, 0}},
		{"lows low", Text{1, 8, 8, 2}, Tokens{3, 1, 0}},
		{"é low", Text{1, 6, 5, 2}, Tokens{3, 1, 0}}, // both tokens of é stand for all of it
		{"low\u2003low", Text{1, 9, 7, 2}, Tokens{5, 0, 0}},
		{"xy z\n", Text{1, 5, 5, 2}, Tokens{5, 1, 0}},
	} {
		text := c.cut([]byte(x.text))
		tokens, err := c.count(e, []byte(x.text), 'x')
		if err != nil || text != x.Text {
			t.Errorf("%q: %+v %v, want %+v", x.text, text, err, x.Text)
		}
		x.Tokens.Unknown = int64(strings.Count(x.text, "x"))
		if tokens != x.Tokens {
			t.Errorf("%q: %+v, want %+v", x.text, tokens, x.Tokens)
		}
	}
}

func lines() (list [][]byte) {
	for i, s := range strings.Split("low lows||é|a b c|low\nlow|世界 low|lo|w|x y|low low low| |\t.|ß|1 2|low", "|") {
		list = append(list, fmt.Appendf(nil, `{"text":%q,"lang":"%c"}`, s, 'a'+i%3))
	}
	return append(list, []byte(`{"text":7}`), []byte(`{"text":"x","lang":null}`), []byte(`{"text":"x"}`), []byte(`{"text":"x","lang":3}`), []byte(`no json`),
		fmt.Appendf(nil, `{"text":"x","lang":%q}`, strings.Repeat("y", maxGroup+1)))
}

func TestStage(t *testing.T) {
	tok := tokenizer(t)
	for _, by := range []string{"", "lang"} {
		s, err := New(Config{Tokenizers: []Named{{"a", tok}, {"b", tok}}, By: by})
		if err != nil {
			t.Fatal(err)
		}
		t.Run("by "+by, func(t *testing.T) { stagetest.Reducer(t, s, lines()) })
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "0 tokenizers; want 1 to 64"},
		{Config{Tokenizers: []Named{{"a", tok}, {"a", tok}}}, `two tokenizers are called "a"`},
		{Config{Tokenizers: []Named{{"a", tok}}, By: "x..y"}, "x..y"},
		{Config{Tokenizers: []Named{{"a", tok}}, TextField: "."}, ""},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// run gives the result of the stage on lines.
func run(t *testing.T, cfg Config, lines [][]byte) *Result {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{}
	for i, l := range lines {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
	}
	b.Parse()
	if err := s.Key().NewWorker().Map(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	p := s.NewPartial()
	if err := p.Add(b); err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := p.Seal(&sealed); err != nil {
		t.Fatal(err)
	}
	e := s.(*Eval)
	q := e.NewPartial().(*partial)
	if err := q.read([]io.Reader{&sealed}); err != nil {
		t.Fatal(err)
	}
	res, err := e.result(q.sorted())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestResult(t *testing.T) {
	tok := tokenizer(t)
	res := run(t, Config{Tokenizers: []Named{{"mine", tok}}, By: "lang"}, [][]byte{
		[]byte(`{"text":"low lows","lang":"eu"}`), []byte(`{"text":"low","lang":"eu"}`), []byte(`{"text":"xyz low","lang":"en"}`), []byte(`{"text":""}`),
	})
	var table strings.Builder
	if err := res.Table(&table); err != nil {
		t.Fatal(err)
	}
	want := `lang  tokenizer  vocabulary  documents  tokens  bytes/token  tokens/word  words cut  unknown
en    mine              259          1       4        1.750        2.000     50.0 %
eu    mine              259          2       4        2.750        1.333     33.3 %
null  mine              259          1       0            –            –          –
all   mine              259          4       8        2.250        1.600     40.0 %
`
	if table.String() != want {
		t.Errorf("got\n%swant\n%s", table.String(), want)
	}
	if res = run(t, Config{Tokenizers: []Named{{"a", tok}, {"b", tok}}}, nil); len(res.Groups) != 1 || res.Groups[0].Group != nil || len(res.Groups[0].Tokenizers) != 2 {
		t.Errorf("%+v", res)
	}
}

// FuzzRead wants an error or what can be sealed again.
func FuzzRead(f *testing.F) {
	tok := tokenizer(f)
	s, err := New(Config{Tokenizers: []Named{{"a", tok}}, By: "lang"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"group":"eu","documents":1,"bytes":2,"characters":2,"words":1,"tokenizers":[{"tokens":1,"continued":0,"unknown":0}]}` + "\n"))
	f.Add([]byte(`{"group":"eu","documents":9223372036854775807,"tokenizers":[{}]}{"group":"eu","documents":1,"tokenizers":[{}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		var out bytes.Buffer
		if err := s.Merge(&out, []io.Reader{bytes.NewReader(file)}); err != nil {
			return
		}
		var again bytes.Buffer
		if err := s.Merge(&again, []io.Reader{bytes.NewReader(out.Bytes())}); err != nil || !bytes.Equal(again.Bytes(), out.Bytes()) {
			t.Fatalf("%v: %q, then %q", err, out.Bytes(), again.Bytes())
		}
	})
}

var _ stage.Reducer = (*Eval)(nil)
