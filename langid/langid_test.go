package langid

import (
	"math"
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
		{"nothing", Config{Engine: "lingua"}, "", "ca de en es eu fr it pt", ""},
		{"keep", Config{Engine: "lingua", Keep: list("eu")}, "eu", "ca de en es eu fr it pt tr", ""},
		{"in any order, twice", Config{Engine: "lingua", Keep: list("eu es eu")}, "es eu", "ca de en es eu fr it pt tr", ""},
		{"keep English", Config{Engine: "lingua", Keep: list("en")}, "en", "de en es fr it pt", ""},
		{"keep und", Config{Engine: "lingua", Keep: list("und")}, "und", "ca de en es eu fr it pt", ""},
		{"keep und and another", Config{Engine: "lingua", Keep: list("und ja")}, "ja und", "en ja zh", ""},
		{"other scripts need only each other", Config{Engine: "lingua", Keep: list("uk")}, "uk", "be bg en mk ru uk", ""},
		{"languages", Config{Engine: "lingua", Languages: list("eu en")}, "", "en eu", ""},
		{"languages and keep", Config{Engine: "lingua", Languages: list("eu en"), Keep: list("eu und")}, "eu und", "en eu", ""},
		{"languages without what is kept", Config{Engine: "lingua", Languages: list("eu en"), Keep: list("fr")}, "", "", "fr is to be kept, but is not among the languages en, eu"},
		{"one language", Config{Engine: "lingua", Languages: list("eu eu")}, "", "", "eu alone: every text would be in it"},
		{"und is no language", Config{Engine: "lingua", Languages: list("eu und")}, "", "", `no language of lingua is called "und"`},
		{"Galician", Config{Engine: "lingua", Keep: list("gl")}, "", "", "lingua does not know Galician (gl); it takes such texts for es or pt"},
		{"Breton", Config{Engine: "lingua", Keep: list("br")}, "", "", "lingua does not know Breton (br)"},
		{"Norwegian", Config{Engine: "lingua", Languages: list("no sv")}, "", "", "as Bokmal (nb) and Nynorsk (nn)"},
		{"a name", Config{Engine: "lingua", Keep: list("basque")}, "", "", `no language has the code "basque"; did you mean "eu", which is Basque?`},
		{"three letters", Config{Engine: "lingua", Keep: list("eus")}, "", "", `did you mean "eu"`},
		{"upper case", Config{Engine: "lingua", Keep: list("EU")}, "", "", `did you mean "eu"`},
		{"nonsense", Config{Engine: "lingua", Keep: list("klingon")}, "", "", `no language of lingua is called "klingon"`},
		{"Chinese alone", Config{Engine: "lingua", Languages: list("en zh")}, "", "", "name both, or neither"},
		{"an engine", Config{Engine: "linga"}, "", "", `no engine is called "linga"; did you mean "lingua"?`},
		{"a small sample", Config{Engine: "lingua", SampleBytes: 19}, "", "", "a sample of 19 bytes: from 20 to 3000"},
		{"a large sample", Config{Engine: "lingua", SampleBytes: 3001}, "", "", "from 20 to 3000"},
		{"a least score", Config{Engine: "lingua", MinScore: 1.5}, "", "", "a least score of 1.5: from 0 to 1"},
		{"not a number", Config{MinScore: math.NaN()}, "", "", "a least score of NaN"},
		{"lingua's models are its own", Config{Engine: "lingua", Model: &Model{name: "m.bin"}}, "", "", "m.bin is for fasttext and cascade"},
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
	if _, err := (Config{Engine: "lingua", Keep: given}).Resolve(); err != nil || given[0] != "eu" {
		t.Errorf("%v, %v", given, err)
	}
}

// TestEveryLanguageHasASet: whatever lingua knows can be kept, together with something it can be told from.
func TestEveryLanguageHasASet(t *testing.T) {
	for _, l := range linguaLanguages {
		cfg, err := Config{Engine: "lingua", Keep: []string{l.Code}}.Resolve()
		if err != nil || len(cfg.Languages) < 2 || !slices.Contains(cfg.Languages, l.Code) {
			t.Errorf("%s: %v, %v", l.Code, cfg.Languages, err)
		}
		if latin := !slices.Contains(otherScripts, l.Code); latin != slices.Contains(cfg.Languages, "de") && l.Code != "de" {
			t.Errorf("%s: %v", l.Code, cfg.Languages)
		}
	}
}

// TestResolveFasttext: the languages of the model, and those of lingua beside them.
func TestResolveFasttext(t *testing.T) {
	list := func(s string) []string { return strings.Fields(s) }
	for _, c := range []struct {
		name      string
		cfg       Config
		languages string
		second    string
		err       string
	}{
		{"nothing", Config{}, "", "ca de en es eu fr it pt", ""},
		{"fasttext", Config{Engine: "fasttext", Keep: list("eu")}, "", "", ""},
		{"keep", Config{Keep: list("eu")}, "", "ca de en es eu fr it pt tr", ""},
		{"keep Galician", Config{Keep: list("gl")}, "", "ca de en es eu fr it pt", ""},
		{"keep Galician and Basque", Config{Keep: list("gl eu")}, "", "ca de en es eu fr it pt tr", ""},
		{"keep Norwegian", Config{Keep: list("no")}, "", "da de en es fr is it nb nn pt sv", ""},
		{"keep und", Config{Keep: list("und")}, "", "ca de en es eu fr it pt", ""},
		{"languages", Config{Languages: list("eu gl es")}, "es eu gl", "es eu", ""},
		{"lingua knows one of them", Config{Languages: list("eu gl")}, "eu gl", "", ""},
		{"Chinese alone", Config{Languages: list("en eu zh")}, "en eu zh", "en eu", ""},
		{"not among them", Config{Languages: list("eu gl"), Keep: list("fr")}, "", "", "fr is to be kept, but is not among the languages eu, gl"},
		{"a name", Config{Keep: list("basque")}, "", "", `no language of lid.176.ftz has the code "basque"; did you mean "eu"?`},
		{"the name of one that lingua does not know", Config{Keep: list("Galician")}, "", "", `did you mean "gl"?`},
		{"three letters", Config{Keep: list("eus")}, "", "", `did you mean "eu"?`},
		{"Bokmal", Config{Keep: list("nb")}, "", "", `did you mean "no"?`},
		{"nonsense", Config{Keep: list("klingon")}, "", "", `no language of lid.176.ftz is called "klingon"`},
	} {
		got, err := c.cfg.Resolve()
		if c.err != "" || err != nil {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q in it", c.name, err, c.err)
			}
			continue
		}
		if !slices.Equal(got.Languages, list(c.languages)) || !slices.Equal(got.Second, list(c.second)) {
			t.Errorf("%s: %v, and lingua %v; want %q, %q", c.name, got.Languages, got.Second, c.languages, c.second)
		}
		if again, err := got.Resolve(); err != nil || !slices.Equal(again.Second, got.Second) || again.Memory() != got.Memory() {
			t.Errorf("%s: resolved twice: %+v, %v", c.name, again, err)
		}
		if m := got.Memory(); m < lidMemory || (m > lidMemory) != (len(got.Second) > 0) || got.Lingua() != (len(got.Second) > 0) {
			t.Errorf("%s: %d bytes, lingua %v", c.name, m, got.Lingua())
		}
	}
}
