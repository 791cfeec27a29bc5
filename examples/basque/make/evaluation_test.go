package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestChooseHeldOut(t *testing.T) {
	var held, free string // paths
	for k := 0; held == "" || free == ""; k++ {
		if path := fmt.Sprintf("swriter/guide/page%d", k); heldOut(path) {
			held = path
		} else {
			free = path
		}
	}
	text := func(n int) string { // n words, the first of them the same
		var w []string
		for i := range n {
			w = append(w, fmt.Sprintf("w%d", i))
		}
		return strings.Join(w, " ")
	}
	line := func(path, text string) []byte {
		return fmt.Appendf(nil, `{"id":"lohelp/eu/%s","text":%q}`, path, text)
	}
	learnt := []page{{text: text(24)}} // 20 grams
	for _, c := range []struct {
		path, text string
		want       int
	}{
		{held, "something quite different stands on this page", 1},
		{free, "something quite different stands on this page", 0},
		{held, text(24), 0},
		{held, text(14) + " a b c d e f g h i j", 1}, // 10 shared grams of 30 in all
		{held, text(20) + " x", 0},                   // 16 shared of 21
	} {
		got, err := chooseHeldOut("x", [][]byte{line(c.path, c.text)}, learnt)
		if err != nil || len(got) != c.want {
			t.Errorf("%s, %q: %d chosen, %v; want %d", c.path, c.text, len(got), err, c.want)
		}
	}
	if _, err := chooseHeldOut("x", [][]byte{[]byte("{")}, nil); err == nil || !strings.Contains(err.Error(), "x:1") {
		t.Error(err)
	}
}

// TestCommittedEvaluation: what is learnt and what is measured have no page in common.
func TestCommittedEvaluation(t *testing.T) {
	ids := func(name string) (list []string) {
		lines, err := readLines(filepath.Join("..", "training", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			var r struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatal(err)
			}
			list = append(list, r.ID)
		}
		return list
	}
	english := ids("english.jsonl.zst")
	if len(english) != 2272 {
		t.Errorf("%d English pages", len(english))
	}
	for _, id := range english {
		if heldOut(id) {
			t.Errorf("%s is learnt and held out", id)
		}
	}
	for _, name := range []string{"instruct.en.jsonl.zst", "preference.en.jsonl.zst"} {
		list := ids(name)
		if len(list) < 800 {
			t.Errorf("%s has %d lines", name, len(list))
		}
		for _, id := range list {
			if heldOut(id) {
				t.Errorf("%s: %s is learnt and held out", name, id)
			}
		}
	}
	for name, least := range map[string]int{"heldout.instruct.eu.jsonl.zst": 200, "heldout.preference.eu.jsonl.zst": 150} {
		list := ids(name)
		if len(list) < least {
			t.Errorf("%s has %d lines", name, len(list))
		}
		for _, id := range list {
			if !heldOut(id) {
				t.Errorf("%s: %s may be learnt", name, id)
			}
		}
	}
	for _, lang := range evaluationLanguages {
		for _, name := range []string{"heldout." + lang + ".jsonl.zst", "pairs." + lang + ".jsonl.zst"} {
			list := ids(name)
			if len(list) < 250 {
				t.Errorf("%s has %d lines", name, len(list))
			}
			for _, id := range list {
				if !heldOut(id) {
					t.Errorf("%s: %s may be learnt", name, id)
				}
			}
		}
	}
}
