package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Evaluation is what a step of kind eval has measured, from eval.json.
type Evaluation struct {
	Models []string        `json:"models"`
	Rows   []EvaluationRow `json:"rows"`
	// Positions are the losses by how much of a row a prediction sees: an input each, a curve a model.
	Positions []EvaluationCurves `json:"positions,omitzero"`
}

// EvaluationRow is one number of all models.
type EvaluationRow struct {
	Kind   string             `json:"kind"`
	Input  string             `json:"input"`
	Metric string             `json:"metric"`
	Chance *float64           `json:"chance,omitempty"`
	Values []*EvaluationValue `json:"values"` // by model; null: it was not measured
}

// EvaluationValue is a number and its standard error.
type EvaluationValue struct {
	Value    float64  `json:"value"`
	Stderr   *float64 `json:"stderr,omitempty"`
	AtChance bool     `json:"at_chance,omitzero"` // within two standard errors
}

// EvaluationCurves are the losses on an input.
type EvaluationCurves struct {
	Input  string  `json:"input"`
	Curves []Curve `json:"curves"`
}

const (
	evaluationName   = "eval.json"
	evaluationModels = 12
	evaluationRows   = 200
)

// evaluationFile is what is read of eval.json (docs/formats/eval.md).
type evaluationFile struct {
	Models []struct {
		Name    string `json:"name"`
		Results []struct {
			Kind    string `json:"kind"`
			Name    string `json:"name"`
			Metrics []struct {
				Name     string   `json:"metric"`
				Value    *float64 `json:"value"`
				Stderr   *float64 `json:"stderr"`
				Chance   *float64 `json:"chance"`
				AtChance bool     `json:"at_chance"`
			} `json:"metrics"`
			Groups []struct {
				Group       *string  `json:"group"`
				BitsPerByte *float64 `json:"bits_per_byte"`
				Stderr      *float64 `json:"stderr"`
			} `json:"groups"`
			Buckets []struct {
				From int      `json:"from"`
				To   int      `json:"to"`
				Loss *float64 `json:"loss"`
			} `json:"positions"`
		} `json:"results"`
	} `json:"models"`
}

func readEvaluation(ctx context.Context, in files, s *Step) error {
	there, err := in.exists(ctx, evaluationName)
	if err != nil || !there {
		return err
	}
	var file evaluationFile
	if err := in.json(ctx, evaluationName, &file); err != nil {
		return err
	}
	file.Models = file.Models[:min(len(file.Models), evaluationModels)]
	e := &Evaluation{}
	for k, m := range file.Models {
		e.Models = append(e.Models, cut(m.Name, 60))
		for _, r := range m.Results {
			kind, input := cut(r.Kind, 20), cut(r.Name, 80)
			for _, x := range r.Metrics {
				e.add(k, len(file.Models), EvaluationRow{Kind: kind, Input: input, Metric: cut(x.Name, 60), Chance: x.Chance}, x.Value, x.Stderr, x.AtChance)
			}
			for _, g := range r.Groups {
				if g.Group != nil { // all of them are among the metrics
					e.add(k, len(file.Models), EvaluationRow{Kind: kind, Input: input + ", " + cut(*g.Group, 60), Metric: "bits a byte"}, g.BitsPerByte, g.Stderr, false)
				}
			}
			if len(r.Buckets) == 0 {
				continue
			}
			c := Curve{Name: e.Models[k]}
			for _, b := range r.Buckets {
				if b.Loss != nil {
					c.Points = append(c.Points, Point{float64(b.From+b.To) / 2, *b.Loss})
				}
			}
			i := slices.IndexFunc(e.Positions, func(p EvaluationCurves) bool { return p.Input == input })
			if i < 0 {
				i = len(e.Positions)
				e.Positions = append(e.Positions, EvaluationCurves{Input: input})
			}
			e.Positions[i].Curves = append(e.Positions[i].Curves, c)
		}
	}
	s.Evaluation = e
	return nil
}

// add puts a number into its row.
func (e *Evaluation) add(model, models int, row EvaluationRow, value, stderr *float64, atChance bool) {
	i := slices.IndexFunc(e.Rows, func(r EvaluationRow) bool {
		return r.Kind == row.Kind && r.Input == row.Input && r.Metric == row.Metric
	})
	if i < 0 {
		if len(e.Rows) == evaluationRows {
			return
		}
		i = len(e.Rows)
		row.Values = make([]*EvaluationValue, models)
		e.Rows = append(e.Rows, row)
	}
	if value != nil {
		e.Rows[i].Values[model] = &EvaluationValue{*value, stderr, atChance}
	}
}

func hasEvaluation(s *Step) bool { return s.Evaluation != nil }

// Cells are the values of a row, in words.
func (r EvaluationRow) Cells() []string {
	share := strings.HasPrefix(r.Metric, "acc")
	var list []string
	for _, v := range r.Values {
		switch {
		case v == nil:
			list = append(list, "–")
			continue
		case share:
			list = append(list, fmt.Sprintf("%.2f", 100*v.Value))
		default:
			list = append(list, fmt.Sprintf("%.4f", v.Value))
		}
		text := &list[len(list)-1]
		if v.Stderr != nil && share {
			*text += fmt.Sprintf(" ± %.2f", 100**v.Stderr)
		} else if v.Stderr != nil {
			*text += fmt.Sprintf(" ± %.4f", *v.Stderr)
		}
		if share {
			*text += " %"
		}
		if v.AtChance {
			*text += " ~"
		}
	}
	return list
}

// Guess is what guessing gives, in words.
func (r EvaluationRow) Guess() string {
	if r.Chance == nil {
		return ""
	}
	return fmt.Sprintf("%.2f %%", 100**r.Chance)
}

// Charts are the losses by position.
func (e *Evaluation) Charts() []*chart {
	var list []*chart
	for _, p := range e.Positions {
		if c := (&chart{Title: "loss by position, " + p.Input, Unit: "tokens that a prediction sees", Curves: p.Curves}).ready(); c != nil {
			list = append(list, c)
		}
	}
	return list
}

const evaluationAbout = `What models have learnt, measured side by side, with standard errors. ~ stands where a share of right answers lies within two of them of chance.`

const evaluationPage = `
{{with .Evaluation}}<table><tr><th><th>input<th><th class="n">chance{{range .Models}}<th class="n">{{.}}{{end}}
{{range .Rows}}<tr><td>{{.Kind}}<td>{{.Input}}<td>{{.Metric}}<td class="n">{{.Guess}}{{range .Cells}}<td class="n">{{.}}{{end}}
{{end}}</table>{{with .Charts}}<div class="plots charts">{{range .}}{{template "chart" .}}{{end}}</div>{{end}}{{end}}`
