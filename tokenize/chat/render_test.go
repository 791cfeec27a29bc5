package chat

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize"
)

func builtinFormat(t testing.TB, name string, args ...Arg) *Format {
	t.Helper()
	templates, err := (&Templates{}).Choose(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFormat(templates, args, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sourceFormat(t testing.TB, source string, date time.Time, args ...Arg) *Format {
	t.Helper()
	file := filepath.Join(t.TempDir(), "t.jinja")
	if err := os.WriteFile(file, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	templates, err := (&Templates{special: []special{{"eos_token", "</s>"}}}).Choose(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFormat(templates, args, date)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rowOf(t testing.TB, line string) *Row {
	t.Helper()
	row, err := readLine(line)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestVariables(t *testing.T) {
	const source = `{{ eos_token }} {{ a }} {{ b }} {{ tools is none }} {{ documents is none }} {{ add_generation_prompt }}`
	f := sourceFormat(t, source, time.Time{}, Arg{"a", jsontext.Value("1")}, Arg{"b", jsontext.Value("2")})
	for line, want := range map[string]string{
		`{"messages":[{"role":"user"}]}`: "</s> 1 2 True True False",
		`{"messages":[{"role":"user"}],"tools":[],"chat_template_kwargs":{"b":null,"eos_token":"<e>","add_generation_prompt":true}}`: "<e> 1 None False True True",
	} {
		row := rowOf(t, line)
		got, err := f.Render(row.Prompt, &row.Params)
		if err != nil || string(got.Text) != want {
			t.Errorf("%s: %q %v, want %q", line, got.Text, err, want)
		}
	}
	for _, name := range []string{"messages", "add_generation_prompt", "tokenize"} {
		if _, err := NewFormat(&Templates{}, []Arg{{name, jsontext.Value("true")}}, time.Time{}); err == nil {
			t.Errorf("%s for all rows", name)
		}
	}
}

// Without a date, a template that asks for one is an error, also when.
func TestDate(t *testing.T) {
	const source = `{{ strftime_now("%d %b %Y") }}`
	row := rowOf(t, `{"messages":[{"role":"user"}]}`)
	if _, err := sourceFormat(t, source, time.Time{}).Render(row.Prompt, &row.Params); err == nil {
		t.Error("a date out of nowhere")
	}
	day := time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC)
	got, err := sourceFormat(t, source, day).Render(row.Prompt, &row.Params)
	if err != nil || string(got.Text) != "26 Jul 2024" {
		t.Errorf("%q %v", got.Text, err)
	}
}

func TestSpans(t *testing.T) {
	const chat = `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]}`
	row := rowOf(t, chat)
	plain := sourceFormat(t, `{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`, time.Time{})
	marked := sourceFormat(t, `{% for m in messages %}<{{ m.role }}>{% if m.role == "assistant" %}{% generation %}{{ m.content }};{% endgeneration %}{% else %}{{ m.content }};{% endif %}{% endfor %}`, time.Time{})
	two := sourceFormat(t, `{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}`, time.Time{})
	for _, c := range []struct {
		name string
		f    *Format
		on   TrainOn
		want string
	}{
		{"plain", plain, Assistant, "a; b;"},
		{"plain", plain, Default, "a; b;"},
		{"plain", plain, Last, "b;"},
		{"marked", marked, Assistant, "a; b;"},
		{"marked", marked, Last, "b;"},
		{"two", two, Assistant, "user q assistant a user r assistant b"},
		{"two", two, Last, "assistantb"}, // which of the marks are the last turn's is not known, but its text is
		{"plain", plain, Completion, `the row has no "prompt"`},
	} {
		s, err := c.f.Spans(row.Prompt, &row.Params, c.on)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", c.name, c.on, err)
			}
			continue
		}
		var got []string
		for _, x := range s.Trained {
			got = append(got, string(s.Text[x[0]:x[1]]))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s, %s: %q, want %q", c.name, c.on, got, c.want)
		}
	}
	if s, err := plain.Spans(row.Prompt, &row.Params, All); err != nil || !s.All || s.Trained != nil {
		t.Error(s, err)
	}
	for name, source := range map[string]string{
		"forgets":  `{% for m in messages[-2:] %}{{ m.content }}{% endfor %}`,
		"no start": `{{ messages | length }}`,
		"refuses":  `{% if messages | length == 3 %}{{ raise_exception("three") }}{% endif %}{{ messages | map(attribute="content") | join }}`,
	} {
		if _, err := sourceFormat(t, source, time.Time{}).Spans(row.Prompt, &row.Params, Assistant); err == nil || !strings.Contains(err.Error(), "no safe loss mask for messages[") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMask is about tokens at the borders of spans.
func TestMask(t *testing.T) {
	tokens := []tokenize.Span{{From: 0, To: 2}, {From: 2, To: 5}, {From: 5, To: 5}, {From: 5, To: 6}, {From: 6, To: 9}, {From: 9, To: 10}}
	for _, c := range []struct {
		spans   [][2]int
		overlap bool
		want    []byte
	}{
		{[][2]int{{2, 6}}, true, []byte{0, 1, 1, 1, 0, 0}},
		{[][2]int{{2, 6}}, false, []byte{0, 1, 1, 1, 0, 0}},
		{[][2]int{{3, 7}}, true, []byte{0, 1, 1, 1, 1, 0}},
		{[][2]int{{3, 7}}, false, []byte{0, 0, 1, 1, 1, 0}},
		{[][2]int{{0, 1}, {9, 10}}, true, []byte{1, 0, 0, 0, 0, 1}},
		{[][2]int{{4, 4}, {8, 10}}, true, []byte{0, 1, 0, 0, 1, 1}}, // transformers counts a token around an empty span
		{nil, true, []byte{0, 0, 0, 0, 0, 0}},
	} {
		s := Spans{Trained: c.spans, Overlap: c.overlap}
		if got := s.AppendMask(nil, tokens); !slices.Equal(got, c.want) {
			t.Errorf("%v %v: %v, want %v", c.spans, c.overlap, got, c.want)
		}
	}
	if got := (&Spans{All: true}).AppendMask(nil, tokens[:2]); !slices.Equal(got, []byte{1, 1}) {
		t.Error(got)
	}
}

// A chat of very many turns must not take time by their square.
func TestManyTurns(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"messages":[`)
	for i := range 20000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"role":"%s","content":"%d"}`, []string{"user", "assistant"}[i%2], i)
	}
	b.WriteString(`]}`)
	row := rowOf(t, b.String())
	f := sourceFormat(t, `{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`, time.Time{})
	if _, err := f.Spans(row.Prompt, &row.Params, Assistant); err == nil || !strings.Contains(err.Error(), "too many turns to render them one by one") {
		t.Error(err)
	}
	if s, err := f.Spans(row.Prompt, &row.Params, Last); err != nil || len(s.Trained) != 1 {
		t.Error(err)
	}
	x, err := NewEncoder(gpt2(t), builtinFormat(t, "chatml"), Options{MaxLength: 100, Truncate: Turns}).Encode(row)
	if err != nil || len(x.IDs) > 100 || len(x.IDs) < 60 {
		t.Error(x, err)
	}
}
