package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"curate/tokenize"
	"curate/train/model"
)

// Options of a Writer.
type Options struct {
	Sampling
	// MaxTokens of a completion.
	MaxTokens int
	// Context is how many tokens the model is given at most, prompt and completion together; 0 is any number.
	Context int
	// Room is how many tokens there is memory for; 0 is any number.
	Room int
	// Stop are texts that end a completion, of which they are no part.
	Stop []string
	// Ends are tokens that end a text, of which they are no part.
	Ends []uint32
}

// Reasons for which a completion ends.
const (
	EndToken   = "end"        // the model has ended the text
	EndStop    = "stop"       // it has come to one of Options.Stop
	EndLength  = "max_tokens" // it has Options.MaxTokens
	EndContext = "context"    // it fills Options.Context
)

// Completion is what a model has written.
type Completion struct {
	Text   string
	Tokens int    // that were chosen, that which ends it among them
	End    string // why it ends
}

// PromptError is about a prompt that a model cannot go on from.
type PromptError struct {
	Problem string
	// Long says that it leaves no room in Options.Context.
	Long bool
}

func (e *PromptError) Error() string { return e.Problem }

// Writer lets a model write, for one goroutine.
type Writer struct {
	m       *model.Model
	o       Options
	chooser *Chooser
	text    *Text
	known   int // tokens that stand for something have lower ids
	cache   *model.Cache
	room    int // of the cache
	prompt  []int32
	scores  []float32 // behind the prompt
}

// NewWriter makes a writer. Tokens that the model has and the tokenizer has not are never written.
func NewWriter(m *model.Model, t *tokenize.Tokenizer, o Options) (*Writer, error) {
	w := &Writer{m: m, o: o, text: NewText(t), known: min(t.Info().VocabSize, m.Config.Vocabulary)}
	if err := o.Check(func(name string) string { return name }); err != nil {
		return nil, err
	}
	if o.MaxTokens < 1 || o.MaxTokens > math.MaxInt32 || o.Context < 0 || o.Room < 0 {
		return nil, fmt.Errorf("max tokens %d, context %d, room %d: the first must be from 1 to %d, the others not negative", o.MaxTokens, o.Context, o.Room, math.MaxInt32)
	}
	for _, s := range o.Stop {
		if s == "" || !utf8.ValidString(s) {
			return nil, fmt.Errorf("a text to stop at is %q: it must not be empty, and be UTF-8", s)
		}
	}
	w.chooser = NewChooser(o.Sampling, m.Config.Vocabulary)
	return w, nil
}

// Write makes samples completions of a prompt. record is what the draws of its tokens go by, beside the seed. put, if it is
// not nil, gets the text of each as it comes: whole characters. With an error, what was written so far is given, too, of which
// the last is not finished. A *PromptError is about the prompt.
func (w *Writer) Write(ctx context.Context, prompt []uint32, record uint64, samples int, put func(sample int, text string) error) ([]Completion, error) {
	most, err := w.fits(prompt)
	if err != nil {
		return nil, err
	}
	w.cache.Truncate(0)
	// The prompt goes in parts, so that it can be stopped.
	for from := 0; from < len(prompt); from += PromptPart {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		scores, err := w.m.Extend(w.cache, w.prompt[from:min(len(prompt), from+PromptPart)])
		if err != nil {
			return nil, err
		}
		w.scores = append(w.scores[:0], scores[:w.known]...)
	}
	var out []Completion
	for i := range samples {
		c, err := w.sample(ctx, prompt, Draw{Seed: w.o.Seed, Record: record, Sample: uint32(i)}, most, func(text string) error {
			if put == nil || text == "" {
				return nil
			}
			return put(i, text)
		})
		out = append(out, c)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// PromptPart is how many tokens of a prompt run through the model at once, for which it needs room.
const PromptPart = 256

// fits makes room for a prompt and what is written behind it, and says how many tokens that may be.
func (w *Writer) fits(prompt []uint32) (most int, err error) {
	n := len(prompt)
	if n == 0 {
		return 0, &PromptError{Problem: "the prompt has no token, and a model goes on from one at least"}
	}
	w.prompt = w.prompt[:0]
	for i, id := range prompt {
		if int64(id) >= int64(w.m.Config.Vocabulary) {
			return 0, &PromptError{Problem: fmt.Sprintf("token %d of the prompt is %d, and the model knows %d", i, id, w.m.Config.Vocabulary)}
		}
		w.prompt = append(w.prompt, int32(id))
	}
	most = w.o.MaxTokens
	if w.o.Context > 0 {
		if n >= w.o.Context {
			return 0, &PromptError{Problem: fmt.Sprintf("the prompt has %d tokens, and the context of %d leaves no room to write", n, w.o.Context), Long: true}
		}
		most = min(most, w.o.Context-n)
	}
	need := n + most
	if w.o.Room > 0 && need > w.o.Room {
		return 0, &PromptError{Problem: fmt.Sprintf("the prompt and what is written have up to %d tokens, and there is memory for %d: let less be written, or give more memory", need, w.o.Room)}
	}
	if need > w.room {
		w.room = need + need/4 // records vary
		if w.o.Room > 0 {
			w.room = min(w.room, w.o.Room)
		}
		if w.o.Context > 0 {
			w.room = min(w.room, w.o.Context)
		}
		w.cache = w.m.NewCache(w.room)
	}
	return most, nil
}

func (w *Writer) sample(ctx context.Context, prompt []uint32, d Draw, most int, put func(text string) error) (c Completion, err error) {
	w.cache.Truncate(len(prompt))
	w.text.Begin(prompt)
	w.chooser.Begin()
	for _, id := range w.prompt {
		w.chooser.See(id)
	}
	var text strings.Builder
	defer func() { c.Text = text.String() }()
	stop := &stopper{stops: w.o.Stop}
	pass := func(more string) (found bool, err error) {
		out, found := stop.add(more)
		text.WriteString(out)
		return found, put(out)
	}
	scores := slices.Clone(w.scores)
	for {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		d.Position = uint32(c.Tokens)
		token, err := w.chooser.Next(scores, d)
		if err != nil {
			return c, fmt.Errorf("token %d: %w", c.Tokens, err)
		}
		w.chooser.See(token)
		c.Tokens++
		if slices.Contains(w.o.Ends, uint32(token)) {
			c.End = EndToken
			break
		}
		found, err := pass(w.text.Add(uint32(token)))
		if err != nil {
			return c, err
		}
		if found {
			c.End = EndStop
			return c, nil
		}
		if c.Tokens == most {
			c.End = EndLength
			if most < w.o.MaxTokens {
				c.End = EndContext
			}
			break
		}
		if scores, err = w.m.Extend(w.cache, []int32{token}); err != nil {
			return c, err
		}
		scores = scores[:w.known]
	}
	// What was held back is the text's end, unless it makes a stop whole.
	found, err := pass(w.text.End())
	if err != nil {
		return c, err
	}
	if found {
		c.End = EndStop
		return c, nil
	}
	text.WriteString(stop.held)
	return c, put(stop.held)
}

// ErrNoBeginning is that of an empty prompt and a model without a token to begin with.
var ErrNoBeginning = errors.New("the text is empty, and the model names no token that begins or ends one, from which it could go on")

// Prompts makes tokens of prompts, for one goroutine.
type Prompts struct {
	encoder *tokenize.Encoder
	before  []uint32
	begin   int64
}

// NewPrompts encodes with a tokenizer. begin is the token from which an empty text goes on; -1: there is none.
func NewPrompts(t *tokenize.Tokenizer, begin int) *Prompts {
	before, _ := t.Around()
	return &Prompts{t.NewEncoder(tokenize.Options{}), before, int64(begin)}
}

// Encode gives the tokens of a text behind what the tokenizer puts before each, such as BOS. What it puts behind a text, such
// as EOS, would end it. An empty text is the token that begins one.
func (p *Prompts) Encode(text []byte) ([]uint32, error) {
	ids, err := p.encoder.Append(append([]uint32{}, p.before...), text)
	if err != nil {
		return nil, &PromptError{Problem: err.Error()}
	}
	if len(ids) == 0 {
		if p.begin < 0 {
			return nil, ErrNoBeginning
		}
		ids = append(ids, uint32(p.begin))
	}
	return ids, nil
}
