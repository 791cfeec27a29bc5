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
	Summary: "trains a vocabulary on the texts, or extends a tokenizer by it, and writes it as tokenizer.json",
	Keys: []recipe.Key{
		{Name: "train", Type: recipe.Text, Default: "bpe", Choices: []string{"bpe"}, Help: "the model: byte-level BPE"},
		{Name: "extend", Type: recipe.StepOrPath, Help: "the tokenizer to extend in place of training one: the step that made it, or the path of a tokenizer.json or of a folder that holds one"},
		{Name: "vocab_size", Type: recipe.Integer, Min: 1, Max: math.MaxInt32, Help: "entries in all, with special tokens and the 256 bytes; to train one, it must be given"},
		{Name: "add", Type: recipe.Integer, Min: 1, Max: math.MaxInt32, Help: "new tokens; to extend one, it must be given"},
		{Name: "pre_tokenizer", Type: recipe.Text, Default: train.DefaultPreTokenizer, Help: "the regex that cuts text into pieces: gpt2, llama3, o200k, qwen2; or the path of a tokenizer.json that has one"},
		{Name: "min_frequency", Type: recipe.Integer, Default: int64(train.DefaultMinFrequency), Min: 0, Max: math.MaxInt32, Help: "times that a pair must occur to be merged"},
		{Name: "max_token_length", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt32, Help: "bytes that no merged token exceeds; 0 is any length"},
		{Name: "special", Type: recipe.Texts, Default: []string{train.DefaultSpecial}, Help: "special tokens, which have the first ids"},
		{Name: "ties", Type: recipe.Text, Default: train.DefaultTies, Choices: train.Ties(), Help: "the rule for pairs that occur equally often"},
		{Name: "alphabet", Type: recipe.Text, Default: alphabets[0], Choices: alphabets, Help: "the bytes that are tokens: all, or those seen in the text"},
		{Name: "limit_alphabet", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 256, Help: "bytes that are tokens at most, with alphabet: seen; 0 is no limit"},
		{Name: "weights", Type: recipe.Texts, Help: "FIELD=VALUE:W, such as meta.lang=eu:3: documents whose field has the value count W times"},
		{Name: "weight_others", Type: recipe.Text, Help: "times that documents of no weight count, or error to quarantine them; default 1"},
		{Name: "max_words", Type: recipe.Integer, Default: int64(train.DefaultMaxWords), Min: 1, Max: math.MaxInt32, Help: "distinct pieces that are trained on at most, the most frequent ones"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		if !v.Given("extend") {
			switch {
			case !v.Given("vocab_size"):
				return v.Errorf("vocab_size", `tokenizer needs "vocab_size", or "extend" with "add"`)
			case v.Given("add"):
				return v.Errorf("add", `"add" stands without "extend"`)
			}
			_, err := trainStage(v, recipe.Setting{})
			return err
		}
		if !v.Given("add") {
			return v.Errorf("extend", `"extend" needs "add": how many tokens shall be new`)
		}
		for _, name := range []string{"train", "vocab_size", "pre_tokenizer", "special", "ties", "alphabet", "limit_alphabet"} {
			if v.Given(name) {
				return v.Errorf(name, "%q is for training; the tokenizer that is extended says it", name)
			}
		}
		_, err := kindCounting(v)
		return err
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		build := trainStage
		if v.Given("extend") {
			build = extendStage
		}
		st, err := build(v, s)
		if err != nil {
			return nil, err
		}
		return []stage.Stage{st}, nil
	},
	// A tokenizer that is extended may not be there yet; Llama 3's takes 90 MB.
	Reserve: func(v *recipe.Values, _ int) int64 {
		if v.Given("extend") {
			return 128 << 20
		}
		return 0
	},
	Speed: 30, Factor: 0.5,
}

func kindCounting(v *recipe.Values) (train.Counting, error) {
	c, err := countingOf(v.Texts("weights"), v.Text("weight_others"), int(v.Integer("max_words")))
	if err != nil {
		return c, v.Errorf("weights", "%v", err)
	}
	return c, nil
}

func trainStage(v *recipe.Values, s recipe.Setting) (stage.Stage, error) {
	c, err := kindCounting(v)
	if err != nil {
		return nil, err
	}
	c.TextField = s.TextField.String()
	pre, err := openPreTokenizer(v.Text("pre_tokenizer"))
	if err != nil {
		return nil, v.Errorf("pre_tokenizer", "%v", err)
	}
	seen, err := seenBytes(v.Text("alphabet"))
	if err != nil {
		return nil, v.Errorf("alphabet", "%v", err)
	}
	st, err := train.New(train.Settings{
		Counting: c, PreTokenizer: pre,
		Config: train.Config{
			VocabSize: int(v.Integer("vocab_size")), MinFrequency: uint64(v.Integer("min_frequency")),
			MaxTokenLength: int(v.Integer("max_token_length")), Special: v.Texts("special"),
			Ties: v.Text("ties"), SeenBytes: seen, LimitAlphabet: int(v.Integer("limit_alphabet")),
		},
		Report: func(r train.Report) { sayTrained(s.Log, &r) },
	})
	if err != nil {
		return nil, v.Errorf("vocab_size", "%v", err)
	}
	return st, nil
}

func extendStage(v *recipe.Values, s recipe.Setting) (stage.Stage, error) {
	c, err := kindCounting(v)
	if err != nil {
		return nil, err
	}
	c.TextField = s.TextField.String()
	base, beside, err := openBase("extend", v.Path("extend"))
	if err != nil {
		return nil, v.Errorf("extend", "%v", err)
	}
	st, err := train.NewExtender(train.ExtendSettings{
		Counting: c, Base: base, Beside: beside,
		ExtendConfig: train.ExtendConfig{Add: int(v.Integer("add")), MinFrequency: uint64(v.Integer("min_frequency")), MaxTokenLength: int(v.Integer("max_token_length"))},
		Report:       func(r train.ExtendReport) { sayExtended(s.Log, &r) },
	})
	if err != nil {
		return nil, v.Errorf("add", "%v", err)
	}
	return st, nil
}
