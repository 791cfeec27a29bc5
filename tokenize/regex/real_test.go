package regex

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// realPatterns are those of real tokenizers.
func realPatterns(t testing.TB) (patterns []string) {
	t.Helper()
	data, err := os.ReadFile("testdata/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &patterns); err != nil {
		t.Fatal(err)
	}
	return patterns
}

// TestRealPatterns stay far below the limit on texts that are hard for them.
func TestRealPatterns(t *testing.T) {
	units := []string{
		"a", "A", "aB", " ", "\n", "\r\n", " \n", "\t", "1", "'s", "'", "'S'", ".", "/", "日", "の", "日1", "é", "e\u0301", "\u0301", "😀", "\x00", "\u200d",
		"a ", " a", "a1", "1 ", ". ", ".\n", "  .", "한", "\u00a0", "ſ", "IMGIMG", "\xff", "Aa 1'll\n日.\n \n",
	}
	const size = 1 << 13
	most, at := 0, ""
	for _, pattern := range realPatterns(t) {
		r, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		m := r.NewMatcher()
		for _, unit := range units {
			for _, end := range []string{"", "x"} {
				text := []byte(strings.Repeat(unit, size/len(unit)) + end)
				all(t, m, text)
				if n := m.steps * 100 / len(text); n > most {
					most, at = n, pattern+" on "+unit
				}
			}
		}
	}
	t.Logf("at most %d steps for 100 bytes: %s", most, at)
	if most > 100*mostSteps*2/3 {
		t.Errorf("%d steps for 100 bytes: %s", most, at)
	}
}
