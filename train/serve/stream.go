package serve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// sendError says that an answer could not be sent.
type sendError struct{ err error }

func (e *sendError) Error() string { return "the client does not read: " + e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// stream sends events as they come (text/event-stream).
type stream struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	begun bool
}

// data sends an event.
func (t *stream) data(b []byte) error {
	if !t.begun {
		t.begun = true
		h := t.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // proxies must not collect it
	}
	_ = t.c.SetWriteDeadline(time.Now().Add(writeTime)) // see Server.read
	if _, err := t.w.Write(append(append([]byte("data: "), b...), "\n\n"...)); err != nil {
		return &sendError{err}
	}
	if err := t.c.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &sendError{err}
	}
	return nil
}

func (t *stream) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return failed(err)
	}
	return t.data(b)
}

// piece is what of a choice is to be sent.
type piece struct {
	choice int
	text   string
	tokens []scored
	end    string
}

// pieces answers as it comes. An error after the first piece is an event.
func (x *exchange) pieces(ctx context.Context, w http.ResponseWriter) error {
	t := &stream{w: w, c: http.NewResponseController(w)}
	err := x.send(ctx, t)
	if err == nil || !t.begun || ctx.Err() != nil || errors.As(err, new(*sendError)) {
		return err
	}
	p := (*problem)(nil)
	if !errors.As(err, &p) {
		p = failed(err)
	}
	_ = t.data(p.json())
	return err
}

func (x *exchange) send(ctx context.Context, t *stream) error {
	for left := len(x.choices); left > 0; {
		if err := x.wait(ctx); err != nil {
			return err
		}
		for _, p := range x.take() {
			if err := x.sendPiece(t, p); err != nil {
				return err
			}
			if p.end != "" {
				left--
			}
		}
	}
	if x.usage {
		var err error
		if x.on == onChat {
			err = t.json(chatJSON{header: x.header("chatcmpl-", "chat.completion.chunk"), Choices: []chatChoice{}, Usage: x.usageJSON()})
		} else {
			err = t.json(completionJSON{header: x.header("cmpl-", "text_completion"), Choices: []completionChoice{}, Usage: x.usageJSON()})
		}
		if err != nil {
			return err
		}
	}
	return t.data([]byte("[DONE]"))
}

// take takes what is new. Tokens whose text is held back, since a character or a text to stop at may be cut, come with it.
func (x *exchange) take() []piece {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []piece
	for i := range x.choices {
		c := &x.choices[i]
		if c.sent || c.end == "" && c.text.Len() == 0 {
			continue
		}
		list = append(list, piece{i, c.text.String(), c.tokens, c.end})
		c.text.Reset()
		c.tokens, c.sent = nil, c.end != ""
	}
	return list
}

func (x *exchange) sendPiece(t *stream, p piece) error {
	c := &x.choices[p.choice]
	first := !c.begun
	c.begun = true
	var end *string
	if p.end != "" {
		end = finish(p.end)
	}
	if x.on == onChat {
		h := x.header("chatcmpl-", "chat.completion.chunk")
		one := func(delta chatMessage, tokens []scored, end *string) error {
			part := chatChoice{Index: p.choice, Delta: &delta, Finish: end}
			if len(tokens) > 0 {
				part.Scores = x.chatScores(p.choice, tokens)
			}
			return t.json(chatJSON{header: h, Choices: []chatChoice{part}})
		}
		if first {
			if err := one(chatMessage{Role: "assistant", Content: ptr("")}, nil, nil); err != nil {
				return err
			}
		}
		if p.text != "" || len(p.tokens) > 0 {
			if err := one(chatMessage{Content: &p.text}, p.tokens, nil); err != nil || end == nil {
				return err
			}
		}
		return one(chatMessage{}, nil, end)
	}
	text := p.text
	echo := first && x.echo
	if echo {
		text = x.prompts[p.choice/x.samples].text + text
	}
	part := completionChoice{Index: p.choice, Text: text, Finish: end}
	if len(p.tokens) > 0 || echo {
		part.Scores = x.completionScores(p.choice, p.tokens, echo)
	}
	return t.json(completionJSON{header: x.header("cmpl-", "text_completion"), Choices: []completionChoice{part}})
}
