package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
)

// instructing are the rows from which the training example's model learns to answer, in English, to be translated, and those it is
// measured by, in people's Basque.
type instructing struct {
	instruct, preference           []row // English, of pages that may be learnt
	askedInstruct, askedPreference []row // Basque, of held-out pages
	counts                         map[string]int
}

// Rows of either training set: what a small model learns from in two minutes.
const instructRows, preferenceRows = 1500, 800

// chooseInstructing draws rows of pages that may be learnt, and takes those of the given held-out pages, except where a row that may be
// learnt asks or answers the same: a heading stands in several pages.
func chooseInstructing(s translationSource, preferenceReference []row, pages map[string]bool, seed uint64) (n instructing, err error) {
	for _, set := range []struct {
		name       string
		from, asks []row
		rows       int
		part       uint64
		to, asked  *[]row
	}{
		{"instruct", s.instruct, s.reference, instructRows, 105, &n.instruct, &n.askedInstruct}, // chooseSentences has part 104
		{"preference-hard", s.preference, preferenceReference, preferenceRows, 106, &n.preference, &n.askedPreference},
	} {
		drawn, err := draw(set.from, set.rows, rand.New(rand.NewPCG(seed, set.part)))
		if err != nil {
			return n, fmt.Errorf("%s.en: %w", set.name, err)
		}
		for _, k := range drawn {
			*set.to = append(*set.to, set.from[k])
		}
		learnt := map[string]bool{}
		for _, r := range set.asks {
			if !heldOut(r.id) {
				for _, t := range r.texts {
					learnt[t] = true
				}
			}
		}
		for _, r := range set.asks {
			path, _, _ := strings.Cut(r.id, "#")
			fresh := pages[path]
			for _, t := range r.texts {
				fresh = fresh && !learnt[t]
			}
			if fresh {
				*set.asked = append(*set.asked, r)
			}
		}
	}
	n.counts = map[string]int{
		"training: instruct rows": len(n.instruct), "training: preference rows": len(n.preference),
		"held-out instruct rows": len(n.askedInstruct), "held-out preference rows": len(n.askedPreference),
	}
	return n, nil
}

// writeInstructing puts the files into the folder "training" below dir.
func writeInstructing(dir string, n instructing) error {
	for _, f := range []struct {
		name string
		rows []row
	}{
		{"instruct.en", n.instruct}, {"preference.en", n.preference},
		{"heldout.instruct.eu", n.askedInstruct}, {"heldout.preference.eu", n.askedPreference},
	} {
		lines := make([][]byte, len(f.rows))
		for i, r := range f.rows {
			lines[i] = r.line
		}
		if err := writeLines(filepath.Join(dir, "training", f.name+".jsonl.zst"), lines); err != nil {
			return err
		}
	}
	return nil
}
