package backends

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/sashabaranov/go-openai"
)

// server is an OpenAI-compatible server and a model on it: one question, one answer in text.
type server struct {
	o      OpenAI
	client *client
	http   *transport
	lib    *openai.Client
	extra  []field

	model   jsontext.Value // its name, quoted
	bound   bool           // Extra does not bound the answer itself
	ownMost int64

	mu      sync.Mutex
	dialect dialect

	probed  sync.Once
	known   chan struct{} // closed when the limits are known, or known to be unknown
	stop    context.CancelFunc
	context atomic.Int64 // tokens of the model, 0 if unknown
	canary  canary
}

// dialect is what a server turned out to understand. It starts with everything and loses what is refused.
type dialect struct {
	schema           int  // 2: with the number of translations, 1: without, 0: none
	completionTokens bool // max_completion_tokens, the name for models that think, and not max_tokens
	temperature      bool
	seed             bool
	system           bool // a message of its own for the rules
}

// libraryModel stands in for the model's name while the library looks at the request: it refuses parameters by prefixes of
// names ("o1", "gpt-5") that a local server may have given to something else. The transport puts the name in.
const libraryModel = "model"

// thinkingRoom is for what models write before the answer and do not show.
const thinkingRoom = 4096

func newServer(o OpenAI, pc pace) (*server, error) {
	if o.Model == "" {
		return nil, errors.New("no model is named; say which one the server is to use")
	}
	address, err := url.Parse(o.BaseURL)
	if err != nil {
		// The error holds the address, and the address may hold a password.
		return nil, errors.New("the server's address is no URL; it looks like http://localhost:8000/v1")
	}
	scrub := newScrubber(o.Key, address)
	if address.Scheme != "http" && address.Scheme != "https" || address.Host == "" || address.RawQuery != "" || address.Fragment != "" {
		return nil, fmt.Errorf("the server's address %q is not of the form http://localhost:8000/v1", scrub.clean(address.Redacted()))
	}
	s := &server{o: o, model: appendText(nil, o.Model), bound: true, known: make(chan struct{})}
	names := make([]string, 0, len(o.Extra))
	for name, v := range o.Extra {
		switch name {
		case "model", "messages", "prompt", "stream", "n":
			return nil, fmt.Errorf("the field %q of a request cannot be set; leave it out", name)
		case "max_tokens", "max_completion_tokens":
			s.bound = false
			b, _ := json.Marshal(v)
			f, _ := number(string(b))
			s.ownMost = max(s.ownMost, int64(max(0, min(f, 1e9))))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b, err := json.Marshal(o.Extra[name], json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("the field %q of a request is no JSON: %w", name, err)
		}
		s.extra = append(s.extra, field{name, b})
	}
	p := o.Policy.withDefaults(2*o.MaxTokens + 64)
	s.client = newClient(p, scrub, o.Log, pc)
	s.http = newTransport(p.MaxConcurrency, openai.AzureAPIKeyHeader)
	cfg := openai.DefaultConfig(o.Key)
	cfg.BaseURL = o.BaseURL
	official := strings.HasSuffix(address.Hostname(), "openai.com")
	if o.AzureVersion != "" {
		cfg = openai.DefaultAzureConfig(o.Key, o.BaseURL)
		cfg.APIVersion = o.AzureVersion
		cfg.AzureModelMapperFunc = func(string) string { return o.Model }
		official = true
	}
	cfg.HTTPClient = s.http
	s.lib = openai.NewClientWithConfig(cfg)

	s.dialect = dialect{temperature: true, seed: true, system: true}
	if o.Mode == "chat" && o.Structured != "off" {
		s.dialect.schema = 2
	}
	if official && thinks(o.Model) {
		s.dialect.completionTokens, s.dialect.temperature = true, false
	}
	return s, nil
}

// thinks says whether OpenAI's model of that name wants max_completion_tokens and no temperature.
func thinks(model string) bool {
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if strings.HasPrefix(model, prefix) {
			return true
		}
	}
	return false
}

// question is what goes into one request.
type question struct {
	system, user string // chat
	quoted       []byte // system as JSON, if it is known
	prompt       string // completions, if not ""
	schema       func(exact bool) []byte
	schemaName   string
	most         int64 // tokens of the answer
	temperature  float64
	seed         int
}

// messages as JSON; system: the rules have a message of their own.
func (q *question) messages(system bool) jsontext.Value {
	b := make([]byte, 0, len(q.system)+2*len(q.user)+256)
	switch {
	case q.system == "":
		b = appendText(append(b, `[{"role":"user","content":`...), q.user)
	case !system:
		b = appendText(append(b, `[{"role":"user","content":`...), q.system+"\n\n"+q.user)
	default:
		b = append(b, `[{"role":"system","content":`...)
		if q.quoted != nil {
			b = append(b, q.quoted...)
		} else {
			b = appendText(b, q.system)
		}
		b = appendText(append(b, `},{"role":"user","content":`...), q.user)
	}
	return append(b, `}]`...)
}

// format is the field response_format of OpenAI's structured outputs, which vLLM, llama.cpp and Ollama know too.
func (q *question) format(exact bool) jsontext.Value {
	b := append(make([]byte, 0, 512), `{"type":"json_schema","json_schema":{"name":"`...)
	b = append(append(b, q.schemaName...), `","strict":true,"schema":`...)
	return append(append(b, q.schema(exact)...), `}}`...)
}

func (q *question) bytes() int { return len(q.system) + len(q.user) + len(q.prompt) }

// reply is an answer in text.
type reply struct {
	content  string
	finish   string
	logprobs []float64
	offsets  []int // of each token in the content
}

// ask puts the question until accept has no complaint. The complaint decides what is done.
func (s *server) ask(ctx context.Context, q *question, accept func(reply) *failure) (Spent, error) {
	completion := q.most
	if !s.bound {
		completion = s.ownMost
	}
	// A token is three bytes or more in most texts; what is reserved is settled by what the server says.
	most := tokens{prompt: int64(q.bytes())/3 + 16, completion: completion}
	bad := 0 // answers that were no good: the next try has another seed
	return s.client.run(ctx, most, func(ctx context.Context, n int) result {
		s.mu.Lock()
		d := s.dialect
		s.mu.Unlock()
		x := &exchange{}
		r, res := s.send(withExchange(ctx, x), q, d, x, q.seed+bad*1000)
		res.header = x.header
		if res.failure != nil && res.failure.act == unfit {
			if next, what, ok := d.without(q, res.failure.detail); ok {
				res.failure = s.leaveOut(d, next, what, res.failure)
			}
		}
		if res.failure != nil {
			return res
		}
		if res.used.prompt+res.used.completion == 0 {
			res.used = tokens{prompt: most.prompt, completion: int64(len(r.content))/3 + 1}
			res.estimated = true
		}
		if s.canary.cut(res.used.prompt, q.bytes()) && !res.estimated {
			s.client.log("the server reads no more than %d tokens of a prompt and does not say so; give the model a larger context (Ollama: num_ctx)", res.used.prompt)
			s.context.Store(res.used.prompt)
		}
		if s.client.scrub.holds(r.content) {
			res.failure = &failure{class: "answer", reason: "invalid_answer", detail: "the answer holds the key", most: 1}
		} else {
			res.failure = accept(r)
		}
		if res.failure != nil {
			res.failure.status = x.status
			bad++
		}
		return res
	})
}

// send makes one try.
func (s *server) send(ctx context.Context, q *question, d dialect, x *exchange, seed int) (reply, result) {
	// The library is given an empty request, and the transport fills it in: it would write the constant part anew each time,
	// leave out an empty content, and take 6 bytes for each < and >.
	x.fields = append(make([]field, 0, 8+len(s.extra)), field{"model", s.model})
	if q.prompt != "" {
		x.fields = append(x.fields, field{"prompt", appendText(nil, q.prompt)}, field{"stop", jsontext.Value(`["\n"]`)})
	} else {
		x.fields = append(x.fields, field{"messages", q.messages(d.system)})
	}
	if q.schema != nil && d.schema > 0 {
		x.fields = append(x.fields, field{"response_format", q.format(d.schema > 1)})
	}
	if d.temperature {
		x.fields = append(x.fields, field{"temperature", strconv.AppendFloat(nil, q.temperature, 'g', -1, 64)})
	}
	if d.seed {
		x.fields = append(x.fields, field{"seed", strconv.AppendInt(nil, int64(seed), 10)})
	}
	if s.bound && q.most > 0 {
		name, most := "max_tokens", q.most
		if d.completionTokens && q.prompt == "" {
			name, most = "max_completion_tokens", most+thinkingRoom
		}
		x.fields = append(x.fields, field{name, strconv.AppendInt(nil, most, 10)})
	}
	x.fields = append(x.fields, s.extra...) // the user's word is the last
	x.fields = lastOfEach(x.fields)

	var r reply
	var res result
	var err error
	choices := 0
	var refusal string
	if q.prompt != "" {
		var a openai.CompletionResponse
		a, err = s.lib.CreateCompletion(ctx, openai.CompletionRequest{Model: libraryModel, Prompt: ""})
		if choices = len(a.Choices); choices > 0 {
			c := a.Choices[0]
			r.content, r.finish = c.Text, c.FinishReason
			at := 0
			for i, t := range c.LogProbs.Tokens[:min(len(c.LogProbs.Tokens), len(c.LogProbs.TokenLogprobs))] {
				r.logprobs = append(r.logprobs, float64(c.LogProbs.TokenLogprobs[i]))
				r.offsets = append(r.offsets, at)
				at += len(t)
			}
		}
		if a.Usage != nil {
			res.used = usage(*a.Usage)
		}
	} else {
		var a openai.ChatCompletionResponse
		a, err = s.lib.CreateChatCompletion(ctx, openai.ChatCompletionRequest{Model: libraryModel})
		if choices = len(a.Choices); choices > 0 {
			c := a.Choices[0]
			r.content, r.finish, refusal = c.Message.Content, string(c.FinishReason), c.Message.Refusal
			for _, part := range c.Message.MultiContent { // some servers answer in parts
				r.content += part.Text
			}
			if c.LogProbs != nil {
				at := 0
				for _, t := range c.LogProbs.Content {
					r.logprobs = append(r.logprobs, t.LogProb)
					r.offsets = append(r.offsets, at)
					at += len(t.Token)
				}
			}
		}
		res.used = usage(a.Usage)
	}

	empty := strings.TrimSpace(r.content) == ""
	switch {
	case x.status == 0:
		if err == nil {
			err = errors.New("the request was not sent")
		}
		res.failure = unreachable(err, context.Cause(ctx))
	case x.status >= 300:
		res.failure = classify(x.status, x.header, x.body, time.Now())
	case err != nil:
		res.failure = &failure{class: "answer", reason: "invalid_answer", status: x.status, detail: "the server's answer is no JSON of the API (" + plainText(x.body) + ")"}
	case choices == 0:
		res.failure = classify(x.status, x.header, x.body, time.Now())
	case r.finish == "content_filter":
		res.failure = &failure{act: refused, class: "answer", reason: "content_filter", status: x.status, detail: "the server's content filter cut the answer off"}
	case refusal != "":
		res.failure = &failure{act: refused, class: "answer", reason: "refusal", status: x.status, detail: short(refusal, 200)}
	case r.finish == "length" && empty:
		res.failure = &failure{act: split, class: "answer", reason: "truncated", status: x.status, detail: "the limit of tokens came before the answer"}
	case r.finish == "error":
		res.failure = &failure{class: "server", reason: "server_error", status: x.status, detail: "the server broke off"}
	case r.finish == "tool_calls" || r.finish == "function_call":
		res.failure = &failure{class: "answer", reason: "invalid_answer", status: x.status, detail: "the model called a tool", most: 1}
	case empty:
		res.failure = &failure{class: "answer", reason: "empty", status: x.status, detail: "an empty answer", most: 2}
	}
	if res.failure != nil && x.status/100 == 2 && res.used == (tokens{}) {
		// Something was written, and charged, that we could not read.
		res.used = tokens{prompt: int64(q.bytes())/3 + 16, completion: int64(len(r.content)) / 3}
		res.estimated = true
	}
	return r, res
}

func usage(u openai.Usage) tokens {
	t := tokens{prompt: int64(max(0, u.PromptTokens)), completion: int64(max(0, u.CompletionTokens))}
	if u.PromptTokensDetails != nil {
		t.cached = int64(max(0, u.PromptTokensDetails.CachedTokens))
	}
	return t
}

// lastOfEach keeps the last field of each name.
func lastOfEach(fields []field) []field {
	out := fields[:0]
	for i, f := range fields {
		if !patched(fields[i+1:], f.name) {
			out = append(out, f)
		}
	}
	return out
}

// without is the dialect without what the refusal is about; what names it for people.
func (d dialect) without(q *question, detail string) (next dialect, what string, ok bool) {
	low := strings.ToLower(detail)
	has := func(list ...string) bool {
		return slices.ContainsFunc(list, func(w string) bool { return strings.Contains(low, w) })
	}
	switch {
	case d.schema > 0 && q.schema != nil && has("response_format", "json_schema", "schema", "structured", "guided", "grammar", "minitems", "maxitems"):
		d.schema--
		if d.schema == 0 {
			what = "structured output"
		}
	case !d.completionTokens && has("max_completion_tokens"):
		d.completionTokens = true
	case d.completionTokens && has("max_completion_tokens", "max_tokens"):
		d.completionTokens = false
	case d.temperature && has("temperature"):
		d.temperature = false
		what = "temperature 0"
		// A model that has no temperature decodes as it likes.
	case d.seed && has("seed"):
		d.seed = false
	case d.system && q.prompt == "" && has("system role", "system message", "role 'system'", "role: system", "roles must alternate"):
		d.system = false
	default:
		return d, "", false
	}
	return d, what, true
}

// leaveOut changes the dialect for all requests to come, once, and lets this one be tried again.
func (s *server) leaveOut(was, next dialect, what string, f *failure) *failure {
	if what == "structured output" && s.o.Structured == "on" {
		f.act, f.detail = stop, "the server refuses structured output: "+f.detail
		return f
	}
	s.mu.Lock()
	first := s.dialect == was
	if first {
		s.dialect = next
	}
	s.mu.Unlock()
	if first && what != "" {
		s.client.log("the server refuses %s, and is asked without from now on (%s)", what, f.detail)
	}
	f.act, f.class = again, "parameter"
	return f
}

// limits waits until the model's context is known, if the server tells.
func (s *server) limits(ctx context.Context) error {
	s.probed.Do(func() {
		probe, cancel := context.WithTimeout(context.Background(), min(10*time.Second, s.client.p.Timeout))
		s.stop = cancel
		go func() {
			defer close(s.known)
			defer cancel()
			s.context.CompareAndSwap(0, s.probe(probe))
		}()
	})
	select {
	case <-s.known:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// probe asks GET /models, which the library reads without the fields that matter. Whatever goes wrong, the limit is unknown.
func (s *server) probe(ctx context.Context) int64 {
	if s.o.AzureVersion != "" {
		return 0 // it lists what could be deployed
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(s.o.BaseURL, "/")+"/models", nil)
	if err != nil {
		return 0
	}
	if s.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+s.o.Key)
	}
	x := &exchange{}
	resp, err := s.http.Do(req.WithContext(withExchange(ctx, x)))
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0
	}
	return modelContext(x.body, s.o.Model)
}

// modelContext finds the context of a model in a list of models: max_model_len (vLLM, SGLang), context_length (OpenRouter),
// context_window (Groq), max_context_length (LM Studio, Mistral), meta.n_ctx (llama.cpp).
func modelContext(body []byte, model string) int64 {
	var list struct {
		Data []struct {
			ID    string         `json:"id"`
			Other map[string]any `json:",embed"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &list, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return 0
	}
	for _, m := range list.Data {
		if m.ID != model && len(list.Data) > 1 {
			continue
		}
		meta, _ := m.Other["meta"].(map[string]any)
		for _, v := range []any{m.Other["max_model_len"], m.Other["loaded_context_length"], m.Other["context_length"], m.Other["context_window"], m.Other["max_context_length"], meta["n_ctx"]} {
			if f, ok := v.(float64); ok && f >= 1 && f < 1e9 {
				return int64(f)
			}
		}
	}
	return 0
}

// fits says how many tokens the answer may have in the model's context, false if the question alone is surely too long.
// parts is how many texts could be asked apart.
func (s *server) fits(q *question, parts int) (int64, bool) {
	limit := s.context.Load()
	if limit == 0 {
		return q.most, true
	}
	guess := int64(q.bytes()) * 2 / 5 // 2.5 bytes a token: more tokens than most languages have
	if parts > 1 {
		return q.most, guess+q.most <= limit
	}
	// What cannot be divided here is refused only when there is no doubt; the server knows better.
	if int64(q.bytes())/6+16 > limit {
		return 0, false
	}
	return min(q.most, max(64, limit-guess)), true
}

// canary watches for servers that cut prompts silently: the tokens that are said to be read stay the same, at some round
// number, while prompts differ.
type canary struct {
	mu    sync.Mutex
	top   int64 // most tokens so far
	sizes []int // of different prompts that had so many
	said  bool
}

func (c *canary) cut(prompt int64, size int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.said || prompt < 1024 || prompt < c.top: // no model has less context
		return false
	case prompt > c.top:
		c.top, c.sizes = prompt, c.sizes[:0]
	}
	if !slices.Contains(c.sizes, size) {
		c.sizes = append(c.sizes, size)
	}
	// Four prompts whose lengths differ by a tenth have the same number of tokens by chance in no run.
	c.said = len(c.sizes) >= 4 && slices.Max(c.sizes)*10 > slices.Min(c.sizes)*11
	return c.said
}

func (s *server) close() {
	// Without a first request there is no probe.
	s.probed.Do(func() { close(s.known) })
	if s.stop != nil {
		s.stop()
	}
	<-s.known
	s.client.close()
	s.http.close()
}
