package report_test

import (
	"strings"
	"testing"

	"curate/report"
)

// TestEvaluationFollowing: a win rate has its interval and whom it is against, and the summary a column for each kind, wherever
// it comes first.
func TestEvaluationFollowing(t *testing.T) {
	st := memory{files: map[string]string{
		"run/_curate/config.json": `{"program":"x","step":{"stages":[],"inputs":{}}}`, "run/_curate/done": "", "run/_curate/manifest.json": `{"files":[]}`,
		"run/eval.json": `{"version":1,"models":[
			{"name":"base","results":[{"kind":"choice","name":"eu/one","metrics":[{"metric":"acc","value":0.5,"stderr":0.1,"chance":0.25,"at_chance":false}]}]},
			{"name":"tuned","results":[{"kind":"judge","name":"eu","baseline":"base","metrics":[
				{"metric":"win_rate","value":0.75,"stderr":0.02,"ci95":[0.7,0.8],"chance":0.5,"at_chance":false},
				{"metric":"win_rate_length_controlled","value":null,"stderr":null,"chance":null,"at_chance":false}]}]}],
			"summary":[{"model":"base","language":"eu","values":[{"kind":"choice","metric":"acc","value":0.5,"stderr":0.1}]},
				{"model":"tuned","language":"eu","values":[{"kind":"judge","metric":"win_rate","value":0.75,"stderr":null}]}]}`,
	}}
	r, err := report.Read(t.Context(), st, "run")
	if err != nil {
		t.Fatal(err)
	}
	html, numbers, _ := render(t, r)
	for _, part := range []string{
		`<td>judge<td>eu, against base<td>win_rate<td class="n">50.00 %<td class="n">–<td class="n">75.00 ± 2.00 % (70.00–80.00)`,
		`<td>judge<td>eu, against base<td>win_rate_length_controlled<td class="n"><td class="n">–<td class="n">–`,
		`<tr><th>model<th>language<th class="n">choice<th class="n">judge`,
		`<tr><td>base<td>eu<td class="n">50.00 ± 10.00 %<td class="n">–`,
		`<tr><td>tuned<td>eu<td class="n">–<td class="n">75.00 %`,
	} {
		if !strings.Contains(html, part) {
			t.Errorf("no %s", part)
		}
	}
	if !strings.Contains(strings.Join(strings.Fields(numbers), ""), `"ci95":[0.7,0.8]`) {
		t.Error("the JSON has no interval")
	}
}
