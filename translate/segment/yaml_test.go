package segment

import (
	"strings"
	"testing"
	"time"
)

func TestYAML(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"name: build\non:\n  push:\n    branches: [main]\njobs:\n  test:\n    runs-on: ubuntu-latest", ""},
		{"services:\n  - web\n  - db\nname: my app\ndeploy:\n  mode: global\n\nThat is the file.", "That is the file."},
		{"pros:\n  - fast\n  - cheap\ncons:\n  - slow\nprice: low", "pros: fast cheap cons: slow price: low"},
		{"Here it is:\na: 1\nb:\n  c: open the door\n  # a remark\n\nd: 2\n", "Here it is:"},
		{"Ingredients:\n  - sugar\n  - flour\nTime: ten minutes\nServes: four", "Ingredients: sugar flour Time: ten minutes Serves: four"},
		{"name: Ann\nage: five\njob: none", "name: Ann age: five job: none"},
		{"question: why\nanswer: because\n  note: so\nand text goes on", "question: why answer: because note: so and text goes on"},
		{"note: this is\n  a: b\n", "note: this is a: b"},
	} {
		var got []string
		for _, u := range Units(nil, c.text) {
			got = append(got, u.Text(c.text))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: units %q, want %q", c.text, s, c.want)
		}
	}
	began := time.Now()
	Units(nil, strings.Repeat("a:\n", 300_000))
	Units(nil, strings.Repeat("a:\nB c\n", 150_000))
	Units(nil, strings.Repeat("a:\n\n", 250_000)+"B")
	if d := time.Since(began); d > 20*time.Second {
		t.Error(d)
	}
}
