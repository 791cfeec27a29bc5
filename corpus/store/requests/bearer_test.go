package requests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// issuer gives tokens "1", "2", … .
type issuer struct {
	life time.Duration
	now  func() time.Time
	n    int
	err  error
}

func (i *issuer) Token(context.Context) (string, time.Time, error) {
	if i.err != nil {
		return "", time.Time{}, i.err
	}
	i.n++
	return fmt.Sprint(i.n), i.now().Add(i.life), nil
}

// passing is an error that passes.
type passing struct{ error }

func (passing) Temporary() bool { return true }

// answers notes the tokens that come, and answers with a status.
type answers struct {
	status int
	mu     sync.Mutex
	tokens []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = append(a.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	return &http.Response{StatusCode: a.status, Body: http.NoBody}, nil
}

// ask sends a request and returns the token that it bore.
func ask(t *testing.T, b *Bearer, under *answers) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://storage.example.org/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.RoundTrip(r); err != nil {
		return "", err
	}
	if r.Header.Get("Authorization") != "" {
		t.Error("the caller's request was changed")
	}
	return under.tokens[len(under.tokens)-1], nil
}

// TestRenewal: the next token is got before the end, and while none is to be had the old one is used until its end.
func TestRenewal(t *testing.T) {
	clock := time.Now()
	now := func() time.Time { return clock }
	i := &issuer{life: time.Hour, now: now}
	under := &answers{status: http.StatusOK}
	b := NewBearer(under, i, &url.URL{Scheme: "https", Host: "storage.example.org"})
	b.now = now
	outage := errors.New("an outage")
	for step, c := range []struct {
		minutes float64 // that have passed
		err     error
		token   string // "" is an error
	}{
		{0, nil, "1"},
		{0, nil, "1"},
		{56, nil, "1"},
		{0.5, nil, "2"}, // 210 s before the end
		{57, outage, "2"},
		{0, nil, "2"}, // not asked for again at once
		{0.5, nil, "3"},
		{59, outage, "3"},
		{2, outage, ""},
		{0, nil, "4"},
	} {
		clock = clock.Add(time.Duration(c.minutes * float64(time.Minute)))
		i.err = c.err
		got, err := ask(t, b, under)
		if got != c.token || (err != nil) != (c.token == "") {
			t.Errorf("step %d: the token %q, %v, want %q", step, got, err, c.token)
		}
		if err == nil {
			continue
		}
		if e, again := NoAnswer("https://x", err); again || !errors.Is(e, fs.ErrPermission) || e.Error() != "no access token: an outage" {
			t.Errorf("step %d: %v, again %v", step, e, again)
		}
	}
	clock = clock.Add(2 * time.Hour)
	i.err = passing{errors.New("a hitch")}
	if _, err := ask(t, b, under); err == nil {
		t.Error("no error")
	} else if e, again := NoAnswer("https://x", err); !again || errors.Is(e, fs.ErrPermission) {
		t.Errorf("%v, again %v", e, again)
	}
	// Of a token that lives for a minute, a quarter of it is early enough.
	i.err, i.life = nil, time.Minute
	for step, c := range []struct {
		seconds int
		token   string
	}{{0, "5"}, {40, "5"}, {10, "6"}} {
		clock = clock.Add(time.Duration(c.seconds) * time.Second)
		if got, err := ask(t, b, under); got != c.token || err != nil {
			t.Errorf("step %d: the token %q, %v, want %q", step, got, err, c.token)
		}
	}
}

// TestRefusals: each refused token is replaced, and three in a row are an answer; 403 is none about the token.
func TestRefusals(t *testing.T) {
	i := &issuer{life: time.Hour, now: time.Now}
	under := &answers{status: http.StatusForbidden}
	b := NewBearer(under, i, &url.URL{Scheme: "https", Host: "storage.example.org"})
	for step, c := range []struct {
		status int
		token  string
		again  bool
	}{{403, "1", true}, {401, "1", true}, {401, "2", true}, {200, "3", true}, {401, "3", true}, {401, "4", true}, {401, "5", false}, {401, "6", false}, {200, "7", true}} {
		under.status = c.status
		if got, err := ask(t, b, under); got != c.token || err != nil || b.Again() != c.again {
			t.Errorf("step %d: the token %q, %v, again %v, want %q, %v", step, got, err, b.Again(), c.token, c.again)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost:9": true, "127.0.0.1": true, "[::1]:80": true, "::1": true, "10.0.0.1:80": false, "localhost.example.org": false, "": false} {
		if Loopback(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
