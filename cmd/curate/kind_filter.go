package main

import (
	"context"

	"curate/filter"
	"curate/pipeline/recipe"
	"curate/stage"
)

var filterKind = recipe.Kind{
	Name:    "filter",
	Summary: "keeps the documents that pass a profile of quality rules",
	Keys: []recipe.Key{
		{Name: "profile", Type: recipe.Text, Required: true, Choices: profileNames(), Help: "of rules with thresholds, made for a language"},
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		f, err := filter.New(filter.Config{Profile: v.Text("profile"), TextField: s.TextField, Verdicts: true, Histograms: true, Overlap: true})
		if err != nil {
			return nil, v.Errorf("profile", "%v", err)
		}
		return []stage.Stage{f}, nil
	},
	Speed: 30,
}

func profileNames() []string {
	var names []string
	for _, p := range filter.Profiles() {
		names = append(names, p.Name)
	}
	return names
}
