package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/kernel"
	"curate/train/model"
)

// TestTrainShapes counts the parameters of the models, and the operations of the largest one.
func TestTrainShapes(t *testing.T) {
	for name, want := range map[string]int64{"9M": 9_014_528, "42M": 42_476_032, "134M": 134_105_856, "134M-64": 134_105_856} {
		s, err := trainShapeOf(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.config()
		if err != nil {
			t.Fatal(err)
		}
		if all, embedding := c.Parameters(); all != want || 6*float64(all-embedding) < s.perToken() || 6*float64(all-embedding) > 1.001*s.perToken() {
			t.Errorf("%s: %d parameters, %d want, %.0f operations a token", name, all, want, s.perToken())
		}
	}
	if _, err := trainShapeOf("7B"); err == nil {
		t.Error("7B is a shape")
	}
}

// TestAdam compares two steps with the formulas of torch.optim.AdamW and clip_grad_norm_ in float64.
func TestAdam(t *testing.T) {
	set, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, 2)
	defer pool.Close()
	layout := &model.Layout{Len: 40_007, Tensors: []model.Tensor{
		{Name: "matrix", Rows: 400, Cols: 100},
		{Name: "vector", Rows: 1, Cols: 7, Offset: 40_000, Vector: true},
	}}
	p := model.NewParams(layout)
	random := rand.New(rand.NewPCG(1, 2))
	want, m, v := make([]float64, layout.Len), make([]float64, layout.Len), make([]float64, layout.Len)
	for i := range p.Data {
		p.Data[i] = float32(random.NormFloat64())
		want[i] = float64(p.Data[i])
	}
	o := newAdam(pool, p)
	for step := range 2 {
		g, sum := make([]float64, layout.Len), 0.0
		for i := range g {
			o.grads.Data[i] = float32(random.NormFloat64())
			g[i] = float64(o.grads.Data[i])
			sum += g[i] * g[i]
		}
		norm := o.norm()
		if math.Abs(norm/math.Sqrt(sum)-1) > 1e-9 {
			t.Errorf("the norm is %v, %v want", norm, math.Sqrt(sum))
		}
		o.step(step, norm)
		for i := range g {
			x := g[i] * min(1, trainClip/(norm+1e-6))
			m[i] = trainBeta1*m[i] + (1-trainBeta1)*x
			v[i] = trainBeta2*v[i] + (1-trainBeta2)*x*x
			if i < 40_000 {
				want[i] *= 1 - trainRate*trainDecay
			}
			n := float64(step + 1)
			want[i] -= trainRate * m[i] / (1 - math.Pow(trainBeta1, n)) / (math.Sqrt(v[i]/(1-math.Pow(trainBeta2, n))) + trainEpsilon)
			if d := math.Abs(float64(p.Data[i]) - want[i]); d > 2e-6 {
				t.Fatalf("step %d: parameter %d is %v, %v want", step, i, p.Data[i], want[i])
			}
		}
		if slices.ContainsFunc(o.grads.Data, func(x float32) bool { return x != 0 }) {
			t.Error("gradients are left")
		}
	}
}

// TestCompareLosses makes sure that a wrong peer is seen.
func TestCompareLosses(t *testing.T) {
	a := &trainAnswer{Losses: []float64{9, 8, 7, 6, 5, 4}, Norms: []float64{1, 2, 3, 4, 5, 6}}
	for name, c := range map[string]struct {
		change func(*trainAnswer)
		ok     bool
	}{
		"same":       {func(*trainAnswer) {}, true},
		"little":     {func(b *trainAnswer) { b.Losses[4] += 9e-5 }, true},
		"later":      {func(b *trainAnswer) { b.Losses[5]++ }, true},
		"loss":       {func(b *trainAnswer) { b.Losses[4] += 2e-4 }, false},
		"no number":  {func(b *trainAnswer) { b.Losses[0] = math.NaN() }, false},
		"norm":       {func(b *trainAnswer) { b.Norms[0] = 1.01 }, false},
		"fewer":      {func(b *trainAnswer) { b.Losses = b.Losses[:5] }, false},
		"without":    {func(b *trainAnswer) { b.Norms = nil }, false},
		"other sign": {func(b *trainAnswer) { b.Norms[1] = -2 }, false},
	} {
		b := &trainAnswer{Losses: slices.Clone(a.Losses), Norms: slices.Clone(a.Norms)}
		c.change(b)
		if _, err := compareLosses(a, b, 1e-4); (err == nil) != c.ok || err != nil && !errors.Is(err, errOutput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCompareTexts: logits must agree up to where texts part, and few may.
func TestCompareTexts(t *testing.T) {
	const texts = 6
	one := func() *decodeAnswer {
		a := &decodeAnswer{IDs: make([]int32, texts*decodeLength), Logits: make([]float64, texts*decodeLength)}
		for i := range a.Logits {
			a.IDs[i], a.Logits[i] = int32(i), 5+float64(i%7)
		}
		return a
	}
	for name, c := range map[string]struct {
		change func(*decodeAnswer)
		same   int
	}{
		"same":    {func(*decodeAnswer) {}, texts * decodeLength},
		"parts":   {func(b *decodeAnswer) { b.IDs[decodeLength+3]++; b.Logits[decodeLength+4] = 1 }, (texts-1)*decodeLength + 3},
		"unlike":  {func(b *decodeAnswer) { b.IDs[decodeLength+3]++; b.Logits[decodeLength+3] *= 1.001 }, -1},
		"logit":   {func(b *decodeAnswer) { b.Logits[100] *= 0.999 }, -1},
		"nothing": {func(b *decodeAnswer) { b.Logits[0] = math.NaN() }, -1},
		"many":    {func(b *decodeAnswer) { b.IDs[0]++; b.IDs[decodeLength]++ }, -1},
		"fewer":   {func(b *decodeAnswer) { b.IDs = b.IDs[1:] }, -1},
	} {
		b := one()
		c.change(b)
		if _, same, err := compareTexts(one(), b, texts); (err == nil) != (c.same >= 0) || err == nil && same != c.same || err != nil && !errors.Is(err, errOutput) {
			t.Errorf("%s: %d, %v", name, same, err)
		}
	}
}

// TestLengths has rows and columns.
func TestLengths(t *testing.T) {
	x := []float32{3, 0, 1, 4, 5, 2}
	if got := lengths(x, 2, 3, false); !slices.Equal(got, []float64{math.Sqrt(10), math.Sqrt(45)}) {
		t.Error("rows:", got)
	}
	if got := lengths(x, 3, 2, true); !slices.Equal(got, []float64{5, 5, math.Sqrt(5)}) {
		t.Error("columns:", got)
	}
}
