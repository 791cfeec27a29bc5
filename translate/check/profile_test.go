package check

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestProfileFor(t *testing.T) {
	for _, c := range []struct{ from, to, name string }{{"en", "eu", "en-eu"}, {"eu", "en", "general"}, {"en", "zh", "general"}, {"es", "gl", "general"}, {"", "", "general"}} {
		p := ProfileFor(c.from, c.to)
		if err := p.Validate(); err != nil || p.Name != c.name {
			t.Errorf("%s-%s: %s, %v", c.from, c.to, p.Name, err)
		}
	}
	if a, b := ProfileFor("en", "zh"), ProfileFor("zh", "en"); a.LengthRatioMaxShort >= 1.5 || b.LengthRatioMaxShort < 5 {
		t.Errorf("English to Chinese %g, back %g", a.LengthRatioMaxShort, b.LengthRatioMaxShort)
	}
	if p := ProfileFor("es", "gl"); p.CopyRateMax != 1 {
		t.Errorf("copies between sisters: %g", p.CopyRateMax)
	}
	for _, c := range calibrated {
		for key := range c.thresholds {
			if p := general("", ""); math.IsNaN(p.value(key)) {
				t.Errorf("%s: no threshold is called %s", c.name, key)
			}
		}
	}
}

// TestThresholdTable: the table has a line for each field, under its JSON name.
func TestThresholdTable(t *testing.T) {
	kind := reflect.TypeFor[Profile]()
	var keys []string
	for i := range kind.NumField() {
		if key := kind.Field(i).Tag.Get("json"); key != "name" {
			keys = append(keys, key)
		}
	}
	var have []string
	var p Profile
	for i, c := range thresholds {
		have = append(have, c.key)
		*c.field(&p) = float64(i + 1)
	}
	if !slices.Equal(keys, have) {
		t.Errorf("fields %v\nthresholds %v", keys, have)
	}
	v := reflect.ValueOf(p)
	for i, key := range keys {
		if got := v.Field(i + 1).Float(); got != float64(i+1) {
			t.Errorf("%s sets another field", key)
		}
	}
}

func TestReadProfile(t *testing.T) {
	p := ProfileFor("en", "eu")
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadProfile("file.json", b); err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := ReadProfile("my.json", []byte(`{"echo_words": 6}`))
	want := general("", "")
	want.Name, want.EchoWords = "my.json", 6
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for in, want := range map[string]string{
		`{"echo_word": 6}`:                `my.json: no threshold is called "echo_word"; did you mean "echo_words"?`,
		`{"lenght_ratio_max": 6}`:         `did you mean "length_ratio_max"?`,
		`{"q": 6}`:                        `there are: name, chrf_max`,
		`{"echo_words": "six"}`:           `thresholds are numbers`,
		`{"echo_words": null}`:            `echo_words is null`,
		`[1]`:                             `a profile is an object`,
		``:                                `a profile is an object`,
		`{"echo_words": 0}`:               `echo_words is 0; it must be a number of 1 or more`,
		`{"copy_rate_max": 2}`:            `copy_rate_max is 2; it must be from 0 to 1`,
		`{"length_ratio_min": 3}`:         `length_ratio_min is 3, above length_ratio_max of 2`,
		`{"script_min": 0.2}`:             `script_min_hard is 0.5, above script_min of 0.2`,
		`{"echo_words":1,"echo_words":2}`: `echo_words`,
	} {
		if _, err := ReadProfile("my.json", []byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	if _, err := New(Profile{Name: "mine"}, nil); err == nil {
		t.Error("a profile without thresholds is taken")
	}
	p.GaleChurchMean = math.NaN()
	if _, err := New(p, nil); err == nil || !strings.Contains(err.Error(), "gale_church_mean") {
		t.Errorf("NaN: %v", err)
	}
}

func FuzzReadProfile(f *testing.F) {
	f.Add([]byte(`{"name":"x","echo_words":6}`))
	f.Add([]byte(`{"echo_word":6}`))
	f.Add([]byte(`{"gale_church_mean":1e308}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadProfile("f", b)
		if err != nil {
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ReadProfile("f", out); err != nil || again != p {
			t.Fatalf("%s: %+v, then %+v, %v", b, p, again, err)
		}
	})
}

func TestFit(t *testing.T) {
	var f Fit
	if _, err := f.Profile("none"); err == nil || !strings.Contains(err.Error(), "need 200") {
		t.Errorf("%v", err)
	}
	if len(f.Percentiles()) > 0 {
		t.Error("percentiles of nothing")
	}
	pairs := readRows[helpPair](t, "testdata/pairs.jsonl.zst")
	for _, p := range pairs {
		f.Add(p.pair())
		f.Add(Pair{From: "en", To: "eu", Source: p.EN, Target: p.EN}) // not translated: no part of the sample
	}
	if f.pairs() != len(pairs) {
		t.Errorf("%d pairs", f.pairs())
	}
	p, err := f.Profile("mine")
	if err != nil || p.Name != "mine" {
		t.Fatal(p, err)
	}
	built := ProfileFor("en", "eu")
	for key, room := range map[string]float64{"gale_church_mean": 0.05, "length_ratio_min": 0.12, "length_ratio_max": 0.15, "chrf_max": 15} {
		if a, b := p.value(key), built.value(key); math.Abs(a-b) > room {
			t.Errorf("%s is %g, of a larger sample %g", key, a, b)
		}
	}
	for name, list := range f.Percentiles() {
		if len(list) != len(PercentilesOf) || !slices.IsSorted(list) {
			t.Errorf("%s: %v", name, list)
		}
	}
	// What was fitted rejects few of what it was fitted on.
	c, err := New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for _, p := range pairs {
		if got := c.Segment(nil, p.pair()); len(got) > 0 && got[0].Hard {
			rejected++
		}
	}
	if rejected > len(pairs)/100 {
		t.Errorf("%d of %d rejected", rejected, len(pairs))
	}
}

func TestPercentile(t *testing.T) {
	list := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 50: 2.5, 100: 4, 25: 1.75} {
		if got := percentile(list, q); got != want {
			t.Errorf("p%g: %g, want %g", q, got, want)
		}
	}
	if got := percentile([]float64{7}, 50); got != 7 {
		t.Error(got)
	}
}

func TestRatio(t *testing.T) {
	if r, long := Ratio(Pair{Source: "abcd 12", Target: "ab"}); r != 0.5 || long {
		t.Error(r, long)
	}
	if r, long := Ratio(Pair{Source: strings.Repeat("a", 40), Target: strings.Repeat("ñ", 60)}); r != 1.5 || !long {
		t.Error(r, long)
	}
}

// TestChrF: values of sacrebleu 2.6.0, sentence level.
func TestChrF(t *testing.T) {
	if s := chrf("the cat sat", "the cat sat"); s != 100 {
		t.Error(s)
	}
	if s := chrf("abc", "xyz"); s != 0 {
		t.Error(s)
	}
	if s := fmt.Sprintf("%.4f", chrf("the cat is on the mat", "the cat sat on the mat")); s != "61.9252" {
		t.Error(s)
	}
}
