package filter

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"curate/record"
)

// overlapTexts fail tests of several rules, of one, and none.
var overlapTexts = []string{
	prose, "hello world", "a", "", strings.Repeat("word ", 60), strings.Repeat("# ", 30) + "...", "The end, and that of it with the rest …\n" + strings.Repeat("x ", 80),
	strings.Repeat("lorem ipsum dolor sit amet. ", 4), "{ javascript is off }", strings.Repeat("the same line\n", 9), prose + "\n" + prose,
	"The first sentence is here. The second is here, too. And a third one, that is all.\nno end", "terms of use and of service",
}

// TestOverlap compares the tallies with what the signals of each dropped document say, in one batch and in several.
func TestOverlap(t *testing.T) {
	for _, profile := range []string{"gopher", "c4", "fineweb"} {
		f := mustNew(t, Config{Profile: profile, Overlap: true, Verdicts: true})
		var config struct {
			Tests []struct {
				Compare              Comparison
				Reason, Rule, Signal string
				Threshold            float64
			}
		}
		if err := json.Unmarshal(f.Spec().Config.(json.RawMessage), &config); err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{}
		v := f.NewView()
		for _, text := range overlapTexts {
			list, _, reason := f.Verdict(nil, v, []byte(text), true)
			if reason == "" || text == "" {
				continue
			}
			values := map[string]float64{}
			for _, s := range list {
				values[s.Name] = s.Value
			}
			var fails []string
			for _, c := range config.Tests {
				if value, ok := values[c.Signal]; ok && c.Compare.fails(value, c.Threshold) {
					if key := OverlapMark + c.Rule + ":" + c.Reason; len(fails) == 0 || fails[len(fails)-1] != key {
						fails = append(fails, key)
					}
				}
			}
			for i, a := range fails {
				want[a]++
				for _, b := range fails[i+1:] {
					want[a+b]++
				}
			}
			if len(fails) == 1 {
				want[fails[0]+OverlapMark]++
			}
		}
		if len(want) < 4 {
			t.Fatalf("%s: the texts show nothing: %v", profile, want)
		}
		for _, size := range []int{1, 3, len(overlapTexts)} {
			got := map[string]int64{}
			w := f.NewWorker()
			for at := 0; at < len(overlapTexts); at += size {
				b := &record.Batch{}
				for i, text := range overlapTexts[at:min(at+size, len(overlapTexts))] {
					b.Append(record.ID(i), 1, []byte(`{"text":`+quote(text)+`}`))
				}
				b.Parse()
				if err := w.Map(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				for _, n := range b.TakeTallies() {
					if strings.HasPrefix(n.Name, OverlapMark) {
						got[n.Name] += n.N
					}
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s, batches of %d: %v\nwant %v", profile, size, got, want)
			}
		}
	}
}

// TestOverlapDecidesNothing: lines, verdicts and the identity are those of a filter that does not count.
func TestOverlapDecidesNothing(t *testing.T) {
	for _, profile := range []string{"gopher", "c4"} {
		a, b := mustNew(t, Config{Profile: profile, Verdicts: true}), mustNew(t, Config{Profile: profile, Verdicts: true, Overlap: true})
		if string(a.Spec().Config.(json.RawMessage)) != string(b.Spec().Config.(json.RawMessage)) {
			t.Errorf("%s: counting is a part of the identity", profile)
		}
		for _, text := range overlapTexts {
			line := `{"text":` + quote(text) + `}`
			x, y := mapOne(t, a, line), mapOne(t, b, line)
			if x.Outcome != y.Outcome || x.Reason != y.Reason || string(x.AppendDropped(nil)) != string(y.AppendDropped(nil)) {
				t.Errorf("%s: %q: %s, with counting %s", profile, text, x.AppendDropped(nil), y.AppendDropped(nil))
			}
		}
	}
}

func TestMeasure(t *testing.T) {
	f := mustNew(t, Config{Profile: "gopher"})
	measure := f.NewMeasure()
	v := f.NewView()
	for _, text := range overlapTexts {
		b := &record.Batch{}
		b.Append(1, 1, []byte(`{"text":`+quote(text)+`}`))
		b.Parse()
		want, _, _ := f.Verdict(nil, v, []byte(text), true)
		got := measure(&b.Records[0])
		if len(got) != len(want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%q: %v, want %v", text, got[i], want[i])
			}
		}
	}
	b := &record.Batch{}
	b.Append(1, 1, []byte(`{"body":"x"}`))
	b.Parse()
	if got := measure(&b.Records[0]); got != nil {
		t.Errorf("of no text: %v", got)
	}
}
