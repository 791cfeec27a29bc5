package main

import (
	"context"

	"curate/pipeline/recipe"
	"curate/shards"
	"curate/stage"
)

var sampleKind = recipe.Kind{
	Name:    "sample",
	Summary: "keeps a random sample of the documents, of so many tokens, bytes or documents, or a share",
	Keys: []recipe.Key{
		{Name: "tokens", Type: recipe.Text, Help: "how many tokens, such as 500M; with a tokenizer, or behind tokenize in the same step"},
		{Name: "tokenizer", Type: recipe.StepOrPath, Help: "that counts tokens: the step that trained it, or the path of a tokenizer.json or of a folder that holds one"},
		{Name: "bytes", Type: recipe.Text, Help: "how many bytes of text, such as 64MiB"},
		{Name: "documents", Type: recipe.Integer, Min: 1, Max: 1 << 53, Help: "how many documents"},
		{Name: "share", Type: recipe.Share, Help: "of the documents"},
		{Name: "by", Type: recipe.Text, Help: "dotted path of the field whose value is the group; the report tells how much of each there is"},
		{Name: "per_group", Type: recipe.Boolean, Default: false, Help: "a sample of each group, with the same budget"},
		{Name: "seed", Type: recipe.Integer, Default: int64(1), Min: 0, Max: 1 << 53, Help: "that the choice follows"},
	},
	Check: func(v *recipe.Values) error {
		cfg, err := kindSample(v)
		if err != nil {
			return err
		}
		if cfg.Tokens == 0 && v.Given("tokenizer") {
			return v.Errorf("tokenizer", "tokenizer is of use only with tokens; leave it out")
		}
		return nil
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		cfg, err := kindSample(v)
		if err != nil {
			return nil, err
		}
		cfg.TextField, cfg.Verdicts = s.TextField, true
		if v.Given("tokenizer") {
			t, err := openTokenizer("tokenizer", v.Path("tokenizer"))
			if err != nil {
				return nil, v.Errorf("tokenizer", "%v", err)
			}
			if cfg.Count, err = sampleCounter(t, v.Path("tokenizer"), s.TextField, recipeEncoderMemory, keyName); err != nil {
				return nil, v.Errorf("tokenizer", "%v", err)
			}
			for _, ignored := range t.Info().Ignored {
				s.Log.Info("the tokenizer's " + ignored)
			}
		}
		st, err := shards.NewSampler(cfg)
		if err != nil {
			return nil, v.Errorf("", "%v", err)
		}
		return []stage.Stage{st}, nil
	},
	Reserve: func(v *recipe.Values, workers int) int64 {
		if !v.Given("tokenizer") {
			return 0
		}
		return reserveTokenizer(v, workers)
	},
	RecordCost: chatRecordCost, // of a record whose tokens are counted
	Speed:      20,
}

// kindSample is what the recipe says, without the tokenizer.
func kindSample(v *recipe.Values) (shards.SampleConfig, error) {
	c := sampleSettings{
		tokens: v.Text("tokens"), bytes: v.Text("bytes"), documents: v.Integer("documents"), share: v.Number("share"),
		by: v.Text("by"), perGroup: v.Boolean("per_group"), seed: uint64(v.Integer("seed")),
	}
	cfg, err := c.config(keyName)
	return cfg, atSetting(v, err)
}
