package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
	// Room is how many tokens there is memory for, of all texts that are written at once; 0 is any number.
	Room int
	// Together is how many texts are written at once, at most; 0 is DefaultTogether. It changes nothing but the speed.
	Together int
	// Stop are texts that end a completion, of which they are no part.
	Stop []string
	// Ends are tokens that end a text, of which they are no part.
	Ends []uint32
	// Apart says that jobs have nothing to do with each other, as requests to a server: Done of each is called as soon as it has
	// ended, and an error in it is its own. Prompts are then read beside what is written, at most PromptPart tokens for a token
	// of each text, so that a long one holds up nobody.
	Apart bool
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

// DefaultTogether is a number of texts from which on more make little difference: a model's products read its weights once for
// all of them, and are bound by multiplications then.
const DefaultTogether = 32

// Job is a prompt that a model is to go on from.
type Job struct {
	Prompt  []uint32
	Record  uint64 // what the draws of its tokens go by, beside the seed
	Samples int    // completions of it
	Name    string // for errors that end the writing; "": it has none
	// Put, if it is not nil, gets the text of each sample as it comes: whole characters. The samples are written one after
	// another then.
	Put func(sample int, text string) error
	// Own is what is asked of this job alone; nil: what the writer's Options say.
	Own *Own
	// See, if it is not nil, gets each token of a sample when it is chosen, before Put gets its text. SeePrompt gets those of the
	// prompt behind its first token, which is number 0, once. Both come with Top of the likeliest tokens.
	See       func(sample int, s Scored) error
	SeePrompt func(number int, s Scored) error
	Top       int
	// Context, if it is not nil, ends the job when it is done: with its cause.
	Context context.Context
	// Err says that there is no prompt. It keeps its turn: Done gets it behind what comes before.
	Err error
	// Done gets the completions. With Err, a *PromptError, or another error of this job, there are none.
	Done func(list []Completion, err error) error
}

// Own are a job's own options: see Options. MaxTokens may be 0: the prompt is read, and nothing is written.
type Own struct {
	Sampling
	MaxTokens int
	Stop      []string
}

// job is one that is not done yet.
type job struct {
	*Job
	own         Own
	prompt      []int32
	most        int // tokens of a completion
	list        []Completion
	begun, live int // samples
	ended       int
	reading     bool // a place is reading the prompt
	seen        bool // SeePrompt has seen all of it
	behind      behind
	err         error
}

// Writer lets a model write, for one goroutine.
type Writer struct {
	m      *model.Model
	t      *tokenize.Tokenizer
	o      Options
	known  int // tokens that stand for something have lower ids
	top    []Candidate
	places []*place
	jobs   []*job // in order

	// Of those that go on by a token.
	live   []*place
	caches []*model.Cache
	tokens []int32
	scores []float32 // [places, Vocabulary]
}

// NewWriter makes a writer. Tokens that the model has and the tokenizer has not are never written.
func NewWriter(m *model.Model, t *tokenize.Tokenizer, o Options) (*Writer, error) {
	w := &Writer{m: m, t: t, o: o, known: min(t.Info().VocabSize, m.Config.Vocabulary)}
	if err := o.Check(func(name string) string { return name }); err != nil {
		return nil, err
	}
	if o.MaxTokens < 1 || o.MaxTokens > math.MaxInt32 || o.Context < 0 || o.Room < 0 || o.Together < 0 {
		return nil, fmt.Errorf("max tokens %d, context %d, room %d, together %d: the first must be from 1 to %d, the others not negative", o.MaxTokens, o.Context, o.Room, o.Together, math.MaxInt32)
	}
	if o.Together == 0 {
		w.o.Together = DefaultTogether
	}
	if err := checkStops(o.Stop); err != nil {
		return nil, err
	}
	return w, nil
}

func checkStops(stops []string) error {
	for _, s := range stops {
		if s == "" || !utf8.ValidString(s) {
			return fmt.Errorf("a text to stop at is %q: it must not be empty, and be UTF-8", s)
		}
	}
	return nil
}

// Write makes samples completions of a prompt, as of a Job. With an error, what was written so far is given, too; of that, what
// has no End is not finished.
func (w *Writer) Write(ctx context.Context, prompt []uint32, record uint64, samples int, put func(sample int, text string) error) (list []Completion, err error) {
	j := &Job{Prompt: prompt, Record: record, Samples: samples, Put: put, Done: func(all []Completion, err error) error {
		list = all
		return err
	}}
	given := false
	rest, err := w.run(ctx, func(bool) (*Job, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return j, nil
	})
	if rest != nil {
		list = rest
	}
	return list, err
}

// Each writes one job after another, several at a time; Done is called in their order, unless they are Apart. What is written of
// a job is the same whatever is written beside it.
//
// next gives a job, or io.EOF: there are no more; another error ends the writing, too, when all that came before is done. With
// wait there is nothing else to do; without, it may give nil: there is none yet.
func (w *Writer) Each(ctx context.Context, next func(wait bool) (*Job, error)) error {
	_, err := w.run(ctx, next)
	return err
}

// run is Each. With an error it gives what was written of the first job that is not done.
func (w *Writer) run(ctx context.Context, next func(wait bool) (*Job, error)) (rest []Completion, err error) {
	defer func() {
		if err != nil && len(w.jobs) > 0 {
			rest = w.unfinished(w.jobs[0])
		}
		for _, p := range w.places {
			p.free()
		}
		w.jobs = w.jobs[:0]
	}()
	for end := error(nil); ; {
		for end == nil && w.takes() {
			j, err := next(len(w.jobs) == 0)
			if err != nil {
				end = err
			} else if j == nil {
				break
			} else if err := w.add(j); err != nil {
				return nil, err
			}
			if err := w.settle(); err != nil {
				return nil, err
			}
		}
		switch {
		case len(w.jobs) > 0:
			if err := w.step(ctx); err != nil {
				return nil, err
			}
		case end == io.EOF:
			return nil, nil
		case end != nil:
			return nil, end
		}
	}
}

// takes says whether there is a place, perhaps, for a further job. Those that are written and wait for one before them are
// bounded.
func (w *Writer) takes() bool {
	if len(w.jobs) >= 4*w.o.Together || slices.ContainsFunc(w.jobs, (*job).waits) {
		return false
	}
	busy := 0
	for _, p := range w.places {
		if p.busy() {
			busy++
		}
	}
	return busy < w.o.Together
}

// waits says that there is a sample that a place could be given to. Of those that Put sees one after another, the next is none
// yet; and the first one's place reads the prompt for all.
func (j *job) waits() bool {
	return j.err == nil && j.begun < j.Samples && !j.reading && (j.Put == nil || j.live == 0)
}

// add takes a job, and begins with it if there is a place.
func (w *Writer) add(given *Job) error {
	j := &job{Job: given, err: given.Err}
	if j.err == nil {
		j.err = w.check(j)
	}
	if j.err == nil {
		j.list = make([]Completion, j.Samples)
	}
	w.jobs = append(w.jobs, j)
	return w.begin()
}

// check makes sure that a prompt is one, and says how many tokens may be written behind it.
func (w *Writer) check(j *job) error {
	n := len(j.Prompt)
	if j.own = (Own{w.o.Sampling, w.o.MaxTokens, w.o.Stop}); j.Own != nil {
		j.own = *j.Own
		if err := j.own.Check(func(name string) string { return name }); err != nil {
			return err
		}
		if err := checkStops(j.own.Stop); err != nil {
			return err
		}
		if j.own.MaxTokens < 0 || j.own.MaxTokens > math.MaxInt32 {
			return fmt.Errorf("max tokens %d: from 0 to %d", j.own.MaxTokens, math.MaxInt32)
		}
	}
	if n == 0 {
		return &PromptError{Problem: "the prompt has no token, and a model goes on from one at least"}
	}
	j.prompt = make([]int32, n)
	for i, id := range j.Prompt {
		if int64(id) >= int64(w.m.Config.Vocabulary) {
			return &PromptError{Problem: fmt.Sprintf("token %d of the prompt is %d, and the model knows %d", i, id, w.m.Config.Vocabulary)}
		}
		j.prompt[i] = int32(id)
	}
	j.most = j.own.MaxTokens
	if w.o.Context > 0 {
		if n >= w.o.Context && j.most > 0 {
			return &PromptError{Problem: fmt.Sprintf("the prompt has %d tokens, and the context of %d leaves no room to write", n, w.o.Context), Long: true}
		}
		if n > w.o.Context {
			return &PromptError{Problem: fmt.Sprintf("the prompt has %d tokens, and the context %d", n, w.o.Context), Long: true}
		}
		j.most = min(j.most, w.o.Context-n)
	}
	if need := j.room(); w.o.Room > 0 && need > w.o.Room {
		return &PromptError{Problem: fmt.Sprintf("the prompt and what is written have up to %d tokens, and there is memory for %d: let less be written, or give more memory", need, w.o.Room)}
	}
	return nil
}

// room is how many tokens a sample has, prompt and completion.
func (j *job) room() int { return len(j.prompt) + j.most }

// begin gives places to samples that have none, in order.
func (w *Writer) begin() error {
	for _, j := range w.jobs {
		for j.waits() {
			p := w.place(j)
			if p == nil {
				return nil
			}
			if err := w.open(p, j); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle is done with jobs that have ended: with the first ones, or, if they are apart, with any.
func (w *Writer) settle() error {
	for i := 0; i < len(w.jobs); {
		j := w.jobs[i]
		if j.err == nil && j.ended < j.Samples {
			if !w.o.Apart {
				return nil
			}
			i++
			continue
		}
		w.jobs = slices.Delete(w.jobs, i, i+1)
		w.leave(j)
		list := j.list
		if j.err != nil {
			list = nil
		}
		if err := j.Done(list, j.err); err != nil {
			return err
		}
	}
	return nil
}

// leave takes a job's places from it.
func (w *Writer) leave(j *job) {
	j.reading = false
	for _, p := range w.places {
		if p.job == j {
			p.free()
		}
	}
}

// fail ends a job with an error, if it is its own, and gives back one that is not.
func (w *Writer) fail(j *job, err error) error {
	if err == nil || !w.o.Apart {
		return err
	}
	j.err = err
	w.leave(j)
	return nil
}

// step reads something of prompts, and writes a token of each text.
func (w *Writer) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, j := range w.jobs {
		if j.err == nil && j.Context != nil && j.Context.Err() != nil {
			j.err = context.Cause(j.Context)
			w.leave(j)
		}
	}
	if err := w.readPrompts(ctx); err != nil {
		return err
	}
	w.live, w.caches, w.tokens = w.live[:0], w.caches[:0], w.tokens[:0]
	for _, p := range w.places {
		if !p.live {
			continue
		}
		if err := w.fail(p.job, w.next(p)); err != nil {
			return err
		}
		if p.live {
			w.live, w.caches, w.tokens = append(w.live, p), append(w.caches, p.cache), append(w.tokens, p.token)
		}
	}
	// A job whose second sample has failed has none that goes on.
	n := 0
	for i, p := range w.live {
		if p.live {
			w.live[n], w.caches[n], w.tokens[n] = p, w.caches[i], w.tokens[i]
			n++
		}
	}
	w.live, w.caches, w.tokens = w.live[:n], w.caches[:n], w.tokens[:n]
	v := w.m.Config.Vocabulary
	size := n * v
	if len(w.scores) < size {
		w.scores = make([]float32, max(size, min(2*size, w.o.Together*v)))
	}
	if err := w.m.ExtendEach(w.caches, w.tokens, w.scores[:size]); err != nil {
		return err
	}
	for i, p := range w.live {
		p.behind = w.behind(p.job, w.scores[i*v:][:v])
	}
	if err := w.settle(); err != nil {
		return err
	}
	return w.begin()
}

// unfinished is what there is of a job's samples that have begun.
func (w *Writer) unfinished(j *job) []Completion {
	for _, p := range w.places {
		if p.live && p.job == j {
			j.list[p.sample] = p.completion("")
		}
	}
	return j.list[:j.begun]
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
