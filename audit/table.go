package audit

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"curate/internal/human"
	"curate/stats"
)

const (
	tableGroups   = 40 // of which a line is shown: those with the most bytes
	tableLines    = 10 // of boilerplate
	tableExamples = 3  // of a thing
	tableWidth    = 72 // of an excerpt, in characters
)

// Table writes the result for people. Not all that it has is shown: of long lists the beginning.
func (r *Result) Table(w io.Writer) error {
	out := bufio.NewWriter(w)
	if r.All.Documents == 0 {
		out.WriteString("no documents\n")
		return out.Flush()
	}
	r.counts(out)
	if r.By != "" {
		r.byGroup(out)
	}
	r.findings(out)
	r.boilerplate(out)
	r.outliers(out)
	r.languages(out)
	return out.Flush()
}

func (r *Result) counts(out *bufio.Writer) {
	c := &r.All
	fmt.Fprintf(out, "%s documents, %s bytes, %s lines that are not blank, %s of them distinct\n",
		human.Thousands(c.Documents), human.Thousands(c.Bytes), human.Thousands(c.Lines), human.Thousands(r.Boilerplate.Of))
	fmt.Fprintf(out, "lines seen before: %s (%s), %s bytes (%s of those in lines)\n",
		human.Thousands(c.DuplicateLines), human.Percent(c.DuplicateLineShare), human.Thousands(c.DuplicateBytes), human.Percent(c.DuplicateByteShare))
	fmt.Fprintf(out, "boilerplate, lines that at least %s documents have: %s, %s times, %s bytes (%s)\n",
		human.Thousands(r.Boilerplate.Least), human.Thousands(r.Boilerplate.Lines), human.Thousands(c.BoilerplateLines), human.Thousands(c.BoilerplateBytes), human.Percent(c.BoilerplateShare))
}

// byGroup writes a line a group. Findings are shares of its documents, the rest shares of its lines' bytes.
func (r *Result) byGroup(out *bufio.Writer) {
	rows := [][]string{{cut(r.By, 30), "documents", "bytes", "seen before", "boilerplate", "html", "mojibake", "control", "near empty", "languages"}}
	groups := slices.Clone(r.Groups)
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(b.Bytes, a.Bytes) })
	left := max(0, len(groups)-tableGroups)
	for _, g := range groups[:len(groups)-left] {
		rows = append(rows, g.row(cut(stats.GroupLabel(g.Group), 30)))
	}
	total := Group{Counts: r.All}
	rows = append(rows, total.row("all"))
	out.WriteByte('\n')
	table(out, rows, 1, len(rows[0])-1)
	if left > 0 {
		fmt.Fprintf(out, "%d smaller groups are not shown; --json has them\n", left)
	}
}

func (g *Group) row(name string) []string {
	of := func(find int) string { return human.Percent(shareOf(g.Findings[findings[find].name], g.Documents)) }
	empty := g.Findings[findings[findEmpty].name] + g.Findings[findings[findNearEmpty].name]
	return []string{
		name, human.Thousands(g.Documents), human.Thousands(g.Bytes), human.Percent(g.DuplicateByteShare), human.Percent(g.BoilerplateShare),
		of(findHTML), of(findMojibake), of(findControl), human.Percent(shareOf(empty, g.Documents)),
		topLanguages(g.Languages),
	}
}

func topLanguages(shares map[string]float64) string {
	var codes []string
	for code := range shares {
		codes = append(codes, code)
	}
	slices.SortFunc(codes, func(a, b string) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, code := range codes[:min(len(codes), 3)] {
		list = append(list, printable(code)+" "+human.Percent(shares[code]))
	}
	return strings.Join(list, ", ")
}

func (r *Result) findings(out *bufio.Writer) {
	rows := [][]string{{"", "documents", "of all", "times"}}
	for _, f := range r.Findings {
		rows = append(rows, []string{f.Name, human.Thousands(f.Documents), human.Percent(f.Share), human.Thousands(f.Occurrences)})
	}
	out.WriteByte('\n')
	table(out, rows, 1, len(rows[0]))
	for _, f := range r.Findings {
		if len(f.Examples) > 0 && f.Name != findings[findHTML].name { // those of its kinds
			fmt.Fprintf(out, "%s\n", f.Name)
			examples(out, f.Examples)
		}
	}
}

func (r *Result) boilerplate(out *bufio.Writer) {
	if len(r.Boilerplate.Top) == 0 {
		return
	}
	rows := [][]string{{"documents", "of all", "times", "bytes", "line"}}
	for _, l := range r.Boilerplate.Top[:min(len(r.Boilerplate.Top), tableLines)] {
		rows = append(rows, []string{human.Thousands(l.Documents), human.Percent(l.Share), human.Thousands(l.Occurrences), human.Thousands(l.Bytes), cut(l.Text, tableWidth)})
	}
	out.WriteByte('\n')
	table(out, rows, 0, 4)
}

func (r *Result) outliers(out *bufio.Writer) {
	rows := [][]string{{"", "median", "quartiles", "outliers below", "outliers from"}}
	for _, s := range r.Signals {
		if s.Documents == s.Zeros {
			continue
		}
		side := func(n int64, edge float64) string {
			if n == 0 {
				return "0"
			}
			return human.Thousands(n) + " (" + number(edge) + ")"
		}
		rows = append(rows, []string{s.Name, number(s.Median), number(s.Q1) + " to " + number(s.Q3), side(s.Below, s.Low), side(s.Above, s.High)})
	}
	out.WriteByte('\n')
	table(out, rows, 1, len(rows[0]))
	for _, s := range r.Signals {
		if s.Above > 0 || s.Name == signals[sigCharacters].name || s.Name == signals[sigLongest].name {
			fmt.Fprintf(out, "%s, the most\n", s.Name)
			examples(out, s.Largest)
		}
		if s.Below > 0 || s.Name == signals[sigCharacters].name {
			if len(s.Smallest) > 0 {
				fmt.Fprintf(out, "%s, the least\n", s.Name)
				examples(out, s.Smallest)
			}
		}
	}
}

func (r *Result) languages(out *bufio.Writer) {
	if len(r.Languages) == 0 {
		return
	}
	rows := [][]string{{"language", "of lines", "asked", "a line"}}
	for _, l := range r.Languages {
		text := ""
		if len(l.Examples) > 0 {
			text = l.Examples[0].place() + "  " + cut(l.Examples[0].Text, tableWidth)
		}
		rows = append(rows, []string{printable(l.Code), human.Percent(l.Share), human.Thousands(l.Asked), text})
	}
	out.WriteByte('\n')
	table(out, rows, 1, 3)
}

func examples(out *bufio.Writer, list []Example) {
	for _, e := range list[:min(len(list), tableExamples)] {
		value := ""
		if e.Value != nil {
			value = number(*e.Value) + "  "
		}
		fmt.Fprintf(out, "  %s  %s%s\n", e.place(), value, cut(e.Text, tableWidth))
	}
}

// place is where an example is.
func (e *Example) place() string {
	name := printable(e.File)
	if name == "" {
		name = fmt.Sprintf("file %d", e.Number)
	}
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d", name, e.Line)
	}
	return fmt.Sprintf("%s (row or byte %d)", name, e.Offset)
}

// table writes rows in columns; those from first to before last are numbers.
func table(out *bufio.Writer, rows [][]string, first, last int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < first || i >= last {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// number is a value with at most four digits that count.
func number(v float64) string {
	if v >= 1000 {
		return human.Thousands(int64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// printable replaces what could move the cursor or turn the line around.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case strconv.IsPrint(r):
			return r
		}
		return utf8.RuneError
	}, s)
}

// cut is the beginning of a text in a line.
func cut(s string, most int) string {
	s = printable(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
