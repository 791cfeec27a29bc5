package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json"
)

func TestHeading(t *testing.T) {
	for _, c := range []struct {
		form, text, want string
		is               bool
	}{
		{question.EN, `What does the LibreOffice help say about "What is "Base"?"?`, `What is "Base"?`, true},
		{question.EU, `Zer dio LibreOffice laguntzak honi buruz: "Zer da Base?"?`, `Zer da Base?`, true},
		{question.EN, `What does the LibreOffice help say?`, ``, false},
		{question.EN, `What does the LibreOffice help say about "Base".`, ``, false},
	} {
		if got, is := heading(c.form, c.text); is != c.is || is && got != c.want {
			t.Errorf("%q: %q, %v", c.text, got, is)
		}
	}
}

func TestUntranslated(t *testing.T) {
	for _, c := range []struct {
		en, eu string
		want   bool
	}{
		{"Save As", "Save As", true},
		{"ODF Formula", "ODF  formula ", true},
		{"Save As", "Gorde honela", false},
		{"The newly defined name appears in the list below. Click OK.", "The newly defined name appears in the list below. Sakatu Ados.", true},
		{"The color of the text in the dialog", "Testuaren color elkarrizketa-koadroan", false},
		{"Access2Base and the menu", "Access2Base eta menua", false},
		{"See also ROUND, MROUND, ROUNDUP.", "Ikus ROUND, MROUND, ROUNDUP.", false},
	} {
		if got := untranslated(pair{EN: c.en, EU: c.eu}); got != c.want {
			t.Errorf("%q, %q: %v", c.en, c.eu, got)
		}
	}
}

// lastDigit is that of the number which the SHA-1 of an id's page is, worked out byte by byte.
func lastDigit(id string) int {
	path, _, _ := strings.Cut(id, "#")
	rest := 0
	for _, b := range sha1.Sum([]byte(path)) {
		rest = (rest*256 + int(b)) % 10
	}
	return rest
}

// A source of 60 pages with 12 headings each, of which a paragraph a page stands in all pages and some are not translated.
// Nothing of a held-out page comes out, on whatever way it gets in.
func TestBuildTranslation(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]string{}
	put := func(name, format string, args ...any) {
		files[name] = append(files[name], fmt.Sprintf(format, args...))
	}
	held := 0
	for number := range 60 {
		path := fmt.Sprintf("swriter/guide/p%d", number)
		if lastDigit(path) == 0 {
			held++
		}
		page := func(lang, text string) {
			put(lang, `{"id": "lohelp/%s/%s", "text": "Izenburua %s\n%s", "meta": {"lang": "%s"}}`, lang, path, path, text, lang)
		}
		page("en", fmt.Sprintf(`Common %d\nOnly here %d`, number%7, number))
		page(basque, "Orrietan bakarrik")
		for h := range 12 {
			id := fmt.Sprintf("%s#hd_id%d", path, h)
			en := fmt.Sprintf("Heading %s %d", path, h)
			eu := fmt.Sprintf("Izenburua %s %d", path, h)
			if h == 5 {
				eu = en // untranslated
			}
			if h == 7 && lastDigit(path) != 0 {
				en = "Common 3" // in a held-out page, though not as a heading
			}
			body := []pair{
				{EN: fmt.Sprintf("Text of %s under %d.", path, h), EU: fmt.Sprintf("%s orriko testua, %d.", path, h)},
				{EN: fmt.Sprintf("Common %d", h), EU: fmt.Sprintf("Arrunta %d, %s", h, path)},
				{EN: fmt.Sprintf("Special %d, %s", h, path), EU: fmt.Sprintf("Berezia %d", h%5)},
			}
			put("parallel.en-eu", `{"id": "%s", "tag": "h2", "en": "%s", "eu": "%s"}`, id, en, eu)
			var english, basques []string
			for k, p := range body {
				if h%4 == 1 && k > 0 { // else the row is short
					continue
				}
				put("parallel.en-eu", `{"id": "%s", "tag": "p", "en": "%s", "eu": "%s"}`, path+fmt.Sprintf("#par_%d_%d", h, k), p.EN, p.EU)
				english, basques = append(english, p.EN), append(basques, p.EU)
			}
			for _, l := range []struct {
				lang, form, heading string
				body                []string
			}{{"en", question.EN, en, english}, {"eu-reference", question.EU, eu, basques}} {
				q := strings.ReplaceAll(fmt.Sprintf(l.form, l.heading), `"`, `\"`)
				answer := strings.Join(l.body, `\n\n`)
				put("instruct."+l.lang, `{"id": "%s", "messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}`, id, q, answer)
				put("preference-hard."+l.lang, `{"id": "%s", "prompt": [{"role": "user", "content": "%s"}], "chosen": [{"role": "assistant", "content": "%s"}], "rejected": [{"role": "assistant", "content": "Common %d"}]}`, id, q, answer, h)
			}
		}
	}
	if held == 0 {
		t.Fatal("no page is held out; the test shows nothing")
	}
	for name, lines := range files {
		var b [][]byte
		for _, line := range lines {
			b = append(b, []byte(line))
		}
		if err := writeLines(filepath.Join(dir, name+".jsonl.zst"), b); err != nil {
			t.Fatal(err)
		}
	}
	source, err := readTranslationSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	forbidden := map[string]bool{} // worked out from the files' lines
	for name, lines := range files {
		for _, line := range lines {
			var r map[string]any
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(name, err)
			}
			id := r["id"].(string)
			id = strings.TrimPrefix(strings.TrimPrefix(id, "lohelp/en/"), "lohelp/eu/")
			delete(r, "id")
			if lastDigit(id) == 0 {
				everyLine(r, func(l string) { forbidden[l] = true })
			}
		}
	}
	plan := translationPlan{rows: 100, extra: 50}
	var packed [3][]byte
	for k, seed := range []uint64{1, 1, 2} {
		made, err := buildTranslation(source, plan, seed)
		if err != nil {
			t.Fatal(err)
		}
		seen, allowed := map[string]bool{}, map[string]bool{}
		for _, p := range made.memory {
			if forbidden[p.EN] || forbidden[p.EU] || p.EN == p.EU || seen[p.EN] {
				t.Errorf("in the memory: %+v", p)
			}
			if x, is := heading(question.EN, p.EN); is && (forbidden[x] || strings.HasSuffix(x, " 5")) {
				t.Errorf("in the memory: %+v", p)
			}
			seen[p.EN] = true
		}
		// What may be in it and is needed, is.
		for _, line := range files["parallel.en-eu"] {
			var p pair
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Fatal(err)
			}
			if lastDigit(p.ID) != 0 && p.EN != p.EU && !forbidden[p.EN] && !forbidden[p.EU] {
				allowed[p.EN] = true
			}
		}
		asked := 0
		for _, r := range slices.Concat(made.instruct, made.preference) {
			for _, line := range r.lines() {
				if x, _ := heading(question.EN, line); allowed[line] || allowed[x] {
					if asked++; !seen[line] {
						t.Errorf("not in the memory: %q", line)
					}
				}
			}
		}
		if asked < 2*plan.rows {
			t.Errorf("the rows ask for %d lines that may be in the memory", asked)
		}
		for _, rows := range [][]row{made.instruct, made.reference, made.preference} {
			if len(rows) != plan.rows {
				t.Errorf("%d rows", len(rows))
			}
			for _, r := range rows {
				if lastDigit(r.id) == 0 {
					t.Errorf("a row of a held-out page: %s", r.id)
				}
			}
		}
		c := made.counts
		if c["memory: other lines"] != plan.extra || c["memory: questions"] == 0 || len(made.memory) != c["memory: other lines"]+c["memory: questions"]+c["memory: lines that rows need"] ||
			c["instruct: rows wholly in memory"] == 0 || c["instruct: rows wholly in memory"] == plan.rows {
			t.Error(c)
		}
		out := t.TempDir()
		if err := writeTranslation(out, made); err != nil {
			t.Fatal(err)
		}
		for _, name := range translationFiles {
			b, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			packed[k] = append(packed[k], b...)
		}
	}
	if !bytes.Equal(packed[0], packed[1]) || bytes.Equal(packed[0], packed[2]) {
		t.Error("the same seed gave other bytes, or another seed the same")
	}
	if _, err := buildTranslation(source, translationPlan{rows: 720}, 1); err == nil {
		t.Error("as many rows as there are were drawn, held-out pages and all")
	}
	source.reference = source.reference[1:]
	if _, err := buildTranslation(source, plan, 1); err == nil {
		t.Error("a reference that lacks a row was taken")
	}
}

// everyLine calls f for each line of the strings in v.
func everyLine(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		for line := range strings.SplitSeq(v, "\n") {
			f(line)
		}
	case map[string]any:
		for name, m := range v {
			if name != "role" && name != "tag" && name != "meta" {
				everyLine(m, f)
			}
		}
	case []any:
		for _, m := range v {
			everyLine(m, f)
		}
	}
}

func TestCommittedTranslation(t *testing.T) {
	sets := map[string][]row{}
	for _, name := range translationFiles {
		if name == "memory.en-eu.jsonl.zst" {
			continue
		}
		lines, err := readLines(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if sets[name], err = parseRows(name, lines); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range sets[name] {
			if lastDigit(r.id) == 0 || seen[r.id] || len(r.texts) != 2 && len(r.texts) != 3 {
				t.Errorf("%s: %s is held out, or there twice, or has %d texts", name, r.id, len(r.texts))
			}
			seen[r.id] = true
		}
		if len(seen) != defaultTranslationPlan().rows {
			t.Errorf("%s: %d rows", name, len(seen))
		}
	}
	made := translation{instruct: sets[translationFiles[0]], preference: sets[translationFiles[3]], counts: map[string]int{}}
	for k, r := range sets["instruct.eu-reference.jsonl.zst"] {
		en := made.instruct[k]
		same := r.id == en.id && len(r.texts) == len(en.texts)
		for i := range r.texts {
			same = same && strings.Count(r.texts[i], "\n") == strings.Count(en.texts[i], "\n")
		}
		if !same {
			t.Errorf("row %d: the reference's %s has other lines than %s", k+1, r.id, en.id)
		}
	}

	// The memory, against the digests of the held-out pages' lines.
	digests, err := os.ReadFile(filepath.Join("testdata", "held-out-lines.sha1"))
	if err != nil {
		t.Fatal(err)
	}
	n := len(digests) / digestSize
	at := func(i int) []byte { return digests[i*digestSize : (i+1)*digestSize] }
	heldOutLine := func(line string) bool {
		d := digest(line)
		i := sort.Search(n, func(i int) bool { return bytes.Compare(at(i), d) >= 0 })
		return i < n && bytes.Equal(at(i), d)
	}
	if n < 10_000 || !heldOutLine("Opening a Dialog With Basic") || !heldOutLine("Click OK.") { // of sbasic/guide/show_dialog, and of many
		t.Fatalf("%d digests, or they are not those of the held-out lines", n)
	}
	lines, err := readLines(filepath.Join("..", "memory.en-eu.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for k, line := range lines {
		var p pair
		if err := json.Unmarshal(line, &p, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("memory:%d: %v", k+1, err)
		}
		parts := []string{p.EN, p.EU}
		if x, is := heading(question.EN, p.EN); is {
			y, _ := heading(question.EU, p.EU)
			parts = append(parts, x, y)
		}
		if slices.ContainsFunc(parts, heldOutLine) {
			t.Errorf("memory:%d: %q stands in a held-out page", k+1, parts)
		}
		if seen[p.EN] || p.EN == p.EU || p.EU == "" || !strings.ContainsFunc(p.EN, unicode.IsLetter) || strings.ContainsAny(p.EN+p.EU, "\r\n") {
			t.Errorf("memory:%d: %+v", k+1, p)
		}
		seen[p.EN] = true
		made.memory = append(made.memory, p)
	}

	// What can be expected of the step, and what README.md says of it.
	made.cover()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"instruct", "preference"} {
		c := func(what string) int { return made.counts[set+": "+what] }
		if share := float64(c("rows wholly in memory")) / float64(c("rows")); share < .7 || share > .9 {
			t.Errorf("%s: %.3f of the rows are wholly in the memory", set, share)
		}
		said := fmt.Sprintf("| %d of %d | %d of %d |", c("lines in memory"), c("lines"), c("rows wholly in memory"), c("rows"))
		if !bytes.Contains(bytes.ReplaceAll(readme, []byte(","), nil), []byte(said)) { // from a thousand on they have a comma
			t.Errorf("README.md does not say of %s: %s", set, said)
		}
	}
	total := int64(0)
	for _, name := range translationFiles {
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 400_000 {
		t.Errorf("%d bytes, may be 400,000", total)
	}
}
