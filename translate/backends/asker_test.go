package backends

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func asker(t *testing.T, f *fake, change func(o *OpenAI)) *Asker {
	t.Helper()
	o := OpenAI{BaseURL: f.URL + "/v1", Model: "m", Policy: Policy{Timeout: 5 * time.Second, Retries: 3}}
	if change != nil {
		change(&o)
	}
	a, err := newAsker(o, fast)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestAsk(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		if a.n == 1 {
			status(w, 503, "busy")
			return
		}
		io.WriteString(w, chat("<think>hm, no</think>\nYes.\n", "stop"))
	})
	a := asker(t, f, func(o *OpenAI) { o.Key = "sk-12345678"; o.MaxTokens = 77 })
	var got string
	spent, err := a.Ask(context.Background(), "Is it?", func(answer string) error { got = answer; return nil })
	if err != nil || got != "Yes." || spent.Requests != 2 || spent.Retries["server"] != 1 {
		t.Errorf("%q, %+v, %v", got, spent, err)
	}
	q := f.requests()[1]
	if q.path != "/v1/chat/completions" || q.user != "Is it?" || len(q.body["messages"].([]any)) != 1 {
		t.Errorf("%s %s", q.path, q.raw)
	}
	for _, part := range []string{`"temperature":0,`, `"seed":0,`, `"max_tokens":77`} {
		if !strings.Contains(q.raw, part) {
			t.Errorf("the request has no %s: %s", part, q.raw)
		}
	}
	if strings.Contains(q.raw, "response_format") || strings.Contains(a.Name(), "127.0.0.1") || !strings.HasPrefix(a.Name(), "m 77 ") {
		t.Errorf("%s, %s", a.Name(), q.raw)
	}
	if s := a.Stats(); s.Requests != 2 {
		t.Errorf("%+v", s)
	}
}

// TestAskAgain: an answer that is no good is asked for once more, with another seed; one that was cut off may be good.
func TestAskAgain(t *testing.T) {
	finish := "stop"
	f := newFake(t, func(w http.ResponseWriter, a asked) { io.WriteString(w, chat("perhaps", finish)) })
	a := asker(t, f, nil)
	no := func(string) error { return errors.New("no verdict in it") }
	_, err := a.Ask(context.Background(), "Is it?", no)
	e := want(t, err, Failed, "invalid_answer")
	if !strings.Contains(e.Detail, "no verdict in it: perhaps") {
		t.Error(e.Detail)
	}
	if list := f.requests(); len(list) != 2 || list[0].body["seed"] == list[1].body["seed"] {
		t.Errorf("%d requests", len(list))
	}
	finish = "length"
	if _, err := a.Ask(context.Background(), "Is it?", func(string) error { return nil }); err != nil {
		t.Error(err)
	}
	_, err = a.Ask(context.Background(), "Is it?", no)
	want(t, err, Split, "truncated")
	_, err = a.Ask(context.Background(), strings.Repeat("long ", 1<<16), no)
	want(t, err, Split, "context_length")
	if _, err := newAsker(OpenAI{BaseURL: f.URL}, fast); err == nil {
		t.Error("no model is named")
	}
}
