package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"curate/corpus"
	"curate/corpus/store"
	"curate/dedup"
	"curate/filter"
	"curate/pipeline"
	"curate/record"
	"curate/report"
	"curate/stage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var textPath = record.MustPath("text")

// meter measures bytes and words of the text.
var meter = &pipeline.Meter{Names: []string{"text_bytes", "words"}, New: func() func(*record.Record, []int64, bool) {
	var scratch []byte
	return func(r *record.Record, values []int64, _ bool) {
		if text, err := r.Text(textPath, &scratch); err == nil {
			values[0], values[1] = int64(len(text)), int64(len(bytes.Fields(text)))
		}
	}
}}

// step runs stages on files, into dir.
func step(t *testing.T, dir string, workers int, stages []stage.Stage, inputs ...string) {
	t.Helper()
	st := store.NewLocal(nil)
	manifest, err := corpus.Expand(t.Context(), st, inputs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pipeline.ParseTarget(dir, corpus.DefaultFormat)
	if err != nil {
		t.Fatal(err)
	}
	dropped := out
	dropped.Path = dir + "-dropped"
	allowed, err := pipeline.ParseAllowance("100%")
	if err != nil {
		t.Fatal(err)
	}
	job := &pipeline.Job{
		Program: "curate test", Store: st, Manifest: manifest, TextField: "text", Stages: stages, Meter: meter,
		Out: out, Dropped: dropped, Workers: workers, Memory: 512 << 20, SplitSize: 64 << 20,
		MaxQuarantined: allowed, Stdout: io.Discard, Log: slog.New(slog.DiscardHandler), Progress: &pipeline.Progress{}, Now: time.Now,
	}
	if _, err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func gopher(t *testing.T) stage.Stage {
	t.Helper()
	f, err := filter.New(filter.Config{Profile: "gopher", Verdicts: true, Histograms: true, Overlap: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func exact(t *testing.T) stage.Stage {
	t.Helper()
	d, err := dedup.NewExact(dedup.ExactConfig{Verdicts: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// pages are the first n of each language of the sample, some of them twice, and some lines that are broken.
func pages(t *testing.T, examples, name string, n int) {
	t.Helper()
	var b strings.Builder
	for _, lang := range []string{"en", "eu"} {
		f, err := os.Open(filepath.Join(examples, lang+".jsonl.zst"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(d)
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		f.Close()
		for i, line := range strings.SplitAfterN(string(all), "\n", n+1)[:n] {
			b.WriteString(line)
			if i%5 == 0 {
				b.WriteString(line)
			}
		}
	}
	b.WriteString("\n{\"text\":NaN}\n[1]\n{\"text\":\"\xff\"}\n")
	write(t, name, b.String())
}

// run makes a run directory of two finished steps and one that has only begun.
func run(t *testing.T, examples string, workers int) {
	t.Helper()
	t.Chdir(t.TempDir())
	pages(t, examples, "raw/pages.jsonl", 24)
	step(t, "run/unique", workers, []stage.Stage{exact(t)}, "raw/pages.jsonl")
	step(t, "run/clean", workers, []stage.Stage{gopher(t)}, "run/unique")
	write(t, "run/begun/_curate/config.json", "{}")
	write(t, "run/_curate/run.json", `{"version":1,"program":"curate test","recipe":"recipe.yaml","steps":[
		{"name":"unique","dir":"unique","stages":["dedup"],"read":["raw/*.jsonl"],"identity":"a"},
		{"name":"clean","dir":"clean","stages":["filter"],"from":["unique"],"identity":"b"},
		{"name":"tokens","dir":"begun","stages":["tokenize"],"from":["clean"],"identity":"c"}]}`)
}

func read(t *testing.T, dir string) *report.Run {
	t.Helper()
	r, err := report.ReadWith(t.Context(), store.NewLocal(nil), dir, report.Options{Measure: measure})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// measure computes the signals of gopher anew.
func measure(stage string, _ jsontext.Value) func(r *record.Record) []report.Measured {
	f, err := filter.New(filter.Config{Profile: "gopher"})
	if stage != "filter" || err != nil {
		return nil
	}
	signals := f.NewMeasure()
	return func(r *record.Record) (list []report.Measured) {
		for _, s := range signals(r) {
			list = append(list, report.Measured{Name: s.Name, Value: s.Value})
		}
		return list
	}
}

func render(t *testing.T, r *report.Run) (html, numbers, funnel string) {
	t.Helper()
	var h, j, f bytes.Buffer
	if err := r.WriteHTML(&h); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteFunnel(&f); err != nil {
		t.Fatal(err)
	}
	return h.String(), j.String(), f.String()
}

// absolute is a path that stays right in another folder.
func absolute(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// TestGolden makes a run with the pipeline itself, with one worker and with three, and compares all that is said of it.
func TestGolden(t *testing.T) {
	golden, examples := absolute(t, "testdata"), absolute(t, "../examples/pages")
	for _, workers := range []int{1, 3} {
		run(t, examples, workers)
		html, numbers, funnel := render(t, read(t, "run"))
		for name, got := range map[string]string{"run.html": html, "run.json": numbers, "run.txt": funnel} {
			name = filepath.Join(golden, name)
			if *update && workers == 1 {
				write(t, name, got)
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs with %d workers: run the test with -update and read the diff\n%s", name, workers, difference(string(want), got))
			}
		}
	}
}

// difference is the first line in which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %.300s\ngot  %.300s", i+1, w[i], strings.Join(g[min(i, len(g)):min(i+1, len(g))], ""))
		}
	}
	return "more lines than wanted"
}

// TestAddsUp compares the numbers with what the directory holds, counted another way.
func TestAddsUp(t *testing.T) {
	run(t, absolute(t, "../examples/pages"), 2)
	r := read(t, "run")
	if len(r.Steps) != 3 || r.Finished() || !r.Steps[1].Finished {
		t.Fatalf("%d steps", len(r.Steps))
	}
	unique, clean := r.Steps[0], r.Steps[1]
	if unique.Duplicates == nil || unique.Duplicates.Documents != 10 || unique.Duplicates.Similarities[20] != 10 {
		t.Errorf("%+v; want the 10 lines that were written twice", unique.Duplicates)
	}
	if unique.Quarantine == nil || unique.Quarantine.Documents != 3 || len(unique.Quarantine.First) != 3 || unique.Funnel.BlankLines != 1 {
		t.Errorf("%+v; want 3 broken lines", unique.Quarantine)
	}
	if clean.Funnel.Read != unique.Funnel.Kept || clean.Funnel.Read != 48 {
		t.Errorf("clean read %d, unique kept %d, want 48", clean.Funnel.Read, unique.Funnel.Kept)
	}
	for _, s := range r.Steps[:2] {
		chosen, dropped := map[string]int{}, int64(0)
		for _, e := range s.Examples {
			chosen[e.Reason] = len(e.Chosen)
		}
		for _, l := range s.Funnel.Stages {
			for _, reason := range l.Dropped {
				dropped += reason.Documents
				if got := chosen[reason.Rule+":"+reason.Reason]; got != int(min(reason.Documents, 10)) {
					t.Errorf("%s: %d examples of %d", reason.Reason, got, reason.Documents)
				}
			}
		}
		if s.Funnel.Kept+s.Funnel.Quarantined+dropped != s.Funnel.Read {
			t.Errorf("%s: the funnel does not add up", s.Name)
		}
	}
	if len(clean.Signals) < 20 || clean.Signals[0].Name != "dup_para_frac" || clean.Signals[0].Documents != 48 {
		t.Errorf("%+v", clean.Signals)
	}
	for _, sig := range clean.Signals { // what fails a test has been measured
		beyond := int64(0)
		for _, th := range sig.Thresholds {
			beyond += th.Dropped
		}
		if len(sig.Thresholds) == 0 || beyond > sig.Documents {
			t.Errorf("%s: %d documents, %d dropped, %d thresholds", sig.Name, sig.Documents, beyond, len(sig.Thresholds))
		}
	}
	for _, e := range clean.Examples {
		for _, x := range e.Chosen { // each is where it is said to be
			if line := lineAt(t, filepath.Join("run/clean", x.Part), x.Offset); !strings.Contains(line, x.ID) {
				t.Errorf("%s is not at byte %d of %s", x.ID, x.Offset, x.Part)
			}
		}
	}
}

// lineAt is the line that begins at an offset of the uncompressed file.
func lineAt(t *testing.T, name string, offset int64) string {
	t.Helper()
	packed, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b[offset:]), "\n")
	return line
}

// single makes the directory of one command by hand.
func single(t *testing.T, ledger string, drops ...string) string {
	t.Helper()
	dir := filepath.ToSlash(filepath.Join(t.TempDir(), "out"))
	own := dir + "/_curate/"
	write(t, own+"ledger.json", ledger)
	write(t, own+"config.json", `{"program":"curate test","identity":"0","step":{"stages":[{"name":"filter","version":1,"config":{
		"text_field":"body.text","tests":[
			{"compare":"below","reason":"short","rule":"r","signal":"words","threshold":50},
			{"compare":"above","reason":"long","rule":"r","signal":"words","threshold":100000},
			{"compare":"above","reason":"odd","rule":"r","signal":"ratio","threshold":0}]}}],"fields":{"text":"body"}}}`)
	write(t, own+"manifest.json", `{"files":[{"number":1,"path":"a.jsonl","size":3,"mtime_ns":1,"stream":false}]}`)
	write(t, own+"done", "")
	if len(drops) > 0 {
		write(t, own+"dropped/part-00001-00000.jsonl", strings.Join(drops, "\n")+"\n")
	}
	return dir
}

func ledger(dropped int, reason, tallies string) string {
	quoted, err := json.Marshal(reason)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"read":%d,"kept":0,"dropped":{%[2]s:%[1]d},"quarantined":0,"stages":[
		{"name":"read","read":%[1]d,"kept":%[1]d,"dropped":{},"quarantined":0},
		{"name":"filter","version":1,"read":%[1]d,"kept":0,"dropped":{%[2]s:%[1]d},"quarantined":0,"tallies":{%[3]s}}]}`, dropped, quoted, tallies)
}

// Nothing in a document, its id or its verdict can become markup.
func TestEscaping(t *testing.T) {
	evil := `<script>alert(1)</script></pre></details>"'><img src=x onerror=alert(2)>{{.}}`
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	reason := `r:<b onclick=x>`
	drop := fmt.Sprintf(`{"id":%s,"body":{"text":%[1]s},"curate":{"filter":{"verdict":"drop","rule":"r","reason":"<b onclick=x>","note":%[1]s}}}`, quoted)
	dir := single(t, ledger(2, reason, `"<i>@9":1,"<u>":2`), drop, `{"body":{"text":5}}`)
	write(t, dir+"/_curate/quarantine/part-00001-00000.jsonl", fmt.Sprintf(`{"file":%s,"offset":7,"line":null,"error":%[1]s,"raw":%[1]s}`+"\n"+
		`{"file":"a","offset":3,"line":2,"error":"invalid UTF-8 at byte 17","raw_base64":"YWL/PHNjcmlwdD4="}`+"\n", quoted))
	html, numbers, funnel := render(t, read(t, dir))
	for _, bad := range []string{"<script", "<img", "<b onclick", "<i>", "<u>", "</pre></details>\"", "ZgotmplZ"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s got through", bad)
		}
	}
	for _, good := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;&lt;/pre&gt;", "&lt;b onclick=x&gt;", "ab\uFFFD&lt;script&gt;", "invalid UTF-8 at byte N", "no verdict in the record"} {
		if !strings.Contains(html, good) {
			t.Errorf("%s is missing", good)
		}
	}
	if !json.Valid([]byte(numbers)) || !strings.Contains(funnel, "<b onclick=x> 2") {
		t.Errorf("%s\n%s", funnel, numbers)
	}
	if _, _, funnel := render(t, read(t, single(t, ledger(1, "r:a\x1b[2Jb", "")))); strings.Contains(funnel, "\x1b") {
		t.Error("an escape reached the terminal")
	}
}

// A text is cut between characters, and a large run has no larger page.
func TestBounds(t *testing.T) {
	long := strings.Repeat("añ🙂", 5000)
	characters := []rune(long)
	drops := make([]string, 3000)
	reasons := map[string]int{}
	for i := range drops {
		reason := fmt.Sprintf("reason%03d", i%300)
		reasons["r:"+reason]++
		drops[i] = fmt.Sprintf(`{"id":"%d","body":{"text":"%d%s"},"curate":{"filter":{"verdict":"drop","rule":"r","reason":"%s"}}}`, i, i%3, string(characters[:i%2*600-i%2]), reason)
	}
	drops[0] = `{"id":"0","body":{"text":"` + long + `"},"curate":{"filter":{"verdict":"drop","rule":"r","reason":"reason000"}}}`
	all, err := json.Marshal(reasons)
	if err != nil {
		t.Fatal(err)
	}
	l := strings.Replace(ledger(3000, "X", ""), `{"X":3000}`, string(all), 2)
	r := read(t, single(t, l, drops...))
	html, _, _ := render(t, r)
	if len(html) > 1<<20 {
		t.Errorf("a page of %d bytes", len(html))
	}
	if !strings.Contains(html, "all others") {
		t.Error("300 reasons, and none is summed up")
	}
	for _, x := range r.Steps[0].Examples[0].Chosen {
		want := 600
		if x.ID == "0" {
			if x.Bytes != len(long) {
				t.Errorf("%d bytes, want %d", x.Bytes, len(long))
			}
			want++ // …
		}
		if n := len([]rune(x.Text)); n > want || strings.Contains(x.Text, "\uFFFD") {
			t.Errorf("%s: %d characters: %q", x.ID, n, x.Text)
		}
	}
}

// The choice of examples does not depend on how documents were spread over parts.
func TestExamplesWithoutOrder(t *testing.T) {
	drop := func(i int) string {
		return fmt.Sprintf(`{"id":%d,"body":{"text":"number %[1]d"},"curate":{"filter":{"verdict":"drop","rule":"r","reason":"short"}}}`, i)
	}
	var forward, backward []string
	for i := range 200 {
		forward, backward = append(forward, drop(i)), append(backward, drop(199-i))
	}
	ids := func(drops []string) (list []string) {
		for _, x := range read(t, single(t, ledger(200, "r:short", ""), drops...)).Steps[0].Examples[0].Chosen {
			list = append(list, x.ID)
		}
		return list
	}
	a, b := ids(forward), ids(backward)
	if len(a) != 10 || strings.Join(a, " ") != strings.Join(b, " ") {
		t.Errorf("%v and %v", a, b)
	}
}

func TestSignals(t *testing.T) {
	bins := ""
	for v, n := range map[float64]int{0: 3, 10: 5, 49: 2, 60: 7, 200: 1} {
		bins += fmt.Sprintf(`"words@%d":%d,`, stage.Bin(v), n)
	}
	r := read(t, single(t, ledger(18, "r:short", bins+`"ratio@0":4,"bad@x":1,"other@9999":2`)))
	s := r.Steps[0].Signals
	if len(s) != 2 || s[0].Name != "words" || s[0].Documents != 18 || len(s[0].Bins) != 5 || s[1].Name != "ratio" {
		t.Fatalf("%+v", s)
	}
	if s[0].Thresholds[0].Dropped != 18 || s[0].Thresholds[0].Compare != "below" || s[0].Thresholds[1].Dropped != 0 {
		t.Errorf("%+v", s[0].Thresholds)
	}
	p := s[0].Plot()
	if p.Most != 7 || p.Zero == "" || strings.Count(p.Bars, "M") != 4 || len(p.Lines) != 2 {
		t.Errorf("%+v", p)
	}
	// 50 lies between 49 and 60, 100,000 beyond the right end.
	if l := p.Lines[0]; l.From != "0" || l.X != l.Span {
		t.Errorf("below: %+v", l)
	}
	if l := p.Lines[1]; l.X != "640" || l.Span != "0" {
		t.Errorf("above: %+v", l)
	}
	if tallies := r.Steps[0].Funnel.Stages[1].Tallies; len(tallies) != 2 || tallies["bad@x"] != 1 || tallies["other@9999"] != 2 {
		t.Errorf("%v", tallies)
	}
}

func TestResults(t *testing.T) {
	dir := single(t, ledger(1, "r:short", ""))
	write(t, dir+"/_curate/results.json", `[{"name":"shards/a.bin","size":1234,"xxh64":"00000000000000ff"},{"name":"shards/done","size":0}]`)
	r := read(t, dir)
	if got := r.Steps[0].Results; got == nil || got.Files != 2 || got.Bytes != 1234 || got.First[0].Name != "shards/a.bin" {
		t.Errorf("%+v", got)
	}
	if html, _, _ := render(t, r); !strings.Contains(html, "2 files, 1,234 bytes") {
		t.Error("the files are not on the page")
	}
}

// A measure that no stage has is no column; where only some have it, the others have a dash.
func TestFunnelColumns(t *testing.T) {
	l := strings.Replace(ledger(2, "r:short", ""), `"kept":2,`, `"kept":2,"measured":{"text_bytes":1000,"words":0,"tokens":0},`, 1)
	l = strings.Replace(l, `"kept":0,"dropped":{"r:short":2},"quarantined":0,"tallies":{}`, `"kept":1,"dropped":{"r:short":1},"quarantined":0,"measured":{"text_bytes":500,"words":0,"tokens":7}`, 1)
	l = strings.Replace(l, `"kept":0,"dropped":{"r:short":2},"quarantined":0,"stages"`, `"kept":1,"dropped":{"r:short":1},"quarantined":0,"stages"`, 1)
	_, _, funnel := render(t, read(t, single(t, l)))
	want := "" +
		"stage   documents         text bytes         tokens\n" +
		"read            2              1,000              –\n" +
		"filter          1 50.0 %         500 50.0 %       7   dropped short 1\n"
	if funnel != want {
		t.Errorf("%s\nwant\n%s", funnel, want)
	}
}

func TestErrors(t *testing.T) {
	good := ledger(1, "r:short", "")
	drop := `{"body":{"text":"x"},"curate":{"filter":{"verdict":"drop","rule":"r","reason":"short"}}}`
	for _, c := range []struct {
		name, file, content string
		want                []string
	}{
		{"stages", "config.json", `{"step":{"stages":[{"name":"filter","config":{"a":"\ud800"}}]}}`, []string{"_curate/config.json", "damaged"}},
		{"cut ledger", "ledger.json", good[:40], []string{"_curate/ledger.json", "damaged", "--restart"}},
		{"ledger with another number", "ledger.json", strings.Replace(good, `"kept":`, `"kept":7`, 1), []string{"_curate/ledger.json", "add up", "damaged"}},
		{"ledger with a negative number", "ledger.json", strings.Replace(good, `"quarantined":0`, `"quarantined":-1`, 1), []string{"_curate/ledger.json", "damaged"}},
		{"empty ledger", "ledger.json", "{}", []string{"_curate/ledger.json", "no stages"}},
		{"configuration", "config.json", "nonsense", []string{"_curate/config.json", "damaged"}},
		{"tests", "config.json", `{"step":{"stages":[{"name":"filter","config":{"tests":5}}]}}`, []string{"_curate/config.json", "stage filter"}},
		{"manifest", "manifest.json", `{"files":5}`, []string{"_curate/manifest.json", "damaged"}},
		{"dropped line", "dropped/part-00001-00000.jsonl", drop + "\n{\n", []string{"part-00001-00000.jsonl:2", "damaged"}},
		{"dropped end", "dropped/part-00001-00000.jsonl", drop, []string{"part-00001-00000.jsonl:1", "no end"}},
		{"dropped zstd", "dropped/part-00002-00000.jsonl.zst", "no zstd", []string{"part-00002-00000.jsonl.zst:1", "damaged"}},
		{"quarantine", "quarantine/part-00001-00000.jsonl", "{]\n", []string{"quarantine/part-00001-00000.jsonl:1", "damaged"}},
		{"quarantine raw", "quarantine/part-00001-00000.jsonl", `{"raw_base64":"!"}` + "\n", []string{"quarantine/part-00001-00000.jsonl:1", "raw_base64"}},
		{"run", "run.json", `{"version":1,"steps":[{"name":"x","dir":"../y"}]}`, []string{"run.json", `"x"`, "../y"}},
		{"later run", "run.json", `{"version":2}`, []string{"run.json", "version 2"}},
		{"no step", "run.json", `{"version":1,"steps":[{"name":"x","dir":"x"}]}`, []string{"no step", "has finished"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := single(t, good, drop)
			write(t, dir+"/_curate/"+c.file, c.content)
			_, err := report.Read(t.Context(), store.NewLocal(nil), dir)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
	dir := single(t, good)
	if err := os.Remove(dir + "/_curate/done"); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read(t.Context(), store.NewLocal(nil), dir); err == nil || !strings.Contains(err.Error(), "has not finished") {
		t.Error(err)
	}
	if _, err := report.Read(t.Context(), store.NewLocal(nil), t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := report.Read(ctx, store.NewLocal(nil), single(t, good, drop)); err == nil {
		t.Error("a cancelled context reads on")
	}
}
