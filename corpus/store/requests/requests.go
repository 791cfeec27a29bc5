// Package requests is what stores of servers share about a request: that it is tried again as long as what is wrong may pass
// (Policy), what it has come to in the end (Error), and the access token that it bears (bearer.go). Which errors pass is the
// store's to say; the package knows no protocol.
package requests

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"curate/corpus/store"
)

// longest is the end of the doubling of the time between attempts, in Policy.Pause.
const longest = 100

// Error is what a request has come to after all attempts.
type Error struct {
	Status   int    // of HTTP; 0 where no answer came
	Code     string // the protocol's, such as AccessDenied
	Attempts int
	Endpoint string // of the server
	Message  string // of the server
	Remedy   string
	Is       error // fs.ErrNotExist, fs.ErrPermission or nil
	Err      error // where no answer came
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Status == 0 {
		fmt.Fprintf(&b, "%s: %v", e.Endpoint, e.Err)
	} else {
		fmt.Fprintf(&b, "%s says %d %s", e.Endpoint, e.Status, e.Code)
		if e.Message != "" {
			b.WriteString(" (" + strings.TrimRight(e.Message, ".") + ")")
		}
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, ", the last of %d attempts", e.Attempts)
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Unwrap has what the error is, and its cause.
func (e *Error) Unwrap() []error {
	var list []error
	for _, err := range []error{e.Is, e.Err} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// StatusOf is the HTTP status in an error, 0 without one.
func StatusOf(err error) int {
	if e := new(Error); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// CodeOf is the protocol's code in an error, "" without one.
func CodeOf(err error) string {
	if e := new(Error); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// NoAnswer makes an Error of what a request returned to which no answer came, and says whether another attempt may fare
// better.
func NoAnswer(endpoint string, err error) (_ *Error, again bool) {
	e := &Error{Endpoint: endpoint, Err: err}
	if token := new(tokenError); errors.As(err, &token) { // which says what to do itself
		e.Endpoint, e.Err = "no access token", token.err
		if !token.Temporary() {
			e.Is = fs.ErrPermission
		}
		return e, token.Temporary()
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &host) {
		e.Remedy = "the server's certificate is not trusted here; name the file of its authority in SSL_CERT_FILE"
		return e, false
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		e.Remedy = "the server speaks plain HTTP; write the endpoint as http://"
		return e, false
	}
	e.Remedy = "see whether the server can be reached from here, and repeat the command"
	return e, true
}

// Policy is how often and when a request is tried.
type Policy struct {
	// Attempts is how often before its error is one. Between them lies a random time up to Pause, doubled each time up to a
	// hundred times that.
	Attempts int
	Pause    time.Duration
	// Judge makes an Error of what a request returned, and says whether another attempt may fare better.
	Judge func(err error) (e *Error, again bool)
}

// Attempts counts those at one request.
type Attempts struct {
	p        *Policy
	op, name string
	n        int
}

// Begin counts attempts at op on the object name.
func (p *Policy) Begin(op, name string) *Attempts { return &Attempts{p: p, op: op, name: name} }

// Reset is called when something has come: patience is for standstill.
func (a *Attempts) Reset() { a.n = 0 }

// Next waits for the next attempt and returns nil, or the error that err is in the end.
func (a *Attempts) Next(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.n++
	e, again := a.p.Judge(err)
	if again && a.n < a.p.Attempts {
		// Full jitter: many that failed together do not come back together.
		t := time.NewTimer(rand.N(a.p.Pause*time.Duration(min(1<<min(a.n-1, 20), longest))) + time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	e.Attempts = a.n
	return &fs.PathError{Op: a.op, Path: store.URL(a.name), Err: e}
}

// Next is that of Attempts behind attempt n, from 1.
func (p *Policy) Next(ctx context.Context, op, name string, n int, err error) error {
	a := &Attempts{p: p, op: op, name: name, n: n - 1}
	return a.Next(ctx, err)
}

// Do does a request until it succeeds or cannot.
func (p *Policy) Do(ctx context.Context, op, name string, request func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for a := p.Begin(op, name); ; {
		err := request(ctx)
		if err == nil {
			return nil
		}
		if err := a.Next(ctx, err); err != nil {
			return err
		}
	}
}
