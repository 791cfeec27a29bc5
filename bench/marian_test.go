package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMarianPairs(t *testing.T) {
	const known = "sbasic/guide/show_dialog"
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.json")
	page := func(last int) string { // whose SHA-1 ends so
		for k := 0; ; k++ {
			if p := fmt.Sprintf("page%d", k); lastDigit(p) == last {
				return p
			}
		}
	}
	if lastDigit(known) != 0 { // the example that the data's own description gives
		t.Errorf("%s is not held out", known)
	}
	var b strings.Builder
	for _, p := range [][3]string{
		{page(0) + "#1", "One two three four", "Bat bi hiru lau"},
		{page(0) + "#2", "One two three four", "Beste bat da hau"},
		{page(0) + "#3", "Three words only", "Hiru hitz dira"},
		{page(0) + "#4", "The same in both", "The same in both"},
		{page(0) + "#5", "Much longer in Basque", strings.Repeat("luze ", 20)},
		{page(0) + "#6", " Five six seven eight ", "Bost sei zazpi zortzi"},
		{page(1) + "#1", "May well be learnt", "Ikas daiteke beharbada"},
	} {
		fmt.Fprintf(&b, "{\"id\":%q,\"en\":%q,\"eu\":%q}\n", p[0], p[1], p[2])
	}
	if err := os.WriteFile(in, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := marianPairsTask(task{Files: []string{in}, N: 2, Out: out}); err != nil {
		t.Fatal(err)
	}
	var got marianPairs
	if err := readJSON(out, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Sources, []string{"One two three four", "Five six seven eight"}) || !slices.Equal(got.References, []string{"Bat bi hiru lau", "Bost sei zazpi zortzi"}) {
		t.Errorf("%q", got)
	}
	if _, err := marianPairsTask(task{Files: []string{in}, N: 3, Out: out}); err == nil || !strings.Contains(err.Error(), "2 sentences") {
		t.Error(err)
	}
}

func TestMarianVerdicts(t *testing.T) {
	rows := func(perCPU, rates float64) *marianRow {
		return &marianRow{perCPU: []float64{perCPU}, rates: []float64{rates}}
	}
	for _, c := range []struct {
		cores int
		fails bool
	}{{1, false}, {2, true}} { // 3.1 times by CPU seconds, 2.9 by the clock
		v := &verdict{Numbers: map[string]any{}}
		marianRatio(v, "x", "peer", rows(31, 29), rows(10, 10), marianFloatBar, c.cores)
		if (len(v.Failures) > 0) != c.fails {
			t.Errorf("%d cores: %v", c.cores, v.Failures)
		}
	}
	for _, c := range []struct {
		rss, weights int64
		fails        bool
	}{{130 << 20, 100 << 20, false}, {131 << 20, 100 << 20, true}, {100 << 20, 10 << 20, false}} {
		v := &verdict{Numbers: map[string]any{}}
		marianRSS(v, "x", c.rss, &translated{Weights: c.weights})
		if (len(v.Failures) > 0) != c.fails {
			t.Errorf("%d of %d: %v", c.rss, c.weights, v.Failures)
		}
	}
	a, b := &translated{Texts: []string{"x", "y", "z"}}, &translated{Texts: []string{"x", "u", "z"}}
	if n := equalTexts(a, b); n != 2 {
		t.Errorf("%d texts are the same", n)
	}
	s := marianScores([]string{"Ireki leihoa, mesedez.", "Bai."}, []string{"Ireki leihoa, mesedez.", "Bai."})
	if s["chrF++"] != 100 {
		t.Errorf("%v", s)
	}
}
