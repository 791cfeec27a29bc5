package main

import (
	"context"
	"math"
	"slices"
	"strings"

	"curate/pipeline/recipe"
	"curate/shards"
	"curate/shards/format"
	"curate/shards/mix"
	"curate/shards/pack"
	"curate/stage"
	"curate/tokenize/chat"
)

var shardsKind = recipe.Kind{
	Name:    "shards",
	Summary: "tokenizes documents, chats and preference pairs, mixes and shuffles them, and writes them as training shards",
	Keys: slices.Concat(tokenizeKeys, []recipe.Key{
		{Name: "format", Type: recipe.Text, Default: shards.DefaultFormat, Choices: format.Names(), Help: "how shards are laid out"},
		{Name: "schedule", Type: recipe.Objects, Keys: []recipe.Key{
			{Name: "length", Type: recipe.Integer, Required: true, Min: 2, Max: math.MaxInt32, Help: "tokens of a row: what the trainer takes at a time"},
			{Name: "tokens", Type: recipe.Share, Help: "share of all tokens in rows of this length; one length may take what is left"},
		}, Help: "lengths in the order of training, a shard set each, no document in two; default 2048"},
		{Name: "tokens_per_step", Type: recipe.Text, Help: "tokens that the trainer takes a step at every length, such as 512Ki"},
		{Name: "pack", Type: recipe.Text, Default: "false", Choices: append([]string{"true", "false"}, pack.Names()...), Help: "pack documents into rows of that length; true is best-fit"},
		{Name: "pad", Type: recipe.Text, Help: "token that fills up packed rows; formats that are read by counting tokens are padded in any case, by default with the end-of-document token"},
		{Name: "seed", Type: recipe.Integer, Default: int64(1), Min: 0, Max: math.MaxInt64, Help: "that the shuffle follows"},
		{Name: "eod", Type: recipe.Text, Help: "token that ends each document, as it is written; default the tokenizer's own"},
		{Name: "no_eod", Type: recipe.Boolean, Default: false, Help: "end documents with nothing"},
		{Name: "shard_size", Type: recipe.Text, Default: "1Gi", Help: "tokens of a shard at most, such as 500M"},
		{Name: "shard_name", Type: recipe.Text, Help: "of shards, before their number; default shard, or what the format's reader looks for"},
		{Name: "by", Type: recipe.Text, Help: "field that says which source a record is of; without it a source is a step or a path that the step reads from"},
		{Name: "mix", Type: recipe.Objects, Keys: []recipe.Key{
			{Name: "source", Type: recipe.Text, Required: true, Help: "name of the step or path, or value of the field `by`; * is every other source"},
			{Name: "epochs", Type: recipe.Number, Min: 0, Max: mix.MaxRepeats, Help: "how often each document is used"},
			{Name: "tokens", Type: recipe.Text, Help: "tokens that the source gives, such as 500M"},
			{Name: "share", Type: recipe.Share, Help: "share of all tokens"},
			{Name: "max_epochs", Type: recipe.Number, Min: 0, Max: mix.MaxRepeats, Help: "cap on epochs"},
			{Name: "max_tokens", Type: recipe.Text, Help: "cap on tokens"},
		}, Help: "how often the documents of each source are used; each once if left out"},
		{Name: "mix_tokens", Type: recipe.Text, Help: "tokens of the whole mixture"},
	}, chatKeys),
	Result:     true,
	Reserve:    reserveChats,
	RecordCost: chatRecordCost,
	Check: func(v *recipe.Values) error {
		s, err := kindSharding(v)
		if err != nil {
			return err
		}
		if _, err := s.config(keyName); err != nil {
			return atSetting(v, err)
		}
		chats := kindChats(v)
		return atSetting(v, chats.read(&chat.Config{}, keyName))
	},
	CheckInputs: func(v *recipe.Values, inputs []string) error {
		s, err := kindSharding(v)
		if err != nil {
			return err
		}
		var list []shards.FileSource
		for _, name := range inputs {
			list = append(list, shards.FileSource{Name: name})
		}
		return atSetting(v, s.sourcesAreThere(list, keyName))
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		t, st, err := kindChatStage(v, s, false)
		if err != nil {
			return nil, err
		}
		sharding, err := kindSharding(v)
		if err != nil {
			return nil, err
		}
		cfg, err := sharding.config(keyName)
		if err == nil {
			err = sharding.vocabulary(&cfg, t, keyName)
		}
		if err != nil {
			return nil, atSetting(v, err)
		}
		if sharding.by == "" {
			for _, in := range s.Inputs {
				cfg.Sources = append(cfg.Sources, shards.FileSource{Name: in.Name, Files: in.Files})
			}
		}
		b, err := shards.New(cfg)
		if err != nil {
			return nil, v.Errorf("schedule", "%s", strings.TrimPrefix(err.Error(), "shards: "))
		}
		return []stage.Stage{st, b}, nil
	},
	Speed: 40, Factor: 1,
}

// kindSharding reads a recipe's keys.
func kindSharding(v *recipe.Values) (*shardsSettings, error) {
	s := &shardsSettings{
		format: v.Text("format"), tokensPerStep: v.Text("tokens_per_step"), pack: v.Text("pack"), pad: v.Text("pad"), seed: uint64(v.Integer("seed")),
		eod: v.Text("eod"), noEOD: v.Boolean("no_eod"), shardSize: v.Text("shard_size"), name: v.Text("shard_name"), by: v.Text("by"),
	}
	for _, l := range v.Objects("schedule") {
		s.schedule = append(s.schedule, shards.Length{Length: int(l.Integer("length")), Share: l.Number("tokens")})
	}
	for _, m := range v.Objects("mix") {
		src := mix.Source{Name: m.Text("source"), Epochs: m.Number("epochs"), Share: m.Number("share"), MaxEpochs: m.Number("max_epochs")}
		for key, to := range map[string]*int64{"tokens": &src.Tokens, "max_tokens": &src.MaxTokens} {
			if !m.Given(key) {
				continue
			}
			var err error
			if *to, err = parseTokens(key, m.Text(key)); err != nil {
				return nil, m.Errorf(key, "%v", err)
			}
		}
		s.mix.Sources = append(s.mix.Sources, src)
	}
	if v.Given("mix_tokens") {
		var err error
		if s.mix.Tokens, err = parseTokens("mix_tokens", v.Text("mix_tokens")); err != nil {
			return nil, v.Errorf("mix_tokens", "%v", err)
		}
	}
	return s, nil
}
