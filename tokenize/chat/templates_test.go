package chat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOpen: where templates and special tokens come from.
func TestOpen(t *testing.T) {
	const config = "tokenizer_config.json"
	for _, c := range []struct {
		name   string
		files  map[string]string
		choose string
		tools  string // what a chat with tools is rendered as; "" is as one without
		want   string // or what an error says
	}{
		{"string", map[string]string{config: `{"chat_template":"c {{ bos_token }}{{ eos_token }}","bos_token":"<s>","eos_token":{"content":"</s>","special":true},"pad_token":null}`}, "", "", "c <s></s>"},
		{"special_tokens_map", map[string]string{config: `{"chat_template":"c {{ bos_token }}{{ eos_token }}","bos_token":"<s>"}`, "special_tokens_map.json": `{"bos_token":"no","eos_token":"</s>"}`}, "", "", "c <s></s>"},
		{"list", map[string]string{config: `{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}`}, "", "t", "d"},
		{"list, by name", map[string]string{config: `{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}`}, "tool_use", "t", "t"},
		{"list, no default", map[string]string{config: `{"chat_template":[{"name":"a","template":"d"},{"name":"b","template":"t"}]}`}, "", "", "is the default; the model's own are a, b"},
		{"file before configuration", map[string]string{config: `{"chat_template":"c","bos_token":"<s>"}`, "chat_template.jinja": "f {{ bos_token }}"}, "", "", "f <s>"},
		{"more files", map[string]string{"chat_template.jinja": "f", "additional_chat_templates/tool_use.jinja": "u", "additional_chat_templates/x.txt": "no"}, "", "u", "f"},
		{"old", map[string]string{"chat_template.json": `{"chat_template":"o"}`}, "", "", "o"},
		{"none", map[string]string{config: `{"bos_token":"<s>"}`}, "", "", "no chat template in tokenizer_config.json, chat_template.jinja or chat_template.json of"},
		{"none, built in", map[string]string{config: `{"eos_token":"<e>"}`}, "zephyr", "", "<|user|>\nq<e>\n"},
		{"broken", map[string]string{config: `{"chat_template":"{% if %}"}`}, "", "", "chat_template"},
		{"broken, another", map[string]string{config: `{"chat_template":"{% if %}"}`}, "chatml", "", "<|im_start|>user\nq<|im_end|>\n"},
		{"unknown", nil, "lama", "", "lama is no template: built in are chatml, gemma3"},
		{"no file", nil, "a/b.jinja", "", "no such file"},
	} {
		dir := folder(t, c.files)
		templates, err := Open(filepath.Join(dir))
		if err != nil {
			t.Fatal(err)
		}
		if c.choose != "" {
			templates, err = templates.Choose(c.choose)
		}
		if c.tools == "" {
			c.tools = c.want
		}
		for line, want := range map[string]string{
			`{"messages":[{"role":"user","content":"q"}]}`:                      c.want,
			`{"messages":[{"role":"user","content":"q"}],"tools":[{"name":1}]}`: c.tools,
		} {
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				f, err := NewFormat(templates, nil, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				row := rowOf(t, line)
				r, err := f.Render(row.Prompt, &row.Params)
				got = string(r.Text)
				if err != nil {
					got = err.Error()
				}
			}
			if !strings.Contains(got, want) || want == "" {
				t.Errorf("%s: %s: %q, want %q", c.name, line, got, want)
			}
		}
	}
	for name, files := range map[string]map[string]string{
		"no JSON":       {config: `{`},
		"number":        {config: `{"chat_template":7}`},
		"special token": {config: `{"bos_token":7}`},
		"names":         {config: `{"chat_template":[{"name":7}]}`},
	} {
		if _, err := Open(folder(t, files)); err == nil {
			t.Errorf("%s is no error", name)
		} else if !strings.Contains(err.Error(), config) {
			t.Errorf("%s: %v does not name the file", name, err)
		}
	}
}

// The digest is of what counts, not of where it lies.
func TestDigest(t *testing.T) {
	open := func(config string) string {
		templates, err := Open(folder(t, map[string]string{"tokenizer_config.json": config}))
		if err != nil {
			t.Fatal(err)
		}
		return templates.Digest()
	}
	a := open(`{"chat_template":"x","bos_token":"<s>","model_max_length":7}`)
	if a != open(`{"bos_token":{"content":"<s>"},"chat_template":[{"name":"default","template":"x"}]}`) {
		t.Error("the same templates have two digests")
	}
	for _, other := range []string{`{"chat_template":"y","bos_token":"<s>"}`, `{"chat_template":"x","bos_token":"<t>"}`, `{"bos_token":"<s>"}`} {
		if a == open(other) {
			t.Errorf("%s has the same digest", other)
		}
	}
}

// FuzzTemplates: configurations come from strangers.
func FuzzTemplates(f *testing.F) {
	f.Add(`{"chat_template":[{"name":"default","template":"{{ messages[0].content }}"},{"name":"tool_use","template":"t"}],"bos_token":{"content":"<s>"}}`)
	f.Add(`{"chat_template":{"default":"x"},"eos_token":"</s>"}`)
	f.Add(`{"chat_template":"{% for m in messages %}{{ m }}{% endfor %}"}`)
	f.Fuzz(func(t *testing.T, config string) {
		templates, err := Open(folder(t, map[string]string{"tokenizer_config.json": config}))
		if err != nil {
			return
		}
		format, err := NewFormat(templates, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		format.options.MaxSteps, format.options.MaxOutput = 10000, 1<<16
		row := rowOf(t, `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`)
		if _, err := NewEncoder(gpt2(t), format, Options{}).Encode(row); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
