package backends

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxAnswer bounds what is read of an answer. A translation of 1,500 tokens is a few KB; only a server gone mad sends more.
const maxAnswer = 32 << 20

var errTooLarge = fmt.Errorf("the answer is larger than %d MB", maxAnswer>>20)

// field is a member of a request's body: Value is JSON, or nil to take the member out.
type field struct {
	name  string
	value jsontext.Value
}

// exchange is one request as the transport sees it. It travels in the request's context, since the library has no place for
// it, and brings back what the library throws away: the status of every error, the body of an answer without choices.
type exchange struct {
	fields []field // put into the body, in this order, replacing members of that name
	status int     // 0: no answer came
	header http.Header
	body   []byte
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// transport is the HTTPDoer of go-openai.
type transport struct {
	http *http.Client
	pool *http.Transport
}

// newTransport keeps a connection for each request in flight: the default of two idle ones a host opens a new connection for
// nearly every request. headers are those that carry the key.
func newTransport(connections int, headers ...string) *transport {
	pool := http.DefaultTransport.(*http.Transport).Clone() // proxies from the environment, HTTP/2
	pool.MaxIdleConns = 0
	pool.MaxIdleConnsPerHost = connections
	pool.MaxConnsPerHost = connections
	pool.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	return &transport{pool: pool, http: &http.Client{Transport: pool, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		first := via[0]
		// 301 to 303 turn a POST into a GET, whose answer means nothing; an unencrypted copy of an encrypted request is
		// nobody's wish. Both come back as the redirect itself, which is an error that names the place.
		if len(via) > 5 || req.Method != first.Method || first.URL.Scheme == "https" && req.URL.Scheme != "https" {
			return http.ErrUseLastResponse
		}
		if req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
			// net/http lets keys through to subdomains, and knows one header only.
			req.Header.Del("Authorization")
			req.Header.Del("Cookie")
			for _, h := range headers {
				req.Header.Del(h)
			}
		}
		return nil
	}}}
}

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if x != nil && len(x.fields) > 0 && req.Body != nil {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		if body, err = patch(body, x.fields); err != nil {
			return nil, err
		}
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, err
	}
	// The body is read here, so that the connection is free before anything is decoded.
	body, err := readBounded(resp.Body, resp.ContentLength)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if x != nil {
		x.status, x.header, x.body = resp.StatusCode, resp.Header, body
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (t *transport) close() { t.pool.CloseIdleConnections() }

func readBounded(r io.Reader, size int64) ([]byte, error) {
	if size > maxAnswer {
		return nil, errTooLarge
	}
	// What the header claims is allocated only as far as it is small.
	buf := bytes.NewBuffer(make([]byte, 0, min(max(size, 512), 64<<10)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(r, maxAnswer+1))
	if n > maxAnswer {
		return nil, errTooLarge
	}
	return buf.Bytes(), err
}

var errNoObject = errors.New("the request's body is no JSON object")

// patch sets members of a JSON object. The others stay as they are, byte for byte.
func patch(body []byte, fields []field) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errNoObject
	}
	size := len(body)
	for _, f := range fields {
		size += len(f.name) + len(f.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		key, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return nil, err
		}
		named := append(out, name...) // the name's bytes do not outlive the next read
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if !patched(fields, string(key)) {
			out = append(append(append(named, ':'), value...), ',')
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	for _, f := range fields {
		if f.value != nil {
			out, _ = jsontext.AppendQuote(out, f.name)
			out = append(append(append(out, ':'), f.value...), ',')
		}
	}
	if out[len(out)-1] == ',' {
		out = out[:len(out)-1]
	}
	return append(out, '}'), nil
}

func patched(fields []field, name string) bool {
	for _, f := range fields {
		if f.name == name {
			return true
		}
	}
	return false
}
