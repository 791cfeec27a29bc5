package report

import (
	"context"

	"curate/corpus"
)

// Results are the files that a step has made instead of parts: a tokenizer, shards.
type Results struct {
	Files int64    `json:"files"`
	Bytes int64    `json:"bytes"`
	First []Result `json:"first"` // in the order in which they were made
}

// Result is one of the files.
type Result struct {
	Name  string `json:"name"` // below the step's directory
	Bytes int64  `json:"bytes"`
	XXH64 string `json:"xxh64,omitzero"`
}

const resultLimit = 50

func readResults(ctx context.Context, in files, s *Step) error {
	name := corpus.Dir + "/results.json"
	if there, err := in.exists(ctx, name); err != nil || !there {
		return err
	}
	var made []struct {
		Name  string `json:"name"`
		Size  int64  `json:"size"`
		XXH64 string `json:"xxh64"`
	}
	if err := in.json(ctx, name, &made); err != nil {
		return err
	}
	r := &Results{Files: int64(len(made))}
	for i, m := range made {
		r.Bytes += m.Size
		if i < resultLimit {
			r.First = append(r.First, Result{cut(m.Name, 200), m.Size, cut(m.XXH64, 16)})
		}
	}
	s.Results = r
	return nil
}

func hasResults(s *Step) bool { return s.Results != nil && s.Results.Files > 0 }

const resultsAbout = `The files that a step has made instead of records.`

const resultsPage = `
<table><tr><th>file<th class="n">bytes<th>xxh64
{{range .Results.First}}<tr><td>{{.Name}}<td class="n">{{group .Bytes}}<td><code>{{.XXH64}}</code>
{{end}}</table>
<p>{{group .Results.Files}} {{if eq .Results.Files 1}}file{{else}}files{{end}}, {{group .Results.Bytes}} bytes.</p>`
