package main

import (
	"context"
	"fmt"

	"curate/pipeline/recipe"
	"curate/stage"
	"curate/tokenize/eval"
)

var tokenizerEvalKind = recipe.Kind{
	Name:    "tokenizer_eval",
	Summary: "measures how well tokenizers fit the texts: bytes a token, tokens a word, words that are cut",
	Keys: []recipe.Key{
		{Name: "tokenizer", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or its path"},
		{Name: "against", Type: recipe.Texts, Help: "other tokenizers to measure on the same texts: [NAME=]PATH each"},
		{Name: "by", Type: recipe.Text, Default: "", Help: "dotted field whose value is the group, such as the language"},
	},
	Result: true,
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		t, err := openTokenizer("tokenizer", v.Path("tokenizer"))
		if err != nil {
			return nil, v.Errorf("tokenizer", "%v", err)
		}
		others, err := openNamed("against", v.Texts("against"))
		if err != nil {
			return nil, v.Errorf("against", "%v", err)
		}
		st, err := eval.New(eval.Config{
			Tokenizers: append([]eval.Named{{Name: tokenizerName(v.Text("tokenizer")), Tokenizer: t}}, others...),
			TextField:  s.TextField.String(), By: v.Text("by"), EncoderMemory: recipeEncoderMemory,
		})
		if err != nil {
			return nil, fmt.Errorf("tokenizer_eval: %w", err)
		}
		return []stage.Stage{st}, nil
	},
	Reserve: func(v *recipe.Values, workers int) int64 {
		n := int64(1 + len(v.Texts("against")))
		return n * (128<<20 + int64(workers)*recipeEncoderMemory)
	},
	RecordCost: evalRecordCost,
	Speed:      10,
}
