package stage

import (
	"math"
	"testing"
)

func TestBin(t *testing.T) {
	for b := 1; b < Bins; b++ {
		lo, hi := BinEdge(b), BinEdge(b+1)
		if !(lo < hi) {
			t.Fatalf("bin %d goes from %v to %v", b, lo, hi)
		}
		for _, v := range []float64{lo, (lo + hi) / 2, math.Nextafter(hi, 0)} {
			if got := Bin(v); got != b {
				t.Fatalf("%v is in bin %d, want %d", v, got, b)
			}
		}
		if b > 1 && Bin(math.Nextafter(lo, 0)) != b-1 {
			t.Fatalf("what is just below %v is not in bin %d", lo, b-1)
		}
	}
	for _, c := range []struct {
		v    float64
		want int
	}{{0, 0}, {-1, 0}, {math.NaN(), 0}, {1e-9, 0}, {math.Inf(1), Bins - 1}, {math.MaxFloat64, Bins - 1}} {
		if got := Bin(c.v); got != c.want {
			t.Errorf("%v is in bin %d, want %d", c.v, got, c.want)
		}
	}
}
