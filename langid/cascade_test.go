//go:build !nolingua

package langid

import (
	"strings"
	"sync"
	"testing"

	"curate/stage/stagetest"
)

// TestCascade holds who is asked, and what becomes of it.
func TestCascade(t *testing.T) {
	for _, c := range []struct {
		name, text string
		cfg        Config
		want       string
		asked      bool
	}{
		{"nothing", "", Config{}, Und, false},
		{"no letters", "12,50 € — 3/4 🙂", Config{}, Und, false},
		{"fastText is sure", "Ez dago zalantzarik: fitxategia gorde egin da.", Config{}, "eu", false},
		{"nothing that lingua can say changes it", "De kinderen spelen buiten in de tuin achter het huis, en hun moeder leest de krant.", Config{}, "nl", false},
		{"unsure, and right", "Euskal Herriko Unibertsitateak corpus handi bat argitaratu du.", Config{}, "eu", true},
		{"lingua knows nothing of it", "ສະບາຍດີຊາວໂລກ ", Config{}, "lo", false},
		{"among some", "Kaixo mundua", Config{Languages: []string{"en", "eu", "gl"}}, "eu", true},
	} {
		a := mustIdentifier(t, c.cfg).Identify([]byte(c.text))
		if a.Language != c.want || (a.Opinions[1].Engine != "") != c.asked {
			t.Errorf("%s: %+v, want %s, lingua asked %v", c.name, a, c.want, c.asked)
		}
		if (a.Opinions[0].Engine == "fasttext") != (c.want != Und) || c.asked && a.Opinions[1].Engine != "lingua" {
			t.Errorf("%s: %+v", c.name, a.Opinions)
		}
	}
}

// TestCascadeLoads: lingua is loaded at the first text in doubt, and for none that is not.
func TestCascadeLoads(t *testing.T) {
	cfg, err := Config{Languages: []string{"en", "eu", "cy"}}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := e.(*cascadeEngine)
	id := e.NewIdentifier().(*cascadeIdentifier)
	id.Identify([]byte("Ez dago zalantzarik: fitxategia gorde egin da."))
	if id.lingua != nil || c.lingua.(*linguaEngine).detector != nil {
		t.Error("lingua was loaded for a text that is no doubt Basque")
	}
	// None has a vote where it knows one language alone.
	none := mustIdentifier(t, Config{Languages: []string{"eu", "gl"}}).(*cascadeIdentifier)
	if none.e.lingua != nil {
		t.Error("lingua is asked between Basque and Galician")
	}
}

// TestCascadeStable: the same answers from any goroutine, in any order.
func TestCascadeStable(t *testing.T) {
	s := mustNew(t, Config{})
	var texts []string
	for i, p := range pages(t) {
		if i%9 == 0 {
			texts = append(texts, p.Text, p.Text[:strings.IndexByte(p.Text+"\n", '\n')])
		}
	}
	answers := func() (as []Answer) {
		id := s.engine.NewIdentifier()
		for _, text := range texts {
			as = append(as, id.Identify([]byte(text)))
		}
		return as
	}
	want := answers()
	asked := 0
	for _, a := range want {
		if a.Opinions[1].Engine != "" {
			asked++
		}
	}
	if asked == 0 || asked == len(want) {
		t.Errorf("lingua was asked about %d of %d texts", asked, len(want))
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i, a := range answers() {
				if a != want[i] {
					t.Errorf("%.40q: %+v, before %+v", texts[i], a, want[i])
				}
			}
		})
	}
	wg.Wait()
}

func TestCascadeStage(t *testing.T) {
	lines := badLines()
	for i, p := range pages(t) {
		if i%12 == 0 {
			lines = append(lines, []byte(`{"text":"`+strings.NewReplacer("\n", `\n`, `"`, `\"`, `\`, `\\`).Replace(p.Text[:strings.IndexByte(p.Text+"\n", '\n')])+`"}`))
		}
	}
	stagetest.Mapper(t, mustNew(t, Config{Keep: []string{"eu"}, Annotate: true}), lines)
}

// TestCascadePages holds what is found on translated pages, Galician among them.
func TestCascadePages(t *testing.T) {
	id := mustIdentifier(t, Config{})
	found := map[string]map[string]int{}
	for _, p := range pages(t) {
		a := id.Identify([]byte(p.Text))
		if found[p.language()] == nil {
			found[p.language()] = map[string]int{}
		}
		found[p.language()][a.Language]++
		if p.language() != "eu" && a.Language == "eu" {
			t.Errorf("%s becomes Basque: %+v", p.ID, a)
		}
	}
	for lang, answers := range found {
		t.Logf("%s: %v", lang, answers)
		least := 19
		switch lang {
		case "eu":
			least = 20
		case "gl":
			least = 15
		}
		if answers[lang] < least {
			t.Errorf("%s: %v", lang, answers)
		}
	}
}

// TestUnsure: the number of characters decides, not of bytes.
func TestUnsure(t *testing.T) {
	for n, want := range map[int]float64{0: 0.95, 59: 0.95, 60: 0.9, 119: 0.9, 120: 0.7, 199: 0.7, 200: 0.4, 499: 0.4, 500: 0.2, 5000: 0.2} {
		for _, c := range []string{"a", "ñ", "漢"} {
			if got := unsure([]byte(strings.Repeat(c, n))); got != want {
				t.Errorf("%d times %s: %v, want %v", n, c, got, want)
			}
		}
	}
}
