package serve

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"curate/train/generate"
)

// exchange is a request that is being answered. Its writer and its handler share it.
type exchange struct {
	*request
	s       *Server
	id      string
	created int64
	changed chan struct{} // has something in it when there is something new

	mu      sync.Mutex
	choices []choice // samples of the first prompt, then those of the next
	heads   [][]scored
	left    int // prompts
	err     error
}

// choice is a completion. Of a stream, text and tokens are those that were not sent yet.
type choice struct {
	text    strings.Builder
	tokens  []scored
	written int
	end     string // "": it is not ended

	// For the handler alone.
	scribe *scribe
	begun  bool // something was sent
	sent   bool // all was
}

// begin hands a request to the writer. Cancelling ctx ends it.
func (s *Server) begin(ctx context.Context, a *request) (*exchange, *waiting) {
	x := &exchange{
		request: a, s: s, id: s.ID(), created: s.Now().Unix(), changed: make(chan struct{}, 1),
		choices: make([]choice, len(a.prompts)*a.samples), heads: make([][]scored, len(a.prompts)), left: len(a.prompts),
	}
	seed := a.sampling
	if !a.seeded {
		seed.Seed = s.Seed()
	}
	var jobs []*generate.Job
	for i := range a.prompts {
		jobs = append(jobs, x.job(ctx, i, seed))
	}
	return x, s.queue.add(jobs)
}

// job is that of a prompt.
func (x *exchange) job(ctx context.Context, i int, sampling generate.Sampling) *generate.Job {
	p := &x.prompts[i]
	j := &generate.Job{
		Prompt: p.ids, Record: uint64(i), Samples: x.samples, Context: ctx, Top: x.top,
		// More than there is room for was asked for, perhaps; then the context ends the text, which is told as the same.
		Own: &generate.Own{Sampling: sampling, MaxTokens: p.most, Stop: x.stops},
	}
	of := func(sample int) *choice { return &x.choices[i*x.samples+sample] }
	if x.scores {
		j.See = func(sample int, s generate.Scored) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			c := of(sample)
			c.tokens = append(c.tokens, scored{Candidate: s.Candidate, top: slices.Clone(s.Top)})
			return nil
		}
		if x.echo {
			x.heads[i] = append(make([]scored, 0, len(p.ids)), scored{Candidate: generate.Candidate{Token: p.ids[0]}, first: true})
			j.SeePrompt = func(_ int, s generate.Scored) error {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.heads[i] = append(x.heads[i], scored{Candidate: s.Candidate, top: slices.Clone(s.Top)})
				return nil
			}
		}
	}
	if x.stream {
		j.Put = func(sample int, text string) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			of(sample).text.WriteString(text)
			x.tell()
			return nil
		}
	}
	j.Done = func(list []generate.Completion, err error) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		defer x.tell()
		if err != nil {
			x.err = err
			return nil
		}
		for k, done := range list {
			c := of(k)
			c.end, c.written = done.End, done.Tokens
			if !x.stream {
				c.text.WriteString(done.Text)
			}
			x.s.tokens.Add(int64(done.Tokens))
		}
		x.left--
		return nil
	}
	return j
}

func (x *exchange) tell() {
	select {
	case x.changed <- struct{}{}:
	default:
	}
}

// wait waits for something new, and gives an error that ends the exchange.
func (x *exchange) wait(ctx context.Context) error {
	select {
	case <-x.changed:
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-x.s.broken:
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.err == nil && x.left == 0 {
			return nil // it was the last
		}
		return failed(x.s.why)
	}
}

// write answers a request that has its tokens.
func (s *Server) write(w http.ResponseWriter, r *http.Request, a *request) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // whatever is still being written has nobody who reads it
	x, waiting := s.begin(ctx, a)
	defer s.queue.remove(waiting)
	answer := x.whole
	if a.stream {
		answer = x.pieces
	}
	err := answer(ctx, w)
	switch p := (*generate.PromptError)(nil); {
	case err == nil || ctx.Err() != nil || errors.As(err, new(*problem)) || errors.As(err, new(*sendError)):
		return err
	case errors.As(err, &p):
		return &problem{code: "invalid_value", message: err.Error()}
	}
	return failed(err)
}

// whole answers when all is written.
func (x *exchange) whole(ctx context.Context, w http.ResponseWriter) error {
	for left := true; left; {
		if err := x.wait(ctx); err != nil {
			return err
		}
		x.mu.Lock()
		left = x.left > 0
		x.mu.Unlock()
	}
	// Nobody else looks at it any more.
	if x.on == onChat {
		out := chatJSON{header: x.header("chatcmpl-", "chat.completion"), Choices: []chatChoice{}, Usage: x.usageJSON()}
		for i := range x.choices {
			c := &x.choices[i]
			part := chatChoice{Index: i, Message: &chatMessage{Role: "assistant", Content: ptr(c.text.String())}, Finish: finish(c.end)}
			part.Scores = x.chatScores(i, c.tokens)
			out.Choices = append(out.Choices, part)
		}
		return writeJSON(w, out)
	}
	out := completionJSON{header: x.header("cmpl-", "text_completion"), Choices: []completionChoice{}, Usage: x.usageJSON()}
	for i := range x.choices {
		c := &x.choices[i]
		scores := x.completionScores(i, c.tokens, x.echo)
		text := c.text.String()
		if x.echo {
			text = x.prompts[i/x.samples].text + text
		}
		out.Choices = append(out.Choices, completionChoice{Index: i, Text: text, Scores: scores, Finish: finish(c.end)})
	}
	return writeJSON(w, out)
}

// completionScores are those of more tokens of a choice; of the prompt's, too, if head says so. nil: nobody has asked.
func (x *exchange) completionScores(i int, tokens []scored, head bool) *completionScores {
	if !x.scores {
		return nil
	}
	c, p := &x.choices[i], &x.prompts[i/x.samples]
	to := &completionScores{Tokens: []string{}, Probs: []*float32{}, Offsets: []int{}}
	if c.scribe == nil {
		c.scribe = newScribe(x.s.Tokenizer)
		at := 0
		if head {
			c.scribe.completion(to, x.heads[i/x.samples], p.head)
			at = utf8.RuneCountInString(p.text)
		}
		c.scribe.follow(p.ids, at)
	}
	c.scribe.completion(to, tokens, 0)
	return to
}

func (x *exchange) chatScores(i int, tokens []scored) *chatScores {
	if !x.scores {
		return nil
	}
	c := &x.choices[i]
	if c.scribe == nil {
		c.scribe = newScribe(x.s.Tokenizer)
		c.scribe.follow(x.prompts[0].ids, 0)
	}
	to := &chatScores{Content: []chatScore{}}
	c.scribe.chat(to, tokens)
	return to
}

func ptr[T any](v T) *T { return &v }

// finish is the API's reason for which a text ends.
func finish(end string) *string {
	switch end {
	case generate.EndToken, generate.EndStop:
		return ptr("stop")
	}
	return ptr("length")
}

// header is what answers and their pieces begin with.
type header struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
}

func (x *exchange) header(prefix, object string) header {
	return header{prefix + x.id, object, x.created, x.s.Name}
}

type usageJSON struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

func (x *exchange) usageJSON() *usageJSON {
	u := &usageJSON{}
	for i := range x.prompts {
		u.Prompt += len(x.prompts[i].ids)
	}
	for i := range x.choices {
		u.Completion += x.choices[i].written
	}
	u.Total = u.Prompt + u.Completion
	return u
}

type completionJSON struct {
	header
	Choices []completionChoice `json:"choices"`
	Usage   *usageJSON         `json:"usage,omitzero"`
}

type completionChoice struct {
	Index  int               `json:"index"`
	Text   string            `json:"text"`
	Scores *completionScores `json:"logprobs"`
	Finish *string           `json:"finish_reason"`
}

type chatJSON struct {
	header
	Choices []chatChoice `json:"choices"`
	Usage   *usageJSON   `json:"usage,omitzero"`
}

type chatChoice struct {
	Index   int          `json:"index"`
	Message *chatMessage `json:"message,omitzero"`
	Delta   *chatMessage `json:"delta,omitzero"`
	Scores  *chatScores  `json:"logprobs"`
	Finish  *string      `json:"finish_reason"`
}

type chatMessage struct {
	Role    string  `json:"role,omitzero"`
	Content *string `json:"content,omitzero"`
}
