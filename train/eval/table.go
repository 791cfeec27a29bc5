package eval

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Report is what was measured of one or more models on the same inputs. docs/formats/eval.md explains it.
type Report struct {
	Version   int     `json:"version"`
	Program   string  `json:"program"`
	Kernels   string  `json:"kernels"`
	Precision string  `json:"precision"`
	Weights   string  `json:"weights,omitzero"` // in which they were held: int8 or 4bit; "": f32
	Models    []Model `json:"models"`
	// Summary is what Summarize has found.
	Summary []SummaryRow `json:"summary,omitzero"`
}

// ReportVersion is raised when a member changes its meaning.
const ReportVersion = 1

// Model is a model of a report.
type Model struct {
	Name       string    `json:"name"`
	Dir        string    `json:"dir"` // with config.json and the weights
	Family     string    `json:"family"`
	Parameters int64     `json:"parameters"`
	Context    int       `json:"context"`   // longest row that it was trained on; 0: not known
	Tokenizer  string    `json:"tokenizer"` // its fingerprint
	Prefix     uint32    `json:"prefix"`    // id of the token before a text
	Results    []*Result `json:"results"`
}

// value is what a table has of a model's result.
type value struct {
	line                  line
	set                   string
	value, stderr, chance *float64
	share                 bool // in hundredths
	atChance              bool
	rows                  int64
}

// line says what is measured.
type line struct{ what, group string }

// values are those of a result that a table shows.
func values(r *Result) []value {
	var list []value
	switch r.Kind {
	case KindBits, KindShards:
		what := "bits a byte"
		if r.Kind == KindShards {
			what = "bits a byte of shards"
		}
		for _, g := range r.Groups {
			name := ""
			if g.Group != nil {
				name = *g.Group
				if name == "" {
					name = `""`
				}
			}
			list = append(list, value{line: line{what, name}, value: g.BitsPerByte, stderr: g.Stderr, rows: g.Documents})
		}
	case KindPositions:
		for _, b := range r.Buckets {
			where := strconv.Itoa(b.From)
			if b.To > b.From {
				where = fmt.Sprintf("%d–%d", b.From, b.To)
			}
			list = append(list, value{line: line{"loss at position", where}, value: b.Loss, stderr: b.Stderr, rows: b.Tokens})
		}
	default:
		for _, m := range r.Metrics {
			name := m.Name // an accuracy has lm-eval's own name
			if !strings.Contains(m.Name, "acc") {
				name = strings.ReplaceAll(m.Name, "_", " ")
			}
			list = append(list, value{line: line{r.Kind + " " + name, ""}, value: m.Value, stderr: m.Stderr, chance: m.Chance, share: isShare(m.Name), atChance: m.AtChance, rows: r.Rows})
		}
	}
	for i := range list {
		list[i].set = r.Name
	}
	return list
}

// isShare says that a metric is a share of rows.
func isShare(name string) bool {
	return strings.Contains(name, "acc") || strings.Contains(name, "_rate")
}

// Table prints the report. Of several models each has a column, and of one alone each set, so that twins in two languages
// stand side by side.
func (r *Report) Table(w io.Writer) error {
	var sets []string
	for _, m := range r.Models {
		for _, res := range m.Results {
			if !slices.Contains(sets, res.Name) {
				sets = append(sets, res.Name)
			}
		}
	}
	// Names matter where a kind has several inputs.
	twins := false
	for _, m := range r.Models {
		for i, res := range m.Results {
			twins = twins || slices.ContainsFunc(m.Results[:i], func(o *Result) bool { return o.Kind == res.Kind })
		}
	}
	bySet := len(r.Models) == 1 && twins
	head := []string{"", "", "", "rows", "chance"} // what, group, set
	for _, m := range r.Models {
		head = append(head, cut(m.Name)+"  ")
	}
	if bySet {
		head = head[:5]
		for _, s := range sets {
			head = append(head, cut(s)+"  ")
		}
	}
	table := [][]string{head}
	type key struct {
		line
		set string
	}
	at := map[key]int{}
	noted := false
	for k, m := range r.Models {
		for _, res := range m.Results {
			for _, v := range values(res) {
				id, column := key{v.line, v.set}, 5+k
				if bySet {
					id.set, column = "", 5+slices.Index(sets, v.set)
				}
				i, ok := at[id]
				if !ok {
					i = len(table)
					at[id] = i
					row := make([]string, len(head))
					row[0], row[1] = v.line.what, cut(v.line.group)
					if !bySet && twins {
						row[2] = cut(v.set)
					}
					row[3], row[4] = strconv.FormatInt(v.rows, 10), cellOf(v.chance, v.share)
					table = append(table, row)
				}
				row := table[i]
				if rows := strconv.FormatInt(v.rows, 10); !slices.Contains(strings.Split(row[3], "/"), rows) {
					row[3] += "/" + rows
				}
				if chance := cellOf(v.chance, v.share); !slices.Contains(strings.Split(row[4], "/"), chance) {
					row[4] += "/" + chance
				}
				row[column] = cellOf(v.value, v.share)
				if v.value == nil {
					row[column] = "–"
				} else if v.stderr != nil {
					row[column] = strings.TrimSuffix(row[column], " %") + " ± " + cellOf(v.stderr, v.share)
				}
				row[column] += map[bool]string{true: " ~", false: "  "}[v.atChance]
				noted = noted || v.atChance
			}
		}
	}
	table = grouped(table)
	var b strings.Builder
	writeTable(&b, table, 3)
	if noted {
		b.WriteString("~ within two standard errors of chance\n")
	}
	for _, m := range r.Models {
		for _, res := range m.Results {
			for _, note := range res.notes() {
				of := res.Kind
				if twins {
					of += " " + cut(res.Name)
				}
				if len(r.Models) > 1 {
					of = cut(m.Name) + ": " + of
				}
				fmt.Fprintf(&b, "%s: %s\n", of, note)
			}
		}
	}
	if r.Summarize(); r.Summary != nil {
		b.WriteString("\n")
		writeTable(&b, r.summaryTable(), 2)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped puts lines of the same kind, metric and group together, in the order of the first of them.
func grouped(table [][]string) [][]string {
	rank := map[[2]string]int{}
	for _, row := range table[1:] {
		id := [2]string{row[0], row[1]}
		if _, ok := rank[id]; !ok {
			rank[id] = len(rank)
		}
	}
	slices.SortStableFunc(table[1:], func(a, b []string) int { return rank[[2]string{a[0], a[1]}] - rank[[2]string{b[0], b[1]}] })
	return table
}

// notes are what must be known beside the numbers.
func (r *Result) notes() []string {
	var list []string
	say := func(n int64, format string) {
		if n > 0 {
			list = append(list, fmt.Sprintf(format, n))
		}
	}
	say(r.Quarantined, "%d rows could not be used")
	ties := "%d rows have two equally likely texts, and count as wrong"
	if r.Beta != 0 {
		ties = "%d rows have two answers that are rewarded alike, and count as wrong"
	}
	say(r.Ties, ties)
	say(r.Cut, "%d contexts were too long, and lost tokens on the left")
	if r.Kind == KindJudge && r.Rows > 0 {
		note := fmt.Sprintf("against %s, by %s: %d won, %d lost, %d even", cut(r.Baseline), cut(r.Judge), r.Wins, r.Losses, r.Even)
		for _, m := range r.Metrics {
			if m.Interval != nil {
				note += fmt.Sprintf("; 95 %% of resamples have a %s of %.2f to %.2f %%", strings.ReplaceAll(m.Name, "_", " "), 100*m.Interval[0], 100*m.Interval[1])
			}
		}
		list = append(list, note)
	}
	say(r.Inconsistent, "%d pairs were judged otherwise with their sides swapped")
	say(r.Left, "%d tokens at the end fill no row")
	if r.SlopeScale != 0 && r.SlopeScale != 1 {
		list = append(list, fmt.Sprintf("the slopes of ALiBi were multiplied by %.6g", r.SlopeScale))
	}
	return list
}

func cellOf(v *float64, share bool) string {
	switch {
	case v == nil:
		return ""
	case share:
		return fmt.Sprintf("%.2f %%", 100**v)
	}
	return fmt.Sprintf("%.4f", *v)
}

// writeTable writes columns, the first left of them as words. Columns that are empty are left out.
func writeTable(b *strings.Builder, table [][]string, left int) {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range table {
		var out strings.Builder
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			if out.Len() > 0 {
				out.WriteString("  ")
			}
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			if i < left {
				out.WriteString(cell + pad)
			} else {
				out.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

// maxCell is the widest name, in characters.
const maxCell = 40

// cut makes a name fit for a table.
func cut(name string) string {
	name = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxCell {
		name = string(r[:maxCell-1]) + "…"
	}
	return name
}
