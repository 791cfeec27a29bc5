package langid

import (
	"slices"
	"sort"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	if !slices.IsSorted(Engines()) {
		t.Errorf("engines are not sorted: %v", Engines())
	}
	if !sort.SliceIsSorted(linguaLanguages, func(i, j int) bool { return linguaLanguages[i].Code < linguaLanguages[j].Code }) {
		t.Error("linguaLanguages are not sorted")
	}
	if !sort.SliceIsSorted(linguaUnknown, func(i, j int) bool { return linguaUnknown[i].code < linguaUnknown[j].code }) {
		t.Error("linguaUnknown are not sorted")
	}
	if !sort.SliceIsSorted(neighbours, func(i, j int) bool { return neighbours[i].languages < neighbours[j].languages }) {
		t.Error("neighbours are not sorted")
	}
	var all []string
	for _, l := range linguaLanguages {
		if l.Heap < 1 || l.Name == "" || len(l.Code) != 2 || len(l.Code3) != 3 {
			t.Errorf("%+v", l)
		}
		all = append(all, l.Code)
	}
	check := func(what string, codes []string) {
		if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
			t.Errorf("%s: %v: not sorted, or twice the same", what, codes)
		}
		for _, c := range codes {
			if !slices.Contains(all, c) {
				t.Errorf("%s: lingua does not know %q", what, c)
			}
		}
	}
	check("defaultLanguages", defaultLanguages)
	check("common", common)
	check("otherScripts", otherScripts)
	for _, g := range neighbours {
		check(g.languages, strings.Fields(g.languages))
		if g.reason == "" || len(strings.Fields(g.languages)) < 2 {
			t.Errorf("%q: a group says why", g.languages)
		}
	}
	for _, u := range linguaUnknown {
		if slices.Contains(all, u.code) {
			t.Errorf("lingua knows %s", u.code)
		}
	}
}

func TestResolve(t *testing.T) {
	list := func(s string) []string { return strings.Fields(s) }
	for _, c := range []struct {
		name      string
		cfg       Config
		keep      string
		languages string
		err       string // a part of it
	}{
		{"nothing", Config{}, "", "ca de en es eu fr it pt", ""},
		{"keep", Config{Keep: list("eu")}, "eu", "ca de en es eu fr it pt tr", ""},
		{"in any order, twice", Config{Keep: list("eu es eu")}, "es eu", "ca de en es eu fr it pt tr", ""},
		{"keep English", Config{Keep: list("en")}, "en", "de en es fr it pt", ""},
		{"keep und", Config{Keep: list("und")}, "und", "ca de en es eu fr it pt", ""},
		{"keep und and another", Config{Keep: list("und ja")}, "ja und", "en ja zh", ""},
		{"other scripts need only each other", Config{Keep: list("uk")}, "uk", "be bg en mk ru uk", ""},
		{"languages", Config{Languages: list("eu en")}, "", "en eu", ""},
		{"languages and keep", Config{Languages: list("eu en"), Keep: list("eu und")}, "eu und", "en eu", ""},
		{"languages without what is kept", Config{Languages: list("eu en"), Keep: list("fr")}, "", "", "fr is to be kept, but is not among the languages en, eu"},
		{"one language", Config{Languages: list("eu eu")}, "", "", "eu alone: every text would be in it"},
		{"und is no language", Config{Languages: list("eu und")}, "", "", `no language of lingua is called "und"`},
		{"Galician", Config{Keep: list("gl")}, "", "", "lingua does not know Galician (gl); it takes such texts for es or pt"},
		{"Breton", Config{Keep: list("br")}, "", "", "lingua does not know Breton (br)"},
		{"Norwegian", Config{Languages: list("no sv")}, "", "", "as Bokmal (nb) and Nynorsk (nn)"},
		{"a name", Config{Keep: list("basque")}, "", "", `no language has the code "basque"; did you mean "eu", which is Basque?`},
		{"three letters", Config{Keep: list("eus")}, "", "", `did you mean "eu"`},
		{"upper case", Config{Keep: list("EU")}, "", "", `did you mean "eu"`},
		{"nonsense", Config{Keep: list("klingon")}, "", "", `no language of lingua is called "klingon"`},
		{"Chinese alone", Config{Languages: list("en zh")}, "", "", "name both, or neither"},
		{"an engine", Config{Engine: "linga"}, "", "", `no engine is called "linga"; did you mean "lingua"?`},
		{"a small sample", Config{SampleBytes: 19}, "", "", "a sample of 19 bytes: from 20 to 3000"},
		{"a large sample", Config{SampleBytes: 3001}, "", "", "from 20 to 3000"},
	} {
		got, err := c.cfg.Resolve()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q in it", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(got.Keep, list(c.keep)) || !slices.Equal(got.Languages, list(c.languages)) || got.Engine != "lingua" || got.SampleBytes == 0 || got.TextField == "" {
			t.Errorf("%s: %+v, want to keep %q of %q", c.name, got, c.keep, c.languages)
		}
		again, err := got.Resolve()
		if err != nil || !slices.Equal(again.Languages, got.Languages) || !slices.Equal(again.Keep, got.Keep) {
			t.Errorf("%s: resolved twice: %+v, %v", c.name, again, err)
		}
		if m := got.Memory(); m < int64(len(got.Languages))<<20 {
			t.Errorf("%s: %d bytes", c.name, m)
		}
	}
	// What is given stays as it was.
	given := []string{"eu", "es"}
	if _, err := (Config{Keep: given}).Resolve(); err != nil || given[0] != "eu" {
		t.Errorf("%v, %v", given, err)
	}
}

// TestEveryLanguageHasASet: whatever lingua knows can be kept, together with something it can be told from.
func TestEveryLanguageHasASet(t *testing.T) {
	for _, l := range linguaLanguages {
		cfg, err := Config{Keep: []string{l.Code}}.Resolve()
		if err != nil || len(cfg.Languages) < 2 || !slices.Contains(cfg.Languages, l.Code) {
			t.Errorf("%s: %v, %v", l.Code, cfg.Languages, err)
		}
		if latin := !slices.Contains(otherScripts, l.Code); latin != slices.Contains(cfg.Languages, "de") && l.Code != "de" {
			t.Errorf("%s: %v", l.Code, cfg.Languages)
		}
	}
}
