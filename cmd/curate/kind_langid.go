package main

import (
	"context"
	"runtime/debug"

	"curate/langid"
	"curate/pipeline/recipe"
	"curate/stage"
)

var langidKind = recipe.Kind{
	Name:    "langid",
	Summary: "says in which language each document is, and keeps those in given languages",
	Keys: []recipe.Key{
		{Name: "keep", Type: recipe.Texts, Help: "codes of the languages that stay; without it nothing is dropped"},
		{Name: "languages", Type: recipe.Texts, Help: "codes of the set that an answer is from; default without keep ca, de, en, es, eu, fr, it, pt; with it what it names, what is mistaken for those, and common languages"},
		{Name: "engine", Type: recipe.Text, Default: langid.DefaultEngine, Choices: langid.Engines(), Help: "which one answers"},
		{Name: "sample_bytes", Type: recipe.Integer, Default: int64(langid.DefaultSample), Min: langid.MinSample, Max: langid.MaxSample, Help: "bytes of letters that the engine is asked about"},
	},
	Check: func(v *recipe.Values) error {
		_, err := langidConfig(v, recipe.Setting{}).Resolve()
		return err
	},
	Reserve: func(v *recipe.Values, _ int) int64 {
		cfg, err := langidConfig(v, recipe.Setting{}).Resolve()
		if err != nil { // Check has said so
			return 0
		}
		return cfg.Memory()
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		st, err := langid.New(langidConfig(v, s))
		if err != nil {
			return nil, v.Errorf("", "%v", err)
		}
		debug.SetGCPercent(langid.GCPercent)
		return []stage.Stage{st}, nil
	},
	Stays: true, // lingua keeps its models for good
	Chunk: langidChunk,
	Speed: 0.4,
}

func langidConfig(v *recipe.Values, s recipe.Setting) langid.Config {
	return langid.Config{
		Keep: v.Texts("keep"), Languages: v.Texts("languages"), Engine: v.Text("engine"), SampleBytes: int(v.Integer("sample_bytes")),
		TextField: s.TextField.String(), Verdicts: true,
	}
}
