package model

import (
	"math"
	"testing"
)

func TestExact(t *testing.T) {
	ulps := func(got, want float64) float64 {
		return math.Abs(got-want) / (math.Nextafter(math.Abs(want), math.Inf(1)) - math.Abs(want))
	}
	for x := -700.0; x < 700; x += 0.37 {
		if d := ulps(exp(x), math.Exp(x)); d > 2 {
			t.Errorf("exp(%v) is wrong by %v units in the last place", x, d)
		}
	}
	for x := 0.0; x < 1e6; x = x*1.001 + 0.013 {
		sin, cos := sincos(x)
		wantSin, wantCos := math.Sincos(x)
		if d := max(math.Abs(sin-wantSin), math.Abs(cos-wantCos)); d > 3e-16 {
			t.Errorf("sincos(%v) is wrong by %v", x, d)
		}
	}
	for x := 0.0; x < 1; x += 1. / 128 {
		for z := 0.0; z <= 2; z += 1. / 64 {
			if want := math.Exp(-z); below(x, z) != (x < want) && math.Abs(x-want) > 1e-15 {
				t.Errorf("%v < e^-%v is said to be %v", x, z, below(x, z))
			}
		}
	}
}
