package stats

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	line := func(group, n string) string {
		return `{"language":` + group + `,"documents":` + n + `,"bytes":1234567,"characters":1000,"words":999,"lines":0}` + "\n"
	}
	for _, c := range []struct{ result, want string }{
		{"", "no documents\n"},
		{`{"documents":0,"bytes":0,"characters":0,"words":0,"lines":0}` + "\n", `
documents  bytes  characters  words  lines
        0      0           0      0      0
`},
		{`{"documents":1234567,"bytes":1,"characters":2,"words":3,"lines":4}`, `
documents  bytes  characters  words  lines
1,234,567      1           2      3      4
`},
		{line(`"eu"`, "3"), `
language  documents      bytes  characters  words  lines
eu                3  1,234,567       1,000    999      0
`},
		{line(`null`, "2") + line(`true`, "1") + line(`"null"`, "1") + line(`""`, "1") + line(`"12"`, "1") + line(`" a"`, "1") +
			line(`"a b"`, "1000") + line(`"euskara ñ"`, "2") + line(`"\u001b[2J\u202e"`, "1") + line(`{"a":"`+"\u202e"+`"}`, "1") +
			line(`"`+strings.Repeat("ñ", 41)+`"`, "1") + line(`"`+strings.Repeat("o", 40)+`"`, "1"), `
language                                  documents       bytes  characters   words  lines
a b                                           1,000   1,234,567       1,000     999      0
null                                              2   1,234,567       1,000     999      0
euskara ñ                                         2   1,234,567       1,000     999      0
true                                              1   1,234,567       1,000     999      0
"null"                                            1   1,234,567       1,000     999      0
""                                                1   1,234,567       1,000     999      0
"12"                                              1   1,234,567       1,000     999      0
" a"                                              1   1,234,567       1,000     999      0
"\x1b[2J\u202e"                                   1   1,234,567       1,000     999      0
{"a":"` + "\ufffd" + `"}                                         1   1,234,567       1,000     999      0
` + strings.Repeat("ñ", 39) + `…          1   1,234,567       1,000     999      0
oooooooooooooooooooooooooooooooooooooooo          1   1,234,567       1,000     999      0
------------------------------------------------------------------------------------------
total                                         1,013  14,814,804      12,000  11,988      0
`},
	} {
		var b bytes.Buffer
		if err := Table(&b, []byte(c.result)); err != nil {
			t.Errorf("%v: %s", err, c.result)
		}
		if got := b.String(); got != strings.TrimPrefix(c.want, "\n") {
			t.Errorf("table\n%swant%s", got, c.want)
		}
	}
}

func TestTableErrors(t *testing.T) {
	good := `{"g":1,"documents":1,"bytes":1,"characters":1,"words":1,"lines":1}` + "\n"
	all := `{"documents":1,"bytes":1,"characters":1,"words":1,"lines":1}` + "\n"
	for _, c := range []struct{ result, want string }{
		{"\n", "line 1"},
		{"7", "not an object"},
		{good + `{"h"` + good[4:], "line 2 of the result: it is grouped by another field"},
		{good + all, "another field"},
		{all + all, "a second line"},
		{good[:20], "line 1"},
		{`{"g":1,"documents":1}`, `"bytes" is missing`},
		{`{"g":1,"h":1}`, `"h" is out of place`},
		{`{"g":1,"documents":1.5}`, "not a count"},
		{`{"g":1,"documents":-1}`, "not a count"},
		{strings.TrimSuffix(good, "\n") + "x", "follows"},
		{strings.TrimSuffix(all, "}\n") + `,"more":1}`, `"more" is out of place`},
	} {
		if err := Table(io.Discard, []byte(c.result)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.result, err, c.want)
		}
	}
	broken := errors.New("broken")
	if err := Table(failing{broken}, []byte(good)); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
