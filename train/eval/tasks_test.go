package eval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/tokenize"
	"curate/train/model"
)

// scorerFunc is a scorer that sees a target, how many tokens it is predicted from, and the last of them.
type scorerFunc func(seen int, last, target int32) float32

func (f scorerFunc) LogProbs(b *model.Batch, dst []float32) error {
	for i := range dst {
		if dst[i] = 0; b.Targets[i] != model.Ignore {
			dst[i] = f(i%b.Length-int(b.Starts[i])+1, b.Tokens[i], b.Targets[i])
		}
	}
	return nil
}

func subject(t testing.TB, s Scorer, most, batch int) *Subject {
	t.Helper()
	tok, err := tokenize.Open("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	return &Subject{Scorer: s, Tokenizer: tok, Prefix: 0, EOD: 0, Context: most, Batch: batch}
}

// put adds a line to a task.
func put(t testing.TB, task Task, line string) error {
	t.Helper()
	var b record.Batch
	b.Append(record.MakeID(1, 0), 1, []byte(line))
	b.Parse()
	if err := b.Records[0].Err; err != nil {
		t.Fatal(err)
	}
	return task.Add(context.Background(), &b.Records[0])
}

func finish(t testing.TB, task Task, err error, lines ...string) *Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := put(t, task, l); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
	}
	r, err := task.Finish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUniform: where each of V tokens is as likely as any other, a text has log2 V bits a token.
func TestUniform(t *testing.T) {
	uniform := scorerFunc(func(int, int32, int32) float32 { return float32(-math.Log(384)) })
	s := subject(t, uniform, 7, 50)
	texts := []string{"Kaixo, zer moduz?", "", "Ondo, eta zu? áé", "one two three four five six seven eight"}
	b, err := NewBits(s, BitsConfig{Stride: 2, By: record.MustPath("meta.lang")})
	var lines []string
	tokens, size := 0, 0
	for i, text := range texts {
		ids, err := s.Tokenizer.NewEncoder(tokenize.Options{}).Append(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		tokens, size = tokens+len(ids), size+len(text)
		lines = append(lines, fmt.Sprintf(`{"text":%q,"meta":{"lang":%q}}`, text, []string{"eu", "en"}[i/3]))
	}
	r := finish(t, b, err, lines...)
	all := r.Groups[0]
	if all.Documents != 4 || all.Tokens != int64(tokens) || all.Bytes != int64(size) || len(r.Groups) != 3 || *r.Groups[1].Group != "en" || r.Groups[1].Documents != 1 || r.Groups[2].Documents != 3 {
		t.Errorf("%+v", r.Groups)
	}
	if want := float64(tokens) * math.Log2(384) / float64(size); math.Abs(*all.BitsPerByte-want) > 1e-6 || math.Abs(*all.TokenPerplexity-384) > 1e-3 {
		t.Errorf("%v bits a byte, perplexity %v; not %v and 384", *all.BitsPerByte, *all.TokenPerplexity, want)
	}
	if r.Groups[1].Stderr != nil || all.Stderr == nil {
		t.Error("of one document there is no standard error, of four there is")
	}
	var row *RowError
	for _, line := range []string{`{"texts":"a"}`, `{"text":1}`, `{"text":"a","meta":{"lang":["eu"]}}`, `{"text":"a","meta":{"lang":"` + strings.Repeat("x", 300) + `"}}`} {
		if err := put(t, b, line); !errors.As(err, &row) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if err := put(t, b, `{"text":"a"}`); err != nil {
		t.Error(err)
	}
}

func TestPositions(t *testing.T) {
	// The loss is how many tokens a prediction sees: a bucket's mean is that of its positions.
	seen := scorerFunc(func(seen int, _, _ int32) float32 { return -float32(seen) })
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf(`{"text":"document %d, %s"}`, i, strings.Repeat("áb ", i%7)))
	}
	for _, c := range []PositionsConfig{{Length: 32, Buckets: 4}, {Length: 30, Buckets: 4}, {Length: 32}, {Length: 24, Bounds: true}} {
		s := subject(t, seen, 16, 100)
		p, err := NewPositions(s, c)
		r := finish(t, p, err, lines...)
		from, tokens := 1, int64(0)
		for _, b := range r.Buckets {
			if b.From != from {
				t.Errorf("%+v: a bucket begins with %d, not %d", c, b.From, from)
			}
			from = b.To + 1
			tokens += b.Tokens
			if c.Bounds {
				continue
			}
			if want := float64(b.From+b.To) / 2; math.Abs(*b.Loss-want) > 1e-9 || *b.Stderr > 1e-6 || b.Tokens != int64(b.To-b.From+1)*(r.Tokens/int64(c.Length)) {
				t.Errorf("%+v: %d–%d: loss %v ± %v of %d tokens, not %v", c, b.From, b.To, *b.Loss, *b.Stderr, b.Tokens, want)
			}
		}
		if from != c.Length+1 || tokens != r.Tokens || r.Tokens%int64(c.Length) != 0 || r.Left < 0 || r.Left >= int64(c.Length) {
			t.Errorf("%+v: buckets up to %d; %d of %d tokens, %d left", c, from-1, tokens, r.Tokens, r.Left)
		}
		if c.Bounds && r.Buckets[len(r.Buckets)-1].Tokens >= r.Buckets[2].Tokens {
			t.Error("with bounds as many predictions see much as see little")
		}
	}
	// Bytes of tokens are those of the text: here one row has all of it.
	s := subject(t, seen, 16, 100)
	text := "Agur, ñandú — àáâ"
	ids, _ := s.Tokenizer.NewEncoder(tokenize.Options{}).Append(nil, []byte(text))
	p, err := NewPositions(s, PositionsConfig{Length: len(ids) + 1, Buckets: 1})
	if r := finish(t, p, err, fmt.Sprintf(`{"text":%q}`, text)); r.Buckets[0].Bytes != int64(len(text)) {
		t.Errorf("%d bytes, not %d", r.Buckets[0].Bytes, len(text))
	}
	p, err = NewPositions(s, PositionsConfig{Length: len(ids) + 1, Buckets: len(ids) + 1})
	r := finish(t, p, err, `{"text":"Agur, ñandú — àáâ"}`)
	reached := 0
	for i := range ids { // the text is decoded token by token, and cut characters count where they end
		whole := len(strings.ToValidUTF8(s.Tokenizer.Decode(ids[:i+1], tokenize.DecodeOptions{}), ""))
		if strings.HasSuffix(s.Tokenizer.Decode(ids[:i+1], tokenize.DecodeOptions{}), "\uFFFD") {
			continue
		}
		sum := 0
		for _, b := range r.Buckets[:i+1] {
			sum += int(b.Bytes)
		}
		if sum != whole {
			t.Errorf("the first %d tokens have %d bytes, not %d", i+1, sum, whole)
		}
		reached++
	}
	if reached < 5 || r.Buckets[len(ids)].Bytes != 0 {
		t.Errorf("%d prefixes were compared; the EOD has %d bytes", reached, r.Buckets[len(ids)].Bytes)
	}
	p, err = NewPositions(s, PositionsConfig{Length: 100})
	if err == nil {
		if _, err = p.Finish(context.Background()); err == nil {
			t.Error("no text fills a row")
		}
	}
}

func TestPairs(t *testing.T) {
	s := subject(t, &oracle{t: t}, 5, 64)
	p, err := NewPairs(s, PairsConfig{})
	r := finish(t, p, err, `{"good":"the same","bad":"the same"}`, `{"good":"this is a longer text than the model sees at once","bad":"short"}`, `{"bad":"this is a longer text than the model sees at once","good":"short"}`)
	if r.Rows != 3 || r.Ties != 1 || *r.Metrics[0].Value != 1.0/3 || math.Abs(*r.Metrics[1].Value) > 1e-9 {
		t.Errorf("%+v %v", r, *r.Metrics[0].Value)
	}
	var row *RowError
	for _, line := range []string{`{"good":"a"}`, `{"good":"a","bad":""}`, `{"good":"a","bad":null}`} {
		if err := put(t, p, line); !errors.As(err, &row) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestChoiceRows(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"question":"q","choices":["a","b"],"answer":1}`, "1 of [a b]"},
		{`{"question":"q","choices":["a","b"],"answer":"b"}`, "1 of [a b]"},
		{`{"question":"q","choices":["x","y"],"answer":"B","partial":"end"}`, "1 of [x y] end"},
		{`{"question":"q","choices":["x","y"],"answer":0,"partial":null}`, "0 of [x y]"},
		{`{"question":"q","choices":{"text":["x","y"],"label":["1","2"]},"answer":"2"}`, "1 of [x y]"},
		{`{"question":"q","choices":["x","y"],"answer":2}`, `field "answer" is 2; the 2 choices are counted from 0`},
		{`{"question":"q","choices":["x","y"],"answer":-1}`, `field "answer" is -1; the 2 choices are counted from 0`},
		{`{"question":"q","choices":["x","y"],"answer":0.5}`, `field "answer" is neither a whole number nor a string`},
		{`{"question":"q","choices":["x","y"],"answer":"C"}`, `field "answer" is "C", which is none of the choices, nor a letter from A on`},
		{`{"question":"q","choices":["x","y"]}`, `field "answer" is missing`},
		{`{"question":"q","choices":["x"],"answer":0}`, `field "choices" has 1 choices; there must be two`},
		{`{"question":"q","choices":[1,2],"answer":0}`, `field "choices" is no list of strings`},
		{`{"question":"q","choices":{"text":["x","y"],"label":["1"]},"answer":0}`, `field "choices" is neither a list of strings nor an object with as many "text" as "label"`},
		{`{"choices":["x","y"],"answer":0}`, `field "question" is missing`},
		{`{"question":"q","answer":0}`, `field "choices" is missing`},
	} {
		got := ""
		if row, err := readLine(c.line); err != nil {
			got = err.Error()
		} else if got = fmt.Sprint(row.answer, " of ", row.choices); row.partial != "" {
			got += " " + row.partial
		}
		if got != c.want {
			t.Errorf("%s: %s, not %s", c.line, got, c.want)
		}
	}
}

func readLine(line string) (*choiceRow, error) {
	var b record.Batch
	b.Append(record.MakeID(1, 0), 1, []byte(line))
	b.Parse()
	if err := b.Records[0].Err; err != nil {
		return nil, err
	}
	var c ChoiceConfig
	if err := c.defaults(); err != nil {
		return nil, err
	}
	return c.read(&b.Records[0])
}

// TestPrompt: what a model sees, and of what it is asked for the probability.
func TestPrompt(t *testing.T) {
	s := subject(t, nil, 1000, 0)
	pool, err := NewPool(ChoiceConfig{Prompt: "Q: {question}\nA:"})
	if err != nil {
		t.Fatal(err)
	}
	var b record.Batch
	b.Append(record.MakeID(1, 0), 1, []byte(`{"question":"1+1?","choices":["one","two"],"answer":1}`))
	b.Parse()
	if err := pool.Add(&b.Records[0]); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, context, asked string }{
		{`{"question":"2+2?","choices":["four","five"],"answer":0}`, "Q: 1+1?\nA: two\n\nQ: 2+2?\nA:", " four"},
		{`{"question":"x","choices":["four","five"],"partial":"ways","answer":0}`, "Q: 1+1?\nA: two\n\nQ: x\nA:four", " ways"},
	} {
		task, err := NewChoice(s, ChoiceConfig{Prompt: "Q: {question}\nA:", Shots: 1, Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t, task, c.line); err != nil {
			t.Fatal(err)
		}
		seq := task.queue.seqs[0]
		context, asked := s.Tokenizer.Decode(seq.ids[:seq.from], tokenize.DecodeOptions{}), s.Tokenizer.Decode(seq.ids[seq.from:], tokenize.DecodeOptions{})
		if context != c.context || asked != c.asked {
			t.Errorf("%q is asked for behind %q, not %q behind %q", asked, context, c.asked, c.context)
		}
	}
	short := subject(t, nil, 4, 0)
	task, err := NewChoice(short, ChoiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var row *RowError
	if err := put(t, task, `{"question":"q","choices":["a","a choice of many more tokens"],"answer":0}`); !errors.As(err, &row) || len(task.queue.seqs) != 0 {
		t.Errorf("a choice is longer than the context: %v", err)
	}
	if err := put(t, task, `{"question":"a question of many tokens","choices":["a","b"],"answer":0}`); err != nil || task.cut != 2 {
		t.Errorf("%d contexts were cut: %v", task.cut, err)
	}
	for _, c := range []ChoiceConfig{{Prompt: "no place"}, {Shots: 1}, {Shots: -1}} {
		if _, err := NewChoice(s, c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestChoiceLengths: log p is divided by characters for acc_norm, and by bytes for acc_bytes.
func TestChoiceLengths(t *testing.T) {
	s := subject(t, scorerFunc(func(_ int, _, target int32) float32 { return -float32(target%7 + 1) }), 200, 64)
	words := []string{"ñandú", "abcdef", "—", "x", "ééé", "the file", "a ß", "dokumentu"}
	differ := [4]int{}
	for i := range words {
		for j := range words {
			if i == j {
				continue
			}
			var of, chars, bytes, alone [2]float64
			for k, word := range []string{words[i], words[j]} {
				ids, err := s.Tokenizer.NewEncoder(tokenize.Options{}).Append(nil, []byte("Zer? "+word))
				if err != nil {
					t.Fatal(err)
				}
				before, _ := s.Tokenizer.NewEncoder(tokenize.Options{}).Append(nil, []byte("Zer?"))
				for _, id := range ids[len(before):] {
					of[k] -= float64(id%7 + 1)
				}
				chars[k], bytes[k] = of[k]/float64(len([]rune(word))), of[k]/float64(len(word))
			}
			task, err := NewChoice(s, ChoiceConfig{MutualInfo: true})
			r := finish(t, task, err, fmt.Sprintf(`{"question":"Zer?","choices":[%q,%q],"answer":1}`, words[i], words[j]))
			for m, by := range [][2]float64{of, chars, bytes, alone} { // without a question a choice is as likely: the first wins
				want := 0.0
				if by[1] > by[0] {
					want = 1
				}
				if *r.Metrics[m].Value != want {
					t.Errorf("%s of %q and %q: %v, not %v", r.Metrics[m].Name, words[i], words[j], *r.Metrics[m].Value, want)
				}
				if want != *r.Metrics[0].Value || m == 2 && want != *r.Metrics[1].Value {
					differ[m]++
				}
			}
		}
	}
	if differ[1] == 0 || differ[2] == 0 || differ[3] == 0 {
		t.Errorf("the metrics never differ: %v", differ)
	}
}

// TestBOS: what the tokenizer puts before each text is part of a context, and stands once before a text without one; what it
// puts behind a text is nowhere.
func TestBOS(t *testing.T) {
	file, err := os.ReadFile("testdata/tiny/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]jsontext.Value
	if err := json.Unmarshal(file, &parts); err != nil {
		t.Fatal(err)
	}
	parts["post_processor"] = jsontext.Value(`{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|endoftext|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<|endoftext|>","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<|endoftext|>":{"id":"<|endoftext|>","ids":[0],"tokens":["<|endoftext|>"]}}}`)
	with, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Load(bytes.NewReader(with))
	if err != nil {
		t.Fatal(err)
	}
	s := subject(t, nil, 100, 0)
	s.Tokenizer = tok
	e, err := newEncoding(s)
	if err != nil {
		t.Fatal(err)
	}
	decode := func(ids []uint32) string { return tok.Decode(ids, tokenize.DecodeOptions{}) }
	for _, c := range []struct{ context, continuation, head, tail string }{
		{"Kaixo", " mundua", "<|endoftext|>Kaixo", " mundua"},
		{"Kaixo  ", "mundua", "<|endoftext|>Kaixo", "  mundua"},
		{"", " mundua", "<|endoftext|>", " mundua"},
		{" ", "mundua", "<|endoftext|>", " mundua"},
		{"", "<|endoftext|> mundua", "<|endoftext|>", " mundua"},
	} {
		seq, cut, err := e.pair(c.context, c.continuation)
		if err != nil || cut || decode(seq.ids[:seq.from]) != c.head || decode(seq.ids[seq.from:]) != c.tail {
			t.Errorf("%q, %q: %q, %q, %v", c.context, c.continuation, decode(seq.ids[:seq.from]), decode(seq.ids[seq.from:]), err)
		}
	}
	if ids, err := e.text([]byte("Kaixo")); err != nil || decode(ids) != "<|endoftext|>Kaixo" {
		t.Errorf("%q %v", decode(ids), err)
	}
}

func FuzzChoice(f *testing.F) {
	for _, s := range []string{`{"question":"q","choices":["a","b"],"answer":1}`, `{"question":" ","choices":{"text":["x",""],"label":["1","2"]},"answer":"2","partial":" "}`, `{"question":"","choices":["\u00e9","b"],"answer":"A"}`, `{"choices":{}}`, `[]`} {
		f.Add(s)
	}
	s := subject(f, scorerFunc(func(int, int32, int32) float32 { return -1 }), 16, 64)
	f.Fuzz(func(t *testing.T, line string) {
		var b record.Batch
		b.Append(record.MakeID(1, 0), 1, []byte(line))
		b.Parse()
		if b.Records[0].Err != nil {
			return
		}
		task, err := NewChoice(s, ChoiceConfig{MutualInfo: true})
		if err != nil {
			t.Fatal(err)
		}
		var row *RowError
		if err := task.Add(context.Background(), &b.Records[0]); err != nil {
			if !errors.As(err, &row) {
				t.Fatal(err)
			}
			return
		}
		r, err := task.Finish(context.Background())
		if err != nil || r.Rows != 1 || r.Metrics[0].Value == nil {
			t.Fatal(r, err)
		}
	})
}
