package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	sentences = 400 // that are taken
	// Words of an English sentence.
	leastSentence, mostSentence = 4, 40
	// Characters of the Basque sentence for one of the English: what is outside is hardly its translation.
	leastRatio, mostRatio = 0.5, 2.2
)

// chooseSentences draws n paragraphs of held-out pages that have a translation, in their order: what a translator that has learnt
// from all other pages is measured by. The pages are given by their ids, in every language. No English paragraph is taken twice, nor one that stands in a page that may be
// learnt, too.
func chooseSentences(parallel []pair, pages map[string]bool, n int, rng *rand.Rand) ([]pair, error) {
	learnt, seen := map[string]bool{}, map[string]bool{}
	for _, p := range parallel {
		if !heldOut(p.ID) {
			learnt[strings.TrimSpace(p.EN)] = true
		}
	}
	var fit []pair
	for _, p := range parallel {
		p.EN, p.EU = strings.TrimSpace(p.EN), strings.TrimSpace(p.EU)
		path, _, _ := strings.Cut(p.ID, "#")
		words := len(strings.Fields(p.EN))
		ratio := float64(utf8.RuneCountInString(p.EU)) / float64(max(1, utf8.RuneCountInString(p.EN)))
		if !pages[path] || learnt[p.EN] || seen[p.EN] || words < leastSentence || words > mostSentence || !(ratio >= leastRatio && ratio <= mostRatio) ||
			strings.Contains(p.EN+p.EU, "\n") || untranslated(p) {
			continue
		}
		seen[p.EN] = true
		fit = append(fit, p)
	}
	if len(fit) < n {
		return nil, fmt.Errorf("parallel.en-eu: %d sentences of held-out pages may be taken, %d are wanted", len(fit), n)
	}
	places := rng.Perm(len(fit))[:n]
	slices.Sort(places)
	chosen := make([]pair, n)
	for i, k := range places {
		chosen[i] = fit[k]
	}
	return chosen, nil
}

// heldOutPaths are the paths of pages that stand in all of the lists.
func heldOutPaths(lists map[string][][]byte) (map[string]bool, error) {
	in := map[string]int{}
	for lang, lines := range lists {
		for _, line := range lines {
			var r struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, err
			}
			in[strings.TrimPrefix(r.ID, "lohelp/"+lang+"/")]++
		}
	}
	all := map[string]bool{}
	for path, n := range in {
		all[path] = n == len(lists)
	}
	return all, nil
}

// writeSentences puts the sentences of both languages into dir.
func writeSentences(dir string, list []pair) error {
	for name, text := range map[string]func(pair) string{
		"sentences.en": func(p pair) string { return p.EN }, "sentences.eu-reference": func(p pair) string { return p.EU },
	} {
		var lines [][]byte
		for _, p := range list {
			b := []byte(`{"id": `)
			for _, part := range []struct{ text, behind string }{{p.ID, `, "text": `}, {text(p), "}"}} {
				var err error
				if b, err = jsontext.AppendQuote(b, part.text); err != nil {
					return fmt.Errorf("%s: %w", p.ID, err)
				}
				b = append(b, part.behind...)
			}
			lines = append(lines, b)
		}
		if err := writeLines(filepath.Join(dir, name+".jsonl.zst"), lines); err != nil {
			return err
		}
	}
	return nil
}
