package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"curate/train/generate"
)

// TestTogether: what is written for a request is what a writer writes alone, as curate generate does, whatever is asked beside it.
func TestTogether(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	c, m := config(t, generate.Options{Together: 5, Room: 1500})
	type question struct {
		body map[string]any
		want []string
	}
	var all []question
	for range 40 {
		n, most := 1+r.IntN(3), 1+r.IntN(40)
		words := make([]string, 1+r.IntN(30))
		for i := range words {
			words[i] = []string{"Kaixo", "the", "mundua", "Ω", "12", "\n"}[r.IntN(6)]
		}
		prompt := strings.Join(words, " ")
		s := generate.Greedy()
		body := map[string]any{"prompt": prompt, "max_tokens": most, "n": n, "temperature": 0, "stream": r.IntN(3) == 0}
		if r.IntN(2) == 0 {
			s.Temperature, s.Seed, s.TopK = 0.9, r.Uint64N(1<<60), 100
			body["temperature"], body["seed"], body["top_k"] = 0.9, s.Seed, 100
		}
		if r.IntN(2) == 0 {
			body["logprobs"] = 2
		}
		alone, err := generate.NewWriter(m, c.Tokenizer, generate.Options{Sampling: s, MaxTokens: most, Context: tinyContext, Ends: []uint32{0, 55}})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := generate.NewPrompts(c.Tokenizer, 0).Encode([]byte(prompt))
		if err != nil {
			t.Fatal(err)
		}
		list, err := alone.Write(t.Context(), ids, 0, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		q := question{body: body}
		for _, l := range list {
			q.want = append(q.want, l.Text)
		}
		all = append(all, q)
	}
	id := sync.Mutex{}
	n := 0
	c.ID = func() string { id.Lock(); defer id.Unlock(); n++; return fmt.Sprint(n) }
	address, _ := start(t, c)
	var wg sync.WaitGroup
	for _, q := range all {
		wg.Go(func() {
			b, err := json.Marshal(q.body)
			if err != nil {
				t.Error(err)
				return
			}
			status, body := post(t, address+"/v1/completions", string(b))
			if status == http.StatusOK && q.body["stream"] == true {
				body = string(joined(t, body))
			}
			var got event
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Errorf("%d %s: %v", status, body, err)
				return
			}
			var texts []string
			for _, c := range got.Choices {
				texts = append(texts, c.Text)
			}
			if !slices.Equal(texts, q.want) {
				t.Errorf("%s is answered with\n%q, want\n%q", b, texts, q.want)
			}
		})
	}
	wg.Wait()
}

// TestStream: a stream has, put together, what is answered without one.
func TestStream(t *testing.T) {
	c, _ := config(t, generate.Options{})
	c.ID = func() string { return "id" }
	address, _ := start(t, c)
	for path, bodies := range map[string][]string{
		"/v1/completions": {
			`"prompt":["Kaixo, ","ñ"],"max_tokens":30,"n":3,"seed":5,"echo":true,"logprobs":2`,
			`"prompt":["Kaixo, ","ñ"],"max_tokens":30,"n":2,"seed":5,"logprobs":0,"stop":["a","%"]`,
			`"prompt":[[1,2,3]],"max_tokens":30,"n":2,"seed":6`,
		},
		"/v1/chat/completions": {
			`"messages":[{"role":"user","content":"ñ"}],"max_tokens":30,"n":3,"seed":5`,
			`"messages":[{"role":"user","content":"ñ"}],"max_tokens":30,"n":2,"seed":5,"logprobs":true,"top_logprobs":2`,
		},
	} {
		for _, body := range bodies {
			_, whole := post(t, address+path, "{"+body+"}")
			_, stream := post(t, address+path, "{"+body+`,"stream":true,"stream_options":{"include_usage":true}}`)
			stream = string(joined(t, stream))
			whole = strings.ReplaceAll(whole, `"message":`, `"delta":`)
			var got, want event
			for text, to := range map[string]*event{whole: &want, stream: &got} {
				if err := json.Unmarshal([]byte(text), to, json.RejectUnknownMembers(true)); err != nil {
					t.Fatal(text, err)
				}
			}
			got.Object = want.Object // of a chat it is another
			a, err := json.Marshal(got)
			b, err2 := json.Marshal(want)
			if string(a) != string(b) || err != nil || err2 != nil {
				t.Errorf("%s\nis streamed as %s\nand answered as %s", body, a, b)
			}
		}
	}
}

// held makes ID, which handlers call when a request is in, wait.
func held(c *Config) (in chan struct{}, release func()) {
	in, gate := make(chan struct{}, 100), make(chan struct{})
	c.ID = func() string {
		in <- struct{}{}
		<-gate
		return "held"
	}
	return in, sync.OnceFunc(func() { close(gate) })
}

// TestBusy: so many requests are let in as there is room for.
func TestBusy(t *testing.T) {
	c, _ := config(t, generate.Options{})
	c.Parallel, c.Queue = 1, 2
	in, release := held(&c)
	address, _ := start(t, c)
	defer release()
	const body = `{"prompt":"Kaixo, ","max_tokens":2}`
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if status, answer := post(t, address+"/v1/completions", body); status != http.StatusOK {
				t.Error(status, answer)
			}
		})
		<-in
	}
	r, err := http.Post(address+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "1" || !strings.Contains(string(b), `"code":"server_busy"`) || err != nil {
		t.Errorf("%d %s, %v", r.StatusCode, b, err)
	}
	release()
	wg.Wait()
	if status, answer := post(t, address+"/v1/completions", body); status != http.StatusOK {
		t.Error(status, answer)
	}
}

// TestMemory: what would take more than there is is refused, and what is large while it lasts, for the time being.
func TestMemory(t *testing.T) {
	c, _ := config(t, generate.Options{})
	c.Memory = 200_000
	in, release := held(&c)
	address, _ := start(t, c)
	defer release()
	url := address + "/v1/completions"
	large := strings.Repeat(" ", 30_000)
	for body, want := range map[string]string{
		`{"prompt":"a","n":128,"max_tokens":100,"logprobs":20}`: "request_too_large",
		`{"prompt":"` + large + `"}`:                            "413",
	} {
		status, answer := post(t, url, body)
		if !strings.Contains(fmt.Sprint(status, answer), want) || status/100 != 4 {
			t.Errorf("%d %s, want %s", status, answer, want)
		}
	}
	// A body of unknown length counts as the largest there may be, until it is answered.
	unknown, err := http.NewRequest(http.MethodPost, url, io.MultiReader(strings.NewReader(`{"prompt":"a","max_tokens":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int)
	go func() {
		r, err := http.DefaultClient.Do(unknown)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		r.Body.Close()
		status <- r.StatusCode
	}()
	<-in
	if status, answer := post(t, url, `{"prompt":"a","n":10,"max_tokens":350}`); status != http.StatusTooManyRequests {
		t.Error(status, answer)
	}
	release()
	if got := <-status; got != http.StatusOK {
		t.Error(got)
	}
	if status, answer := post(t, url, `{"prompt":"a","n":5,"max_tokens":350,"temperature":0}`); status != http.StatusOK {
		t.Error(status, answer)
	}
	// Too much of unknown length.
	unknown, err = http.NewRequest(http.MethodPost, url, io.MultiReader(strings.NewReader(`{"prompt":"`+large+`"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := http.DefaultClient.Do(unknown); err != nil || r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(r, err)
	}
}

// TestRoom: room for bodies is there or not, and for that of answers requests wait in their order, also when one of them goes away.
func TestRoom(t *testing.T) {
	r := room{requests: 2, bodies: 10, answers: 10}
	if !r.enter(6) || r.enter(5) || !r.enter(4) || r.enter(0) {
		t.Error("another room for bodies than 10 bytes of 2 requests")
	}
	r.leave(6)
	if !r.enter(6) || r.inHand() != 2 {
		t.Error("what was left is not there")
	}
	if err := r.take(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	order := make(chan int, 3)
	ctx, leave := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	for i, wait := range []struct {
		ctx   context.Context
		bytes int64
	}{{ctx, 9}, {t.Context(), 4}, {t.Context(), 3}} {
		wg.Go(func() {
			if err := r.take(wait.ctx, wait.bytes); err == nil {
				order <- i
			} else if !errors.Is(err, errStopped) {
				t.Error(err)
			}
		})
		for n := 0; n <= i; { // it stands behind those before it
			r.mu.Lock()
			n = len(r.turns)
			r.mu.Unlock()
		}
	}
	if len(order) > 0 {
		t.Error("one has come in before its turn")
	}
	leave(errStopped) // the first, which is too large for the time being; the next is, too, and the last waits behind it
	for n := 3; n > 2; {
		r.mu.Lock()
		n = len(r.turns)
		r.mu.Unlock()
	}
	if len(order) > 0 {
		t.Error("one has come in before its turn")
	}
	r.give(7)
	wg.Wait()
	if r.answers != 3 || len(order) != 2 {
		t.Errorf("%d bytes are left, and %d came in", r.answers, len(order))
	}
}

// TestGone: a client that goes away leaves its place and its room, whether it waits, or is being written for.
func TestGone(t *testing.T) {
	c, _ := config(t, generate.Options{Together: 1})
	c.Parallel, c.Queue = 1, 1
	address, _ := start(t, c)
	url := address + "/v1/completions"
	ctx, leave := context.WithCancel(t.Context())
	// Together they would be written for minutes.
	ids := strings.TrimSuffix(strings.Repeat("[5],", 2000), ",")
	body := `{"prompt":[` + ids + `],"max_tokens":40,"n":5,"temperature":1,"stream":true}`
	var wg sync.WaitGroup
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(r, err)
		}
		wg.Go(func() {
			_, err := io.Copy(io.Discard, r.Body)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			r.Body.Close()
		})
	}
	leave()
	wg.Wait()
	deadline := time.Now().Add(time.Minute)
	for {
		status, answer := post(t, url, `{"prompt":"Kaixo, ","max_tokens":3,"temperature":0}`)
		if status == http.StatusOK {
			break
		}
		if status != http.StatusTooManyRequests || time.Now().After(deadline) {
			t.Fatal(status, answer)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestEnd: the server ends when what it has begun is answered.
func TestEnd(t *testing.T) {
	c, _ := config(t, generate.Options{})
	in, release := held(&c)
	address, stop := start(t, c)
	defer release()
	answered := make(chan string)
	go func() {
		status, answer := post(t, address+"/v1/completions", `{"prompt":"Kaixo, ","max_tokens":6,"temperature":0}`)
		answered <- fmt.Sprint(status, answer)
	}()
	<-in
	ended := make(chan error)
	go func() { ended <- stop() }()
	for { // until nobody listens any more
		r, err := http.Get(address + "/health")
		if err != nil {
			break
		}
		r.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		time.Sleep(time.Millisecond)
	}
	release()
	if got := <-answered; !strings.Contains(got, `"text":"\u0007am`) {
		t.Error(got)
	}
	if err := <-ended; !errors.Is(err, errStopped) {
		t.Error(err)
	}
}

// TestKey: without it nothing is answered but whether the server is there.
func TestKey(t *testing.T) {
	c, _ := config(t, generate.Options{})
	c.Key = "secret"
	address, _ := start(t, c)
	for _, v := range []struct {
		path, given string
		want        int
	}{
		{"/v1/models", "", 401}, {"/v1/models", "Bearer secre", 401}, {"/v1/models", "Bearer ", 401}, {"/v1/models", "secret", 401}, {"/v1/nothing", "", 401},
		{"/v1/models", "Bearer secret", 200}, {"/health", "", 200},
	} {
		req, err := http.NewRequest(http.MethodGet, address+v.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", v.given)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != v.want || err != nil || r.StatusCode == 401 && !strings.Contains(string(b), "invalid_api_key") {
			t.Errorf("%s with %q: %d %s, %v", v.path, v.given, r.StatusCode, b, err)
		}
	}
}

// TestDiverged: a model whose scores are no numbers answers with errors, and the server goes on.
func TestDiverged(t *testing.T) {
	c, m := config(t, generate.Options{})
	nan := float32(0)
	m.Params.Data[len(m.Params.Data)-1] = nan / nan
	address, _ := start(t, c)
	for range 2 {
		for _, more := range []string{"", `,"logprobs":1,"echo":true`, `,"stream":true`} {
			status, answer := post(t, address+"/v1/completions", `{"prompt":"Kaixo, ","max_tokens":6`+more+`}`)
			if status != http.StatusInternalServerError || !strings.Contains(answer, "not finite numbers") || !strings.Contains(answer, `"type":"server_error"`) {
				t.Error(status, answer)
			}
		}
	}
}
