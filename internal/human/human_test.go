package human

import (
	"math"
	"testing"
)

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", -1: "-1", -999: "-999", -1000: "-1,000", -123456: "-123,456", 1234567: "1,234,567",
		math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := Thousands(n); got != want {
			t.Errorf("%d: %s, not %s", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0.0 %", 0.1234: "12.3 %", 1: "100.0 %", 0.99999: "100.0 %", 12.5: "1250.0 %"} {
		if got := Percent(share); got != want {
			t.Errorf("%v: %s, not %s", share, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{"": "", "Kaixo, ñandú 漢": "Kaixo, ñandú 漢", "a\x1b[2Jb\n": "a\uFFFD[2Jb\uFFFD", "\u202eabc": "\uFFFDabc", "\xff": "\uFFFD"} {
		if got := Printable(s); got != want {
			t.Errorf("%q: %q, not %q", s, got, want)
		}
	}
}
