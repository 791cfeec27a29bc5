package jinja

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"
)

// The golden files are what jinja2 made, as transformers runs it: testdata/README.md.

// answer is what the reference made of a template.
type answer struct {
	Text   string   `json:"text"`
	Error  string   `json:"error"`
	Raised *string  `json:"raised"`
	Spans  [][2]int `json:"spans"` // in characters
}

func lines(t testing.TB, name string) [][]byte {
	t.Helper()
	return linesOf(t, filepath.Join("testdata", name))
}

func linesOf(t testing.TB, file string) [][]byte {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	data, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		all = append(all, bytes.Clone(s.Bytes()))
	}
	return all
}

func read[T any](t testing.TB, line []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatalf("%v: %.100s", err, line)
	}
	return v
}

// variables makes variables of a JSON object. What transformers always gives is none or false.
func variables(t testing.TB, object jsontext.Value) []Var {
	t.Helper()
	v, err := FromJSON(object)
	if err != nil {
		t.Fatal(err)
	}
	vars := []Var{{"messages", none}, {"tools", none}, {"documents", none}, {"add_generation_prompt", Bool(false)}}
	d := v.dict()
	for i, key := range d.keys {
		vars = append(vars, Var{key.s, d.vals[i]})
	}
	return vars
}

// check says what is wrong with a rendering, or "".
func (a *answer) check(got Rendered, err error) string {
	if a.Raised != nil {
		e, ok := err.(*Error)
		if !ok || !e.Raised || e.Problem != *a.Raised {
			return fmt.Sprintf("got %q, %v; want it to raise %q", got.Text, err, *a.Raised)
		}
		return ""
	}
	if a.Error != "" {
		if err == nil {
			return fmt.Sprintf("got %q; want an error (%s)", got.Text, a.Error)
		}
		if e, ok := err.(*Error); !ok || e.Raised {
			return fmt.Sprintf("got error %#v, want one that is not raised", err)
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("got %v\nwant %q", err, a.Text)
	}
	if string(got.Text) != a.Text {
		return fmt.Sprintf("got  %q\nwant %q", got.Text, a.Text)
	}
	if spans := characters(got); fmt.Sprint(spans) != fmt.Sprint(clamped(a.Spans, got.Text)) {
		return fmt.Sprintf("%q: got spans %v, want %v", got.Text, spans, a.Spans)
	}
	return ""
}

// characters are the generated spans in characters.
func characters(r Rendered) [][2]int {
	var spans [][2]int
	for _, s := range r.Generated {
		from := utf8.RuneCount(r.Text[:s[0]])
		spans = append(spans, [2]int{from, from + utf8.RuneCount(r.Text[s[0]:s[1]])})
	}
	return spans
}

// clamped cuts spans at the end of the text, behind which transformers' may reach.
func clamped(spans [][2]int, text []byte) [][2]int {
	n := utf8.RuneCount(text)
	var cut [][2]int
	for _, s := range spans {
		cut = append(cut, [2]int{min(s[0], n), min(s[1], n)})
	}
	return cut
}

func render(source string, vars []Var) (Rendered, error) {
	t, err := Parse(source)
	if err != nil {
		return Rendered{}, err
	}
	return t.Render(vars, Options{Now: now})
}

// refused are templates that jinja2 renders and that are errors here, each for its reason.
var refused = map[string]string{
	"{{ (-1) ** 0.5 }}":                                 "there are no complex numbers",
	"{{ 'abc'.encode() }}":                              "there are no bytes",
	"{{ 'abc'.translate({}) }}":                         "translate is not supported",
	`{{ "\N{BULLET}" }}`:                                "names of characters are not known",
	"{% block a %}x{% endblock %}":                      "there are no blocks",
	"{% autoescape true %}{{ '<' }}{% endautoescape %}": "chats are no HTML",
}

// now is the time that the golden files were made for.
var now = time.Date(2026, 7, 5, 14, 3, 9, 123456000, time.UTC)

func TestCases(t *testing.T) {
	all := lines(t, "cases.jsonl.zst")
	vars := variables(t, read[struct {
		Variables jsontext.Value `json:"variables"`
	}](t, all[0]).Variables)
	for _, line := range all[1:] {
		c := read[struct {
			Template string `json:"template"`
			answer
		}](t, line)
		got, err := render(c.Template, vars)
		if why, ok := refused[c.Template]; ok {
			if err == nil {
				t.Errorf("%s\nis rendered as %q, though %s", c.Template, got.Text, why)
			}
			continue
		}
		if wrong := c.check(got, err); wrong != "" {
			t.Errorf("%s\n%s", c.Template, wrong)
		}
	}
	t.Logf("%d templates", len(all)-1)
}

type chatFile struct {
	names     []string
	variables [][]Var
	templates []chatTemplate
	texts     []string
}

type chatTemplate struct {
	Template string `json:"template"`
	Source   string `json:"source"`
	Results  []struct {
		answer
		Text *int `json:"text"` // its place among the texts
	} `json:"results"`
}

func readChats(t testing.TB) chatFile {
	t.Helper()
	var f chatFile
	for _, line := range lines(t, "chats.jsonl.zst") {
		row := read[struct {
			Name      string         `json:"name"`
			Variables jsontext.Value `json:"variables"`
			Texts     []string       `json:"texts"`
			chatTemplate
		}](t, line)
		switch {
		case row.Name != "":
			f.names = append(f.names, row.Name)
			f.variables = append(f.variables, variables(t, row.Variables))
		case row.Source != "":
			f.templates = append(f.templates, row.chatTemplate)
		default:
			f.texts = row.Texts
		}
	}
	return f
}

func TestChats(t *testing.T) {
	f := readChats(t)
	rendered, errors := 0, 0
	for _, template := range f.templates {
		parsed, err := Parse(template.Source)
		if err != nil {
			t.Errorf("%s: %v", template.Template, err)
			continue
		}
		for i, result := range template.Results {
			want := result.answer
			if result.Text != nil {
				want.Text = f.texts[*result.Text]
				rendered++
			} else {
				errors++
			}
			got, err := parsed.Render(f.variables[i], Options{Now: now})
			if wrong := want.check(got, err); wrong != "" {
				t.Errorf("%s, %s:\n%s", template.Template, f.names[i], wrong)
			}
		}
	}
	t.Logf("%d templates, %d conversations: %d rendered, %d errors", len(f.templates), len(f.names), rendered, errors)
}
