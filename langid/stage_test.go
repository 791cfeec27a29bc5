package langid

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

// endings is an engine for tests of the stage alone: it goes by the last letter.
type endings struct{ languages []string }

func (e endings) Languages() []string       { return e.languages }
func (e endings) Load()                     {}
func (e endings) NewIdentifier() Identifier { return e }
func (e endings) Identify(text []byte) Answer {
	switch {
	case bytes.HasSuffix(text, []byte("k")):
		return Answer{Language: "eu", Score: 0.9876}
	case bytes.HasSuffix(text, []byte("s")):
		return Answer{Language: "es", Score: 1}
	}
	return Answer{Language: Und}
}

func withEndings(t testing.TB, cfg Config) *Stage {
	t.Helper()
	cfg.Engine = "lingua" // whose set of languages is small
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStage(cfg, endings{cfg.Languages})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// badLines are records that the stage cannot use, and those that hold what it writes already.
func badLines() [][]byte {
	return [][]byte{
		[]byte(`{"id":"no text"}`), []byte(`{"text":null}`), []byte(`{"text":7}`), []byte(`{"text":["a"]}`),
		[]byte(`not json`), []byte(`{"text":"a","text":"b"}`), []byte(`{"text":""}`), []byte(`{"text":" \n\n "}`),
		[]byte(`{"text":"los gatos","curate":7}`), []byte(`{"text":"katuak","curate":7}`),
		[]byte(`{"text":"katuak","curate":{"filter":{"a":1e2},"langid":{"old":true}}}`),
		[]byte(`{"language":{"a":1},"text":"katu\u0061k","language_score":"high"}`),
	}
}

func TestStage(t *testing.T) {
	lines := badLines()
	for i := range 30 {
		lines = append(lines, fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, []string{"txakurrak", "los perros", "123"}[i%3]))
	}
	for name, cfg := range map[string]Config{
		"all":      {},
		"keep":     {Keep: []string{"eu"}},
		"verdicts": {Keep: []string{"eu", "und"}, Verdicts: true},
		"annotate": {Keep: []string{"eu"}, Annotate: true},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, withEndings(t, cfg), lines) })
	}
}

func mapOne(t *testing.T, s *Stage, line string) *record.Record {
	t.Helper()
	b := &record.Batch{}
	b.Append(1, 1, []byte(line))
	b.Parse()
	if err := s.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &b.Records[0]
}

// TestWritten holds what is written, and what is decided.
func TestWritten(t *testing.T) {
	keep := Config{Keep: []string{"eu"}}
	verdicts := Config{Keep: []string{"eu"}, Verdicts: true}
	annotate := Config{Keep: []string{"eu"}, Annotate: true}
	for _, c := range []struct {
		name, line string
		cfg        Config
		outcome    record.Outcome
		reason     string
		written    string // the line, or the dropped line
	}{
		{"found", `{"text":"katuak"}`, Config{}, record.Keep, "", `{"text":"katuak","language":"eu","language_score":0.9876}`},
		{"not found", `{"text":"123"}`, Config{}, record.Keep, "", `{"text":"123","language":"und","language_score":0}`},
		{"overwritten", `{"language":"en","text":"gatos","language_score":[0.5],"z":1}`, Config{}, record.Keep, "", `{"language":"es","text":"gatos","language_score":1,"z":1}`},
		{"kept", `{"text":"katuak"}`, keep, record.Keep, "", `{"text":"katuak","language":"eu","language_score":0.9876}`},
		{"dropped", `{"text":"gatos"}`, keep, record.Drop, "language_es", `{"text":"gatos"}`},
		{"dropped as und", `{"text":"."}`, keep, record.Drop, "language_und", `{"text":"."}`},
		{"und kept", `{"text":"."}`, Config{Keep: []string{"und"}}, record.Keep, "", `{"text":".","language":"und","language_score":0}`},
		{"dropped with verdict", `{"text":"gatos","curate":{"a":1}}`, verdicts, record.Drop, "language_es",
			`{"text":"gatos","curate":{"a":1,"langid":{"engine":"lingua","verdict":"drop","rule":"langid","reason":"language_es","language":"es","score":1}}}`},
		{"kept says nothing more", `{"text":"katuak","curate":{}}`, verdicts, record.Keep, "", `{"text":"katuak","curate":{},"language":"eu","language_score":0.9876}`},
		{"annotated keep", `{"text":"katuak"}`, annotate, record.Keep, "",
			`{"text":"katuak","curate":{"langid":{"engine":"lingua","verdict":"keep","language":"eu","score":0.9876}},"language":"eu","language_score":0.9876}`},
		{"annotated drop", `{"text":"gatos"}`, annotate, record.Keep, "language_es",
			`{"text":"gatos","curate":{"langid":{"engine":"lingua","verdict":"drop","rule":"langid","reason":"language_es","language":"es","score":1}},"language":"es","language_score":1}`},
		{"curate in the way", `{"text":"gatos","curate":7}`, verdicts, record.Quarantine, "", ""},
		{"curate in the way of a verdict that nobody keeps", `{"text":"gatos","curate":7}`, keep, record.Quarantine, "", ""},
		{"curate in nobody's way", `{"text":"katuak","curate":7}`, keep, record.Keep, "", `{"text":"katuak","curate":7,"language":"eu","language_score":0.9876}`},
		{"no text", `{"body":"gatos"}`, Config{}, record.Quarantine, "", ""},
		{"text is null", `{"text":null}`, Config{}, record.Quarantine, "", ""},
		{"other field", `{"meta":{"body":"gatos"}}`, Config{TextField: "meta.body"}, record.Keep, "", `{"meta":{"body":"gatos"},"language":"es","language_score":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mapOne(t, withEndings(t, c.cfg), c.line)
			if r.Outcome != c.outcome || r.Reason != c.reason || c.reason != "" && r.Rule != Rule {
				t.Fatalf("%v, %s:%s, error %v; want %v, %q", r.Outcome, r.Rule, r.Reason, r.Err, c.outcome, c.reason)
			}
			var got []byte
			switch r.Outcome {
			case record.Quarantine:
				if r.Err == nil || !strings.Contains(r.Err.Error(), `"`) {
					t.Errorf("error %v does not name the field", r.Err)
				}
				return
			case record.Drop:
				got = r.AppendDropped(nil)
			case record.Keep:
				got = r.AppendLine(nil)
			}
			if got := strings.TrimSuffix(string(got), "\n"); got != c.written {
				t.Errorf("written as\n%s\nwant\n%s", got, c.written)
			}
		})
	}
}

func TestSpec(t *testing.T) {
	s := withEndings(t, Config{Keep: []string{"eu"}, Verdicts: true})
	const want = `{"annotate":false,"engine":"lingua","keep":["eu"],"languages":["ca","de","en","es","eu","fr","it","pt","tr"],"min_score":0,"sample_bytes":300,"text_field":"text"}`
	if spec := s.Spec(); spec.Name != "langid" || string(spec.Config.(json.RawMessage)) != want {
		t.Errorf("%s %s\nwant\n%s", spec.Name, spec.Config, want)
	}
	fast, err := New(Config{Engine: "fasttext", Languages: []string{"eu", "gl"}, MinScore: 0.25})
	if err != nil {
		t.Fatal(err)
	}
	const wantFast = `{"annotate":false,"engine":"fasttext","keep":[],"languages":["eu","gl"],"min_score":0.25,"model":"sha256:` + lidDigest + `","text_field":"text"}`
	if spec := fast.Spec(); string(spec.Config.(json.RawMessage)) != wantFast {
		t.Errorf("%s\nwant\n%s", spec.Config, wantFast)
	}
	cfg, err := Config{Engine: "lingua", TextField: "language.text"}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newStage(cfg, endings{cfg.Languages}); err == nil || !strings.Contains(err.Error(), "overwrites") {
		t.Errorf("a text that the stage overwrites: %v", err)
	}
}

// TestStageAllocatesNothing: what the adapter adds to an engine.
func TestStageAllocatesNothing(t *testing.T) {
	b := &record.Batch{}
	w := withEndings(t, Config{}).NewWorker()
	line := []byte(`{"text":"katu\u0061k","id":1}`)
	once := func() {
		b.Reset()
		b.Append(1, 1, line)
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 0 {
		t.Errorf("%v allocations a record", n)
	}
}
