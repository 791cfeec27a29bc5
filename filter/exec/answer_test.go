package exec

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// FuzzAnswer compares the members that parse finds with those of a JSON library.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"keep":true}`, `{"score":0.5,"signals":{"a":1,"b":-2e3}}`, `{"label":"x","reason":"y","id":[1,{"a":"]}"}]}`,
		`{"a":"\"}","keep":false}`, `{"a":[[],[{}]],"score":1 }`, `{"k\u0065ep":true}`, `{"keep":true}x`, `[1]`, `{"score":1,"signals":{"score":2}}`,
		"{\"keep\":tru\xff}", `{"signals":{"a":"b"}}`, `{"label":"\ud800"}`, `{"id":null,"reason":null}`, `{"score":0x1p3}`, ` { "keep" : true } `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var a answer
		if a.parse(line) != nil {
			return
		}
		var want struct {
			Keep    *bool              `json:"keep"`
			Score   *float64           `json:"score"`
			Signals map[string]float64 `json:"signals"`
			Label   *string            `json:"label"`
			Reason  *string            `json:"reason"`
			ID      jsontext.Value     `json:"id"`
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("%q is taken, and is wrong: %v", line, err)
		}
		if a.hasKeep != (want.Keep != nil) || a.hasKeep && a.keep != *want.Keep {
			t.Errorf("%q: keep %v %v", line, a.hasKeep, a.keep)
		}
		if a.hasLabel != (want.Label != nil) || a.hasLabel && string(a.label) != *want.Label {
			t.Errorf("%q: label %q", line, a.label)
		}
		if want.Reason != nil && string(a.reason) != *want.Reason || want.Reason == nil && len(a.reason) > 0 {
			t.Errorf("%q: reason %q", line, a.reason)
		}
		if !bytes.Equal(a.id, want.ID) {
			t.Errorf("%q: id %q, want %q", line, a.id, want.ID)
		}
		if want.Signals == nil {
			want.Signals = map[string]float64{}
		}
		if want.Score != nil {
			want.Signals["score"] = *want.Score
		}
		got := map[string]float64{}
		for _, s := range a.signals {
			got[string(s.name)] = s.value
		}
		if !maps.Equal(got, want.Signals) {
			t.Errorf("%q: %v, want %v", line, got, want.Signals)
		}
	})
}

func TestAnswerAllocates(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector")
	}
	var a answer
	line := []byte(`{"id":"abc","keep":true,"score":0.75,"signals":{"a":1,"b":0.5},"label":"good"}`)
	if err := a.parse(line); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { a.parse(line) }); n > 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func TestSplit(t *testing.T) {
	for _, r := range []struct {
		line string
		want []string
		err  string
	}{
		{"python3 score.py", []string{"python3", "score.py"}, ""},
		{"  a\tb\n c ", []string{"a", "b", "c"}, ""},
		{`a 'b c' "d e" f\ g`, []string{"a", "b c", "d e", "f g"}, ""},
		{`a '' ""`, []string{"a", "", ""}, ""},
		{`a"b"'c'd`, []string{"abcd"}, ""},
		{`"a\"b\\c\d"`, []string{`a"b\c\d`}, ""},
		{"a\\\nb", []string{"ab"}, ""},
		{`x a=1 b#c d~`, []string{"x", "a=1", "b#c", "d~"}, ""},
		{`sed 's/$x|y/*/'`, []string{"sed", "s/$x|y/*/"}, ""},
		{"a | b", nil, "meaning for a shell"},
		{"a > b", nil, "meaning for a shell"},
		{"a $HOME", nil, "meaning for a shell"},
		{`a "$HOME"`, nil, "meaning for a shell"},
		{"a *.py", nil, "meaning for a shell"},
		{"~/a", nil, "meaning for a shell"},
		{"a # b", nil, "meaning for a shell"},
		{"a 'b", nil, "not closed"},
		{`a "b`, nil, "not closed"},
		{`a \`, nil, "at the end"},
		{"", nil, "no program"},
		{"''", nil, "no program"},
	} {
		got, err := Split(r.line)
		if !slices.Equal(got, r.want) || (err == nil) != (r.err == "") || err != nil && !bytes.Contains([]byte(err.Error()), []byte(r.err)) {
			t.Errorf("%q: %q %v, want %q %s", r.line, got, err, r.want, r.err)
		}
	}
}

// FuzzSplit: what Join writes Split cuts again.
func FuzzSplit(f *testing.F) {
	f.Add("python3 score.py", "x")
	f.Add(`a 'b c' "d$"`, "'")
	f.Add(`a\`, "")
	f.Fuzz(func(t *testing.T, line, word string) {
		words, err := Split(line)
		if err != nil {
			words = []string{"a"}
		}
		words = append(words, word)
		got, err := Split(Join(words))
		if err != nil || !slices.Equal(got, words) {
			t.Errorf("%q becomes %s and then %q, %v", words, Join(words), got, err)
		}
	})
}
