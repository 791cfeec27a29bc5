package progress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"curate/internal/human"
)

// Lines say in words how far the steps are that are at work, one each; of a run that is not, one for all of it.
func (r *Run) Lines() []string {
	of := ""
	if len(r.Steps) > 1 {
		of = fmt.Sprintf(", %d of %d steps done", r.Done, len(r.Steps))
	}
	var lines []string
	for _, s := range r.Steps {
		if s.State == Absent || s.State == Done {
			continue
		}
		name := ""
		if s.Name != "" {
			name = human.Printable(s.Name) + ": "
		}
		lines = append(lines, name+s.line(r.At))
	}
	switch {
	case r.State == Absent:
		lines = []string{"no run has begun here yet"}
	case r.State == Done && len(r.Steps) == 1:
		lines = []string{r.Steps[0].line(r.At)}
	case r.State == Done:
		lines = []string{fmt.Sprintf("done, %d steps", len(r.Steps))}
	case lines == nil:
		lines = []string{"between two steps"}
	}
	if r.State != Absent && r.State != Done {
		lines[0] += of
	}
	return lines
}

// line is the step in words.
func (s *Step) line(at time.Time) string {
	var w []string
	add := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	switch {
	case s.State != Begun:
		add("%s", s.State)
	case s.Doing != "" && s.Phases > 1:
		add("%s, phase %d of %d", s.Doing, s.Phase, s.Phases)
	case s.Doing != "" && s.Phase > 1:
		add("%s, phase %d", s.Doing, s.Phase)
	case s.Doing != "":
		add("%s", s.Doing)
	default:
		add("%s", s.State)
	}
	if t := s.Task; t != nil {
		of := ""
		if t.Steps > 0 {
			of = " of " + human.Thousands(t.Steps)
		}
		add("step %s%s, %s tokens, loss %.4f", human.Thousands(t.Step), of, human.Thousands(t.Tokens), t.Loss)
		if t.Validation != nil {
			add("of held-out rows %.4f", *t.Validation)
		}
	} else if s.Files > 0 || s.Records > 0 {
		if s.State != Done {
			add("%d of %d files", s.FilesDone, s.Files)
			noun := "splits"
			if s.Splits == 1 {
				noun = "split"
			}
			add("%s %s", human.Thousands(int64(s.Splits)), noun)
		}
		add("%s records", human.Thousands(s.Records))
		if s.Records > 0 {
			add("%s kept", percent(s.Kept, s.Records))
		}
		if s.Quarantined > 0 {
			add("%s quarantined", human.Thousands(s.Quarantined))
		}
		if s.Made > 0 && s.Doing == Deciding {
			add("%d files made", s.Made)
		}
	}
	if s.Ranks != nil {
		for _, p := range s.Ranks.Parts {
			if p.Done < p.Of {
				add("%s %d of %d", p.Name, p.Done, p.Of)
			}
		}
		if s.Ranks.Missing > 0 {
			add("missing: %s", s.Ranks.missing())
		}
	}
	if s.Rate != nil {
		add("%s", s.Rate)
	}
	if s.Left != nil {
		add("%s left", duration(*s.Left))
	}
	if s.State != Done && !s.Changed.IsZero() {
		add("last change %s ago", duration(at.Sub(s.Changed).Seconds()))
	}
	return strings.Join(w, ", ")
}

// missing lists files by their numbers, runs of them as 3-7.
func (r *Ranks) missing() string {
	var b strings.Builder
	for i := 0; i < len(r.First); {
		k := i
		for k+1 < len(r.First) && r.First[k+1] == r.First[k]+1 {
			k++
		}
		if i > 0 {
			b.WriteString(" ")
		}
		b.WriteString(strconv.Itoa(r.First[i]))
		if k > i {
			b.WriteString("-" + strconv.Itoa(r.First[k]))
		}
		i = k + 1
	}
	noun := "files "
	if r.Missing == 1 {
		noun = "file "
	}
	if n := r.Missing - len(r.First); n > 0 {
		return fmt.Sprintf("%s%s and %s more", noun, b.String(), human.Thousands(int64(n)))
	}
	return noun + b.String()
}

// String is the rate in words.
func (r *Rate) String() string {
	if r.Tokens > 0 {
		return human.Thousands(int64(r.Tokens)) + " tokens/s"
	}
	return fmt.Sprintf("%.1f MB/s", r.Bytes/1e6)
}

// column of the table. The last ones to give up their place in a narrow terminal have the lowest rank.
type column struct {
	head  string
	rank  int
	right bool
	cell  func(s *Step, at time.Time) string
}

var columns = []column{
	{"step", 0, false, func(s *Step, _ time.Time) string { return human.Printable(s.title()) }},
	{"state", 0, false, func(s *Step, _ time.Time) string { return s.now() }},
	{"phase", 5, true, func(s *Step, _ time.Time) string {
		if s.Phase == 0 || s.Phases == 0 {
			return ""
		}
		return fmt.Sprintf("%d/%d", s.Phase, s.Phases)
	}},
	{"done", 1, true, func(s *Step, _ time.Time) string {
		if s.Share == nil {
			return ""
		}
		return fmt.Sprintf("%.0f %%", 100**s.Share)
	}},
	{"files", 3, true, func(s *Step, _ time.Time) string {
		if s.Files == 0 {
			return ""
		}
		return fmt.Sprintf("%d/%d", s.FilesDone, s.Files)
	}},
	{"splits", 9, true, func(s *Step, _ time.Time) string { return some(int64(s.Splits)) }},
	{"records", 2, true, func(s *Step, _ time.Time) string {
		if s.Task != nil {
			return ""
		}
		return some(s.Records)
	}},
	{"kept", 4, true, func(s *Step, _ time.Time) string { return percent(s.Kept, s.Records) }},
	{"quarantined", 6, true, func(s *Step, _ time.Time) string { return some(s.Quarantined) }},
	{"MB in", 10, true, func(s *Step, _ time.Time) string { return some(s.BytesIn / 1e6) }},
	{"rate", 7, true, func(s *Step, _ time.Time) string {
		if s.Rate == nil {
			return ""
		}
		return s.Rate.String()
	}},
	{"left", 2, true, func(s *Step, _ time.Time) string {
		if s.Left == nil {
			return ""
		}
		return duration(*s.Left)
	}},
	{"changed", 8, true, func(s *Step, at time.Time) string {
		if s.Changed.IsZero() || s.State == Done {
			return ""
		}
		return duration(at.Sub(s.Changed).Seconds()) + " ago"
	}},
}

func (s *Step) title() string {
	if s.Name != "" || len(s.Stages) == 0 {
		return s.Name
	}
	return strings.Join(s.Stages, " → ")
}

// now is the state, or what there is to say of it.
func (s *Step) now() string {
	if s.State == Begun && s.Doing != "" {
		return s.Doing
	}
	return string(s.State)
}

// Table shows the run in at most height lines of at most width characters: a line of titles, a line a step, and what else there is to say.
// Columns that do not fit are left out, and so are first the steps that are done, then those that are not there yet. Width and height of 0
// have no bounds.
func (r *Run) Table(width, height int) []string {
	steps := r.fitting(height)
	cells := [][]string{{}}
	var use []column
	for _, c := range columns {
		col := []string{}
		empty := true
		for _, s := range steps {
			col = append(col, c.cell(s, r.At))
			empty = empty && col[len(col)-1] == ""
		}
		if empty {
			continue
		}
		use = append(use, c)
		cells = append(cells, col)
	}
	cells = cells[1:]
	widths := make([]int, len(use))
	total := -2
	for i, c := range use {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, cell := range cells[i] {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
		total += widths[i] + 2
	}
	for width > 0 && total > width {
		worst := -1
		for i, c := range use {
			if c.rank > 0 && (worst < 0 || c.rank > use[worst].rank) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		total -= widths[worst] + 2
		use, cells, widths = slices.Delete(use, worst, worst+1), slices.Delete(cells, worst, worst+1), slices.Delete(widths, worst, worst+1)
	}
	row := func(cell func(i int) string) string {
		var b strings.Builder
		for i, c := range use {
			text := cell(i)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if c.right {
				text = pad + text
			} else {
				text += pad
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(text)
		}
		return strings.TrimRight(b.String(), " ")
	}
	var lines []string
	if len(use) > 0 {
		lines = append(lines, row(func(i int) string { return use[i].head }))
	}
	for k := range steps {
		lines = append(lines, row(func(i int) string { return cells[i][k] }))
	}
	for _, s := range steps {
		if s.Ranks != nil && s.Ranks.Missing > 0 && s.State != Done {
			lines = append(lines, fmt.Sprintf("%s: missing %s", human.Printable(s.title()), s.Ranks.missing()))
		}
		if t := s.Task; t != nil && s.State != Absent {
			lines = append(lines, human.Printable(s.title())+": "+s.line(r.At))
		}
	}
	lines = append(lines, fmt.Sprintf("%s, %d of %d steps done", r.State, r.Done, len(r.Steps)))
	if len(steps) < len(r.Steps) {
		lines[len(lines)-1] += fmt.Sprintf("; %d of them not shown", len(r.Steps)-len(steps))
	}
	if r.State == Absent {
		lines = []string{"no run has begun here yet"}
	}
	if height > 0 && len(lines) > height {
		lines = lines[len(lines)-height:]
	}
	for i, l := range lines {
		lines[i] = cut(l, width)
	}
	return lines
}

// fitting are the steps for which there is room, in their order.
func (r *Run) fitting(height int) []*Step {
	room := height - 2 // titles, and the last line
	for _, s := range r.Steps {
		if s.Ranks != nil && s.Ranks.Missing > 0 || s.Task != nil {
			room--
		}
	}
	room = max(room, 1)
	if height <= 0 || len(r.Steps) <= room {
		return r.Steps
	}
	hidden := map[*Step]bool{}
	hide := func(states ...State) {
		for _, s := range r.Steps {
			if len(r.Steps)-len(hidden) > room && slices.Contains(states, s.State) {
				hidden[s] = true
			}
		}
	}
	hide(Done)
	for _, s := range slices.Backward(r.Steps) { // what comes last is of least interest
		if len(r.Steps)-len(hidden) > room && s.State == Absent {
			hidden[s] = true
		}
	}
	hide(Stopped, Clearing)
	return slices.DeleteFunc(slices.Clone(r.Steps), func(s *Step) bool { return hidden[s] })
}

// cut leaves the first width characters of a line; 0 leaves it whole.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	runes := []rune(line)
	return string(runes[:max(0, width-1)]) + "…"
}

// duration in words, to two units: 41s, 12m, 3h 5m, 2d 4h.
func duration(seconds float64) string {
	s := int64(max(0, seconds) + 0.5)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 86400:
		return fmt.Sprintf("%dh %dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd %dh", s/86400, s/3600%24)
}

func percent(n, of int64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}

// some is a number, "" of none.
func some(n int64) string {
	if n == 0 {
		return ""
	}
	return human.Thousands(n)
}
