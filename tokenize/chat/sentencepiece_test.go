package chat

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/record"
	"curate/tokenize"
)

// TestSentencePiece: SentencePiece's models encode special tokens as the characters they are written with, so a chat that
// has one would get ids that no model has learnt.
func TestSentencePiece(t *testing.T) {
	packed, err := os.ReadFile("../../sentencepiece/testdata/test_model.model.zst")
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	model, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Load(bytes.NewReader(model))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ template, row, want string }{
		{"zephyr", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, `"</s>"`},
		{"zephyr", `{"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]}`, `"</s>"`},
		{"chatml", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, ""},
		{"chatml", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"<s>"}]}`, `"<s>"`},
		{"chatml", `{"prompt":"q","completion":"a"}`, `"</s>"`},
		{"chatml", `{"prompt":"q","completion":"a</s>"}`, ""}, // the text's own
		{"chatml", `{"text":"<s>"}`, ""},
	} {
		templates, err := (&Templates{special: []special{{"eos_token", "</s>"}}}).Choose(c.template)
		if err != nil {
			t.Fatal(err)
		}
		for _, render := range []bool{false, true} {
			s, err := New(Config{Tokenizer: tok, Templates: templates, JSON: true, Render: render})
			if err != nil {
				t.Fatal(err)
			}
			var b record.Batch
			b.Append(1, 1, []byte(c.row))
			b.Parse()
			if err := s.NewWorker().Map(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			r := &b.Records[0]
			switch {
			case c.want == "" && r.Outcome != record.Keep:
				t.Errorf("%s %s: %v", c.template, c.row, r.Err)
			case c.want != "" && (r.Outcome != record.Quarantine || !strings.Contains(r.Err.Error(), c.want) || !strings.Contains(r.Err.Error(), "tokenizer.json")):
				t.Errorf("%s %s: %v, %v; want an error about %s", c.template, c.row, r.Outcome, r.Err, c.want)
			}
		}
	}
}

func TestOpenEncoding(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"x.tiktoken": "", "tokenizer_config.json": `{"chat_template":"t","eos_token":"e"}`} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, dir + "#qwen2", dir + "/x.tiktoken", dir + "/x.tiktoken#qwen2"} {
		templates, err := Open(path)
		if err != nil || templates.Empty() || templates.Special("eos_token") != "e" {
			t.Errorf("%s: %v", path, err)
		}
	}
}
