package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"curate/corpus/store"
	"curate/report"
	"curate/stage"
)

// translatedLedger is that of a step with one stage "translate", which has read kept and quarantined rows.
func translatedLedger(kept, quarantined int, tallies string) string {
	return fmt.Sprintf(`{"read":%[1]d,"kept":%[2]d,"dropped":{},"quarantined":%[3]d,"bytes_in":5000,"bytes_out":6000,"stages":[
		{"name":"read","read":%[1]d,"kept":%[1]d,"dropped":{},"quarantined":0},
		{"name":"translate","version":1,"read":%[1]d,"kept":%[2]d,"dropped":{},"quarantined":%[3]d,"tallies":{%[4]s}}]}`,
		kept+quarantined, kept, quarantined, tallies)
}

// translatedConfig is that of the stage, as it writes it.
const translatedConfig = `{"program":"curate test","identity":"0","step":{"stages":[{"name":"translate","version":1,"config":{
	"from":"en","to":"eu","keep_source":true,"on_fail":"quarantine","engine":"openai model","checks":{"name":"en-eu","length_ratio_min":0.5,"length_ratio_max":2}}}]}}`

// translated makes the directory of a translation by hand.
func translated(t *testing.T, dir, ledger, config string, parts map[string][]string, quarantine ...string) {
	t.Helper()
	own := dir + "/_curate/"
	write(t, own+"ledger.json", ledger)
	write(t, own+"config.json", config)
	write(t, own+"manifest.json", `{"files":[{"number":1,"path":"instruct.en.jsonl","size":3,"mtime_ns":1,"stream":false}]}`)
	write(t, own+"done", "")
	for name, lines := range parts {
		write(t, dir+"/"+name, string(packed(t, name, lines)))
	}
	if len(quarantine) > 0 {
		write(t, own+"quarantine/part-00001-00000.jsonl", strings.Join(quarantine, "\n")+"\n")
	}
}

// packed are lines as the name says.
func packed(t *testing.T, name string, lines []string) []byte {
	t.Helper()
	text := []byte(strings.Join(lines, "\n") + "\n")
	if len(lines) == 0 {
		text = nil
	}
	if !strings.HasSuffix(name, ".zst") {
		return text
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(text, nil)
}

func quoted(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// note is what the stage writes into a row that keeps its sources.
type note struct {
	Source []source `json:"source,omitempty"`
}

type source struct {
	Path      string   `json:"path"`
	Text      string   `json:"text"`
	Protected [][2]int `json:"protected,omitempty"`
}

// alpaca is a translated row of that schema.
func alpaca(t *testing.T, id any, target string, sources ...source) string {
	t.Helper()
	return fmt.Sprintf(`{"id":%s,"instruction":%s,"curate":{"translate":%s}}`, quoted(t, id), quoted(t, target), quoted(t, note{sources}))
}

// refused is a row of the quarantine.
func refused(t *testing.T, line int, err string) string {
	t.Helper()
	return fmt.Sprintf(`{"file":"instruct.en.jsonl","offset":%d,"line":%d,"error":%s,"raw":"{}"}`, line*100, line, quoted(t, err))
}

var goldenTallies = func() string {
	list := []string{
		`"segments":40`, `"rung:first":32`, `"rung:again":3`, `"rung:tm":1`, `"failed:numbers":3`, `"failed:placeholders":1`,
		`"noted:copy_rate":4`, `"noted:numbers":1`, `"task:translation":2`, `"task:rhyme":1`, `"copied":2`, `"kept_source":1`, `"of_a_later_version":7`,
	}
	for v, n := range map[float64]int{0.9: 3, 1: 9, 1.2: 14, 1.3: 7, 1.6: 3} {
		list = append(list, fmt.Sprintf(`"length_ratio@%d":%d`, stage.Bin(v), n))
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}()

const goldenSpent = `{"attempts":[],"spent":{"translate":{"memory_hits":11,"requests":31,"retries:rate_limit":2,"retries:server":1,` +
	`"prompt_tokens":41250,"completion_tokens":9120,"cached_tokens":20000,"estimated_tokens":2,"cost_micro":34305},"exec":{"requests":5}}}`

// TestTranslationGolden compares all that is said of a small translation.
func TestTranslationGolden(t *testing.T) {
	golden := absolute(t, "testdata")
	t.Chdir(t.TempDir())
	chat := `{"id":"chat","messages":[{"role":"user","content":"Nola ireki ` + "`soffice --calc`" + ` bidez?"},{"role":"assistant","content":"Ikusi https://help.libreoffice.org/ — edo idatzi ` + "`soffice --calc`" + `."}],` +
		`"curate":{"translate":{"source":[{"path":"/messages/0/content","text":"How do I open it with ` + "`soffice --calc`" + `?","protected":[[22,38]]},` +
		`{"path":"/messages/1/content","text":"See https://help.libreoffice.org/ — or type ` + "`soffice --calc`" + `.","protected":[[4,33],[44,60]]}]}}}`
	rows := []string{
		chat,
		alpaca(t, "hebrew", "ראו \u202e%s\u202c כאן", source{"/instruction", "See %s here", [][2]int{{4, 6}}}),
		alpaca(t, 17, "Idatzi <b>lodi</b> & gorde 🙂", source{"/instruction", "Write <b>bold</b> & save 🙂", [][2]int{{6, 9}, {13, 17}}}),
		alpaca(t, "moved", "Nirea", source{"/prompt/0/content", "Mine", nil}),
		alpaca(t, "line feeds", "\n\n1. bat\n2. bi", source{"/instruction", "\n\n1. one\n2. two", nil}),
		`{"id":"copied","instruction":"Translate to French: cat","curate":{"translate":{"tasks":["translation"],"action":"copy"}}}`,
		`{"id":"nothing to do","instruction":"42"}`,
		`{"id":"another's","curate":{"translate":[1]}}`,
	}
	translated(t, "out", translatedLedger(8, 5, goldenTallies), translatedConfig,
		map[string][]string{"part-00001-00000.jsonl.zst": rows[:3], "part-00001-00001.jsonl.zst": rows[3:], "part-00002-00000.jsonl": nil, ".part-00003-00000.jsonl": {"not ours"}},
		refused(t, 3, `translation: numbers in /messages/1/content: 12 is missing; source "Press F12 in 12 rows", answer "Sakatu F12"; 5 attempts`),
		refused(t, 4, `translation: numbers in /messages/1/content: 1998 is missing; source "in 1998", answer "orduan"; 5 attempts`),
		refused(t, 7, `translation: placeholders in /instruction: {0} is not there; source "See <b>", answer "<script>alert(1)</script>"; 5 attempts`),
		refused(t, 9, "translation: structure in /instruction: 3 lines, not 4"),
		refused(t, 12, `invalid JSON at byte 3`),
	)
	write(t, "out/_curate/timing.json", goldenSpent)
	write(t, "reference.jsonl.zst", string(packed(t, "reference.jsonl.zst", []string{
		`{"id":"chat","messages":[{"role":"user","content":"Nola ireki dezaket ` + "`soffice --calc`" + ` erabiliz?"}]}`,
		`{"id":"chat","messages":[{"role":"user","content":"a second row of the same id counts for nothing"}]}`,
		`{"id":17,"instruction":"Idatzi <b>lodi</b> eta gorde 🙂"}`,
		`{"id":"elsewhere","instruction":"x"}`, `{"instruction":"no id"}`,
	})))
	run, err := report.Read(t.Context(), store.NewLocal(nil), "out", report.Reference{File: "reference.jsonl.zst"})
	if err != nil {
		t.Fatal(err)
	}
	html, numbers, _ := render(t, run)
	for name, got := range map[string]string{"translation.html": html, "translation.json": numbers} {
		name = filepath.Join(golden, name)
		if *update {
			write(t, name, got)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs: run the test with -update and read the diff\n%s", name, difference(string(want), got))
		}
	}
	tr := run.Steps[0].Translation
	sum := tr.Segments.GivenUp
	for _, r := range tr.Segments.Rungs {
		sum += r.Count
	}
	if sum != tr.Segments.Segments || sum != 40 || tr.Segments.Known != 11 || tr.Bill.Requests != 31 {
		t.Errorf("%d segments, of which %d have become something", tr.Segments.Segments, sum)
	}
	if len(run.Steps[0].Signals) != 0 || len(tr.Lengths) != 1 || tr.Lengths[0].Documents != 36 {
		t.Errorf("length_ratio is told %d times elsewhere, and here as %+v", len(run.Steps[0].Signals), tr.Lengths)
	}
	if len(tr.SideBySide) != 5 || tr.Reference.Rows != 5 || tr.Reference.Found != 2 {
		t.Errorf("%d rows, reference %+v", len(tr.SideBySide), tr.Reference)
	}
	for i, row := range tr.SideBySide {
		if has := row.First[0].Reference != nil; has != (i < 2) {
			t.Errorf("row %d, %s: reference %v", i, row.ID, has)
		}
		if missing := row.First[0].Target == nil; missing != (row.ID == "moved") {
			t.Errorf("%s: target missing %v", row.ID, missing)
		}
		if line := lineAtPart(t, filepath.Join("out", row.Part), row.Offset); !strings.Contains(line, `"id":"`+row.ID) && !strings.Contains(line, `"id":17`) {
			t.Errorf("%s is not at byte %d of %s", row.ID, row.Offset, row.Part)
		}
	}
	for _, e := range run.Steps[0].Quarantine.Errors {
		if e.Error == "translation: numbers" && e.Documents != 2 || strings.Contains(e.Error, "source") {
			t.Errorf("%+v", e)
		}
	}
}

func lineAtPart(t *testing.T, name string, offset int64) string {
	t.Helper()
	if strings.HasSuffix(name, ".zst") {
		return lineAt(t, name, offset)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b[offset:]), "\n")
	return line
}

// Nothing of a text, an id, a path, a check or a language can become markup.
func TestTranslationEscaping(t *testing.T) {
	evil := `<script>alert(1)</script></pre></mark></details>"'><img src=x onerror=alert(2)>{{.}}` + "\x00\u2028"
	t.Chdir(t.TempDir())
	name := quoted(t, "failed:"+evil)
	translated(t, "out", translatedLedger(1, 1, name+`:1,`+quoted(t, "rung:"+evil)+`:2,`+quoted(t, evil+"@5")+`:3,`+quoted(t, evil)+`:4`),
		strings.Replace(strings.Replace(translatedConfig, `"from":"en"`, `"from":`+quoted(t, `en" onload="x`), 1), `"to":"eu"`, `"to":`+quoted(t, evil), 1),
		map[string][]string{"part-00001-00000.jsonl": {fmt.Sprintf(`{"id":%s,%[1]s:%[1]s,"curate":{"translate":%s}}`, quoted(t, evil),
			quoted(t, note{[]source{{"/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(evil), evil, [][2]int{{0, 8}, {10, 12}}}}}))}},
		refused(t, 1, "translation: "+evil))
	write(t, "ref.jsonl", fmt.Sprintf("{\"id\":%s,%[1]s:%[1]s}\n", quoted(t, evil)))
	run, err := report.Read(t.Context(), store.NewLocal(nil), "out", report.Reference{File: "ref.jsonl"})
	if err != nil {
		t.Fatal(err)
	}
	html, numbers, _ := render(t, run)
	for _, bad := range []string{"<script", "<img", "</mark></details>\"", "ZgotmplZ", `onload="x`, "\x00"} {
		if strings.Contains(html, bad) {
			t.Errorf("%q got through", bad)
		}
	}
	if n := strings.Count(html, "<mark>&lt;script&gt;</mark>"); n != 3 {
		t.Errorf("the mask is in %d of source, target and reference", n)
	}
	if !jsontext.Value(numbers).IsValid() {
		t.Error("the numbers are no JSON")
	}
}

// Without sources there is nothing to look for: the parts, here a broken one, are not opened.
func TestTranslationWithoutSources(t *testing.T) {
	t.Chdir(t.TempDir())
	config := strings.Replace(translatedConfig, `"keep_source":true`, `"keep_source":false`, 1)
	translated(t, "out", translatedLedger(1, 0, `"segments":3,"memory_hits":3`), config, map[string][]string{"part-00001-00000.jsonl": {"{broken"}})
	run := read(t, "out")
	if tr := run.Steps[0].Translation; tr == nil || tr.SideBySide != nil || tr.Segments.Known != 3 {
		t.Errorf("%+v", tr)
	}
	if html, _, _ := render(t, run); !strings.Contains(html, "3 segments, each counted once a row") || strings.Contains(html, "side by side") {
		t.Error("the page is another")
	}
}

// The choice of rows does not depend on how they were spread over parts; a reference comes first.
func TestTranslationChoice(t *testing.T) {
	t.Chdir(t.TempDir())
	var rows []string
	for i := range 300 {
		rows = append(rows, alpaca(t, fmt.Sprint(i), fmt.Sprintf("testua %d", i), source{"/instruction", fmt.Sprintf("text %d", i), nil}))
	}
	ledger := translatedLedger(300, 0, `"segments":300,"memory_hits":300`)
	translated(t, "a", ledger, translatedConfig, map[string][]string{"part-00001-00000.jsonl": rows})
	slices.Reverse(rows)
	translated(t, "b", ledger, translatedConfig, map[string][]string{"part-00001-00000.jsonl.zst": rows[:7], "part-00002-00000.jsonl": rows[7:]})
	ids := func(run *report.Run) (list []string) {
		for _, row := range run.Steps[0].Translation.SideBySide {
			list = append(list, row.ID)
		}
		return list
	}
	a, b := ids(read(t, "a")), ids(read(t, "b"))
	if len(a) != 12 || !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
	write(t, "ref.json", `{"id":123,"instruction":"bat"}`+"\n"+`{"id":"77","instruction":"bi"}`)
	run, err := report.Read(t.Context(), store.NewLocal(nil), "b", report.Reference{File: "ref.json"})
	if err != nil {
		t.Fatal(err)
	}
	c := ids(run)
	slices.Sort(c[:2])
	if !slices.Equal(c[:2], []string{"123", "77"}) || !slices.Equal(c[2:], slices.DeleteFunc(a, func(id string) bool { return id == "123" || id == "77" })[:10]) {
		t.Errorf("%v; want 123 and 77, then of %v", c, a)
	}
}

// Where few rows have masks, some of them are shown all the same; a reference counts more.
func TestTranslationChoosesMasks(t *testing.T) {
	t.Chdir(t.TempDir())
	var rows, plain []string
	for i := range 400 {
		sources := []source{{"/instruction", fmt.Sprintf("see `x` %d", i), nil}}
		if i%20 == 0 {
			sources[0].Protected = [][2]int{{4, 7}}
		}
		row := alpaca(t, i, fmt.Sprintf("ikusi `x` %d", i), sources...)
		if rows = append(rows, row); i%20 != 0 && len(plain) < 12 {
			plain = append(plain, row)
		}
	}
	translated(t, "out", translatedLedger(400, 0, `"segments":400`), translatedConfig, map[string][]string{"part-00001-00000.jsonl": rows})
	count := func(references ...report.Reference) (masked, all int) {
		run, err := report.Read(t.Context(), store.NewLocal(nil), "out", references...)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range run.Steps[0].Translation.SideBySide {
			if all++; row.First[0].Source.Masked != nil {
				masked++
			}
		}
		return masked, all
	}
	if masked, all := count(); masked < 6 || all != 12 {
		t.Errorf("%d of %d rows have masks", masked, all)
	}
	write(t, "some.jsonl", strings.Join(plain[:9], "\n"))
	if masked, all := count(report.Reference{File: "some.jsonl"}); masked != 3 || all != 12 {
		t.Errorf("nine in the reference, and %d of %d rows have masks", masked, all)
	}
	write(t, "many.jsonl", strings.Join(plain, "\n"))
	if masked, all := count(report.Reference{File: "many.jsonl"}); masked != 0 || all != 12 {
		t.Errorf("twelve in the reference, and %d of %d rows have masks", masked, all)
	}
}

// generated is a store with one part that is made while it is read.
type generated struct {
	memory
	lines int
	line  []byte
}

const generatedPart = "out/part-00001-00000.jsonl"

func (g generated) List(_ context.Context, dir string) ([]store.Info, error) {
	if path.Clean(dir) != "out" {
		return nil, fs.ErrNotExist
	}
	return []store.Info{{Name: generatedPart}}, nil
}

func (g generated) Open(ctx context.Context, name string, at int64) (io.ReadCloser, error) {
	if name != generatedPart {
		return g.memory.Open(ctx, name, at)
	}
	return &generator{g: g}, nil
}

type generator struct {
	g       generated
	n, done int // of lines, of the bytes of this one
}

func (r *generator) Read(p []byte) (n int, err error) {
	for n < len(p) && r.n < r.g.lines {
		if r.done == 0 { // each line has its number
			copy(r.g.line[len(`{"id":"`):], fmt.Sprintf("%06d", r.n))
		}
		k := copy(p[n:], r.g.line[r.done:])
		n, r.done = n+k, r.done+k
		if r.done == len(r.g.line) {
			r.n, r.done = r.n+1, 0
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *generator) Close() error { return nil }

// Parts may be large: what is allocated is not in proportion.
func TestTranslationIsBounded(t *testing.T) {
	text := strings.Repeat("Press `Ctrl+S` to save. ", 300)
	line := alpaca(t, "000000", text, source{"/instruction", text, [][2]int{{6, 14}, {30, 38}}}) + "\n"
	g := generated{lines: 8000, line: []byte(line), memory: memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": translatedLedger(8000, 0, `"segments":1`), "out/_curate/config.json": translatedConfig,
		"out/_curate/manifest.json": `{"files":[{"number":1,"path":"a"}]}`,
	}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run, err := report.Read(t.Context(), g, "out")
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	list := run.Steps[0].Translation.SideBySide
	if len(list) != 12 || list[0].First[0].Source.Characters != len(text) || len(list[0].First[0].Source.Text) > 1300 {
		t.Errorf("%d rows, the first %+v", len(list), list[0])
	}
	size := uint64(len(line)) * 8000
	if used := after.TotalAlloc - before.TotalAlloc; used > size/4 {
		t.Errorf("%d bytes were allocated for a part of %d", used, size)
	}
	html, _, _ := render(t, run)
	if len(html) > 1<<18 {
		t.Errorf("a page of %d bytes", len(html))
	}
}

// A row with more texts than are shown says how many it has; hundreds of checks are summed up.
func TestTranslationLimits(t *testing.T) {
	t.Chdir(t.TempDir())
	var sources []source
	for range 40 {
		sources = append(sources, source{"/instruction", strings.Repeat("é", 5000), nil})
	}
	var tallies []string
	for i := range 300 {
		tallies = append(tallies, fmt.Sprintf(`"failed:c%03d":%d,"rung:r%03d":1`, i, i+1, i))
	}
	translated(t, "out", translatedLedger(1, 1, strings.Join(tallies, ",")), translatedConfig,
		map[string][]string{"part-00001-00000.jsonl": {alpaca(t, "x", strings.Repeat("ñ", 5000), sources...)}}, refused(t, 1, "translation: c299: x"))
	run := read(t, "out")
	tr := run.Steps[0].Translation
	if row := tr.SideBySide[0]; row.Texts != 40 || len(row.First) != 6 || row.First[0].Target.Characters != 5000 {
		t.Errorf("%d of %d texts", len(row.First), row.Texts)
	}
	given := int64(0)
	for _, c := range tr.Checks {
		given += c.GivenUp
	}
	if last := tr.Checks[len(tr.Checks)-1]; len(tr.Checks) != 40 || last.Check != "all others" || given != 300*301/2 || tr.Checks[0].Check != "c299" || tr.Checks[0].Rows != 1 {
		t.Errorf("%d checks, %d in all, the last %+v", len(tr.Checks), given, last)
	}
	html, _, _ := render(t, run)
	for _, want := range []string{"40 texts, the first 6", "the beginning of 5,000 characters", "<td>all others"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

func TestReferenceErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	row := alpaca(t, "a", "x", source{"/instruction", "y", nil})
	ledger := translatedLedger(1, 0, `"segments":1`)
	for dir, config := range map[string]string{"run/eu": translatedConfig, "run/bare": strings.Replace(translatedConfig, "true", "false", 1), "alone": translatedConfig} {
		translated(t, dir, ledger, config, map[string][]string{"part-00001-00000.jsonl": {row}})
	}
	if err := os.Rename(single(t, strings.ReplaceAll(ledger, "translate", "filter")), "run/clean"); err != nil {
		t.Fatal(err)
	}
	write(t, "run/_curate/run.json", `{"version":1,"program":"curate test","recipe":"r.yaml","steps":[{"name":"eu","dir":"eu"},{"name":"bare","dir":"bare"},{"name":"clean","dir":"clean"},{"name":"begun","dir":"begun"}]}`)
	write(t, "good.jsonl", `{"id":"a","instruction":"z"}`)
	write(t, "noid.jsonl", `{"instruction":"z"}`+"\n")
	write(t, "broken.jsonl", `{"id":"a"}`+"\n"+`{"id":`+"\n")
	write(t, "broken.jsonl.zst", "no zstd")
	write(t, "empty.jsonl", "")
	for _, c := range []struct {
		dir, step, file string
		want            []string // nothing: no error
	}{
		{"run", "eu", "good.jsonl", nil},
		{"alone", "", "good.jsonl", nil},
		{"run", "eus", "good.jsonl", []string{"good.jsonl", `"eus"`, "eu, bare, clean, begun"}},
		{"alone", "eu", "good.jsonl", []string{"alone", "single command", `"eu="`}},
		{"run", "bare", "good.jsonl", []string{`step "bare"`, "--keep-source"}},
		{"run", "clean", "good.jsonl", []string{`step "clean"`, "translates nothing"}},
		{"run", "begun", "good.jsonl", []string{`step "begun"`, "not finished"}},
		{"run", "eu", "nowhere.jsonl", []string{"nowhere.jsonl"}},
		{"run", "eu", "noid.jsonl", []string{"noid.jsonl", "none of its 1 rows has an id"}},
		{"run", "eu", "empty.jsonl", []string{"empty.jsonl", "none of its 0 rows"}},
		{"run", "eu", "broken.jsonl", []string{"broken.jsonl:2", "mend"}},
		{"run", "eu", "broken.jsonl.zst", []string{"broken.jsonl.zst", "damaged"}},
		{"run", "eu", "-", []string{"standard input"}},
	} {
		_, err := report.Read(t.Context(), store.NewLocal(nil), c.dir, report.Reference{Step: c.step, File: c.file})
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s, %s=%s: %v", c.dir, c.step, c.file, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\ndoes not say %q", err, want)
			}
		}
	}
	twice := []report.Reference{{Step: "eu", File: "good.jsonl"}, {Step: "eu", File: "noid.jsonl"}}
	if _, err := report.Read(t.Context(), store.NewLocal(nil), "run", twice...); err == nil || !strings.Contains(err.Error(), "another one already") {
		t.Error(err)
	}
	// What the run itself has damaged.
	write(t, "alone/part-00001-00000.jsonl", "{broken \"translate\"\n")
	if _, err := report.Read(t.Context(), store.NewLocal(nil), "alone"); err == nil || !strings.Contains(err.Error(), "alone/part-00001-00000.jsonl:1") {
		t.Error(err)
	}
}

// translationSeeds are tallies, a kept row, a quarantined one and one of the reference.
var translationSeeds = [][4]string{
	{
		`"segments":3,"memory_hits":1,"rung:first":1,"failed:numbers":1,"cost_micro":5,"length_ratio@160":2`,
		`{"id":"a","text":"x <script> y","curate":{"translate":{"source":[{"path":"/text","text":"é <script> z","protected":[[2,10]]}]}}}`,
		`{"file":"a","offset":1,"line":null,"error":"translation: numbers in /text: x","raw":""}`, `{"id":"a","text":"<script>"}`,
	},
	{
		`"segments":-5,"rung:":9223372036854775807,"noted:x":1`,
		`{"id":5,"a":{"b":["x"]},"curate":{"translate":{"source":[{"path":"/a/b/0","text":"","protected":[[-1,9],[0,0],[5,4],[0,9223372036854775807]]},{"path":"/a/c"}]}}}`,
		`{"error":"translation: :"}`, `{"id":5.0,"a":{"b":["y"]}}`,
	},
}

func translationSeed(t *testing.T, s [4]string) (*report.Run, error) {
	st := memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": translatedLedger(1, 1, s[0]), "out/_curate/config.json": translatedConfig,
		"out/_curate/manifest.json": `{"files":[{"number":1,"path":"a"}]}`, "out/part-00001-00000.jsonl": s[1] + "\n",
		"out/_curate/quarantine/part-00001-00000.jsonl": s[2] + "\n", "ref.jsonl": s[3],
	}}
	return report.Read(t.Context(), st, "out", report.Reference{File: "ref.jsonl"})
}

func TestTranslationSeeds(t *testing.T) {
	for _, s := range translationSeeds {
		run, err := translationSeed(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if tr := run.Steps[0].Translation; len(tr.SideBySide) != 1 {
			t.Errorf("%+v", tr)
		}
	}
}

// FuzzTranslation gives it rows as nobody wrote them: an error that names the file, or a page without markup of theirs.
func FuzzTranslation(f *testing.F) {
	for _, s := range translationSeeds {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, tallies, kept, quarantine, reference string) {
		r, err := translationSeed(t, [4]string{tallies, kept, quarantine, reference})
		if err != nil {
			if !strings.Contains(err.Error(), "out") && !strings.Contains(err.Error(), "ref.jsonl") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		var html, other bytes.Buffer
		if err := errors.Join(r.WriteHTML(&html), r.WriteJSON(&other), r.WriteFunnel(&other)); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<script", "<img"} {
			if strings.Contains(strings.ToLower(html.String()), bad) {
				t.Errorf("%s on the page", bad)
			}
		}
	})
}
