package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
)

// Audit is what a step of kind audit has found, from audit.json (docs/audit.md).
type Audit struct {
	By          string           `json:"by,omitzero"`
	All         AuditCounts      `json:"all"`
	Groups      []AuditGroup     `json:"groups,omitzero"` // those with the most bytes, in the order of the file
	Left        int              `json:"groups_left_out,omitzero"`
	Findings    []AuditFinding   `json:"findings"`
	Boilerplate AuditBoilerplate `json:"boilerplate"`
	Signals     []AuditSignal    `json:"signals"`
	Languages   []AuditLanguage  `json:"languages,omitzero"`
}

// AuditCounts are those of all documents, or of a group.
type AuditCounts struct {
	Documents          int64              `json:"documents"`
	Bytes              int64              `json:"bytes"`
	Lines              int64              `json:"lines"`
	DuplicateLines     int64              `json:"duplicate_lines"`
	DuplicateLineShare float64            `json:"duplicate_line_share"`
	DuplicateBytes     int64              `json:"duplicate_bytes"`
	DuplicateByteShare float64            `json:"duplicate_byte_share"`
	BoilerplateBytes   int64              `json:"boilerplate_bytes"`
	BoilerplateShare   float64            `json:"boilerplate_byte_share"`
	Findings           map[string]int64   `json:"findings,omitzero"`
	Languages          map[string]float64 `json:"languages,omitzero"`
}

// AuditGroup is a value of the field that documents are grouped by.
type AuditGroup struct {
	Group jsontext.Value `json:"group"`
	AuditCounts
}

// AuditExample is a place in the inputs.
type AuditExample struct {
	File   string   `json:"file"`
	Number int      `json:"number"`
	Offset int64    `json:"offset"`
	Line   int64    `json:"line,omitzero"`
	Value  *float64 `json:"value,omitempty"`
	Text   string   `json:"text,omitzero"`
}

// AuditFinding is something that documents should not have.
type AuditFinding struct {
	Name        string         `json:"finding"`
	Documents   int64          `json:"documents"`
	Share       float64        `json:"share"`
	Occurrences int64          `json:"occurrences"`
	Examples    []AuditExample `json:"examples,omitzero"`
}

// AuditBoilerplate are the lines that many documents have.
type AuditBoilerplate struct {
	Least int64       `json:"least_documents"`
	Lines int64       `json:"distinct_lines"`
	Of    int64       `json:"of_distinct_lines"`
	Top   []AuditLine `json:"top"`
}

// AuditLine is one of them.
type AuditLine struct {
	Text        string       `json:"text"`
	Documents   int64        `json:"documents"`
	Share       float64      `json:"share"`
	Occurrences int64        `json:"occurrences"`
	Bytes       int64        `json:"bytes"`
	First       AuditExample `json:"first"`
}

// AuditSignal is how documents are spread over one of their numbers.
type AuditSignal struct {
	Name      string         `json:"signal"`
	Documents int64          `json:"documents"`
	Zeros     int64          `json:"zeros"`
	Q1        float64        `json:"q1"`
	Median    float64        `json:"median"`
	Q3        float64        `json:"q3"`
	Low       float64        `json:"low,omitzero"`
	High      float64        `json:"high,omitzero"`
	Below     int64          `json:"below"`
	Above     int64          `json:"above"`
	Smallest  []AuditExample `json:"smallest,omitzero"`
	Largest   []AuditExample `json:"largest,omitzero"`
}

// AuditLanguage is a language of lines.
type AuditLanguage struct {
	Code     string         `json:"language"`
	Asked    int64          `json:"asked"`
	Share    float64        `json:"share"`
	Examples []AuditExample `json:"examples,omitzero"`
}

const (
	auditName   = "audit.json"
	auditGroups = 40
	auditList   = 20 // of anything else
	auditText   = 200
)

func readAudit(ctx context.Context, in files, s *Step) error {
	if there, err := in.exists(ctx, auditName); err != nil || !there {
		return err
	}
	a := new(Audit)
	if err := in.json(ctx, auditName, a); err != nil {
		return err
	}
	a.By = cut(a.By, 80)
	a.Left = max(0, len(a.Groups)-auditGroups)
	a.Groups = largestGroups(a.Groups, auditGroups)
	a.Findings = a.Findings[:min(len(a.Findings), auditList)]
	for i := range a.Findings {
		a.Findings[i].Name = cut(a.Findings[i].Name, 40)
	}
	a.Boilerplate.Top = a.Boilerplate.Top[:min(len(a.Boilerplate.Top), auditList)]
	for i := range a.Boilerplate.Top {
		a.Boilerplate.Top[i].Text = cut(a.Boilerplate.Top[i].Text, auditText)
	}
	a.Signals = a.Signals[:min(len(a.Signals), auditList)]
	for i := range a.Signals {
		a.Signals[i].Name = cut(a.Signals[i].Name, 40)
	}
	a.Languages = a.Languages[:min(len(a.Languages), auditGroups)]
	for i := range a.Languages {
		a.Languages[i].Code = cut(a.Languages[i].Code, 40)
	}
	s.Audit = a
	return nil
}

// locate names the files of the examples, once the step's inputs are known, and keeps lists short.
func (a *Audit) locate(s *Step) {
	one := func(e *AuditExample) { e.File, e.Text = s.input(e.Number), cut(e.Text, auditText) }
	list := func(examples *[]AuditExample) {
		*examples = (*examples)[:min(len(*examples), auditList)]
		for i := range *examples {
			one(&(*examples)[i])
		}
	}
	for i := range a.Findings {
		list(&a.Findings[i].Examples)
	}
	for i := range a.Boilerplate.Top {
		one(&a.Boilerplate.Top[i].First)
	}
	for i := range a.Signals {
		list(&a.Signals[i].Largest)
		list(&a.Signals[i].Smallest)
	}
	for i := range a.Languages {
		list(&a.Languages[i].Examples)
	}
}

// largestGroups are those with the most bytes, in their order.
func largestGroups(list []AuditGroup, most int) []AuditGroup {
	if len(list) <= most {
		return list
	}
	sizes := make([]int64, len(list))
	for i, g := range list {
		sizes[i] = g.Bytes
	}
	slices.Sort(sizes)
	least := sizes[len(sizes)-most]
	above := 0
	for _, g := range list {
		if g.Bytes > least {
			above++
		}
	}
	var kept []AuditGroup
	for _, g := range list {
		if g.Bytes > least || g.Bytes == least && above < most {
			if g.Bytes == least {
				above++
			}
			kept = append(kept, g)
		}
	}
	return kept
}

func hasAudit(s *Step) bool { return s.Audit != nil }

// auditRow is a line of the table of groups.
type auditRow struct {
	Name string
	AuditCounts
}

// Rows are the groups, those with the most bytes first, and all together.
func (a *Audit) Rows() []auditRow {
	var rows []auditRow
	for _, g := range a.Groups {
		name := string(g.Group)
		if g.Group.Kind() == '"' {
			if b, err := jsontext.AppendUnquote(nil, g.Group); err == nil {
				name = string(b)
			}
		}
		rows = append(rows, auditRow{cut(human.Printable(name), 80), g.AuditCounts})
	}
	slices.SortStableFunc(rows, func(a, b auditRow) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return append(rows, auditRow{"all", a.All})
}

// Of is the share of the documents that have a finding.
func (c AuditCounts) Of(name string) string { return percent(c.Findings[name], c.Documents) }

// Empty is the share of those that are empty, or nearly so.
func (c AuditCounts) Empty() string {
	return percent(c.Findings["empty"]+c.Findings["near_empty"], c.Documents)
}

// TopLanguages are the three that most lines are in.
func (c AuditCounts) TopLanguages() string {
	codes := slices.Collect(maps.Keys(c.Languages))
	slices.SortFunc(codes, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.Languages[b], c.Languages[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, code := range codes[:min(len(codes), 3)] {
		list = append(list, cut(human.Printable(code), 20)+" "+human.Percent(c.Languages[code]))
	}
	return strings.Join(list, ", ")
}

// Place is where an example is.
func (e AuditExample) Place() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return fmt.Sprintf("%s (row or byte %d)", e.File, e.Offset)
}

const auditAbout = `What is wrong with the texts, before anything is dropped. A line was seen before if it is anywhere before in the corpus, exactly but for white space around it. Shares of lines are shares of their bytes. Outliers lie beyond Tukey's outer fences, counted in logarithms; zeros are left out.`

const auditPage = `
{{with .Audit}}{{$a := .}}<p>{{group .All.Documents}} documents, {{group .All.Bytes}} bytes, {{group .All.Lines}} lines that are not blank, {{group .Boilerplate.Of}} of them distinct. {{percentOf .All.DuplicateLineShare}} of the lines ({{group .All.DuplicateLines}}) and {{percentOf .All.DuplicateByteShare}} of their bytes were seen before.</p>
<table><tr><th>{{or .By "documents"}}<th class="n">documents<th class="n">bytes<th class="n">seen before<th class="n">boilerplate<th class="n">HTML<th class="n">mojibake<th class="n">control<th class="n">near empty<th>languages
{{range .Rows}}<tr><td>{{.Name}}<td class="n">{{group .Documents}}<td class="n">{{group .Bytes}}<td class="n">{{percentOf .DuplicateByteShare}}<td class="n">{{percentOf .BoilerplateShare}}<td class="n">{{.Of "html"}}<td class="n">{{.Of "mojibake"}}<td class="n">{{.Of "control"}}<td class="n">{{.Empty}}<td>{{.TopLanguages}}
{{end}}</table>{{if .Left}}<p>{{.Left}} smaller groups are not shown.</p>{{end}}
<h4>findings</h4>
{{range .Findings}}{{if .Documents}}<details><summary>{{.Name}}: {{group .Documents}} documents ({{percentOf .Share}}), {{group .Occurrences}} times</summary>
{{template "audit examples" .Examples}}</details>
{{end}}{{end}}
<h4>lines that at least {{group .Boilerplate.Least}} documents have: {{group .Boilerplate.Lines}}, {{percentOf .All.BoilerplateShare}} of the bytes in lines</h4>
{{with .Boilerplate.Top}}<table><tr><th class="n">documents<th class="n">of all<th><th class="n">times<th class="n">bytes<th>line<th>first in
{{range .}}<tr><td class="n">{{group .Documents}}<td class="n">{{percentOf .Share}}<td>{{bar .Documents $a.All.Documents}}<td class="n">{{group .Occurrences}}<td class="n">{{group .Bytes}}<td><bdi>{{oneLine .Text}}</bdi><td><bdi>{{.First.Place}}</bdi>
{{end}}</table>{{end}}
<h4>outliers</h4>
<table><tr><th>signal<th class="n">lower quartile<th class="n">median<th class="n">upper quartile<th class="n">outliers below<th class="n"><th class="n">outliers from<th class="n">
{{range .Signals}}<tr><td>{{.Name}}<td class="n">{{short .Q1}}<td class="n">{{short .Median}}<td class="n">{{short .Q3}}<td class="n">{{if .Low}}{{short .Low}}{{end}}<td class="n">{{group .Below}}<td class="n">{{if .High}}{{short .High}}{{end}}<td class="n">{{group .Above}}
{{end}}</table>
{{range .Signals}}{{if .Largest}}<details><summary>{{.Name}}: the most</summary>
{{template "audit examples" .Largest}}</details>
{{end}}{{if .Smallest}}<details><summary>{{.Name}}: the least</summary>
{{template "audit examples" .Smallest}}</details>
{{end}}{{end}}
{{with .Languages}}<h4>languages of lines</h4>
<table><tr><th>language<th class="n">of the lines<th><th class="n">asked<th>one of them
{{range .}}<tr><td>{{.Code}}<td class="n">{{percentOf .Share}}<td>{{shareBar .Share}}<td class="n">{{group .Asked}}<td>{{with .Examples}}{{with index . 0}}<bdi>{{oneLine .Text}}</bdi>{{end}}{{end}}
{{end}}</table>{{end}}{{end}}`

// auditExamples is the template "audit examples".
const auditExamples = `<table class="excerpts">{{range .}}<tr><td><bdi>{{.Place}}</bdi><td class="n">{{with .Value}}{{short .}}{{end}}<td><bdi>{{shown .Text}}</bdi>
{{end}}</table>`

// shown puts an excerpt into a line in which control characters can be seen.
func shown(s string) string { return oneLine(human.Printable(strings.ReplaceAll(s, "\n", " "))) }
