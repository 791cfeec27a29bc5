package backends

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// Asker puts questions to a chat model, with the policy that translations have: retries, budgets, how many at a time. It may be
// used from any goroutine.
type Asker struct {
	s    *server
	name string
}

// NewAsker makes it. Of o, what is about translations is not looked at; MaxTokens bounds an answer, by default 512 tokens.
func NewAsker(o OpenAI) (*Asker, error) { return newAsker(o, ordinaryPace) }

func newAsker(o OpenAI, pc pace) (*Asker, error) {
	o.Mode = "plain" // one question, one text
	if o.MaxTokens <= 0 {
		o.MaxTokens = 512
	}
	s, err := newServer(o, pc)
	if err != nil {
		return nil, err
	}
	extra, err := json.Marshal(o.Extra, json.Deterministic(true))
	if err != nil {
		return nil, errors.Join(err, (&Asker{s: s}).Close())
	}
	sum := sha256.Sum256(extra)
	return &Asker{s, fmt.Sprintf("%s %d %s", o.Model, o.MaxTokens, hex.EncodeToString(sum[:4]))}, nil
}

// Name identifies all that an answer depends on but for the question: the model, the most tokens of an answer, fields of the user's. It holds no address
// and no key.
func (a *Asker) Name() string { return a.name }

// Ask puts a question, without anything about who is asked. An answer that accept refuses is asked for once more, with another
// seed, and then the error is an *Error of class Failed; others as of Backend. An answer that was cut off at its limit is one
// that accept may take.
func (a *Asker) Ask(ctx context.Context, text string, accept func(answer string) error) (Spent, error) {
	if err := a.s.limits(ctx); err != nil {
		return Spent{}, err
	}
	q := &question{user: text, most: int64(a.s.o.MaxTokens)}
	var fits bool
	if q.most, fits = a.s.fits(q, 1); !fits {
		return Spent{}, &Error{Class: Split, Reason: "context_length", Detail: fmt.Sprintf("the question is too long for the model's %d tokens", a.s.context.Load())}
	}
	return a.s.ask(ctx, q, func(r reply) *failure {
		answer := r.content
		if from, thought := afterThinking(answer); thought {
			answer = strings.TrimSpace(answer[from:])
		}
		err := accept(answer)
		switch {
		case err == nil:
			return nil
		case r.finish == "length":
			return truncated()
		}
		return invalid("invalid_answer", err.Error()+": "+short(answer, 100))
	})
}

// Stats are the sums so far.
func (a *Asker) Stats() Stats { return a.s.client.stats() }

// Close ends what is asked for, and gives connections back.
func (a *Asker) Close() error {
	a.s.close()
	return nil
}
