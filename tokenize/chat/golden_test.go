package chat

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// TestBuiltins compares the built-in templates with what transformers 5.24.0 rendered with the models' own, and their
// marks with what transformers found.
func TestBuiltins(t *testing.T) {
	if got, want := Builtins(), []string{"chatml", "gemma3", "llama3.1", "mistral", "qwen3", "zephyr"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	cases := map[string]int{}
	eachLine(t, filepath.Join("testdata", "builtin.jsonl.zst"), func(line []byte) {
		var c struct {
			Template         string
			Messages, Kwargs jsontext.Value
			Special          map[string]string
			Text             string
			Spans            [][2]int
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		row, err := readLine(`{"messages":` + string(c.Messages) + `,"chat_template_kwargs":` + string(c.Kwargs) + `}`)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Templates{{}, {special: specialsOf(c.Special)}} { // with the model's own tokens, and without a model
			templates, err := s.Choose(c.Template)
			if err != nil {
				t.Fatal(err)
			}
			format, err := NewFormat(templates, nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := format.Render(row.Prompt, &row.Params)
			if err != nil {
				t.Errorf("%s: %s: %v", c.Template, c.Messages, err)
				continue
			}
			if string(got.Text) != c.Text {
				t.Errorf("%s: %s\n got %q\nwant %q", c.Template, c.Messages, got.Text, c.Text)
				continue
			}
			spans := make([][2]int, 0, len(got.Generated))
			for _, g := range got.Generated {
				spans = append(spans, [2]int{utf8.RuneCount(got.Text[:g[0]]), utf8.RuneCount(got.Text[:g[1]])})
			}
			if !slices.Equal(spans, c.Spans) {
				t.Errorf("%s: %s: marks %v, want %v", c.Template, c.Messages, spans, c.Spans)
			}
		}
		cases[c.Template]++
	})
	for _, b := range Builtins() {
		if cases[b] < 50 {
			t.Errorf("%s: %d cases", b, cases[b])
		}
	}
}

func specialsOf(m map[string]string) []special {
	var out []special
	for _, name := range specialNames {
		if s, ok := m[name]; ok {
			out = append(out, special{name, s})
		}
	}
	return out
}

// TestRows compares rows of all kinds with transformers 5.24.0 and what TRL 1.16.0 does with it: ids, masks and pairs
// with GPT-2's vocabulary. Rows that TRL takes, though a template writes their prompt otherwise with an answer behind it,
// are errors here, and in the file.
func TestRows(t *testing.T) {
	tok := gpt2(t)
	formats := map[string]*Encoder{}
	for _, name := range []string{"builtin/chatml", "builtin/gemma3", "builtin/llama3.1", "builtin/mistral", "builtin/qwen3", "builtin/zephyr", "plain/chatml", "plain/gemma3", "plain/llama3_1",
		"plain/qwen3", "plain/zephyr"} {
		kind, which, _ := strings.Cut(name, "/")
		if kind == "plain" {
			which = filepath.Join("testdata", "models", "templates", which+".jinja")
		}
		templates, err := (&Templates{special: []special{{"eos_token", "<|endoftext|>"}}}).Choose(which)
		if err != nil {
			t.Fatal(err)
		}
		format, err := NewFormat(templates, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		formats[name] = NewEncoder(tok, format, Options{EOS: "<|endoftext|>"})
	}
	n, failed := 0, 0
	eachLine(t, filepath.Join("testdata", "rows.jsonl.zst"), func(line []byte) {
		var c struct {
			Template string
			Row      jsontext.Value
			Want     struct {
				Error    *string
				IDs      []uint32 `json:"input_ids"`
				Mask     []int    `json:"loss_mask"`
				Prompt   []uint32 `json:"prompt_ids"`
				Chosen   []uint32 `json:"chosen_ids"`
				Rejected []uint32 `json:"rejected_ids"`
			}
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		n++
		e := formats[c.Template]
		row, err := readLine(string(c.Row))
		var x *Encoded
		if err == nil {
			if row.ContinueFinal != "" {
				all := *e
				all.o.TrainOn = All
				e = &all
			}
			x, err = e.Encode(row)
		}
		if c.Want.Error != nil {
			failed++
			if err == nil {
				t.Errorf("%s: %s: no error, want %s", c.Template, c.Row, *c.Want.Error)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %s: %v", c.Template, c.Row, err)
			return
		}
		if x.Pair {
			if !slices.Equal(x.IDs[:x.Prompt], c.Want.Prompt) || !slices.Equal(x.IDs[x.Prompt:x.Chosen], c.Want.Chosen) || !slices.Equal(x.IDs[x.Chosen:], c.Want.Rejected) {
				t.Errorf("%s: %s:\n got %v %d %d\nwant %v %v %v", c.Template, c.Row, x.IDs, x.Prompt, x.Chosen, c.Want.Prompt, c.Want.Chosen, c.Want.Rejected)
			}
			return
		}
		mask := make([]int, len(x.Mask))
		for i, m := range x.Mask {
			mask[i] = int(m)
		}
		if !slices.Equal(x.IDs, c.Want.IDs) || !slices.Equal(mask, c.Want.Mask) {
			t.Errorf("%s: %s:\n got %v\n     %v\nwant %v\n     %v", c.Template, c.Row, x.IDs, mask, c.Want.IDs, c.Want.Mask)
		}
	})
	if n < 100 || failed < 10 || failed > n/2 {
		t.Errorf("%d rows, %d of them errors", n, failed)
	}
}
