package report

// The data of this section are the funnel's.

func hasReasons(s *Step) bool {
	if s.Funnel == nil {
		return false
	}
	for _, l := range s.Funnel.Stages {
		if len(l.Dropped)+len(l.Annotated) > 0 {
			return true
		}
	}
	return false
}

// reasonLimit is how many reasons of a stage have a bar; the rest share one.
const reasonLimit = 40

// topAndRest are the reasons that have a bar.
func topAndRest(list []Reason) []Reason {
	if len(list) <= reasonLimit+1 {
		return list
	}
	rest := Reason{Reason: "all others"}
	for _, r := range list[reasonLimit:] {
		rest.Documents += r.Documents
		rest.Share = rounded(rest.Share + r.Share)
	}
	return append(list[:reasonLimit:reasonLimit], rest)
}

const reasonsAbout = `Why documents were dropped, by the first rule that each failed: number, and share of what reached the stage.`

const reasonsPage = `
{{range .Funnel.Stages}}{{$l := .}}{{with .Dropped}}<h4>dropped by {{$l.Name}}</h4>
{{template "reasons" .}}{{end}}{{with .Annotated}}<h4>would be dropped by {{$l.Name}} (it only annotates)</h4>
{{template "reasons" .}}{{end}}{{end}}`

// reasonsTable is the template "reasons", over a list of them.
const reasonsTable = `<table>
<tr><th>rule<th>reason<th class="n">documents<th class="n">share<th>
{{$most := (index . 0).Documents}}{{range topReasonBars .}}<tr><td>{{.Rule}}<td>{{.Reason}}<td class="n">{{group .Documents}}<td class="n">{{percentOf .Share}}<td>{{bar .Documents $most}}
{{end}}</table>
`
