package backends

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fast is the ordinary policy with waits that a test has time for.
var fast = pace{base: time.Millisecond, cap: 2 * time.Millisecond, circuit: 50 * time.Millisecond, failures: 20, window: time.Second, floor: 1000, share: 0.1}

// asked is a request as the fake server sees it.
type asked struct {
	n        int // from 1
	path     string
	header   http.Header
	body     map[string]any
	raw      string
	user     string   // last user message, or prompt
	segments []string // of the JSON in it, or user itself
}

// fake is an OpenAI-compatible server whose answers a test writes.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	models string
	n      atomic.Int64
	opened atomic.Int64 // connections
}

// newFake checks at the end that nothing of the backend is left running.
func newFake(t testing.TB, answer func(w http.ResponseWriter, a asked)) *fake {
	t.Helper()
	f := &fake{models: `{"object":"list","data":[{"id":"m","max_model_len":32768}]}`}
	before := runtime.NumGoroutine()
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, f.models)
			return
		}
		raw, _ := io.ReadAll(r.Body)
		a := asked{n: int(f.n.Add(1)), path: r.URL.RequestURI(), header: r.Header, raw: string(raw)}
		json.Unmarshal(raw, &a.body)
		if ms, ok := a.body["messages"].([]any); ok {
			a.user = ms[len(ms)-1].(map[string]any)["content"].(string)
		} else {
			a.user, _ = a.body["prompt"].(string)
		}
		var q struct{ Segments []struct{ Text string } }
		if strings.HasPrefix(a.user, "{") && json.NewDecoder(strings.NewReader(a.user)).Decode(&q) == nil && len(q.Segments) > 0 {
			for _, s := range q.Segments {
				a.segments = append(a.segments, s.Text)
			}
		} else {
			a.segments = []string{a.user}
		}
		f.mu.Lock()
		f.asked = append(f.asked, a)
		f.mu.Unlock()
		answer(w, a)
	}))
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			f.opened.Add(1)
		}
	}
	f.Start()
	t.Cleanup(func() {
		f.Close()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			n := runtime.NumGoroutine()
			if n <= before {
				return
			}
			if time.Now().After(end) {
				buf := make([]byte, 1<<16)
				t.Errorf("%d goroutines before, %d after:\n%s", before, n, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
	return f
}

func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// upper is what the fake takes for a translation.
func upper(a asked) string {
	out := make([]string, len(a.segments))
	for i, s := range a.segments {
		out[i] = strings.ToUpper(s)
	}
	return string(appendTranslations(nil, out))
}

// chat is a whole answer.
func chat(content any, finish string) string {
	c, _ := json.Marshal(content)
	return fmt.Sprintf(`{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":%q}],"usage":{"prompt_tokens":90,"completion_tokens":20,"total_tokens":110}}`, c, finish)
}

func ok(w http.ResponseWriter, a asked) { io.WriteString(w, chat(upper(a), "stop")) }

// status answers with an error.
func status(w http.ResponseWriter, code int, body string) {
	w.WriteHeader(code)
	io.WriteString(w, body)
}

func open1(t testing.TB, f *fake, change func(o *OpenAI)) *openAI {
	t.Helper()
	o := OpenAI{BaseURL: f.URL + "/v1", Model: "m", Policy: Policy{Timeout: 5 * time.Second, Retries: 3}}
	if change != nil {
		change(&o)
	}
	b, err := newOpenAI(o, fast)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func request(segments ...string) *Request {
	return &Request{From: "en", To: "eu", Segments: segments}
}

// want checks an error's class and reason.
func want(t testing.TB, err error, class Class, reason string) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("error %v (%T), want class %d reason %s", err, err, class, reason)
	}
	if e.Class != class || e.Reason != reason {
		t.Fatalf("class %d, reason %s, %q; want class %d, reason %s", e.Class, e.Reason, e.Detail, class, reason)
	}
	return e
}

func must(t testing.TB, b Backend, r *Request) *Answer {
	t.Helper()
	a, err := b.Translate(context.Background(), r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return a
}
