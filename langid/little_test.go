//go:build !nolingua

package langid

import "testing"

// TestLittle: a text that tells nothing is und, whatever the engine, and whatever is to be kept.
func TestLittle(t *testing.T) {
	for _, cfg := range []Config{{}, {Keep: []string{"eu"}}, {Keep: []string{"eu"}, Unit: Line}, {Engine: "fasttext"}, {Engine: "lingua"}, {Engine: "lingua", Keep: []string{"eu"}}} {
		id := mustIdentifier(t, cfg)
		for text, tells := range map[string]bool{
			"": false, ".": false, "1": false, "?!": false, "123 456": false, "😀": false, "€ ²": false, "\u0301": false, "…\n— 3": false,
			"a": false, "K": false, "z.": false, "(n)": false, "A1": false, "x = 1": false, "º": false, "ñ": false, "я": false,
			"日": true, "이": true, "ez da": true, "n.º 5": true, "ok": true,
		} {
			a := id.Identify([]byte(text))
			if !tells && a != (Answer{Language: Und}) {
				t.Errorf("%s %v: %q: %+v", cfg.Engine, cfg.Keep, text, a)
			}
			if tells && a.Language == Und && cfg.Engine != "lingua" { // which knows neither 日 nor 이 here
				t.Errorf("%s %v: %q: und", cfg.Engine, cfg.Keep, text)
			}
		}
	}
}
