package main

import (
	"context"
	"os"
	"runtime/debug"
	"strings"

	"curate/corpus/download"
	"curate/langid"
	"curate/pipeline/recipe"
	"curate/stage"
)

var langidKind = recipe.Kind{
	Name:    "langid",
	Summary: "says in which language each document is, and keeps those in given languages",
	Keys: []recipe.Key{
		{Name: "keep", Type: recipe.Texts, Help: "codes of the languages that stay; without it nothing is dropped"},
		{Name: "languages", Type: recipe.Texts, Help: "codes of the set that an answer is from; default all of fastText's model; for lingua without keep ca, de, en, es, eu, fr, it, pt, with it what it names, what is mistaken for those, and common languages"},
		{Name: "unit", Type: recipe.Text, Default: langid.Document, Choices: []string{langid.Document, langid.Paragraph, langid.Line}, Help: "what is asked about; by paragraphs or lines, curate.langid has the share of each language"},
		{Name: "min_share", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1, Help: "of a document's letters in the languages of keep for it to stay, where the unit is no document; 0 is half"},
		{Name: "cut", Type: recipe.Boolean, Help: "takes paragraphs or lines in other languages than those of keep out of the text"},
		{Name: "min_score", Type: recipe.Number, Default: 0.0, Min: 0, Max: 1, Help: "und where the score is lower"},
		{Name: "engine", Type: recipe.Text, Default: langid.DefaultEngine, Choices: langid.Engines(), Help: "which one answers"},
		{Name: "model", Type: recipe.Text, Help: "path, or URL#sha256=HEX, of another fastText model, .bin or .ftz, for fasttext and cascade"},
		{Name: "sample_bytes", Type: recipe.Integer, Default: int64(langid.DefaultSample), Min: langid.MinSample, Max: langid.MaxSample, Help: "bytes of letters that lingua is asked about"},
	},
	Check: func(v *recipe.Values) error {
		if path := v.Text("model"); path != "" { // which is read when the step is built, with what the names mean in it
			if err := checkLangidModel(path); err != nil {
				return v.Errorf("model", "%v", err)
			}
			return nil
		}
		_, err := langidConfig(v, recipe.Setting{}, nil).Resolve()
		return err
	},
	Reserve: func(v *recipe.Values, _ int) int64 {
		var model int64
		if name := v.Text("model"); download.IsURL(name) {
			model = modelOfTheNet
		} else if st, err := os.Stat(name); err == nil {
			if model = st.Size(); strings.HasSuffix(st.Name(), ".ftz") {
				model *= 8 // its numbers are codes, and are unpacked
			}
		}
		cfg, err := langidConfig(v, recipe.Setting{}, nil).Resolve()
		if err != nil { // Check has said so, or the names are those of another model
			return model
		}
		return model + cfg.Memory()
	},
	Build: func(ctx context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		model, err := openLangidModel(ctx, v.Text("model"), nil)
		if err != nil {
			return nil, v.Errorf("model", "%v", err)
		}
		cfg, err := langidConfig(v, s, model).Resolve()
		if err != nil {
			return nil, v.Errorf("", "%v", err)
		}
		st, err := langid.New(cfg)
		if err != nil {
			return nil, v.Errorf("", "%v", err)
		}
		if cfg.Lingua() {
			debug.SetGCPercent(langid.GCPercent)
		}
		return []stage.Stage{st}, nil
	},
	Stays: true, // models stay for good
	Chunk: langidChunk,
	Speed: 8,
}

// modelOfTheNet is the memory for a model that may not be here yet: lid.176.bin, the largest that is usual, has 126 MB.
const modelOfTheNet = 128 << 20

func langidConfig(v *recipe.Values, s recipe.Setting, model *langid.Model) langid.Config {
	return langid.Config{
		Keep: v.Texts("keep"), Languages: v.Texts("languages"), Engine: v.Text("engine"), SampleBytes: int(v.Integer("sample_bytes")),
		MinScore: v.Number("min_score"), Model: model, Unit: v.Text("unit"), MinShare: v.Number("min_share"), Cut: v.Boolean("cut"),
		TextField: s.TextField.String(), Verdicts: true,
	}
}
