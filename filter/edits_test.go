package filter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"curate/filter/pii"
)

// TestRuleTexts are texts and what rules that only edit leave of them.
func TestRuleTexts(t *testing.T) {
	const doc = "Idatzi jon@ehu.eus edo miren@ehu.eus helbidera (130.206.5.1), +34 943 00 12 34."
	for _, c := range []struct {
		rule       string
		set        []Setting
		text, left string
	}{
		{"pii", nil, doc, "Idatzi <EMAIL> edo <EMAIL> helbidera (<IP>), <PHONE>."},
		{"pii", []Setting{{Param: "mask_email", Value: "[posta]"}, {Param: "ip", Value: 0}, {Param: "phone", Value: 0}}, doc,
			"Idatzi [posta] edo [posta] helbidera (130.206.5.1), +34 943 00 12 34."},
		{"pii", []Setting{{Param: "action", Value: "remove"}}, doc, "Idatzi  edo  helbidera (), ."},
		{"pii", []Setting{{Param: "action", Value: "leave"}}, doc, doc},
		{"pii", []Setting{{Param: "action", Value: "replace"}}, doc, "Idatzi email@example.com edo firstname.lastname@example.org helbidera (22.214.171.124), <PHONE>."},
		{"pii", []Setting{{Param: "action", Value: "replace"}, {Param: "scanner", Value: "datatrove"}, {Param: "email_replacements", Value: []string{"x@y.z"}}}, doc,
			"Idatzi x@y.z edo x@y.z helbidera (22.214.171.124), +34 943 00 12 34."},
		{"pii", []Setting{{Param: "scanner", Value: "datatrove"}, {Param: "email", Value: 0}}, doc, "Idatzi jon@ehu.eus edo miren@ehu.eus helbidera (<IP>), +34 943 00 12 34."},
		{"pii", []Setting{{Param: "scanner", Value: "dolma"}}, "Idatzi jon@ehu.eus edo 130.206.5.1", "Idatzi<EMAIL>edo <IP>"},
		{"text_repair", nil, "voilÃ\u00a0 Ã©\ne\u0301\x00", "voilà é\né"},
		{"text_repair", []Setting{{Param: "mojibake", Value: 0}, {Param: "soft_hyphens", Value: 1}}, "voilÃ  kon\u00adposta\x00", "voilÃ  konposta"},
		{"symbol_lines", nil, "a\n***\n- - -\n \nb\n---\n", "a\n \nb"},
		{"symbol_lines", []Setting{{Param: "replace_char", Value: "~"}}, "***\na\n***\n- - -\n\t-\nb\n---", "~\na\n~\n\t-\nb\n~"},
	} {
		f := only(t, c.rule, c.set...)
		v := f.NewView()
		for range 2 { // each document begins anew
			if _, reason := f.Check(v, []byte(c.text)); reason != "" || string(v.Text()) != c.left {
				t.Errorf("%s %v: %q (%s), want %q", c.rule, c.set, v.Text(), reason, c.left)
			}
		}
	}
}

// TestConformanceFormatters compares the texts that datatrove's formatters left. "ftfy" is more than text_repair does, which knows no
// entities of HTML, so that the agreement is a number to know.
func TestConformanceFormatters(t *testing.T) {
	docs := conformanceDocs(t)
	answers := map[string]map[string]string{} // by id and formatter, where the text was changed
	file := "testdata/filter-dedup/formatters.jsonl.zst"
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" {
		if f := filepath.Join(dir, "filter-dedup", "datatrove.jsonl.zst"); fileExists(f) {
			file = f
		}
	}
	err := eachLine(file, func(line []byte) error {
		var a struct {
			ID          string
			PII, Ftfy   *string
			SymbolLines *string `json:"symbol_lines"`
		}
		err := json.Unmarshal(line, &a)
		answers[a.ID] = map[string]string{}
		for name, text := range map[string]*string{"pii": a.PII, "ftfy": a.Ftfy, "symbol_lines": a.SymbolLines} {
			if text != nil {
				answers[a.ID][name] = *text
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, profile string
		exact        bool
	}{{"pii", "datatrove/pii", true}, {"symbol_lines", "datatrove/symbol-lines", true}, {"ftfy", "repair", false}} {
		f := mustNew(t, Config{Profile: c.profile})
		if c.key == "ftfy" {
			f = only(t, "text_repair", Setting{Param: "nfc", Value: 0})
		}
		v := f.NewView()
		ran, changed, agreed := 0, 0, 0
		for _, d := range docs {
			all, ok := answers[d.ID]
			if !ok || d.Text == "" {
				continue
			}
			want, isChanged := all[c.key]
			if !isChanged {
				want = d.Text
			}
			f.Check(v, []byte(d.Text))
			ran++
			if isChanged {
				changed++
			}
			if string(v.Text()) == want {
				agreed++
			} else if c.exact {
				t.Errorf("%s: %s leaves %.100q, datatrove %.100q", d.ID, c.profile, v.Text(), want)
			} else {
				t.Logf("%s: %s leaves %.100q, datatrove %.100q", d.ID, c.profile, v.Text(), want)
			}
		}
		t.Logf("%-12s %d of %d texts agree; datatrove changes %d", c.key, agreed, ran, changed)
		if ran == 0 || changed == 0 || float64(agreed) < 0.99*float64(ran) {
			t.Errorf("%s: %d of %d agree, %d changed", c.key, agreed, ran, changed)
		}
	}
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestConformanceDolmaPII compares the spans of dolma's pii_regex_v2, of which v1 has the same.
func TestConformanceDolmaPII(t *testing.T) {
	docs := conformanceDocs(t)
	answers := map[string]map[string][][3]float64{}
	file := "testdata/filter-dedup/formatters.jsonl.zst"
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" {
		if f := filepath.Join(dir, "filter-dedup", "dolma.jsonl.zst"); fileExists(f) {
			file = f
		}
	}
	err := eachLine(file, func(line []byte) error {
		var a struct {
			ID    string          `json:"id"`
			Spans json.RawMessage `json:"pii_regex_v2"`
		}
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		var spans map[string][][3]float64
		if json.Unmarshal(a.Spans, &spans) == nil { // else the reference raised an error
			answers[a.ID] = spans
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[pii.Kind]string{pii.Email: "EMAIL_ADDRESS", pii.Phone: "PHONE_NUMBER", pii.IPv4: "IP_ADDRESS"}
	var f pii.Finder
	ran, found := 0, 0
	for _, d := range docs {
		want, ok := answers[d.ID]
		if !ok {
			continue
		}
		ran++
		got := map[string][][3]float64{}
		for _, s := range f.AppendDolma(nil, []byte(d.Text)) {
			lo, hi := utf8.RuneCountInString(d.Text[:s.Lo]), utf8.RuneCountInString(d.Text[:s.Hi])
			got[kinds[s.Kind]] = append(got[kinds[s.Kind]], [3]float64{float64(lo), float64(hi), 1})
			found++
		}
		for _, k := range kinds {
			if !slices.Equal(got[k], want[k]) {
				t.Errorf("%s: %s: %v, dolma %v", d.ID, k, got[k], want[k])
			}
		}
	}
	t.Logf("%d documents agree in %d spans", ran, found)
	if found == 0 {
		t.Error("no span")
	}
}
