package backends

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// action is what is done about a failure.
type action uint8

const (
	repeat  action = iota // after a pause
	again                 // at once: the next try will differ
	giveUp                // this request alone
	split                 // ask for less
	refused               // the text is refused
	stop                  // no request will fare better
	unfit                 // 400 without a known cause: stop at the first request, giveUp later
)

// failure is one try that failed.
type failure struct {
	act       action
	class     string // of Spent.Retries
	reason    string // of Error
	status    int
	detail    string
	wait      time.Duration // what the server asks for
	congested bool
	unreached bool // no answer came
	unsent    bool // no connection either, so that nothing can have been paid
	most      int  // repeats that make sense, if fewer than the policy's; 0 is no bound
	err       error
}

// outage: the answer is that of a server without capacity, or of a proxy with none behind it, whatever was asked.
func (f *failure) outage() bool {
	switch f.status {
	case 429, 502, 503, 504, 520, 521, 522, 523, 524, 529: // 52x are Cloudflare's, 529 is Anthropic's
		return true
	}
	return false
}

// classify says what an answer means that is no translation: one with a status of 300 and more, or with 2xx and an error in
// its body. The library's own error types are not asked, since they lose the status when the error is a string or has no
// message, and the body when the status is 200.
func classify(status int, h http.Header, body []byte, now time.Time) *failure {
	e := readError(body)
	if status < 300 && e.code >= 400 && e.code < 600 {
		status = e.code // a gateway that answers 200 and means something else
	}
	f := &failure{status: status, reason: "server_error", class: "server", detail: e.text(status)}
	words := strings.ToLower(e.kind + " " + e.name + " " + e.message)
	has := func(list ...string) bool {
		return slices.ContainsFunc(list, func(w string) bool { return strings.Contains(words, w) })
	}
	in := func(list ...int) bool { return slices.Contains(list, status) }
	switch {
	case status == 402, in(400, 403, 429) && has("insufficient_quota", "exceeded your current quota", "billing", "budget_exceeded", "budget has been exceeded", "credit balance", "out of credits", "insufficient credits"):
		f.act, f.reason = stop, "quota"
	case in(400, 403, 422, 451, 500) && has("content_filter", "content filter", "content_policy", "content policy", "content management policy", "responsibleaipolicyviolation", "flagged", "data_inspection_failed", "safety"):
		f.act, f.reason = refused, "content_filter"
	case in(401, 403, 407):
		f.act, f.reason = stop, "unauthorized"
	case status == 413, in(400, 422, 500) && contextWords(words):
		f.act, f.reason = split, "context_length"
	case in(400, 404, 422) && has("model_not_found", "unknown model", "no such model", "does not exist", "invalid model", "unknown_model", "deploymentnotfound") || in(400, 404) && modelMissing().MatchString(words):
		f.act, f.reason = stop, "model"
	case status == 429:
		f.reason, f.class, f.congested = "rate_limit", "rate_limit", true
	case in(408, 504, 522, 524):
		f.reason, f.class, f.congested = "timeout", "timeout", true
	case in(503, 529):
		f.congested = true
	case in(409, 425, 304):
	case in(404, 405, 410, 501): // an address without an API, at the first request; a proxy in trouble later
		f.act, f.reason = unfit, "not_found"
	case status >= 300 && status < 400:
		f.act, f.reason = stop, "redirect"
		f.detail = "the server sends elsewhere (" + short(h.Get("Location"), 200) + "); give that address"
	case status >= 400 && status < 500:
		f.act, f.reason = unfit, "bad_request"
	case status < 300:
		f.class, f.reason = "answer", "invalid_answer"
		if e.message == "" {
			f.reason, f.detail = "empty", "an answer without choices"
		}
	}
	if f.act == repeat {
		f.wait = retryAfter(h, now)
	}
	return f
}

var (
	modelMissing = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`model[^.]{0,100}(not found|not exist|not supported|not available|not loaded)`)
	})
	// vLLM "maximum context length is", llama.cpp "exceeds the available context size", TGI "`inputs` tokens +
	// `max_new_tokens` must be <=", OpenAI "context_length_exceeded", SGLang "is longer than the model's context length".
	contextExceeded = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`max_(completion_)?tokens\W[^.]{0,60}(too large|at most|less than)|exceed\w*[^.]{0,80}(token|context|length|size)|(token|context|length|input|prompt)[^.]{0,80}exceed`)
	})
)

func contextWords(words string) bool {
	for _, w := range []string{"maximum context", "context length", "context_length", "context window", "context size", "too long", "max_total_tokens", "max_model_len", "too many tokens", "max_new_tokens", "maximum input length"} {
		if strings.Contains(words, w) {
			return true
		}
	}
	return contextExceeded().MatchString(words)
}

// serverError is what was found in a body.
type serverError struct {
	message, kind, name string
	code                int
}

func (e serverError) text(status int) string {
	if e.message != "" {
		return short(e.message, 300)
	}
	if s := strings.TrimSpace(e.kind + " " + e.name); s != "" {
		return short(s, 300)
	}
	if s := http.StatusText(status); s != "" {
		return s
	}
	return "no word of explanation"
}

// readError understands {"error":{…}}, {"error":"…"} (Ollama), {"object":"error","message":…} (vLLM before 0.10),
// {"detail":"…"} and {"detail":[{"loc":…,"msg":…}]} (FastAPI), {"error_type":…,"error":…} (TGI), lists of those (Google),
// and as text whatever else a proxy says.
func readError(body []byte) serverError {
	var v any
	if len(body) > 1<<20 {
		body = body[:1<<20]
	}
	if err := json.Unmarshal(body, &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return serverError{message: plainText(body)}
	}
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	m, ok := v.(map[string]any)
	if !ok {
		return serverError{message: plainText(body)}
	}
	var e serverError
	e.take(m)
	if inner, ok := m["error"].(map[string]any); ok {
		e.take(inner)
		if in, ok := inner["innererror"].(map[string]any); ok {
			e.name += " " + word(in["code"])
		}
		if meta, ok := inner["metadata"].(map[string]any); ok { // OpenRouter: what the provider behind it says
			if raw := word(meta["raw"]); raw != "" {
				e.message += ": " + raw
			}
		}
	}
	return e
}

func (e *serverError) take(m map[string]any) {
	for _, key := range []string{"message", "detail", "error", "msg"} {
		if s := word(m[key]); s != "" {
			e.message = s
			break
		}
	}
	for _, key := range []string{"type", "error_type", "status"} {
		if s, ok := m[key].(string); ok {
			e.kind += " " + s
		}
	}
	switch c := m["code"].(type) {
	case float64:
		e.code = int(max(-1, min(c, 1e6)))
	case string:
		e.name += " " + c
		if n, err := strconv.Atoi(c); err == nil {
			e.code = n
		}
	}
	if p, ok := m["param"].(string); ok && p != "" {
		e.name += " " + p
	}
}

// word makes a text of a message in whatever form.
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, x := range v[:min(len(v), 8)] {
			switch x := x.(type) {
			case string:
				all = append(all, x)
			case map[string]any:
				s, _ := x["msg"].(string)
				if loc, ok := x["loc"].([]any); ok {
					s = fmt.Sprint(loc[:min(len(loc), 8)]...) + ": " + s
				}
				all = append(all, s)
			}
		}
		return strings.Join(all, "; ")
	}
	return ""
}

var tags = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?is)<(script|style)[^>]{0,1000}>.*?</|<[^>]{0,1000}>`)
})

// plainText is the beginning of a page as a person would read it.
func plainText(body []byte) string {
	body = bytes.ToValidUTF8(body[:min(len(body), 8<<10)], nil)
	return short(strings.Join(strings.Fields(string(tags().ReplaceAll(body, []byte(" ")))), " "), 200)
}

func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// unreachable says what an error means that came instead of an answer.
func unreachable(err, cause error) *failure {
	f := &failure{act: repeat, class: "connection", reason: "connection", detail: err.Error(), unreached: true, err: err}
	var (
		dns  *net.DNSError
		op   *net.OpError
		cert *tls.CertificateVerificationError
		auth x509.UnknownAuthorityError
		host x509.HostnameError
		head tls.RecordHeaderError
	)
	switch {
	case errors.Is(cause, errTimeout):
		f.class, f.reason, f.detail, f.congested = "timeout", "timeout", "no answer in time", true
	case errors.Is(cause, errGrace):
		f.act, f.reason, f.detail = giveUp, "cancelled", "no answer in the time that is waited after an interrupt"
	case errors.Is(err, errTooLarge):
		f.class, f.reason, f.unreached, f.detail = "answer", "invalid_answer", false, errTooLarge.Error()
	case errors.As(err, &cert), errors.As(err, &auth), errors.As(err, &host), errors.As(err, &head):
		f.act, f.unsent = stop, true
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		f.act, f.unsent = stop, true
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		f.unsent = true
	case errors.Is(err, context.DeadlineExceeded):
		f.class, f.reason, f.congested = "timeout", "timeout", true
	}
	return f
}
