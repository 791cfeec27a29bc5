package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store"
)

// longest is the end of the doubling of the time between attempts, in Options.Pause.
const longest = 100

// Error is what a request has come to after all attempts.
type Error struct {
	Status   int    // of HTTP; 0 where no answer came
	Code     string // the protocol's, such as AccessDenied
	Attempts int
	endpoint string
	message  string // of the server
	remedy   string
	is       error // fs.ErrNotExist, fs.ErrPermission or nil
	err      error // where no answer came
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Status == 0 {
		fmt.Fprintf(&b, "%s: %v", e.endpoint, e.err)
	} else {
		fmt.Fprintf(&b, "%s says %d %s", e.endpoint, e.Status, e.Code)
		if e.message != "" {
			b.WriteString(" (" + strings.TrimRight(e.message, ".") + ")")
		}
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, ", the last of %d attempts", e.Attempts)
	}
	if e.remedy != "" {
		b.WriteString("; " + e.remedy)
	}
	return b.String()
}

func (e *Error) Unwrap() []error {
	var list []error
	for _, err := range []error{e.is, e.err} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// statusOf is the HTTP status in an error, 0 without one.
func statusOf(err error) int {
	if e := new(Error); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func codeOf(err error) string {
	if e := new(Error); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// judge makes an Error of what a request returned, and says whether another attempt may fare better.
func (s *Store) judge(err error) (_ *Error, again bool) {
	e := &Error{endpoint: s.o.Endpoint}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		e.err = err
		if token := new(tokenError); errors.As(err, &token) { // which says what to do itself
			e.endpoint, e.err = "no access token", token.err
			if !token.Temporary() {
				e.is = fs.ErrPermission
			}
			return e, token.Temporary()
		}
		var unknown x509.UnknownAuthorityError
		var host x509.HostnameError
		if errors.As(err, &unknown) || errors.As(err, &host) {
			e.remedy = "the server's certificate is not trusted here; name the file of its authority in SSL_CERT_FILE"
			return e, false
		}
		if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
			e.remedy = "the server speaks plain HTTP; write the endpoint as http://"
			return e, false
		}
		e.remedy = "see whether the server can be reached from here, and repeat the command"
		return e, true
	}
	e.Status, e.Code, e.message = answer.StatusCode, answer.Code, answer.Message
	switch answer.Code {
	case minio.NoSuchBucket:
		e.remedy = "make the bucket, or mend the URL"
		return e, false
	case "RequestTimeTooSkewed":
		e.remedy = "set this machine's clock"
		return e, false
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion":
		e.remedy = "the bucket is in another region; name it in AWS_REGION"
		if answer.Region != "" {
			e.remedy = "the bucket is in the region " + answer.Region + ": set AWS_REGION=" + answer.Region
		}
		return e, false
	case "ExpiredToken", "ExpiredTokenException": // the next attempt has what is in force then
		e.remedy = "renew the credentials"
		return e, true
	case "RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "Throttling", "ThrottlingException":
		return e, true
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		e.is = fs.ErrNotExist
		return e, false
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		e.is = fs.ErrPermission
		e.remedy = fmt.Sprintf("look at the credentials and their rights: \"curate store check %s://BUCKET/PREFIX\" says what is missing", s.o.Scheme)
		if s.bearer != nil && s.bearer.nobody() {
			e.remedy = "no credentials were found, so the request has none: set GOOGLE_APPLICATION_CREDENTIALS or GS_ACCESS_KEY_ID, or run \"gcloud auth application-default login\""
		}
		// A token may end before its time; the next attempt has another.
		return e, answer.StatusCode == http.StatusUnauthorized && s.bearer != nil && s.bearer.again()
	case answer.StatusCode == http.StatusRequestTimeout, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == 499,
		// None of our writes has a condition, so these two are the state of something else that will pass.
		answer.StatusCode == http.StatusConflict, answer.StatusCode == http.StatusPreconditionFailed,
		answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented:
		e.remedy = "repeat the command later"
		return e, true
	case answer.StatusCode < 400: // an answer that is none
		return e, true
	}
	return e, false
}

// attempts counts those at one request.
type attempts struct {
	s        *Store
	op, name string
	n        int
}

func (s *Store) attempts(op, name string) *attempts { return &attempts{s: s, op: op, name: name} }

// reset is called when something has come: patience is for standstill.
func (a *attempts) reset() { a.n = 0 }

// next waits for the next attempt and returns nil, or the error that err is in the end.
func (a *attempts) next(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.n++
	e, again := a.s.judge(err)
	if again && a.n < a.s.o.Attempts {
		// Full jitter: many that failed together do not come back together.
		t := time.NewTimer(rand.N(a.s.o.Pause*time.Duration(min(1<<min(a.n-1, 20), longest))) + time.Millisecond)
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

// try does a request until it succeeds or cannot.
func (s *Store) try(ctx context.Context, op, name string, request func(ctx context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for a := s.attempts(op, name); ; {
		err := request(ctx)
		if err == nil {
			return nil
		}
		if err := a.next(ctx, err); err != nil {
			return err
		}
	}
}
