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
	c.registerTemplate(fs)
	fs.StringVar(&c.trainOn, "train-on", "", "`WHAT` of a chat is learnt: assistant (default), completion (default where a row has a prompt and a completion), last (the assistant's last turn) or all")
	c.registerVariables(fs)
	fs.IntVar(&c.maxLength, "max-length", 0, "`N` tokens that a row, or prompt and answer of a pair, may have; 0 is any number")
	fs.StringVar(&c.truncate, "truncate", "none", "`POLICY` for longer rows: none (they stay, counted), drop, end, start, or turns (the oldest turns go, whole)")
	fs.BoolVar(&c.render, "render", false, "write the rendered text and the spans that are learnt, in characters, under curate.tokenize, and no tokens")
}

// registerTemplate is for the template alone.
func (c *chatSettings) registerTemplate(fs *pflag.FlagSet) {
	fs.StringVar(&c.template, "chat-template", "", "`NAME|FILE` of the template of chats: "+strings.Join(chat.Builtins(), ", ")+", one of the model's own by its name, or a file; default the model's own, from beside its tokenizer")
}

// registerVariables is for what templates see beside a chat.
func (c *chatSettings) registerVariables(fs *pflag.FlagSet) {
	fs.StringArrayVar(&c.args, "template-arg", nil, "`NAME=VALUE` of a variable of templates, again for each; VALUE is JSON, or else a string")
	fs.StringVar(&c.date, "date", "", "`YYYY-MM-DD` that templates take for today; without it a template that asks is an error, since the output must not depend on when")
}

// setting is a chatSettings' field as messages call it.
type setting func(name string) string

// flagName calls a setting as the command line does.
func flagName(name string) string { return "--" + strings.ReplaceAll(name, "_", "-") }

// settingError is about one of the settings.
type settingError struct {
	setting string
	problem string
}

func (e *settingError) Error() string { return e.problem }

func (s setting) errorf(name, format string, args ...any) error {
	return &settingError{name, fmt.Sprintf("%s"+format, append([]any{s(name)}, args...)...)}
}

// read fills in what needs no file. Errors are settingErrors.
func (c *chatSettings) read(cfg *chat.Config, name setting) error {
	var err error
	if c.trainOn != "" {
		if cfg.TrainOn, err = chat.ParseTrainOn(c.trainOn); err != nil {
			return name.errorf("train_on", ": %v", err)
		}
	}
	if cfg.Truncate, err = chat.ParsePolicy(c.truncate); err != nil {
		return name.errorf("truncate", ": %v", err)
	}
	if c.maxLength < 0 {
		return name.errorf("max_length", " %d: at least 1, or 0 for any number", c.maxLength)
	}
	if cfg.MaxLength = c.maxLength; cfg.MaxLength == 0 && cfg.Truncate != chat.None {
		return name.errorf("truncate", " %s: say also %s, how many tokens a row may have", c.truncate, name("max_length"))
	}
	cfg.Render = c.render
	if c.date != "" {
		if cfg.Date, err = time.Parse(time.DateOnly, c.date); err != nil {
			return name.errorf("date", " %s: a day is written as 2024-07-26", c.date)
		}
	}
	for _, a := range c.args {
		n, v, ok := strings.Cut(a, "=")
		if !ok || n == "" {
			return name.errorf("template_arg", " %s: NAME=VALUE, such as enable_thinking=false", a)
		}
		value := jsontext.Value(v)
		if !value.IsValid() {
			if value, err = jsontext.AppendQuote(nil, v); err != nil {
				return name.errorf("template_arg", " %s: the value is not UTF-8", strconv.Quote(a))
			}
		}
		cfg.Args = append(cfg.Args, chat.Arg{Name: n, Value: value})
	}
	return nil
}

// apply fills cfg in. tokenizer is the path beside which the model's own templates lie. Errors are settingErrors.
func (c *chatSettings) apply(cfg *chat.Config, tokenizer string, name setting) error {
	err := c.read(cfg, name)
	if err != nil {
		return err
	}
	near, remove, err := nearby(tokenizer, isTokenizerFile)
	if err != nil {
		return name.errorf("tokenizer", ": %v", err)
	}
	defer remove()
	if cfg.Templates, err = chat.Open(near); err != nil {
		return name.errorf("tokenizer", ": %v", err)
	}
	if c.template == "" {
		return nil
	}
	if cfg.Templates, err = cfg.Templates.Choose(c.template); err != nil {
		return name.errorf("chat_template", ": %v", err)
	}
	return nil
}
