package report_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/report"
)

// TestContaminationGolden compares all that is said of testdata/contamination: curate decontaminate --format jsonl --dropped made it, of
// six documents, against three questions and two pairs.
func TestContaminationGolden(t *testing.T) {
	r := read(t, "testdata/contamination")
	html, numbers, _ := render(t, r)
	for name, got := range map[string]string{"contamination.html": html, "contamination.json": numbers} {
		name = filepath.Join("testdata", name)
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
	c := r.Steps[0].Contamination
	if c == nil || c.Note != "" || len(c.Benchmarks) != 2 {
		t.Fatalf("%+v", c)
	}
	for _, b := range c.Benchmarks {
		// As many examples as there are dropped documents with an item of it, up to five, each with words that stand in it.
		if int64(len(b.Examples)) != min(b.Documents, 5) {
			t.Errorf("%s: %d examples of %d documents", b.Name, len(b.Examples), b.Documents)
		}
		for _, e := range b.Examples {
			if e.Words == "" || !strings.Contains(e.Text, e.Words) {
				t.Errorf("%s: %q is not in %q", b.Name, e.Words, e.Text)
			}
		}
	}
}

const contaminatedLedger = `{"read":3,"kept":3,"dropped":{},"quarantined":0,"stages":[{"name":"read","read":3,"kept":3,"dropped":{},"quarantined":0},
	{"name":"decontaminate","version":1,"read":3,"kept":3,"dropped":{},"quarantined":0,"tallies":{"item:b:q":1}}]}`

// contaminated are the files of a step that annotates.
func contaminated(summary, kept string) memory {
	return memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": contaminatedLedger, "out/_curate/manifest.json": `{"files":[{"number":1,"path":"a.jsonl"}]}`,
		"out/_curate/config.json":        `{"program":"curate test","step":{"stages":[{"name":"decontaminate","version":1,"config":{}}],"fields":{"text":"text"}}}`,
		"out/_curate/contamination.json": summary, "out/part-00001-00000.jsonl": kept,
	}}
}

// What is annotated has its examples in what was kept; what an earlier run wrote, or nobody, is no example.
func TestContaminationAnnotated(t *testing.T) {
	kept := `{"id":1,"text":"one","curate":{"decontaminate":{"verdict":"drop","reason":"b","matches":[{"benchmark":"b","item":"q","match":"exact","share":1,"words":"one"},{"benchmark":"b","item":"r","match":"ngram","share":0.5,"words":"one"}]}}}
{"id":2,"text":"two","curate":{"decontaminate":{"verdict":"keep"}}}
{"id":3,"text":"decontaminate"}
`
	r, err := report.Read(t.Context(), contaminated(`{"mode":"annotate","documents":3,"benchmarks":[{"name":"b","items":2,"found":1,"share":0.5,"documents":1,"found_items":[{"id":"q","documents":1}],"later":1}]}`, kept), "out")
	if err != nil {
		t.Fatal(err)
	}
	c := r.Steps[0].Contamination
	if len(c.Benchmarks) != 1 || len(c.Benchmarks[0].Examples) != 1 || c.Benchmarks[0].Examples[0].ID != "1" || c.Benchmarks[0].Examples[0].Item != "q" {
		t.Fatalf("%+v", c)
	}
	html, _, _ := render(t, r)
	for _, want := range []string{"3 documents were looked at; mode annotate.", "<td>annotated", `under <a href="#contamination">`, "item <bdi>q</bdi>, exact, share 1"} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is not on the page", want)
		}
	}
}

// What cannot be is said, and nothing of it is shown.
func TestContaminationNotes(t *testing.T) {
	for name, summary := range map[string]string{
		"no JSON":           `{`,
		"more than all":     `{"documents":1,"benchmarks":[{"name":"b","items":1,"found":2}]}`,
		"below nothing":     `{"documents":-1}`,
		"documents":         `{"documents":1,"benchmarks":[{"name":"b","documents":2}]}`,
		"no share":          `{"documents":1,"benchmarks":[{"name":"b","share":1.5}]}`,
		"an item of no one": `{"documents":1,"benchmarks":[{"name":"b","items":1,"found":1,"found_items":[{"id":"q","documents":-1}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := report.Read(t.Context(), contaminated(summary, ""), "out")
			if err != nil {
				t.Fatal(err)
			}
			c := r.Steps[0].Contamination
			if !strings.Contains(c.Note, "contamination.json") || len(c.Benchmarks) > 0 {
				t.Errorf("%+v", c)
			}
			if html, _, _ := render(t, r); !strings.Contains(html, "This section is without it.") {
				t.Error("the page does not say so")
			}
		})
	}
}

// Nothing in a name, an item or a text becomes markup, and many benchmarks of many items make no large page.
func TestContaminationEscapingAndBounds(t *testing.T) {
	quoted, err := json.Marshal(`<script>alert(1)</script></q></pre>"'><img src=x onerror=alert(2)>{{.}}`)
	if err != nil {
		t.Fatal(err)
	}
	q := string(quoted)
	var benchmarks, items []string
	for i := range 500 {
		items = append(items, fmt.Sprintf(`{"id":"%d %s,"documents":1}`, i, q[1:]))
	}
	found := "[" + strings.Join(items, ",") + "]"
	for i := range 100 {
		benchmarks = append(benchmarks, fmt.Sprintf(`{"name":"%d %s,"items":500,"found":500,"share":1,"ngram":8,"short":1,"documents":%d,"found_items":%s}`, i, q[1:], 100-i, found))
	}
	kept := fmt.Sprintf(`{"id":%s,"text":%[1]s,"curate":{"decontaminate":{"verdict":"drop","matches":[{"benchmark":"0 %s,"item":%[1]s,"match":%[1]s,"share":0.5,"words":%[1]s}]}}}`+"\n", q, q[1:])
	r, err := report.Read(t.Context(), contaminated(`{"mode":"annotate","documents":200,"benchmarks":[`+strings.Join(benchmarks, ",")+"]}", kept), "out")
	if err != nil {
		t.Fatal(err)
	}
	html, numbers, _ := render(t, r)
	for _, bad := range []string{"<script", "<img", "</q></pre>", "ZgotmplZ"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s got through", bad)
		}
	}
	if !strings.Contains(html, "40 benchmarks are in fewer documents.") || !strings.Contains(html, "480 items more were found.") || !strings.Contains(html, "<q dir=\"auto\">&lt;script&gt;") {
		t.Error("what is there, or what is left out, is not on the page")
	}
	if len(html) > 600<<10 || !json.Valid([]byte(numbers)) {
		t.Errorf("%d bytes of page, %d of numbers", len(html), len(numbers))
	}
}

// FuzzContamination gives it a summary and kept records as nobody wrote them: a note or a page, and no markup of theirs on it.
func FuzzContamination(f *testing.F) {
	f.Add(`{"mode":"annotate","documents":3,"benchmarks":[{"name":"b","items":2,"found":1,"share":0.5,"documents":1,"found_items":[{"id":"q","documents":1}]}]}`,
		`{"id":1,"text":"one","curate":{"decontaminate":{"verdict":"drop","matches":[{"benchmark":"b","item":"q","match":"exact","share":1,"words":"one"}]}}}`+"\n")
	f.Add(`{"benchmarks":[{"examples":[{}],"share":-0}]}`, "{}\n")
	f.Fuzz(func(t *testing.T, summary, kept string) {
		r, err := report.Read(t.Context(), contaminated(summary, kept), "out")
		if err != nil {
			if !strings.Contains(err.Error(), "out/") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		if html, _, _ := render(t, r); strings.Contains(strings.ToLower(html), "<script") {
			t.Error("a script on the page")
		}
	})
}
