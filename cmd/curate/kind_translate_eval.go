package main

import (
	"bytes"
	"context"
	"math"
	"path"
	"path/filepath"
	"strings"

	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/record"
	"curate/stage"
	"curate/translate/rows"
)

// Files that a step of kind translate_eval makes.
const (
	translateEvalFile  = "translate_eval.json"
	translateEvalTable = "translate_eval.txt"
)

var translateEvalKind = recipe.Kind{
	Name:    "translate_eval",
	Summary: "scores translated rows against a reference: BLEU, chrF, chrF++",
	Keys: []recipe.Key{
		{Name: "translation", Type: recipe.RecordsOf, Required: true, Help: "the step that translated, or files, globs or directories of rows"},
		{Name: "reference", Type: recipe.RecordsOf, Required: true, Help: "the same rows, by their ids, as people have translated them"},
		{Name: "source", Type: recipe.RecordsOf, Help: "the rows before they were translated, for the checks"},
		{Name: "baseline", Type: recipe.RecordsOf, Help: "another translation, for a comparison by paired bootstrap resampling"},
		{Name: "from", Type: recipe.Text, Help: "the language of the source"},
		{Name: "to", Type: recipe.Text, Help: "the language of the translation"},
		{Name: "schema", Type: recipe.Text, Choices: rows.Names(), Help: "of the rows, instead of recognising each"},
		{Name: "fields", Type: recipe.Texts, Help: "JSON pointers to the texts, such as /messages/*/content, instead of a schema"},
		{Name: "id_field", Type: recipe.Text, Default: "id", Help: "dotted path of a row's id"},
		{Name: "samples", Type: recipe.Integer, Default: int64(defaultSamples), Min: 1, Max: 1e6, Help: "resamples of the bootstrap"},
		{Name: "seed", Type: recipe.Integer, Default: int64(defaultSampleSeed), Min: 0, Max: math.MaxInt64, Help: "of the bootstrap"},
	},
	Result:  true,
	Seconds: func(*recipe.Values, int) float64 { return 1 }, // of some ten thousand texts
	Check: func(v *recipe.Values) error {
		_, err := translationEvalOf(v)
		return err
	},
	Task: func(_ context.Context, v *recipe.Values, s recipe.Setting) (*pipeline.Task, error) {
		t, err := translationEvalOf(v)
		if err != nil {
			return nil, err
		}
		config := struct {
			Translation []string `json:"translation"`
			Reference   []string `json:"reference"`
			Source      []string `json:"source"`
			Baseline    []string `json:"baseline"`
			From        string   `json:"from"`
			To          string   `json:"to"`
			Schema      string   `json:"schema"`
			Fields      []string `json:"fields"`
			ID          string   `json:"id_field"`
			Samples     int      `json:"samples"`
			Seed        uint64   `json:"seed"`
		}{t.translation, t.reference, t.source, t.baseline, t.from, t.to, v.Text("schema"), v.Texts("fields"), v.Text("id_field"), t.samples, t.seed}
		return &pipeline.Task{
			Spec:  stage.Spec{Name: "translate_eval", Version: 1, Config: config},
			Makes: []string{translateEvalFile, translateEvalTable},
			Run: func(ctx context.Context) error {
				e, err := t.run(ctx, bytes.NewReader(nil))
				if err != nil {
					return err
				}
				b, err := e.json()
				if err != nil {
					return err
				}
				for line := range strings.Lines(e.text()) {
					s.Log.Info(strings.TrimRight(line, "\n"))
				}
				st := storage()
				for name, content := range map[string]string{translateEvalFile: string(b), translateEvalTable: e.text()} {
					if err := writeText(ctx, st, path.Join(filepath.ToSlash(s.Dir), name), content); err != nil {
						return err
					}
				}
				return nil
			},
		}, nil
	},
}

// translationEvalOf reads a recipe's keys.
func translationEvalOf(v *recipe.Values) (*translationEval, error) {
	t := &translationEval{
		translation: v.Paths("translation"), reference: v.Paths("reference"), source: v.Paths("source"), baseline: v.Paths("baseline"),
		from: v.Text("from"), to: v.Text("to"), samples: int(v.Integer("samples")), seed: uint64(v.Integer("seed")),
	}
	if len(t.source) > 0 && (t.from == "" || t.to == "") {
		return nil, v.Errorf("source", "it needs from and to: the checks go by the languages")
	}
	var err error
	if t.id, err = record.ParsePath(v.Text("id_field")); err != nil {
		return nil, v.Errorf("id_field", "%v", err)
	}
	if t.reader, err = rows.New(rows.Options{Schema: v.Text("schema"), Fields: v.Texts("fields")}); err != nil {
		return nil, v.Errorf("fields", "%v", err)
	}
	return t, nil
}
