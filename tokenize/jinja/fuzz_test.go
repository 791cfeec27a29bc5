package jinja

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// seeds are the templates of the golden cases.
func seeds(f *testing.F) (vars []Var) {
	all := lines(f, "cases.jsonl.zst")
	for _, line := range all[1:] {
		f.Add(read[struct {
			Template string `json:"template"`
		}](f, line).Template)
	}
	return variables(f, read[struct {
		Variables jsontext.Value `json:"variables"`
	}](f, all[0]).Variables)
}

func FuzzParse(f *testing.F) {
	seeds(f)
	for _, template := range readChats(f).templates {
		f.Add(template.Source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := Parse(source)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		parsed.Variables()
	})
}

// FuzzRender renders whatever can be parsed, twice: nothing panics, and both make the same.
func FuzzRender(f *testing.F) {
	vars := seeds(f)
	o := Options{MaxOutput: 1 << 16, MaxSteps: 20_000, Now: now}
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := Parse(source)
		if err != nil {
			return
		}
		one, err1 := parsed.Render(vars, o)
		two, err2 := parsed.Render(vars, o)
		if fmt.Sprint(err1) != fmt.Sprint(err2) || !bytes.Equal(one.Text, two.Text) || fmt.Sprint(one.Generated) != fmt.Sprint(two.Generated) {
			t.Errorf("%q, %v and then %q, %v", one.Text, err1, two.Text, err2)
		}
		if err1 != nil {
			if _, ok := err1.(*Error); !ok {
				t.Errorf("%T: %v", err1, err1)
			}
			return
		}
		if len(one.Text) > o.MaxOutput {
			t.Errorf("%d bytes", len(one.Text))
		}
		for _, s := range one.Generated {
			if s[0] < 0 || s[0] > s[1] || s[1] > len(one.Text) {
				t.Errorf("span %v of %d bytes", s, len(one.Text))
			}
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	f.Add(`{"a": [1, -2.5, "x", null, true, {"b": 12345678901234567890}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := FromJSON(jsontext.Value(s))
		if err != nil {
			return
		}
		again, err := render("{{ v|tojson }}", []Var{{"v", v}})
		if err != nil {
			t.Skip()
		}
		if _, err := FromJSON(jsontext.Value(again.Text)); err != nil && !bytes.Contains(again.Text, []byte("Infinity")) {
			t.Errorf("%q becomes %q: %v", s, again.Text, err)
		}
	})
}
