package main

import (
	"context"

	"curate/pipeline/recipe"
	"curate/stage"
	"curate/tokenize"
)

// tokenizeKeys are shared by the kinds that tokenize.
var tokenizeKeys = []recipe.Key{
	{Name: "tokenizer", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or the path of a tokenizer.json or of a folder that holds one"},
	{Name: "add_special_tokens", Type: recipe.Boolean, Default: false, Help: "put around each text what the tokenizer's post-processor says"},
	{Name: "specials_as_text", Type: recipe.Boolean, Default: false, Help: "take special tokens that stand in the text for ordinary characters"},
}

var tokenizeKind = recipe.Kind{
	Name:    "tokenize",
	Summary: "writes the token ids of each document into it, as input_ids",
	Keys:    tokenizeKeys,
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		_, st, err := tokenizeStage(v, s, true)
		if err != nil {
			return nil, err
		}
		return []stage.Stage{st}, nil
	},
	Reserve:    reserveTokenizer,
	RecordCost: tokenizeRecordCost,
	Speed:      20,
}

// reserveTokenizer is room for any tokenizer of today, whose file may not be there yet: GPT-4o's, with 200,000 entries,
// takes 100 MB; and for what the workers remember.
func reserveTokenizer(_ *recipe.Values, workers int) int64 {
	return 128<<20 + int64(workers)*tokenize.EncoderMemory
}

// tokenizeStage opens the tokenizer and makes its stage. With json the ids are written into the records.
func tokenizeStage(v *recipe.Values, s recipe.Setting, json bool) (*tokenize.Tokenizer, stage.Stage, error) {
	t, err := openTokenizer("tokenizer", v.Path("tokenizer"))
	if err != nil {
		return nil, nil, v.Errorf("tokenizer", "%v", err)
	}
	st, err := tokenize.New(tokenize.Config{
		Tokenizer: t, TextField: s.TextField, JSON: json,
		Options: tokenize.Options{AddSpecialTokens: v.Boolean("add_special_tokens"), SpecialsAsText: v.Boolean("specials_as_text")},
	})
	if err != nil {
		return nil, nil, v.Errorf("tokenizer", "%v", err)
	}
	for _, ignored := range t.Info().Ignored {
		s.Log.Info("the tokenizer's " + ignored)
	}
	return t, st, nil
}
