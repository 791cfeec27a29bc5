package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"curate/stage/stagetest"
)

func lookup(t testing.TB, names ...string) Profile {
	t.Helper()
	var list []Profile
	for _, n := range names {
		p, err := Lookup(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return Compose(list...)
}

// TestComposition: a composition decides as its profiles do one behind the other, each on the text that the one before
// has left, and gives the same reasons.
func TestComposition(t *testing.T) {
	for _, names := range [][]string{
		{"gopher", "c4"}, {"c4", "gopher"}, {"c4", "fineweb"}, {"fineweb", "basque"}, {"gopher", "basque"}, {"basque", "gopher", "c4"}, {"gopher", "gopher"}, {"c4", "c4"},
	} {
		t.Run(strings.Join(names, ","), func(t *testing.T) {
			f := made(t, lookup(t, names...), Config{})
			v := f.NewView()
			var each []*Filter
			var views []*View
			for _, n := range names {
				each = append(each, mustNew(t, Config{Profile: n}))
				views = append(views, each[len(each)-1].NewView())
			}
			kept, dropped := 0, 0
			for _, d := range testdata(t) {
				doc := []byte(d.Text)
				var rule, reason string
				for i := range each {
					if rule, reason = each[i].Check(views[i], doc); reason != "" {
						break
					}
					doc = slices.Clone(views[i].Text())
				}
				gotRule, gotReason := f.Check(v, []byte(d.Text))
				if gotRule != rule || gotReason != reason {
					t.Fatalf("%s: %s:%s, one behind the other %s:%s", d.ID, gotRule, gotReason, rule, reason)
				}
				if reason == "" {
					kept++
					if string(v.Text()) != string(doc) {
						t.Fatalf("%s: leaves\n%q\nnot\n%q", d.ID, v.Text(), doc)
					}
				} else {
					dropped++
				}
				// With all signals the decision is the same.
				if _, r, why := f.Verdict(nil, v, []byte(d.Text), true); r != rule || why != reason {
					t.Fatalf("%s: with all signals %s:%s, not %s:%s", d.ID, r, why, rule, reason)
				}
			}
			if dropped == 0 || kept+dropped < 100 {
				t.Errorf("%d kept, %d dropped: nothing is shown", kept, dropped)
			}
		})
	}
}

// TestSignalNames: a signal that is asked for again of other text or words has a name of its own.
func TestSignalNames(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  []string // some of the signals, in order
		not   string
	}{
		{[]string{"gopher", "gopher"}, []string{"dup_para_frac", "words", "stop_words"}, "@"},
		{[]string{"gopher", "c4", "gopher"}, []string{"words", "sentences", "dup_para_frac@2", "words@2", "stop_words@2"}, "@3"},
		{[]string{"gopher", "basque"}, []string{"words", "stop_words", "words@2", "stop_words@2", "line_punct"}, "@3"}, // other stop words
		{[]string{"fineweb", "c4"}, []string{"sentences", "sentences@2"}, "words@2"},
	} {
		f := made(t, lookup(t, c.names...), Config{})
		at := -1
		for _, name := range c.want {
			i := slices.Index(f.names, name)
			if i <= at {
				t.Errorf("%v: signal %s is missing or in another place: %v", c.names, name, f.names)
			}
			at = i
		}
		if s := strings.Join(f.names, " "); strings.Contains(s, c.not) {
			t.Errorf("%v: %s", c.names, s)
		}
		if u := slices.Compact(slices.Sorted(slices.Values(f.names))); len(u) != len(f.names) {
			t.Errorf("%v: a name stands twice: %v", c.names, f.names)
		}
		// What is written names them so, and the identity compares them so.
		sig, _, _ := f.Verdict(nil, f.NewView(), []byte(strings.Repeat(prose+"\n", 3)), true)
		for _, s := range sig {
			if !slices.Contains(f.names, s.Name) {
				t.Errorf("%v: signal %s", c.names, s.Name)
			}
		}
		id := identityOf(t, f)
		for _, x := range id["tests"].([]any) {
			if n := x.(map[string]any)["signal"].(string); !slices.Contains(f.names, n) {
				t.Errorf("%v: the identity has %q", c.names, n)
			}
		}
		if n := len(id["parts"].([]any)); n != len(c.names) || id["profile"] != strings.Join(c.names, ",") {
			t.Errorf("%v: %v", c.names, id)
		}
	}
	a, b := made(t, lookup(t, "gopher", "c4"), Config{}), made(t, lookup(t, "c4", "gopher"), Config{})
	if fmt.Sprint(identityOf(t, a)) == fmt.Sprint(identityOf(t, b)) {
		t.Error("the order is no part of the identity")
	}
}

// TestCompositionWithConditions: each profile's expressions see its own signals.
func TestCompositionWithConditions(t *testing.T) {
	tree := files{
		"a.yaml": "rules: [{rule: gopher_quality, set: {min_doc_words: 0, min_stop_words: 0}}]\ndrop_if: {first: words != 17}\n",
		"b.yaml": "rules: [{rule: gopher_quality, set: {min_doc_words: 0, min_stop_words: 0}}]\ndrop_if: {second: words != 16}\n",
	}
	c4, err := Lookup("c4")
	if err != nil {
		t.Fatal(err)
	}
	line := `{"text":"Menu\nThis is a sentence. This is one. And more here. It goes on. So it does."}`
	f := made(t, Compose(tree.parse(t, "a.yaml"), c4, tree.parse(t, "b.yaml")), Config{})
	if r := mapOne(t, f, line); r.Reason != "" {
		t.Errorf("%v %q %v", r.Outcome, r.Reason, r.Err)
	}
	if r := mapOne(t, made(t, Compose(tree.parse(t, "a.yaml"), c4, tree.parse(t, "a.yaml")), Config{}), line); r.Reason != "first" {
		t.Errorf("%v %q %v", r.Outcome, r.Reason, r.Err)
	}
	if r := mapOne(t, made(t, Compose(tree.parse(t, "b.yaml"), c4), Config{}), line); r.Reason != "second" {
		t.Errorf("%v %q %v", r.Outcome, r.Reason, r.Err)
	}
}

// TestOwnStage: the laws of a stage hold for a user's profile and a composition.
func TestOwnStage(t *testing.T) {
	tree := files{"p.yaml": `
extends: c4
rules: [{rule: c4_quality, set: {min_num_sentences: 1}}, {rule: gopher_quality, set: {min_doc_words: 5, min_stop_words: 0}}]
languages: {eu: {gopher_quality: {min_doc_words: 2}}}
drop_if: {odd: id endsWith "1", error: count > 3 and words > 100}
`}
	p := tree.parse(t, "p.yaml")
	for name, f := range map[string]*Filter{
		"own":         made(t, p, Config{Verdicts: true, Histograms: true}),
		"annotated":   made(t, p, Config{Annotate: true}),
		"composition": made(t, Compose(p, lookup(t, "gopher")), Config{Histograms: true}),
	} {
		t.Run(name, func(t *testing.T) {
			if s := fmt.Sprint(f.Spec().Uses); s != "[language id count]" {
				t.Error(s)
			}
			some := lines(t)
			stagetest.Mapper(t, f, append(some[:60:60], some[len(some)-10:]...))
		})
	}
}
