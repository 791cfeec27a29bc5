package kernel

import (
	"math"
	"testing"
)

// TestF16 goes through all there are: each is itself again, and a number between two neighbours goes to the nearer.
func TestF16(t *testing.T) {
	for h := range 1 << 16 {
		v := FromF16(uint16(h))
		if v != v {
			if back := FromF16(ToF16(v)); back == back {
				t.Fatalf("%#04x: NaN became %v", h, back)
			}
			continue
		}
		if back := ToF16(v); back != uint16(h) {
			t.Fatalf("%#04x is %v, and %#04x again", h, v, back)
		}
		if h&0x7fff >= 0x7bff {
			continue
		}
		next := FromF16(uint16(h + 1))
		half := float32((float64(v) + float64(next)) / 2)
		even := uint16(h + h&1)
		if got := ToF16(half); got != even {
			t.Fatalf("%v between %#04x and the next became %#04x", half, h, got)
		}
		if got := ToF16(math.Nextafter32(half, v)); got != uint16(h) {
			t.Fatalf("just before %v: %#04x", half, got)
		}
	}
	for _, v := range []float32{65520, 1e10, float32(math.Inf(1))} {
		if ToF16(v) != 0x7c00 || ToF16(-v) != 0xfc00 {
			t.Errorf("%v became %#04x", v, ToF16(v))
		}
	}
	if ToF16(65519.996) != 0x7bff {
		t.Error("65519.996 is not 65504")
	}
}
