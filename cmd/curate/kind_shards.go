package main

import (
	"context"
	"math"
	"slices"
	"strings"

	"curate/pipeline/recipe"
	"curate/shards"
	"curate/stage"
)

var shardsKind = recipe.Kind{
	Name:    "shards",
	Summary: "tokenizes the documents, shuffles them, and writes them as training shards",
	Keys: slices.Concat(tokenizeKeys, []recipe.Key{
		{Name: "format", Type: recipe.Text, Default: shards.Formats()[0], Choices: shards.Formats(), Help: "how shards are laid out"},
		{Name: "schedule", Type: recipe.Objects, Keys: []recipe.Key{
			{Name: "length", Type: recipe.Integer, Required: true, Min: 2, Max: math.MaxInt32, Help: "tokens of a row: what the trainer takes at a time"},
			{Name: "tokens", Type: recipe.Share, Default: 1.0, Help: "share of all tokens in rows of this length"},
		}, Help: "lengths, one in this version; default 2048"},
		{Name: "pack", Type: recipe.Boolean, Default: false, Help: "pack documents into rows of that length"},
		{Name: "seed", Type: recipe.Integer, Default: int64(1), Min: 0, Max: math.MaxInt64, Help: "that the shuffle follows"},
		{Name: "eod", Type: recipe.Text, Help: "token that ends each document, as it is written; default the tokenizer's own"},
		{Name: "no_eod", Type: recipe.Boolean, Default: false, Help: "end documents with nothing"},
		{Name: "shard_size", Type: recipe.Text, Default: "1Gi", Help: "tokens of a shard at most, such as 500M"},
	}),
	Result:     true,
	Reserve:    reserveTokenizer,
	RecordCost: tokenizeRecordCost,
	Check: func(v *recipe.Values) error {
		if v.Given("eod") && v.Boolean("no_eod") {
			return v.Errorf("no_eod", "eod and no_eod: leave one of them out")
		}
		cfg, err := shardsConfig(v)
		if err != nil {
			return err
		}
		cfg.Vocabulary = shards.Vocabulary{Size: 1, EOD: shards.NoEOD} // the tokenizer may not be there yet
		if _, err := shards.New(cfg); err != nil {
			return v.Errorf("schedule", "%s", strings.TrimPrefix(err.Error(), "shards: "))
		}
		return nil
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		t, st, err := tokenizeStage(v, s, false)
		if err != nil {
			return nil, err
		}
		cfg, err := shardsConfig(v)
		if err != nil {
			return nil, err
		}
		if cfg.Vocabulary, err = shardsVocabulary(t, v.Text("eod"), v.Boolean("no_eod"), "eod", "no_eod"); err != nil {
			return nil, v.Errorf("tokenizer", "%v", err)
		}
		b, err := shards.New(cfg)
		if err != nil {
			return nil, v.Errorf("schedule", "%s", strings.TrimPrefix(err.Error(), "shards: "))
		}
		return []stage.Stage{st, b}, nil
	},
	Speed: 40, Factor: 1,
}

// shardsConfig is what the recipe says, without the vocabulary.
func shardsConfig(v *recipe.Values) (shards.Config, error) {
	cfg := shards.Config{Format: v.Text("format"), Pack: v.Boolean("pack"), Seed: uint64(v.Integer("seed"))}
	for _, l := range v.Objects("schedule") {
		cfg.Schedule = append(cfg.Schedule, shards.Length{Length: int(l.Integer("length")), Share: l.Number("tokens")})
	}
	var err error
	if cfg.ShardSize, err = parseTokens("shard_size", v.Text("shard_size")); err != nil {
		return cfg, v.Errorf("shard_size", "%v", err)
	}
	return cfg, nil
}
