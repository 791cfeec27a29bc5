package backends

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pace holds the times of the policy that no flag sets. Tests have shorter ones.
type pace struct {
	base, cap time.Duration // of the back-off
	circuit   time.Duration // pause of the open circuit
	failures  int           // in a row that open it
	window    time.Duration // in which the retry budget's floor grows back
	floor     float64       // retries a window that are always allowed
	share     float64       // of requests that may be retries beside
}

// Full jitter is AWS's "Exponential Backoff And Jitter"; a retry budget of a share of the requests with a floor is gRPC's
// (A6, retry throttling) and Finagle's.
var ordinaryPace = pace{
	base: 500 * time.Millisecond, cap: time.Minute,
	circuit: 30 * time.Second, failures: 20,
	window: 10 * time.Second, floor: 10, share: 0.1,
}

// backoff before repeat n (0 is the first): anything up to base·2^n, and at least what the server asked for.
func (p pace) backoff(n int, floor time.Duration) time.Duration {
	most := p.cap
	if n < 30 {
		most = min(most, p.base<<n)
	}
	return max(time.Duration(rand.Float64()*float64(most)), floor)
}

// longestWait bounds what is believed of a server.
const longestWait = 24 * time.Hour

// retryAfter is how long the server asks to wait, 0 if it does not say. Retry-After is RFC 9110, 10.2.3; retry-after-ms is
// Azure's and OpenAI's; x-ratelimit-reset-* hold durations at OpenAI ("6m0s"), seconds or points in time elsewhere.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, ok := number(h.Get("Retry-After-Ms")); ok {
		return wait(ms / 1000)
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if s, ok := number(v); ok {
			return wait(s)
		}
		if at, err := http.ParseTime(v); err == nil {
			return wait(at.Sub(now).Seconds())
		}
	}
	var longest, shortest time.Duration
	for _, what := range []string{"-Requests", "-Tokens", ""} {
		d, ok := resetIn(h.Get("X-Ratelimit-Reset"+what), now)
		if !ok {
			continue
		}
		if left, ok := number(h.Get("X-Ratelimit-Remaining" + what)); ok && left <= 0 {
			longest = max(longest, d)
		}
		if shortest == 0 || d < shortest {
			shortest = d
		}
	}
	if longest > 0 {
		return longest // all that is used up must come back
	}
	return shortest
}

// resetIn reads a duration, seconds from now, or a point in time (seconds or milliseconds since 1970, RFC 3339).
func resetIn(v string, now time.Time) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0, false
	}
	if s, ok := number(v); ok {
		switch {
		case s > 1e11: // milliseconds: 1e11 of them were over in 1973
			s = s/1000 - float64(now.UnixMilli())/1000
		case s > 1e8:
			s -= float64(now.UnixMilli()) / 1000
		}
		return wait(s), true
	}
	if d, err := time.ParseDuration(v); err == nil {
		return wait(d.Seconds()), true
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return wait(at.Sub(now).Seconds()), true
	}
	return 0, false
}

func number(v string) (float64, bool) {
	x, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	return x, err == nil && !math.IsNaN(x)
}

func wait(seconds float64) time.Duration {
	if !(seconds > 0) {
		return 0
	}
	if seconds > longestWait.Seconds() {
		return longestWait
	}
	return time.Duration(seconds * float64(time.Second))
}

// retryBudget keeps a server that is in trouble from getting several times its load: repeats are a share of the requests,
// and a few a window, so that a small run can repeat too. A repeat that is not allowed yet waits; nothing fails for it.
type retryBudget struct {
	mu     sync.Mutex
	p      pace
	tokens float64
	most   float64
	last   time.Time
}

func newRetryBudget(p pace, now time.Time) *retryBudget {
	return &retryBudget{p: p, tokens: p.floor, most: p.floor, last: now}
}

// sent notes a first try.
func (b *retryBudget) sent() {
	b.mu.Lock()
	b.most = min(b.most+b.p.share, b.p.floor+500) // a long run saves up no more than 500 repeats
	b.tokens = min(b.tokens+b.p.share, b.most)
	b.mu.Unlock()
}

// take a repeat: how long it has to wait. It is taken in any case, so that those behind it wait longer.
func (b *retryBudget) take(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	rate := b.p.floor / b.p.window.Seconds()
	b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*rate, b.most)
	b.last = now
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	return wait(-b.tokens / rate)
}
