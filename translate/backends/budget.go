package backends

import (
	"context"
	"fmt"
	"math"
	"sync"
)

// tokens of one request.
type tokens struct{ prompt, completion, cached int64 }

// Purse lets no more be sent than was allowed, however many goroutines ask: what a request may cost at most is reserved
// before it is sent, and settled by what it did cost.
type Purse struct {
	p Policy

	mu                           sync.Mutex
	requests                     int64
	tokens, cost                 int64 // settled; cost in micro-units
	reservedTokens, reservedCost int64
	waiting                      bool          // somebody waits for changed
	changed                      chan struct{} // closed when something is settled
}

// NewPurse makes what p allows.
func NewPurse(p Policy) *Purse {
	if p.PriceCached < 0 {
		p.PriceCached = p.PriceIn
	}
	return &Purse{p: p, changed: make(chan struct{})}
}

// micro is a cost in micro-units.
func micro(cost float64) int64 { return int64(math.Round(math.Min(cost*1e6, math.MaxInt64/2))) }

// Share is the policy of one of world ranks that work at the same time: limits of requests, tokens and cost (in micro-units) are
// dealt out, so that the ranks' sums are those of p; what does not go into world parts is the first ranks'. An error is a limit that
// leaves a rank with nothing.
func (p Policy) Share(rank, world int) (Policy, error) {
	var err error
	share := func(limit int64, what string) int64 {
		n := limit / int64(world)
		if int64(rank) < limit%int64(world) {
			n++
		}
		if limit > 0 && limit < int64(world) && err == nil {
			err = fmt.Errorf("a limit of %d %s is too little for %d ranks: at least one for each", limit, what, world)
		}
		return n
	}
	p.MaxRequests = share(p.MaxRequests, "requests")
	p.MaxTokens = share(p.MaxTokens, "tokens")
	p.MaxCost = float64(share(micro(p.MaxCost), "millionths (cost)")) / 1e6
	return p, err
}

// price in micro-units: a million tokens for P units are P micro-units a token.
func (b *Purse) price(t tokens) int64 {
	cached := min(t.cached, t.prompt)
	return int64(math.Ceil(float64(t.prompt-cached)*b.p.PriceIn + float64(cached)*b.p.PriceCached + float64(t.completion)*b.p.PriceOut))
}

// reserve waits while other requests hold what may come back.
func (b *Purse) reserve(ctx context.Context, most tokens) error {
	n, cost := most.prompt+most.completion, b.price(most)
	limit := micro(b.p.MaxCost)
	for {
		b.mu.Lock()
		var over string
		switch {
		case b.p.MaxRequests > 0 && b.requests >= b.p.MaxRequests:
			over = fmt.Sprintf("all %d requests are sent", b.p.MaxRequests)
		case b.p.MaxTokens > 0 && b.tokens+n > b.p.MaxTokens:
			over = fmt.Sprintf("%d of %d tokens are used, and the next request may take %d", b.tokens, b.p.MaxTokens, n)
		case b.p.MaxCost > 0 && b.cost+cost > limit:
			over = fmt.Sprintf("%.4f of %.4f is spent, and the next request may cost %.4f", float64(b.cost)/1e6, b.p.MaxCost, float64(cost)/1e6)
		}
		fits := (b.p.MaxTokens <= 0 || b.tokens+b.reservedTokens+n <= b.p.MaxTokens) &&
			(b.p.MaxCost <= 0 || b.cost+b.reservedCost+cost <= limit)
		if over == "" && fits {
			b.requests++ // a request that is sent is a request, whatever becomes of it
			b.reservedTokens += n
			b.reservedCost += cost
		}
		changed := b.changed
		b.waiting = b.waiting || over == "" && !fits
		b.mu.Unlock()
		if over != "" {
			return &Error{Class: Budget, Reason: "budget", Detail: over}
		}
		if fits {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// settle gives back what was reserved and books what was used. It returns its price.
func (b *Purse) settle(most, used tokens) int64 {
	cost := b.price(used)
	b.mu.Lock()
	b.reservedTokens -= most.prompt + most.completion
	b.reservedCost -= b.price(most)
	b.tokens += used.prompt + used.completion
	b.cost += cost
	if b.waiting {
		close(b.changed)
		b.changed = make(chan struct{})
		b.waiting = false
	}
	b.mu.Unlock()
	return cost
}
