package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/internal/human"
	"curate/kernel"
	"curate/pipeline"
	"curate/record"
	"curate/tokenize"
	"curate/tokenize/chat"
	"curate/train"
	"curate/train/generate"
	"curate/train/model"
)

// generateDefaults are the values of keys and flags where nothing else is said.
var generateDefaults = generate.Options{
	Sampling:  generate.Sampling{RepetitionPenalty: 1, Temperature: 0.8, TopP: 1, Seed: 1},
	MaxTokens: 256,
}

// generating is what a command line or a recipe says about texts that a model is to write.
type generating struct {
	model, tokenizer string
	options          generate.Options
	inferring
	length      int // 0: what the model was trained on
	canLengthen bool
	samples     int
	chats       chatSettings
	name        setting
	spare       int64         // bytes of the memory that are for something else
	loaded      *train.Loaded // the model, if it has been read
}

// check finds what is wrong before anything is opened.
func (g *generating) check() error {
	if err := g.options.Check(g.name); err != nil {
		return &pipeline.UsageError{Problem: err.Error()}
	}
	if err := g.settle(g.name); err != nil {
		return err
	}
	if n := g.options.MaxTokens; n < 1 {
		return usage("%s %d: at least 1", g.name("max_tokens"), n)
	} else if n > math.MaxInt32 {
		return usage("%s %d: at most %d", g.name("max_tokens"), n, math.MaxInt32)
	}
	if slices.Contains(g.options.Stop, "") {
		return usage("%s is empty; leave it out, or give it a text", g.name("stop"))
	}
	return nil
}

// generator is a model that writes.
type generator struct {
	*generate.Writer
	options    generate.Options // that are in force
	vocabulary int              // of the model
	tokenizer  *tokenize.Tokenizer
	prompts    *generate.Prompts
	chats      *chat.Encoder
	samples    int
	tokens     atomic.Int64
	ends       map[string]int64 // completions, by the reason for which they end
	began      time.Time
	close      func() // when nothing is written any more

	template          string // digest of its chat template
	maxTokens, longer string // for messages: a setting, and what helps against a prompt that is too long
}

// open reads model and tokenizer. Memory is what the process may take.
func (g *generating) open(ctx context.Context, st store.Store, pool *kernel.Pool, precision kernel.Precision, memory int64) (_ *generator, err error) {
	if err := storedModel("generate", g.model); err != nil {
		return nil, err
	}
	config, _, dir, err := train.ReadModelConfig(ctx, st, filepath.ToSlash(g.model))
	if err != nil {
		return nil, err
	}
	o := g.options
	memory -= g.spare
	// A context that the model does not say, and nobody else, has no end. It may be more than the model was trained on:
	// neither RoPE nor ALiBi has a limit of its own.
	if o.Context = g.length; o.Context == 0 {
		o.Context = config.Context
	}
	if o.Context == 0 && o.Apart { // whoever asks does not say how much, either
		o.Context = untrainedContext
	}
	token := config.CacheTokenBytes(g.int8Cache)
	fixed, each := config.WritingBytes(g.format, generate.PromptPart, generate.PromptPart)+pipeline.NotHeap, token+6*int64(config.HeadSize)
	if o.Apart {
		fixed += config.SeenBytes(generate.PromptPart)
	}
	if need := fixed + generate.PromptPart*each; need > memory {
		return nil, usage("%s needs %s to write; %s allows %s", g.model, pipeline.FormatBytes(need), g.name("memory"), pipeline.FormatBytes(memory))
	}
	// Each text that is written beside others needs rows of numbers, one for each token of the vocabulary: the scores, those of
	// the prompt, and what sampling sorts. They may take a quarter of what is left.
	text := 20 * int64(config.Vocabulary)
	if o.Apart {
		text += 4 * int64(config.Vocabulary) // scores that are told of
	}
	if o.Together == 0 {
		o.Together = generate.DefaultTogether
	}
	o.Together = int(max(1, min(int64(o.Together), (memory-fixed)/4/text)))
	o.Room = int(max(generate.PromptPart, (memory-fixed-int64(o.Together)*text)/each))
	// Caches lie outside of the collector's heap, and so do weights in blocks.
	outside, heap := token*int64(o.Room), fixed-pipeline.NotHeap
	if o.Context > 0 {
		outside = token * min(int64(o.Room), int64(o.Together)*int64(o.Context))
	}
	if g.format != model.WeightsF32 {
		outside, heap = outside+config.WeightBytes(g.format), heap-config.WeightBytes(g.format)
	}
	undo := leaveOutside(memory, outside, heap+int64(o.Together)*text+collectorSlack)
	defer func() {
		if err != nil {
			undo()
		}
	}()
	l := g.loaded
	if l == nil {
		if l, err = train.LoadFor(ctx, st, filepath.ToSlash(dir), g.format, pool); err != nil {
			return nil, err
		}
	}
	path := g.tokenizer
	if path == "" {
		if path = l.Tokenizer; path == "" {
			return nil, usage("%s has no tokenizer in it; give %s PATH", l.Dir, g.name("tokenizer"))
		}
	}
	t, err := openTokenizer(g.name("tokenizer"), path)
	if err != nil {
		return nil, err
	}
	if info := t.Info(); info.VocabSize > config.Vocabulary {
		return nil, usage("the tokenizer %s has ids up to %d, and %s knows %d tokens", path, info.VocabSize-1, l.Dir, config.Vocabulary)
	}
	cfg := chat.Config{}
	if err := g.chats.apply(&cfg, path, g.name); err != nil {
		return nil, usage("%v", err)
	}
	format, err := chat.NewFormat(cfg.Templates, cfg.Args, cfg.Date)
	if err != nil {
		return nil, usage("%v", err)
	}
	begin, ends := bordersOf(l, t, cfg.Templates.Special("eos_token"))
	o.Ends = ends
	m, err := l.Model(config, pool, precision)
	if err != nil {
		return nil, err
	}
	m.Int8Cache = g.int8Cache
	out := &generator{
		options: o, vocabulary: config.Vocabulary, tokenizer: t, close: undo,
		prompts: generate.NewPrompts(t, begin), chats: chat.NewEncoder(t, format, chat.Options{}), samples: g.samples,
		ends: map[string]int64{}, began: time.Now(), template: cfg.Templates.Digest(), maxTokens: g.name("max_tokens"), longer: "shorten it",
	}
	if g.canLengthen {
		out.longer = "shorten it, or give a greater " + g.name("length")
	}
	if out.Writer, err = generate.NewWriter(m, t, o); err != nil {
		return nil, usage("%v", err)
	}
	return out, nil
}

// bordersOf are the token that an empty text goes on from, -1 if there is none, and those that end one: EOS of config.json,
// generation_config.json and the tokenizer's own, or, of a model that names none, what its tokenizer is known to end documents
// with.
func bordersOf(l *train.Loaded, t *tokenize.Tokenizer, eos string) (begin int, ends []uint32) {
	add := func(id int) {
		if id >= 0 && id < l.Config.Vocabulary && !slices.Contains(ends, uint32(id)) {
			ends = append(ends, uint32(id))
		}
	}
	add(l.EOS)
	for _, id := range l.MoreEOS {
		add(id)
	}
	var generation struct {
		EOS jsontext.Value `json:"eos_token_id"`
	}
	if json.Unmarshal(l.Generation, &generation) == nil {
		var one int
		var more []int
		if json.Unmarshal(generation.EOS, &one) == nil && generation.EOS.Kind() == '0' {
			add(one)
		} else if json.Unmarshal(generation.EOS, &more) == nil {
			for _, id := range more {
				add(id)
			}
		}
	}
	if id, ok := t.ID(eos); ok {
		add(int(id))
	}
	if known := t.Info().EOD; len(ends) == 0 && len(known) > 0 {
		add(int(known[0].ID))
	}
	switch {
	case l.BOS >= 0 && l.BOS < l.Config.Vocabulary:
		return l.BOS, ends
	case len(ends) > 0:
		return int(ends[0]), ends
	}
	return -1, nil
}

// prompt makes tokens of a record: of its chat, or of its text. An error is about the record.
func (g *generator) prompt(r *record.Record, text record.Path, scratch *[]byte) ([]uint32, error) {
	if chat.IsConversation(r) && (text.String() == "text" || !r.Has(text)) {
		return g.chats.Prompt(r)
	}
	b, err := r.Text(text, scratch)
	if err != nil {
		return nil, err
	}
	return g.prompts.Encode(b)
}

// write lets the model write behind one prompt.
func (g *generator) write(ctx context.Context, prompt []uint32, put func(sample int, text string) error) ([]generate.Completion, error) {
	list, err := g.Write(ctx, prompt, 0, g.samples, put)
	g.count(list)
	return list, whoStopped(ctx, g.explained(err))
}

// each lets the model write behind many.
func (g *generator) each(ctx context.Context, next func(wait bool) (*generate.Job, error)) error {
	return whoStopped(ctx, g.Each(ctx, func(wait bool) (*generate.Job, error) {
		j, err := next(wait)
		if j != nil {
			done := j.Done
			j.Samples = g.samples
			j.Done = func(list []generate.Completion, err error) error {
				g.count(list)
				return done(list, g.explained(err))
			}
		}
		return j, err
	}))
}

func (g *generator) count(list []generate.Completion) {
	for _, c := range list {
		g.tokens.Add(int64(c.Tokens))
		g.ends[c.End]++
	}
}

// explained says what helps against a prompt that is too long.
func (g *generator) explained(err error) error {
	if p := (*generate.PromptError)(nil); errors.As(err, &p) && p.Long {
		return fmt.Errorf("%w; %s", err, g.longer)
	}
	return err
}

// whoStopped is the reason for which a context was cancelled, in place of the fact.
func whoStopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}

// summary says what was written, and why it ended.
func (g *generator) summary() string {
	n, seconds := g.tokens.Load(), time.Since(g.began).Seconds()
	var why []string
	for _, e := range []struct{ end, words string }{
		{generate.EndToken, "ended by the model"}, {generate.EndStop, "stopped at a text"}, {generate.EndLength, "cut by " + g.maxTokens},
		{generate.EndContext, "cut at the end of the context"},
	} {
		if g.ends[e.end] > 0 {
			why = append(why, fmt.Sprintf("%s %s", human.Thousands(g.ends[e.end]), e.words))
		}
	}
	if why == nil {
		return "no completions: there were no records"
	}
	return fmt.Sprintf("%s written, %.1f a second; completions: %s", count(n, "token"), float64(n)/max(seconds, 1e-3), strings.Join(why, ", "))
}

// isPromptError says that an error is about one prompt, and others may be written on.
func isPromptError(err error) bool {
	return errors.As(err, new(*generate.PromptError)) || errors.Is(err, generate.ErrNoBeginning)
}

// completionOf is what a record gets: a text, or a list of several samples.
func completionOf(list []generate.Completion, samples int) any {
	if samples == 1 {
		return list[0].Text
	}
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.Text
	}
	return texts
}

// localModel is an error for what is no model: neither a folder nor a GGUF file.
func localModel(command, name string) error {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && isGGUF(name) {
		return nil
	}
	return localDir(command, name)
}

// storedModel is localModel, and content with a URL.
func storedModel(command, name string) error {
	if store.IsURL(name) {
		return nil
	}
	return localModel(command, name)
}

// isGGUF goes by the name, as package train does.
func isGGUF(name string) bool { return filepath.Ext(name) == ".gguf" }
