package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/kernel"
)

// TestDPO compares losses with the formula as it is written, and weights with differences.
func TestDPO(t *testing.T) {
	naive := func(o DPO, c, r, rc, rr float64, n int) float64 {
		h := o.Beta * ((c - rc) - (r - rr))
		sigma := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
		return -(1-o.LabelSmoothing)*math.Log(sigma(h)) - o.LabelSmoothing*math.Log(sigma(-h)) - o.NLL*c/float64(n)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		o := DPO{Beta: 0.01 + rng.Float64(), NLL: float64(rng.IntN(2)) * rng.Float64(), LabelSmoothing: float64(rng.IntN(2)) * rng.Float64() / 2}
		c, r, rc, rr, n := -50*rng.Float64(), -50*rng.Float64(), -50*rng.Float64(), -50*rng.Float64(), 1+rng.IntN(9)
		p := o.Of(c, r, rc, rr, n)
		if want := naive(o, c, r, rc, rr, n); !(math.Abs(p.Loss-want) <= 1e-12*(1+math.Abs(want))) {
			t.Fatalf("%+v: %v %v %v %v, %d tokens: loss %v, want %v", o, c, r, rc, rr, n, p.Loss, want)
		}
		const e = 1e-5
		dc := (o.Of(c+e, r, rc, rr, n).Loss - o.Of(c-e, r, rc, rr, n).Loss) / (2 * e)
		dr := (o.Of(c, r+e, rc, rr, n).Loss - o.Of(c, r-e, rc, rr, n).Loss) / (2 * e)
		if !(math.Abs(dc+p.ChosenWeight) < 1e-8) || !(math.Abs(dr+p.RejectedWeight) < 1e-8) {
			t.Fatalf("%+v: weights %v and %v, want %v and %v", o, p.ChosenWeight, p.RejectedWeight, -dc, -dr)
		}
	}
	// Before the first step nothing is preferred.
	o := DPO{Beta: 0.1}
	if p := o.Of(-3, -4, -3, -4, 2); math.Abs(p.Loss-math.Ln2) > 1e-15 || p.ChosenWeight != 0.05 || p.RejectedWeight != -0.05 {
		t.Errorf("%+v", p)
	}
	// Far away it is finite, and not a number stays none.
	for _, h := range []float64{1e6, -1e6, 1e300} {
		if p := o.Of(h, 0, 0, 0, 1); math.IsNaN(p.Loss) || math.IsInf(p.Loss, 0) || !(p.ChosenWeight >= 0) || p.ChosenWeight > 0.1 {
			t.Errorf("%v: %+v", h, p)
		}
	}
	if p := o.Of(math.NaN(), 0, 0, 0, 1); !math.IsNaN(p.Loss) || !math.IsNaN(p.ChosenWeight) {
		t.Errorf("%+v", p)
	}
	if p := (&DPO{Beta: 0.1, NLL: 1}).Of(0, -1, 0, -1, 0); math.Abs(p.Loss-math.Ln2) > 1e-15 {
		t.Errorf("an answer without tokens: %+v", p)
	}
}

// TestWeigh has the losses of Weights, and the gradient of the weights that are given, whatever part of the logits is kept.
func TestWeigh(t *testing.T) {
	for _, vocabulary := range []int{37, logitRoom / 30, logitRoom / 100} { // logits of all rows at once, and of 64 or so
		r := rand.New(rand.NewPCG(2, 3))
		m := tiny(t, r, kernel.Auto, 2, func(c *Config) { c.Vocabulary, c.Layers = vocabulary, 1 })
		b := randomBatch(r, m.Config, 3, 70, true)
		want, got := NewParams(m.Params.Layout), NewParams(m.Params.Layout)
		sum, n, err := m.Loss(b, 0.5, want)
		if err != nil {
			t.Fatal(err)
		}
		weights := b.Weights
		losses := make([]float32, len(b.Tokens))
		if err := m.LogProbs(b, losses); err != nil {
			t.Fatal(err)
		}
		calls := 0
		b.Weights, b.Weigh = nil, func(is, to []float32) {
			calls++
			for i := range is {
				if is[i] != -losses[i] || to[i] != 0 {
					t.Fatalf("token %d: a loss of %v and a weight of %v; want %v", i, is[i], to[i], -losses[i])
				}
			}
			copy(to, weights)
		}
		again, n2, err := m.Loss(b, 0.5, got)
		if err != nil || again != sum || n2 != n || calls != 1 {
			t.Errorf("%d ids: sum %v of %d, want %v of %d; %d calls, %v", vocabulary, again, n2, sum, n, calls, err)
		}
		norm := 0.0
		for _, x := range want.Data {
			norm = max(norm, math.Abs(float64(x)))
		}
		for i, x := range want.Data {
			if !(math.Abs(float64(x-got.Data[i])) <= 1e-5*norm) {
				t.Fatalf("%d ids: gradient %d is %v, want %v", vocabulary, i, got.Data[i], x)
			}
		}
		if first, _, _ := m.Loss(b, 0.5, nil); first != sum || calls != 2 {
			t.Errorf("without gradients the sum is %v, want %v", first, sum)
		}
		b.Weigh = func(_, to []float32) {}
		before := slices.Clone(got.Data)
		if zero, _, _ := m.Loss(b, 0.5, got); zero != 0 || !slices.Equal(before, got.Data) {
			t.Errorf("weights of 0 have changed the gradient, or the sum: %v", zero)
		}
	}
}
