package generate

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/kernel"
	"curate/tokenize"
	"curate/train"
	"curate/train/model"
)

// tiny is a model of random weights that writes whatever its tokenizer has.
func tiny(t *testing.T, workers int) (*model.Model, *tokenize.Tokenizer) {
	t.Helper()
	l, err := train.Load(t.Context(), store.NewLocal(nil), "../eval/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	set, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, workers)
	t.Cleanup(pool.Close)
	m, err := model.New(l.Config, l.Params, pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Open(l.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	return m, tok
}

func writer(t *testing.T, m *model.Model, tok *tokenize.Tokenizer, o Options) *Writer {
	t.Helper()
	w, err := NewWriter(m, tok, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestGreedyTransformers: what its generate writes.
func TestGreedyTransformers(t *testing.T) {
	m, tok := tiny(t, 1)
	b, err := os.ReadFile("testdata/greedy.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range bytes.Lines(b) {
		var row struct {
			Prompt  string   `json:"prompt"`
			Penalty float64  `json:"penalty"`
			IDs     []uint32 `json:"ids"`
			Text    string   `json:"text"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		rows++
		o := Options{Sampling: Greedy(), MaxTokens: 1000, Context: m.Config.Context}
		o.RepetitionPenalty = row.Penalty
		prompt, err := NewPrompts(tok, 0).Encode([]byte(row.Prompt))
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		got, err := writer(t, m, tok, o).Write(t.Context(), prompt, 0, 1, func(sample int, s string) error {
			text.WriteString(s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := Completion{row.Text, len(row.IDs), EndContext}
		if got[0] != want || text.String() != row.Text {
			t.Errorf("behind %q comes\n%+q, want\n%+q", row.Prompt, got[0].Text, want.Text)
		}
	}
	if rows != 6 {
		t.Errorf("%d rows", rows)
	}
}

// TestWriteAlike: a completion depends on seed, record, sample and prompt, and on nothing else.
func TestWriteAlike(t *testing.T) {
	type key struct {
		seed, record uint64
		sample       int
	}
	o := Options{Sampling: Sampling{RepetitionPenalty: 1.1, Temperature: 0.9, TopK: 60, TopP: 0.95, MinP: 0.01}, MaxTokens: 20, Context: 48, Ends: []uint32{0}}
	prompts := [][]uint32{{5, 6}, {300, 7, 9, 100, 42}, {0}}
	seen := map[key]Completion{}
	for _, workers := range []int{1, 3} {
		m, tok := tiny(t, workers)
		for _, seed := range []uint64{1, 2} {
			o.Seed = seed
			for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1}} {
				w := writer(t, m, tok, o)
				for _, record := range order {
					for _, n := range []int{3, 1} {
						got, err := w.Write(t.Context(), prompts[record], uint64(record), n, nil)
						if err != nil || len(got) != n {
							t.Fatal(got, err)
						}
						for i, c := range got {
							k := key{seed, uint64(record), i}
							if was, ok := seen[k]; ok && was != c {
								t.Errorf("%+v is %+v with %d workers, and was %+v", k, c, workers, was)
							}
							seen[k] = c
						}
					}
				}
			}
		}
	}
	texts := map[string]bool{}
	for _, c := range seen {
		texts[c.Text] = true
	}
	if len(texts) != 18 {
		t.Errorf("of 18 texts %d are different", len(texts))
	}
}

// TestWriteMatchesWhole: the cache makes no difference to what a model that sees all tokens at once says.
func TestWriteMatchesWhole(t *testing.T) {
	m, tok := tiny(t, 1)
	prompt := []uint32{5, 6, 200}
	w := writer(t, m, tok, Options{Sampling: Sampling{RepetitionPenalty: 1, Temperature: 1, TopP: 1, Seed: 3}, MaxTokens: 12})
	got, err := w.Write(t.Context(), prompt, 9, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{5, 6, 200}
	c := NewChooser(w.o.Sampling, m.Config.Vocabulary)
	text := NewText(tok)
	text.Begin(prompt)
	want := ""
	for i := range 12 {
		logits := make([]float32, len(ids)*m.Config.Vocabulary)
		if err := m.Logits(&model.Batch{Rows: 1, Length: len(ids), Tokens: ids}, logits); err != nil {
			t.Fatal(err)
		}
		next, err := c.Next(logits[len(logits)-m.Config.Vocabulary:], Draw{3, 9, 0, uint32(i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, next)
		want += text.Add(uint32(next))
	}
	if want += text.End(); got[0].Text != want || got[0].End != EndLength || got[0].Tokens != 12 {
		t.Errorf("%+v, want %q", got[0], want)
	}
}

// TestWriteEnds: for each reason, and without what ends it.
func TestWriteEnds(t *testing.T) {
	m, tok := tiny(t, 1)
	prompt, err := NewPrompts(tok, 0).Encode([]byte("Kaixo, "))
	if err != nil {
		t.Fatal(err)
	}
	// See testdata/greedy.jsonl: "\aam…", and 55 is W.
	for _, v := range []struct {
		change func(o *Options)
		want   Completion
	}{
		{func(o *Options) { o.Ends = []uint32{55} }, Completion{"\aam\uFFFDam\uFFFDam", 7, EndToken}},
		{func(o *Options) { o.Stop = []string{"W%"} }, Completion{"\aam\uFFFDam\uFFFDam", 8, EndStop}},
		{func(o *Options) { o.Stop = []string{"nowhere", "m\uFFFDamW"} }, Completion{"\aam\uFFFDa", 7, EndStop}},
		{func(o *Options) { o.MaxTokens = 3 }, Completion{"\aam\uFFFD", 3, EndLength}},                     // 132 may begin a character
		{func(o *Options) { o.MaxTokens, o.Stop = 3, []string{"\uFFFD"} }, Completion{"\aam", 3, EndStop}}, // which it does not
		{func(o *Options) { o.MaxTokens, o.Stop = 2, []string{"amen"} }, Completion{"\aam", 2, EndLength}}, // what was held back
		{func(o *Options) { o.Context = len(prompt) + 2 }, Completion{"\aam", 2, EndContext}},
		{func(o *Options) { o.Room = len(prompt) + 42 }, Completion{"", 42, EndLength}},
	} {
		o := Options{Sampling: Greedy(), MaxTokens: 42}
		v.change(&o)
		var put strings.Builder
		got, err := writer(t, m, tok, o).Write(t.Context(), prompt, 0, 1, func(_ int, text string) error { put.WriteString(text); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if v.want.Text == "" {
			v.want.Text = got[0].Text
		}
		if got[0] != v.want || put.String() != got[0].Text {
			t.Errorf("%+v: %+v, put %q, want %+v", o, got[0], put.String(), v.want)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	m, tok := tiny(t, 1)
	for _, o := range []Options{
		{Sampling: Greedy()}, {Sampling: Greedy(), MaxTokens: 1, Stop: []string{""}}, {Sampling: Greedy(), MaxTokens: 1, Stop: []string{"\xff"}},
		{MaxTokens: 1}, {Sampling: Greedy(), MaxTokens: 1, Context: -1},
	} {
		if _, err := NewWriter(m, tok, o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
	w := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 100, Context: 48, Room: 40})
	for problem, prompt := range map[string][]uint32{
		"the prompt has no token, and a model goes on from one at least":                                                            {},
		"token 1 of the prompt is 384, and the model knows 384":                                                                     {1, 384},
		"the prompt has 48 tokens, and the context of 48 leaves no room to write":                                                   make([]uint32, 48),
		"the prompt and what is written have up to 48 tokens, and there is memory for 40: let less be written, or give more memory": make([]uint32, 30),
	} {
		var bad *PromptError
		if _, err := w.Write(t.Context(), prompt, 0, 1, nil); !errors.As(err, &bad) || bad.Problem != problem {
			t.Errorf("%d tokens: %v", len(prompt), err)
		}
	}
	if _, err := NewPrompts(tok, -1).Encode(nil); !errors.Is(err, ErrNoBeginning) {
		t.Error(err)
	}
	// Stopped: what was written is there.
	ctx, cancel := context.WithCancel(t.Context())
	w = writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 40, Context: 48})
	n := 0
	got, err := w.Write(ctx, []uint32{5, 6}, 0, 2, func(int, string) error {
		if n++; n == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(got) != 1 || got[0].Text == "" || got[0].End != "" {
		t.Errorf("%+v, %v", got, err)
	}
	full := errors.New("full")
	if _, err := w.Write(t.Context(), []uint32{5, 6}, 0, 1, func(int, string) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	// A model that has diverged says so.
	m.Params.Data[len(m.Params.Data)-1] = float32(nan())
	if _, err := writer(t, m, tok, Options{Sampling: Greedy(), MaxTokens: 4}).Write(t.Context(), []uint32{5}, 0, 1, nil); !errors.Is(err, errNotNumbers) {
		t.Error(err)
	}
}

func nan() float64 { z := 0.0; return z / z }

// TestKnown: tokens that the tokenizer does not have are never written, however likely.
func TestKnown(t *testing.T) {
	m, tok := tiny(t, 1)
	small, err := tokenize.Load(strings.NewReader(strings.ReplaceAll(byteLevel, "\n", "")))
	if err != nil {
		t.Fatal(err)
	}
	w := writer(t, m, small, Options{Sampling: Greedy(), MaxTokens: 30})
	got, err := w.Write(t.Context(), []uint32{1}, 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got[0].Text); n != 30 || strings.Trim(got[0].Text, "abcd") != "" {
		t.Errorf("%+v", got[0])
	}
	all, err := NewPrompts(tok, 0).Encode([]byte("a"))
	if err != nil || !slices.Equal(all, []uint32{all[0]}) {
		t.Error(all, err)
	}
}

const byteLevel = `{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":null,"post_processor":null,
"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"d":3},"merges":[]}}`
