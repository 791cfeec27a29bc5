package filter

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSpread compares tails, median and moments with those of the sorted values.
func TestSpread(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for round := range 40 {
		var s spread
		var all []float64
		n := 1 + rng.IntN(3000)
		for range n {
			v := []float64{0, float64(rng.IntN(40)) / float64(1+rng.IntN(40)), rng.ExpFloat64(), math.Abs(rng.NormFloat64()) * 1e5, math.Ldexp(rng.Float64(), -40)}[rng.IntN(1+round%5)]
			s.add(v)
			all = append(all, v)
		}
		s.add(math.NaN())
		slices.Sort(all)
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		mean, std := s.meanStd()
		if math.Abs(mean-sum/float64(n)) > 1e-6*(1+math.Abs(mean)) || std < 0 {
			t.Fatalf("mean %v, %v", mean, std)
		}
		for _, share := range []float64{0, 1e-9, 0.01, 0.1, 0.5, 0.9} {
			for _, above := range []bool{true, false} {
				at, beyond := s.tail(share, above)
				if !slices.Contains(all, at) {
					t.Fatalf("%v is no value", at)
				}
				is, more := int64(0), int64(0) // beyond at; beyond a hair within
				for _, v := range all {
					if above && v > at || !above && v < at {
						is++
					}
					hair := math.Abs(at)/512 + math.Ldexp(1, leastOctave)
					if above && v > at-hair || !above && v < at+hair {
						more++
					}
				}
				if is != beyond || float64(is) > share*float64(n)+1e-6 || float64(more) <= share*float64(n)-1 {
					t.Fatalf("seed %d, round %d: %v of %d above %v: %v, beyond it %d, said %d, a hair within %d", seed, round, share, n, above, at, is, beyond, more)
				}
			}
		}
		if m, want := s.median(), all[(n-1)/2]; math.Abs(m-want) > math.Abs(want)/512+math.Ldexp(1, leastOctave)+1e-12 && want > 0 {
			t.Fatalf("seed %d, round %d: median %v, want %v", seed, round, m, want)
		}
	}
}

// TestFrequentWords: bounded, and near the exact counts.
func TestFrequentWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	zipf := rand.NewZipf(rng, 1.05, 3, 3_000_000)
	var f frequentWords
	exact := map[string]int64{}
	for range 600_000 {
		w := fmt.Sprintf("w%d", zipf.Uint64())
		f.add([]byte(w))
		exact[w]++
	}
	for range 50_000 {
		f.add([]byte("12.5"))
	}
	if len(f.counts) > 100_000 || len(exact) < 150_000 {
		t.Errorf("%d words are held of %d", len(f.counts), len(exact))
	}
	got := f.above(0.002, 8)
	for i, w := range got {
		if off := exact[w.Word] - int64(math.Round(w.Share*650_000)); off < 0 || off > 7 || w.Share < 0.002 && i >= 8 {
			t.Errorf("%s: %v, of %d", w.Word, w.Share, exact[w.Word])
		}
	}
	n := 0
	for _, c := range exact {
		if float64(c) >= 0.002*650_000+7 {
			n++
		}
	}
	if len(got) < n || len(got) < 8 {
		t.Errorf("%d words, want %d", len(got), n)
	}
	if least := f.above(0.9, 3); len(least) != 3 || least[0] != got[0] {
		t.Errorf("%v", least)
	}
}

// fitted proposes from the pages of two languages in testdata.
func fitted(t *testing.T, method FitMethod, order func(n int) []int) (*Proposal, Measured, []string) {
	t.Helper()
	x, err := NewFitting(FitConfig{Language: "eu", Method: method})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, d := range testdata(t) {
		switch {
		case strings.Contains(d.ID, "/lohelp/") && strings.Contains(d.ID, "eu"):
			texts = append(texts, d.Text)
		case strings.Contains(d.ID, "/lohelp/"):
			x.AddReference([]byte(d.Text))
		}
	}
	for _, i := range order(len(texts)) {
		x.Add([]byte(texts[i]))
	}
	p, err := x.Propose()
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Measuring()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts {
		m.Add([]byte(s))
	}
	p.Say(m.Measured())
	return p, m.Measured(), texts
}

func inOrder(n int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = i
	}
	return o
}

// TestFit: each method gives a profile that can be used, that drops no more than it says, whatever the order of the
// texts, and that its YAML gives again.
func TestFit(t *testing.T) {
	for _, method := range FitMethods() {
		t.Run(string(method), func(t *testing.T) {
			p, m, texts := fitted(t, method, inOrder)
			y, err := p.YAML(m)
			if err != nil {
				t.Fatal(err)
			}
			q, m2, _ := fitted(t, method, func(n int) []int { return rand.New(rand.NewPCG(1, 1)).Perm(n) })
			y2, err := q.YAML(m2)
			if err != nil {
				t.Fatal(err)
			}
			if method != FitMeanStd && !bytes.Equal(y, y2) { // sums of floats differ in their last bits
				t.Errorf("in another order:\n%s\nwas\n%s", y2, y)
			}
			back, err := ParseProfile("eu.yaml", y, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, y)
			}
			f, g := must(NewOf(p.Profile, Config{})), must(NewOf(back, Config{}))
			if f.basis != g.basis || len(f.tests) != len(g.tests) {
				t.Errorf("%s\nread again %s", f.basis, g.basis)
			}
			for i := range f.tests {
				if f.tests[i].threshold != g.tests[i].threshold {
					t.Errorf("%s: %v, read again %v", f.tests[i].test.Reason, f.tests[i].threshold, g.tests[i].threshold)
				}
			}
			kept, v := int64(0), g.NewView()
			for _, s := range texts {
				if _, reason := g.Check(v, []byte(s)); reason == "" {
					kept++
				}
			}
			if kept != m.Kept || m.Texts != int64(len(texts)) || m.Texts < 15 {
				t.Errorf("%d kept of %d, measured %d of %d", kept, len(texts), m.Kept, m.Texts)
			}
			if method == FitTenTail {
				for _, s := range m.Tests {
					for _, fp := range fittedParams {
						if s.Rule == fp.rule && s.Param == fp.param && float64(s.Fails) > 0.1*float64(m.Texts) {
							t.Errorf("%s drops %d of %d", s.Reason, s.Fails, m.Texts)
						}
					}
				}
			}
			if len(p.StopWords) < 8 || !slices.IsSortedFunc(p.StopWords, func(a, b StopWord) int { return cmp.Compare(b.Share, a.Share) }) || p.StopWords[0].Word != "eta" {
				t.Errorf("stop words %v", p.StopWords)
			}
			for _, u := range p.Profile.Rules {
				for _, s := range u.Set {
					if s.Why == "" {
						t.Errorf("%s.%s has no reason", u.Rule, s.Param)
					}
				}
			}
		})
	}
}

func TestFitRefused(t *testing.T) {
	for _, c := range []struct {
		cfg FitConfig
		err string
	}{
		{FitConfig{Method: "tenth"}, "method"}, {FitConfig{Method: FitTenTail, Tail: 1}, "tail"}, {FitConfig{Method: FitTenTail, StopShare: -1}, "stop words"},
		{FitConfig{Method: FitTenTail, StopWords: 65}, "64"}, {FitConfig{Method: FitTenTail, Words: "spaces"}, "way to cut words"},
	} {
		if _, err := NewFitting(c.cfg); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	x := must(NewFitting(FitConfig{Language: "eu", Method: FitQuantile}))
	if _, err := x.Propose(); err == nil || !strings.Contains(err.Error(), "no text") {
		t.Error(err)
	}
	x.Add([]byte("bat bi hiru"))
	if _, err := x.Propose(); err == nil || !strings.Contains(err.Error(), "reference") {
		t.Error(err)
	}
	x = must(NewFitting(FitConfig{Language: "eu", Method: FitTenTail}))
	x.Add([]byte("1 2 3"))
	if _, err := x.Propose(); err == nil || !strings.Contains(err.Error(), "no word has a letter") {
		t.Error(err)
	}
}
