package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
)

// pageHead is all that surrounds the sections. No script, font, image or style comes from elsewhere; the policy
// forbids even what a document's text might smuggle in.
const pageHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{heading .Run}}</title>
<style>` + style + `</style>
</head>
<body>
<h1>{{heading .Run}}</h1>
<p>{{.Run.Program}}. {{len .Run.Steps}} {{if eq (len .Run.Steps) 1}}step{{else}}steps{{end}}
{{- if not .Run.Finished}}; <b>this run has not finished: steps without numbers are not whole yet</b>{{end}}.</p>
{{if gt (len .Run.Steps) 1}}<ol>{{range .Run.Steps}}<li>{{.Title}}
{{- if .From}} from {{join .From}}{{end}}{{if .Read}} reads {{join .Read}}{{end}}{{if not .Finished}} (not finished){{end}}{{end}}</ol>
{{end}}<nav>{{range .Sections}}<a href="#{{.ID}}">{{.Title}}</a> {{end}}</nav>
{{range .Sections}}<section id="{{.ID}}"><h2>{{.Title}}</h2>
<p class="about">{{.About}}</p>
{{range .Steps}}<h3>{{.Title}}</h3>
<div class="wide">{{.Body}}</div>
{{end}}</section>
{{end}}</body>
</html>
`

// style works without images, in light and dark, on screen and paper. Red and blue of the drawings differ in lightness
// too, for those who do not tell them apart.
const style = `
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#5b5b5b;--page:#fff;--box:#f4f4f2;--edge:#d8d8d4;--bar:#3b6ea5;--track:#e4e8ec;--out:#c0392b22;--cut:#c0392b;--mask:#ffe08a;--shade:59 110 165}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e3;--soft:#a3a39e;--page:#161616;--box:#212121;--edge:#3a3a3a;--bar:#7fb0e6;--track:#2c3238;--out:#ff6b5a2b;--cut:#ff7a6b;--mask:#6b5210;--shade:127 176 230}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:70rem;margin:0 auto;padding:1rem 1.25rem 4rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid var(--edge)}h3{font-size:1rem;margin:1.4rem 0 .4rem}h4{font-size:.95rem;font-weight:600;margin:1rem 0 .3rem}
nav a{margin-right:1rem}a{color:var(--bar)}.about,figcaption span,.example span,.axis,.test{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse}th,td{text-align:left;padding:.15rem .9rem .15rem 0;border-bottom:1px solid var(--edge);white-space:nowrap}th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}
.bar .full{fill:var(--track)}.bar .part{fill:var(--bar)}.bar .asked{fill:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1.2rem 2rem}figure{margin:0}figure svg{width:100%;height:6rem;background:var(--box);display:block}
.curve{fill:none;stroke:var(--bar);stroke-width:2;vector-effect:non-scaling-stroke}.curve.other{stroke:var(--cut);stroke-dasharray:5 3}.curve.dots{stroke-width:7;stroke-linecap:round;stroke-dasharray:none}
.charts{grid-template-columns:repeat(auto-fill,minmax(28rem,1fr))}.charts svg{height:11rem}.charts line{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}.chart{position:relative}.chart span{position:absolute;left:.3rem;font-size:.8rem;color:var(--soft)}.most{top:0}.least{bottom:0}.charts .marks span{white-space:nowrap}
.bars,.zero{fill:var(--bar)}.zero{opacity:.6}.out{fill:var(--out)}figure line{stroke:var(--cut);stroke-width:2;vector-effect:non-scaling-stroke}
.whole .plots{grid-template-columns:1fr}.marks{position:relative;height:1.2rem;font-size:.8rem}.marks span{position:absolute;transform:translateX(-50%)}
.axis{display:flex;justify-content:space-between;font-size:.8rem}.test{font-size:.85rem}
.nearest table{table-layout:fixed;width:100%;font-size:.85rem;margin:.3rem 0 1rem}.nearest td,.nearest th{overflow:hidden;text-overflow:ellipsis}.nearest th:first-child{width:5rem}.nearest th:nth-child(2){width:12rem}.nearest td:last-child,.excerpts td:last-child{white-space:normal}
details{margin:.3rem 0}summary{cursor:pointer}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--box);border:1px solid var(--edge);padding:.5rem .7rem;margin:.2rem 0;max-height:24rem;overflow-y:auto;unicode-bidi:isolate;font-size:.85rem}
.example{margin:.6rem 0 1rem}.example p{margin:.1rem 0}code{font-size:.85em;overflow-wrap:anywhere}
.pair{display:flex;flex-wrap:wrap;gap:.2rem .8rem;margin-bottom:.8rem}.pair>div{flex:1 1 11rem;min-width:0}.pair pre{max-height:32rem}
mark{background:var(--mask);color:inherit;border-bottom:1px solid;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.below{fill:var(--soft);opacity:.45}.charts line.limit{stroke:var(--cut);stroke-width:2;stroke-dasharray:none}.matrix td{padding-left:.9rem}.shade1{background:rgb(var(--shade)/.1)}.shade2{background:rgb(var(--shade)/.2)}.shade3{background:rgb(var(--shade)/.3)}.shade4{background:rgb(var(--shade)/.42)}.shade5{background:rgb(var(--shade)/.55)}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}.skipped{color:var(--soft)}
del{background:var(--out);text-decoration:line-through}ins{background:rgb(var(--shade)/.2);text-decoration:underline}.shade1,.shade2,.shade3,.shade4,.shade5,del,ins{print-color-adjust:exact;-webkit-print-color-adjust:exact}
@media print{details::details-content{content-visibility:visible}}
@media print{details>*{display:block}pre,.pair pre{max-height:none}th,td{white-space:normal}}
`

// templates are parsed once a page: the funnel's columns depend on the run.
func (r *Run) templates() (*template.Template, error) {
	keys, titles := r.columns()
	t := template.New("page").Funcs(template.FuncMap{
		"bar":           bar,
		"billRows":      (*Translation).billRows,
		"bytes":         func(n int) string { return human.Thousands(int64(n)) },
		"compared":      compared,
		"cells":         func(f *Funnel, i int) []cell { return f.cells(i, keys) },
		"figures":       figures,
		"fine":          fine,
		"group":         human.Thousands,
		"heading":       heading,
		"hundred":       hundred,
		"inputs":        (*Configuration).inputs,
		"isCut":         isCut,
		"join":          func(list []string) string { return strings.Join(list, ", ") },
		"lengthFigures": (*Translation).figures,
		"lengthPlots":   (*Shards).lengthPlots,
		"logBar":        logBar,
		"number":        number,
		"of":            percent,
		"oneLine":       oneLine,
		"shareBar":      func(share float64) template.HTML { return bar(int64(1e6*share), 1e6) },
		"short":         short,
		"shown":         shown,
		"percentOf":     human.Percent,
		"pieces":        pieces,
		"points":        points,
		"pretty":        StageConfig.pretty,
		"rowRows":       (*Translation).rowRows,
		"segmentRows":   (*Translation).segmentRows,
		"similarities":  (*Duplicates).rows,
		"sourceName":    sourceName,
		"titles":        func() []string { return titles },
		"topReasonBars": topAndRest,
		"verdict":       func(v jsontext.Value) string { return cut(string(v), 2000) },
		"whole":         func(n int) int64 { return int64(n) },
	})
	parts := []struct{ name, text string }{{"page", pageHead}, {"reasons", reasonsTable}, {"example", examplePage}, {"plots", plotsPage}, {"chart", chartPage}, {"dedup", dedupPage}, {"cut", cutPage}, {"masked", maskedPage}, {"side by side", sideBySidePage}, {"audit examples", auditExamples}}
	for _, s := range sections {
		parts = append(parts, struct{ name, text string }{"section " + s.id, s.page})
	}
	for _, p := range parts {
		into := t
		if p.name != "page" {
			into = t.New(p.name)
		}
		if _, err := into.Parse(p.text); err != nil {
			return nil, fmt.Errorf("template of the report: %w", err)
		}
	}
	return t, nil
}

func heading(r *Run) string {
	if r.Recipe != "" {
		return "Report of " + r.Recipe
	}
	return "Report of a run of curate"
}

// WriteHTML writes the page.
func (r *Run) WriteHTML(w io.Writer) error {
	t, err := r.templates()
	if err != nil {
		return err
	}
	type body struct {
		Title string
		Body  template.HTML
	}
	type chapter struct {
		ID, Title, About string
		Steps            []body
	}
	data := struct {
		Run      *Run
		Sections []chapter
	}{Run: r}
	for _, s := range sections {
		c := chapter{ID: s.id, Title: s.title, About: s.about}
		for _, of := range r.Steps {
			for _, step := range of.each() {
				if !step.Finished || !s.has(step) {
					continue
				}
				var b bytes.Buffer
				if err := t.ExecuteTemplate(&b, "section "+s.id, step); err != nil {
					return err
				}
				c.Steps = append(c.Steps, body{step.titleOf(s.id), template.HTML(b.String())}) // it was escaped there
			}
		}
		if len(c.Steps) > 0 {
			data.Sections = append(data.Sections, c)
		}
	}
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "page", data); err != nil {
		return err
	}
	_, err = page.WriteTo(w)
	return err
}
