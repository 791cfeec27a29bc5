package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRateLimited(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		if a.n <= 2 {
			w.Header().Set("Retry-After-Ms", "150")
			status(w, 429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`)
			return
		}
		ok(w, a)
	})
	b := open1(t, f, nil)
	began := time.Now()
	a := must(t, b, request("one"))
	if d := time.Since(began); d < 300*time.Millisecond {
		t.Errorf("waited %v", d)
	}
	if a.Spent.Requests != 3 || a.Spent.Retries["rate_limit"] != 2 || b.Stats().Retries["rate_limit"] != 2 {
		t.Errorf("%+v", a.Spent)
	}
}

// One Retry-After stops all.
func TestSharedPause(t *testing.T) {
	var until atomic.Int64
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		if a.n == 1 {
			until.Store(time.Now().Add(200 * time.Millisecond).UnixNano())
			w.Header().Set("Retry-After-Ms", "200")
			status(w, 503, "")
			return
		}
		if u := until.Load(); u > 0 && time.Now().UnixNano() < u {
			t.Error("a request in the pause")
		}
		ok(w, a)
	})
	b := open1(t, f, func(o *OpenAI) { o.Policy.MaxConcurrency = 1 })
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { must(t, b, request("x")) })
	}
	all.Wait()
}

func TestHang(t *testing.T) {
	release := make(chan struct{})
	f := newFake(t, func(w http.ResponseWriter, a asked) { <-release })
	defer close(release)
	b := open1(t, f, func(o *OpenAI) { o.Policy.Timeout = 50 * time.Millisecond; o.Policy.Retries = 1 })
	_, err := b.Translate(context.Background(), request("one"))
	e := want(t, err, Failed, "timeout")
	if e.Spent.Requests != 2 || e.Spent.Retries["timeout"] != 1 || e.Spent.Prompt == 0 || !e.Spent.Estimated {
		t.Errorf("%+v", e.Spent)
	}
}

// Retries -1 is none.
func TestNoRetries(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a asked) { status(w, 500, "") })
	_, err := open1(t, f, func(o *OpenAI) { o.Policy.Retries = -1 }).Translate(context.Background(), request("one"))
	if e := want(t, err, Failed, "server_error"); e.Spent.Requests != 1 {
		t.Errorf("%d requests", e.Spent.Requests)
	}
}

// TestOutage: a proxy without a server behind it ends the run; texts that a server chokes on do not, nor does a bad time.
func TestOutage(t *testing.T) {
	for _, c := range []struct {
		name   string
		status func(n int) int
		class  Class
	}{
		{"no capacity for good", func(int) int { return 429 }, Down},
		{"a dead server behind a proxy", func(int) int { return 502 }, Down},
		{"poisoned texts", func(int) int { return 500 }, Failed},
		{"a bad time", func(n int) int { return 503 - 303*(n/19%2) }, Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, a asked) {
				if code := c.status(a.n); code != 200 {
					status(w, code, "")
					return
				}
				ok(w, a)
			})
			b := open1(t, f, func(o *OpenAI) { o.Policy.Retries = -1 })
			worst := Failed
			for i := range 60 {
				_, err := b.Translate(context.Background(), request(fmt.Sprint("text ", i)))
				if e, ok := errors.AsType[*Error](err); ok && e.Class != Failed {
					worst = e.Class
				}
			}
			if worst != c.class {
				t.Errorf("class %d, want %d", worst, c.class)
			}
			if n := f.n.Load(); c.class == Down && n != 20 {
				t.Errorf("%d requests before the end", n)
			}
		})
	}
}

func TestMaxElapsed(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, a asked) { status(w, 500, "") })
	b := open1(t, f, func(o *OpenAI) { o.Policy.Retries = 1000; o.Policy.MaxElapsed = 200 * time.Millisecond })
	_, err := b.Translate(context.Background(), request("one"))
	if e := want(t, err, Failed, "server_error"); e.Spent.Requests > 500 || e.Spent.Requests < 2 {
		t.Errorf("%d requests", e.Spent.Requests)
	}
}

// breaking accepts connections and cuts them, in as many ways as there are.
func breaking(t *testing.T, how func(n int, c net.Conn)) (address string, count *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	count = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				n, _ := c.Read(buf)
				if strings.HasPrefix(string(buf[:n]), "GET") {
					// Closed for all to know: a request on a connection that is believed open would break once more.
					io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				how(int(count.Add(1)), c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return "http://" + l.Addr().String() + "/v1", count
}

// Connections that break are repeated, and the answer comes whole or not at all.
func TestBrokenConnections(t *testing.T) {
	good := chat(`{"translations":[{"id":0,"text":"BAT"}]}`, "stop")
	address, count := breaking(t, func(n int, c net.Conn) {
		switch n {
		case 1: // nothing
		case 2:
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"choi")
		case 3:
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cho\r\n")
		case 4:
			io.WriteString(c, "garbage\r\n\r\n")
		default:
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(good), good)
		}
	})
	b, err := newOpenAI(OpenAI{BaseURL: address, Model: "m", Policy: Policy{Timeout: 5 * time.Second, Retries: 6}}, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a := must(t, b, request("one"))
	if a.Texts[0] != "BAT" || count.Load() != 5 || a.Spent.Retries["connection"] != 4 {
		t.Errorf("%+v after %d", a, count.Load())
	}
}

// A server that was never there is gone after the retries of one request.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	b, err := newOpenAI(OpenAI{BaseURL: "http://" + l.Addr().String(), Model: "m", Policy: Policy{Retries: 2}}, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 3 {
		_, err := b.Translate(context.Background(), request("one"))
		e := want(t, err, Down, "connection")
		if e.Spent.Prompt != 0 || e.Spent.Requests > 3 {
			t.Errorf("%+v", e.Spent)
		}
	}
}

// The circuit: many requests find nobody, all wait, one tries; then the server is back, or gone for good.
func TestCircuit(t *testing.T) {
	for _, back := range []bool{true, false} {
		var down atomic.Bool
		var open, tries atomic.Int64
		address, _ := breaking(t, func(n int, c net.Conn) {
			if down.Load() {
				if open.Load() > 0 {
					tries.Add(1)
				}
				return
			}
			s := chat(`{"translations":[{"id":0,"text":"BAT"}]}`, "stop")
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(s), s)
		})
		b, err := newOpenAI(OpenAI{BaseURL: address, Model: "m", Policy: Policy{Timeout: 5 * time.Second, Retries: 50}, Log: func(format string, args ...any) {
			if s := fmt.Sprintf(format, args...); strings.Contains(s, "in a row") {
				if open.Add(1); back {
					down.Store(false)
				}
			}
		}}, fast)
		if err != nil {
			t.Fatal(err)
		}
		must(t, b, request("one"))
		down.Store(true)
		var all sync.WaitGroup
		var good, gone atomic.Int64
		for range 30 {
			all.Go(func() {
				_, err := b.Translate(context.Background(), request("one"))
				if e, ok := errors.AsType[*Error](err); ok && e.Class == Down {
					gone.Add(1)
				} else if err == nil {
					good.Add(1)
				} else {
					t.Error(err)
				}
			})
		}
		all.Wait()
		b.Close()
		if back && good.Load() != 30 || !back && gone.Load() != 30 {
			t.Errorf("back %v: %d good, %d gone", back, good.Load(), gone.Load())
		}
		if open.Load() != 1 {
			t.Errorf("said %d times", open.Load())
		}
		if n := tries.Load(); !back && (n < 1 || n > 8) { // those in flight when it opened, and one
			t.Errorf("%d tries while open", n)
		}
	}
}

func TestBudgets(t *testing.T) {
	seed := rand.Uint64()
	for name, p := range map[string]Policy{
		"requests": {MaxRequests: 37},
		"tokens":   {MaxTokens: 20000},
		"cost":     {MaxCost: 0.5, PriceIn: 10, PriceOut: 30, PriceCached: -1},
	} {
		var used atomic.Int64
		f := newFake(t, func(w http.ResponseWriter, a asked) {
			r := rand.New(rand.NewPCG(seed, uint64(a.n)))
			if r.IntN(5) == 0 {
				status(w, 500, "")
				return
			}
			used.Add(110)
			ok(w, a)
		})
		b := open1(t, f, func(o *OpenAI) {
			p.Timeout, p.Retries = 5*time.Second, 3
			o.Policy = p
			o.System, o.Shots = "Translate.", [][2]string{}
		})
		var all sync.WaitGroup
		var good, out atomic.Int64
		for range 64 {
			all.Go(func() {
				for range 10 {
					_, err := b.Translate(context.Background(), request("one word"))
					switch e, _ := errors.AsType[*Error](err); {
					case err == nil:
						good.Add(1)
					case e != nil && e.Class == Budget:
						if e.Reason != "budget" || e.Detail == "" {
							t.Errorf("%+v", e)
						}
						out.Add(1)
					case e == nil || e.Reason != "server_error":
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		s := b.Stats()
		n := int64(len(f.requests()))
		if s.Requests != n || out.Load() == 0 {
			t.Errorf("%s (seed %d): %d requests, %d counted, %d good, %d out", name, seed, n, s.Requests, good.Load(), out.Load())
		}
		switch name {
		case "requests":
			if n != 37 {
				t.Errorf("%d requests", n)
			}
		case "tokens":
			if u := used.Load(); u > 20000 || u < 18000 || s.Prompt+s.Completion != u {
				t.Errorf("%d tokens used, %d counted", u, s.Prompt+s.Completion)
			}
		case "cost":
			if s.Cost > 500000 || s.Cost < 450000 || s.Cost != used.Load()/110*(90*10+20*30) {
				t.Errorf("cost %d of %d answers", s.Cost, used.Load()/110)
			}
		}
	}
}

func TestPrices(t *testing.T) {
	b := NewPurse(Policy{PriceIn: 2, PriceOut: 8, PriceCached: 0.5})
	if c := b.price(tokens{prompt: 1000, completion: 100, cached: 600}); c != 400*2+300+800 {
		t.Errorf("%d", c)
	}
	if c := NewPurse(Policy{PriceIn: 2, PriceCached: -1}).price(tokens{prompt: 1000, cached: 600}); c != 2000 {
		t.Errorf("%d", c)
	}
}

// A planted key is nowhere, however the server throws it about.
func TestKey(t *testing.T) {
	const key = "sk-PLANTED/key+0123456789"
	var logs []string
	for i, body := range []string{
		`{"error":{"message":"bad header %s"}}`, `{"error":"%s"}`, `{"detail":"%s"}`, `<html>%s</html>`, `{"error":{"message":"x","code":"%s"}}`,
		`{"choices":[{"message":{"content":"{\"translations\":[{\"id\":0,\"text\":\"%s\"}]}"},"finish_reason":"stop"}]}`,
		`{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, `{"choices":[{"message":{"content":null,"refusal":"%s"},"finish_reason":"stop"}]}`,
	} {
		for _, code := range []int{200, 302, 400, 401, 404, 429, 500} {
			f := newFake(t, func(w http.ResponseWriter, a asked) {
				auth := a.header.Get("Authorization")
				w.Header().Set("Location", "/"+auth)
				s := newScrubber(key, nil)
				form := auth
				if n := a.n % (len(s.secrets) + 1); n > 0 {
					form = s.secrets[n-1]
				}
				status(w, code, strings.ReplaceAll(body, "%s", form))
			})
			b := open1(t, f, func(o *OpenAI) {
				o.Key = key
				o.BaseURL = strings.Replace(f.URL, "http://", "http://me:hunter2hunter2@", 1)
				o.Policy.Retries = 20
				o.Log = func(format string, args ...any) { logs = append(logs, fmt.Sprintf(format, args...)) }
			})
			a, err := b.Translate(context.Background(), request("one"))
			if err == nil {
				t.Fatalf("body %d, code %d: accepted %q", i, code, a.Texts)
			}
			all := fmt.Sprintf("%v %+v %v %q %+v", err, err, errors.Unwrap(err), logs, b.Stats()) + b.Engine()
			for _, secret := range append(newScrubber(key, nil).secrets, "PLANTED", "hunter2") {
				if strings.Contains(all, secret) {
					t.Errorf("body %d, code %d: %q in %s", i, code, secret, all)
				}
			}
		}
	}
}

// The address's password is in no error of the network either.
func TestKeyInAddress(t *testing.T) {
	b, err := newOpenAI(OpenAI{BaseURL: "http://me:hunter2hunter2@127.0.0.1:1/v1", Model: "m", Policy: Policy{Retries: 1}}, fast)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = b.Translate(context.Background(), request("one"))
	if e := want(t, err, Down, "connection"); strings.Contains(fmt.Sprintf("%v %+v %v", e, e, e.Err), "hunter2") {
		t.Error(e)
	}
}

func TestRedirects(t *testing.T) {
	other := newFake(t, ok)
	var place string
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		w.Header().Set("Location", place)
		w.WriteHeader(307)
	})
	b := open1(t, f, func(o *OpenAI) { o.Key = "sk-12345678" })
	place = other.URL + "/v1/chat/completions"
	must(t, b, request("one"))
	if q := other.requests()[0]; q.header.Get("Authorization") != "" || q.segments[0] != "one" {
		t.Errorf("another host got %q", q.header)
	}
}

func TestTooLarge(t *testing.T) {
	block := strings.Repeat(" ", 1<<20)
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		for range maxAnswer>>20 + 2 {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	})
	_, err := open1(t, f, func(o *OpenAI) { o.Policy.Retries = -1 }).Translate(context.Background(), request("one"))
	want(t, err, Failed, "invalid_answer")
}

// As many connections as requests at a time, and no more.
func TestConnections(t *testing.T) {
	f := newFake(t, ok)
	b := open1(t, f, func(o *OpenAI) { o.Policy.MaxConcurrency = 16 })
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 20 {
				must(t, b, request("x"))
			}
		})
	}
	all.Wait()
	if n := f.opened.Load(); n > 17 {
		t.Errorf("%d connections for 16 requests at a time", n)
	}
	if s := b.Stats(); s.Limit != 16 || s.InFlight != 0 || s.P50 <= 0 || s.P95 < s.P50 || s.Requests != 640 {
		t.Errorf("%+v", s)
	}
}
