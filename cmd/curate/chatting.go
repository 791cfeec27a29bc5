package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/pflag"

	"curate/tokenize/chat"
)

// chatSettings are how chats become tokens, as typed: by flags, or by a recipe's keys.
type chatSettings struct {
	template  string
	trainOn   string
	args      []string
	date      string
	maxLength int
	truncate  string
	render    bool
}

func (c *chatSettings) register(fs *pflag.FlagSet) {
	fs.StringVar(&c.template, "chat-template", "", "`NAME|FILE` of the template of chats: "+strings.Join(chat.Builtins(), ", ")+", one of the model's own by its name, or a file; default the model's own, from beside its tokenizer")
	fs.StringVar(&c.trainOn, "train-on", "", "`WHAT` of a chat is learnt: assistant (default), completion (default where a row has a prompt and a completion), last (the assistant's last turn) or all")
	fs.StringArrayVar(&c.args, "template-arg", nil, "`NAME=VALUE` of a variable of templates, again for each; VALUE is JSON, or else a string")
	fs.StringVar(&c.date, "date", "", "`YYYY-MM-DD` that templates take for today; without it a template that asks is an error, since the output must not depend on when")
	fs.IntVar(&c.maxLength, "max-length", 0, "`N` tokens that a row, or prompt and answer of a pair, may have; 0 is any number")
	fs.StringVar(&c.truncate, "truncate", "none", "`POLICY` for longer rows: none (they stay, counted), drop, end, start, or turns (the oldest turns go, whole)")
	fs.BoolVar(&c.render, "render", false, "write the rendered text and the spans that are learnt, in characters, under curate.tokenize, and no tokens")
}

// setting is a chatSettings' field as messages call it.
type setting func(name string) string

// flagName calls a setting as the command line does.
func flagName(name string) string { return "--" + strings.ReplaceAll(name, "_", "-") }

// apply fills cfg in. tokenizer is the path beside which the model's own templates lie. Errors name the setting.
func (c *chatSettings) apply(cfg *chat.Config, tokenizer string, name setting) error {
	var err error
	if c.trainOn != "" {
		if cfg.TrainOn, err = chat.ParseTrainOn(c.trainOn); err != nil {
			return fmt.Errorf("%s: %w", name("train_on"), err)
		}
	}
	if cfg.Truncate, err = chat.ParsePolicy(c.truncate); err != nil {
		return fmt.Errorf("%s: %w", name("truncate"), err)
	}
	if c.maxLength < 0 {
		return fmt.Errorf("%s %d: at least 1, or 0 for any number", name("max_length"), c.maxLength)
	}
	if cfg.MaxLength = c.maxLength; cfg.MaxLength == 0 && cfg.Truncate != chat.None {
		return fmt.Errorf("%s %s: say also %s, how many tokens a row may have", name("truncate"), c.truncate, name("max_length"))
	}
	cfg.Render = c.render
	if c.date != "" {
		if cfg.Date, err = time.Parse(time.DateOnly, c.date); err != nil {
			return fmt.Errorf("%s %s: a day is written as 2024-07-26", name("date"), c.date)
		}
	}
	for _, a := range c.args {
		n, v, ok := strings.Cut(a, "=")
		if !ok || n == "" {
			return fmt.Errorf("%s %s: NAME=VALUE, such as enable_thinking=false", name("template_arg"), a)
		}
		value := jsontext.Value(v)
		if !value.IsValid() {
			if value, err = jsontext.AppendQuote(nil, v); err != nil {
				return fmt.Errorf("%s %s: the value is not UTF-8", name("template_arg"), strconv.Quote(a))
			}
		}
		cfg.Args = append(cfg.Args, chat.Arg{Name: n, Value: value})
	}
	if cfg.Templates, err = chat.Open(tokenizer); err != nil {
		return fmt.Errorf("%s: %w; name another template with %s", name("tokenizer"), err, name("chat_template"))
	}
	if c.template == "" {
		return nil
	}
	if cfg.Templates, err = cfg.Templates.Choose(c.template); err != nil {
		return fmt.Errorf("%s: %w", name("chat_template"), err)
	}
	return nil
}
