package dedup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

func mustSplitter(t testing.TB, cfg SplitConfig) *Splitter {
	t.Helper()
	s, err := NewSplitter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func holding(t testing.TB, texts ...string) *HeldOut {
	t.Helper()
	b := NewHeldOutBuilder(nil, int64(len(texts)))
	for _, text := range texts {
		if err := b.Add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Set()
}

var fifths = []Part{{"validation", 0.2}, {"test", 0.2}}

func TestSplitterLaws(t *testing.T) {
	held := holding(t, "café 1", "one of many: 3")
	for name, cfg := range map[string]SplitConfig{
		"train":      {Parts: fifths, Seed: 3},
		"validation": {Parts: fifths, Seed: 3, Keep: "validation", Verdicts: true},
		"by":         {Parts: fifths, By: record.MustPath("n")},
		"held out":   {HeldOut: held, Verdicts: true},
		"the rest":   {HeldOut: held, Parts: fifths, By: record.MustPath("text"), Keep: HeldOutPart},
		"optional":   {HeldOut: held, TextOptional: true, Keep: HeldOutPart},
		"annotate":   {HeldOut: held, Parts: fifths, Annotate: true},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Mapper(t, mustSplitter(t, cfg), lines()) })
	}
}

func splitOne(t *testing.T, s *Splitter, line string) *record.Record {
	t.Helper()
	b := &record.Batch{}
	b.Append(1, 1, []byte(line))
	b.Parse()
	if err := s.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &b.Records[0]
}

// TestSplitter holds what is decided and written. "text 8" is in validation and "text 19" in test, with seed 1 (TestPartitionKnown).
func TestSplitter(t *testing.T) {
	held := holding(t, "text 19", "é")
	for _, c := range []struct {
		name, line string
		cfg        SplitConfig
		want       string // outcome, reason or error, line
	}{
		{"kept", `{"text":"text 0"}`, SplitConfig{Parts: fifths}, `keep {"text":"text 0"}`},
		{"dropped", `{"text":"text 8"}`, SplitConfig{Parts: fifths}, `drop validation {"text":"text 8"}`},
		{"as it came", ` {"text" : "t\u0065xt 8", "n":1e400}`, SplitConfig{Parts: fifths}, `drop validation  {"text" : "t\u0065xt 8", "n":1e400}`},
		{"verdict", `{"text":"text 8"}`, SplitConfig{Parts: fifths, Verdicts: true}, `drop validation {"text":"text 8","curate":{"split":{"part":"validation","verdict":"drop","rule":"split","reason":"validation"}}}`},
		{"its part", `{"text":"text 19"}`, SplitConfig{Parts: fifths, Keep: "test", Verdicts: true}, `keep {"text":"text 19"}`},
		{"annotated", `{"text":"text 19"}`, SplitConfig{Parts: fifths, Annotate: true}, `keep test {"text":"text 19","curate":{"split":{"part":"test"}}}`},
		{"held out", `{"text":"text 19"}`, SplitConfig{Parts: fifths, HeldOut: held}, `drop held_out {"text":"text 19"}`},
		{"held out of its part", `{"text":"text 19"}`, SplitConfig{Parts: fifths, HeldOut: held, Keep: "test"}, `drop held_out {"text":"text 19"}`},
		{"held out alone", `{"text":"\u00e9"}`, SplitConfig{HeldOut: held}, `drop held_out {"text":"\u00e9"}`},
		{"another text", `{"text":"É"}`, SplitConfig{HeldOut: held}, `keep {"text":"É"}`},
		{"what is held out", `{"text":"é"}`, SplitConfig{HeldOut: held, Keep: HeldOutPart}, `keep {"text":"é"}`},
		{"what is not", `{"text":"e"}`, SplitConfig{HeldOut: held, Keep: HeldOutPart}, `drop train {"text":"e"}`},
		{"held out, annotated", `{"text":"é"}`, SplitConfig{HeldOut: held, Annotate: true}, `keep held_out {"text":"é","curate":{"split":{"part":"held_out"}}}`},
		{"by", `{"text":7,"url":"text 8"}`, SplitConfig{Parts: fifths, By: record.MustPath("url")}, `drop validation {"text":7,"url":"text 8"}`},
		{"by a number", `{"group": 12}`, SplitConfig{Parts: fifths, By: record.MustPath("group")}, `keep {"group": 12}`},
		{"by an object", `{"m":{"group":[ 1, 2]}}`, SplitConfig{Parts: fifths, By: record.MustPath("m.group")}, `drop validation {"m":{"group":[ 1, 2]}}`},
		{"by null", `{"text":"a","url":null}`, SplitConfig{Parts: fifths, By: record.MustPath("url")}, `quarantine field "url" is null, and nothing to compare`},
		{"by nothing", `{"text":"a"}`, SplitConfig{Parts: fifths, By: record.MustPath("url")}, `quarantine field "url" is missing`},
		{"by, held out", `{"text":"é","url":"text 8"}`, SplitConfig{Parts: fifths, By: record.MustPath("url"), HeldOut: held}, `drop held_out {"text":"é","url":"text 8"}`},
		{"by without a text", `{"url":"text 8"}`, SplitConfig{Parts: fifths, By: record.MustPath("url"), HeldOut: held}, `quarantine field "text" is missing`},
		{"optional text", `{"url":"text 8"}`, SplitConfig{Parts: fifths, By: record.MustPath("url"), HeldOut: held, TextOptional: true}, `drop validation {"url":"text 8"}`},
		{"optional text, held out", `{"url":"text 8","text":"é"}`, SplitConfig{Parts: fifths, By: record.MustPath("url"), HeldOut: held, TextOptional: true}, `drop held_out {"url":"text 8","text":"é"}`},
		{"optional text, looked for", `{"text":7}`, SplitConfig{HeldOut: holding(t, ""), TextOptional: true, Keep: HeldOutPart}, `drop train {"text":7}`},
		{"no text", `{"id":1}`, SplitConfig{Parts: fifths}, `quarantine field "text" is missing`},
		{"no string", `{"text":7}`, SplitConfig{Parts: fifths}, `quarantine field "text" is a number, not a string`},
		{"no place for a verdict", `{"text":"text 0","curate":7}`, SplitConfig{Parts: fifths}, `quarantine field "curate" is a number, not an object, so "curate.split" cannot be set`},
		{"other field", `{"body":{"text":"text 8"}}`, SplitConfig{Parts: fifths, TextField: record.MustPath("body.text")}, `drop validation {"body":{"text":"text 8"}}`},
	} {
		c.cfg.Seed = 1
		r := splitOne(t, mustSplitter(t, c.cfg), c.line)
		got := r.Outcome.String() + " "
		switch {
		case r.Outcome == record.Quarantine:
			got += r.Err.Error()
		case r.Outcome == record.Drop:
			got += r.Reason + " " + string(r.AppendDropped(nil))
		default:
			got += strings.TrimLeft(r.Reason+" ", " ") + string(r.AppendLine(nil))
		}
		if got = strings.TrimSuffix(got, "\n"); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
		if r.Outcome == record.Drop && r.Rule != SplitRule {
			t.Errorf("%s: rule %s", c.name, r.Rule)
		}
	}
}

func TestSplitterErrors(t *testing.T) {
	for _, c := range []struct {
		want string
		cfg  SplitConfig
	}{
		{"nothing to split", SplitConfig{}},
		{"nothing to split", SplitConfig{Parts: []Part{{"test", 0}}}},
		{`no part is called "tset"; did you mean "test"`, SplitConfig{Parts: fifths, Keep: "tset"}},
		{"no part is called", SplitConfig{Parts: fifths, Keep: HeldOutPart}},
		{"no part is called", SplitConfig{Parts: []Part{{"validation", 0.1}, {"test", 0}}, Keep: "test"}},
		{"cannot be optional", SplitConfig{Parts: fifths, HeldOut: holding(t, "a"), TextOptional: true}},
		{"leave nothing to train", SplitConfig{Parts: []Part{{"validation", 1}}}},
	} {
		if _, err := NewSplitter(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// TestSplitterIdentity: what changes a decision changes the configuration, and nothing else does.
func TestSplitterIdentity(t *testing.T) {
	base := SplitConfig{Parts: fifths, Seed: 1, HeldOut: holding(t, "a", "b")}
	config := func(change func(c *SplitConfig)) string {
		c := base
		change(&c)
		raw, err := json.Marshal(mustSplitter(t, c).Spec().Config)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	same := config(func(*SplitConfig) {})
	for name, change := range map[string]func(c *SplitConfig){
		"verdicts":           func(c *SplitConfig) { c.Verdicts = true },
		"defaults":           func(c *SplitConfig) { c.Keep, c.TextField = TrainPart, record.MustPath("text") },
		"the set as it came": func(c *SplitConfig) { c.HeldOut = holding(t, "b", "a", "b") },
	} {
		if got := config(change); got != same {
			t.Errorf("%s: %s\nwant %s", name, got, same)
		}
	}
	seen := map[string]string{same: "nothing"}
	for name, change := range map[string]func(c *SplitConfig){
		"seed":        func(c *SplitConfig) { c.Seed = 1<<63 + 1 },
		"seed's end":  func(c *SplitConfig) { c.Seed = 1<<63 + 2 },
		"parts":       func(c *SplitConfig) { c.Parts = fifths[:1] },
		"order":       func(c *SplitConfig) { c.Parts = []Part{fifths[1], fifths[0]} },
		"keep":        func(c *SplitConfig) { c.Keep = "test" },
		"by":          func(c *SplitConfig) { c.By = record.MustPath("url") },
		"text":        func(c *SplitConfig) { c.TextField = record.MustPath("body") },
		"held out":    func(c *SplitConfig) { c.HeldOut = holding(t, "a", "c") },
		"no held out": func(c *SplitConfig) { c.HeldOut = nil },
		"annotate":    func(c *SplitConfig) { c.Annotate = true },
		"optional":    func(c *SplitConfig) { c.By, c.TextOptional = record.MustPath("url"), true },
	} {
		got := config(change)
		if other, twice := seen[got]; twice {
			t.Errorf("%s and %s: both are %s", name, other, got)
		}
		seen[got] = name
	}
}

// TestSplitterParts: each document is kept by one part, the same whatever stands beside it and however its text is
// written, and what has the same value of a field is kept by the same.
func TestSplitterParts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	held := holding(t, "text 3", "text 4")
	parts := append(randomParts(rng), Part{"some", 0.001})
	cfg := SplitConfig{Parts: parts, Seed: rng.Uint64(), HeldOut: held}
	names := []string{TrainPart, HeldOutPart}
	for _, p := range parts {
		if p.Share > 0 {
			names = append(names, p.Name)
		}
	}
	for _, by := range []record.Path{{}, record.MustPath("group")} {
		cfg.By = by
		home := map[string]string{} // of a text, or of a group
		for range 3 {
			b := &record.Batch{}
			for i := range 400 {
				text := fmt.Sprintf("text %d", rng.IntN(200))
				if rng.IntN(2) == 0 {
					text = strings.Replace(text, "t", `\u0074`, 1)
				}
				b.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"text":"%s","group":%d}`, text, rng.IntN(50)))
			}
			b.Parse()
			kept := make([]string, len(b.Records))
			for _, name := range names {
				cfg.Keep = name
				copied := &record.Batch{}
				for i := range b.Records {
					copied.Append(b.Records[i].ID, b.Records[i].LineNo, b.Records[i].Line)
				}
				copied.Parse()
				if err := mustSplitter(t, cfg).NewWorker().Map(t.Context(), copied); err != nil {
					t.Fatal(err)
				}
				for i := range copied.Records {
					if r := &copied.Records[i]; r.Outcome == record.Keep {
						kept[i] += name
					} else if r.Outcome != record.Drop || r.Reason == name {
						t.Fatalf("part %s: %s is %v for %s", name, r.Line, r.Outcome, r.Reason)
					}
				}
			}
			for i := range b.Records {
				var scratch []byte
				text, err := b.Records[i].Text(record.MustPath("text"), &scratch)
				if err != nil {
					t.Fatal(err)
				}
				value := string(text)
				if by.String() != "" {
					v, _ := b.Records[i].Value(by)
					value = "group " + string(v)
				}
				if isHeld := string(text) == "text 3" || string(text) == "text 4"; isHeld != (kept[i] == HeldOutPart) {
					t.Errorf("%s is kept by %q", b.Records[i].Line, kept[i])
				} else if isHeld {
					continue
				}
				if was, ok := home[value]; ok && was != kept[i] || kept[i] == "" {
					t.Errorf("%s is kept by %q and by %q", value, was, kept[i])
				}
				home[value] = kept[i]
			}
		}
	}
}

// TestHeldOut compares with a map, over more digests than a block has.
func TestHeldOut(t *testing.T) {
	const n = heldOutBlock/heldOutWidth*2 + 17
	b := NewHeldOutBuilder(nil, n)
	all := map[string]bool{}
	for i := range n {
		text := fmt.Sprintf("text %d", i%(n-5))
		all[text] = true
		if err := b.Add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add([]byte("one more")); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("more than %d held-out documents", n)) {
		t.Errorf("one more than the limit: %v", err)
	}
	h := b.Set()
	if h.Documents() != n || h.Len() != len(all) {
		t.Errorf("%d documents, %d texts, want %d and %d", h.Documents(), h.Len(), n, len(all))
	}
	for i := range n + 100 {
		if text := fmt.Sprintf("text %d", i); h.Has([]byte(text)) != all[text] {
			t.Errorf("%s: %v, want %v", text, h.Has([]byte(text)), all[text])
		}
	}
	// It goes on from there, and leaves the set as it is.
	more := NewHeldOutBuilder(h, 1)
	if err := more.Add([]byte("one more")); err != nil || !more.Full() {
		t.Fatal(err, more.Full())
	}
	if m := more.Set(); m.Len() != h.Len()+1 || m.Documents() != n+1 || !m.Has([]byte("one more")) || !m.Has([]byte("text 0")) || h.Has([]byte("one more")) {
		t.Errorf("with one more: %d texts, %d documents", m.Len(), m.Documents())
	}
	if none := NewHeldOutBuilder(nil, 0); none.Set().Has(nil) || !none.Full() {
		t.Error("nothing holds the empty text")
	}
}

// TestHeldOutDigest: the identity is the SHA-256 of what sha256sum says of each text, its first half, in order.
func TestHeldOutDigest(t *testing.T) {
	var sorted [][]byte
	for _, text := range []string{"a", "b"} { // ca978112… and 3e23e816…
		d := sha256.Sum256([]byte(text))
		sorted = append([][]byte{d[:16]}, sorted...)
	}
	want := sha256.Sum256(bytes.Join(sorted, nil))
	if got := holding(t, "a", "b", "a").sum; got != hex.EncodeToString(want[:]) {
		t.Errorf("%s, want %x", got, want)
	}
}

func TestSplitterAllocatesNothing(t *testing.T) {
	s := mustSplitter(t, SplitConfig{Parts: fifths, HeldOut: holding(t, "text 3"), By: record.MustPath("group")})
	w := s.NewWorker()
	b := &record.Batch{}
	for i := range 100 {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"text":"text\n %d","group":[ %d]}`, i, i))
	}
	b.Parse()
	run := func() {
		for i := range b.Records {
			b.Records[i].Outcome = record.Keep
		}
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(20, run); n > 0 {
		t.Errorf("%v allocations for 100 records", n)
	}
}

func BenchmarkSplitter(b *testing.B) {
	text := strings.Repeat("A few words of a document, as long as most are. ", 40)
	batch := &record.Batch{}
	size := 0
	for i := range 256 {
		batch.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"id":%d,"text":"%d: %s"}`, i, i, text))
		size += len(batch.Records[i].Line)
	}
	batch.Parse()
	builder := NewHeldOutBuilder(nil, 1<<20)
	for i := range 1 << 20 {
		if err := builder.Add(fmt.Appendf(nil, "%d", i)); err != nil {
			b.Fatal(err)
		}
	}
	for name, cfg := range map[string]SplitConfig{"parts": {Parts: fifths}, "held_out": {Parts: fifths, HeldOut: builder.Set()}} {
		b.Run(name, func(b *testing.B) {
			w := mustSplitter(b, cfg).NewWorker()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch.Records {
					batch.Records[i].Outcome = record.Keep
				}
				if err := w.Map(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
