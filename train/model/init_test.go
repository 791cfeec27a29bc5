package model

import (
	"fmt"
	"math"
	"testing"
)

func TestInit(t *testing.T) {
	c, err := (&Shape{Family: Llama, Vocabulary: 3000, Width: 128, Layers: 8, Heads: 4, BaseWidth: 32}).New()
	if err != nil {
		t.Fatal(err)
	}
	p := NewParams(NewLayout(c))
	for i := range p.Data {
		p.Data[i] = 77
	}
	p.Init(c, 0.073, 5)
	// Moments of a standard normal distribution that is cut at ±2: variance 1 - 4φ(2)/(2Φ(2)-1), and the fourth.
	phi, mass := math.Exp(-2)/math.Sqrt(2*math.Pi), math.Erf(math.Sqrt2)
	variance := 1 - 4*phi/mass
	fourth := 3*variance - 16*phi/mass
	for i, w := range p.Layout.Tensors {
		std := 0.073
		switch w.Role {
		case Norm:
			for _, v := range p.Of(i) {
				if v != 1 {
					t.Fatalf("%s is %v", w.Name, v)
				}
			}
			continue
		case Hidden:
			std *= 0.5
		case Residual:
			std *= 0.5 / 4
		}
		var m1, m2, m4, most float64
		for _, v := range p.Of(i) {
			z := float64(v) / std
			m1 += z
			m2 += z * z
			m4 += z * z * z * z
			most = max(most, math.Abs(z))
		}
		n := float64(w.Len())
		// Five standard errors, of which those of z², z⁴ are below 1 and 4.
		if e := 5 / math.Sqrt(n); math.Abs(m1/n) > e || math.Abs(m2/n-variance) > e || math.Abs(m4/n-fourth) > 4*e || most > 2 || most < 1.99 {
			t.Errorf("%s: mean %v, variance %v (want %v), fourth moment %v (want %v), largest %v", w.Name, m1/n, m2/n, variance, m4/n, fourth, most)
		}
	}

	// The values are a function of seed, name and place: other tensors do not matter.
	other := *c
	other.Layers, other.Vocabulary, other.Tied = 2, 17, true
	q := NewParams(NewLayout(&other))
	q.Init(&other, 0.073, 5)
	if a, b := p.Of(0)[16*128], q.Of(0)[16*128]; a != b {
		t.Errorf("a number of the embedding depends on what else there is: %v and %v", a, b)
	}
	if p.Of(2)[0] == p.Of(3)[0] || p.Of(2)[0] == p.Of(2)[1] {
		t.Error("numbers come twice")
	}
	q.Init(&other, 0.073, 6)
	if p.Of(0)[0] == q.Of(0)[0] {
		t.Error("seeds do not matter")
	}

	b, err := (&Shape{Family: BTLM, Vocabulary: 7, Width: 8, Layers: 1, Heads: 2, FFN: 5}).New()
	if err != nil {
		t.Fatal(err)
	}
	p = NewParams(NewLayout(b))
	p.Init(b, 1, 1)
	got := fmt.Sprintf("%x", p.Of(0)[:4])
	if want := goldenInit; got != want {
		t.Errorf("the first numbers are %s, want %s", got, want)
	}
	for i, w := range p.Layout.Tensors {
		if w.Role == Bias && norm64(p.Of(i)) != 0 {
			t.Errorf("%s is not 0", w.Name)
		}
	}
}

const goldenInit = "[-0x1.ae4fbap-01 0x1.54b78p-01 0x1.54cf72p+00 -0x1.4d37cp-04]"
