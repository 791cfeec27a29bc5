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
	Summary: "keeps one of the documents that are the same, or nearly so; exact or minhash, and minhash without either",
	Keys: []recipe.Key{
		{Name: "exact", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "field", Type: recipe.Text, Help: "dotted path of what is compared; default the text"},
			{Name: "keep", Type: recipe.Text, Default: "first", Choices: []string{"first"}, Help: "which of the duplicates stays, in the order of the inputs"},
		}, Help: "duplicates have the same value of a field"},
		{Name: "minhash", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "threshold", Type: recipe.Number, Default: dedup.DefaultThreshold, Min: 1e-6, Max: 1, Help: "similarity from which on documents are duplicates"},
			{Name: "keep", Type: recipe.Text, Default: "first", Choices: []string{"first", "longest"}, Help: "which of the duplicates stays: the first in the order of the inputs, or the longest text"},
			{Name: "scheme", Type: recipe.Text, Default: dedup.DefaultScheme, Choices: schemeNames(), Help: "how shingles and signatures are made"},
			{Name: "bands", Type: recipe.Integer, Min: 1, Max: 255, Help: "bands of a signature, with rows; default the scheme's"},
			{Name: "rows", Type: recipe.Integer, Min: 1, Max: 64, Help: "values a band"},
			{Name: "permutations", Type: recipe.Integer, Min: 1, Max: dedup.MaxValues, Help: "values of a signature; without bands, bands and rows are chosen for the threshold; default the scheme's"},
			{Name: "short", Type: recipe.Text, Choices: dedup.ShortPolicies(), Help: "what becomes of a text of fewer words than a shingle has; default the scheme's"},
		}, Otherwise: true, Help: "duplicates are similar texts"},
	},
	Check: func(v *recipe.Values) error {
		e := v.Object("exact")
		if e != nil && v.Given("minhash") {
			return v.Errorf("minhash", "one step of dedup is exact or minhash; write two steps")
		}
		if e != nil && e.Given("field") {
			if _, err := record.ParsePath(e.Text("field")); err != nil {
				return e.Errorf("field", "%v", err)
			}
		}
		return nil
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		if e := v.Object("exact"); e != nil {
			field := s.TextField
			if e.Given("field") {
				field = record.MustPath(e.Text("field"))
			}
			d, err := dedup.NewExact(dedup.ExactConfig{Field: field, Keep: e.Text("keep"), Verdicts: true})
			if err != nil {
				return nil, v.Errorf("exact", "%v", err)
			}
			return []stage.Stage{d}, nil
		}
		cfg := dedup.MinHashConfig{Field: s.TextField, Verdicts: true}
		if m := v.Object("minhash"); m != nil {
			cfg.Threshold, cfg.Keep, cfg.Scheme = m.Number("threshold"), m.Text("keep"), m.Text("scheme")
			cfg.Bands, cfg.Rows, cfg.Values, cfg.Short = int(m.Integer("bands")), int(m.Integer("rows")), int(m.Integer("permutations")), m.Text("short")
		}
		d, err := dedup.NewMinHash(cfg)
		if err != nil {
			return nil, v.Errorf("minhash", "%v", err)
		}
		return d.Stages(), nil
	},
	Speed: 17, Factor: 2,
}
