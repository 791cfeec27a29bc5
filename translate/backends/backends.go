// Package backends talks to what translates: OpenAI-compatible servers, commands. It knows segments, and nothing of rows.
//
// Read backends.go first, then client.go (one request and the policy around it: classify.go, retry.go, circuit.go,
// limiter.go, budget.go), server.go (a question to a model), transport.go (what it mends of the library), openai.go (a
// question is a translation) with prompt.go, answer.go and leak.go, and last command.go and judge.go. asker.go is for whoever has other questions.
package backends

import (
	"context"
	"fmt"
	"time"
)

// Backend translates segments. It may be used from any goroutine; how many requests run at a time is its own limit, for
// which Translate waits.
type Backend interface {
	// Engine identifies all that an answer depends on: the kind, the model, the prompt's digest, the decoding. It is part of
	// the memory's keys and of a step's identity, and holds no address and no key.
	Engine() string
	// Translate asks once, with what the policy repeats. The error is an *Error, or the context's cause before anything was
	// sent: a request that is on its way is paid for, so that its answer is waited for even when ctx is cancelled (within
	// Grace). An *Error of a request that was not repeated because ctx was cancelled wraps the cause.
	Translate(ctx context.Context, r *Request) (*Answer, error)
	// MaxSegments and MaxTokens bound a request.
	MaxSegments() int
	MaxTokens() int
	// Stats are the sums so far.
	Stats() Stats
	Close() error
}

// Request is a few segments of one row, in order.
type Request struct {
	From, To    string   // ISO 639-1
	Segments    []string // rendered, without line feeds
	Placeholder string   // how hole 0 is written in them ("[[P0]]"); "" if there are none
	Context     string   // source text before the first segment, "" if none
	Problem     string   // what was wrong with the last answer to this one segment, for the prompt; "" the first time
	Temperature float64  // 0 is greedy
	Seed        int      // another one for another try
}

// Answer is what came back. Texts has one entry a segment; a segment that is missing from the answer has Missing.
type Answer struct {
	Texts   []string
	Missing []bool
	LogProb []float64 // mean log-probability of a segment's tokens; nil where the server does not say
	Spent   Spent
}

// Spent is what a request cost, failed tries included.
type Spent struct {
	Requests                   int64
	Retries                    map[string]int64 // by class of error: "rate_limit", "server", "timeout", "connection", "answer"; "parameter": asked again without one that the server refuses
	Prompt, Completion, Cached int64            // tokens
	Estimated                  bool             // the server did not say, and the tokens are a guess
	Cost                       int64            // micro-units of the price's currency
}

// Class is what an error means for whoever asked.
type Class uint8

const (
	Failed  Class = iota // this request has failed for good, others may not: repeated in vain, or refused as malformed
	Split                // too long for the model, or cut off at its limit: ask for less at a time
	Refused              // the model or a content filter refuses this text
	Down                 // the server is gone, the circuit is open for good: the run cannot go on
	Denied               // key, quota, model or configuration: the run cannot go on
	Budget               // --max-requests, --max-tokens or --max-cost is used up: the run ends, and may go on with more
)

// Error of Translate.
type Error struct {
	Class  Class
	Reason string // a word for ledger and quarantine: "timeout", "server_error", "rate_limit", "context_length", "truncated", "content_filter", "refusal", "empty", "invalid_answer", "quota", "unauthorized", "model", "budget", "prompt_leak", "bad_request", "not_found", "redirect", "connection", "command", "engine", "cancelled"
	Status int    // of HTTP, 0 if none
	Detail string // in words, without keys
	Spent  Spent
	Err    error
}

func (e *Error) Error() string {
	if e.Status > 0 {
		return fmt.Sprintf("%s (HTTP %d): %s", e.Reason, e.Status, e.Detail)
	}
	return e.Reason + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Stats are sums over a backend's life.
type Stats struct {
	Spent
	InFlight, Limit int           // requests now, and at most at a time at the moment
	P50, P95        time.Duration // of answered requests
}

// Judge scores translations.
type Judge interface {
	Name() string // identifies it as Engine does
	// Score gives one score from 0 to 1 a pair, and NaN where it has none. Errors as of Backend.
	Score(ctx context.Context, from, to string, sources, targets []string) ([]float64, Spent, error)
	Close() error
}

// Policy is how a client behaves towards a server. Zero values are the defaults that each says.
type Policy struct {
	Timeout                        time.Duration // of a request: max(60 s, 30 s + 0.2 s for each token of MaxTokens)
	Retries                        int           // of a request, -1 none; 5
	MaxElapsed                     time.Duration // of a request and its retries; 10 min
	MaxConcurrency                 int           // requests at a time; 64
	Grace                          time.Duration // how long an answer is waited for after a cancel; 30 s
	MaxRequests                    int64         // 0 no limit; likewise the next two
	MaxTokens                      int64         // prompt and completion
	MaxCost                        float64       // in the currency of the prices
	PriceIn, PriceOut, PriceCached float64       // of a million tokens; a negative PriceCached is PriceIn
	Purse                          *Purse        // what the last six say, shared by several backends and judges; nil: one of its own
}

// OpenAI says how to reach a server.
type OpenAI struct {
	BaseURL, Model         string
	Key                    string         // never in an output, a log, an error or an engine
	Mode                   string         // "chat" (JSON in, JSON out), "plain" (one segment, text in, text out), "completions" (few-shot, for base models)
	Structured             string         // "auto", "on", "off": a JSON schema for the answer
	System                 string         // instead of the built-in prompt; "" is that
	Shots                  [][2]string    // examples for plain and completions, and in the prompt of chat; nil is the built-in ones of the language pair
	Glossary               [][2]string    // for the prompt: those whose term occurs in the request
	MaxSegments, MaxTokens int            // of a request: 20, 1500 source tokens
	AzureVersion           string         // with it the server is Azure's, and Model a deployment
	Extra                  map[string]any // fields added to each request's body, such as top_k or chat_template_kwargs
	Policy                 Policy
	Log                    func(format string, args ...any) // what a person should know once: the circuit opens, structured output is refused
}

// NewOpenAI makes the backend. It asks nothing yet, but for the model's limits at the first Translate.
func NewOpenAI(o OpenAI) (Backend, error) {
	b, err := newOpenAI(o, ordinaryPace)
	if err != nil {
		return nil, err // and not a nil *openAI in an interface
	}
	return b, nil
}

// NewLLMJudge lets a chat model score from 1 to 5, scaled to 0 to 1.
func NewLLMJudge(o OpenAI) (Judge, error) {
	j, err := newLLMJudge(o, ordinaryPace)
	if err != nil {
		return nil, err
	}
	return j, nil
}

// NewCometJudge asks a server for scores: POST {"data":[{"src":…,"mt":…}]}, answered {"scores":[…]}.
func NewCometJudge(url string, p Policy, log func(format string, args ...any)) (Judge, error) {
	j, err := newCometJudge(url, p, log, ordinaryPace)
	if err != nil {
		return nil, err
	}
	return j, nil
}

// Command says what to run: lines in, lines out, one a segment; processes are kept running and restarted when they end.
type Command struct {
	Line      string        // for the shell
	Engine    string        // identifies it; "" is a digest of Line
	Processes int           // at a time; 1
	Batch     int           // lines sent before answers are read; 32
	Timeout   time.Duration // of a batch; 5 min
	Key       string        // that is in the environment, for a server: never in an output, a log, an error or an engine
	Policy    Policy        // the budget alone
	Log       func(format string, args ...any)
}

// NewCommand makes the backend. A command that ends, answers another number of lines or not in time is Failed; one that cannot be
// started is Down.
func NewCommand(c Command) (Backend, error) {
	b, err := newCommand(c)
	if err != nil {
		return nil, err
	}
	return b, nil
}
