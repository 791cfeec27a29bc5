package backends

import (
	"math"
	"strings"
	"testing"
)

// TestShare: what ranks may spend together is what one process might, to the request, the token and the millionth.
func TestShare(t *testing.T) {
	for _, p := range []Policy{
		{MaxRequests: 100, MaxTokens: 1_000_003, MaxCost: 2.5},
		{MaxRequests: 16, MaxTokens: 17, MaxCost: 0.1},
		{MaxRequests: 31},
		{MaxCost: 0.000016},
		{},
	} {
		for _, world := range []int{1, 3, 7, 16} {
			var sum Policy
			cost, last := int64(0), int64(math.MaxInt64)
			for rank := range world {
				s, err := p.Share(rank, world)
				if err != nil {
					t.Fatal(err)
				}
				if (p.MaxRequests > 0) != (s.MaxRequests > 0) || (p.MaxTokens > 0) != (s.MaxTokens > 0) || (p.MaxCost > 0) != (s.MaxCost > 0) {
					t.Errorf("%+v: rank %d of %d has %+v", p, rank, world, s)
				}
				if s.MaxRequests > last {
					t.Errorf("rank %d of %d may send more than the one before it", rank, world)
				}
				last = s.MaxRequests
				sum.MaxRequests += s.MaxRequests
				sum.MaxTokens += s.MaxTokens
				cost += micro(s.MaxCost)
			}
			if sum.MaxRequests != p.MaxRequests || sum.MaxTokens != p.MaxTokens || cost != micro(p.MaxCost) {
				t.Errorf("%d ranks: %+v and %d together, of %+v", world, sum, cost, p)
			}
		}
	}
	if _, err := (Policy{MaxRequests: 2}).Share(0, 3); err == nil || !strings.Contains(err.Error(), "2 requests is too little for 3 ranks") {
		t.Error(err)
	}
}
