package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/audit"
	"curate/report"
	"curate/stage"
)

// TestAuditGolden makes an audit with the pipeline itself, with one worker and with three, and compares all that is said of it.
func TestAuditGolden(t *testing.T) {
	golden, examples := absolute(t, "testdata"), absolute(t, "../examples/pages")
	for _, workers := range []int{1, 3} {
		t.Chdir(t.TempDir())
		pages(t, examples, "raw/pages.jsonl", 12)
		write(t, "raw/odd.jsonl", `{"text":"<b>bold</b> &amp; tambiÃ©n \u0000 <script>alert(1)</script>","lang":"<i>"}
{"text":"Run\nRun\nRun\u202eabc","lang":["a"]}
{"text":" ","lang":"en"}
`)
		a, err := audit.New(audit.Config{By: "lang", LanguageLines: 2, Engine: "test", Languages: func() func([]byte) string {
			return func(line []byte) string { return []string{"en", "eu"}[bytes.Count(line, []byte("k"))&1] }
		}})
		if err != nil {
			t.Fatal(err)
		}
		step(t, "out", workers, []stage.Stage{a}, "raw")
		html, numbers, _ := render(t, read(t, "out"))
		for name, got := range map[string]string{"audit.html": html, "audit.json": numbers} {
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
		if strings.Contains(html, "<script") || strings.Contains(html, "<b>bold") {
			t.Error("markup of a text is on the page")
		}
	}
}

// TestAuditGroups: of many groups those with the most bytes are told.
func TestAuditGroups(t *testing.T) {
	var groups []string
	for i := range 60 {
		groups = append(groups, fmt.Sprintf(`{"group":%d,"bytes":%d}`, i, i%30))
	}
	r := readAudit(t, `{"by":"g","groups":[`+strings.Join(groups, ",")+`]}`)
	a := r.Steps[0].Audit
	if len(a.Groups) != 40 || a.Left != 20 || string(a.Groups[0].Group) != "10" || string(a.Groups[39].Group) != "59" {
		t.Errorf("%d groups, %d left out: %v", len(a.Groups), a.Left, a.Groups)
	}
	if rows := a.Rows(); len(rows) != 41 || rows[0].Bytes != 29 || rows[40].Name != "all" {
		t.Errorf("%d rows: %+v", len(rows), rows[0])
	}
}

func auditFiles(content string) memory {
	return memory{files: map[string]string{
		"out/_curate/done": "", "out/_curate/ledger.json": ledger(1, "r:short", `"&r:short":3,"&r:short&":1,"&r:short&q:long":2,"&&":7,"&":1`), "out/audit.json": content,
		"out/_curate/config.json": `{"step":{"stages":[]}}`, "out/_curate/manifest.json": `{"files":[{"number":1,"path":"a"}]}`,
	}}
}

func readAudit(t *testing.T, content string) *report.Run {
	t.Helper()
	r, err := report.Read(t.Context(), auditFiles(content), "out")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzReadAudit gives it a result as nobody wrote it: an error that names the file, or a page.
func FuzzReadAudit(f *testing.F) {
	f.Add(`{"by":"g","all":{"documents":-1,"findings":{"html":3},"languages":{"eu":2e300}},"groups":[{"group":"\u0000"},{"group":null},{}],
		"findings":[{"finding":"x","documents":1,"examples":[{"number":7,"text":"<script>"}]}],"boilerplate":{"top":[{"text":"a"}]},
		"signals":[{"signal":"s","largest":[{"value":1e300}],"smallest":[{}]}],"languages":[{"language":"<","examples":[{}]}]}`)
	f.Add(`{}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, content string) {
		r, err := report.Read(t.Context(), auditFiles(content), "out")
		if err != nil {
			if !strings.Contains(err.Error(), "audit.json") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		var html, other bytes.Buffer
		if err := errors.Join(r.WriteHTML(&html), r.WriteJSON(&other)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(html.String()), "<script") {
			t.Error("a script on the page")
		}
	})
}
