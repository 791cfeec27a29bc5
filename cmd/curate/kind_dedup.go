package main

import (
	"context"

	"curate/dedup"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
)

var dedupKind = recipe.Kind{
	Name:    "dedup",
	Summary: "keeps one of the documents that are the same, or nearly so",
	Keys: []recipe.Key{
		{Name: "exact", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "field", Type: recipe.Text, Help: "dotted path of what is compared; default the text"},
			{Name: "keep", Type: recipe.Text, Default: "first", Choices: []string{"first"}, Help: "which of the duplicates stays, in the order of the inputs"},
		}, Help: "the same value of a field"},
	},
	Check: func(v *recipe.Values) error {
		if e := v.Object("exact"); e != nil && e.Given("field") {
			if _, err := record.ParsePath(e.Text("field")); err != nil {
				return e.Errorf("field", "%v", err)
			}
		}
		return nil
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		e := v.Object("exact")
		field := s.TextField
		if e.Given("field") {
			field = record.MustPath(e.Text("field"))
		}
		d, err := dedup.NewExact(dedup.ExactConfig{Field: field, Keep: e.Text("keep"), Verdicts: true})
		if err != nil {
			return nil, v.Errorf("exact", "%v", err)
		}
		return []stage.Stage{d}, nil
	},
	Speed: 200, Factor: 1,
}
