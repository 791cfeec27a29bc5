package recipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// cut keeps the records whose text holds a word, and counts with a result: kinds enough for every test here.
var testKinds = []Kind{
	{
		Name: "count", Summary: "counts records", Result: true,
		Keys: []Key{{Name: "label", Type: Text, Help: "written beside the number"}},
		Build: func(_ context.Context, v *Values, _ Setting) ([]stage.Stage, error) {
			return []stage.Stage{counter{v.Text("label")}}, nil
		},
		Speed: 100,
	},
	{
		Name: "cut", Summary: "keeps records with a word",
		Keys: []Key{
			{Name: "word", Type: Text, Required: true, Help: "that stays"},
			{Name: "also", Type: Texts, Help: "more words"},
			{Name: "least", Type: Integer, Default: int64(1), Min: 0, Max: 9, Help: "bytes of text"},
			{Name: "ratio", Type: Number, Default: 0.5, Help: "nothing"},
			{Name: "share", Type: Share, Help: "nothing"},
			{Name: "loud", Type: Boolean, Help: "nothing"},
			{Name: "mode", Type: Text, Default: "fast", Choices: []string{"fast", "slow"}, Help: "nothing"},
			{Name: "counts", Type: StepOrPath, Help: "a step that counts"},
			{Name: "beside", Type: RecordsOf, Help: "other records"},
			{Name: "deep", Type: Object, Keys: []Key{{Name: "er", Type: Integer, Help: "nothing"}}, Help: "nothing"},
			{Name: "list", Type: Objects, Keys: []Key{{Name: "length", Type: Integer, Required: true, Help: "nothing"}}, Help: "nothing"},
		},
		Check: func(v *Values) error {
			if v.Text("word") == "impossible" {
				return v.Errorf("word", "cannot be")
			}
			if v.Text("word") == "plain" {
				return errors.New("is plain")
			}
			return nil
		},
		Build: func(_ context.Context, v *Values, s Setting) ([]stage.Stage, error) {
			return []stage.Stage{cutter{word: v.Text("word"), text: s.TextField}}, nil
		},
		Speed: 50, Factor: 1,
	},
	{
		Name: "pick", Summary: "keeps records with words", Short: "words",
		Keys: []Key{{Name: "words", Type: Texts, Required: true, Help: "that stay"}, {Name: "loud", Type: Boolean, Help: "nothing"}},
		Build: func(_ context.Context, v *Values, s Setting) ([]stage.Stage, error) {
			return []stage.Stage{cutter{word: v.Texts("words")[0], text: s.TextField}}, nil
		},
		Speed: 50,
	},
}

const head = "version: 1\nrun: out\n"

func parseTest(text string, sets ...string) (*Recipe, error) {
	return Parse("r.yaml", []byte(text), nil, sets, testKinds)
}

func TestParse(t *testing.T) {
	r, err := parseTest(`# a comment
version: 1
run: runs/x/
text_field: body.text
quarantine: {max: 0.5%}
steps:
  - name: clean
    read: [a/*.jsonl, "b c.jsonl"]
    cut: {word: yes, also: [x, "1"], least: 3, share: 75%, loud: true, mode: slow, deep: {er: 4}, list: [{length: 1}, {length: 2}]}
  - name: counted
    from: clean
    cut:
      word: "true"
    count:
  - name: last
    read: z.jsonl
    from: [clean]
    cut: {word: w, counts: counted}
  - name: beside
    read: z.jsonl
    cut: {word: w, beside: [last, "held/*.jsonl", x*, clean]}
  - name: once
    read: z.jsonl
    cut: {word: w, beside: clean}
`)
	if err != nil {
		t.Fatal(err)
	}
	v := r.Steps[0].Uses[0].Values
	got := join(r.Run, r.TextField, r.Quarantine, r.Steps[0].Read, v.Text("word"), v.Texts("also"), v.Integer("least"), v.Number("ratio"), v.Number("share"),
		v.Boolean("loud"), v.Text("mode"), v.Object("deep").Integer("er"), len(v.Objects("list")), v.Objects("list")[1].Integer("length"), v.Given("counts"))
	if want := "runs/x body.text 0.5% [a/*.jsonl b c.jsonl] yes [x 1] 3 0.5 0.75 true slow 4 2 2 false"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if r.Steps[1].Uses[1].Kind.Name != "count" || !r.Steps[1].Result() || r.Steps[0].Result() {
		t.Error("the stages are not in the order written")
	}
	last := r.Steps[2]
	if len(last.Needs) != 2 || len(last.From) != 1 || last.Uses[0].Values.Path("counts") != "runs/x/counted" {
		t.Errorf("%+v", last)
	}
	beside, once := r.Steps[3], r.Steps[4]
	got = join(beside.Uses[0].Values.Paths("beside"), len(beside.Needs), once.Uses[0].Values.Paths("beside"), len(once.Needs), last.Uses[0].Values.Paths("beside"))
	if want := "[runs/x/last held/*.jsonl x* runs/x/clean] 2 [runs/x/clean] 1 []"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// join writes values with a space between any two.
func join(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }

// TestShort: a kind with a short form takes a value in place of its keys, and is printed with them.
func TestShort(t *testing.T) {
	r, err := parseTest(head + "steps:\n  - {name: a, read: x, pick: w}\n  - {name: b, read: x, pick: [v, w]}\n  - {name: c, read: x, pick: {words: u, loud: true}}\n")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteConfig(&b); err != nil {
		t.Fatal(err)
	}
	again, err := parseTest(b.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	for _, r := range []*Recipe{r, again} {
		got := join(r.Steps[0].Uses[0].Values.Texts("words"), r.Steps[1].Uses[0].Values.Texts("words"), r.Steps[2].Uses[0].Values.Texts("words"), r.Steps[2].Uses[0].Values.Boolean("loud"))
		if want := "[w] [v w] [u] true"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for text, want := range map[string]string{"pick:": `the key "words" is missing`, "pick: []": `"words" is an empty list`, "pick: ''": `"words" holds an empty text`} {
		if _, err := parseTest(head + "steps:\n  - name: a\n    read: x\n    " + text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if b.Reset(); WriteSchema(&b, testKinds) != nil || !strings.Contains(b.String(), `"anyOf"`) || !strings.Contains(Help(testKinds), "pick: VALUE is pick: {words: VALUE}") {
		t.Errorf("neither schema nor help has the short form:\n%s", b.String())
	}
}

func TestParseErrors(t *testing.T) {
	step := func(s string) string { return head + "steps:\n  - " + strings.ReplaceAll(s, "\n", "\n    ") + "\n" }
	for _, c := range []struct{ text, want string }{
		{"", `r.yaml:1:1: is empty`},
		{"# nothing", `r.yaml:1:1: is empty`},
		{"[1]", `a recipe is keys with values`},
		{"version: 1", `r.yaml:1:1: the key "run" is missing`},
		{"version: 2\nrun: a\nsteps: []", `r.yaml:1:10: version 2 of recipes; this program reads version 1`},
		{"version: 1\nrun: a\nstep: []", `r.yaml:3:1: no key is called "step"; did you mean "steps"?`},
		{"version: 1\nrun: a\nrun: b\nsteps: []", `"run"`},
		{"version: 1\nrun: [a", `r.yaml:2:`},
		{"version: 1\nrun: ~\nsteps: []", `r.yaml:2:6: "run" is empty`},
		{"version: 1\nrun: Null\nsteps: []", `r.yaml:2:6: "run" is empty`},
		{"version: 1\nrun: " + strings.Repeat("[", 300_000), `nested too deeply`},
		{"version: 1\nrun:\n  " + strings.Repeat("- ", 300_000), `nested too deeply`},
		{"version: 1\n" + strings.Repeat("#\n", 1<<20), `has more than 1048576 bytes`},
		{step("name: a\nread: [x, ~]\ncut: {word: a}"), `"read" holds an empty text`},
		{step("name: a\nread:\ncut: {word: a}"), `"read" holds an empty text`},
		{head + "steps: []", `r.yaml:3:8: there are no steps`},
		{head + "steps: 5", `r.yaml:3:8: "steps" is a list of keys with values, not "5"`},
		{head + "quarantine: {max: much}\nsteps: []", `r.yaml:3:19: "much" is neither`},
		{head + "text_field: a..b\nsteps: []", `r.yaml:3:13: `},
		{step("cut: {word: a}"), `r.yaml:4:5: the key "name" is missing`},
		{step("name: A b\nread: x\ncut: {word: a}"), `r.yaml:4:11: "A b": a step's name has small letters`},
		{step("name: a\ncut: {word: a}"), `r.yaml:4:5: the step "a" reads nothing`},
		{step("name: a\nread: x"), `the step "a" does nothing; there are: count, cut`},
		{step("name: a\nread: x\nctu: {word: a}"), `r.yaml:6:5: no key or stage of a step is called "ctu"; did you mean "cut"?`},
		{step("name: a\nread: x\ncut: {wrd: a}"), `r.yaml:6:11: no key is called "wrd"; did you mean "word"?`},
		{step("name: a\nread: x\ncut:"), `r.yaml:6:`},
		{step("name: a\nread: x\ncut: []"), `here stand keys with values (word, also`},
		{step("name: a\nread: x\ncut: {word: [a]}"), `"word" is text, not a list`},
		{step("name: a\nread: x\ncut: {word: ''}"), `"word" is empty`},
		{step("name: a\nread: x\ncut: {word: a, least: 10}"), `r.yaml:6:27: "least" is a number from 0 to 9, not 10`},
		{step("name: a\nread: x\ncut: {word: a, least: \"3\"}"), `"least" is a whole number, not "3"`},
		{step("name: a\nread: x\ncut: {word: a, least: 1.5}"), `"least" is a whole number, not "1.5"`},
		{step("name: a\nread: x\ncut: {word: a, ratio: .nan}"), `"ratio" is a number, not ".nan"`},
		{step("name: a\nread: x\ncut: {word: a, share: 101%}"), `"share" is a share such as 75%, not "101%"`},
		{step("name: a\nread: x\ncut: {word: a, loud: yes}"), `"loud" is true or false, not "yes"`},
		{step("name: a\nread: x\ncut: {word: a, mode: fats}"), `no mode is called "fats"; did you mean "fast"?`},
		{step("name: a\nread: x\ncut: {word: a, list: [{}]}"), `the key "length" is missing`},
		{step("name: a\nread: x\ncut: {word: a, also: []}"), `"also" is an empty list`},
		{step("name: a\nread: x\ncut: {word: impossible}"), `r.yaml:6:17: cannot be`},
		{step("name: a\nread: x\ncut: {word: plain}"), `r.yaml:6:5: cut: is plain`},
		{step("name: a\nread: x\ncut: {word: a, counts: b}"), `no earlier step is called "b"`},
		{step("name: a\nread: x\ncut: {word: a, beside: [./b, b]}"), `r.yaml:6:28: no earlier step is called "b"`},
		{step("name: a\nread: x\ncut: {word: a, beside: {b: 1}}"), `"beside" is a list of names of earlier steps and paths, not keys with values`},
		{step("name: a\nread: x\ncut: {word: a, beside: []}"), `"beside" is an empty list`},
		{step("name: a\nread: x\ncount:\n") + "  - {name: b, read: y, cut: {word: a, beside: a}}", `the step "a" makes no records, which beside are`},
		{step("name: a\nread: x\ncount: {}\ncut: {word: a}"), `r.yaml:7:5: cut stands behind count`},
		{step("name: a\nfrom: b\ncut: {word: a}"), `no earlier step is called "b"`},
		{step("name: a\nfrom: a\ncut: {word: a}"), `no earlier step is called "a"`},
		{step("name: a\nread: x\ncut: {word: a}\n") + "  - {name: a, read: y, count: {}}", `the step "a" stands here twice`},
		{step("name: a\nread: x\ncount: {}\n") + "  - {name: b, from: a, count: {}}", `the step "a" makes no records`},
		{step("name: a\nread: x\ncut: {word: a}\n") + "  - {name: b, from: [a, a], count: {}}", `"a" is named twice`},
		{step("name: a\nread: x\ncut: {word: a}\n") + "  - {name: b, read: y, cut: {word: a, counts: a}}", `the step "a" makes records`},
		{head + "steps:\n  - &x {name: a, read: b, count: {}}", `a recipe is plain YAML: no anchor`},
		{head + "---\na: b", `several YAML documents`},
		{head + "steps:\n  - name: a\n    name: b", `"name"`},
	} {
		_, err := parseTest(c.text)
		var usage *pipeline.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "r.yaml:") {
			t.Errorf("%q:\n%v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	text := head + "steps:\n  - {name: a, read: x, cut: {word: w}}\n  - {name: b, from: a, count: {}}\n"
	r, err := parseTest(text, "run=elsewhere", "quarantine.max=3", "steps.a.cut.word=other", "steps.a.cut.also=[p, q]", "steps.1.count.label=n", "steps.a.cut.deep.er=5", "text_field=t")
	if err != nil {
		t.Fatal(err)
	}
	v := r.Steps[0].Uses[0].Values
	if got := join(r.Run, r.Quarantine, v.Text("word"), v.Texts("also"), r.Steps[1].Uses[0].Values.Text("label"), v.Object("deep").Integer("er"), r.TextField); got != "elsewhere 3 other [p q] n 5 t" {
		t.Error(got)
	}
	// Below a stage without keys, and behind a byte order mark.
	bare := "\ufeff" + head + "steps:\n  - {name: a, read: x, count: }\n"
	if r, err = parseTest(bare, "steps.a.count.label=n"); err != nil || r.Steps[0].Uses[0].Values.Text("label") != "n" {
		t.Error(err)
	}
	for _, c := range []struct{ set, want string }{
		{"run=null", `--set run=null: "run" is empty`},
		{"run", "give KEY=VALUE"},
		{"steps.c.cut.word=x", `below steps: no step is called "c"; did you mean "a"?`},
		{"run.x=1", `run is a value`},
		{"steps.a.cut.wrd=x", `--set steps.a.cut.wrd=x: no key is called "wrd"; did you mean "word"?`},
		{"steps.a.cut.least=x", `--set steps.a.cut.least=x: "least" is a whole number`},
		{"steps.a.cut.word=", `"word" is empty`},
	} {
		if _, err := parseTest(text, c.set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.set, err, c.want)
		}
	}
}

// TestWriteConfig: every value in force, and the same recipe when it is read again.
func TestWriteConfig(t *testing.T) {
	text := head + "steps:\n  - {name: a, read: x, cut: {word: 'true', list: [{length: 2}], deep: {er: 1}, share: 50%}}\n  - {name: b, from: a, count: }\n"
	r, err := parseTest(text)
	if err != nil {
		t.Fatal(err)
	}
	var once, twice bytes.Buffer
	if err := r.WriteConfig(&once); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mode: fast", "ratio: 0.5", "least: 1", "text_field: text", "share: 0.5", "length: 2"} {
		if !strings.Contains(once.String(), want) {
			t.Errorf("no %q in\n%s", want, once.String())
		}
	}
	again, err := parseTest(once.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, once.String())
	}
	if err := again.WriteConfig(&twice); err != nil || once.String() != twice.String() {
		t.Errorf("%v\n%s\nis not\n%s", err, twice.String(), once.String())
	}
}

func TestSchema(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSchema(&b, testKinds); err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties struct {
			Steps struct {
				Items struct {
					Properties map[string]struct {
						Properties map[string]map[string]any
						Required   []string
					}
					Additional bool `json:"additionalProperties"`
				}
			}
		}
		Required []string
	}
	if err := json.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	items := s.Properties.Steps.Items
	if fmt.Sprint(s.Required) != "[version run steps]" || items.Additional || fmt.Sprint(items.Properties["cut"].Required) != "[word]" ||
		fmt.Sprint(items.Properties["cut"].Properties["mode"]["enum"]) != "[fast slow]" || len(items.Properties["cut"].Properties) != len(testKinds[1].Keys) {
		t.Error(b.String())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		head + "steps:\n  - {name: a, read: x, cut: {word: w}}\n  - {name: b, from: a, count: {}}\n", "version: 1", "[", "a: &b c", "? x\n: y", "{a: b, [c]: d}", "!!x y", "- |\n  a\n", "a: *b", "<<: {a: b}",
	} {
		f.Add(s, "steps.a.cut.word=x")
	}
	f.Fuzz(func(t *testing.T, text, set string) {
		r, err := parseTest(text, set)
		var usage *pipeline.UsageError
		if err != nil && !errors.As(err, &usage) {
			t.Fatalf("not an error of usage: %v", err)
		}
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := r.WriteConfig(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := parseTest(b.String()); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
	})
}

// cutter keeps the records whose text holds the word.
// asker is an io-bound stage that keeps every record.
type asker struct{}

func (asker) Spec() stage.Spec          { return stage.Spec{Name: "ask", Version: 1, InFlight: 3} }
func (a asker) NewWorker() stage.Worker { return a }

func (asker) Map(ctx context.Context, _ *record.Batch) error { return ctx.Err() }

type cutter struct {
	word string
	text record.Path
}

func (c cutter) Spec() stage.Spec {
	return stage.Spec{Name: "cut", Version: 1, Config: map[string]any{"word": c.word, "seed": 7}, Needs: []record.Path{c.text}}
}

func (c cutter) NewWorker() stage.Worker { return &cutWorker{cutter: c} }

type cutWorker struct {
	cutter
	scratch []byte
}

func (w *cutWorker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(w.text, &w.scratch)
		if err != nil {
			r.QuarantineFor(err)
		} else if !bytes.Contains(text, []byte(w.word)) {
			r.DropFor("cut", "no_"+w.word)
		}
	}
	return ctx.Err()
}
