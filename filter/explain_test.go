package filter

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestExplain: an explanation says what the filter decides, of every document.
func TestExplain(t *testing.T) {
	tree := files{"p.yaml": "extends: fineweb\nlanguages: {eu: {gopher_quality: {min_doc_words: 5}}}\ndrop_if: {odd: 'id endsWith \"1\"'}\nkeep_if: {few: words < 10000}\n"}
	for _, p := range []Profile{lookup(t, "fineweb"), lookup(t, "basque"), lookup(t, "c4", "gopher"), tree.parse(t, "p.yaml")} {
		f := made(t, p, Config{})
		all := made(t, p, Config{Annotate: true})
		edits := 0
		for _, line := range lines(t) {
			r := mapOne(t, f, string(line))
			if r.Outcome.String() == "quarantine" {
				continue
			}
			a := mapOne(t, all, string(line))
			x, err := f.Explain(parsedRecord(t, string(line)))
			if err != nil {
				t.Fatal(err)
			}
			if x.Verdict != r.Outcome.String() || x.Rule != r.Rule || x.Reason != r.Reason {
				t.Errorf("%s, %.80s: explained as %s %s:%s, decided as %v %s:%s", p.Name, line, x.Verdict, x.Rule, x.Reason, r.Outcome, r.Rule, r.Reason)
			}
			var written struct {
				Curate struct {
					Filter struct{ Signals map[string]float64 }
				}
			}
			if err := json.Unmarshal(a.AppendLine(nil), &written); err != nil {
				t.Fatal(err)
			}
			first := ""
			for _, rule := range x.Rules {
				if rule.Edit != nil {
					edits++
					if len(rule.Edit.Lines) == 0 {
						t.Errorf("%s: an edit without lines", line)
					}
				}
				for _, e := range rule.Tests {
					if e.Result == ResultFail && first == "" {
						first = rule.Rule + ":" + e.Reason
					}
					w, ok := written.Curate.Filter.Signals[e.Signal]
					if ok != (e.Value != nil) || ok && (*e.Value-w > 1e-6 || w-*e.Value > 1e-6) {
						t.Errorf("%s, %.80s: signal %s is explained as %v, written as %v", p.Name, line, e.Signal, e.Value, w)
					}
				}
			}
			if r.Reason != "" && r.Reason != EmptyReason && first != r.Rule+":"+r.Reason {
				t.Errorf("%s: the first test that fails is %s, not %s:%s", line, first, r.Rule, r.Reason)
			}
		}
		if edits == 0 && f.edits {
			t.Errorf("%s: no edit was shown", p.Name)
		}
	}
}

const explained = `profile p, version 1; thresholds for language "eu"
11 words (whitespace): Menu This is prose with a citation[1]. It has two sentences.

expression
  pass  no_license                   license == nil
        where license = "cc0"
  ERROR score                        score > 3
        where score = null
        expression "score": column 7: invalid operation: <nil> > int; it is: score > 3

gopher_quality
  pass  gopher_short_doc             words = 11, fails if < 10
  off   gopher_long_doc              words = 11
`

// TestExplainText is read with one's own eyes.
func TestExplainText(t *testing.T) {
	tree := files{"p.yaml": `
rules:
  - {rule: gopher_quality, set: {min_doc_words: 20, max_doc_words: 0, max_avg_word_length: 4}}
  - {rule: c4_quality, set: {min_num_sentences: 2}}
languages: {eu: {gopher_quality: {min_doc_words: 10}}}
drop_if: {no_license: license == nil, score: score > 3}
keep_if: {short: words < 10}
`}
	f := made(t, tree.parse(t, "p.yaml"), Config{})
	x, err := f.Explain(parsedRecord(t, `{"language":"eu","license":"cc0","text":"Menu\nThis is prose with a citation[1]. It has two sentences.\n"}`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := x.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if !strings.HasPrefix(got, explained) {
		t.Errorf("%s\nshould begin with\n%s", got, explained)
	}
	for _, want := range []string{
		"  FAIL  gopher_above_avg_threshold   mean_word_length = ", ", fails if > 4; needed: at most 4\n",
		"\nc4_quality\n  pass  lorem_ipsum                  lorem_ipsum = 0, fails if > 0\n",
		"  edits the text:\n    - 1: Menu\n    - 2: This is prose with a citation[1]. It has two sentences.\n    - 3: \n    + 1: This is prose with a citation. It has two sentences.\n",
		"  FAIL  short                        words < 10\n        where words = 11\n        needed: the expression holds\n",
		"\nset aside: expression \"score\": column 7: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	b.Reset()
	if err := x.WriteJSON(&b, map[string]any{"file": "a.jsonl", "line": 3}); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Record  map[string]any
		Profile string
		Rules   []struct {
			Rule  string
			Edit  *struct{ Lines []LineChange }
			Tests []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if back.Record["line"] != 3.0 || back.Profile != "p" || len(back.Rules) != 4 || back.Rules[1].Tests[0]["value"] != 11.0 || back.Rules[2].Edit == nil || len(back.Rules[2].Edit.Lines) != 4 {
		t.Errorf("%s", b.String())
	}
}
