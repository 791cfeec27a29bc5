package backends

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for _, r := range []struct {
		header string // "name: value; name: value"
		want   time.Duration
	}{
		{"", 0},
		{"Retry-After: 7", 7 * time.Second},
		{"Retry-After: 0.5", 500 * time.Millisecond},
		{"Retry-After: -3", 0},
		{"Retry-After: NaN", 0},
		{"Retry-After: 1e300", longestWait},
		{"Retry-After: soon", 0},
		{"Retry-After: Sat, 01 Aug 2026 12:00:30 GMT", 30 * time.Second},
		{"Retry-After: Sat, 01 Aug 2026 11:00:30 GMT", 0},
		{"Retry-After-Ms: 1500; Retry-After: 9", 1500 * time.Millisecond},
		{"X-Ratelimit-Reset-Requests: 6m0s", 6 * time.Minute},
		{"X-Ratelimit-Reset-Requests: 6m0s; X-Ratelimit-Reset-Tokens: 20ms", 20 * time.Millisecond},
		{"X-Ratelimit-Reset-Requests: 6m0s; X-Ratelimit-Remaining-Requests: 0; X-Ratelimit-Reset-Tokens: 20ms; X-Ratelimit-Remaining-Tokens: 9", 6 * time.Minute},
		{"X-Ratelimit-Reset: 12.5", 12500 * time.Millisecond},
		{"X-Ratelimit-Reset: 1785585605", 5 * time.Second},
		{"X-Ratelimit-Reset: 1785585605000", 5 * time.Second},
		{"X-Ratelimit-Reset-Tokens: 2026-08-01T12:01:00Z", time.Minute},
	} {
		h := http.Header{}
		for _, line := range strings.Split(r.header, "; ") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				h.Set(name, value)
			}
		}
		if got := retryAfter(h, now); got != r.want {
			t.Errorf("%s: %v, want %v", r.header, got, r.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	p := ordinaryPace
	for n := range 100 {
		most := time.Minute
		if n < 7 {
			most = 500 * time.Millisecond << n
		}
		for range 100 {
			if d := p.backoff(n, 0); d < 0 || d > most {
				t.Fatalf("repeat %d after %v", n, d)
			}
		}
		if d := p.backoff(n, 2*time.Minute); d != 2*time.Minute {
			t.Fatalf("the floor is not kept: %v", d)
		}
	}
}

func TestRetryBudget(t *testing.T) {
	now := time.Now()
	b := newRetryBudget(ordinaryPace, now)
	for i := range 10 {
		if d := b.take(now); d != 0 {
			t.Fatalf("repeat %d of a small run waits %v", i, d)
		}
	}
	if d := b.take(now); d < 900*time.Millisecond || d > 1100*time.Millisecond {
		t.Errorf("the next waits %v", d)
	}
	if d := b.take(now); d < 1900*time.Millisecond {
		t.Errorf("and the one behind it %v", d)
	}
	for range 1000 {
		b.sent()
	}
	free := 0
	for range 1000 {
		if b.take(now) == 0 {
			free++
		}
	}
	if free < 95 || free > 100 {
		t.Errorf("%d repeats for 1000 requests", free)
	}
}

func enter(t *testing.T, l *limiter, estimate int64) ticket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p, err := l.enter(ctx, estimate)
	if err != nil {
		t.Fatal("no place")
	}
	return p
}

// Doubling every round trip to the limit; halving once a window; then one more a window.
func TestLimiter(t *testing.T) {
	l := newLimiter(500)
	window := func(v verdict) (n int) {
		var all []ticket
		_, limit := l.stats()
		for range limit {
			all = append(all, enter(t, l, 1))
		}
		for _, p := range all {
			l.leave(p, v, nil)
		}
		_, limit = l.stats()
		return limit
	}
	for _, want := range []int{8, 16, 32, 64, 128, 256, 500, 500} {
		if n := window(smooth); n != want {
			t.Fatalf("limit %d, want %d", n, want)
		}
	}
	if n := window(congested); n != 250 {
		t.Errorf("%d after a window of congestion", n)
	}
	// A sum of 250 terms of 1/limit is one, nearly.
	window(smooth)
	if n := window(smooth); n != 251 && n != 252 {
		t.Errorf("%d two windows later", n)
	}
	for range 20 {
		window(congested)
	}
	if _, n := l.stats(); n != 1 {
		t.Errorf("%d at the bottom", n)
	}
	if n := window(neither); n != 1 {
		t.Errorf("%d", n)
	}
	// A server that loads its model says 503 to the first; that is no reason to crawl afterwards.
	l = newLimiter(500)
	window(congested)
	window(smooth)
	window(smooth)
	if n := window(smooth); n != 16 {
		t.Errorf("%d after a slow start", n)
	}
	// A limit that is not used does not grow.
	l = newLimiter(500)
	for range 100 {
		l.leave(enter(t, l, 1), smooth, nil)
	}
	if _, n := l.stats(); n != 4 {
		t.Errorf("%d for one request at a time", n)
	}
}

func TestLimiterCancel(t *testing.T) {
	l := newLimiter(1)
	p := enter(t, l, 1)
	for range 10 {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := l.enter(ctx, 1); err != context.Canceled {
			t.Fatal(err)
		}
	}
	l.leave(p, smooth, nil)
	l.leave(enter(t, l, 1), smooth, nil)
	if n, _ := l.stats(); n != 0 || len(l.queue) != 0 {
		t.Errorf("%d in flight, %d in the queue", n, len(l.queue))
	}
	l.close()
}

// What is left of the server's quota is not overdrawn.
func TestQuota(t *testing.T) {
	now := time.Now()
	h := http.Header{}
	for k, v := range map[string]string{"Limit": "1000", "Remaining": "400", "Reset": "6s"} {
		h.Set("X-Ratelimit-"+k+"-Tokens", v)
	}
	var q quota
	if d := q.wait(now, 1e9, 1e9); d != 0 {
		t.Errorf("nothing is known, and it waits %v", d)
	}
	q.update(h, "-Tokens", 500, now)
	for _, r := range []struct {
		need, sent float64
		later      time.Duration
		want       time.Duration
	}{
		{300, 500, 0, 0},
		{300, 700, 0, time.Second},      // 200 there, 100 a second come back
		{300, 700, time.Second, 0},      // and they are back
		{5000, 500, 0, 6 * time.Second}, // more than there ever is: when all is back
		{5000, 500, 7 * time.Second, 0},
	} {
		if d := q.wait(now.Add(r.later), r.need, r.sent); d < r.want || d > r.want+2*time.Millisecond {
			t.Errorf("%+v: %v", r, d)
		}
	}
	h.Set("X-Ratelimit-Remaining-Tokens", "999")
	q.update(h, "-Tokens", 400, now)
	if q.left != 400 {
		t.Error("an older answer counts")
	}
}

func TestPacing(t *testing.T) {
	began := time.Now()
	f := newFake(t, func(w http.ResponseWriter, a asked) {
		if a.n == 1 {
			w.Header().Set("X-Ratelimit-Limit-Requests", "100")
			w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
			w.Header().Set("X-Ratelimit-Reset-Requests", "20s")
		}
		ok(w, a)
	})
	b := open1(t, f, nil)
	must(t, b, request("one"))
	must(t, b, request("two"))
	if d := time.Since(began); d < 190*time.Millisecond {
		t.Errorf("the second request after %v", d)
	}
}

func TestLatencies(t *testing.T) {
	var l Latencies
	if l.Percentile(0.5) != 0 {
		t.Error("a percentile of nothing")
	}
	for i := range 1000 {
		l.Add(time.Duration(i+1) * time.Millisecond)
	}
	l.Add(1000 * time.Hour)
	l.Add(-1)
	for p, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond} {
		if got := l.Percentile(p); got < want*94/100 || got > want*106/100 {
			t.Errorf("%v: %v", p, got)
		}
	}
}
