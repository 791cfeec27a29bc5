package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"curate/pipeline/recipe"
	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/chat"
)

// tokenizeKeys are shared by the kinds that tokenize.
var tokenizeKeys = []recipe.Key{
	{Name: "tokenizer", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or the path of a tokenizer.json or of a folder that holds one"},
	{Name: "add_special_tokens", Type: recipe.Boolean, Default: false, Help: "put around each text what the tokenizer's post-processor says"},
	{Name: "specials_as_text", Type: recipe.Boolean, Default: false, Help: "take special tokens that stand in the text for ordinary characters"},
}

// chatKeys are how chats become tokens.
var chatKeys = []recipe.Key{
	{Name: "chat_template", Type: recipe.Text, Help: "of chats: " + strings.Join(chat.Builtins(), ", ") + ", one of the model's own by its name, or a file; if left out the model's own, from beside its tokenizer"},
	{Name: "train_on", Type: recipe.Text, Choices: []string{"all", "assistant", "completion", "last"}, Help: "what of a chat is learnt; if left out the completion of a row that has one, else the assistant's turns"},
	{Name: "template_arg", Type: recipe.Texts, Help: "NAME=VALUE of variables of templates; VALUE is JSON, or else a string"},
	{Name: "date", Type: recipe.Text, Help: "YYYY-MM-DD that templates take for today"},
	{Name: "max_length", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 1 << 30, Help: "tokens that a row, or prompt and answer of a pair, may have; 0 is any number"},
	{Name: "truncate", Type: recipe.Text, Default: "none", Choices: []string{"drop", "end", "none", "start", "turns"}, Help: "what becomes of longer rows"},
}

var tokenizeKind = recipe.Kind{
	Name:    "tokenize",
	Summary: "writes the token ids of each document, chat or preference pair into it",
	Keys:    slices.Concat(tokenizeKeys, chatKeys),
	Check: func(v *recipe.Values) error {
		chats := kindChats(v)
		return atSetting(v, chats.read(&chat.Config{}, keyName))
	},
	Build: func(_ context.Context, v *recipe.Values, s recipe.Setting) ([]stage.Stage, error) {
		_, st, err := kindChatStage(v, s, true)
		if err != nil {
			return nil, err
		}
		return []stage.Stage{st}, nil
	},
	Reserve:    reserveChats,
	RecordCost: chatRecordCost,
	Speed:      20,
}

func kindChats(v *recipe.Values) chatSettings {
	return chatSettings{
		template: v.Text("chat_template"), trainOn: v.Text("train_on"), args: v.Texts("template_arg"), date: v.Text("date"),
		maxLength: int(v.Integer("max_length")), truncate: v.Text("truncate"),
	}
}

// kindChatStage opens the tokenizer and makes its stage. With json the tokens are written into the records.
func kindChatStage(v *recipe.Values, s recipe.Setting, json bool) (*tokenize.Tokenizer, stage.Stage, error) {
	t, err := openTokenizer("tokenizer", v.Path("tokenizer"))
	if err != nil {
		return nil, nil, v.Errorf("tokenizer", "%v", err)
	}
	cfg := chat.Config{
		Tokenizer: t, TextField: s.TextField, JSON: json,
		Options: tokenize.Options{AddSpecialTokens: v.Boolean("add_special_tokens"), SpecialsAsText: v.Boolean("specials_as_text"), Memory: recipeEncoderMemory},
	}
	chats := kindChats(v)
	if err := chats.apply(&cfg, v.Path("tokenizer"), keyName); err != nil {
		return nil, nil, atSetting(v, err)
	}
	st, err := chat.New(cfg)
	if err != nil {
		return nil, nil, v.Errorf("tokenizer", "%v", err)
	}
	for _, ignored := range t.Info().Ignored {
		s.Log.Info("the tokenizer's " + ignored)
	}
	return t, st, nil
}

// keyName calls a setting as recipes do.
func keyName(name string) string { return name }

// atSetting gives a settingError the place of its key.
func atSetting(v *recipe.Values, err error) error {
	var s *settingError
	if errors.As(err, &s) {
		return v.Errorf(s.setting, "%v", err)
	}
	return err
}

// recipeEncoderMemory is what each encoder of a recipe's step may remember: a step's memory is settled before it is
// known how many of them there are.
const recipeEncoderMemory = 32 << 20

// reserveTokenizer is room for any tokenizer of today, whose file may not be there yet: GPT-4o's, with 200,000 entries,
// takes 100 MB; and for what the workers remember.
func reserveTokenizer(_ *recipe.Values, workers int) int64 {
	return 128<<20 + int64(workers)*recipeEncoderMemory
}

// reserveChats is room for a tokenizer that encodes chats, too.
func reserveChats(v *recipe.Values, workers int) int64 {
	n := reserveTokenizer(v, workers)
	if v.Boolean("add_special_tokens") && !v.Boolean("specials_as_text") { // chats have encoders of their own
		n += int64(workers) * recipeEncoderMemory
	}
	return n
}
