package tokenize

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

// lines are testdata as records, with a few that the stage cannot use.
func lines(t testing.TB) [][]byte {
	t.Helper()
	data, err := readFile(filepath.Join("testdata", "tokenize", "strings.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for l := range strings.Lines(string(data)) {
		if len(l) < 4000 && len(all) < 300 { // the suite runs each record many times
			all = append(all, []byte(strings.TrimSpace(l)))
		}
	}
	return append(all,
		[]byte(`{"id":"no text"}`), []byte(`{"text":null}`), []byte(`{"text":7}`), []byte(`not json`), []byte(`{"text":"a","text":"b"}`),
		[]byte(`{"text":""}`), []byte(`{"text":"a","input_ids":[1,2,3]}`), []byte(`{"input_ids":null,"text":"b"}`))
}

func TestStage(t *testing.T) {
	for name, cfg := range map[string]Config{
		"in the batch": {},
		"json":         {JSON: true},
		"options":      {JSON: true, Options: Options{AddSpecialTokens: true, SpecialsAsText: true}},
	} {
		cfg.Tokenizer = gpt2(t)
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, s, lines(t)) })
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a stage without a tokenizer")
	}
	if _, err := New(Config{Tokenizer: gpt2(t), JSON: true, TextField: record.MustPath("input_ids.x")}); err == nil {
		t.Error("a text where the ids go")
	}
}

func TestStageRecords(t *testing.T) {
	s, err := New(Config{Tokenizer: gpt2(t), JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{}
	for i, l := range []string{`{"text":"Hello world","input_ids":[7],"n":1e2}`, `{"text":""}`, `{"body":"x"}`, `{"text":"dropped"}`} {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), []byte(l))
	}
	b.Parse()
	b.Records[3].DropFor("earlier", "because")
	if err := s.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		line string
		ids  []uint32
		ok   bool
	}{
		{`{"text":"Hello world","input_ids":[15496,995],"n":1e2}`, []uint32{15496, 995}, true},
		{`{"text":"","input_ids":[]}`, nil, true},
		{`{"body":"x"}`, nil, false},
		{`{"text":"dropped"}`, nil, false},
	} {
		r := &b.Records[i]
		if got := strings.TrimSuffix(string(r.AppendLine(nil)), "\n"); got != c.line {
			t.Errorf("%d: %s, want %s", i, got, c.line)
		}
		if ids, ok := r.Tokens(); !slices.Equal(ids, c.ids) || ok != c.ok {
			t.Errorf("%d: %v %v, want %v %v", i, ids, ok, c.ids, c.ok)
		}
	}
	if b.Records[2].Outcome != record.Quarantine {
		t.Error(b.Records[2].Outcome)
	}
	if got := b.TakeTallies(); len(got) != 1 || got[0] != (record.Tally{Name: Tally, N: 2}) {
		t.Error(got)
	}
	config, err := json.Marshal(s.Spec().Config)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"add_special_tokens":false,"json":true,"specials_as_text":false,"text_field":"text","tokenizer":"` + gpt2(t).Info().Fingerprint + `"}`
	if string(config) != want {
		t.Errorf("identity %s, want %s", config, want)
	}
}

func TestStageAllocations(t *testing.T) {
	s, err := New(Config{Tokenizer: gpt2(t), JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	w := s.NewWorker()
	b := &record.Batch{}
	all := lines(t)
	all = all[:len(all)-8]
	run := func() {
		b.Reset()
		for i, l := range all {
			b.Append(record.ID(i), 0, l)
		}
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.TakeTallies()
	}
	run()
	if n := testing.AllocsPerRun(10, run); n >= 1 {
		t.Errorf("%v allocations for %d records that came before", n, len(all))
	}
}
