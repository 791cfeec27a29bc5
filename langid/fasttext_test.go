package langid

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func mustIdentifier(t testing.TB, cfg Config) Identifier {
	t.Helper()
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e.NewIdentifier()
}

func TestLid(t *testing.T) {
	m := readLid()
	if m.Digest() != lidDigest {
		t.Errorf("%s", m.Digest())
	}
	if !slices.Equal(m.Languages(), lidLanguages) {
		t.Errorf("the table has\n%v\nthe model\n%v", lidLanguages, m.Languages())
	}
	if b := m.ft.Bytes(); b > lidMemory {
		t.Errorf("%d bytes", b)
	}
	// As a file of the user's it is the same.
	raw, err := os.ReadFile("models/lid.176.ftz")
	if err != nil {
		t.Fatal(err)
	}
	own, err := ReadModel("own.ftz", strings.NewReader(string(raw)), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("Ez dago zalantzarik: fitxategia gorde egin da.")
	a := mustIdentifier(t, Config{Engine: "fasttext"}).Identify(text)
	b := mustIdentifier(t, Config{Engine: "fasttext", Model: own}).Identify(text)
	if a != b || a.Language != "eu" || a.Score != 0.9823 {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestFasttext(t *testing.T) {
	for _, c := range []struct {
		name, text string
		cfg        Config
		want       string
		score      float64
	}{
		{"as the reference", "Kaixo, mundua!", Config{}, "pt", 0.7323},
		{"among some, out of their sum", "Kaixo, mundua!", Config{Languages: []string{"en", "eu"}}, "eu", 0.7317},
		{"newlines are spaces", "Ez dago zalantzarik:\nfitxategia gorde egin da.\n", Config{}, "eu", 0.9823},
		{"nothing", "", Config{}, Und, 0},
		{"no letters", "12,50 € — 3/4 🙂\n", Config{}, Und, 0},
		{"a script that lingua has not", "ສະບາຍດີຊາວໂລກ", Config{}, "lo", 0.9644},
		{"labels in the text", "Ez dago __label__en zalantzarik: fitxategia gorde egin da.", Config{}, "eu", 0.9823},
		{"sure enough", "Ez dago zalantzarik: fitxategia gorde egin da.", Config{MinScore: 0.98}, "eu", 0.9823},
		{"not sure enough", "Ez dago zalantzarik: fitxategia gorde egin da.", Config{MinScore: 0.99}, Und, 0},
	} {
		c.cfg.Engine = "fasttext"
		id := mustIdentifier(t, c.cfg)
		got := id.Identify([]byte(c.text))
		if got.Language != c.want || got.Score != c.score {
			t.Errorf("%s: %+v, want %s %v", c.name, got, c.want, c.score)
		}
		if c.cfg.MinScore == 0.99 && got.Opinions[0] != (Opinion{"fasttext", "eu", 0.9823}) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestFasttextAllocatesNothing(t *testing.T) {
	text := []byte(strings.Repeat("Euskal Herriko Unibertsitateak corpus handi bat argitaratu du, ñ.\n", 40))
	for _, cfg := range []Config{{Engine: "fasttext"}, {Engine: "fasttext", Languages: []string{"eu", "gl", "es"}, MinScore: 0.1}} {
		id := mustIdentifier(t, cfg)
		id.Identify(text)
		if n := testing.AllocsPerRun(50, func() { id.Identify(text) }); n > 0 {
			t.Errorf("%+v: %v allocations a text", cfg, n)
		}
	}
}

func TestReadModel(t *testing.T) {
	if _, err := ReadModel("m", strings.NewReader("not a model"), 11); err == nil || !strings.Contains(err.Error(), "byte 0: no fastText model") {
		t.Errorf("%v", err)
	}
}
