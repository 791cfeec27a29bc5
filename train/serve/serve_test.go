package serve

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
	"curate/kernel"
	"curate/tokenize"
	"curate/tokenize/chat"
	"curate/train"
	"curate/train/generate"
	"curate/train/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// tiny has random weights and writes whatever its tokenizer has; its context is made longer than what it was trained on.
const tinyContext = 400

// config is that of a server of tiny.
func config(t testing.TB, o generate.Options) (Config, *model.Model) {
	t.Helper()
	l, err := train.Load(context.Background(), store.NewLocal(nil), "../eval/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	set, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, 1)
	t.Cleanup(pool.Close)
	m, err := model.New(l.Config, l.Params, pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenize.Open(l.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	templates, err := chat.Open(l.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	if templates, err = templates.Choose("chatml"); err != nil {
		t.Fatal(err)
	}
	format, err := chat.NewFormat(templates, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	o.Sampling, o.MaxTokens, o.Context, o.Ends, o.Apart = generate.Greedy(), 1, tinyContext, []uint32{0, 55}, true // 55 is W
	w, err := generate.NewWriter(m, tok, o)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return Config{
		Writer: w, Prompts: generate.NewPrompts(tok, 0), Chats: chat.NewEncoder(tok, format, chat.Options{}), Tokenizer: tok,
		Context: tinyContext, Vocabulary: m.Config.Vocabulary, Name: "tiny", Parallel: 8, Queue: 100, Memory: 64 << 20, Defaults: generate.Greedy(),
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Seed: func() uint64 { return 7 }, ID: func() string { n++; return fmt.Sprint(n) },
	}, m
}

// start runs a server, and gives its address, up to and with its port. stop ends it as a signal would, and gives Run's error.
func start(t testing.TB, c Config) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(c).Run(ctx, l) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel(errStopped)
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Minute):
			t.Fatal("the server does not end")
			return nil
		}
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); !errors.Is(err, errStopped) {
				t.Error(err)
			}
		}
	})
	return "http://" + l.Addr().String(), stop
}

var errStopped = errors.New("stopped")

// post sends a request and gives status and body.
func post(t testing.TB, url, body string) (int, string) {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestAnswers: what is answered to what, in testdata/answers.golden.
func TestAnswers(t *testing.T) {
	c, _ := config(t, generate.Options{})
	address, _ := start(t, c)
	long := strings.Repeat("5,", tinyContext)
	requests := []struct{ name, method, path, body string }{
		{"health", "GET", "/health", ""},
		{"models", "GET", "/v1/models", ""},
		{"the model", "GET", "/v1/models/tiny", ""},
		{"another model", "GET", "/v1/models/large", ""},
		{"nothing there", "GET", "/v1/embeddings", ""},
		{"another method", "GET", "/v1/completions", ""},
		{"another method", "POST", "/health", ""},

		{"greedy, as train/generate/testdata has it", "POST", "/v1/completions", `{"model":"tiny","prompt":"Kaixo, ","temperature":0,"max_tokens":6}`},
		{"the default is 16 tokens", "POST", "/v1/completions", `{"prompt":"The","temperature":0}`},
		{"a temperature that is none", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":1e-45,"max_tokens":3}`},
		{"token ids", "POST", "/v1/completions", `{"prompt":[45,100],"temperature":0,"max_tokens":3}`},
		{"several", "POST", "/v1/completions", `{"prompt":["Kaixo, ","The"],"temperature":0,"max_tokens":3,"n":2,"best_of":2}`},
		{"several of ids", "POST", "/v1/completions", `{"prompt":[[45,100],[5]],"temperature":0,"max_tokens":3}`},
		{"seed", "POST", "/v1/completions", `{"prompt":"Kaixo, ","seed":1,"temperature":0.8,"max_tokens":12,"n":2,"user":"u","metadata":{"a":1},"logit_bias":{},"presence_penalty":0.0,"suffix":null}`},
		{"sampling", "POST", "/v1/completions", `{"prompt":"Kaixo, ","seed":-1,"temperature":1.5,"top_p":0.9,"top_k":-1,"min_p":0.01,"repetition_penalty":1.2,"max_tokens":12}`},
		{"stop", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":0,"stop":["nowhere","m\ufffd"]}`},
		{"stop as a text", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":0,"stop":"am"}`},
		{"nothing is written", "POST", "/v1/completions", `{"prompt":"Kaixo, ","max_tokens":0}`},
		{"an empty prompt", "POST", "/v1/completions", `{"prompt":"","temperature":0,"max_tokens":3,"logprobs":0,"echo":true}`},
		{"as lm-eval asks", "POST", "/v1/completions", `{"model":"tiny","prompt":[[45,100,5]],"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}`},
		{"a prompt alone", "POST", "/v1/completions", `{"prompt":"Kaixo, ","max_tokens":0,"logprobs":2,"echo":true}`},
		{"log-probabilities of characters in pieces", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":0,"max_tokens":4,"logprobs":5}`},
		{"the model ends it", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":0,"max_tokens":40,"logprobs":0}`},
		{"a stream", "POST", "/v1/completions", `{"prompt":"Kaixo, ","temperature":0,"max_tokens":6,"stream":true,"stream_options":{"include_usage":true}}`},
		{"a stream with all there is", "POST", "/v1/completions", `{"prompt":"ñ","temperature":0,"max_tokens":3,"stream":true,"echo":true,"logprobs":1}`},
		{"a stream of a prompt alone", "POST", "/v1/completions", `{"prompt":"ñ","max_tokens":0,"stream":true,"echo":true}`},

		{"chat", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"temperature":0,"max_tokens":5}`},
		{"parts of a content", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"text","text":"q"}]}],"temperature":0,"max_completion_tokens":5,"response_format":{ "type" : "text" },"tools":[]}`},
		{"log-probabilities of a chat", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"seed":3,"max_tokens":4,"logprobs":true,"top_logprobs":2}`},
		{"variables", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"temperature":0,"max_tokens":5,"chat_template_kwargs":{"continue_final_message":true}}`},
		{"a streamed chat", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"temperature":0,"max_tokens":2,"stream":true,"logprobs":true,"stream_options":{"include_usage":true}}`},

		{"no JSON", "POST", "/v1/completions", `{"prompt":"a"`},
		{"no object", "POST", "/v1/completions", `[1]`},
		{"nothing", "POST", "/v1/completions", ``},
		{"something behind it", "POST", "/v1/completions", `{"prompt":"a"} {}`},
		{"a key twice", "POST", "/v1/completions", `{"prompt":"a","prompt":"b"}`},
		{"not UTF-8", "POST", "/v1/completions", "{\"prompt\":\"\xff\"}"},
		{"another model", "POST", "/v1/completions", `{"model":"large","prompt":"a"}`},
		{"no prompt", "POST", "/v1/completions", `{"model":"tiny"}`},
		{"a prompt that is none", "POST", "/v1/completions", `{"prompt":{"a":1}}`},
		{"no prompts", "POST", "/v1/completions", `{"prompt":[]}`},
		{"a list without a token", "POST", "/v1/completions", `{"prompt":[[5],[]]}`},
		{"no token of the model's", "POST", "/v1/completions", `{"prompt":[5,384]}`},
		{"a negative one", "POST", "/v1/completions", `{"prompt":[-1]}`},
		{"too long", "POST", "/v1/completions", `{"prompt":[` + long + `5]}`},
		{"no room to write", "POST", "/v1/completions", `{"prompt":[` + long[:len(long)-1] + `]}`},
		{"no messages", "POST", "/v1/chat/completions", `{}`},
		{"no message", "POST", "/v1/chat/completions", `{"messages":[]}`},
		{"a message without a role", "POST", "/v1/chat/completions", `{"messages":[{"content":"q"}]}`},
		{"messages that are none", "POST", "/v1/chat/completions", `{"messages":["q"]}`},
		{"an image", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}`},
		{"another's parameter", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"echo":true}`},
		{"a slip", "POST", "/v1/completions", `{"prompt":"a","temprature":0}`},
		{"a slip that is null", "POST", "/v1/completions", `{"prompt":[5],"temprature":null,"temperature":0,"max_tokens":1}`},
		{"temperature", "POST", "/v1/completions", `{"prompt":"a","temperature":-1}`},
		{"temperature as a string", "POST", "/v1/completions", `{"prompt":"a","temperature":"0"}`},
		{"top_p", "POST", "/v1/completions", `{"prompt":"a","top_p":0}`},
		{"top_k", "POST", "/v1/completions", `{"prompt":"a","top_k":-2}`},
		{"n", "POST", "/v1/completions", `{"prompt":"a","n":0}`},
		{"n as a fraction", "POST", "/v1/completions", `{"prompt":"a","n":1.5}`},
		{"best_of", "POST", "/v1/completions", `{"prompt":"a","best_of":4}`},
		{"logprobs", "POST", "/v1/completions", `{"prompt":"a","logprobs":21}`},
		{"top_logprobs without logprobs", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"top_logprobs":1}`},
		{"stop", "POST", "/v1/completions", `{"prompt":"a","stop":""}`},
		{"stop as a number", "POST", "/v1/completions", `{"prompt":"a","stop":1}`},
		{"seed", "POST", "/v1/completions", `{"prompt":"a","seed":1e30}`},
		{"stream_options without stream", "POST", "/v1/completions", `{"prompt":"a","stream_options":{"include_usage":true}}`},
		{"stream_options", "POST", "/v1/completions", `{"prompt":"a","stream":true,"stream_options":{"usage":true}}`},
		{"logit_bias", "POST", "/v1/completions", `{"prompt":"a","logit_bias":{"5":1}}`},
		{"suffix", "POST", "/v1/completions", `{"prompt":"a","suffix":"b"}`},
		{"tools", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function"}]}`},
		{"structured output", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"q"}],"response_format":{"type":"json_schema"}}`},
	}
	var out bytes.Buffer
	for _, r := range requests {
		req, err := http.NewRequest(r.method, address+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream") {
			b = append(joined(t, string(b)), '\n')
		}
		asked := strings.ReplaceAll(strings.ToValidUTF8(r.body, "?"), long[:len(long)-1], "5,…")
		fmt.Fprintf(&out, "# %s\n%s %s %s\n%d %s\n%s\n", r.name, r.method, r.path, asked, got.StatusCode, got.Header.Get("Content-Type"), b)
	}
	const name = "testdata/answers.golden"
	if *update {
		if err := os.WriteFile(name, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		for i, line := range strings.Split(out.String(), "\n") {
			if w := strings.Split(string(want), "\n"); i >= len(w) || w[i] != line {
				t.Fatalf("%s:%d is otherwise: %s\nRun the test with -update and read the difference.", name, i+1, line)
			}
		}
		t.Fatalf("%s has more", name)
	}
}

// event is what pieces of both kinds have.
type event struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []struct {
		Index int    `json:"index"`
		Text  string `json:"text"`
		Delta struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"delta"`
		Scores *struct {
			Content []jsontext.Value `json:"content"`
			Refusal jsontext.Value   `json:"refusal"`
			Tokens  []jsontext.Value `json:"tokens"`
			Probs   []jsontext.Value `json:"token_logprobs"`
			Top     []jsontext.Value `json:"top_logprobs"`
			Offsets []jsontext.Value `json:"text_offset"`
		} `json:"logprobs"`
		Finish *string `json:"finish_reason"`
	} `json:"choices"`
	Usage jsontext.Value `json:"usage"`
	Error jsontext.Value `json:"error"`
}

// joined puts a stream together: where it is cut into pieces is a matter of time.
func joined(t testing.TB, stream string) []byte {
	t.Helper()
	stream, ok := strings.CutSuffix(stream, "data: [DONE]\n\n")
	if !ok {
		t.Errorf("a stream without an end: %q", stream)
	}
	var all event
	ended := map[int]bool{}
	for _, e := range strings.Split(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		var one event
		if data, ok := strings.CutPrefix(e, "data: "); !ok || json.Unmarshal([]byte(data), &one, json.RejectUnknownMembers(true)) != nil {
			t.Fatalf("%q is no event of a stream", e)
		}
		if all.ID == "" {
			all.ID, all.Object, all.Created, all.Model = one.ID, one.Object, one.Created, one.Model
		}
		if one.ID != all.ID || one.Object != all.Object || one.Created != all.Created || one.Model != all.Model || all.Usage != nil {
			t.Errorf("%q does not go with what comes before", e)
		}
		all.Usage = one.Usage
		for _, c := range one.Choices {
			for len(all.Choices) <= c.Index {
				all.Choices = append(all.Choices, c)
				all.Choices[len(all.Choices)-1].Index = -1
			}
			to := &all.Choices[c.Index]
			if ended[c.Index] {
				t.Errorf("%q comes behind the end", e)
			}
			ended[c.Index] = c.Finish != nil
			if to.Index < 0 {
				*to = c
				continue
			}
			to.Text += c.Text
			to.Delta.Content += c.Delta.Content
			to.Delta.Role += c.Delta.Role
			to.Finish = c.Finish
			if to.Scores == nil {
				to.Scores = c.Scores
			} else if c.Scores != nil {
				to.Scores.Content = append(to.Scores.Content, c.Scores.Content...)
				to.Scores.Tokens = append(to.Scores.Tokens, c.Scores.Tokens...)
				to.Scores.Probs = append(to.Scores.Probs, c.Scores.Probs...)
				to.Scores.Top = append(to.Scores.Top, c.Scores.Top...)
				to.Scores.Offsets = append(to.Scores.Offsets, c.Scores.Offsets...)
			}
		}
	}
	for i := range all.Choices {
		if !ended[i] {
			t.Errorf("choice %d has no end", i)
		}
	}
	b, err := json.Marshal(all, json.OmitZeroStructFields(true))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
