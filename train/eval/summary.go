package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

// summary has a row for each model and language, in which inputs of the same language are averaged. It is nil unless the report
// has following of instructions beside something else.
func (r *Report) summary() [][]string {
	type key struct{ model, lang string }
	var rows []key
	values := map[key]*[len(summaryColumns)][]Metric{}
	var there [len(summaryColumns)]bool
	for _, m := range r.Models {
		for _, res := range m.Results {
			k := slices.IndexFunc(summaryColumns[:], func(c struct {
				kind, metric, title string
				following           bool
			}) bool {
				return c.kind == res.Kind
			})
			if k < 0 {
				continue
			}
			id := key{m.Name, LanguageOf(res.Name)}
			for _, x := range res.Metrics {
				if x.Name != summaryColumns[k].metric || x.Value == nil {
					continue
				}
				if values[id] == nil {
					values[id] = new([len(summaryColumns)][]Metric)
					rows = append(rows, id)
				}
				values[id][k] = append(values[id][k], x)
				there[k] = true
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
		return nil
	}
	slices.SortStableFunc(rows, func(a, b key) int { // the languages of a model stand together, models in their order
		return slices.IndexFunc(rows, func(k key) bool { return k.model == a.model }) - slices.IndexFunc(rows, func(k key) bool { return k.model == b.model })
	})
	head := []string{"", ""}
	for _, c := range summaryColumns {
		head = append(head, c.title)
	}
	table := [][]string{head}
	for _, id := range rows {
		row := []string{cut(id.model), cut(id.lang)}
		for k := range summaryColumns {
			row = append(row, average(values[id][k]))
		}
		table = append(table, row)
	}
	for k, t := range there {
		if !t {
			head[2+k] = ""
		}
	}
	return table
}

// average is the mean of shares, and its standard error where each has one.
func average(list []Metric) string {
	if len(list) == 0 {
		return ""
	}
	n, sum, square := float64(len(list)), 0.0, 0.0
	for _, m := range list {
		sum += *m.Value
		if m.Stderr == nil {
			square = math.NaN()
		} else {
			square += *m.Stderr * *m.Stderr
		}
	}
	if e := math.Sqrt(square) / n; e == e {
		return fmt.Sprintf("%.2f ± %.2f %%", 100*sum/n, 100*e)
	}
	return fmt.Sprintf("%.2f %%", 100*sum/n)
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

// Merge puts reports together: the results of models with the same name stand in one.
func Merge(reports []*Report) (*Report, error) {
	out := &Report{Version: ReportVersion}
	for _, r := range reports {
		if r.Version != ReportVersion {
			return nil, fmt.Errorf("a report of version %d; this program reads version %d", r.Version, ReportVersion)
		}
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
