package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRightChoices(t *testing.T) {
	for _, c := range []struct {
		choices, answer string
		want            []string // none is an error
		says            string
	}{
		{`["a","b"]`, `1`, []string{"b"}, ""},
		{`["a","b"]`, `"1"`, []string{"b"}, ""},
		{`["a","b"]`, `"A"`, []string{"a"}, ""},
		{`["a","b"]`, `"b"`, []string{"b"}, ""},
		{`["1","2"]`, `"1"`, []string{"1"}, ""}, // its text before its number
		{`{"text":["a","b"],"label":["1","2"]}`, `"2"`, []string{"b"}, ""},
		{`{"text":["a","b"],"label":[]}`, `"B"`, []string{"b"}, ""},
		// Not known.
		{`["a","b"]`, ``, []string{"a", "b"}, ""},
		{`["a","b"]`, `""`, []string{"a", "b"}, ""},
		{`["a","b"]`, `-1`, []string{"a", "b"}, ""},
		{`["a","b"]`, `"-1"`, []string{"a", "b"}, ""},
		// Of no choice.
		{`["a","b"]`, `2`, nil, "the answer 2 is none of the 2 choices: give its number from 0"},
		{`["a","b"]`, `-2`, nil, "the answer -2 is"},
		{`["a","b"]`, `"C"`, nil, `the answer "C" is`},
		{`["a","b"]`, `"neither"`, nil, "is none of the 2"},
		{`["a","b"]`, `[0]`, nil, "the answer [0] is"},
		{`["a","b"]`, `{"value":"a"}`, nil, "is none of the 2"},
		{`["a","b"]`, `true`, nil, "the answer true is"},
		{`["a","b"]`, `"` + strings.Repeat("x", 100) + `"`, nil, "x… is none"},
		{`[]`, ``, nil, "there are no choices"},
		{`{"text":["a"],"label":["A","B"]}`, `"A"`, nil, "1 texts and 2 labels"},
		{`[1,2]`, `0`, nil, "neither an array of strings"},
	} {
		got, err := rightChoices([]byte(c.choices), []byte(c.answer))
		if c.want == nil && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s, answer %s: %q, error %v; want %q", c.choices, c.answer, got, err, c.says)
		}
		if c.want != nil && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%s, answer %s: %q, error %v; want %q", c.choices, c.answer, got, err, c.want)
		}
	}
}
