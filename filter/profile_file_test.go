package filter

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/record"
)

// files are a tree in memory.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	s, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return []byte(s), nil
}

func (f files) open(path string) (io.ReadCloser, error) {
	b, err := f.read(path)
	return io.NopCloser(strings.NewReader(string(b))), err
}

func (f files) parse(t testing.TB, path string) Profile {
	t.Helper()
	p, err := ParseProfile(path, []byte(f[path]), f.read)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func made(t testing.TB, p Profile, cfg Config) *Filter {
	t.Helper()
	f, err := NewOf(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// config of a filter, as its identity has it.
func identityOf(t testing.TB, f *Filter) map[string]any {
	t.Helper()
	raw, err := json.Marshal(f.Spec().Config)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func thresholds(t testing.TB, f *Filter) map[string]float64 {
	t.Helper()
	m := map[string]float64{}
	for i := range f.tests {
		if c := &f.tests[i]; c.test != nil && !c.off {
			m[c.test.Reason] = c.threshold
		}
	}
	return m
}

// TestPrintedProfiles: every profile of the table, written as YAML and read again, is the same profile.
func TestPrintedProfiles(t *testing.T) {
	docs := testdata(t)
	for _, p := range Profiles() {
		out, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseProfile("again.yaml", out, files{}.read)
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.Name, err, out)
		}
		if len(again.Rules) != len(p.Rules) {
			t.Fatalf("%s: %d rules, not %d", p.Name, len(again.Rules), len(p.Rules))
		}
		for i := range p.Rules {
			was, is := mustValues(&p.Rules[i]), mustValues(&again.Rules[i])
			if was.rule != is.rule || !slices.Equal(was.v, is.v) || !slices.Equal(was.more.texts, is.more.texts) || !reflect.DeepEqual(emptyLists(was), emptyLists(is)) {
				t.Errorf("%s, %s: %v, not %v", p.Name, p.Rules[i].Rule, is, was)
			}
			for k, s := range p.Rules[i].Set {
				if w := again.Rules[i].Set[k]; w.Param != s.Param || w.Why != s.Why {
					t.Errorf("%s, %s: %v, not %v", p.Name, p.Rules[i].Rule, w, s)
				}
			}
		}
		if again.Name != p.Name || again.Version != p.Version || again.Summary != p.Summary || again.Reproduces != p.Reproduces || again.Language != p.Language || again.Words != p.Words {
			t.Errorf("%s: %+v", p.Name, again)
		}
		f, err := NewOf(p, Config{})
		if err != nil {
			continue // it needs a list or a file of the user's; what it was given is the same
		}
		g := made(t, again, Config{})
		if !reflect.DeepEqual(f.Spec(), g.Spec()) {
			t.Errorf("%s: the identity is another:\n%s\n%s", p.Name, f.Spec().Config, g.Spec().Config)
		}
		v, w := f.NewView(), g.NewView()
		for _, d := range docs {
			rule, reason := f.Check(v, []byte(d.Text))
			if r, why := g.Check(w, []byte(d.Text)); r != rule || why != reason {
				t.Errorf("%s, %s: %s:%s, not %s:%s", p.Name, d.ID, r, why, rule, reason)
			}
		}
	}
}

func emptyLists(p Values) [][]string {
	var all [][]string
	for _, l := range p.more.lists {
		all = append(all, append([]string{}, l...))
	}
	return all
}

const ownProfile = `
name: mine
version: 3
extends: gopher
language: meta.lang
rules:
  - rule: gopher_quality
    set: {min_doc_words: 30, stop_words: {file: words.txt}}
    why: short pages are good here
  - rule: fineweb_quality
languages:
  eu:
    gopher_quality: {min_doc_words: 25, stop_words: [eta, da]}
  xx: {gopher_repetition: {top_2_gram: 0}}
drop_if:
  no_license: 'meta.license == nil'
keep_if: {long: words > 40 and sentences_like != "no"}
`

// TestOwnProfile: extends, files beside the profile, overrides by language, expressions.
func TestOwnProfile(t *testing.T) {
	tree := files{"conf/mine.yaml": ownProfile, "conf/words.txt": "\ufeffthe\n\n  of \r\n", "conf/sub/more.yaml": "extends: ../mine.yaml\nlanguages: {eu: {gopher_quality: {max_doc_words: 9}}}\ndrop_if: {no_license: 'url == nil', second: 'source == nil'}\n"}
	p := tree.parse(t, "conf/mine.yaml")
	f := made(t, p, Config{Open: tree.open})
	is := thresholds(t, f)
	base := thresholds(t, mustNew(t, Config{Profile: "gopher"}))
	maps.Copy(base, thresholds(t, only(t, "fineweb_quality")))
	base["gopher_short_doc"] = 30
	base["no_license"], base["long"] = 0, 0
	if !maps.Equal(is, base) {
		t.Errorf("thresholds %v, want %v", is, base)
	}
	if got := []string{f.tests[0].rule, f.tests[1].rule, f.tests[len(f.tests)-1].rule}; !slices.Equal(got, []string{"expression", "gopher_repetition", "expression"}) {
		t.Errorf("order of the tests: %v", got)
	}
	id := identityOf(t, f)
	if fmt.Sprint(id["fields"]) != "[language=meta.lang]" || id["profile"] != "mine" || id["profile_version"] != 3.0 {
		t.Errorf("identity %v", id)
	}
	if s := fmt.Sprint(id["expressions"]); s != "[map[expression:meta.license == nil keep:false name:no_license] map[expression:words > 40 and sentences_like != \"no\" keep:true name:long]]" {
		t.Error(s)
	}
	if p.Rules[1].Set[0].Why != "short pages are good here" || !slices.Equal(p.Rules[1].Set[1].Value.([]string), []string{"the", "of"}) {
		t.Errorf("%+v", p.Rules[1])
	}

	// The identity is another for another list, override or expression.
	seen := map[string]string{fmt.Sprint(id): "the profile"}
	for what, change := range map[string][2]string{
		"the list":       {"conf/words.txt", "the\nof\nand\n"},
		"an override":    {"conf/mine.yaml", strings.Replace(ownProfile, "words: 25", "words: 26", 1)},
		"an expression":  {"conf/mine.yaml", strings.Replace(ownProfile, "== nil", "!= nil", 1)},
		"keep to drop":   {"conf/mine.yaml", strings.Replace(strings.Replace(ownProfile, "\nkeep_if: {long:", "\n  long:", 1), `"no"}`, `"no"`, 1)},
		"language field": {"conf/mine.yaml", strings.Replace(ownProfile, "meta.lang", "lang", 1)},
	} {
		other := maps.Clone(tree)
		other[change[0]] = change[1]
		s := fmt.Sprint(identityOf(t, made(t, other.parse(t, "conf/mine.yaml"), Config{Open: other.open})))
		if was, ok := seen[s]; ok {
			t.Errorf("%s and %s have one identity", what, was)
		}
		seen[s] = what
	}

	// A profile on top of a file.
	more := tree.parse(t, "conf/sub/more.yaml")
	if more.Name != "more" || more.Version != 1 || len(more.Rules) != 3 || len(more.Conditions) != 3 || more.Conditions[0].Expression != "url == nil" || more.Conditions[1].Name != "second" {
		t.Errorf("%+v", more)
	}
	if set := more.Languages[0].Rules[0].Set; len(set) != 3 || set[2].Param != "max_doc_words" {
		t.Errorf("%+v", set)
	}
	if len(p.Conditions) != 2 || p.Conditions[0].Expression != "meta.license == nil" {
		t.Error("the base has changed")
	}
	// Printed, it stands alone.
	out, err := more.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseProfile("elsewhere.yaml", out, files{}.read)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if a, b := made(t, more, Config{}).Spec(), made(t, again, Config{}).Spec(); !reflect.DeepEqual(a, b) {
		t.Errorf("%s\n%s\n%s", a.Config, b.Config, out)
	}
}

// TestLanguages: the thresholds are those of the record's language.
func TestLanguages(t *testing.T) {
	tree := files{"p.yaml": `
rules: [{rule: gopher_quality, set: {min_doc_words: 50}}]
languages:
  eu: {gopher_quality: {min_doc_words: 5, min_stop_words: 1, stop_words: [eta]}}
  none: {gopher_quality: {min_doc_words: 0, min_stop_words: 0}}
`}
	f := made(t, tree.parse(t, "p.yaml"), Config{})
	for _, c := range []struct{ line, reason string }{
		{`{"text":"etxea eta mendia eta ibaia"}`, "gopher_short_doc"},
		{`{"language":"eu","text":"etxea eta mendia eta ibaia"}`, ""},
		{`{"language":"eu","text":"etxea mendia ibaia itsasoa basoa"}`, "gopher_enough_stop_words"},
		{`{"language":"eu","text":"etxea eta mendia"}`, "gopher_short_doc"},
		{`{"language":"de","text":"etxea eta mendia eta ibaia"}`, "gopher_short_doc"},
		{`{"language":7,"text":"etxea eta mendia eta ibaia"}`, "gopher_short_doc"},
		{`{"language":"none","text":"etxea"}`, ""},
		{`{"language":"none","text":"` + strings.Repeat("a ", 20) + `"}`, "gopher_below_avg_threshold"},
	} {
		for _, histograms := range []bool{false, true} {
			f.cfg.Histograms = histograms
			if r := mapOne(t, f, c.line); r.Reason != c.reason {
				t.Errorf("%s: %q, want %q", c.line, r.Reason, c.reason)
			}
		}
	}
	if s := fmt.Sprint(identityOf(t, f)["languages"]); !strings.HasPrefix(s, "map[eu:[map[name:gopher_quality params:map[") {
		t.Error(s)
	}
}

// TestBadProfiles: place, what is wrong, and the nearest name.
func TestBadProfiles(t *testing.T) {
	tree := files{"loop.yaml": "extends: p.yaml\n", "bad.yaml": "rules: [{rule: gopher}]\n", "latin1.txt": "ok\n\xe9\n"}
	for _, c := range []struct{ text, want string }{
		{"", "p.yaml:1:1: is empty"},
		{"name: x\n", "p.yaml:1:1: the profile decides nothing"},
		{"a: [", "p.yaml:1:4: "},
		{"rules: []\nrule: 3\n", `p.yaml:2:1: no key of a profile is called "rule"; did you mean "rules"?`},
		{"rules: 3\n", `p.yaml:1:8: "rules" is a list of rules (- rule: NAME), not "3"`},
		{"rules:\n  - rule: gopher_qualty\n", `p.yaml:2:11: no rule is called "gopher_qualty"; did you mean "gopher_quality"?`},
		{"rules:\n  - set: {min_doc_words: 3}\n", `p.yaml:2:5: the key "rule" is missing`},
		{"rules:\n  - rule: gopher_quality\n    set: {min_doc_word: 3}\n", `p.yaml:3:11: no parameter of gopher_quality is called "min_doc_word"; did you mean "min_doc_words"?`},
		{"rules:\n  - rule: gopher_quality\n    set: {min_doc_words: many}\n", `p.yaml:3:26: gopher_quality.min_doc_words is a number from 0 on, or true or false, not "many"`},
		{"rules:\n  - rule: gopher_quality\n    set: {min_doc_words: '3'}\n", `p.yaml:3:26: gopher_quality.min_doc_words is a number`},
		{"rules:\n  - rule: gopher_quality\n    set: {min_doc_words: -3}\n", `p.yaml:3:26: `},
		{"rules:\n  - rule: gopher_quality\n    set: {min_doc_words: .inf}\n", `p.yaml:3:26: `},
		{"rules:\n  - rule: gopher_quality\n    set: {stop_words: the}\n", `p.yaml:3:23: "stop_words" is a list of texts, not "the"`},
		{"rules:\n  - rule: gopher_quality\n    set: {stop_words: {fil: x}}\n", `p.yaml:3:24: no key of a list is called "fil"; did you mean "file"?`},
		{"rules:\n  - rule: gopher_quality\n    set: {stop_words: {file: x.txt}}\n", `p.yaml:3:30: x.txt: file does not exist`},
		{"rules:\n  - rule: gopher_quality\n    set: {stop_words: {file: latin1.txt}}\n", `p.yaml:3:30: latin1.txt:2: is not UTF-8`},
		{"rules:\n  - rule: gopher_quality\n    why: {min_doc_words: x}\n", `p.yaml:3:11: no parameter that is set here`},
		{"extends: gophr\n", `p.yaml:1:10: no profile is called "gophr"; did you mean "gopher"?`},
		{"extends: ./no.yaml\n", `p.yaml:1:10: no.yaml: file does not exist`},
		{"extends: bad.yaml\n", `bad.yaml:1:16: no rule is called "gopher"`},
		{"extends: loop.yaml\n", `loop.yaml:1:10: p.yaml extends itself, by way of loop.yaml`},
		{"extends: p.yaml\n", `extends itself`},
		{"words: spaces\nrules: []\n", `p.yaml:1:8: no way to cut words is called "spaces"`},
		{"version: 0\nrules: []\n", `p.yaml:1:10: "version" is a whole number from 1 on, not "0"`},
		{"version: '1'\nrules: []\n", `p.yaml:1:10: "version" is`},
		{"name: a,b\nrules: []\n", `p.yaml:1:7: a profile's name has no comma`},
		{"name: &x y\nrules: []\n", `p.yaml:1:7: a profile is plain YAML: no anchor`},
		{"rules: []\nrules: []\n", `p.yaml:2:1: `},
		{"extends: gopher\nlanguages: {eu: {c4_quality: {}}}\n", `p.yaml:2:18: no rule of the profile is called "c4_quality"`},
		{"extends: gopher\nlanguages: {eu: {gopher_quality: {min_words: 3}}}\n", `p.yaml:2:35: no parameter of gopher_quality is called "min_words"`},
		{"extends: gopher\nlanguages: eu\n", `p.yaml:2:12: "languages" has a key for each language`},
		{"language: a..b\nrules: []\n", `p.yaml:1:11: field path "a..b" has an empty name`},
		{"drop_if: {No: 'a == 1'}\n", `p.yaml:1:11: "No" becomes a reason`},
		{"drop_if: ['a == 1']\n", `p.yaml:1:10: "drop_if" is an expression`},
		{"drop_if: {x: }\n", `p.yaml:1:1`},
		{"drop_if: 'license == nil and wrods > 3'\n", `p.yaml:1:30: expression "drop_if": column 20: no signal is called "wrods"; did you mean "words"?`},
		{"drop_if:\n  a: words > \"x\"\n", `p.yaml:2:12: expression "a": column 7: invalid operation: > (mismatched types float64 and string)`},
		{"drop_if:\n  a: |\n    now() > 3\n", `expression "a": column 1: no function is called "now"`},
		{"drop_if: {a: 'too_many == 1', b: 'lorem_ipsum == 1'}\n", `p.yaml:1:34: signal "lorem_ipsum" is of a rule that edits the text`},
	} {
		tree := maps.Clone(tree)
		tree["p.yaml"] = c.text
		_, err := ParseProfile("p.yaml", []byte(c.text), tree.read)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n  error %v\n  want  %s", c.text, err, c.want)
		}
	}
}

// TestConditionsOfProfile: where expressions stand, what they are told, and what becomes of errors.
func TestConditionsOfProfile(t *testing.T) {
	tree := files{"p.yaml": `
rules: [{rule: gopher_quality, set: {min_stop_words: 0, min_doc_words: 2}}]
drop_if:
  no_license: license == nil
  repeats: top_2_gram > 0.9
  score: score > 3
keep_if:
  stops: stop_words >= 1
`}
	p := tree.parse(t, "p.yaml")
	f := made(t, p, Config{Verdicts: true})
	for _, c := range []struct {
		line    string
		outcome record.Outcome
		reason  string
	}{
		{`{"text":""}`, record.Drop, EmptyReason},
		{`{"text":"a"}`, record.Drop, "no_license"}, // before the rules
		{`{"text":"a","license":"x","score":1}`, record.Drop, "gopher_short_doc"},
		{`{"text":"the house of mine","license":"x","score":1}`, record.Keep, ""},
		{`{"text":"the house of mine","license":"x","score":4}`, record.Drop, "score"},
		{`{"text":"the house of mine","license":"x"}`, record.Quarantine, ""},
		{`{"text":"some house here","license":"x","score":1}`, record.Drop, "stops"},
		{`{"text":"one one one one","license":"x","score":1}`, record.Drop, "repeats"}, // of a rule that is not in the profile
	} {
		r := mapOne(t, f, c.line)
		want := c.reason
		if r.Outcome != c.outcome || r.Reason != want {
			t.Errorf("%s: %v %q %v, want %v %q", c.line, r.Outcome, r.Reason, r.Err, c.outcome, want)
		}
		if c.outcome == record.Quarantine && !strings.Contains(r.Err.Error(), `expression "score": column 7: `) {
			t.Error(r.Err)
		}
		// Annotated, the decision is the same.
		a := mapOne(t, made(t, p, Config{Annotate: true}), c.line)
		if a.Reason != want || (a.Outcome == record.Quarantine) != (c.outcome == record.Quarantine) {
			t.Errorf("%s, annotated: %v %q %v", c.line, a.Outcome, a.Reason, a.Err)
		}
	}
	r := mapOne(t, made(t, p, Config{Annotate: true}), `{"text":"one one one one","license":"x","score":1}`)
	if s := string(r.AppendLine(nil)); !strings.Contains(s, `"top_2_gram":`) || !strings.Contains(s, `"expression:repeats":1`) || !strings.Contains(s, `"expression:no_license":0`) || strings.Contains(s, `"top_3_gram"`) {
		t.Error(s)
	}
	// A test that is off is computed for an expression, and where the rule stands.
	tree["off.yaml"] = "rules: [{rule: gopher_quality, set: {min_doc_words: 0, max_doc_words: 0, min_stop_words: 0}}, {rule: c4_quality}]\ndrop_if: {w: words != 9}\n"
	line := `{"text":"Menu\nThis is a sentence. This is one. And more here. It goes on. So it does."}`
	if r := mapOne(t, made(t, tree.parse(t, "off.yaml"), Config{}), line); r.Reason != "w" {
		t.Error(r.Outcome, r.Reason)
	}
	tree["off.yaml"] = strings.Replace(tree["off.yaml"], "!= 9", "!= 17", 1)
	if r := mapOne(t, made(t, tree.parse(t, "off.yaml"), Config{}), line); r.Reason != "" {
		t.Error(r.Outcome, r.Reason)
	}
}

// TestNothingPaid: a profile without expressions allocates nothing a document, as does a language.
func TestNothingPaid(t *testing.T) {
	tree := files{"p.yaml": "extends: gopher\nlanguages: {en: {gopher_quality: {min_doc_words: 40}}}\n"}
	f := made(t, tree.parse(t, "p.yaml"), Config{})
	w := f.NewWorker()
	b := &record.Batch{}
	line := []byte(`{"language":"en","text":` + quote(prose) + `}`)
	run := func() {
		b.Reset()
		b.Append(1, 1, line)
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(ownProfile))
	f.Add([]byte("rules:\n  - {rule: c4_quality, set: {filter_javascript: false}, why: x}\n"))
	for _, p := range Profiles() {
		out, err := p.YAML()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := files{"words.txt": "the\nof\n"}
		p, err := ParseProfile("p.yaml", data, tree.read)
		if err != nil {
			if !strings.Contains(err.Error(), ".yaml:") {
				t.Errorf("%v says no place", err)
			}
			return
		}
		out, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseProfile("p.yaml", out, files{}.read)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		a, errA := NewOf(p, Config{})
		b, errB := NewOf(again, Config{})
		if (errA == nil) != (errB == nil) {
			t.Fatalf("%v; %v", errA, errB)
		}
		if errA == nil && !reflect.DeepEqual(a.Spec(), b.Spec()) {
			t.Errorf("%s\n%s", a.Spec().Config, b.Spec().Config)
		}
	})
}

// TestPrintedTexts: whatever a text is made of, it is read again as it was.
func TestPrintedTexts(t *testing.T) {
	pieces := []string{"a", "1", "1e3", "-", "- ", ": ", "#", " #", "'", `"`, `\`, "\t", "\n", "[", "]", "{", "}", ",", "&", "*", "!", "|", ">", "%", "@", "`", "~", "null", "true", "é", "☃", "?", "=", " ", "0x1", ".inf", "2020-01-01", "\u2028", "\x01", "\r"}
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 7))
		text := func() string {
			var b strings.Builder
			for range 1 + r.IntN(4) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			return b.String()
		}
		word := text()
		p := Profile{Name: "x", Version: 1, Words: "whitespace", Summary: text(), Rules: []RuleUse{{"gopher_quality", []Setting{{"stop_words", []string{word, "b"}, text()}}}},
			Conditions: []Condition{{Name: "c", Expression: fmt.Sprintf("source == %q", text())}}}
		out, err := p.YAML()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := ParseProfile("x.yaml", out, files{}.read)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, out)
		}
		if !reflect.DeepEqual(again, p) {
			t.Fatalf("seed %d:\n%#v\nis read as\n%#v\n%s", seed, p, again, out)
		}
	}
}
