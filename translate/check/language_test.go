package check

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestLinesByTable gives each line of nine languages as a translation into its own language and into Basque.
func TestLinesByTable(t *testing.T) {
	lines := readRows[helpLine](t, "testdata/lines.jsonl.zst")
	for _, language := range tableLanguages {
		own, mistaken, passed, n := 0, 0, 0, 0
		for _, line := range lines {
			if line.Language != language {
				continue
			}
			n++
			from := "en"
			if language == "en" {
				from = "eu"
			}
			if f, ok := checkerFor(t, from, language).language(newView(Pair{From: from, To: language, Target: line.Text}), 60); ok && f.Hard {
				mistaken++
				t.Logf("%s rejected: %s: %s", language, f.Detail, line.Text)
			}
			e := evidenceFor(newView(Pair{From: from, To: language, Target: line.Text}))
			if e.bits >= 4 {
				own++
			}
			if language == "eu" {
				continue
			}
			if _, ok := checkerFor(t, "en", "eu").language(newView(Pair{From: "en", To: "eu", Target: line.Text}), 60); !ok {
				passed++
			}
		}
		t.Logf("%s: %d lines, %d surely so, %d rejected; as Basque %d pass", language, n, own, mistaken, passed)
		if mistaken > 1 || passed > 3 || language == "eu" && own < n-2 {
			t.Errorf("%s: %d of %d rejected, %d pass for Basque", language, mistaken, n, passed)
		}
	}
}

// TestPseudo: words drawn from a list pass for their language, in texts of any length, and for no other from eight words on.
func TestPseudo(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	draw := func(list string, n int) string {
		words := strings.Fields(list)
		out := make([]string, n)
		for i := range out {
			out[i] = words[r.IntN(len(words))]
		}
		return strings.Join(out, " ")
	}
	c := checkerFor(t, "en", "eu")
	for _, n := range []int{1, 2, 3, 5, 8, 12, 20, 40} {
		basque, spanish := 0, 0
		const rounds = 300
		for range rounds {
			if _, bad := c.language(newView(Pair{From: "en", To: "eu", Target: draw(basqueWords, n)}), 60); bad {
				basque++
			}
			if _, bad := c.language(newView(Pair{From: "en", To: "eu", Target: draw(spanishWords, n)}), 60); bad {
				spanish++
			}
		}
		t.Logf("%d words: %d of %d Basque and %d Spanish texts rejected", n, basque, rounds, spanish)
		if basque > 0 || n >= 8 && spanish < rounds*93/100 || n >= 12 && spanish < rounds*99/100 {
			t.Errorf("%d words: %d of %d Basque and %d Spanish texts rejected, seed %d", n, basque, rounds, spanish, seed)
		}
	}
}

func TestIdentify(t *testing.T) {
	asked := 0
	c, err := New(ProfileFor("en", "sw"), func(text, a, b string) (float64, float64) {
		asked++
		if a != "sw" || b != "en" {
			t.Errorf("asked about %s and %s", a, b)
		}
		if strings.Contains(text, "the") {
			return 0.1, 0.9
		}
		return 0.9, 0.1
	})
	if err != nil {
		t.Fatal(err)
	}
	english := Pair{From: "en", To: "sw", Source: "x", Target: strings.Repeat("over the river and over ", 4)}
	if f, bad := segmentLanguage(c, newView(english)); !bad || !f.Hard || asked != 1 {
		t.Errorf("%v, asked %d times", f, asked)
	}
	english.Target = strings.Repeat("the ", 15) // 45 letters
	if _, bad := segmentLanguage(c, newView(english)); bad || asked != 1 {
		t.Errorf("a short segment is asked about")
	}
	if f, bad := rowLanguage(c, newView(english)); !bad || !f.Hard || asked != 2 {
		t.Errorf("a row: %v, asked %d times", f, asked)
	}
	english.Target = strings.Repeat("maji ya mto ni baridi ", 6)
	if f, bad := segmentLanguage(c, newView(english)); bad || asked != 3 {
		t.Errorf("%v, asked %d times", f, asked)
	}
	// What the tables decide is not asked.
	c, err = New(ProfileFor("en", "eu"), func(string, string, string) (float64, float64) { t.Error("asked"); return 0, 1 })
	if err != nil {
		t.Fatal(err)
	}
	if f, bad := segmentLanguage(c, newView(Pair{From: "en", To: "eu", Target: strings.Repeat("ibaia zaharra da eta oso lasaia ", 4)})); bad {
		t.Errorf("%v", f)
	}
}

func TestTrigrams(t *testing.T) {
	for w, want := range map[string]string{"": "", "a": " a ", "da": " da,da ", "año": " añ,año,ño ", "日本": " 日本,日本 "} {
		var got []string
		eachTrigram(w, func(g string) { got = append(got, g) })
		if strings.Join(got, ",") != want {
			t.Errorf("%q: %q, want %q", w, got, want)
		}
	}
}
