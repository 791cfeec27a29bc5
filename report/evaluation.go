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
	// Summary has what a model knows of a language beside whether it follows instructions; nil: that was not measured.
	Summary *EvaluationSummary `json:"summary,omitempty"`
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

// EvaluationSummary has a row for each model and language, and a share for each kind of input.
type EvaluationSummary struct {
	Kinds []string               `json:"kinds"`
	Rows  []EvaluationSummaryRow `json:"rows"`
}

// EvaluationSummaryRow are the shares of a model in a language.
type EvaluationSummaryRow struct {
	Model    string             `json:"model"`
	Language string             `json:"language"`
	Values   []*EvaluationValue `json:"values"` // by kind; null: it was not measured
}

// EvaluationValue is a number and its standard error.
type EvaluationValue struct {
	Value  float64  `json:"value"`
	Stderr *float64 `json:"stderr,omitempty"`
	// Interval holds the value with 95 %, where that is known beside the standard error.
	Interval *[2]float64 `json:"ci95,omitempty"`
	AtChance bool        `json:"at_chance,omitzero"` // within two standard errors
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
			Kind     string `json:"kind"`
			Name     string `json:"name"`
			Baseline string `json:"baseline"`
			Metrics  []struct {
				Name     string      `json:"metric"`
				Value    *float64    `json:"value"`
				Stderr   *float64    `json:"stderr"`
				Chance   *float64    `json:"chance"`
				AtChance bool        `json:"at_chance"`
				Interval *[2]float64 `json:"ci95"`
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
	Summary []struct {
		Model    string `json:"model"`
		Language string `json:"language"`
		Values   []struct {
			Kind   string   `json:"kind"`
			Value  float64  `json:"value"`
			Stderr *float64 `json:"stderr"`
		} `json:"values"`
	} `json:"summary"`
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
			if r.Baseline != "" {
				input += ", against " + cut(r.Baseline, 60)
			}
			for _, x := range r.Metrics {
				row := EvaluationRow{Kind: kind, Input: input, Metric: cut(x.Name, 60), Chance: x.Chance}
				if x.Value != nil {
					e.add(k, len(file.Models), row, &EvaluationValue{*x.Value, x.Stderr, x.Interval, x.AtChance})
				} else {
					e.add(k, len(file.Models), row, nil)
				}
			}
			for _, g := range r.Groups {
				if g.Group != nil { // all of them are among the metrics
					row := EvaluationRow{Kind: kind, Input: input + ", " + cut(*g.Group, 60), Metric: "bits a byte"}
					if g.BitsPerByte != nil {
						e.add(k, len(file.Models), row, &EvaluationValue{Value: *g.BitsPerByte, Stderr: g.Stderr})
					} else {
						e.add(k, len(file.Models), row, nil)
					}
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
	for _, row := range file.Summary[:min(len(file.Summary), evaluationRows)] {
		if e.Summary == nil {
			e.Summary = &EvaluationSummary{}
		}
		out := EvaluationSummaryRow{Model: cut(row.Model, 60), Language: cut(row.Language, 60)}
		for _, v := range row.Values {
			kind := cut(v.Kind, 20)
			k := slices.Index(e.Summary.Kinds, kind)
			if k < 0 {
				k = len(e.Summary.Kinds)
				e.Summary.Kinds = append(e.Summary.Kinds, kind)
			}
			for len(out.Values) <= k {
				out.Values = append(out.Values, nil)
			}
			out.Values[k] = &EvaluationValue{Value: v.Value, Stderr: v.Stderr}
		}
		e.Summary.Rows = append(e.Summary.Rows, out)
	}
	if e.Summary != nil { // kinds may have come later
		for i := range e.Summary.Rows {
			row := &e.Summary.Rows[i]
			row.Values = append(row.Values, make([]*EvaluationValue, len(e.Summary.Kinds)-len(row.Values))...)
		}
	}
	s.Evaluation = e
	return nil
}

// add puts a number into its row.
func (e *Evaluation) add(model, models int, row EvaluationRow, value *EvaluationValue) {
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
		e.Rows[i].Values[model] = value
	}
}

func hasEvaluation(s *Step) bool { return s.Evaluation != nil }

// Cells are the values of a row, in words.
func (r EvaluationRow) Cells() []string {
	return cellsOf(r.Values, strings.Contains(r.Metric, "acc") || strings.Contains(r.Metric, "_rate"))
}

// Cells are the shares of a row, in words.
func (r EvaluationSummaryRow) Cells() []string { return cellsOf(r.Values, true) }

func cellsOf(values []*EvaluationValue, share bool) []string {
	var list []string
	for _, v := range values {
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
		if share && v.Interval != nil {
			*text += fmt.Sprintf(" (%.2f–%.2f)", 100*v.Interval[0], 100*v.Interval[1])
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

const evaluationAbout = `What models have learnt, measured side by side, with standard errors. ~ stands where a share of right answers lies within two of them of chance. Behind a win rate stands the interval that holds it with 95 %.`

const evaluationPage = `
{{with .Evaluation}}<table><tr><th><th>input<th><th class="n">chance{{range .Models}}<th class="n">{{.}}{{end}}
{{range .Rows}}<tr><td>{{.Kind}}<td>{{.Input}}<td>{{.Metric}}<td class="n">{{.Guess}}{{range .Cells}}<td class="n">{{.}}{{end}}
{{end}}</table>{{with .Summary}}<table><tr><th>model<th>language{{range .Kinds}}<th class="n">{{.}}{{end}}
{{range .Rows}}<tr><td>{{.Model}}<td>{{.Language}}{{range .Cells}}<td class="n">{{.}}{{end}}
{{end}}</table>{{end}}{{with .Charts}}<div class="plots charts">{{range .}}{{template "chart" .}}{{end}}</div>{{end}}{{end}}`
