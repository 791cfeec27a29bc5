package text

import "testing"

func TestHasLetter(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "12,50 €": false, "@[`{": false, "a": true, "Z": true, "1z": true, "…ñ": true, "ª": true, "日": true, "²": false, "Ⅷ": false,
		"\u0301": false, "\xc3": false, "\xff1": false, "😀😀": false, "😀𝒜": true, "—\xe2x": true,
	} {
		b := []byte(s)
		if HasLetter(s) != want || HasLetter(b) != want {
			t.Errorf("%q: %v, want %v", s, !want, want)
		}
		if n := testing.AllocsPerRun(10, func() { HasLetter(b) }); n > 0 {
			t.Errorf("%q: %v allocations", s, n)
		}
	}
}
