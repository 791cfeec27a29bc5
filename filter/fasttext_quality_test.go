package filter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/text"
)

// qualityModelFile is a classifier of toys: hq is what looks like English, cc like Basque, zz like something else.
const qualityModelFile = "testdata/fasttext/quality.bin"

// openFile is the Open of a Config.
func openFile(name string) (io.ReadCloser, error) { return os.Open(name) }

// neededBy are settings without which a rule cannot be used.
var neededBy = map[string][]Setting{
	"fasttext_quality": {{Param: "model", Value: qualityModelFile}, {Param: "label", Value: "hq"}, {Param: "min_score", Value: 0.3}, {Param: "pareto_alpha", Value: 3}},
}

// quality is without the draw of neededBy.
func quality(set ...Setting) []Setting {
	return append([]Setting{{Param: "pareto_alpha", Value: 0}}, set...)
}

type qualityAnswer struct {
	ID                            string `json:"id"`
	Document, Paragraph, Sentence struct {
		Keep  bool
		Mean  float64
		Text  string // sha256 of what is left of it, shortened
		Error string
	}
	Nemo *float64
}

func readLines(t *testing.T, file string, each func(line []byte)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	s := bufio.NewScanner(z)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		each(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestFasttextGolden holds what datatrove 0.10.1 and NeMo-Curator's lines answered about the documents of the conformance
// set (testdata/fasttext/make_golden.py).
func TestFasttextGolden(t *testing.T) {
	texts := map[string][]byte{}
	readLines(t, "testdata/filter-dedup/docs.jsonl.zst", func(line []byte) {
		var d struct{ ID, Text string }
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		texts[d.ID] = []byte(d.Text)
	})
	const threshold = 0.5
	near := func(got, want float64, doc []byte) bool {
		within := 5e-5 // sums run in another order
		if len(doc) > 100_000 {
			within = 1e-3 // and are long
		}
		return math.Abs(got-want) <= within
	}
	at := Setting{Param: "min_score", Value: threshold}
	units := []string{"document", "paragraph", "sentence"}
	var filters []*Filter
	var views []*View
	for _, u := range units {
		f := only(t, "fasttext_quality", quality(at, Setting{Param: "unit", Value: u})...)
		filters, views = append(filters, f), append(views, f.NewView())
	}
	nemo := only(t, "fasttext_quality", nemoFasttextQualityProfile.Rules[0].Set...)
	nemoView := nemo.NewView()
	n, kept := 0, 0
	readLines(t, "testdata/fasttext/golden.jsonl.zst", func(line []byte) {
		var a qualityAnswer
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		doc, ok := texts[a.ID]
		if !ok {
			t.Fatalf("%s is not among the documents", a.ID)
		}
		n++
		for i, want := range []struct {
			Keep  bool
			Mean  float64
			Text  string
			Error string
		}{a.Document, a.Paragraph, a.Sentence} {
			if want.Error != "" || len(doc) == 0 {
				continue
			}
			v := views[i]
			_, reason := filters[i].Check(v, doc)
			if (reason == "") != want.Keep {
				score := v.Scratch(filters[i].rules[0]).(*qualityScratch).best
				if !near(score, threshold, doc) {
					t.Errorf("%s by %s: %q with %v, datatrove keeps: %v", a.ID, units[i], reason, score, want.Keep)
				}
				continue
			}
			if want.Keep {
				kept++
				sum := sha256.Sum256(v.Text())
				if got := hex.EncodeToString(sum[:8]); got != want.Text {
					t.Errorf("%s by %s: other text is left than datatrove's: %.300q", a.ID, units[i], v.Text())
				}
			}
			if s := v.Scratch(filters[i].rules[0]).(*qualityScratch); i == 0 && len(text.TrimLeft(doc)) > 0 && !near(s.best, want.Mean, doc) {
				t.Errorf("%s: score %v, datatrove %v", a.ID, s.best, want.Mean)
			}
		}
		if a.Nemo != nil && len(doc) > 0 {
			nemo.Check(nemoView, doc)
			if got := nemoView.Scratch(nemo.rules[0]).(*qualityScratch).best; !near(got, *a.Nemo, doc) {
				t.Errorf("%s: score %v, NeMo %v", a.ID, got, *a.Nemo)
			}
		}
	})
	if n < 100 || kept < 100 {
		t.Errorf("%d documents, %d times kept: this shows little", n, kept)
	}
}

// TestPareto: the draws are those of the distribution, depend on text and seed alone, and let the right share through.
func TestPareto(t *testing.T) {
	for _, alpha := range []float64{3, 9, 0.5} {
		m := &qualityModel{alpha: alpha, seed: 42}
		other := &qualityModel{alpha: alpha, seed: 43}
		const n = 20000
		var x []float64
		same := 0
		for i := range n {
			doc := fmt.Appendf(nil, "document %d", i)
			d := m.draw(doc)
			if d != m.draw(doc) || d < 0 {
				t.Fatalf("draw %v, then %v", d, m.draw(doc))
			}
			if d == other.draw(doc) {
				same++
			}
			x = append(x, d)
		}
		if same > n/100 {
			t.Errorf("alpha %v: the seed changes little: %d of %d draws are the same", alpha, same, n)
		}
		// Kolmogorov and Smirnov: at most 1.95/√n in 999 of 1000 samples; these are always the same.
		sort.Float64s(x)
		worst := 0.0
		for i, v := range x {
			want := 1 - math.Pow(1+v, -alpha)
			worst = max(worst, math.Abs(want-float64(i)/n), math.Abs(want-float64(i+1)/n))
		}
		if worst > 1.95/math.Sqrt(n) {
			t.Errorf("alpha %v: the draws are %v away from their distribution", alpha, worst)
		}
	}
	if d := (&qualityModel{}).draw([]byte("x")); d != 0 {
		t.Errorf("without alpha %v is drawn", d)
	}
	// The rule drops as many as the distribution says, by the documents' scores.
	f := only(t, "fasttext_quality", Setting{Param: "min_score", Value: 0})
	v := f.NewView()
	want, got := 0.0, 0
	const n = 4000
	for i := range n {
		doc := fmt.Appendf(nil, "eta hau da %d orria", i)
		_, reason := f.Check(v, doc)
		score := v.Scratch(f.rules[0]).(*qualityScratch).best
		want += math.Pow(2-score, -3) // P(X > 1-score)
		if reason == "" {
			got++
		}
	}
	if math.Abs(float64(got)-want) > 4*math.Sqrt(n)/2 {
		t.Errorf("%d of %d documents stay, %.0f were expected", got, n, want)
	}
}

func TestFasttextWrong(t *testing.T) {
	bin, err := os.ReadFile(qualityModelFile)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bin)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	var opened string
	open := func(name string) (io.ReadCloser, error) {
		opened = name
		switch {
		case strings.HasPrefix(name, "https://"):
			return io.NopCloser(bytes.NewReader(bin)), nil
		case name == "broken":
			return io.NopCloser(bytes.NewReader(bin[:len(bin)/2])), nil
		}
		return os.Open(name)
	}
	model := Setting{Param: "model", Value: qualityModelFile}
	label := Setting{Param: "label", Value: "__label__hq"}
	score := Setting{Param: "min_score", Value: 0.5}
	for _, c := range []struct {
		profile Profile
		set     []Setting
		want    string
	}{
		{datatroveFasttextProfile, nil, "fasttext_quality.model is not set, and has no default"},
		{datatroveFasttextProfile, []Setting{model}, "fasttext_quality.label is not set, and has no default"},
		{datatroveFasttextProfile, []Setting{model, label}, "min_score is not set, nor is pareto_alpha"},
		{nemoFasttextQualityProfile, nil, "fasttext_quality.model is not set, and has no default"},
		{nemoFasttextQualityProfile, []Setting{model}, ""},
		{datatroveFasttextProfile, []Setting{model, label, score}, ""},
		{datatroveFasttextProfile, []Setting{model, {Param: "label", Value: "hg"}, score}, `did you mean "hq"`},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "digest", Value: digest}}, ""},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "digest", Value: strings.ToUpper(digest[:9]) + digest[9:]}}, ""},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "digest", Value: "sha256:" + strings.Repeat("0", 64)}}, "its digest is " + digest + ", not"},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "digest", Value: digest[:70]}}, "64 hexadecimal digits"},
		{datatroveFasttextProfile, []Setting{{Param: "model", Value: "broken"}, label, score}, "broken is no fastText model: byte"},
		{datatroveFasttextProfile, []Setting{{Param: "model", Value: "testdata/none"}, label, score}, "testdata/none"},
		{datatroveFasttextProfile, []Setting{{Param: "model", Value: "https://example.org/m.bin"}, {Param: "digest", Value: digest}, label, score}, ""},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "unit", Value: "sentense"}}, `did you mean "sentence"`},
		{datatroveFasttextProfile, []Setting{model, label, score, {Param: "newline_replacement", Value: "a\nb"}}, "holds a line feed"},
		{nemoFasttextQualityProfile, []Setting{model, {Param: "unit", Value: "paragraph"}}, "pareto_alpha decides about documents"},
	} {
		p := c.profile
		p.Rules = []RuleUse{{p.Rules[0].Rule, append(append([]Setting{}, p.Rules[0].Set...), c.set...)}}
		opened = ""
		f, err := build(p, Config{Open: open})
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: %v, want %q", c.set, err, c.want)
		case err == nil:
			config, _ := json.Marshal(f.Spec().Config)
			if !strings.Contains(string(config), `"model":"`+digest+`"`) {
				t.Errorf("the model's digest is not in the identity: %s", config)
			}
		}
		if strings.HasPrefix(opened, "https://") && opened != "https://example.org/m.bin#"+digest {
			t.Errorf("opened %s", opened)
		}
	}
}

// What the toy model takes for English, and what it does not.
const (
	goodToy = "You can use strings to edit text within LibreOffice Basic programs."
	badToy  = "Egin klik eta aukeratu eguneratu nahi duzun edukia."
)

// TestFasttextParts: what is taken out, and how the rest is joined.
func TestFasttextParts(t *testing.T) {
	const good, bad = goodToy, badToy
	at := Setting{Param: "min_score", Value: 0.5}
	for _, c := range []struct{ unit, doc, left string }{
		{"document", good + "\r\n", good + "\r\n"},
		{"document", bad, ""},
		{"paragraph", good + "\n" + bad + "\n\n" + good, good + "\n" + good},
		{"paragraph", bad + "\r\n \r\n" + good + "\r\n\x0b" + good + "\n", good + "\n\n" + good},
		{"paragraph", bad + "\n" + bad, ""},
		{"sentence", good + " " + bad + " " + good, good + " " + good},
	} {
		f := only(t, "fasttext_quality", quality(at, Setting{Param: "unit", Value: c.unit})...)
		v := f.NewView()
		_, reason := f.Check(v, []byte(c.doc))
		if c.left == "" {
			if reason != "low_score" {
				t.Errorf("%s of %q: %q", c.unit, c.doc, reason)
			}
			continue
		}
		if got := string(v.Text()); reason != "" || got != c.left {
			t.Errorf("%s of %q:\n%q %s, want\n%q", c.unit, c.doc, got, reason, c.left)
		}
	}
}

func TestAsLine(t *testing.T) {
	for _, c := range []struct {
		newline string
		prefix  bool
		in, out string
	}{
		{"", false, "a\nb\n\nc", "abc"},
		{" ", false, "a\nb\n\nc\n", "a b  c "},
		{"<nl>", false, "\na", "<nl>a"},
		{" ", true, "__label__a\n__label____label__b__label", " a   b__label"},
		{"", true, "__la\nbel__x", " x"},
	} {
		s := &qualityScratch{m: &qualityModel{newline: []byte(c.newline), prefix: c.prefix}}
		if got := string(s.asLine([]byte(c.in))); got != c.out {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.out)
		}
	}
}

func TestFasttextAllocates(t *testing.T) {
	for _, unit := range []string{"document", "paragraph", "sentence"} {
		f := only(t, "fasttext_quality", quality(Setting{Param: "min_score", Value: 0.5}, Setting{Param: "unit", Value: unit})...)
		v := f.NewView()
		doc := []byte(strings.Repeat("This is the file that you want.\nHau da zuk nahi duzun fitxategia.\n", 20))
		f.Check(v, doc)
		if n := testing.AllocsPerRun(20, func() { f.Check(v, doc) }); n > 0 {
			t.Errorf("unit %s: %v allocations a document", unit, n)
		}
	}
}
