package jinja

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

const fourTurns = `{"messages": [
	{"role": "system", "content": "You answer questions about LibreOffice."},
	{"role": "user", "content": "How do I insert a page break in a text document?"},
	{"role": "assistant", "content": "<think>\nA page break is a manual break.\n</think>\n\nPlace the cursor where the new page is to begin and press Ctrl+Enter."},
	{"role": "user", "content": "And how do I get rid of it again?"},
	{"role": "assistant", "content": "Place the cursor in front of the first character of the new page and press Backspace."}],
	"eos_token": "<|im_end|>"}`

func templateNamed(t testing.TB, name string) *Template {
	for _, template := range readChats(t).templates {
		if template.Template == name {
			parsed, err := Parse(template.Source)
			if err != nil {
				t.Fatal(err)
			}
			return parsed
		}
	}
	t.Fatalf("no template %s", name)
	return nil
}

func BenchmarkQwen3(b *testing.B) {
	template := templateNamed(b, "qwen3.jinja")
	vars := variables(b, jsontext.Value(fourTurns))
	b.ReportAllocs()
	for b.Loop() {
		r, err := template.Render(vars, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(r.Text)))
	}
}

func BenchmarkFromJSON(b *testing.B) {
	b.SetBytes(int64(len(fourTurns)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromJSON(jsontext.Value(fourTurns)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	source := templateNamed(b, "qwen3.jinja").Source()
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(source); err != nil {
			b.Fatal(err)
		}
	}
}
