package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
)

// evaluationLanguages are those in which a model is trained and measured: the one that it begins with, and Basque.
var evaluationLanguages = []string{"en", basque}

// twin is the similarity from which on a held-out page is left out because a page that may be learnt says the same.
const twin = .5

// evaluation is what the training example needs beside the crawl, all of it lines as the source has them.
type evaluation struct {
	english [][]byte            // the pages in English that may be learnt
	heldOut map[string][][]byte // by language: pages that may not be
	pairs   map[string][][]byte // by language: sentences of held-out pages, and the same with two words swapped
	counts  map[string]int
}

// readEvaluation takes pages (of which none is held out) for granted and reads the others from the folder of the source.
func readEvaluation(dir string, pages map[string][]page) (e evaluation, err error) {
	e.heldOut, e.pairs, e.counts = map[string][][]byte{}, map[string][][]byte{}, map[string]int{}
	for _, p := range pages["en"] {
		e.english = append(e.english, p.line)
	}
	e.counts["english pages"] = len(e.english)
	for _, lang := range evaluationLanguages {
		name := filepath.Join(dir, lang+".jsonl.zst")
		lines, err := readLines(name)
		if err != nil {
			return e, err
		}
		if e.heldOut[lang], err = chooseHeldOut(name, lines, pages[lang]); err != nil {
			return e, err
		}
		e.counts["held-out pages "+lang] = len(e.heldOut[lang])
		name = filepath.Join(dir, "pairs."+lang+".jsonl.zst")
		if e.pairs[lang], err = readLines(name); err != nil {
			return e, err
		}
		for i, line := range e.pairs[lang] {
			var r struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(line, &r); err != nil {
				return e, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
			if !heldOut(r.ID) {
				return e, fmt.Errorf("%s:%d: the pair %q is of a page that may be learnt", name, i+1, r.ID)
			}
		}
		e.counts["pairs "+lang] = len(e.pairs[lang])
	}
	return e, nil
}

// chooseHeldOut takes the held-out pages of the lines that resemble none of those that may be learnt.
func chooseHeldOut(name string, lines [][]byte, learnt []page) (chosen [][]byte, err error) {
	having := map[string][]int{}
	sizes := make([]int, len(learnt))
	for i := range learnt {
		set := grams(learnt[i].text)
		sizes[i] = len(set)
		for g := range set {
			having[g] = append(having[g], i)
		}
	}
	for i, line := range lines {
		var r struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		if !heldOut(r.ID) {
			continue
		}
		set := grams(r.Text)
		shared := map[int]int{}
		for g := range set {
			for _, j := range having[g] {
				shared[j]++
			}
		}
		alone := true
		for j, n := range shared {
			alone = alone && float64(n) < twin*float64(len(set)+sizes[j]-n)
		}
		if alone {
			chosen = append(chosen, line)
		}
	}
	return chosen, nil
}

// writeEvaluation puts the files into the folder "training" below dir.
func writeEvaluation(dir string, e evaluation) error {
	dir = filepath.Join(dir, "training")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := writeLines(filepath.Join(dir, "english.jsonl.zst"), e.english); err != nil {
		return err
	}
	for _, lang := range evaluationLanguages {
		if err := writeLines(filepath.Join(dir, "heldout."+lang+".jsonl.zst"), e.heldOut[lang]); err != nil {
			return err
		}
		if err := writeLines(filepath.Join(dir, "pairs."+lang+".jsonl.zst"), e.pairs[lang]); err != nil {
			return err
		}
	}
	return nil
}
