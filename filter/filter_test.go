package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func mustNew(t testing.TB, cfg Config) *Filter {
	t.Helper()
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// lines are the testdata as records, with a few that the stage cannot use.
func lines(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, d := range testdata(t) {
		if len(d.Text) > 100_000 { // the suite runs each record many times
			continue
		}
		l, err := json.Marshal(map[string]string{"id": d.ID, "text": d.Text})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return append(all,
		[]byte(`{"id":"no text"}`), []byte(`{"text":null}`), []byte(`{"text":7}`), []byte(`{"text":["a"]}`),
		[]byte(`not json`), []byte(`{"text":"a","text":"b"}`), []byte(`{"text":""}`), []byte(`{"text":" \n\n "}`),
		[]byte(`{"text":"too short","curate":7}`), []byte(`{"text":"short","curate":{"langid":{"a":1e2},"filter":{"old":true}}}`))
}

func TestStage(t *testing.T) {
	for name, cfg := range map[string]Config{
		"normal":             {Profile: "gopher"},
		"verdicts":           {Profile: "gopher", Verdicts: true},
		"annotate":           {Profile: "gopher", Annotate: true},
		"c4":                 {Profile: "c4", Verdicts: true, Histograms: true},
		"fineweb":            {Profile: "fineweb"},
		"fineweb, annotated": {Profile: "fineweb", Annotate: true},
		"basque":             {Profile: "basque"},
		"nemo":               {Profile: "nemo-curator/english", Annotate: true},
		"dolma c4":           {Profile: "dolma/c4-v2"},
		"slimpajama":         {Profile: "slimpajama"},
		"fineweb@1":          {Profile: "fineweb@1"},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, mustNew(t, cfg), lines(t)) })
	}
}

func mapOne(t *testing.T, f *Filter, line string) *record.Record {
	t.Helper()
	b := &record.Batch{}
	b.Append(1, 1, []byte(line))
	b.Parse()
	if err := f.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &b.Records[0]
}

// TestVerdict holds what is written.
func TestVerdict(t *testing.T) {
	good := `{"text":` + quote(prose) + `}`
	signals := `{"dup_para_frac":0,"dup_para_char_frac":0,"dup_line_frac":0,"dup_line_char_frac":0,"top_2_gram":0.045296,` +
		`"top_3_gram":0.059233,"top_4_gram":0.069686,"dup_5_gram":0,"dup_6_gram":0,"dup_7_gram":0,"dup_8_gram":0,"dup_9_gram":0,` +
		`"dup_10_gram":0,"words":53,"mean_word_length":4.320755,"hash_ratio":0,"ellipsis_ratio":0,"bullet_lines":0,` +
		`"end_ellipsis_lines":0,"alpha_words":0.898305,"stop_words":8}`
	for _, c := range []struct {
		name, line string
		cfg        Config
		outcome    record.Outcome
		reason     string
		written    string // the line, or the dropped line
	}{
		{"keep", good, Config{}, record.Keep, "", good},
		{"keep says nothing", good, Config{Verdicts: true}, record.Keep, "", good},
		{"annotated keep", good, Config{Annotate: true}, record.Keep, "",
			good[:len(good)-1] + `,"curate":{"filter":{"profile":"gopher","verdict":"keep","signals":` + signals + `}}}`},
		{"drop", `{"text":"hello world"}`, Config{}, record.Drop, "top_2_gram", `{"text":"hello world"}`},
		{"drop with verdict", `{"text":"hello world"}`, Config{Verdicts: true}, record.Drop, "top_2_gram",
			`{"text":"hello world","curate":{"filter":{"profile":"gopher","verdict":"drop","rule":"gopher_repetition","reason":"top_2_gram",` +
				`"signals":{"dup_para_frac":0,"dup_para_char_frac":0,"dup_line_frac":0,"dup_line_char_frac":0,"top_2_gram":1}}}}`},
		{"annotated drop", `{"text":"a"}`, Config{Annotate: true}, record.Keep, "gopher_short_doc",
			`{"text":"a","curate":{"filter":{"profile":"gopher","verdict":"drop","rule":"gopher_quality","reason":"gopher_short_doc",` +
				`"signals":{"dup_para_frac":0,"dup_para_char_frac":0,"dup_line_frac":0,"dup_line_char_frac":0,` +
				`"dup_5_gram":0,"dup_6_gram":0,"dup_7_gram":0,"dup_8_gram":0,"dup_9_gram":0,"dup_10_gram":0,` +
				`"words":1,"mean_word_length":1,"hash_ratio":0,"ellipsis_ratio":0,"bullet_lines":0,"end_ellipsis_lines":0,"alpha_words":1,"stop_words":0}}}}`},
		{"empty", `{"text":""}`, Config{Verdicts: true}, record.Drop, "empty_text",
			`{"text":"","curate":{"filter":{"profile":"gopher","verdict":"drop","rule":"filter","reason":"empty_text","signals":{}}}}`},
		{"merged", `{"text":"","curate":{"dedup":1, "filter":{"old":1}}}`, Config{Annotate: true}, record.Keep, "empty_text",
			`{"text":"","curate":{"dedup":1, "filter":{"profile":"gopher","verdict":"drop","rule":"filter","reason":"empty_text","signals":{}}}}`},
		{"curate in the way", `{"text":"","curate":7}`, Config{Verdicts: true}, record.Quarantine, "", ""},
		{"curate in the way of a reason that nobody keeps", `{"text":"","curate":7}`, Config{}, record.Quarantine, "", ""},
		{"no text", `{"body":""}`, Config{}, record.Quarantine, "", ""},
		{"other field", `{"meta":{"body":"hello world"}}`, Config{TextField: record.MustPath("meta.body")}, record.Drop, "top_2_gram",
			`{"meta":{"body":"hello world"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Profile = "gopher"
			r := mapOne(t, mustNew(t, c.cfg), c.line)
			if r.Outcome != c.outcome || r.Reason != c.reason {
				t.Errorf("%v, reason %q, error %v; want %v, %q", r.Outcome, r.Reason, r.Err, c.outcome, c.reason)
			}
			switch r.Outcome {
			case record.Quarantine:
				if r.Err == nil || !strings.Contains(r.Err.Error(), `"`) {
					t.Errorf("error %v does not name the field", r.Err)
				}
				return
			case record.Drop:
				if got := strings.TrimSuffix(string(r.AppendDropped(nil)), "\n"); got != c.written {
					t.Errorf("dropped as\n%s\nwant\n%s", got, c.written)
				}
			case record.Keep:
				if got := strings.TrimSuffix(string(r.AppendLine(nil)), "\n"); got != c.written {
					t.Errorf("written as\n%s\nwant\n%s", got, c.written)
				}
			}
		})
	}
}

// TestEdits: what a rule leaves of the text is seen by the rules after it and by the next stage, and written into a
// kept record alone.
func TestEdits(t *testing.T) {
	page := "Menu\n" + prose + "\nSee the use of cookies here.\n" + prose + "[1]\n"
	left := prose + "\n" + prose
	for _, c := range []struct {
		name, line string
		cfg        Config
		outcome    record.Outcome
		reason     string
		written    string // the line, or the dropped line
		edited     int64
	}{
		{"edited", `{"id":1.0,"text":` + quote(page) + `,"z":[ ]}`, Config{Profile: "c4"}, record.Keep, "", `{"id":1.0,"text":` + quote(left) + `,"z":[ ]}`, 1},
		{"another field", `{"meta":{"body":` + quote(page) + `}}`, Config{Profile: "c4", TextField: record.MustPath("meta.body")}, record.Keep, "",
			`{"meta":{"body":` + quote(left) + `}}`, 1},
		{"nothing to edit", `{"text":` + quote(left) + `}`, Config{Profile: "c4"}, record.Keep, "", `{"text":` + quote(left) + `}`, 0},
		{"annotated", `{"text":` + quote(page) + `}`, Config{Profile: "c4", Annotate: true}, record.Keep, "",
			`{"text":` + quote(page) + `,"curate":{"filter":{"profile":"c4","verdict":"keep","signals":{"lorem_ipsum":0,"curly_bracket":0,"sentences":8}}}}`, 0},
		{"dropped as it was", `{"text":` + quote(page+"{ this is code.") + `}`, Config{Profile: "c4", Verdicts: true}, record.Drop, "curly_bracket",
			`{"text":` + quote(page+"{ this is code.") + `,"curate":{"filter":{"profile":"c4","verdict":"drop","rule":"c4_quality","reason":"curly_bracket","signals":{"lorem_ipsum":0,"curly_bracket":1}}}}`, 0},
		// Its five lines of one word would be 0.83 of all lines; c4_quality has taken them out.
		{"later rules see the edit", `{"text":` + quote(strings.Repeat("Menu a\nHome b\n", 3)+prose+" "+prose[30:]) + `}`, Config{Profile: "lines"}, record.Keep, "",
			`{"text":` + quote(prose+" "+prose[30:]) + `}`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f *Filter
			if c.cfg.Profile == "lines" {
				p := Profile{Name: "lines", Version: 1, Words: "whitespace", Rules: []RuleUse{{Rule: "c4_quality"}, {Rule: "fineweb_quality"}}}
				var err error
				if f, err = build(p, c.cfg); err != nil {
					t.Fatal(err)
				}
				alone := only(t, "fineweb_quality")
				var d struct{ Text string }
				if err := json.Unmarshal([]byte(c.line), &d); err != nil {
					t.Fatal(err)
				}
				if _, reason := alone.Check(alone.NewView(), []byte(d.Text)); reason == "" {
					t.Error("the unedited text passes too: nothing is shown")
				}
			} else {
				f = mustNew(t, c.cfg)
			}
			b := &record.Batch{}
			b.Append(1, 1, []byte(c.line))
			b.Parse()
			if err := f.NewWorker().Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			r := &b.Records[0]
			if r.Outcome != c.outcome || r.Reason != c.reason {
				t.Fatalf("%v, reason %q, error %v; want %v, %q", r.Outcome, r.Reason, r.Err, c.outcome, c.reason)
			}
			got := r.AppendLine(nil)
			if r.Outcome == record.Drop {
				got = r.AppendDropped(nil)
			}
			if s := strings.TrimSuffix(string(got), "\n"); s != c.written {
				t.Errorf("written as\n%s\nwant\n%s", s, c.written)
			}
			var scratch []byte
			if text, err := r.Text(f.cfg.TextField, &scratch); err != nil || c.edited > 0 && !strings.Contains(c.written, quote(string(text))) {
				t.Errorf("the next stage reads %q, %v", text, err)
			}
			var edited int64
			for _, n := range b.TakeTallies() {
				if n.Name == EditedTally {
					edited += n.N
				}
			}
			if edited != c.edited {
				t.Errorf("%d records tallied as edited, want %d", edited, c.edited)
			}
		})
	}
}

// TestHistograms: every signal that decided is tallied once a document, none twice, and none where nobody asked.
func TestHistograms(t *testing.T) {
	all := lines(t)
	for _, cfg := range []Config{{Profile: "fineweb"}, {Profile: "fineweb", Histograms: true}, {Profile: "fineweb", Histograms: true, Annotate: true}} {
		f := mustNew(t, cfg)
		w, v := f.NewWorker(), f.NewView()
		want, got := map[string]int64{}, map[string]int64{}
		for lo := 0; lo < len(all); lo += 50 {
			b := &record.Batch{}
			for i, l := range all[lo:min(lo+50, len(all))] {
				b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
			}
			b.Parse()
			var scratch []byte
			for i := range b.Records {
				if r := &b.Records[i]; r.Outcome == record.Keep && cfg.Histograms {
					if doc, err := r.Text(f.cfg.TextField, &scratch); err == nil {
						signals, _, _ := f.Verdict(nil, v, doc, cfg.Annotate)
						for _, s := range signals {
							want[fmt.Sprintf("%s@%d", s.Name, stage.Bin(s.Value))]++
						}
					}
				}
			}
			if err := w.Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for _, n := range b.TakeTallies() {
				if n.Name != EditedTally {
					got[n.Name] += n.N
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%+v: tallied %v\nwant %v", cfg, got, want)
		}
		if len(want) == 0 == cfg.Histograms {
			t.Errorf("%+v: %d bins", cfg, len(want))
		}
	}
}

func quote(s string) string {
	q, _ := json.Marshal(s)
	return string(q)
}

// TestSpec: the identity holds every value in force, in canonical JSON.
func TestSpec(t *testing.T) {
	s := mustNew(t, Config{Profile: "gopher"}).Spec()
	got, err := json.Marshal(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"annotate":false,"fields":[],"profile":"gopher","profile_version":2,"rules":[` +
		`{"name":"gopher_repetition","params":{"dup_10_gram":0.1,"dup_5_gram":0.15,"dup_6_gram":0.14,"dup_7_gram":0.13,"dup_8_gram":0.12,` +
		`"dup_9_gram":0.11,"dup_line_char_frac":0.2,"dup_line_frac":0.3,"dup_para_char_frac":0.2,"dup_para_frac":0.3,"top_2_gram":0.2,` +
		`"top_3_gram":0.18,"top_4_gram":0.16},"version":1},` +
		`{"name":"gopher_quality","params":{"max_avg_word_length":10,"max_bullet_lines_ratio":0.9,"max_doc_words":100000,` +
		`"max_ellipsis_lines_ratio":0.3,"max_non_alpha_words_ratio":0.8,"max_symbol_word_ratio":0.1,"min_avg_word_length":3,` +
		`"min_doc_words":50,"min_stop_words":2,"stop_words":["the","be","to","of","and","that","have","with"]},"version":1}],` +
		`"tests":[` +
		`{"compare":"above","reason":"dup_para_frac","rule":"gopher_repetition","signal":"dup_para_frac","threshold":0.3},` +
		`{"compare":"above","reason":"dup_para_char_frac","rule":"gopher_repetition","signal":"dup_para_char_frac","threshold":0.2},` +
		`{"compare":"above","reason":"dup_line_frac","rule":"gopher_repetition","signal":"dup_line_frac","threshold":0.3},` +
		`{"compare":"above","reason":"dup_line_char_frac","rule":"gopher_repetition","signal":"dup_line_char_frac","threshold":0.2},` +
		`{"compare":"above","reason":"top_2_gram","rule":"gopher_repetition","signal":"top_2_gram","threshold":0.2},` +
		`{"compare":"above","reason":"top_3_gram","rule":"gopher_repetition","signal":"top_3_gram","threshold":0.18},` +
		`{"compare":"above","reason":"top_4_gram","rule":"gopher_repetition","signal":"top_4_gram","threshold":0.16},` +
		`{"compare":"above","reason":"duplicated_5_n_grams","rule":"gopher_repetition","signal":"dup_5_gram","threshold":0.15},` +
		`{"compare":"above","reason":"duplicated_6_n_grams","rule":"gopher_repetition","signal":"dup_6_gram","threshold":0.14},` +
		`{"compare":"above","reason":"duplicated_7_n_grams","rule":"gopher_repetition","signal":"dup_7_gram","threshold":0.13},` +
		`{"compare":"above","reason":"duplicated_8_n_grams","rule":"gopher_repetition","signal":"dup_8_gram","threshold":0.12},` +
		`{"compare":"above","reason":"duplicated_9_n_grams","rule":"gopher_repetition","signal":"dup_9_gram","threshold":0.11},` +
		`{"compare":"above","reason":"duplicated_10_n_grams","rule":"gopher_repetition","signal":"dup_10_gram","threshold":0.1},` +
		`{"compare":"below","reason":"gopher_short_doc","rule":"gopher_quality","signal":"words","threshold":50},` +
		`{"compare":"above","reason":"gopher_long_doc","rule":"gopher_quality","signal":"words","threshold":100000},` +
		`{"compare":"below","reason":"gopher_below_avg_threshold","rule":"gopher_quality","signal":"mean_word_length","threshold":3},` +
		`{"compare":"above","reason":"gopher_above_avg_threshold","rule":"gopher_quality","signal":"mean_word_length","threshold":10},` +
		`{"compare":"above","reason":"gopher_too_many_hashes","rule":"gopher_quality","signal":"hash_ratio","threshold":0.1},` +
		`{"compare":"above","reason":"gopher_too_many_ellipsis","rule":"gopher_quality","signal":"ellipsis_ratio","threshold":0.1},` +
		`{"compare":"above","reason":"gopher_too_many_bullets","rule":"gopher_quality","signal":"bullet_lines","threshold":0.9},` +
		`{"compare":"above","reason":"gopher_too_many_end_ellipsis","rule":"gopher_quality","signal":"end_ellipsis_lines","threshold":0.3},` +
		`{"compare":"below","reason":"gopher_below_alpha_threshold","rule":"gopher_quality","signal":"alpha_words","threshold":0.8},` +
		`{"compare":"below","reason":"gopher_enough_stop_words","rule":"gopher_quality","signal":"stop_words","threshold":2}` +
		`],"text_field":"text","words":"spacy-en"}`
	if string(got) != want {
		t.Errorf("configuration\n%s\nwant\n%s", got, want)
	}
	if len(s.Needs) != 1 || s.Needs[0].String() != "text" {
		t.Errorf("needs %v", s.Needs)
	}
	other, _ := json.Marshal(mustNew(t, Config{Profile: "gopher", Verdicts: true}).Spec().Config)
	if !bytes.Equal(other, got) {
		t.Error("Verdicts changes no decision but the identity")
	}
	other, _ = json.Marshal(mustNew(t, Config{Profile: "gopher", Histograms: true}).Spec().Config)
	if !bytes.Equal(other, got) {
		t.Error("Histograms changes no decision but the identity")
	}
}

// TestSpecTests: package report knows four comparisons, and draws each test that is made once.
func TestSpecTests(t *testing.T) {
	for _, p := range Profiles() {
		if needsMore(p) {
			continue
		}
		f := mustNew(t, Config{Profile: p.Name})
		var cfg struct {
			Tests []struct{ Compare, Signal, Reason string }
		}
		raw, err := json.Marshal(f.Spec().Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &cfg); err != nil {
			t.Fatal(err)
		}
		made := 0
		for i := range f.tests {
			if !f.tests[i].off {
				made++
			}
		}
		if len(cfg.Tests) != made || made == 0 && !f.edits {
			t.Errorf("%s: %d tests in the configuration, %d are made", p.Name, len(cfg.Tests), made)
		}
		for _, c := range cfg.Tests {
			if !slices.Contains([]string{"above", "below", "at_or_above", "at_or_below"}, c.Compare) {
				t.Errorf("%s: %s is compared %q", p.Name, c.Reason, c.Compare)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"goffer": `no profile is called "goffer"; did you mean "gopher"?`,
		"zyda":   `no profile is called "zyda"; there are: ` + strings.Join(profileNames(), ", "),
		"":       `no profile is called ""; there are: ` + strings.Join(profileNames(), ", "),
	} {
		if _, err := Lookup(name); err == nil || err.Error() != want {
			t.Errorf("Lookup(%q): %v, want %s", name, err, want)
		}
		if _, err := New(Config{Profile: name}); err == nil {
			t.Errorf("New with profile %q made a filter", name)
		}
	}
	for _, c := range []struct {
		p    Profile
		want string
	}{
		{Profile{Words: "spacy"}, `profile "x": no way to cut words is called "spacy"; there are: ` + strings.Join(wordCutNames(), ", ")},
		{Profile{Words: "whitespace", Rules: []RuleUse{{Rule: "gopher_qualty"}}}, `profile "x": no rule is called "gopher_qualty"; did you mean "gopher_quality"?`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{Param: "min_words", Value: 1}}}}},
			`profile "x": no parameter of gopher_quality is called "min_words"; did you mean "min_doc_words"?`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{Param: "min_doc_words", Value: -1}}}}},
			`profile "x": gopher_quality.min_doc_words is -1; it is a number from 0 on`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{Param: "min_doc_words", Value: "many"}}}}},
			`profile "x": gopher_quality.min_doc_words is many; it is a number from 0 on`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{Param: "stop_words", Value: 2}}}}},
			`profile "x": gopher_quality.stop_words is 2; it is a list of texts`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{Param: "stop_words", Value: []string{""}}}}}},
			`profile "x": gopher_quality: stop word 0 is empty`},
	} {
		c.p.Name = "x"
		if _, err := build(c.p, Config{}); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestNoAllocation: in steady state a batch of real documents, kept and dropped, escaped and not, costs none.
func TestNoAllocation(t *testing.T) {
	for name, cfg := range map[string]Config{
		"normal":     {Profile: "gopher"},
		"verdicts":   {Profile: "gopher", Verdicts: true},
		"annotate":   {Profile: "gopher", Annotate: true},
		"histograms": {Profile: "gopher", Histograms: true},
		"edits":      {Profile: "c4", Histograms: true},
		"fineweb":    {Profile: "fineweb", Annotate: true},
		"basque":     {Profile: "basque"},
	} {
		t.Run(name, func(t *testing.T) {
			w := mustNew(t, cfg).NewWorker()
			all := lines(t)
			all = all[:len(all)-10] // errors may allocate
			b := &record.Batch{}
			kept, dropped := 0, 0
			run := func() {
				b.Reset()
				for i, l := range all {
					b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
				}
				b.Parse()
				if err := w.Map(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				b.TakeTallies()
				kept, dropped = 0, 0
				for i := range b.Records {
					if b.Records[i].Reason == "" {
						kept++
					} else {
						dropped++
					}
				}
			}
			run()
			run()
			if n := testing.AllocsPerRun(5, run); n != 0 {
				t.Errorf("%v allocations a batch of %d records", n, len(all))
			}
			if kept == 0 || dropped == 0 {
				t.Errorf("%d kept, %d dropped: the batch shows nothing", kept, dropped)
			}
		})
	}
}

// TestScratchIsGivenBack: one huge document does not stay in a worker's memory.
func TestScratchIsGivenBack(t *testing.T) {
	w := mustNew(t, Config{Profile: "gopher", Annotate: true}).NewWorker().(*worker)
	huge := strings.Repeat(prose+"\t", 8000)
	for _, l := range []string{`{"text":` + quote(huge) + `}`, `{"text":` + quote(prose) + `}`} {
		b := &record.Batch{}
		b.Append(1, 1, []byte(l))
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n := w.view.Size() + cap(w.text); n > scratchLimit {
			t.Errorf("%d bytes of scratch after a record of %d", n, len(l))
		}
	}
}

func BenchmarkGopher(b *testing.B) {
	var docs [][]byte
	for _, d := range testdata(b) {
		if strings.Contains(d.ID, "/lohelp/") {
			docs = append(docs, []byte(d.Text))
		}
	}
	for _, mode := range []string{"check", "all"} {
		b.Run(mode, func(b *testing.B) { benchmark(b, "gopher", docs, mode == "all") })
	}
	for _, profile := range []string{"c4", "fineweb", "basque"} {
		b.Run(profile, func(b *testing.B) { benchmark(b, profile, docs, false) })
	}
}

// BenchmarkConformance is BenchmarkGopher over the conformance folder, whose documents are not all ours to
// commit.
func BenchmarkConformance(b *testing.B) {
	dir := os.Getenv("CURATE_CONFORMANCE")
	if dir == "" {
		b.Skip("CURATE_CONFORMANCE is not set")
	}
	docs, err := readDocs(filepath.Join(dir, "filter-dedup"))
	if err != nil {
		b.Fatal(err)
	}
	groups := map[string][][]byte{}
	for _, d := range docs {
		if group := d.Lang; !strings.HasPrefix(d.ID, "edge/") {
			if !strings.Contains(d.ID, "/lohelp/") {
				group = "debian"
			}
			groups[group] = append(groups[group], []byte(d.Text))
		}
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		for _, mode := range []string{"check", "all"} {
			b.Run(group+"/"+mode, func(b *testing.B) {
				benchmark(b, "gopher", groups[group], mode == "all")
			})
		}
	}
}

func benchmark(b *testing.B, profile string, docs [][]byte, all bool) {
	f := mustNew(b, Config{Profile: profile})
	v := f.NewView()
	size := 0
	for _, d := range docs {
		size += len(d)
		f.Check(v, d)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range docs {
			v.Reset(d)
			if all {
				f.decide(v, true)
			} else {
				f.decideBriefly(v)
			}
		}
	}
}
