package report_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"curate/report"
)

// TestTranslationScores reads what a step of kind translate_eval has found.
func TestTranslationScores(t *testing.T) {
	const scores = `"rows":1234,"missing":2,"extra":0,"repeated":0,"lacking":0,"segments":4000,"unpaired":1,` +
		`"scores":[{"metric":"BLEU","score":17.546,"signature":"nrefs:1|x"},{"metric":"chrF++","score":47.9,"signature":"nc:6|nw:2"}],` +
		`"checks":{"tags":{"hard":3,"soft":0,"share":0.1},"length_ratio":{"hard":0,"soft":5,"share":0.1}}`
	for _, c := range []struct {
		content string
		page    []string
		not     string
	}{
		{`{` + scores + `}`, []string{
			"1,234 rows, 4,000 texts", `<td>BLEU<td class="n">17.55<td>nrefs:1|x`, `rows of the reference that the translation lacks<td class="n">2`,
			`without a counterpart in their row<td class="n">1`, `<td>length_ratio<td class="n">0<td class="n">5`, `<td>tags<td class="n">3<td class="n">0`,
		}, "baseline<th"},
		{`{` + scores + `,"versus":[{"metric":"BLEU","score":17.5,"baseline":15.83,"ci95":1.25,"baseline_ci95":1,"p":0.001,"samples":1000}]}`, []string{
			`<td>BLEU<td class="n">17.55 ± 1.25<td class="n">15.83<td class="n">0.0010<td>nrefs:1|x`, `<td>chrF&#43;&#43;<td class="n">47.90<td class="n">–<td class="n">–`,
		}, "that the translation has"},
		{`{"rows":1,"segments":1,"scores":[{"metric":"<b>","score":1,"signature":"<i>"}]}`, []string{"&lt;b&gt;", "&lt;i&gt;"}, "<b>"},
		{`{"rows":0}`, []string{"0 rows, 0 texts"}, "what does not count"},
	} {
		html, numbers, _ := render(t, readScores(t, c.content))
		for _, want := range c.page {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the page lacks %q", c.content, want)
			}
		}
		if strings.Contains(html[strings.Index(html, "<body"):], c.not) {
			t.Errorf("%s: the page has %q", c.content, c.not)
		}
		var is struct {
			Steps []struct {
				Scores json.RawMessage `json:"translation_scores"`
			}
		}
		if err := json.Unmarshal([]byte(numbers), &is); err != nil || len(is.Steps) != 1 || is.Steps[0].Scores == nil {
			t.Errorf("%s: %v, %+v", c.content, err, is)
		}
	}
	for _, damaged := range []string{"", "[]", `{"rows":"x"}`, `{"scores":[{"score":1e999}]}`} {
		if _, err := report.Read(context.Background(), scoresRun(damaged), "run"); err == nil || !strings.Contains(err.Error(), "translate_eval.json") {
			t.Errorf("%s: %v", damaged, err)
		}
	}
}

func scoresRun(content string) memory {
	return memory{files: map[string]string{
		"run/_curate/config.json": `{"program":"x","step":{"stages":[],"inputs":{}}}`, "run/_curate/done": "", "run/_curate/manifest.json": `{"files":[]}`,
		"run/translate_eval.json": content,
	}}
}

func readScores(t *testing.T, content string) *report.Run {
	t.Helper()
	r, err := report.Read(context.Background(), scoresRun(content), "run")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
