package backends

import (
	"context"
	"fmt"
	"sync"
)

// openAI translates with a chat or a base model.
type openAI struct {
	*server
	engine  string
	prompts sync.Map // promptKey to *prompt
}

func newOpenAI(o OpenAI, pc pace) (*openAI, error) {
	switch o.Mode {
	case "":
		o.Mode = "chat"
	case "chat", "plain", "completions":
	default:
		return nil, fmt.Errorf("the mode %q is none of chat, plain, completions", o.Mode)
	}
	switch o.Structured {
	case "":
		o.Structured = "auto"
	case "auto", "on", "off":
	default:
		return nil, fmt.Errorf("structured output is %q; it can be auto, on or off", o.Structured)
	}
	if o.MaxSegments <= 0 {
		o.MaxSegments = 20
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = 1500
	}
	if o.Mode != "chat" {
		o.MaxSegments = 1
	}
	s, err := newServer(o, pc)
	if err != nil {
		return nil, err
	}
	return &openAI{server: s, engine: fmt.Sprintf("openai/%s %s %s", o.Mode, o.Model, promptDigest(&o))}, nil
}

func (b *openAI) Engine() string   { return b.engine }
func (b *openAI) MaxSegments() int { return b.o.MaxSegments }
func (b *openAI) Stats() Stats     { return b.client.stats() }

// MaxTokens is smaller than what was asked for when the model's context is: it has to hold the prompt, the source, and an
// answer of twice its size.
func (b *openAI) MaxTokens() int {
	limit := b.context.Load()
	if limit == 0 {
		return b.o.MaxTokens
	}
	const prompt, rest = 900, 64 // tokens of the built-in prompt with examples, by the estimate of fits; of an answer
	return min(b.o.MaxTokens, max(16, int(limit-prompt-rest)/3))
}

func (b *openAI) Close() error {
	b.close()
	return nil
}

func (b *openAI) prompt(r *Request) *prompt {
	k := promptKey{r.From, r.To, r.Placeholder}
	if p, ok := b.prompts.Load(k); ok {
		return p.(*prompt)
	}
	p, _ := b.prompts.LoadOrStore(k, newPrompt(k, &b.o))
	return p.(*prompt)
}

func (b *openAI) Translate(ctx context.Context, r *Request) (*Answer, error) {
	n := len(r.Segments)
	if n == 0 {
		return &Answer{}, nil
	}
	if n > b.o.MaxSegments {
		return nil, &Error{Class: Split, Reason: "context_length", Detail: fmt.Sprintf("%d segments in a request, at most %d", n, b.o.MaxSegments)}
	}
	if err := b.limits(ctx); err != nil {
		return nil, err
	}
	p := b.prompt(r)
	q := &question{temperature: r.Temperature, seed: r.Seed}
	source := 0
	for _, s := range r.Segments {
		source += len(s)
	}
	// Twice the source's tokens, at 2.5 bytes a token, which Basque has, and what JSON takes for each entry.
	q.most = int64(source)*4/5 + 64
	switch b.o.Mode {
	case "chat":
		q.system, q.user = p.chatMessages(r, b.o.Glossary)
		q.most += int64(n) * 16
		q.schema, q.schemaName = func(exact bool) []byte { return schema(n, exact) }, "translations"
	case "plain":
		q.system, q.user = p.plainMessages(r, b.o.Glossary)
	default:
		q.prompt = p.completion(r, b.o.Glossary)
	}
	if q.system == p.system {
		q.quoted = p.quoted
	}
	var fits bool
	if q.most, fits = b.fits(q, n); !fits {
		return nil, &Error{Class: Split, Reason: "context_length", Detail: fmt.Sprintf("the request is too long for the model's %d tokens", b.context.Load())}
	}
	var answer *Answer
	spent, err := b.ask(ctx, q, func(a reply) (f *failure) {
		answer, f = b.read(r, p, a)
		return f
	})
	if err != nil {
		return nil, err
	}
	answer.Spent = spent
	return answer, nil
}

// read makes translations of a reply.
func (b *openAI) read(r *Request, p *prompt, a reply) (*Answer, *failure) {
	n := len(r.Segments)
	cut := a.finish == "length"
	if cut && n == 1 {
		return nil, truncated()
	}
	var list []translation
	if b.o.Mode == "chat" {
		var err error
		if list, err = parseAnswer(a.content, n, cut); err != nil {
			if cut {
				return nil, truncated()
			}
			if refusing.MatchString(a.content) {
				return nil, &failure{act: refused, class: "answer", reason: "refusal", detail: short(a.content, 200)}
			}
			return nil, invalid("invalid_answer", "the model's answer is "+err.Error()+": "+short(a.content, 100))
		}
	} else {
		text, ok := plainAnswer(a.content)
		if !ok || text == "" {
			return nil, invalid("empty", "thoughts and no translation")
		}
		list = []translation{{text: text, end: len(a.content), there: true}}
	}
	answer := &Answer{Texts: make([]string, n), Missing: make([]bool, n)}
	there, taken := 0, false
	for i := range list {
		switch text := list[i].text; {
		case !list[i].there:
		case leaked(p.leaks, r.Segments[i], text) || p.repeatsPrompt(r.Segments[i], text):
			list[i], taken = translation{}, true
		case holdsJSON(r, text):
			list[i] = translation{}
		}
		if answer.Missing[i] = !list[i].there; !answer.Missing[i] {
			answer.Texts[i] = list[i].text
			there++
		}
	}
	if there == 0 {
		switch {
		case cut:
			return nil, truncated()
		case taken:
			return nil, invalid("prompt_leak", "the answer is taken from the prompt: "+short(a.content, 100))
		}
		return nil, invalid("invalid_answer", "the answer holds none of the translations: "+short(a.content, 100))
	}
	if len(a.logprobs) > 0 {
		answer.LogProb = meanLogProbs(list, a.offsets, a.logprobs)
	}
	return answer, nil
}

func truncated() *failure {
	return &failure{act: split, class: "answer", reason: "truncated", detail: "the answer was cut off at the limit of tokens"}
}

// invalid is repeated once, with another seed: whoever asked knows better what to change.
func invalid(reason, detail string) *failure {
	return &failure{class: "answer", reason: reason, detail: detail, most: 1}
}
