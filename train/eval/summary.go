package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// summaryColumns are the kinds that stand in a summary, with the metric that stands for each: what a model knows of a language,
// and whether it does what it is told.
var summaryColumns = [...]struct {
	kind, metric, title string
	following           bool
}{
	{KindChoice, "acc", "choice acc", false},
	{KindPairs, "acc", "pairs acc", false},
	{KindPreference, "acc", "preference acc", true},
	{KindInstructions, "prompt_level_strict_acc", "instructions strict", true},
	{KindJudge, "win_rate", "win rate", true},
}

// LanguageOf is the language of an input by its name: what stands before the first slash, as in eu/arc.
func LanguageOf(name string) string {
	lang, _, _ := strings.Cut(name, "/")
	return lang
}

// SummaryRow is what a model does in a language.
type SummaryRow struct {
	Model    string         `json:"model"`
	Language string         `json:"language"`
	Values   []SummaryValue `json:"values"`
}

// SummaryValue is the mean of a kind's metric over the inputs of a language.
type SummaryValue struct {
	Kind   string   `json:"kind"`
	Metric string   `json:"metric"`
	Value  float64  `json:"value"`
	Stderr *float64 `json:"stderr"` // null: one of the inputs has none
}

// Summarize puts what models know and whether they follow instructions side by side: a row for each model and language. There is
// no summary unless following of instructions stands beside something else.
func (r *Report) Summarize() {
	r.Summary = nil
	type key struct{ model, lang string }
	var rows []key
	values := map[key]*[len(summaryColumns)][]Metric{}
	var there [len(summaryColumns)]bool
	for _, m := range r.Models {
		for _, res := range m.Results {
			for k, c := range summaryColumns {
				for _, x := range res.Metrics {
					if c.kind != res.Kind || x.Name != c.metric || x.Value == nil {
						continue
					}
					id := key{m.Name, LanguageOf(res.Name)}
					if values[id] == nil {
						values[id] = new([len(summaryColumns)][]Metric)
						rows = append(rows, id)
					}
					values[id][k] = append(values[id][k], x)
					there[k] = true
				}
			}
		}
	}
	columns, following := 0, false
	for k, t := range there {
		if t {
			columns++
			following = following || summaryColumns[k].following
		}
	}
	if columns < 2 || !following {
		return
	}
	for _, id := range rows {
		row := SummaryRow{Model: id.model, Language: id.lang}
		for k, c := range summaryColumns {
			if list := values[id][k]; len(list) > 0 {
				v := SummaryValue{Kind: c.kind, Metric: c.metric}
				v.Value, v.Stderr = average(list)
				row.Values = append(row.Values, v)
			}
		}
		r.Summary = append(r.Summary, row)
	}
}

// average is the mean of independent numbers, and its standard error if each has one.
func average(list []Metric) (mean float64, stderr *float64) {
	n, square := float64(len(list)), 0.0
	for _, m := range list {
		mean += *m.Value / n
		if m.Stderr == nil {
			square = math.NaN()
		} else {
			square += float64(*m.Stderr * *m.Stderr)
		}
	}
	return mean, finite(math.Sqrt(square) / n)
}

// summaryTable is the summary as rows of cells.
func (r *Report) summaryTable() [][]string {
	head := []string{"", ""}
	for _, c := range summaryColumns {
		head = append(head, c.title)
	}
	table := [][]string{head}
	var there [len(summaryColumns)]bool
	for _, row := range r.Summary {
		cells := make([]string, len(head))
		cells[0], cells[1] = cut(row.Model), cut(row.Language)
		for _, v := range row.Values {
			for k, c := range summaryColumns {
				if c.kind != v.Kind {
					continue
				}
				there[k] = true
				cells[2+k] = cellOf(&v.Value, true)
				if v.Stderr != nil {
					cells[2+k] = strings.TrimSuffix(cells[2+k], " %") + " ± " + cellOf(v.Stderr, true)
				}
			}
		}
		table = append(table, cells)
	}
	for k, t := range there {
		if !t {
			head[2+k] = ""
		}
	}
	return table
}

// Add puts a result to the model of a name.
func (r *Report) Add(model string, res *Result) {
	i := slices.IndexFunc(r.Models, func(m Model) bool { return m.Name == model })
	if i < 0 {
		i = len(r.Models)
		r.Models = append(r.Models, Model{Name: model})
	}
	r.Models[i].Results = append(r.Models[i].Results, res)
}

// ReadReport reads what a command has written.
func ReadReport(b []byte) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("this is no result of curate eval: %w", err)
	}
	if r.Version != ReportVersion {
		return nil, fmt.Errorf("a result of version %d, and this program reads version %d", r.Version, ReportVersion)
	}
	for _, m := range r.Models {
		for i, res := range m.Results {
			if res == nil {
				return nil, fmt.Errorf("result %d of model %q is null", i+1, m.Name)
			}
		}
	}
	return r, nil
}

// Merge puts reports together: the results of models with the same name stand in one.
func Merge(reports []*Report) (*Report, error) {
	out := &Report{Version: ReportVersion}
	for _, r := range reports {
		for _, of := range []struct{ to, from *string }{{&out.Program, &r.Program}, {&out.Kernels, &r.Kernels}, {&out.Precision, &r.Precision}} {
			if *of.to == "" {
				*of.to = *of.from
			}
		}
		for _, m := range r.Models {
			i := slices.IndexFunc(out.Models, func(o Model) bool { return o.Name == m.Name })
			if i < 0 {
				m.Results = slices.Clone(m.Results)
				out.Models = append(out.Models, m)
				continue
			}
			o := &out.Models[i]
			if o.Dir != "" && m.Dir != "" && o.Dir != m.Dir {
				return nil, fmt.Errorf("two models are called %q: %s and %s; name them NAME=MODEL where they are measured", m.Name, o.Dir, m.Dir)
			}
			if results := o.Results; o.Dir == "" { // answers that were judged name no folder
				*o = m
				o.Results = results
			}
			for _, res := range m.Results {
				if slices.ContainsFunc(o.Results, func(x *Result) bool { return x.Kind == res.Kind && x.Name == res.Name && x.Baseline == res.Baseline }) {
					return nil, fmt.Errorf("%s of %q is there twice for model %q", res.Kind, res.Name, m.Name)
				}
				o.Results = append(o.Results, res)
			}
		}
	}
	return out, nil
}
