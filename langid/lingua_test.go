//go:build !nolingua

package langid

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pemistahl/lingua-go"

	"curate/stage/stagetest"
)

type page struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func (p *page) language() string { return strings.Split(p.ID, "/")[1] }

func pages(t testing.TB) []page {
	t.Helper()
	f, err := os.Open("testdata/pages.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var ps []page
	for line := range bytes.Lines(all) {
		var p page
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	if len(ps) != 180 {
		t.Fatalf("%d pages", len(ps))
	}
	return ps
}

func mustNew(t testing.TB, cfg Config) *Stage {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLinguaLanguages(t *testing.T) {
	var theirs []string
	for _, l := range lingua.AllLanguages() {
		theirs = append(theirs, strings.ToLower(fmt.Sprint(l.IsoCode639_1(), " ", l.IsoCode639_3(), " ", l)))
	}
	slices.Sort(theirs)
	var ours []string
	for _, l := range linguaLanguages {
		ours = append(ours, strings.ToLower(fmt.Sprint(l.Code, " ", l.Code3, " ", l.Name)))
	}
	if !slices.Equal(ours, theirs) {
		t.Errorf("the table has\n%v\nlingua has\n%v", ours, theirs)
	}
}

// TestPages holds what is found on translated pages. Every page was looked at with the whole set of languages.
func TestPages(t *testing.T) {
	want := map[string]int{"ca": 20, "de": 20, "en": 20, "es": 20, "eu": 20, "fr": 20, "it": 20, "pt": 20}
	id := mustNew(t, Config{Engine: "lingua"}).engine.NewIdentifier()
	found := map[string]map[string]int{}
	for _, p := range pages(t) {
		a := id.Identify([]byte(p.Text))
		if found[p.language()] == nil {
			found[p.language()] = map[string]int{}
		}
		found[p.language()][a.Language]++
		if rounded := math.Round(a.Score*1e4) / 1e4; a.Score != rounded || a.Score < 0 || a.Score > 1 || (a.Language == Und) != (a.Score == 0) {
			t.Errorf("%s: %+v", p.ID, a)
		}
		if p.language() != "eu" && a.Language == "eu" {
			t.Errorf("%s becomes Basque, score %v", p.ID, a.Score)
		}
	}
	for lang, n := range want {
		t.Logf("%s: %v", lang, found[lang])
		if found[lang][lang] < n-1 || lang == "eu" && found[lang][lang] < n {
			t.Errorf("%s: %d of %d pages found: %v", lang, found[lang][lang], n, found[lang])
		}
	}
	// Galician is unknown: Spanish, Portuguese, Catalan, or no majority.
	t.Logf("gl: %v", found["gl"])
	if n := found["gl"]["es"] + found["gl"]["pt"] + found["gl"]["ca"] + found["gl"][Und]; n != 20 {
		t.Errorf("gl: %v", found["gl"])
	}
}

func TestIdentify(t *testing.T) {
	s := mustNew(t, Config{Engine: "lingua"})
	id := s.engine.NewIdentifier()
	eu := "Euskal Herriko Unibertsitateak corpus handi bat argitaratu du, eta edonork erabil dezake bere ikerketetan, doan eta askatasunez. "
	en := "The university has published a large corpus, and everybody may use it for their own research, free of charge and without conditions. "
	for _, c := range []struct {
		name, text, want string
		least, most      float64
	}{
		{"nothing", "", Und, 0, 0},
		{"no letters", "12,50 € — 3/4 🙂", Und, 0, 0},
		{"another script", "Привет, мир! Как дела?", Und, 0, 0},
		{"a script that lingua has not", "ສະບາຍດີຊາວໂລກ", Und, 0, 0},
		{"short", "Kaixo, mundua!", "eu", 0.3, 1},
		{"Basque", eu, "eu", 0.95, 1},
		{"English", en, "en", 0.9, 1},
		{"long", strings.Repeat(eu, 100), "eu", 0.95, 1},
		{"a name in another script", eu + "Москва", "eu", 0.95, 1},
		{"two thirds Basque", strings.Repeat(eu, 2) + en, "eu", 0.6, 0.7},
		{"two thirds English", strings.Repeat(en, 2) + eu, "en", 0.55, 0.7},
		{"Indonesian, which is not in the set", "Di pusat kota terdapat banyak restoran dan toko tempat orang menghabiskan waktu pada akhir pekan. Pada musim panas pasar menjual buah dan sayur segar.", Und, 0, 0},
	} {
		if a := id.Identify([]byte(c.text)); a.Language != c.want || a.Score < c.least || a.Score > c.most {
			t.Errorf("%s: %+v, want %s, %v to %v", c.name, a, c.want, c.least, c.most)
		}
	}
}

// TestStable: lingua sums in the order of Go maps and of goroutines; nothing of that is to be seen. Many runs at
// once, with texts of scripts that have as many words each.
func TestStable(t *testing.T) {
	s := mustNew(t, Config{Engine: "lingua"})
	texts := []string{"мир мир ok ok ελ", "ab αβ аб ab αβ", "a", "no", "la casa", "Ñ", "kaixo hello"}
	for i, p := range pages(t) {
		if i%3 == 0 {
			texts = append(texts, p.Text)
		}
	}
	answers := func() []Answer {
		id := s.engine.NewIdentifier()
		var as []Answer
		for _, text := range texts {
			as = append(as, id.Identify([]byte(text)))
		}
		return as
	}
	want := answers()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				for i, a := range answers() {
					if a != want[i] {
						t.Errorf("%.40q: %+v, before %+v", texts[i], a, want[i])
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestLoadOnce: however many goroutines ask for an identifier, models are loaded once, and nothing keeps running.
func TestLoadOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	s := mustNew(t, Config{Engine: "lingua", Languages: []string{"cy", "ga"}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a := s.engine.NewIdentifier().Identify([]byte("Croeso i Gymru, mae'n dda gennym eich gweld chi yma heddiw")); a.Language != "cy" {
				t.Errorf("%+v", a)
			}
		})
	}
	wg.Wait()
	for range 100 { // one that has answered may still be on its way out
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines before, %d after", before, n)
	}
	// What the table says of their memory is what they take.
	var with, ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	cfg, err := Config{Engine: "lingua", Languages: []string{"mi", "vi"}}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	mustNew(t, cfg).Load()
	runtime.GC()
	runtime.ReadMemStats(&with)
	if took, said := int64(with.HeapAlloc)-int64(ms.HeapAlloc), cfg.Memory(); took > said || took < said/3 {
		t.Errorf("the models of mi and vi take %.1f MiB; the table says %.1f MiB with room for garbage", float64(took)/(1<<20), float64(said)/(1<<20))
	}
}

func TestLinguaStage(t *testing.T) {
	lines := badLines()
	for i, p := range pages(t) {
		if i%6 == 0 {
			l, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
	}
	stagetest.Mapper(t, mustNew(t, Config{Engine: "lingua", Keep: []string{"eu"}, Verdicts: true}), lines)
}
