package main

import (
	"context"

	"curate/filter"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
)

var filterKind = recipe.Kind{
	Name:    "filter",
	Summary: "keeps the documents that pass a profile of quality rules",
	Keys: []recipe.Key{
		{Name: "profile", Type: recipe.Text, Required: true, Help: "of rules with thresholds, made for a language: a name, the path of a file, or several with commas between"},
	},
	Check: func(v *recipe.Values) error {
		_, err := filterOf(v, record.Path{})
		return err
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		f, err := filterOf(v, s.TextField)
		if err != nil {
			return nil, err
		}
		return []stage.Stage{f}, nil
	},
	Speed: 30,
}

func filterOf(v *recipe.Values, textField record.Path) (*filter.Filter, error) {
	cfg := filterConfig(textField)
	cfg.Verdicts, cfg.Histograms = true, true
	p, err := profilesNamed(v.Text("profile"))
	if err != nil {
		return nil, v.Errorf("profile", "%v", err)
	}
	f, err := filter.NewOf(p, cfg)
	if err != nil {
		return nil, v.Errorf("profile", "%v", err)
	}
	return f, nil
}
