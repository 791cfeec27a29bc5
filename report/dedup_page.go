package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// pairPlot is the histogram of pairs by similarity made ready to be drawn. The bars are logarithmic: most pairs are either
// far below the threshold or all but equal, and the few around it are what one looks for.
type pairPlot struct {
	Below, Above     string // paths
	Line             string // where the threshold is
	Label, At        string
	Left, Right      string
	Most             int64
	Width, Height    int
	left, right, log float64
}

// Plot is the drawing; nil without pairs.
func (d *Dedup) Plot() *pairPlot {
	if len(d.Histogram) == 0 {
		return nil
	}
	p := &pairPlot{Width: plotWidth, Height: plotHeight, left: d.Histogram[0].From, right: 1}
	if d.Threshold > 0 {
		p.left = min(p.left, d.Threshold)
	}
	p.left = math.Floor(p.left*10) / 10 // an axis that begins at a round number
	if p.left >= p.right {              // the bin of 1 alone
		p.left = 0.9
	}
	for _, b := range d.Histogram {
		p.Most = max(p.Most, b.Similar, b.Compared-b.Similar)
	}
	p.log = math.Log1p(float64(max(p.Most, 1)))
	var below, above strings.Builder
	for _, b := range d.Histogram {
		from, to := p.x(b.From), p.x(b.To)
		cut := from // what is similar is right of it
		switch {
		case b.Similar == 0:
			cut = to
		case b.Similar < b.Compared && b.From < d.Threshold && d.Threshold < b.To:
			cut = p.x(d.Threshold)
		case b.Similar < b.Compared:
			cut = from + (to-from)*(1-float64(b.Similar)/float64(b.Compared))
		}
		p.bar(&below, from, cut, b.Compared-b.Similar)
		p.bar(&above, cut, to, b.Similar)
	}
	p.Below, p.Above = below.String(), above.String()
	if d.Threshold > 0 {
		x := p.x(d.Threshold)
		p.Line, p.Label, p.At = coordinate(x), "threshold "+number(d.Threshold), coordinate(min(max(100*x/plotWidth, 8), 92))
	}
	p.Left, p.Right = short(p.left), short(p.right)
	return p
}

func (p *pairPlot) x(similarity float64) float64 {
	return (similarity - p.left) / (p.right - p.left) * plotWidth
}

// bar draws one; any pair at all is visible.
func (p *pairPlot) bar(path *strings.Builder, from, to float64, n int64) {
	if n <= 0 {
		return
	}
	high := max(math.Log1p(float64(n))/p.log*(plotHeight-4), 1)
	path.WriteString(fmt.Sprintf("M%s %dv-%sh%sv%sz", coordinate(from), plotHeight, coordinate(high), coordinate(max(to-from-0.5, 0.5)), coordinate(high)))
}

// Bins are those of the histogram, five as one where they are hundredths, for those who read numbers.
func (d *Dedup) Bins() []PairBin {
	var list []PairBin
	for _, b := range d.Histogram {
		from := math.Floor(b.From*20+1e-9) / 20
		if n := len(list); n == 0 || list[n-1].From != from {
			list = append(list, PairBin{From: from, To: rounded(from + 0.05)})
		}
		last := &list[len(list)-1]
		last.Compared += b.Compared
		last.Similar += b.Similar
		last.To = max(last.To, b.To)
	}
	return list
}

// Chart is the expected S-curve as a line, and what was found as points; nil where neither is known.
func (d *Dedup) Chart() *chart {
	if d.Curve == nil {
		return nil
	}
	expected, found := Curve{Name: "expected"}, Curve{Name: "found", dots: true}
	for _, p := range d.Curve.Points {
		expected.Points = append(expected.Points, Point{p.Similarity, p.Expected})
		found.Points = append(found.Points, Point{p.Similarity, p.Found})
	}
	if d.Bands > 0 && d.Rows > 0 && d.Rows <= 1024 && d.Bands <= 1<<16 {
		expected.Points = nil
		for i := range 101 {
			s := float64(i) / 100
			expected.Points = append(expected.Points, Point{s, rounded(1 - power(1-power(s, d.Rows), d.Bands))})
		}
	}
	curves := []Curve{expected, found}
	if len(found.Points) == 0 {
		curves = curves[:1]
	}
	c := &chart{Title: "chance that a pair is a candidate", Unit: "similarity", Curves: curves}
	if d.Threshold > 0 {
		c.Marks = []Mark{{d.Threshold, "threshold " + number(d.Threshold)}}
	}
	return c.ready()
}

// power is x^n with the same bits on every machine.
func power(x float64, n int) float64 {
	y := 1.0
	for range n {
		y = float64(y * x)
	}
	return y
}

// Compared are the documents whose words are shown.
func (d *Dedup) Compared() int {
	n := 0
	for _, w := range d.Differences {
		if w.Note == "" {
			n++
		}
	}
	return n
}

// matrixCell is one of the map; Shade is from 0 to 5, by the share of its row.
type matrixCell struct {
	Documents int64
	Shade     int
}

type matrixRow struct {
	Name  string
	Cells []matrixCell
	Sum   int64
}

// Matrix are the rows of the map, for the template.
func (d *Dedup) Matrix() (rows []matrixRow) {
	if d.matrix == nil {
		return nil
	}
	for i, name := range d.matrix.rows {
		r := matrixRow{Name: name, Sum: d.matrix.sums[i]}
		for _, n := range d.matrix.cells[i] {
			r.Cells = append(r.Cells, matrixCell{n, int(math.Ceil(5 * float64(n) / float64(r.Sum)))})
		}
		rows = append(rows, r)
	}
	return rows
}

// Columns are the names of the map's columns.
func (d *Dedup) Columns() []string { return d.matrix.columns }

// sourceName is that of a source, or of those that the summary does not tell apart.
func sourceName(name *string) string {
	if name == nil {
		return othersName
	}
	return *name
}

// logBar is a length on a logarithmic scale.
func logBar(n, most int64) template.HTML {
	return bar(int64(1e6*math.Log1p(float64(n))), int64(1e6*math.Log1p(float64(most))))
}

// MostClusters are those of the size that most have.
func (c *Clusters) MostClusters() (most int64) {
	for _, s := range c.Sizes {
		most = max(most, s.Clusters)
	}
	return most
}

// dedupPage is the template "dedup", over a Dedup. What shows by colour is said in words, too, for those who listen.
const dedupPage = `{{$d := .}}<div class="dedup">{{if .Note}}<p>{{.Note}}. This section is without it.</p>{{else}}
<p>{{.Method}}{{if ne .File "dedup.json"}} ({{.File}}){{end}}: of {{group .Documents}} documents {{group .DroppedDocuments}} are dropped ({{of .DroppedDocuments .Documents}}), of {{group .Bytes}} bytes of text {{group .DroppedBytes}} ({{of .DroppedBytes .Bytes}}).
{{- if .Keep}} Of a cluster is kept: {{.Keep}}{{if .Priority}}, by priority of source {{join .Priority}}{{end}}.{{end}}{{if .WithoutNumber}} Of the dropped ones {{group .WithoutNumber}} had no number to be chosen by.{{end}}{{if .Verify}} Pairs are verified: {{.Verify}}.{{end}}
{{- with .Candidates}} {{group .}} documents were candidates.{{end}}</p>
<div class="plots charts">{{with .Plot}}<figure><figcaption><b>pairs by similarity</b> <span>bars are logarithmic, the highest {{group .Most}} pairs; filled: at the threshold or above</span></figcaption>
<div class="chart"><svg viewBox="0 0 {{.Width}} {{.Height}}" preserveAspectRatio="none" role="img"><title>pairs by similarity{{if .Label}}, {{.Label}}{{end}}; the table below has the numbers</title>
<path class="below" d="{{.Below}}"/><path class="bars" d="{{.Above}}"/>{{if .Line}}<line class="limit" x1="{{.Line}}" x2="{{.Line}}" y1="0" y2="100%"/>{{end}}</svg></div>
{{if .Label}}<div class="marks" aria-hidden="true"><span style="left:{{.At}}%">{{.Label}}</span></div>{{end}}
<div class="axis"><span>{{.Left}}</span><span>similarity</span><span>{{.Right}}</span></div></figure>{{end}}
{{with .Chart}}{{template "chart" .}}{{end}}</div>
{{with .Pairs}}<p>{{group .Compared}} pairs were compared: {{group .Similar}} are at the threshold or above
{{- if .Below}}; of {{group .Below}} the lengths alone say that they are not, so they have no similarity{{end}}.</p>{{end}}
{{if .Histogram}}<details><summary>pairs by similarity as a table</summary><table><tr><th>similarity<th class="n">pairs<th class="n">at the threshold or above
{{range .Bins}}<tr><td>{{number .From}} to {{number .To}}<td class="n">{{group .Compared}}<td class="n">{{group .Similar}}
{{end}}</table></details>{{end}}
{{with .Curve}}{{if .Points}}<details><summary>the S-curve as a table</summary><p class="about">With {{group (whole $d.Bands)}} bands of {{group (whole $d.Rows)}} rows. Only pairs that were found can be counted; how many bands they share says how many were not. What bins of fewer than {{group (whole .FewPairs)}} pairs would say is left out: {{group (whole .Skipped)}}.</p>
<table><tr><th class="n">similarity<th class="n">pairs<th class="n">expected<th class="n">found
{{range .Points}}<tr><td class="n">{{number .Similarity}}<td class="n">{{group .Pairs}}<td class="n">{{number .Expected}}<td class="n">{{number .Found}}
{{end}}</table></details>{{else}}<p>Of the S-curve only what is expected is shown: of no similarity there are {{group (whole .FewPairs)}} pairs.</p>{{end}}{{end}}
{{with .Clusters}}{{if .Count}}{{$c := .}}<h4>clusters</h4>
<p>{{group .Count}} clusters of {{group .Documents}} documents. The largest {{if eq .Largest.Clusters 1}}has{{else}}({{group .Largest.Clusters}} of them) have{{end}} {{group .Largest.Most}} documents; {{group .Largest.Dropped}} of {{group .Largest.Documents}} are dropped.</p>
<table><tr><th class="n">documents<th class="n">clusters<th><span class="said">as a bar, logarithmic</span><th class="n">documents in them<th class="n">dropped<th class="n">
{{range .Sizes}}<tr><td class="n">{{group .Least}}{{if ne .Least .Most}} to {{group .Most}}{{end}}<td class="n">{{group .Clusters}}<td>{{logBar .Clusters $c.MostClusters}}<td class="n">{{group .Documents}}<td class="n">{{group .Dropped}}<td class="n">{{of .Dropped .Documents}}
{{end}}</table>{{end}}{{end}}
{{if .Sources}}<h4>sources</h4>
<table><tr><th>source<th class="n">documents<th class="n">dropped<th class="n"><th><span class="said">as a bar</span><th class="n">bytes of text<th class="n">dropped<th class="n">
{{range .Sources}}<tr><td><bdi>{{sourceName .Source}}</bdi><td class="n">{{group .Documents}}<td class="n">{{group .DroppedDocuments}}<td class="n">{{of .DroppedDocuments .Documents}}<td>{{bar .DroppedDocuments .Documents}}<td class="n">{{group .Bytes}}<td class="n">{{group .DroppedBytes}}<td class="n">{{of .DroppedBytes .Bytes}}
{{end}}</table>{{if .SourcesLeftOut}}<p>{{.SourcesLeftOut}} sources lose less than these.</p>{{end}}{{end}}
{{with .Matrix}}<h4>source by source</h4>
<p class="about">Documents of the source of the row that were dropped for one of the source of the column; the darker, the more of its row.</p>
<table class="matrix"><tr><th>dropped<th class="n">all{{range $d.Columns}}<th class="n">for <bdi>{{.}}</bdi>{{end}}
{{range .}}<tr><th><bdi>{{.Name}}</bdi><td class="n">{{group .Sum}}{{range .Cells}}<td class="n shade{{.Shade}}">{{if .Documents}}{{group .Documents}}{{else}}<span class="said">0</span>{{end}}{{end}}
{{end}}</table>{{end}}
{{if .Differences}}<h4>words of dropped documents against those of kept ones</h4>
<p class="about">{{len .Differences}} dropped documents, chosen by the hash of their IDs, beside the ones that they went for: <del>words that only the dropped one has</del> are struck through, <ins>words that only the kept one has</ins> underlined.{{if not .Compared}} The texts of none of them are there.{{end}}</p>
{{range $i, $w := .Differences}}<details{{if and (lt $i 3) .Stretches}} open{{end}}><summary>{{with .Similarity}}similarity {{short .}}: {{end}}<bdi>{{if .DroppedID}}{{.DroppedID}}{{else}}record {{.Dropped}}{{end}}</bdi>{{if .DroppedSource}} of <bdi>{{sourceName .DroppedSource}}</bdi>{{end}} for <bdi>{{if .KeptID}}{{.KeptID}}{{else}}record {{.Kept}}{{end}}</bdi>{{if .KeptSource}} of <bdi>{{sourceName .KeptSource}}</bdi>{{end}}</summary>
<div class="example">{{if .Note}}<p><span>No words: {{.Note}}.</span></p>{{else}}<p><span>
{{- if .Equal}}The texts are the same, {{group (whole .KeptWords)}} words.
{{- else if .Stretches}}{{group (whole .OnlyDropped)}} of {{group (whole .DroppedWords)}} words only in the dropped one, {{group (whole .OnlyKept)}} of {{group (whole .KeptWords)}} only in the kept one.{{if .Coarse}} So many that not all were told apart: from some word on, all up to the last difference counts.{{end}}
{{- else}}No word differs, only what stands between them.{{end}}
{{- if .Cut}} Only the beginnings were compared.{{end}}</span></p>
{{if .Stretches}}<pre class="words" dir="auto">
{{range .Stretches}}{{if eq .Kind "skipped"}} <span class="skipped">… {{group (whole .Words)}} words …</span> {{else if eq .Kind "dropped"}}<del><span class="said">only in the dropped one: </span>{{.Text}}</del>{{else if eq .Kind "kept"}}<ins><span class="said">only in the kept one: </span>{{.Text}}</ins>{{else}}{{.Text}}{{end}}{{end}}</pre>
{{end}}{{end}}</div></details>
{{end}}{{end}}{{end}}</div>
`
