package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type helpPair struct {
	ID string `json:"id"`
	EN string `json:"en"`
	EU string `json:"eu"`
}

func (p helpPair) pair() Pair { return Pair{From: "en", To: "eu", Source: p.EN, Target: p.EU} }
func (p helpPair) page() string {
	page, _, _ := strings.Cut(p.ID, "#")
	return page
}

// TestMeasure prints what the documentation says: how often a signal is raised on human translations. It needs the corpus.
func TestMeasure(t *testing.T) {
	if *lohelp == "" {
		t.Skip("needs -lohelp FOLDER with parallel.en-eu.jsonl.zst")
	}
	c, err := New(ProfileFor("en", "eu"), nil)
	if err != nil {
		t.Fatal(err)
	}
	pairs := readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst"))
	for _, held := range []bool{true, false} {
		n, anyHard, anySoft := 0, 0, 0
		hard, soft := map[string]int{}, map[string]int{}
		examples := map[string][]string{}
		for _, p := range pairs {
			if p.EN == p.EU || heldOut(p.page()) != held {
				continue
			}
			n++
			h, s := 0, 0
			for _, f := range c.Segment(nil, p.pair()) {
				if f.Hard {
					h = 1
					hard[f.Check]++
					examples[f.Check] = append(examples[f.Check], fmt.Sprintf("%s\n\t\t%.200s\n\t\t%.200s", f.Detail, p.EN, p.EU))
				} else {
					s = 1
					soft[f.Check]++
				}
			}
			anyHard += h
			anySoft += s
		}
		t.Logf("held out %v: %d pairs, hard %d (%.2f %%), soft %d (%.2f %%)", held, n, anyHard, 100*float64(anyHard)/float64(n), anySoft, 100*float64(anySoft)/float64(n))
		for _, s := range signals {
			t.Logf("  %-14s hard %5d %.3f %%  soft %5d %.3f %%", s.Name, hard[s.Name], 100*float64(hard[s.Name])/float64(n), soft[s.Name], 100*float64(soft[s.Name])/float64(n))
			if testing.Verbose() {
				list := examples[s.Name]
				for i := 0; i < len(list); i += max(1, len(list)/12) {
					t.Log("    ", list[i])
				}
			}
		}
	}
	_ = slices.Sort[[]string]
}
