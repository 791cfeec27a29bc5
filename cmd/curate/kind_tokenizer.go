package main

import (
	"context"
	"math"

	"curate/pipeline/recipe"
	"curate/stage"
	"curate/tokenize/train"
)

var tokenizerKind = recipe.Kind{
	Name:    "tokenizer",
	Summary: "trains a vocabulary on the texts and writes it as tokenizer.json",
	Keys: []recipe.Key{
		{Name: "train", Type: recipe.Text, Default: "bpe", Choices: []string{"bpe"}, Help: "the model: byte-level BPE"},
		{Name: "vocab_size", Type: recipe.Integer, Required: true, Min: 257, Max: math.MaxInt32, Help: "entries in all, with special tokens and the 256 bytes"},
		{Name: "pre_tokenizer", Type: recipe.Text, Default: train.DefaultPreTokenizer, Choices: train.PreTokenizers(), Help: "the regex that cuts text into pieces"},
		{Name: "min_frequency", Type: recipe.Integer, Default: int64(train.DefaultMinFrequency), Min: 0, Max: math.MaxInt32, Help: "times that a pair must occur to be merged"},
		{Name: "max_token_length", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt32, Help: "bytes that no merged token exceeds; 0 is any length"},
		{Name: "special", Type: recipe.Texts, Default: []string{train.DefaultSpecial}, Help: "special tokens, which have the first ids"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		_, err := train.New(trainSettings(v, recipe.Setting{}))
		return err
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		tr := trainSettings(v, s)
		tr.Report = func(r train.Report) { sayTrained(s.Log, &r) }
		st, err := train.New(tr)
		if err != nil {
			return nil, v.Errorf("train", "%v", err)
		}
		return []stage.Stage{st}, nil
	},
	Speed: 30, Factor: 0.5,
}

func trainSettings(v *recipe.Values, s recipe.Setting) train.Settings {
	return train.Settings{
		TextField: s.TextField.String(), PreTokenizer: v.Text("pre_tokenizer"),
		Config: train.Config{
			VocabSize: int(v.Integer("vocab_size")), MinFrequency: uint64(v.Integer("min_frequency")),
			MaxTokenLength: int(v.Integer("max_token_length")), Special: v.Texts("special"),
		},
	}
}
