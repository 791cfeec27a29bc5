package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// TranslationScores is what a step of kind translate_eval has found, from translate_eval.json.
type TranslationScores struct {
	Rows     int64             `json:"rows"`
	Segments int64             `json:"segments"`
	Left     []Count           `json:"left_out,omitzero"` // what does not count, and why
	Metrics  []TranslationRow  `json:"metrics"`
	Checks   []CheckedSegments `json:"checks,omitzero"` // by name
}

// TranslationRow is a metric.
type TranslationRow struct {
	Metric    string   `json:"metric"`
	Score     float64  `json:"score"` // 0 to 100
	CI95      *float64 `json:"ci95,omitempty"`
	Baseline  *float64 `json:"baseline,omitempty"`
	P         *float64 `json:"p,omitempty"`
	Signature string   `json:"signature"`
}

// CheckedSegments is how many texts a check finds fault with.
type CheckedSegments struct {
	Check   string `json:"check"`
	Refused int64  `json:"refused"`
	Noted   int64  `json:"noted"`
}

const translationScoresName = "translate_eval.json"

// translationScoresFile is what is read of translate_eval.json, which curate translate eval --json prints, too.
type translationScoresFile struct {
	Rows     int64 `json:"rows"`
	Missing  int64 `json:"missing"`
	Extra    int64 `json:"extra"`
	Repeated int64 `json:"repeated"`
	Lacking  int64 `json:"lacking"`
	Segments int64 `json:"segments"`
	Unpaired int64 `json:"unpaired"`
	Scores   []struct {
		Metric    string  `json:"metric"`
		Score     float64 `json:"score"`
		Signature string  `json:"signature"`
	} `json:"scores"`
	Checks map[string]struct {
		Hard int64 `json:"hard"`
		Soft int64 `json:"soft"`
	} `json:"checks"`
	Versus []struct {
		Metric   string  `json:"metric"`
		Baseline float64 `json:"baseline"`
		CI95     float64 `json:"ci95"`
		P        float64 `json:"p"`
	} `json:"versus"`
}

func readTranslationScores(ctx context.Context, in files, s *Step) error {
	there, err := in.exists(ctx, translationScoresName)
	if err != nil || !there {
		return err
	}
	var file translationScoresFile
	if err := in.json(ctx, translationScoresName, &file); err != nil {
		return err
	}
	t := &TranslationScores{Rows: file.Rows, Segments: file.Segments}
	for _, c := range []Count{
		{"rows of the reference that the translation lacks", file.Missing},
		{"rows of the translation that the reference lacks", file.Extra},
		{"rows that the baseline lacks", file.Lacking},
		{"ids that several rows have", file.Repeated},
		{"texts without a counterpart in their row", file.Unpaired},
	} {
		if c.Count != 0 {
			t.Left = append(t.Left, c)
		}
	}
	for _, m := range file.Scores[:min(len(file.Scores), checkLimit)] {
		row := TranslationRow{Metric: cut(m.Metric, 40), Score: m.Score, Signature: cut(m.Signature, 200)}
		for i := range file.Versus {
			if v := &file.Versus[i]; v.Metric == m.Metric {
				row.CI95, row.Baseline, row.P = &v.CI95, &v.Baseline, &v.P
				break
			}
		}
		t.Metrics = append(t.Metrics, row)
	}
	for name, k := range file.Checks {
		t.Checks = append(t.Checks, CheckedSegments{cut(name, 60), k.Hard, k.Soft})
	}
	slices.SortFunc(t.Checks, func(a, b CheckedSegments) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Refused, b.Refused), cmp.Compare(a.Noted, b.Noted)) // long names are cut
	})
	t.Checks = t.Checks[:min(len(t.Checks), checkLimit)]
	s.Scores = t
	return nil
}

func hasTranslationScores(s *Step) bool { return s.Scores != nil }

// Compared says whether there is a baseline.
func (t *TranslationScores) Compared() bool {
	return slices.ContainsFunc(t.Metrics, func(r TranslationRow) bool { return r.Baseline != nil })
}

// Cells are the numbers of a row, in words: the score, and of a comparison the baseline's and how likely such a difference is without a cause.
func (r TranslationRow) Cells(compared bool) []string {
	list := []string{fmt.Sprintf("%.2f", r.Score)}
	if !compared {
		return list
	}
	if r.Baseline == nil {
		return append(list, "–", "–")
	}
	list[0] += fmt.Sprintf(" ± %.2f", *r.CI95)
	return append(list, fmt.Sprintf("%.2f", *r.Baseline), fmt.Sprintf("%.4f", *r.P))
}

const translationScoresAbout = `How close a translation is to a reference, 0 to 100, as sacrebleu counts: a text of a row is a segment. With a baseline, ± is 95 % of bootstrap resamples, and p how likely so large a difference would be if the two were equally good.`

const translationScoresPage = `
{{with .Scores}}{{$compared := .Compared}}<p>{{group .Rows}} rows, {{group .Segments}} texts.</p>
<table><tr><th>metric<th class="n">score{{if $compared}}<th class="n">baseline<th class="n">p{{end}}<th>signature
{{range .Metrics}}<tr><td>{{.Metric}}{{range .Cells $compared}}<td class="n">{{.}}{{end}}<td>{{.Signature}}
{{end}}</table>
{{with .Left}}<table><tr><th>what does not count<th class="n">
{{range .}}<tr><td>{{.Name}}<td class="n">{{group .Count}}
{{end}}</table>
{{end}}{{with .Checks}}<table><tr><th>check<th class="n">texts refused<th class="n">only noted
{{range .}}<tr><td>{{.Check}}<td class="n">{{group .Refused}}<td class="n">{{group .Noted}}
{{end}}</table>
{{end}}{{end}}`
