package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestChooseSentences(t *testing.T) {
	var held, twin, free string // paths; twin is held out, and its page resembles another
	for k := 0; held == "" || twin == "" || free == ""; k++ {
		switch path := fmt.Sprintf("swriter/guide/page%d", k); {
		case !heldOut(path):
			free = path
		case held == "":
			held = path
		default:
			twin = path
		}
	}
	pages, err := heldOutPaths(map[string][][]byte{
		"en": {[]byte(`{"id":"lohelp/en/` + held + `"}`), []byte(`{"id":"lohelp/en/` + twin + `"}`)}, "eu": {[]byte(`{"id":"lohelp/eu/` + held + `"}`)},
	})
	if err != nil || !pages[held] || pages[twin] {
		t.Fatal(pages, err)
	}
	const en, eu = "Opens the dialog with all fields", "Eremu guztiak dituen elkarrizketa-koadroa"
	for _, c := range []struct {
		name string
		list []pair
		want int
	}{
		{"held out", []pair{{held + "#a", en, eu}}, 1},
		{"may be learnt", []pair{{free + "#a", en, eu}}, 0},
		{"has a twin", []pair{{twin + "#a", en, eu}}, 0},
		{"twice", []pair{{held + "#a", en, eu}, {held + "#b", " " + en, "Beste bat"}}, 1},
		{"in a page that may be learnt, too", []pair{{held + "#a", en, eu}, {free + "#b", en, "Beste bat"}}, 0},
		{"untranslated", []pair{{held + "#a", en, en}}, 0},
		{"three words", []pair{{held + "#a", "Opens the dialog", "Koadroa irekitzen du"}}, 0},
		{"forty-one words", []pair{{held + "#a", strings.Repeat("word ", 41), strings.Repeat("hitza ", 41)}}, 0},
		{"of another length", []pair{{held + "#a", en, "Bai"}}, 0},
		{"lines", []pair{{held + "#a", en + "\nand more", eu + "\neta gehiago"}}, 0},
	} {
		n := 0
		for ; n <= len(c.list); n++ { // as many as there are
			if _, err := chooseSentences(c.list, pages, n+1, rand.New(rand.NewPCG(1, 1))); err != nil {
				break
			}
		}
		if n != c.want {
			t.Errorf("%s: %d sentences, want %d", c.name, n, c.want)
		}
	}
	var many []pair
	for i := range 50 {
		many = append(many, pair{fmt.Sprintf("%s#%d", held, i), fmt.Sprintf("%s %d", en, i), fmt.Sprintf("%s %d", eu, i)})
	}
	got, err := chooseSentences(many, pages, 20, rand.New(rand.NewPCG(1, 1)))
	if err != nil || len(got) != 20 || !slices.IsSortedFunc(got, func(a, b pair) int { return slices.Index(many, a) - slices.Index(many, b) }) {
		t.Errorf("%v %v", got, err)
	}
}

// TestCommittedSentences: both files have the same sentences, of held-out pages, and none of them is among what can be learnt.
func TestCommittedSentences(t *testing.T) {
	read := func(name string) (ids, texts []string) {
		lines, err := readLines(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			var r struct{ ID, Text string }
			if err := json.Unmarshal(l, &r, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatal(err)
			}
			ids, texts = append(ids, r.ID), append(texts, r.Text)
		}
		return ids, texts
	}
	ids, english := read("sentences.en.jsonl.zst")
	others, basque := read("sentences.eu-reference.jsonl.zst")
	if len(ids) != sentences || !slices.Equal(ids, others) {
		t.Fatalf("%d sentences, and %d in Basque", len(ids), len(others))
	}
	for i, id := range ids {
		if !heldOut(id) || slices.Index(ids, id) < i || english[i] == "" || basque[i] == "" || english[i] == basque[i] {
			t.Errorf("%s: %q, %q", id, english[i], basque[i])
		}
	}
	memory, err := readLines(filepath.Join("..", "memory.en-eu.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range memory {
		var p struct {
			EN string `json:"en"`
		}
		if err := json.Unmarshal(l, &p); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(english, p.EN) {
			t.Errorf("the memory has %q", p.EN)
		}
	}
}
