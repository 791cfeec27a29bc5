package filter

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/record"
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
		"normal":   {Profile: "gopher"},
		"verdicts": {Profile: "gopher", Verdicts: true},
		"annotate": {Profile: "gopher", Annotate: true},
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
		`"dup_10_gram":0,"words":53,"mean_word_length":4.433962,"hash_ratio":0,"ellipsis_ratio":0,"bullet_lines":0,` +
		`"end_ellipsis_lines":0,"alpha_words":1,"stop_words":8}`
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
	want := `{"annotate":false,"profile":"gopher","profile_version":1,"rules":[` +
		`{"name":"gopher_repetition","params":{"dup_10_gram":0.1,"dup_5_gram":0.15,"dup_6_gram":0.14,"dup_7_gram":0.13,"dup_8_gram":0.12,` +
		`"dup_9_gram":0.11,"dup_line_char_frac":0.2,"dup_line_frac":0.3,"dup_para_char_frac":0.2,"dup_para_frac":0.3,"top_2_gram":0.2,` +
		`"top_3_gram":0.18,"top_4_gram":0.16},"version":1},` +
		`{"name":"gopher_quality","params":{"max_avg_word_length":10,"max_bullet_lines_ratio":0.9,"max_doc_words":100000,` +
		`"max_ellipsis_lines_ratio":0.3,"max_non_alpha_words_ratio":0.8,"max_symbol_word_ratio":0.1,"min_avg_word_length":3,` +
		`"min_doc_words":50,"min_stop_words":2},"version":1}],` +
		`"stop_words":["the","be","to","of","and","that","have","with"],"tests":[` +
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
		`],"text_field":"text","words":"whitespace"}`
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
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"goffer": `no profile is called "goffer"; did you mean "gopher"?`,
		"basque": `no profile is called "basque"; there are: gopher`,
		"":       `no profile is called ""; there are: gopher`,
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
		{Profile{Words: "spacy"}, `profile "x": words are "spacy"; only "whitespace" is possible`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{Rule: "gopher_qualty"}}}, `profile "x": no rule is called "gopher_qualty"; did you mean "gopher_quality"?`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{"min_words", 1}}}}},
			`profile "x": no parameter of gopher_quality is called "min_words"; did you mean "min_doc_words"?`},
		{Profile{Words: "whitespace", Rules: []RuleUse{{"gopher_quality", []Setting{{"min_doc_words", -1}}}}},
			`profile "x": gopher_quality.min_doc_words is -1; a threshold is a number from 0 on`},
		{Profile{Words: "whitespace", StopWords: []string{""}}, `profile "x": stop word 0 is empty`},
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
		"normal":   {Profile: "gopher"},
		"verdicts": {Profile: "gopher", Verdicts: true},
		"annotate": {Profile: "gopher", Annotate: true},
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
		b.Run(mode, func(b *testing.B) { benchmark(b, docs, mode == "all") })
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
				benchmark(b, groups[group], mode == "all")
			})
		}
	}
}

func benchmark(b *testing.B, docs [][]byte, all bool) {
	f := mustNew(b, Config{Profile: "gopher"})
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
			f.decide(v, all)
		}
	}
}
