package jinja

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TestConformance renders the chats of the conformance folder, if CURATE_CONFORMANCE names one: with the templates in
// models/templates and those of the tokenizers that are there.
func TestConformance(t *testing.T) {
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" {
		t.Skip("CURATE_CONFORMANCE names no folder")
	}
	dir = filepath.Join(dir, "tokenize")
	files, err := filepath.Glob(filepath.Join(dir, "chat.*.jsonl.zst"))
	if err != nil || len(files) == 0 {
		t.Fatal("no chats in", dir)
	}
	rows := 0
	for _, file := range files {
		parts := strings.Split(filepath.Base(file), ".")
		source, tokens := sourceOf(t, dir, parts[1], parts[2])
		if source == "" {
			t.Logf("%s: no template", filepath.Base(file))
			continue
		}
		template, err := Parse(source)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, line := range linesOf(t, file) {
			row := read[struct {
				ID     string                    `json:"id"`
				Kwargs map[string]jsontext.Value `json:"kwargs"`
				Text   string                    `json:"text"`
				Error  jsontext.Value            `json:"error"`
			}](t, line)
			if _, ok := row.Kwargs["continue_final_message"]; ok {
				continue
			}
			rows++
			vars := append(variables(t, jsontext.Value("{}")), tokens...)
			for name, value := range row.Kwargs {
				v, err := FromJSON(value)
				if err != nil {
					t.Fatal(err)
				}
				vars = append(vars, Var{name, v})
			}
			vars = append(vars, Var{"messages", messagesOf(t, line)})
			got, err := template.Render(vars, Options{Now: now})
			switch {
			case len(row.Error) > 0:
				if err == nil {
					t.Errorf("%s %s: %q, want an error: %s", filepath.Base(file), row.ID, got.Text, row.Error)
				}
			case err != nil || string(got.Text) != row.Text:
				t.Errorf("%s %s: %v\ngot  %q\nwant %q", filepath.Base(file), row.ID, err, got.Text, row.Text)
			}
		}
	}
	t.Logf("%d rows of %d files", rows, len(files))
}

// messagesOf are the messages of a row as transformers passes them on: without what is null in them.
func messagesOf(t *testing.T, line []byte) Value {
	t.Helper()
	row := read[struct {
		Messages jsontext.Value `json:"messages"`
	}](t, line)
	v, err := FromJSON(row.Messages)
	if err != nil {
		t.Fatal(err)
	}
	var messages []Value
	for _, message := range v.list().items {
		d := &dict{}
		for i, key := range message.dict().keys {
			if v := message.dict().vals[i]; v.k != kNone {
				d.set(key, v)
			}
		}
		messages = append(messages, dictOf(d))
	}
	return listOf(messages)
}

// sourceOf is a template, "" if it is not there, and the special tokens that the tokenizer gives it.
func sourceOf(t *testing.T, dir, tokenizer, template string) (string, []Var) {
	t.Helper()
	given := map[string]string{
		"llama31": `{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}`,
		"gemma3":  `{"bos_token": "<bos>", "eos_token": "<eos>"}`,
	}[tokenizer]
	if given == "" {
		given = "{}"
	}
	config, err := os.ReadFile(filepath.Join(dir, "models", tokenizer, "tokenizer_config.json"))
	if err == nil {
		given = string(config)
	}
	fields := map[string]jsontext.Value{}
	if err := json.Unmarshal([]byte(given), &fields); err != nil {
		t.Fatal(err)
	}
	var vars []Var
	for _, name := range []string{"bos_token", "eos_token", "pad_token", "unk_token"} {
		var s string
		if json.Unmarshal(fields[name], &s) == nil && s != "" {
			vars = append(vars, Var{name, String(s)})
		}
	}
	var source string
	if template == "packaged" {
		_ = json.Unmarshal(fields["chat_template"], &source)
		return source, vars
	}
	data, err := os.ReadFile(filepath.Join(dir, "models", "templates", template+".jinja"))
	if err != nil {
		return "", nil
	}
	return string(data), vars
}

// TestShared renders one template in several goroutines.
func TestShared(t *testing.T) {
	f := readChats(t)
	template := templateNamed(t, "qwen3.jinja")
	want := make([]string, len(f.variables))
	for i, vars := range f.variables {
		r, _ := template.Render(vars, Options{})
		want[i] = string(r.Text)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, vars := range f.variables {
				if r, _ := template.Render(vars, Options{}); string(r.Text) != want[i] {
					t.Errorf("%s: %q, want %q", f.names[i], r.Text, want[i])
				}
			}
		})
	}
	wg.Wait()
}
