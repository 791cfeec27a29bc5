package requests

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Tokens gives access tokens.
type Tokens interface {
	// Token is a new token, and when it expires; the zero time is that nobody says. "" asks as nobody in particular. An error
	// that passes has a method Temporary that says so. It is called by one goroutine at a time.
	Token(ctx context.Context) (value string, expires time.Time, err error)
}

const (
	// early is how long before its end a token is replaced: servers of metadata keep one until shortly before it ends, so that
	// who comes earlier gets the same (google-auth's REFRESH_THRESHOLD). Of a token that lives shortly it is a quarter.
	early = 225 * time.Second
	// renewal is how long a token that is still good is used after another could not be had.
	renewal = 10 * time.Second
	// hopeless is how many tokens in a row a server refuses until that is taken for its opinion of who asks.
	hopeless = 3
)

// Bearer is an http.RoundTripper that puts an access token on each request (RFC 6750, section 2.1) in place of a signature, gets the next one before it ends,
// and another when the server takes it for none.
type Bearer struct {
	under  http.RoundTripper
	source Tokens
	now    func() time.Time // of tests
	// insecure is that the server speaks plain HTTP and is not this machine.
	insecure bool

	fetching chan struct{} // holds one who gets a token

	mu      sync.Mutex // of what follows
	have    bool
	value   string
	renew   time.Time // when the next token is to be had; the zero time is never
	expires time.Time
	serial  int // of the token
	refused int // tokens in a row
}

// tokenError is that there is no token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// Temporary says whether a later attempt may succeed.
func (e *tokenError) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.err, &t) && t.Temporary()
}

// NewBearer sends requests by under to one server, whose URL that is.
func NewBearer(under http.RoundTripper, source Tokens, server *url.URL) *Bearer {
	return &Bearer{under: under, source: source, now: time.Now, insecure: server.Scheme != "https" && !Loopback(server.Host), fetching: make(chan struct{}, 1)}
}

// Loopback says whether the host, with or without a port, is this machine by an address or a name that can be no other.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// RoundTrip implements http.RoundTripper.
func (b *Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	value, serial, err := b.token(r.Context())
	if err == nil && value != "" && b.insecure {
		err = fmt.Errorf("an access token would go to http://%s for all to read; use https://, or requests without credentials if that server wants none", r.URL.Host)
	}
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		if r.Context().Err() != nil {
			return nil, err
		}
		return nil, &tokenError{err}
	}
	if value != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+value)
	}
	answer, err := b.under.RoundTrip(r)
	if err == nil {
		b.answered(serial, answer.StatusCode)
	}
	return answer, err
}

// inForce is the token that can be used now; renewing says that one who may wait should get the next.
func (b *Bearer) inForce() (value string, serial int, ok, renewing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	ok = b.have && (b.expires.IsZero() || now.Before(b.expires))
	return b.value, b.serial, ok, !ok || !b.renew.IsZero() && !now.Before(b.renew)
}

// token is the token to use, got if need be.
func (b *Bearer) token(ctx context.Context) (value string, serial int, err error) {
	if value, serial, ok, renewing := b.inForce(); ok && !renewing {
		return value, serial, nil
	}
	select {
	case b.fetching <- struct{}{}:
		defer func() { <-b.fetching }()
	case <-ctx.Done():
		return "", 0, context.Cause(ctx)
	}
	value, serial, ok, renewing := b.inForce() // somebody else may have got it
	if ok && !renewing {
		return value, serial, nil
	}
	next, expires, err := b.source.Token(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if err != nil {
		if ok && ctx.Err() == nil {
			b.renew = now.Add(renewal)
			return value, serial, nil
		}
		return "", 0, err
	}
	b.have, b.value, b.expires, b.renew = true, next, expires, time.Time{}
	b.serial++
	if !expires.IsZero() {
		b.renew = expires.Add(-min(early, max(0, expires.Sub(now)/4)))
	}
	return b.value, b.serial, nil
}

// answered is told of each answer.
func (b *Bearer) answered(serial, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case serial != b.serial || !b.have: // of a token that is gone already
	case status == http.StatusUnauthorized:
		b.have = false
		b.refused++
	default:
		b.refused = 0
	}
}

// Again says whether a request that was refused for its token may fare better with the next.
func (b *Bearer) Again() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.value != "" && b.refused < hopeless
}

// Nobody says that requests have no token, since there are no credentials.
func (b *Bearer) Nobody() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serial > 0 && b.value == ""
}
