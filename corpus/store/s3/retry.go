package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/minio/minio-go/v7"

	"curate/corpus/store/requests"
)

// judge makes an Error of what a request returned, and says whether another attempt may fare better.
func (s *Store) judge(err error) (_ *requests.Error, again bool) {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return requests.NoAnswer(s.o.Endpoint, err)
	}
	e := &requests.Error{Endpoint: s.o.Endpoint}
	e.Status, e.Code, e.Message = answer.StatusCode, answer.Code, answer.Message
	switch answer.Code {
	case minio.NoSuchBucket:
		e.Remedy = "make the bucket, or mend the URL"
		return e, false
	case "RequestTimeTooSkewed":
		e.Remedy = "set this machine's clock"
		return e, false
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion":
		e.Remedy = "the bucket is in another region; name it in AWS_REGION"
		if answer.Region != "" {
			e.Remedy = "the bucket is in the region " + answer.Region + ": set AWS_REGION=" + answer.Region
		}
		return e, false
	case "ExpiredToken", "ExpiredTokenException": // the next attempt has what is in force then
		e.Remedy = "renew the credentials"
		return e, true
	case "RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "Throttling", "ThrottlingException":
		return e, true
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		e.Is = fs.ErrNotExist
		return e, false
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		e.Is = fs.ErrPermission
		e.Remedy = fmt.Sprintf("look at the credentials and their rights: \"curate store check %s://BUCKET/PREFIX\" says what is missing", s.o.Scheme)
		if s.bearer != nil && s.bearer.Nobody() {
			e.Remedy = "no credentials were found, so the request has none: set GOOGLE_APPLICATION_CREDENTIALS or GS_ACCESS_KEY_ID, or run \"gcloud auth application-default login\""
		}
		// A token may end before its time; the next attempt has another.
		return e, answer.StatusCode == http.StatusUnauthorized && s.bearer != nil && s.bearer.Again()
	case answer.StatusCode == http.StatusRequestTimeout, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == 499,
		// None of our writes has a condition, so these two are the state of something else that will pass.
		answer.StatusCode == http.StatusConflict, answer.StatusCode == http.StatusPreconditionFailed,
		answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented:
		e.Remedy = "repeat the command later"
		return e, true
	case answer.StatusCode < 400: // an answer that is none
		return e, true
	}
	return e, false
}

// try does a request until it succeeds or cannot.
func (s *Store) try(ctx context.Context, op, name string, request func(ctx context.Context) error) error {
	return s.policy.Do(ctx, op, name, request)
}
