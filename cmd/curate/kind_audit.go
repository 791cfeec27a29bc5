package main

import (
	"context"

	"curate/audit"
	"curate/langid"
	"curate/pipeline/recipe"
	"curate/stage"
)

var auditKind = recipe.Kind{
	Name:    "audit",
	Summary: "says what is wrong with the texts: duplicate lines, boilerplate, HTML, mojibake, outliers, languages of lines",
	Keys: []recipe.Key{
		{Name: "by", Type: recipe.Text, Default: "", Help: "dotted field whose value is the group, such as the source"},
		{Name: "language_lines", Type: recipe.Integer, Default: int64(audit.DefaultLanguageLines), Min: 0, Max: audit.MaxLanguageLines, Help: "lines of a document that are asked for their language; 0 loads no models"},
		{Name: "languages", Type: recipe.Texts, Help: "codes of the set that an answer is from, as of langid"},
		{Name: "engine", Type: recipe.Text, Default: langid.DefaultEngine, Choices: langid.Engines(), Help: "which one answers"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		_, err := auditLanguages(v).Resolve()
		return err
	},
	Reserve: func(v *recipe.Values, _ int) int64 {
		cfg, err := auditLanguages(v).Resolve()
		if err != nil || v.Integer("language_lines") == 0 { // Check has said so
			return 0
		}
		return cfg.Memory()
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		cfg := audit.Config{TextField: s.TextField.String(), By: v.Text("by"), LanguageLines: int(v.Integer("language_lines"))}
		if cfg.LanguageLines > 0 {
			languages, err := auditLanguages(v).Resolve()
			if err == nil {
				_, err = askLanguages(&cfg, languages)
			}
			if err != nil {
				return nil, v.Errorf("", "%v; language_lines: 0 asks for no languages", err)
			}
		}
		st, err := audit.New(cfg)
		if err != nil {
			return nil, v.Errorf("by", "%v", err)
		}
		return []stage.Stage{st}, nil
	},
	Stays:      true, // lingua keeps its models for good
	Chunk:      langidChunk,
	RecordCost: auditRecordCost,
	Speed:      2,
}

func auditLanguages(v *recipe.Values) langid.Config {
	return langid.Config{Languages: v.Texts("languages"), Engine: v.Text("engine")}
}
